//! What this backend promises, on guests written in text: a core module with the world's type inside
//! becomes a component on its way in, which is a promise too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use steading_types::{ErrorKind, Event};
use wit_component::StringEncoding;

use super::component::Shape;
use super::nobody::Nobody;
use super::{Access, Component, Engine, EngineConfig, Instance, InstanceLimits, KillSwitch, LoadError, limits};
use crate::runtime::driver::Stopped;

/// A guest whose `turn` has this body. `describe` offers nothing, and a lone batch is answered with its size.
fn guest(turn: &str) -> Vec<u8> {
    guest_of("(i32.const 0)", "", turn)
}

/// As [`guest`], with this for the body of `describe`, and this besides.
fn guest_of(describe: &str, more: &str, turn: &str) -> Vec<u8> {
    module(&format!(
        r#"(module
            (import "steading:actor/runtime@0.1.0" "panicked" (func $panicked (param i32 i32 i32 i32)))
            (import "steading:actor/stream@0.1.0" "send-batch" (func $send_batch (param i32 i32 i32 i32)))
            (memory (export "memory") 2)
            (data (i32.const 1024) "it brokesrc/lib.rs:7")
            (global $heap (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "describe") (result i32) {describe})
            {more}
            (func $turn (export "turn") (param $now i64) (param $events i32) (param $count i32) (result i32) {turn})
            (func (export "turn-on-data") (param i64 i32 i32 i32) (result i32) (local.get 3)))"#
    ))
}

fn module(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve
        .push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit"))
        .unwrap();
    let world = resolve.select_world(&[package], Some("actor")).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

fn engine() -> Engine {
    let config = EngineConfig {
        cache_dir: None,
        max_actors: Some(16),
        ..EngineConfig::default()
    };
    Engine::new(&config).unwrap()
}

fn load(engine: &Engine, turn: &str) -> Component {
    engine.load_bytes("guest", &guest(turn)).unwrap()
}

async fn start(component: &Component, kill: &Arc<KillSwitch>) -> Instance {
    let (boundary, access, limits) = (Arc::new(Nobody), Access::default(), InstanceLimits::default());
    let Shape::Actor(pre) = component.shape() else {
        panic!("it takes turns")
    };
    let started = Instance::start(component.engine(), pre, boundary, &access, &limits, Arc::clone(kill));
    started.await.unwrap()
}

/// How the first turn of a guest ends.
#[track_caller]
fn first_turn(turn: &str) -> Result<bool, Stopped> {
    let component = load(&engine(), turn);
    block_on(async {
        let mut instance = start(&component, &Arc::default()).await;
        instance.turn(0, vec![Event::Stop(3), Event::NurseryClosed(4)]).await
    })
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[track_caller]
fn check_stop(turn: &str, kind: &ErrorKind, message: &str) -> Stopped {
    let stopped = first_turn(turn).unwrap_err();
    assert_eq!(
        (&stopped.kind, stopped.message.contains(message)),
        (kind, true),
        "{stopped}"
    );
    stopped
}

#[test]
fn a_turn_reads_its_events_and_answers() {
    assert!(first_turn("(i32.eq (local.get $count) (i32.const 2))").unwrap());
    assert!(!first_turn("(i32.ne (local.get $count) (i32.const 2))").unwrap());
}

#[test]
fn a_lone_batch_travels_flat() {
    let component = load(&engine(), "(i32.const 0)");
    let data = |batch: &'static [u8]| Event::Data {
        context: 1,
        batch: batch.into(),
    };
    let turn = |events| block_on(async { start(&component, &Arc::default()).await.turn(0, events).await.unwrap() });
    assert!(turn(vec![data(b"\x01")]));
    assert!(!turn(vec![data(b"\x01"), data(b"\x01")]), "not alone");
}

#[test]
fn a_trap_is_named_and_located() {
    let stopped = check_stop("unreachable", &ErrorKind::Trap("unreachable".into()), "unreachable");
    assert!(stopped.backtrace.unwrap().contains("turn"));
    check_stop(
        "(i32.load (i32.const -8))",
        &ErrorKind::Trap("memory-out-of-bounds".into()),
        "out of bounds",
    );
}

#[test]
fn a_panic_carries_message_and_place() {
    let panic = "(call $panicked (i32.const 1024) (i32.const 8) (i32.const 1032) (i32.const 12)) unreachable";
    check_stop(panic, &ErrorKind::Panic, "it broke, at src/lib.rs:7");
}

#[test]
fn memory_over_all_memories_is_bounded_and_named() {
    check_stop(
        "(drop (memory.grow (i32.const 2048))) unreachable",
        &ErrorKind::Limit("memory".into()),
        "more memory",
    );
}

#[test]
fn recursion_without_end_is_a_limit() {
    check_stop(
        "(call $turn (local.get $now) (local.get $events) (local.get $count))",
        &ErrorKind::Limit("stack".into()),
        "exhausted",
    );
}

/// Nothing interrupts one bulk operation: the longest slice a guest can take is one over all it may have.
#[test]
fn one_bulk_operation_over_all_memory_is_bounded() {
    // The first turn touches all 64 MiB but a page, the next one copies them.
    let component = load(
        &engine(),
        "(if (i64.eqz (local.get $now))
            (then (drop (memory.grow (i32.const 1021)))
                (memory.fill (i32.const 0) (i32.const 2) (i32.const 67043328)))
            (else (memory.copy (i32.const 0) (i32.const 64) (i32.const 67043264))))
        (i32.const 0)",
    );
    block_on(async {
        let mut instance = start(&component, &Arc::default()).await;
        for (now, what) in ["filled for the first time", "copied", "copied again"]
            .iter()
            .enumerate()
        {
            let begun = Instant::now();
            instance.turn(now as u64, Vec::new()).await.unwrap();
            assert!(
                begun.elapsed() < Duration::from_secs(2),
                "{what}: {:?}",
                begun.elapsed()
            );
        }
    });
}

#[test]
fn a_turn_that_never_waits_is_stopped() {
    let begun = Instant::now();
    check_stop(
        "(loop $l (br $l)) unreachable",
        &ErrorKind::Limit("cpu".into()),
        "1000 ms",
    );
    assert!(begun.elapsed() >= Duration::from_millis(500));
}

#[test]
fn a_spinning_guest_lets_others_run_and_dies_when_asked() {
    let engine = engine();
    let component = load(&engine, "(loop $l (br $l)) unreachable");
    let kill = Arc::new(KillSwitch::default());
    let stopped = block_on(async {
        let mut instance = start(&component, &kill).await;
        let killer = async {
            tokio::task::yield_now().await;
            kill.set();
            engine.interrupt();
        };
        tokio::join!(instance.turn(0, Vec::new()), killer).0.unwrap_err()
    });
    assert_eq!(stopped.kind, ErrorKind::Killed);
}

#[test]
fn an_ended_instance_stays_ended() {
    let component = load(&engine(), "unreachable");
    block_on(async {
        let mut instance = start(&component, &Arc::default()).await;
        instance.turn(0, Vec::new()).await.unwrap_err();
        assert_eq!(instance.turn(0, Vec::new()).await.unwrap_err().kind, ErrorKind::Killed);
    });
}

#[test]
fn a_second_load_comes_from_the_cache_and_a_damaged_entry_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        cache_dir: Some(dir.path().join("cache")),
        max_actors: Some(4),
        ..EngineConfig::default()
    };
    let bytes = guest("(i32.const 0)");
    let is_cached = || {
        Engine::new(&config)
            .unwrap()
            .load_bytes("guest", &bytes)
            .unwrap()
            .is_cached()
    };
    assert_eq!((is_cached(), is_cached()), (false, true));
    for entry in std::fs::read_dir(dir.path().join("cache")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some() {
            let mut bytes = std::fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    assert_eq!((is_cached(), is_cached()), (false, true));
}

#[track_caller]
fn check_load(bytes: &[u8], expected: &str) {
    let error = engine().load_bytes("x.wasm", bytes).unwrap_err().to_string();
    assert!(error.contains(expected) && !error.contains('\n'), "{error}");
}

#[test]
fn what_cannot_be_an_actor_is_refused_in_one_line() {
    let component = |text: &str| wat::parse_str(text).unwrap();
    check_load(b"", "x.wasm: is not a WebAssembly file (it begins with nothing");
    check_load(b"#!/bin/sh", r##"it begins with "#!/bin/s")"##);
    check_load(b"\0asm\x0d\0\x01\0\xff", "x.wasm: is not valid");
    check_load(
        &component("(module)"),
        "is a core module, not a component; build it with `steading build`",
    );
    check_load(&component("(component)"), "does not export `describe`");
    check_load(
        &component(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)) (import "a:b/c" (instance)))"#),
        "imports what this host does not offer: wasi:sockets/tcp@0.2.0, a:b/c",
    );
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = engine().load_file(&dir.path().join("no.wasm")).unwrap_err();
    assert!(matches!(missing, LoadError::Missing { .. }) && missing.to_string().ends_with("no.wasm: no such file"));
    let directory = engine().load_file(dir.path()).unwrap_err();
    assert!(matches!(directory, LoadError::Unreadable { .. }), "{directory}");
}

#[test]
fn without_a_pool_memory_comes_on_demand() {
    let config = EngineConfig {
        cache_dir: None,
        pooling: false,
        ..EngineConfig::default()
    };
    let engine = Engine::new(&config).unwrap();
    assert_eq!(engine.report().allocation.to_string(), "on demand (switched off)");
    let component = load(&engine, "(i32.const 1)");
    assert!(block_on(async { start(&component, &Arc::default()).await.turn(0, Vec::new()).await }).unwrap());
}

#[test]
fn a_host_call_copies_so_much_and_no_more() {
    let stopped = first_turn(
        "(drop (memory.grow (i32.const 64)))
         (call $send_batch (i32.const 1) (i32.const 0) (i32.const 3000000) (i32.const 4096))
         (i32.const 0)",
    );
    assert_eq!(stopped.unwrap_err().kind, ErrorKind::Limit("hostcall".into()));
}

/// Why a guest is refused that is to say what it offers, and how long that took.
fn refused(bytes: &[u8]) -> (LoadError, Duration) {
    let (engine, begun) = (engine(), Instant::now());
    (engine.load_bytes("guest", bytes).unwrap_err(), begun.elapsed())
}

#[test]
fn a_guest_that_spins_when_it_is_asked_what_it_offers_is_refused() {
    let spinning = guest_of("(loop $l (br $l)) unreachable", "", "(i32.const 0)");
    let begun = guest_of(
        "(i32.const 0)",
        "(func $spin (loop $l (br $l))) (start $spin)",
        "(i32.const 0)",
    );
    for bytes in [spinning, begun] {
        let (error, time) = refused(&bytes);
        assert!(
            matches!(&error, LoadError::Describe { detail, .. } if detail.contains("1000 ms")),
            "{error}"
        );
        assert!(time < limits::TURN * 20, "{time:?}");
    }
}

#[test]
fn a_guest_that_describes_itself_with_too_much_memory_is_refused() {
    let (error, _) = refused(&guest_of(
        "(drop (memory.grow (i32.const 300))) unreachable",
        "",
        "(i32.const 0)",
    ));
    assert!(
        matches!(&error, LoadError::Describe { detail, .. } if detail.contains("memory")),
        "{error}"
    );
}
