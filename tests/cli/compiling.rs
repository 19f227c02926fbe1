//! What a component may take to be compiled, and what is said of one that takes more.

#[path = "../it/compiling/bombs.rs"]
mod bombs;
#[path = "../it/compiling/processes.rs"]
mod processes;

use std::fs;
use std::path::Path;

use steading_test_artifacts::VALUES;

use crate::steading::{Transcript, command, finish, steading};

/// `steading` with a cache of its own.
fn with_cache(cache: &Path, args: &[&str]) -> Transcript {
    let mut command = command(args);
    command.env("STEADING_CACHE_DIR", cache);
    finish(command.spawn().expect("the binary of this package can be started"), "")
}

#[test]
fn a_bomb_is_refused_in_time_and_the_next_time_at_once() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let cache = folder.path().join("cache");
    let path = folder.path().join("bomb.wasm");
    let [bomb, ..] = bombs::slow();
    fs::write(&path, &bomb.bytes).expect("there is room for a file");
    let path = path.display().to_string();
    let args = ["run", &path, "--limit", "compile-time=1"];
    with_cache(&cache, &args)
        .exits(3)
        .complains(&["bomb.wasm: took longer than 1 s to compile", "--limit compile-time="]);
    with_cache(&cache, &args)
        .exits(3)
        .complains(&["took longer than 1 s to compile (remembered from an earlier try)"]);
    let json = with_cache(&cache, &["run", "--json", &path, "--limit", "compile-time=1"])
        .exits(3)
        .json();
    assert_eq!(json["error"]["kind"], "load-failed");
    let doctor = with_cache(&cache, &["doctor", "--clear-cache"]).exits(0).out;
    assert!(doctor.contains("removed 1 components"), "{doctor}");
}

#[test]
fn a_bomb_of_memory_is_refused_within_the_limits_of_every_day() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("bomb.wasm");
    let bomb = bombs::large();
    fs::write(&path, bomb.bytes).expect("there is room for a file");
    let transcript = with_cache(&folder.path().join("cache"), &["inspect", &path.display().to_string()]).exits(3);
    // By which of the two it ends depends on the processor.
    let expected = ["needed more than 1024 MiB of memory", "took longer than 10 s"];
    assert!(
        expected.iter().any(|text| transcript.err.contains(text)),
        "{}: {transcript:#?}",
        bomb.shape
    );
}

#[test]
fn ctrl_c_ends_a_compilation_at_once() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("bomb.wasm");
    let [bomb, ..] = bombs::slow();
    fs::write(&path, bomb.bytes).expect("there is room for a file");
    let mut inspect = command(&["inspect", &path.display().to_string()]);
    inspect.env("STEADING_CACHE_DIR", folder.path().join("cache"));
    let inspect = inspect.spawn().expect("the binary of this package can be started");
    let seen = || processes::compilers_of(inspect.id()).first().copied();
    let compiler = processes::eventually("it compiles", seen);
    let id = rustix::process::Pid::from_child(&inspect);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
    finish(inspect, "").exits(130);
    processes::eventually("the compiler is gone", || {
        (!processes::is_alive(compiler)).then_some(())
    });
}

#[test]
fn a_guest_is_compiled_in_a_child_and_then_runs() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let args = [
        "call",
        VALUES,
        "add",
        "40",
        "2",
        "--log-level",
        "steading=debug",
        "--limit",
        "compile-time=120",
    ];
    let first = with_cache(folder.path(), &args)
        .exits(0)
        .complains(&["compiling in a child process"]);
    assert_eq!(first.out.trim(), "42");
    let again = with_cache(folder.path(), &args).exits(0);
    assert!(!again.err.contains("compiling in a child process"), "{again:#?}");
}

#[test]
fn how_it_is_told_to_compile_is_nobody_elses_business() {
    for args in [&["--help"][..], &["run", "--help"]] {
        let help = steading(args).exits(0).out;
        assert!(!help.contains("STEADING_COMPILE"), "{help}");
    }
    let mut asked = command(&["doctor"]);
    asked.env("STEADING_COMPILE", "1 10000 1073741824 1");
    let transcript = finish(asked.spawn().expect("the binary of this package can be started"), "").exits(1);
    assert!(
        transcript.err.contains("the host is gone") && transcript.out.is_empty(),
        "{transcript:#?}"
    );
}

#[test]
fn doctor_shows_what_compiling_may_take() {
    let shown = steading(&["doctor"]).exits(0).out;
    for text in [
        "a child process, bounded as below",
        "time to compile",
        "10s",
        "memory to compile",
        "refused",
    ] {
        assert!(shown.contains(text), "`{text}` is not in\n{shown}");
    }
}
