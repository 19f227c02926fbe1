//! Arguments that nobody would send, of every type there is: they become values, or are refused in words.
//!
//! A case is a number; `NOISE=first..last` plays others, or one again.

use ciborium::Value;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::noise::{cases, damaged};
use super::kinds::{Kind, Named};
use super::values::{arguments, payload};

fn named<T>(items: impl IntoIterator<Item = (&'static str, T)>) -> Named<T> {
    Named::of(items.into_iter().map(|(name, item)| Ok((name.into(), item)))).expect("nothing counts them")
}

/// A parameter of each type, some within others.
fn parameters() -> Vec<(String, Kind)> {
    let list = |kind| Kind::List(Box::new(kind));
    let record = Kind::Record(named([("x", Kind::S8), ("y", Kind::Option(Box::new(Kind::U64)))]));
    let variant = named([("dot", None), ("circle", Some(Kind::Float32)), ("all", Some(record))]);
    let kinds = [
        list(Kind::U8),
        list(list(Kind::Variant(variant))),
        Kind::Tuple(vec![Kind::Bool, Kind::Char, Kind::Float64]),
        list(Kind::Enum(named([("red", ()), ("green", ())]))),
        Kind::Flags(named([("read", ()), ("write", ())])),
        Kind::Result(Some(Box::new(Kind::S64)), None),
        list(Kind::String),
    ];
    let kinds = kinds.into_iter().enumerate();
    kinds.map(|(index, kind)| (format!("p{index}"), kind)).collect()
}

/// What they take, whole.
fn whole() -> Vec<u8> {
    let text = |text: &str| Value::Text(text.to_owned());
    let map = |name, value| Value::Map(vec![(text(name), value)]);
    let array = Value::Array;
    let point = Value::Map(vec![(text("x"), Value::from(-7)), (text("y"), Value::from(u64::MAX))]);
    let arguments = array(vec![
        Value::Bytes(vec![0, 255]),
        array(vec![array(vec![
            text("dot"),
            map("circle", Value::Float(0.5)),
            map("all", point),
        ])]),
        array(vec![Value::Bool(true), text("ß"), Value::from(1)]),
        array(vec![text("red"), text("green")]),
        array(vec![text("write")]),
        map("Ok", Value::from(i64::MIN)),
        array(vec![text("Größe"), text("")]),
    ]);
    steading_actor::encode(&arguments).expect("plain values")
}

/// What is taken is taken again as what it became, and becomes the same.
#[test]
fn no_arguments_panic_and_those_that_are_taken_come_back() {
    let (parameters, whole) = (parameters(), whole());
    assert!(arguments(&parameters, &whole).is_ok(), "they fit while they are whole");
    let (mut taken, mut refused) = (0, 0);
    for case in cases(0..20_000) {
        let random = &mut StdRng::seed_from_u64(case);
        let mut bytes = damaged(&whole, random);
        if random.random_ratio(1, 2) {
            // One head alone: mostly still what its place takes.
            bytes.clone_from(&whole);
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..3);
        }
        match arguments(&parameters, &bytes) {
            Ok((values, _)) => {
                taken += 1;
                let again = |values: &[_]| -> Vec<_> { values.iter().map(|value| payload(Some(value))).collect() };
                for ((parameter, value), bytes) in parameters.iter().zip(&values).zip(again(&values)) {
                    let bytes = bytes.expect("it is as small as it was");
                    let (values, _) = arguments(std::slice::from_ref(parameter), &bytes).expect("it has fitted before");
                    assert_eq!(
                        payload(values.first()),
                        Some(bytes),
                        "NOISE={case}..{}: {value:?}",
                        case + 1
                    );
                }
            }
            Err(why) => {
                refused += 1;
                assert!(!why.is_empty(), "NOISE={case}..{}", case + 1);
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} are taken, {refused} refused");
}
