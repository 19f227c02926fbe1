//! What a schema says is what the codec writes: values of many types, held against the text of their type.
//!
//! The text is read by a parser of its own, which is also the proof that it can be read in one way only.

use std::collections::BTreeMap;
use std::time::Duration;

use ciborium::Value;
use serde::{Deserialize, Serialize};
use steading_actor::schema::{Schema as Described, Shape};
use steading_actor::{Schema, encode};

/// A schema as read from its text.
#[derive(Clone, Debug)]
enum Form {
    Scalar(String),
    Option(Box<Form>),
    Sequence(Box<Form>, Option<usize>),
    Tuple(Vec<Form>),
    Map(Vec<Form>),
    Record(Vec<(String, bool, Form)>, Vec<Form>),
    Variants(Tag, Vec<(String, Option<Form>)>),
}

#[derive(Clone, Debug)]
enum Tag {
    Key,
    Inside(String),
    Beside(String, String),
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn read(text: &str) -> Form {
        let mut reader = Reader(text);
        let form = reader.form();
        assert_eq!(reader.0, "", "left over of {text}");
        form
    }

    fn takes(&mut self, token: &str) -> bool {
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    #[track_caller]
    fn expect(&mut self, token: &str) {
        assert!(self.takes(token), "no `{token}` before {}", self.0);
    }

    fn name(&mut self) -> String {
        if self.takes("\"") {
            let (name, rest) = self.0.split_once('"').expect("it is closed");
            self.0 = rest;
            return name.to_owned();
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let end = self.0.find(|c| !is_plain(c)).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        self.0 = rest;
        name.to_owned()
    }

    fn form(&mut self) -> Form {
        let mut form = self.bare();
        while self.takes("?") {
            form = Form::Option(Box::new(form));
        }
        form
    }

    fn bare(&mut self) -> Form {
        match self.0.as_bytes()[0] {
            b'[' => self.sequence(),
            b'(' => Form::Tuple(self.tuple()),
            b'{' => self.record(),
            b'<' => Form::Variants(Tag::Key, self.variants()),
            _ => {
                let name = self.name();
                match self.0.as_bytes().first() {
                    Some(b'(') if name == "map" => Form::Map(self.tuple()),
                    Some(b'<') => Form::Variants(Tag::Inside(name), self.variants()),
                    Some(b'+') => {
                        self.expect("+");
                        Form::Variants(Tag::Beside(name, self.name()), self.variants())
                    }
                    _ => Form::Scalar(name),
                }
            }
        }
    }

    fn sequence(&mut self) -> Form {
        self.expect("[");
        let item = Box::new(self.form());
        let length = self.takes(";").then(|| self.name().parse().expect("a number"));
        self.expect("]");
        Form::Sequence(item, length)
    }

    fn tuple(&mut self) -> Vec<Form> {
        self.expect("(");
        let mut items = Vec::new();
        while !self.takes(")") {
            self.takes(",");
            items.push(self.form());
        }
        items
    }

    fn record(&mut self) -> Form {
        self.expect("{");
        let (mut fields, mut flattened) = (Vec::new(), Vec::new());
        while !self.takes("}") {
            self.takes(",");
            if self.takes("..") {
                flattened.push(self.form());
                continue;
            }
            let name = self.name();
            let optional = self.takes("?");
            self.expect(":");
            fields.push((name, optional, self.form()));
        }
        Form::Record(fields, flattened)
    }

    fn variants(&mut self) -> Vec<(String, Option<Form>)> {
        self.expect("<");
        let mut variants = Vec::new();
        while !self.takes(">") {
            self.takes("|");
            let name = self.name();
            let content = match self.0.as_bytes()[0] {
                b'(' => Some(match self.tuple() {
                    one if one.len() == 1 => one[0].clone(),
                    several => Form::Tuple(several),
                }),
                b'{' => Some(self.record()),
                _ => None,
            };
            variants.push((name, content));
        }
        variants
    }
}

type Entries = [(Value, Value)];

impl Form {
    fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Scalar(name), value) => fits_scalar(name, value),
            (Self::Option(inner), value) => value.is_null() || inner.fits(value),
            (Self::Sequence(item, length), Value::Array(items)) => {
                length.is_none_or(|length| length == items.len()) && items.iter().all(|value| item.fits(value))
            }
            (Self::Tuple(forms), Value::Array(items)) => {
                forms.len() == items.len() && forms.iter().zip(items).all(|(form, item)| form.fits(item))
            }
            (Self::Map(forms), Value::Map(entries)) => entries
                .iter()
                .all(|(key, value)| forms[0].fits(key) && forms[1].fits(value)),
            (Self::Record(..), Value::Map(entries)) => self.fits_entries(entries),
            (Self::Variants(tag, variants), value) => fits_variant(tag, variants, value),
            _ => false,
        }
    }

    /// Every field is there and fits; what is not a field belongs to what is flattened.
    fn fits_entries(&self, entries: &Entries) -> bool {
        match self {
            Self::Record(fields, flattened) => {
                let named = fields.iter().all(|(name, optional, form)| match of(entries, name) {
                    Some(value) => form.fits(value),
                    None => *optional,
                });
                let is_field = |key: &Value| fields.iter().any(|(name, ..)| key.as_text() == Some(name));
                let rest: Vec<_> = entries.iter().filter(|(key, _)| !is_field(key)).cloned().collect();
                let others = flattened.iter().all(|form| form.fits_entries(&rest));
                named && others && (!flattened.is_empty() || rest.is_empty())
            }
            form => form.fits(&Value::Map(entries.to_vec())),
        }
    }
}

fn of<'a>(entries: &'a Entries, name: &str) -> Option<&'a Value> {
    entries
        .iter()
        .find(|(key, _)| key.as_text() == Some(name))
        .map(|(_, value)| value)
}

fn fits_scalar(name: &str, value: &Value) -> bool {
    match name {
        "unit" => value.is_null(),
        "bool" => value.is_bool(),
        "int" => value.is_integer(),
        "float" => value.is_float(),
        "text" => value.is_text(),
        "bytes" => value.is_bytes(),
        other => other == "any",
    }
}

fn fits_variant(tag: &Tag, variants: &[(String, Option<Form>)], value: &Value) -> bool {
    let content = |name: Option<&str>| variants.iter().find(|(variant, _)| Some(variant.as_str()) == name);
    match (tag, value) {
        (Tag::Key, Value::Text(name)) => content(Some(name)).is_some_and(|(_, form)| form.is_none()),
        (Tag::Key, Value::Map(entries)) => match &entries[..] {
            [(name, value)] => {
                content(name.as_text()).is_some_and(|(_, form)| form.as_ref().is_some_and(|f| f.fits(value)))
            }
            _ => false,
        },
        (Tag::Inside(tag), Value::Map(entries)) => {
            let name = of(entries, tag).and_then(Value::as_text);
            let rest: Vec<_> = entries
                .iter()
                .filter(|(key, _)| key.as_text() != Some(tag))
                .cloned()
                .collect();
            content(name).is_some_and(|(_, form)| form.as_ref().map_or(rest.is_empty(), |f| f.fits_entries(&rest)))
        }
        (Tag::Beside(tag, inside), Value::Map(entries)) => {
            let name = of(entries, tag).and_then(Value::as_text);
            content(name).is_some_and(|(_, form)| match (form, of(entries, inside)) {
                (Some(form), Some(value)) => form.fits(value),
                (None, None) => true,
                _ => false,
            })
        }
        _ => false,
    }
}

fn form<T: Described>() -> (String, Form) {
    let text = Shape::of::<T>().expect("it is short");
    let form = Reader::read(&text);
    (text, form)
}

fn on_the_wire<T: Serialize>(value: &T) -> Value {
    let bytes = encode(value).expect("it can be sent");
    ciborium::from_reader(&bytes[..]).expect("it is CBOR")
}

#[track_caller]
fn fits<T: Described + Serialize>(values: &[T]) {
    let (text, form) = form::<T>();
    for value in values.iter().map(on_the_wire) {
        assert!(form.fits(&value), "{text} is not what is sent: {value:?}");
    }
}

#[derive(Default, Serialize, Deserialize, Schema)]
struct Fields {
    plain: u8,
    #[serde(rename = "a name")]
    renamed: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seldom: Option<String>,
    #[serde(skip)]
    _never: u8,
    #[serde(with = "serde_text")]
    foreign: u8,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Default, Serialize, Deserialize, Schema)]
struct Inner {
    x: (u8, String),
    when: Duration,
}

mod serde_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The same type under each of serde's spellings.
macro_rules! spelt {
    ($($name:ident: $case:literal,)*) => {
        $(#[derive(Serialize, Deserialize, Schema)]
        #[serde(rename_all = $case, rename_all_fields = $case)]
        enum $name {
            One,
            VeryLong(u8),
            WithHTTPInside { first_field: u8, r#type: bool, x2_y: char },
        }

        impl $name {
            fn all() -> [Self; 3] {
                [Self::One, Self::VeryLong(1), Self::WithHTTPInside { first_field: 1, r#type: true, x2_y: 'x' }]
            }
        })*

        #[test]
        fn names_are_spelt_as_serde_spells_them() {
            $(fits(&$name::all());)*
        }
    };
}

spelt! {
    Lower: "lowercase",
    Upper: "UPPERCASE",
    Pascal: "PascalCase",
    Camel: "camelCase",
    Snake: "snake_case",
    ScreamingSnake: "SCREAMING_SNAKE_CASE",
    Kebab: "kebab-case",
    ScreamingKebab: "SCREAMING-KEBAB-CASE",
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Inside {
    Unit,
    Wraps(Inner),
    Has { y: u8 },
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(tag = "t", content = "c")]
enum Beside {
    Unit,
    Wraps(Inner),
    Pair(u8, u8),
    Has { y: u8 },
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(tag = "type")]
struct Tagged {
    y: u8,
}

#[derive(Serialize, Deserialize, Schema)]
struct Wrapper(Vec<u8>);

#[test]
fn fields_are_there_under_their_names() {
    let seldom = Some("now".to_owned());
    fits(&[
        Fields {
            seldom,
            ..Fields::default()
        },
        Fields::default(),
    ]);
    fits(&[Tagged { y: 1 }]);
    fits(&[BTreeMap::from([(1, Wrapper(vec![7]))])]);
}

#[test]
fn variants_are_tagged_as_said() {
    fits(&[Inside::Unit, Inside::Wraps(Inner::default()), Inside::Has { y: 1 }]);
    fits(&[
        Beside::Unit,
        Beside::Wraps(Inner::default()),
        Beside::Pair(1, 2),
        Beside::Has { y: 1 },
    ]);
    fits(&[Ok(1), Err("x".to_owned())]);
}

#[test]
fn std_types_are_as_said() {
    fits(&[((), true, -1_i64, 0.5_f64, 'x', "x", Some(1))]);
    fits(&[(None::<u8>, [1_u8; 3], vec![Some("x")])]);
    fits(&[(Duration::from_millis(1), 1..2, 1..=2, std::time::SystemTime::UNIX_EPOCH)]);
    fits(&["127.0.0.1", "::1"].map(|text| text.parse::<std::net::IpAddr>().expect("an address")));
}

#[test]
fn what_has_another_form_does_not_fit() {
    let (_, inner) = form::<Inner>();
    for value in [on_the_wire(&Tagged { y: 1 }), on_the_wire(&1), on_the_wire(&(1, "x"))] {
        assert!(!inner.fits(&value), "{value:?}");
    }
    let (_, beside) = form::<Beside>();
    assert!(!beside.fits(&on_the_wire(&Inside::Unit)));
}
