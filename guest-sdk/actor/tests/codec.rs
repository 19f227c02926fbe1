//! Interoperation: what this library writes, ciborium reads, and the other way round.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use steading_actor::{ErrorKind, decode, encode};

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let ours = encode(value).unwrap();
    let theirs: T = ciborium::from_reader(&ours[..]).unwrap();
    assert_eq!(&theirs, value, "ciborium read {ours:02x?}");
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    assert_eq!(&decode::<T>(&bytes).unwrap(), value, "we read {bytes:02x?}");
    assert_eq!(&decode::<T>(&ours).unwrap(), value, "we read our own {ours:02x?}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair(i32, String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(u32),
    Optional(Option<String>),
    Tuple(i64, char),
    Struct { name: String, inner: Option<Box<Shape>> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Nested {
    unit: (),
    also: Unit,
    newtype: Newtype,
    pair: Pair,
    shapes: Vec<Shape>,
    map: BTreeMap<String, Option<i64>>,
    numbers: BTreeMap<u32, f64>,
    bytes: Vec<u8>,
    small: (i8, u16, f32, bool),
    missing: Option<Option<u8>>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        any::<u32>().prop_map(Shape::Newtype),
        any::<Option<String>>().prop_map(Shape::Optional),
        any::<(i64, char)>().prop_map(|(n, c)| Shape::Tuple(n, c)),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| {
        (any::<String>(), proptest::option::of(inner)).prop_map(|(name, inner)| Shape::Struct {
            name,
            inner: inner.map(Box::new),
        })
    })
}

prop_compose! {
    fn nested()(
        newtype: u64, pair: (i32, String), shapes in proptest::collection::vec(shape(), 0..4),
        map in proptest::collection::btree_map(any::<String>(), any::<Option<i64>>(), 0..4),
        numbers in proptest::collection::btree_map(any::<u32>(), -1e9f64..1e9, 0..4),
        bytes: Vec<u8>, small in (any::<i8>(), any::<u16>(), -1e9f32..1e9, any::<bool>()),
    ) -> Nested {
        Nested {
            unit: (), also: Unit, newtype: Newtype(newtype), pair: Pair(pair.0, pair.1),
            shapes, map, numbers, bytes, small, missing: None,
        }
    }
}

proptest! {
    #[test]
    fn nested_structs_cross(value in nested()) {
        check(&value);
    }

    #[test]
    fn every_integer_crosses(a: u64, b: i64, c: i8, d: u16) {
        check(&(a, b, c, d));
    }

    #[test]
    fn every_float_crosses(a in proptest::num::f64::NORMAL | proptest::num::f64::INFINITE, b in proptest::num::f32::NORMAL) {
        check(&a);
        check(&b);
    }

    #[test]
    fn every_text_crosses(text: String, c: char, options: Vec<Option<String>>) {
        check(&(text, c, options));
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
        decode::<Nested>(&bytes).ok();
        decode::<Shape>(&bytes).ok();
    }
}

#[test]
fn units_and_edges_cross() {
    check(&());
    check(&Unit);
    check(&Some(5));
    check(&None::<u8>);
    check(&(u64::MAX, i64::MIN, i64::MAX));
    check(&Shape::Unit);
    check(&Vec::<Shape>::new());
    check(&Ok::<u8, String>(1));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flattened {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    One { n: u64 },
    Two(Newtyped),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtyped {
    text: String,
}

#[test]
fn maps_of_unknown_length_and_tagged_enums_cross() {
    check(&Flattened {
        id: 1,
        rest: BTreeMap::from([("a".into(), 2), ("b".into(), 3)]),
    });
    check(&Tagged::One { n: 300 });
    check(&Tagged::Two(Newtyped { text: "x".into() }));
}

#[derive(Debug, Serialize, Deserialize)]
struct Endless(Option<Box<Endless>>);

#[derive(Debug, Serialize, Deserialize)]
struct Deep(Vec<Deep>);

#[test]
fn depth_is_bounded_whatever_the_bytes_say() {
    assert!(decode::<Endless>(&[1]).is_err());
    assert!(decode::<Deep>(&[0x81; 100_000]).is_err());
}

#[test]
fn json_numbers_and_texts_will_do_for_floats_and_chars() {
    assert_eq!(decode::<f64>(&encode(&3).unwrap()).unwrap(), 3.0);
    assert_eq!(decode::<char>(&encode("x").unwrap()).unwrap(), 'x');
}

#[test]
fn a_unit_is_null() {
    assert_eq!(encode(&()).unwrap(), [0xf6]);
}

#[test]
fn bytes_left_over_are_a_mismatch() {
    let mut bytes = encode(&7u32).unwrap();
    bytes.push(0);
    let error = decode::<u32>(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PayloadMismatch);
    assert_eq!(error.message(), "expected a u32: 1 bytes are left over");
}

#[test]
fn a_wrong_type_is_named() {
    let error = decode::<u32>(&encode("text").unwrap()).unwrap_err();
    assert!(error.message().starts_with("expected a u32: "), "{error}");
}
