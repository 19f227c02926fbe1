//! Payloads as values of the component model's types, and back.
//!
//! The form of a payload is what serde makes of the Rust type that matches: a record is a map by the names in WIT, a
//! tuple an array, a variant the name of its case or a map of one from that to its content, an option nothing or the
//! value, flags the names of those that are set, a `result` within a value `{"Ok": …}` or `{"Err": …}`.

use std::cell::Cell;
use std::fmt::Display;

use ciborium::Value;
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize, Serializer};
use steading_types::PAYLOAD;
use wasmtime::component::Val;

use super::kinds::{Kind, Named};
use super::text;
use crate::backend::wasm::limits;

/// What is wrong with a payload, and where in it.
pub(super) type Result<T> = std::result::Result<T, String>;

/// The arguments of a call, nothing for none, the value itself for one, a sequence for several; and the bytes of the
/// host's memory that they take.
pub(super) fn arguments(parameters: &[(String, Kind)], payload: &[u8]) -> Result<(Vec<Val>, usize)> {
    // Before anything is made of it: each takes tens of bytes, and takes one in a payload.
    if items(payload) > limits::VALUES {
        return Err(too_many());
    }
    let payload = steading_actor::decode(payload).map_err(|error| error.to_string())?;
    let values = match (parameters.len(), payload) {
        (0, Value::Null) => Vec::new(),
        (1, value) => vec![value],
        (wanted, Value::Array(values)) if values.len() == wanted => values,
        (wanted, Value::Array(values)) => return Err(format!("it takes {wanted} arguments, got {}", values.len())),
        (wanted, other) => return Err(format!("it takes {wanted} arguments, got {}", named(&other))),
    };
    let mut lower = Lower::default();
    let pairs = parameters.iter().zip(values);
    let values = pairs.map(|((name, kind), value)| lower.value(kind, value).map_err(|wrong| at(name, wrong)));
    Ok((values.collect::<Result<_>>()?, lower.bytes))
}

/// How many values a payload has, keys among them: heads are counted, whatever they are the heads of.
fn items(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [head, rest @ ..] = bytes {
        count += 1;
        let width = match head & 0x1f {
            size @ 24..=27 => 1 << (size - 24),
            _ => 0,
        };
        let Some((number, rest)) = rest.split_at_checked(width) else {
            break;
        };
        let number = match width {
            0 => u64::from(head & 0x1f),
            _ => number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        };
        // Bytes and texts, unless they come in parts.
        let is_text = matches!(head >> 5, 2 | 3) && head & 0x1f < 28;
        let skipped = if is_text { number } else { 0 };
        bytes = usize::try_from(skipped)
            .ok()
            .and_then(|skipped| rest.get(skipped..))
            .unwrap_or(&[]);
    }
    count
}

/// The bytes of a payload; `None` if they are more than it may have. No more than those are made.
pub(super) fn payload(value: Option<&Val>) -> Option<Vec<u8>> {
    let left = Cell::new(PAYLOAD);
    let bytes = match value {
        Some(value) => steading_actor::encode(&Payload { value, left: &left }),
        None => steading_actor::encode(&()),
    };
    bytes.ok().filter(|bytes| bytes.len() <= PAYLOAD)
}

/// A value as it is written, and the bytes that may still be.
struct Payload<'a> {
    value: &'a Val,
    left: &'a Cell<usize>,
}

impl<'a> Payload<'a> {
    fn of(&self, value: &'a Val) -> Self {
        Self { value, left: self.left }
    }

    /// Takes as much as will be written, or less, but something for each value.
    fn take<E: serde::ser::Error>(&self, text: usize) -> std::result::Result<(), E> {
        let left = self.left.get().checked_sub(1 + text);
        self.left.set(left.ok_or_else(|| E::custom("it is too large"))?);
        Ok(())
    }

    fn optional<S: Serializer>(&self, value: Option<&'a Val>, to: S) -> std::result::Result<S::Ok, S::Error> {
        match value {
            Some(value) => self.of(value).serialize(to),
            None => to.serialize_unit(),
        }
    }

    fn tagged<S: Serializer>(
        &self,
        name: &str,
        content: Option<&'a Val>,
        to: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        self.take(name.len())?;
        let mut map = to.serialize_map(Some(1))?;
        match content {
            Some(content) => map.serialize_entry(name, &self.of(content))?,
            None => map.serialize_entry(name, &())?,
        }
        map.end()
    }
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        self.take(0)?;
        match self.value {
            Val::Bool(value) => to.serialize_bool(*value),
            Val::S8(number) => to.serialize_i8(*number),
            Val::U8(number) => to.serialize_u8(*number),
            Val::S16(number) => to.serialize_i16(*number),
            Val::U16(number) => to.serialize_u16(*number),
            Val::S32(number) => to.serialize_i32(*number),
            Val::U32(number) => to.serialize_u32(*number),
            Val::S64(number) => to.serialize_i64(*number),
            Val::U64(number) => to.serialize_u64(*number),
            Val::Float32(number) => to.serialize_f64(f64::from(*number)),
            Val::Float64(number) => to.serialize_f64(*number),
            Val::Char(c) => to.serialize_char(*c),
            Val::String(text) | Val::Enum(text) | Val::Variant(text, None) => {
                self.take(text.len())?;
                to.serialize_str(text)
            }
            Val::List(items) | Val::Tuple(items) => to.collect_seq(items.iter().map(|item| self.of(item))),
            Val::Record(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    self.take(name.len())?;
                    map.serialize_entry(name, &self.of(value))?;
                }
                map.end()
            }
            Val::Variant(name, content) => self.tagged(name, content.as_deref(), to),
            Val::Option(value) => self.optional(value.as_deref(), to),
            Val::Result(Ok(value)) => self.tagged("Ok", value.as_deref(), to),
            Val::Result(Err(value)) => self.tagged("Err", value.as_deref(), to),
            Val::Flags(names) => {
                names.iter().try_for_each(|name| self.take(name.len()))?;
                to.collect_seq(names)
            }
            // No endpoint has any other in its types.
            _ => Err(S::Error::custom("it is no plain value")),
        }
    }
}

/// Values that have been made of a payload, and the bytes that they take: each far more than it took on the wire.
#[derive(Default)]
struct Lower {
    values: usize,
    bytes: usize,
}

impl Lower {
    fn value(&mut self, kind: &Kind, value: Value) -> Result<Val> {
        self.count(1)?;
        match (kind, value) {
            (Kind::Bool, Value::Bool(value)) => Ok(Val::Bool(value)),
            (Kind::Float32, value) => float(value, kind).map(|number| Val::Float32(number as f32)),
            (Kind::Float64, value) => float(value, kind).map(Val::Float64),
            (Kind::Char, Value::Text(text)) => character(&text),
            (Kind::String, Value::Text(text)) => {
                self.take(text.len())?;
                Ok(Val::String(text))
            }
            (Kind::List(item), Value::Array(values)) => self.items(item, values),
            (Kind::List(item), Value::Bytes(bytes)) if matches!(**item, Kind::U8) => {
                self.count(bytes.len())?;
                Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
            }
            (Kind::Tuple(kinds), Value::Array(values)) => self.tuple(kinds, values),
            (Kind::Record(fields), Value::Map(entries)) => self.record(fields, entries),
            (Kind::Variant(cases), value) => {
                let (name, content) = case(kind, value)?;
                self.variant(cases, name, content)
            }
            (Kind::Enum(names), Value::Text(name)) => match names.place(&name) {
                Some(_) => Ok(Val::Enum(self.own(name)?)),
                None => Err(unknown("case", &name, names.names())),
            },
            (Kind::Option(_), Value::Null) => Ok(Val::Option(None)),
            (Kind::Option(kind), value) => Ok(Val::Option(Some(Box::new(self.value(kind, value)?)))),
            (Kind::Result(ok, err), value) => {
                let (name, content) = case(kind, value)?;
                match name.as_str() {
                    "Ok" | "ok" => Ok(Val::Result(Ok(self.content(ok.as_deref(), content)?))),
                    "Err" | "err" => Ok(Val::Result(Err(self.content(err.as_deref(), content)?))),
                    _ => Err(unknown("case", &name, ["Ok", "Err"].into_iter())),
                }
            }
            (Kind::Flags(names), Value::Array(values)) => self.flags(names, values),
            (kind, value) => integer(kind, value),
        }
    }

    fn count(&mut self, values: usize) -> Result<()> {
        self.values += values;
        match self.values > limits::VALUES {
            true => Err(too_many()),
            false => self.take(values * size_of::<Val>()),
        }
    }

    fn take(&mut self, bytes: usize) -> Result<()> {
        // With what the allocator keeps of it.
        self.bytes += bytes + 16;
        match self.bytes > limits::LOWERED {
            true => Err(format!("it takes more than {} MiB of memory", limits::LOWERED >> 20)),
            false => Ok(()),
        }
    }

    /// A name that a value has to have for itself.
    fn own(&mut self, name: String) -> Result<String> {
        self.take(size_of::<String>() + name.len())?;
        Ok(name)
    }

    fn items(&mut self, kind: &Kind, values: Vec<Value>) -> Result<Val> {
        let mut items = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            items.push(
                self.value(kind, value)
                    .map_err(|wrong| at(format!("[{index}]"), wrong))?,
            );
        }
        Ok(Val::List(items))
    }

    fn tuple(&mut self, kinds: &[Kind], values: Vec<Value>) -> Result<Val> {
        if kinds.len() != values.len() {
            return Err(format!("expected {} values, got {}", kinds.len(), values.len()));
        }
        let pairs = kinds.iter().zip(values).enumerate();
        let items = pairs.map(|(index, (kind, value))| self.value(kind, value).map_err(|wrong| at(index, wrong)));
        Ok(Val::Tuple(items.collect::<Result<_>>()?))
    }

    fn record(&mut self, fields: &Named<Kind>, entries: Vec<(Value, Value)>) -> Result<Val> {
        let mut given: Vec<Option<Value>> = vec![None; fields.len()];
        for (key, value) in entries {
            let Value::Text(name) = key else {
                return Err("expected the names of fields".to_owned());
            };
            let Some(place) = fields.place(&name) else {
                return Err(unknown("field", &name, fields.names()));
            };
            if given[place].replace(value).is_some() {
                return Err(format!("field `{name}` is there twice"));
            }
        }
        let mut values = Vec::with_capacity(fields.len());
        for ((name, kind), value) in fields.iter().zip(given) {
            let value = match value {
                Some(value) => value,
                None if matches!(kind, Kind::Option(_)) => Value::Null,
                None => return Err(format!("field `{name}` is missing")),
            };
            let value = self.value(kind, value).map_err(|wrong| at(name, wrong))?;
            values.push((self.own(name.to_owned())?, value));
        }
        Ok(Val::Record(values))
    }

    fn variant(&mut self, cases: &Named<Option<Kind>>, name: String, content: Value) -> Result<Val> {
        let Some(kind) = cases.get(&name) else {
            return Err(unknown("case", &name, cases.names()));
        };
        let content = self.content(kind.as_ref(), content).map_err(|wrong| at(&name, wrong))?;
        Ok(Val::Variant(self.own(name)?, content))
    }

    fn content(&mut self, kind: Option<&Kind>, value: Value) -> Result<Option<Box<Val>>> {
        match (kind, value) {
            (None, Value::Null) => Ok(None),
            (None, other) => Err(format!("expected nothing, got {}", named(&other))),
            (Some(kind), value) => self.value(kind, value).map(Box::new).map(Some),
        }
    }

    fn flags(&mut self, known: &Named<()>, values: Vec<Value>) -> Result<Val> {
        let mut is_set = vec![false; known.len()];
        let mut set = Vec::new();
        for value in values {
            let Value::Text(name) = value else {
                return Err(format!("expected the name of a flag, got {}", named(&value)));
            };
            let Some(place) = known.place(&name) else {
                return Err(unknown("flag", &name, known.names()));
            };
            if !std::mem::replace(&mut is_set[place], true) {
                set.push(self.own(name)?);
            }
        }
        Ok(Val::Flags(set))
    }
}

/// The name of a case and what it carries, `Null` if nothing.
fn case(kind: &Kind, value: Value) -> Result<(String, Value)> {
    match value {
        Value::Text(name) => Ok((name, Value::Null)),
        Value::Map(mut entries) if entries.len() == 1 => match entries.remove(0) {
            (Value::Text(name), content) => Ok((name, content)),
            (key, _) => Err(unlike(kind, &key)),
        },
        other => Err(unlike(kind, &other)),
    }
}

fn integer(kind: &Kind, value: Value) -> Result<Val> {
    let Value::Integer(number) = value else {
        return Err(unlike(kind, &value));
    };
    let range = || format!("{} is out of range for {}", i128::from(number), text::plain_name(kind));
    match kind {
        Kind::S8 => number.try_into().map(Val::S8).map_err(|_| range()),
        Kind::U8 => number.try_into().map(Val::U8).map_err(|_| range()),
        Kind::S16 => number.try_into().map(Val::S16).map_err(|_| range()),
        Kind::U16 => number.try_into().map(Val::U16).map_err(|_| range()),
        Kind::S32 => number.try_into().map(Val::S32).map_err(|_| range()),
        Kind::U32 => number.try_into().map(Val::U32).map_err(|_| range()),
        Kind::S64 => number.try_into().map(Val::S64).map_err(|_| range()),
        Kind::U64 => number.try_into().map(Val::U64).map_err(|_| range()),
        _ => Err(unlike(kind, &value)),
    }
}

fn float(value: Value, kind: &Kind) -> Result<f64> {
    match value {
        Value::Float(number) => Ok(number),
        Value::Integer(number) => Ok(i128::from(number) as f64),
        other => Err(unlike(kind, &other)),
    }
}

fn character(text: &str) -> Result<Val> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) => Ok(Val::Char(c)),
        _ => Err(format!("expected one character, got {}", text.chars().count())),
    }
}

fn too_many() -> String {
    format!("it has more than {} values", limits::VALUES)
}

fn unlike(kind: &Kind, value: &Value) -> String {
    format!("expected {}, got {}", text::of(kind), named(value))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.take(16).collect();
    let name: String = name.chars().take(64).collect();
    format!("no {what} `{}`; there are: {}", name.escape_debug(), known.join(", "))
}

fn at(place: impl Display, wrong: String) -> String {
    let place = place.to_string();
    format!("{}: {wrong}", &place[..place.floor_char_boundary(64)])
}

fn named(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "an integer",
        Value::Bytes(_) => "bytes",
        Value::Float(_) => "a float",
        Value::Text(_) => "a text",
        Value::Bool(_) => "a bool",
        Value::Null => "nothing",
        Value::Array(_) => "a sequence",
        Value::Map(_) => "a map",
        _ => "something else",
    }
}
