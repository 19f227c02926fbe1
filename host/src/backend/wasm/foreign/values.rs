//! Payloads as values of the component model's types, and back.
//!
//! The form of a payload is what serde makes of the Rust type that matches: a record is a map by the names in WIT, a
//! tuple an array, a variant the name of its case or a map of one from that to its content, an option nothing or the
//! value, flags the names of those that are set, a `result` within a value `{"Ok": …}` or `{"Err": …}`.

use std::fmt::Display;

use ciborium::Value;
use wasmtime::component::types::{Case, OptionType};
use wasmtime::component::{Type, Val};

use super::text;
use crate::backend::wasm::limits;

/// What is wrong with a payload, and where in it.
pub(super) type Result<T> = std::result::Result<T, String>;

/// The arguments of a call: nothing for none, the value itself for one, a sequence for several.
pub(super) fn arguments(parameters: &[(String, Type)], payload: Value) -> Result<Vec<Val>> {
    let mut lower = Lower { left: limits::VALUES };
    let values = match (parameters.len(), payload) {
        (0, Value::Null) => Vec::new(),
        (1, value) => vec![value],
        (wanted, Value::Array(values)) if values.len() == wanted => values,
        (wanted, Value::Array(values)) => return Err(format!("it takes {wanted} arguments, got {}", values.len())),
        (wanted, other) => return Err(format!("it takes {wanted} arguments, got {}", named(&other))),
    };
    let pairs = parameters.iter().zip(values);
    pairs
        .map(|((name, kind), value)| lower.value(kind, value).map_err(|wrong| at(name, wrong)))
        .collect()
}

/// A value as a payload.
pub(super) fn payload(value: &Val) -> Value {
    match value {
        Val::Bool(value) => Value::Bool(*value),
        Val::S8(number) => Value::from(*number),
        Val::U8(number) => Value::from(*number),
        Val::S16(number) => Value::from(*number),
        Val::U16(number) => Value::from(*number),
        Val::S32(number) => Value::from(*number),
        Val::U32(number) => Value::from(*number),
        Val::S64(number) => Value::from(*number),
        Val::U64(number) => Value::from(*number),
        Val::Float32(number) => Value::Float(f64::from(*number)),
        Val::Float64(number) => Value::Float(*number),
        Val::Char(c) => Value::Text(c.to_string()),
        Val::String(text) | Val::Enum(text) => Value::Text(text.clone()),
        Val::List(items) | Val::Tuple(items) | Val::FixedLengthList(items) => {
            Value::Array(items.iter().map(payload).collect())
        }
        Val::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| (payload(key), payload(value)))
                .collect(),
        ),
        Val::Record(fields) => Value::Map(
            fields
                .iter()
                .map(|(name, value)| (Value::Text(name.clone()), payload(value)))
                .collect(),
        ),
        Val::Variant(name, None) => Value::Text(name.clone()),
        Val::Variant(name, Some(content)) => tagged(name, payload(content)),
        Val::Option(value) => optional(value.as_deref()),
        Val::Result(Ok(value)) => tagged("Ok", optional(value.as_deref())),
        Val::Result(Err(value)) => tagged("Err", optional(value.as_deref())),
        Val::Flags(names) => Value::Array(names.iter().cloned().map(Value::Text).collect()),
        // No endpoint has these in its types.
        Val::Resource(_) | Val::Future(_) | Val::Stream(_) | Val::ErrorContext(_) => Value::Null,
    }
}

/// The same of what may be missing.
pub(super) fn optional(value: Option<&Val>) -> Value {
    value.map_or(Value::Null, payload)
}

fn tagged(name: &str, content: Value) -> Value {
    Value::Map(vec![(Value::Text(name.to_owned()), content)])
}

/// Values of a payload that may still be made: each takes far more memory than it took on the wire.
struct Lower {
    left: usize,
}

impl Lower {
    fn value(&mut self, kind: &Type, value: Value) -> Result<Val> {
        self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
        match (kind, value) {
            (Type::Bool, Value::Bool(value)) => Ok(Val::Bool(value)),
            (Type::Float32, value) => float(value, kind).map(|number| Val::Float32(number as f32)),
            (Type::Float64, value) => float(value, kind).map(Val::Float64),
            (Type::Char, Value::Text(text)) => character(&text),
            (Type::String, Value::Text(text)) => Ok(Val::String(text)),
            (Type::List(list), value) => self.list(kind, &list.ty(), value),
            (Type::Tuple(tuple), Value::Array(values)) => {
                let kinds: Vec<_> = tuple.types().collect();
                self.tuple(&kinds, values)
            }
            (Type::Record(record), Value::Map(entries)) => {
                let fields: Vec<_> = record.fields().map(|field| (field.name.to_owned(), field.ty)).collect();
                self.record(&fields, entries)
            }
            (Type::Variant(variant), value) => {
                let (name, content) = case(kind, value)?;
                self.variant(variant.cases(), name, content)
            }
            (Type::Enum(names), Value::Text(name)) => match names.names().any(|known| known == name) {
                true => Ok(Val::Enum(name)),
                false => Err(unknown("case", &name, names.names())),
            },
            (Type::Option(option), value) => self.option(option, value),
            (Type::Result(result), value) => {
                let (name, content) = case(kind, value)?;
                match name.as_str() {
                    "Ok" | "ok" => Ok(Val::Result(Ok(self.content(result.ok(), content)?))),
                    "Err" | "err" => Ok(Val::Result(Err(self.content(result.err(), content)?))),
                    _ => Err(unknown("case", &name, ["Ok", "Err"].into_iter())),
                }
            }
            (Type::Flags(flags), Value::Array(values)) => self.flags(flags.names().collect(), values),
            (kind, value) => integer(kind, value),
        }
    }

    fn list(&mut self, kind: &Type, item: &Type, value: Value) -> Result<Val> {
        match value {
            Value::Array(values) => self.items(item, values),
            Value::Bytes(bytes) if matches!(item, Type::U8) => {
                self.left = self.left.checked_sub(bytes.len()).ok_or_else(too_many)?;
                Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
            }
            other => Err(unlike(kind, &other)),
        }
    }

    fn items(&mut self, item: &Type, values: Vec<Value>) -> Result<Val> {
        let values = values.into_iter().enumerate();
        let items =
            values.map(|(index, value)| self.value(item, value).map_err(|wrong| at(format!("[{index}]"), wrong)));
        Ok(Val::List(items.collect::<Result<_>>()?))
    }

    fn tuple(&mut self, kinds: &[Type], values: Vec<Value>) -> Result<Val> {
        if kinds.len() != values.len() {
            return Err(format!("expected {} values, got {}", kinds.len(), values.len()));
        }
        let pairs = kinds.iter().zip(values).enumerate();
        let items = pairs.map(|(index, (kind, value))| self.value(kind, value).map_err(|wrong| at(index, wrong)));
        Ok(Val::Tuple(items.collect::<Result<_>>()?))
    }

    fn record(&mut self, fields: &[(String, Type)], entries: Vec<(Value, Value)>) -> Result<Val> {
        let mut given = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Value::Text(name) = key else {
                return Err("expected the names of fields".to_owned());
            };
            if !fields.iter().any(|(known, _)| *known == name) {
                return Err(unknown("field", &name, fields.iter().map(|(known, _)| known.as_str())));
            }
            given.push((name, value));
        }
        let mut values = Vec::with_capacity(fields.len());
        for (name, kind) in fields {
            let value = match given.iter().position(|(known, _)| known == name) {
                Some(index) => given.swap_remove(index).1,
                None if matches!(kind, Type::Option(_)) => Value::Null,
                None => return Err(format!("field `{name}` is missing")),
            };
            values.push((name.clone(), self.value(kind, value).map_err(|wrong| at(name, wrong))?));
        }
        match given.first() {
            Some((name, _)) => Err(format!("field `{name}` is there twice")),
            None => Ok(Val::Record(values)),
        }
    }

    fn variant<'a>(&mut self, cases: impl Iterator<Item = Case<'a>>, name: String, content: Value) -> Result<Val> {
        let cases: Vec<_> = cases.collect();
        match cases.iter().find(|case| case.name == name) {
            Some(case) => {
                let content = self
                    .content(case.ty.clone(), content)
                    .map_err(|wrong| at(&name, wrong))?;
                Ok(Val::Variant(name, content))
            }
            None => Err(unknown("case", &name, cases.iter().map(|case| case.name))),
        }
    }

    fn option(&mut self, option: &OptionType, value: Value) -> Result<Val> {
        Ok(Val::Option(match value {
            Value::Null => None,
            value => Some(Box::new(self.value(&option.ty(), value)?)),
        }))
    }

    fn content(&mut self, kind: Option<Type>, value: Value) -> Result<Option<Box<Val>>> {
        match (kind, value) {
            (None, Value::Null) => Ok(None),
            (None, other) => Err(format!("expected nothing, got {}", named(&other))),
            (Some(kind), value) => self.value(&kind, value).map(Box::new).map(Some),
        }
    }

    fn flags(&mut self, known: Vec<&str>, values: Vec<Value>) -> Result<Val> {
        let mut set = Vec::with_capacity(values.len().min(known.len()));
        for value in values {
            match value {
                Value::Text(name) if !known.contains(&name.as_str()) => {
                    return Err(unknown("flag", &name, known.into_iter()));
                }
                Value::Text(name) if !set.contains(&name) => set.push(name),
                Value::Text(_) => {}
                other => return Err(format!("expected the name of a flag, got {}", named(&other))),
            }
        }
        Ok(Val::Flags(set))
    }
}

/// The name of a case and what it carries, `Null` if nothing.
fn case(kind: &Type, value: Value) -> Result<(String, Value)> {
    match value {
        Value::Text(name) => Ok((name, Value::Null)),
        Value::Map(mut entries) if entries.len() == 1 => match entries.remove(0) {
            (Value::Text(name), content) => Ok((name, content)),
            (key, _) => Err(unlike(kind, &key)),
        },
        other => Err(unlike(kind, &other)),
    }
}

fn integer(kind: &Type, value: Value) -> Result<Val> {
    let Value::Integer(number) = value else {
        return Err(unlike(kind, &value));
    };
    let range = || format!("{} is out of range for {}", i128::from(number), text::plain_name(kind));
    match kind {
        Type::S8 => number.try_into().map(Val::S8).map_err(|_| range()),
        Type::U8 => number.try_into().map(Val::U8).map_err(|_| range()),
        Type::S16 => number.try_into().map(Val::S16).map_err(|_| range()),
        Type::U16 => number.try_into().map(Val::U16).map_err(|_| range()),
        Type::S32 => number.try_into().map(Val::S32).map_err(|_| range()),
        Type::U32 => number.try_into().map(Val::U32).map_err(|_| range()),
        Type::S64 => number.try_into().map(Val::S64).map_err(|_| range()),
        Type::U64 => number.try_into().map(Val::U64).map_err(|_| range()),
        _ => Err(unlike(kind, &value)),
    }
}

fn float(value: Value, kind: &Type) -> Result<f64> {
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

fn unlike(kind: &Type, value: &Value) -> String {
    format!("expected {}, got {}", text::of(kind), named(value))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.take(16).collect();
    let name: String = name.chars().take(64).collect();
    format!("no {what} `{}`; there are: {}", name.escape_debug(), known.join(", "))
}

fn at(place: impl Display, wrong: String) -> String {
    format!("{place}: {wrong}")
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
