//! Each mistake is told in one line that names the thing, with its exit code.

use steading_test_artifacts::{ERRORS, FILES, PANICS, PATIENT, SPIN, STREAMS, TRAPS, VALUES};

use crate::steading::{Transcript, command, finish, steading, steading_with};

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
        steading(&["run", "LICENSE-MIT"])
            .exits(3)
            .complains(&["LICENSE-MIT", "not a WebAssembly file"]),
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
fn what_an_actor_died_of_says_where_and_what_to_do() {
    steading(&["call", SPIN, "at_once"])
        .exits(5)
        .complains(&["cpu", "spin", "serving `at_once`", "hint: ", "await"]);
    steading(&["call", TRAPS, "memory", "--limit", "memory=8MiB"])
        .exits(5)
        .complains(&["--limit memory="]);
    let exit = steading(&["call", TRAPS, "exit", "7"])
        .exits(5)
        .complains(&["exit with failure"]);
    assert!(!exit.err.contains("exit(1)"), "{exit:#?}");
}

#[test]
fn a_result_that_is_too_large_is_named_and_counted() {
    for bytes in ["1500000", "3145728"] {
        let transcript = steading(&["call", VALUES, "zeroes", bytes]).exits(1);
        transcript.complains(&[
            "limit payload",
            "the result of `zeroes` is",
            "more than the 1048576",
            "hint: ",
        ]);
    }
    let large = format!("\"{}\"", "x".repeat(100_000));
    steading(&["call", VALUES, "echo", &large]).exits(0);
    let line = format!("[\"{}\"]\n", "x".repeat(2 << 20));
    steading_with(&line, &["call", STREAMS, "echo"]).exits(1).complains(&[
        "a message",
        "2097158 bytes",
        "more than the 1048576",
    ]);
}

#[test]
fn a_file_that_was_not_granted_says_how_to_grant_it() {
    steading(&["call", FILES, "must_read", "\"/data/note.txt\""])
        .exits(1)
        .complains(&["hint: this actor was granted no directory", "--dir"]);
}

#[test]
fn a_crate_that_is_no_actors_is_refused_before_it_is_built() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let manifest = "[package]\nname = \"plain\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nno-such = \"1\"\n";
    std::fs::create_dir(folder.path().join("src")).expect("there is room");
    std::fs::write(folder.path().join("Cargo.toml"), manifest).expect("there is room");
    std::fs::write(folder.path().join("src/main.rs"), "fn main() {}").expect("there is room");
    let path = folder.path().to_string_lossy().into_owned();
    in_one_line(steading(&["run", &path]).exits(3).complains(&[
        &path,
        "does not depend on steading-guest",
        "hint: `steading new",
    ]));
}

#[test]
fn programs_are_told_of_every_mistake_as_json() {
    let usage = steading(&["run", "--json"]).exits(2);
    let error = &usage.json()["error"];
    assert_eq!(
        (error["kind"].as_str(), usage.err.as_str()),
        (Some("usage"), ""),
        "{usage:#?}"
    );
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("<PATH>")),
        "{error}"
    );
    let unknown = steading(&["call", "--json", VALUES, "add", "1", "2", "--dir", "/no/such"])
        .exits(2)
        .json();
    assert!(
        unknown["error"]["message"].to_string().contains("no such directory"),
        "{unknown}"
    );
    let not_ours = steading(&["run", "--", "--json"]).exits(2);
    assert_eq!(not_ours.out, "");

    let typed = steading(&["call", "--json", ERRORS, "typed", "7"]).exits(1).json();
    let error = &typed["error"];
    assert_eq!(error["kind"], "endpoint-error");
    for field in ["source", "type", "context"] {
        assert!(!error[field].is_null(), "{field}: {error}");
    }
    assert!(error["relay_path"].is_array() && error["data"].is_object(), "{error}");
}

#[test]
fn an_endpoint_that_was_cancelled() {
    in_one_line(
        steading(&["run", PATIENT, "--endpoint", "gives_up"])
            .exits(4)
            .complains(&["cancelled", "no more of this"]),
    );
}

#[test]
fn an_output_that_nobody_reads() {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    let child = command(&["inspect", VALUES]).stdout(writer).spawn();
    let transcript = finish(child.expect("the binary of this package can be started"), "").exits(141);
    assert_eq!(transcript.err, "");
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
