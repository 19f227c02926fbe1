//! `run`, `call`, `inspect`, `doctor`: the good days.

use serde_json::json;
use steading_test_artifacts::{EXAMPLE_HELLO, FILES, STREAMS, VALUES};

use crate::steading::{steading, steading_with};

#[test]
fn run_prints_what_the_endpoint_returns() {
    let hello = steading(&["run", EXAMPLE_HELLO, "--", "Ada"]).exits(0);
    assert_eq!(
        (hello.out.as_str(), hello.err.as_str()),
        ("Hello, Ada! This is hello.\n", "")
    );
    let json = steading(&["run", "--json", EXAMPLE_HELLO]).exits(0).json();
    assert_eq!(json, json!({ "result": "Hello, world! This is hello." }));
}

#[test]
fn run_shows_the_log_when_it_is_asked_to() {
    let hello = steading(&["run", "--log-level", "info", EXAMPLE_HELLO, "--", "Ada"]).exits(0);
    assert!(
        hello.err.contains("asked to greet Ada") && hello.err.contains("hello"),
        "{hello:#?}"
    );
    assert_eq!(hello.out, "Hello, Ada! This is hello.\n");
}

#[test]
fn run_and_call_answer_programs_alike() {
    let run = steading(&["run", "--json", "-e", "nothing", VALUES]).exits(0);
    let call = steading(&["call", "--json", VALUES, "nothing"]).exits(0);
    assert_eq!(
        (run.out.as_str(), call.out.as_str()),
        ("{\"result\":null}\n", "{\"result\":null}\n")
    );
}

#[test]
fn at_debug_the_log_tells_the_story_of_actors_and_contexts() {
    let log = steading(&["run", "--log-level", "steading=debug", EXAMPLE_HELLO])
        .exits(0)
        .err;
    let told = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    for words in [
        &["hello@", "actor started", "depth=1"][..],
        &["context opened", "endpoint=main"],
        &["hello@", "task ended", "outcome=returned"],
        &["context ended", "outcome=returned"],
        &["hello@", "actor ended", "rung=Acked"],
    ] {
        assert!(told(words), "{words:?} is not in\n{log}");
    }
}

#[test]
fn call_takes_json_and_gives_json() {
    assert_eq!(steading(&["call", VALUES, "add", "40", "2"]).exits(0).out, "42\n");
    let ada = json!({ "name": "Ada", "age": 36, "tags": ["math"], "note": null });
    let older = steading(&["call", VALUES, "older", &ada.to_string(), "1"])
        .exits(0)
        .json();
    assert_eq!(
        older,
        json!({ "name": "Ada", "age": 37, "tags": ["math"], "note": null })
    );
    assert_eq!(steading(&["call", VALUES, "nothing"]).exits(0).out, "null\n");
    assert_eq!(steading(&["call", VALUES, "add", "-1", "-2"]).exits(0).out, "-3\n");
}

#[test]
fn call_is_a_filter_when_the_endpoint_has_a_stream() {
    let sum = steading_with("1\n2\n\n39\n", &["call", STREAMS, "sum"]).exits(0);
    assert_eq!((sum.out.as_str(), sum.err.as_str()), ("", "result: 42\n"));
    let count = steading(&["call", STREAMS, "count", "3"]).exits(0);
    assert_eq!(count.out, "0\n1\n2\n");
    let tagged = steading_with("[1]\n", &["call", "--json", STREAMS, "echo"]).exits(0);
    assert_eq!(tagged.out, "{\"started\":null}\n{\"message\":[1]}\n{\"result\":1}\n");
}

#[test]
fn answers_before_a_bad_line_are_not_lost() {
    let echo = steading_with("[1]\n{bad\n[2]\n", &["call", STREAMS, "echo"]).exits(2);
    assert_eq!(echo.out, "[1]\n", "{echo:#?}");
    echo.complains(&["line 2"]);
}

#[test]
fn directories_and_variables_are_granted_by_name() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::write(folder.path().join("note.txt"), "a note").expect("it can be written");
    let dir = format!("{}:/data:ro", folder.path().display());
    let read = steading(&["call", FILES, "--dir", &dir, "read", "\"/data/note.txt\""]).exits(0);
    assert_eq!(read.json(), json!({ "Ok": "a note" }));
    let write = steading(&["call", FILES, "--dir", &dir, "write", "\"/data/new\"", "\"x\""]).exits(0);
    assert!(write.json().get("Err").is_some(), "{write:#?}");
    let seen = steading(&["call", FILES, "--env", "COLOUR=green", "surroundings"])
        .exits(0)
        .json();
    assert_eq!(seen[1], json!([["COLOUR", "green"]]));
}

#[test]
fn inspect_shows_endpoints_with_docs_and_types() {
    let shown = steading(&["inspect", VALUES]).exits(0).out;
    for text in [
        "Takes values and gives values.",
        "older(person: Person, years: u8) -> Person",
        "The same person, some years later.",
        "add(a: i64, b: i64) -> i64",
        "args     (int,int)",
        "steading:actor/",
        "blake3",
        "size",
    ] {
        assert!(shown.contains(text), "`{text}` is not in\n{shown}");
    }
    let json = steading(&["inspect", "--json", VALUES]).exits(0).json();
    let endpoints = json["endpoints"].as_array().expect("a list");
    let add = endpoints
        .iter()
        .find(|endpoint| endpoint["name"] == "add")
        .expect("it is in the source");
    assert_eq!(add["docs"], "The sum of two numbers.");
    assert_eq!(add["schema"]["args"], "(int,int)");
    assert_eq!(add["schema"]["hash"].as_str().map(str::len), Some(16));
}

#[test]
fn doctor_finds_what_the_tests_could_not_have_run_without() {
    let shown = steading(&["doctor"]).exits(0).out;
    for text in ["rustc", "cargo", "wasm32-wasip2", "cache", "64 MiB"] {
        assert!(shown.contains(text), "`{text}` is not in\n{shown}");
    }
    assert!(steading(&["doctor", "--json"]).exits(0).json().is_object());
}

#[test]
fn help_names_every_exit_code() {
    let help = steading(&["--help"]).exits(0).out;
    for code in ["0  done", "1  ", "2  ", "3  ", "4  ", "5  ", "130  interrupted"] {
        assert!(help.contains(code), "`{code}` is not in\n{help}");
    }
}
