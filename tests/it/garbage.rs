//! Files that nobody has written: whatever is in them, the host lives, says what is wrong, and goes on.
//!
//! Compiled in this process, after the same look at them as everywhere, since a process for each would take minutes:
//! what a compiler in this process does not survive, this test does not. How long each may take is asserted. A case
//! is a number; `GARBAGE=first..last` plays others, or one again.

use std::env;
use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use steading::{Host, LoadError};
use steading_tests::artifacts::EXAMPLE_HELLO;
use wasm_smith::{Config, Module};

/// What a component may take in a child.
const LIMIT: Duration = Duration::from_secs(10);

/// SplitMix64: each number is a case of its own.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect()
    }
}

fn cases(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = env::var("GARBAGE") else { return usual };
    let parsed = text
        .split_once("..")
        .and_then(|(first, last)| Some(first.parse().ok()?..last.parse().ok()?));
    parsed.unwrap_or_else(|| panic!("GARBAGE={text}: expected FIRST..LAST"))
}

/// A host with a cache of its own: nothing of this is to be kept.
fn lone_host() -> (tempfile::TempDir, tokio::runtime::Runtime, Host) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without threads can be had");
    let entered = runtime.enter();
    let host = Host::builder().cache_dir(folder.path()).max_actors(16).build();
    drop(entered);
    (folder, runtime, host.expect("tests have a host"))
}

/// How a file fared; what it may not do is panic, or take longer than it may.
fn load(host: &Host, case: u64, bytes: &[u8]) -> Result<(), LoadError> {
    let begun = Instant::now();
    let loaded = host.load_bytes("garbage", bytes);
    let time = begun.elapsed();
    assert!(time < LIMIT, "GARBAGE={case}..{}: took {time:?}", case + 1);
    loaded.map(drop)
}

/// A component that is nothing but this module.
fn component(module: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0\x01".to_vec();
    let mut length = module.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(module);
    bytes
}

fn module(random: &mut Random) -> Option<Vec<u8>> {
    let entropy = random.bytes(1_000);
    let config = Config {
        max_instructions: 300,
        max_funcs: 20,
        gc_enabled: false,
        reference_types_enabled: false,
        exceptions_enabled: false,
        shared_everything_threads_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    let module = Module::new(config, &mut Unstructured::new(&entropy)).ok()?;
    Some(module.to_bytes())
}

#[test]
fn no_module_that_can_be_generated_panics_or_hangs() {
    let _alone = steading_tests::alone();
    let (_folder, _runtime, host) = lone_host();
    let (mut compiled, mut refused) = (0, 0);
    for case in cases(0..2_000) {
        let Some(module) = module(&mut Random(case)) else {
            continue;
        };
        match load(&host, case, &component(&module)) {
            Err(LoadError::NotAnActor { .. }) => compiled += 1,
            Err(_) => refused += 1,
            Ok(()) => panic!("GARBAGE={case}..{}: is an actor", case + 1),
        }
    }
    println!("{compiled} were compiled, {refused} refused before");
    if env::var("GARBAGE").is_err() {
        assert!(
            compiled > 1_500,
            "{compiled} compiled, {refused} refused: these are to reach the compiler"
        );
    }
    host.load(EXAMPLE_HELLO)
        .expect("what is no garbage is loaded as before");
}

/// Where to damage a guest: mostly at its ends, where everything but code is.
fn place(length: usize, random: &mut Random) -> usize {
    let end = length.min(8 << 10);
    match random.below(3) {
        0 => random.below(length),
        1 => random.below(end),
        _ => length - 1 - random.below(end),
    }
}

/// A guest with a few bits turned, or cut off, or with a part of it twice.
fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = place(bytes.len(), random);
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => {
            let part = bytes[at..bytes.len().min(at + 64)].to_vec();
            bytes.splice(at..at, part);
        }
        bits => (0..bits).for_each(|_| {
            let at = place(bytes.len(), random);
            bytes[at] ^= 1 << random.below(8);
        }),
    }
    bytes
}

#[test]
fn no_damage_to_a_guest_panics_or_hangs() {
    let _alone = steading_tests::alone();
    let (_folder, _runtime, host) = lone_host();
    let guest = fs::read(EXAMPLE_HELLO).expect("it is built");
    let (mut loaded, mut refused) = (0, 0);
    for case in cases(0..250) {
        match load(&host, case, &damaged(&guest, &mut Random(case))) {
            Ok(()) => loaded += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{loaded} were loaded all the same, {refused} refused");
    host.assert_quiescent();
}
