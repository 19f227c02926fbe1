//! Each mistake is told in one line that names the thing, with its exit code.

use steading_test_artifacts::{ERRORS, FILES, PANICS, SPIN, TRAPS, VALUES};

use crate::steading::{Transcript, steading};

/// # Panics
/// Unless the first line of the complaint is all there is, hints apart.
fn in_one_line(transcript: Transcript) {
    let lines: Vec<_> = transcript
        .err
        .lines()
        .filter(|line| !line.trim_start().starts_with("hint:"))
        .collect();
    assert_eq!(lines.len(), 1, "{transcript:#?}");
    assert!(lines[0].starts_with("error: "), "{transcript:#?}");
    assert_eq!(transcript.out, "");
}

#[test]
fn what_cannot_be_loaded() {
    in_one_line(steading(&["run", "no/such.wasm"]).exits(3).complains(&["no/such.wasm"]));
    in_one_line(
        steading(&["run", "Cargo.toml"])
            .exits(3)
            .complains(&["Cargo.toml", "not a WebAssembly file"]),
    );
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let empty = folder.path().to_string_lossy().into_owned();
    in_one_line(steading(&["run", &empty]).exits(3).complains(&[&empty]));
}

#[test]
fn an_endpoint_that_does_not_exist() {
    in_one_line(
        steading(&["call", VALUES, "subtract"])
            .exits(2)
            .complains(&["`subtract`", "add", "older", "nothing"]),
    );
    in_one_line(steading(&["run", VALUES]).exits(2).complains(&["`main`", "add"]));
}

#[test]
fn arguments_that_are_no_json_or_too_few() {
    in_one_line(
        steading(&["call", VALUES, "add", "40", "{\"a\":"])
            .exits(2)
            .complains(&["argument 2", "column"]),
    );
    in_one_line(steading(&["call", VALUES, "add", "40"]).exits(2).complains(&[
        "2 arguments",
        "a: i64, b: i64",
        "got 1",
    ]));
}

#[test]
fn arguments_of_another_type() {
    let transcript = steading(&["call", VALUES, "add", "\"forty\"", "2"]).exits(2);
    in_one_line(transcript.complains(&["i64"]));
}

#[test]
fn a_directory_that_is_not_there() {
    let transcript = steading(&["call", FILES, "--dir", "/no/such:/data", "list", "\"/data\""]).exits(2);
    assert!(
        transcript.err.contains("/no/such: no such directory"),
        "{transcript:#?}"
    );
}

#[test]
fn an_endpoint_that_fails() {
    in_one_line(
        steading(&["call", ERRORS, "sentence", "\"no more tea\""])
            .exits(1)
            .complains(&["no more tea"]),
    );
    let json = steading(&["call", "--json", ERRORS, "typed", "7"]).exits(1).json();
    assert!(json["error"].to_string().contains("refused with code 7"), "{json}");
}

#[test]
fn an_actor_that_dies() {
    steading(&["call", PANICS, "now", "\"tea is out\""])
        .exits(5)
        .complains(&["tea is out", "inner_frame", "outer_frame"]);
    steading(&["call", TRAPS, "unreachable"])
        .exits(5)
        .complains(&["unreachable"]);
    steading(&["call", TRAPS, "memory", "--limit", "memory=8MiB"])
        .exits(5)
        .complains(&["memory"]);
    steading(&["call", SPIN, "at_once"]).exits(5).complains(&["cpu"]);
}

#[test]
fn usage_is_explained() {
    steading(&["run"]).exits(2).complains(&["Usage: steading run"]);
    steading(&["fly"]).exits(2).complains(&["fly"]);
    steading(&["doctor", "--log-level", "loud"])
        .exits(2)
        .complains(&["`loud` is not a level", "debug"]);
    steading(&["call", TRAPS, "memory", "--limit", "memory=1"])
        .exits(2)
        .complains(&["--limit", "memory=1", "65536 to 268435456 bytes"]);
}
