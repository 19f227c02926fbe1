//! JSON on the terminal's side, CBOR on the actors' side.
//!
//! One tree of values, ciborium's, stands between the two: payloads are encoded from it and decoded into
//! it by the codec all actors use, which bounds their depth. What only CBOR has, JSON shows as its nearest
//! relative: bytes as an array of numbers, keys as text. Nothing is guessed on the way in; the receiver
//! takes an integer where it expects a float.

use ciborium::Value;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::output::json;

/// Reads one JSON value.
pub(crate) fn from_json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// A value as one line of JSON.
pub(crate) fn to_json(value: &Value) -> String {
    // Keys are made text below, and writing to a string does not fail.
    json(&serde_json::to_string(&Json(value)).unwrap_or_else(|error| format!("\"{error}\"")))
}

/// Nothing for nothing, text as it is, all else as JSON, indented: a result as `run` prints it.
pub(crate) fn for_people(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(text.clone()),
        value => Some(serde_json::to_string_pretty(&Json(value)).unwrap_or_else(|error| format!("\"{error}\""))),
    }
}

/// `T` of `Vec<T>`, as type names are spelled in a source or by the compiler.
pub(crate) fn inside<'a>(type_name: &'a str, generic: &str) -> Option<&'a str> {
    let (path, rest) = type_name.split_once('<')?;
    let is_it = path.trim().rsplit("::").next()? == generic;
    is_it
        .then(|| rest.trim_end().strip_suffix('>').map(str::trim))
        .flatten()
}

/// A value on its way to the terminal.
pub(crate) struct Json<'a>(pub(crate) &'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bytes(bytes) => serializer.collect_seq(bytes),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Json)),
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries
                    .iter()
                    .try_for_each(|(name, value)| map.serialize_entry(&key(name), &Json(value)))?;
                map.end()
            }
            Value::Tag(_, value) => Json(value).serialize(serializer),
            leaf => leaf.serialize(serializer),
        }
    }
}

fn key(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => to_json(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_cbor(value: &Value) -> Value {
        let bytes = steading_actor::encode(value).expect("values encode");
        steading_actor::decode(&bytes).expect("and decode")
    }

    #[test]
    fn json_survives_the_way_to_an_actor_and_back() {
        let texts = [
            "null",
            "true",
            "0",
            "-9223372036854775808",
            "18446744073709551615",
            "0.5",
            "0.1",
            "1e300",
            r#""Größe \u0000 \"x\"""#,
            "[]",
            "[1,[2,[3]]]",
            r#"{"z":1,"a":{"b":[null,false]}}"#,
        ];
        for text in texts {
            let value = from_json(text).expect(text);
            assert_eq!(through_cbor(&value), value, "{text}");
            assert_eq!(from_json(&to_json(&value)).expect(text), value, "{text}");
        }
    }

    #[test]
    fn fields_keep_their_order() {
        assert_eq!(to_json(&from_json(r#"{"z":1,"a":2}"#).unwrap()), r#"{"z":1,"a":2}"#);
    }

    #[test]
    fn what_an_endpoint_reads_is_what_was_typed() {
        let bytes = |text: &str| steading_actor::encode(&from_json(text).unwrap()).expect("values encode");
        assert_eq!(steading_actor::decode::<f64>(&bytes("2")).unwrap(), 2.0);
        assert_eq!(steading_actor::decode::<f32>(&bytes("0.1")).unwrap(), 0.1);
        assert_eq!(
            steading_actor::decode::<Vec<f64>>(&bytes("[1, 2.5]")).unwrap(),
            [1.0, 2.5]
        );
        assert_eq!(steading_actor::decode::<Option<f64>>(&bytes("null")).unwrap(), None);
        assert_eq!(
            steading_actor::decode::<(String, u8)>(&bytes(r#"["a",7]"#)).unwrap(),
            ("a".into(), 7)
        );
    }

    #[test]
    fn what_json_has_no_word_for_is_shown_as_its_relative() {
        let map = Value::Map(vec![
            (Value::Integer(7.into()), Value::Bytes(vec![1, 2])),
            (Value::Text("tagged".into()), Value::Tag(1, Box::new(Value::Null))),
        ]);
        assert_eq!(to_json(&map), r#"{"7":[1,2],"tagged":null}"#);
    }

    #[test]
    fn depth_is_bounded_on_either_side() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(from_json(&deep).is_err());
        let mut cbor = vec![0x81; 100_000];
        cbor.push(0xf6);
        let error = steading_actor::decode::<Value>(&cbor)
            .expect_err("too deep")
            .to_string();
        assert!(error.contains("too deep"), "{error}");
    }

    #[test]
    fn generic_types_are_looked_into() {
        assert_eq!(inside("Vec<String>", "Vec"), Some("String"));
        assert_eq!(
            inside("alloc::vec::Vec < alloc :: string :: String >", "Vec"),
            Some("alloc :: string :: String")
        );
        assert_eq!(inside("HashMap<String, u8>", "Vec"), None);
        assert_eq!(inside("String", "Vec"), None);
    }
}
