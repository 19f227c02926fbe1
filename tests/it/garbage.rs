//! Files that nobody has written: whatever is in them, the host lives, says what is wrong, and goes on. Those that can
//! be called are, a few times each, beside an actor that has an answer all the same.
//!
//! Compiled in this process, after the same look at them as everywhere, since a process for each would take minutes:
//! what a compiler in this process does not survive, this test does not. How long each may take is asserted. A case
//! is a number; `GARBAGE=first..last` plays others, or one again.

use std::env;
use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use ciborium::Value;
use steading::{Code, ErrorKind, Host, LoadError, Portal, nursery};
use steading_tests::artifacts::{EXAMPLE_HELLO, VALUES};
use wasm_encoder::{ComponentBuilder, ComponentExportKind, ComponentValType, ExportKind, PrimitiveValType};
use wasm_smith::{Config, Module};
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, ValType};

/// What a component may take in a child.
const LIMIT: Duration = Duration::from_secs(10);

/// How long what spins may go on when it is given up.
const GRACE: Duration = Duration::from_millis(5);

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

/// A host without a cache: nothing of this is to be kept.
fn lone_host() -> (tempfile::TempDir, tokio::runtime::Runtime, Host) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without threads can be had");
    let entered = runtime.enter();
    let no_folder = folder.path().join("cache");
    fs::write(&no_folder, "a file is no cache").expect("there is room");
    let host = Host::builder()
        .cache_dir(no_folder)
        .max_actors(16)
        .cancel_grace(GRACE)
        .build();
    drop(entered);
    (folder, runtime, host.expect("tests have a host"))
}

/// How a file fared; what it may not do is panic, or take longer than it may.
fn load(host: &Host, case: u64, bytes: &[u8]) -> Result<Code, LoadError> {
    let begun = Instant::now();
    let loaded = host.load_bytes("garbage", bytes);
    let time = begun.elapsed();
    assert!(time < LIMIT, "GARBAGE={case}..{}: took {time:?}", case + 1);
    loaded
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

/// The names of a module's functions that take and return numbers, with their types.
fn functions(module: &[u8]) -> Vec<(String, FuncType)> {
    let (mut types, mut functions, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.expect("what is generated is valid") {
            Payload::TypeSection(section) => {
                let groups = section.into_iter().flatten();
                types.extend(
                    groups
                        .flat_map(|group| group.into_types())
                        .map(|kind| kind.composite_type.inner),
                );
            }
            Payload::FunctionSection(section) => functions.extend(section.into_iter().flatten()),
            Payload::ExportSection(section) => {
                let exports = section.into_iter().flatten();
                let exports = exports.filter(|export| export.kind == ExternalKind::Func);
                found.extend(exports.map(|export| (export.name.to_owned(), export.index)));
            }
            _ => {}
        }
    }
    let kind = |index: u32| match types.get(*functions.get(index as usize)? as usize)? {
        CompositeInnerType::Func(kind) => Some(kind.clone()),
        _ => None,
    };
    let found = found.into_iter().filter_map(|(name, index)| Some((name, kind(index)?)));
    found
        .filter(|(_, kind)| kind.results().len() <= 1 && kind.params().len() <= 16)
        .collect()
}

fn number(kind: ValType) -> ComponentValType {
    ComponentValType::Primitive(match kind {
        ValType::I32 => PrimitiveValType::S32,
        ValType::I64 => PrimitiveValType::U64,
        ValType::F32 => PrimitiveValType::F32,
        _ => PrimitiveValType::F64,
    })
}

/// A component of this module, whose functions it exports as `f0`, `f1` and so on.
fn typed(module: &[u8], functions: &[(String, FuncType)]) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let inner = component.core_module_raw(None, module);
    let instance = component.core_instantiate(None, inner, []);
    for (index, (name, kind)) in functions.iter().enumerate() {
        let code = component.core_alias_export(None, instance, name, ExportKind::Func);
        let names: Vec<_> = (0..kind.params().len()).map(|i| format!("p{i}")).collect();
        let (lifted, mut signature) = component.type_function(None);
        signature
            .async_(false)
            .params(
                names
                    .iter()
                    .map(String::as_str)
                    .zip(kind.params().iter().copied().map(number)),
            )
            .result(kind.results().first().copied().map(number));
        let function = component.lift_func(None, code, lifted, []);
        component.export(&*format!("f{index}"), ComponentExportKind::Func, function, None);
    }
    component.finish()
}

fn module(random: &mut Random) -> Option<Vec<u8>> {
    let entropy = random.bytes(1_000);
    let config = Config {
        max_instructions: 300,
        max_funcs: 20,
        max_imports: 0,
        min_types: 3,
        min_funcs: 2,
        export_everything: true,
        multi_value_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
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
    let (_folder, runtime, host) = lone_host();
    let mut seen = Seen::default();
    let neighbour = host.load_as("neighbour", VALUES).expect("it is no garbage");
    for case in cases(0..2_000) {
        let random = &mut Random(case);
        let Some(module) = module(random) else {
            continue;
        };
        let functions = functions(&module);
        let bytes = match functions.is_empty() {
            true => component(&module),
            false => typed(&module, &functions),
        };
        match load(&host, case, &bytes) {
            Ok(code) => runtime.block_on(run(&host, case, (&neighbour, &code, &functions), random, &mut seen)),
            Err(LoadError::NotAnActor { .. }) => seen.compiled += 1,
            Err(_) => seen.refused += 1,
        }
    }
    println!("{seen:?}");
    if env::var("GARBAGE").is_err() {
        assert!(seen.called > 1_000, "{seen:?}: these are to run");
        assert!(seen.returned > 100 && seen.died > 100, "{seen:?}: in many ways");
    }
    host.load(EXAMPLE_HELLO)
        .expect("what is no garbage is loaded as before");
    host.assert_quiescent();
}

/// What became of them.
#[derive(Debug, Default)]
struct Seen {
    refused: u32,
    compiled: u32,
    called: u32,
    returned: u32,
    died: u32,
}

/// Calls a function of each, beside a neighbour who is asked when it is over.
async fn run(
    host: &Host,
    case: u64,
    (neighbour, code, functions): (&Code, &Code, &[(String, FuncType)]),
    random: &mut Random,
    seen: &mut Seen,
) {
    let name = format!("GARBAGE={case}..{}", case + 1);
    let calls: Vec<_> = (0..functions.len().min(3))
        .map(|_| {
            let index = random.below(functions.len());
            (format!("f{index}"), arguments(&functions[index].1, random))
        })
        .collect();
    let story = host.root(async |n| {
        let neighbour = n.start_actor(neighbour.spec("neighbour")).await?;
        // It may not even start, or die half-way: that is its own affair.
        let end = nursery(async |inner| {
            let garbage = inner.start_actor(code.spec("garbage")).await?;
            call_all(&garbage, &calls, seen).await?;
            inner.cancel("it is over");
            Ok(())
        })
        .await;
        if let Err(error) = end {
            seen.died += 1;
            assert_ne!(error.kind(), ErrorKind::Internal, "{name}: {error}");
        }
        assert_eq!(neighbour.call::<i64, _>("add", &(40, 2)).await?, 42, "{name}");
        n.cancel("it is over");
        Ok(())
    });
    let story = tokio::time::timeout(LIMIT, story).await;
    story.expect(&name).expect(&name);
}

async fn call_all(garbage: &Portal, calls: &[(String, Value)], seen: &mut Seen) -> steading::Result<()> {
    for (endpoint, arguments) in calls {
        seen.called += 1;
        // Some spin: they have been called, and are interrupted.
        let patience = Duration::from_millis(5);
        if steading::move_on_after(patience, garbage.call::<Value, _>(endpoint, arguments))
            .await?
            .is_some()
        {
            seen.returned += 1;
        }
    }
    Ok(())
}

fn arguments(kind: &FuncType, random: &mut Random) -> Value {
    let mut values: Vec<_> = kind.params().iter().map(|kind| argument(*kind, random)).collect();
    match values.len() {
        0 => Value::Null,
        1 => values.remove(0),
        _ => Value::Array(values),
    }
}

fn argument(kind: ValType, random: &mut Random) -> Value {
    match kind {
        ValType::I32 => Value::from(random.next() as i32 >> random.below(32)),
        ValType::I64 => Value::from(random.next() >> random.below(64)),
        _ => Value::Float(f64::from_bits(random.next())),
    }
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
            Ok(_) => loaded += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{loaded} were loaded all the same, {refused} refused");
    host.assert_quiescent();
}
