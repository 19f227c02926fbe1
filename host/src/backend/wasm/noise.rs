//! What a loader reads before anything is compiled, damaged in all ways: the look before compilation, and what the
//! cache keeps of a component. Neither panics, whatever is in the file.
//!
//! A case is a number; `NOISE=first..last` plays others, or one again. Not a target of libFuzzer: the engine
//! would have to be built once more, with the sanitizer, for a reader of a few hundred lines.

use std::ops::Range;
use std::{env, fs};

use super::{description, scan};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The cases that are played: these, unless others are asked for.
pub(super) fn cases(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = env::var("NOISE") else { return usual };
    let ends = text.split_once("..");
    let parsed = ends.and_then(|(first, last)| Some(first.parse().ok()?..last.parse().ok()?));
    parsed.unwrap_or_else(|| panic!("NOISE={text}: expected FIRST..LAST"))
}

/// Bits turned, a part twice, a part gone, numbers made large: mostly at the beginning, where counts and lengths are.
pub(super) fn damaged(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        let most = if random.random_ratio(1, 2) {
            bytes.len().min(512)
        } else {
            bytes.len()
        };
        let at = random.random_range(0..most);
        let end = bytes.len().min(at + random.random_range(1..64));
        match random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 => bytes[at..end].fill(0xff),
            4 => bytes[at] = random.random(),
            _ => bytes[at] ^= 1 << random.random_range(0..8),
        }
    }
    bytes
}

#[test]
fn no_file_makes_the_look_before_compilation_panic() {
    let guest = fs::read(steading_test_artifacts::EXAMPLE_HELLO).expect("it is built");
    let module = wat::parse_str(r#"(module (func (loop (loop (br 0)))) (memory 1) (data (i32.const 0) "x"))"#);
    let module = module.expect("it is one");
    let (mut passed, mut refused) = (0, 0);
    for case in cases(0..1_500) {
        let mut random = StdRng::seed_from_u64(case);
        let bytes = if random.random_ratio(1, 2) { &guest } else { &module };
        match scan::scan("noise", &damaged(bytes, &mut random)) {
            Ok(_) => passed += 1,
            Err(error) => {
                refused += 1;
                assert!(
                    error.to_string().starts_with("noise: "),
                    "NOISE={case}..{}: {error}",
                    case + 1
                );
            }
        }
    }
    assert!(passed > 0 && refused > 0, "{passed} passed, {refused} were refused");
}

/// What is read is what would be written, or nothing: a file of the cache that was damaged is compiled again.
#[test]
fn no_damage_to_a_description_in_the_cache_panics() {
    let whole = description::encode(&description::tests::sample());
    let mut read = 0;
    for case in cases(0..20_000) {
        let mut random = StdRng::seed_from_u64(case);
        let bytes = damaged(&whole, &mut random);
        if let Some(description) = description::decode(&bytes) {
            read += 1;
            let again = description::decode(&description::encode(&description));
            assert_eq!(again, Some(description), "NOISE={case}..{}", case + 1);
        }
    }
    assert!(read > 0, "or nothing is read that is damaged");
}
