//! What went wrong, as people and as programs read it.

use steading_test_artifacts::{CONFORMANCE, DEADLOCKS};

use crate::steading::{command, finish, steading};

/// `name@1f2e3d4c` without what is another one in each run.
fn without_uuids(line: &str) -> String {
    let mut parts = line.split('@');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.get(8..).unwrap_or_default())
}

#[test]
fn several_failures_are_a_tree_of_all_of_them() {
    let transcript = steading(&["call", CONFORMANCE, "delegate", "[]"]).exits(1);
    let lines: Vec<_> = transcript.err.lines().map(without_uuids).collect();
    let expected = [
        "error: 4 errors in conformance",
        "  1. endpoint error in refuses via conformance: refused with code 7",
        "  2. endpoint error in knows-not via conformance: nobody called Bob is here",
        "  3. endpoint error in misreads via conformance: invalid digit found in string",
        "  4. trap (unreachable) in dies via conformance: ",
    ];
    assert_eq!(lines[..4], expected[..4], "{transcript:#?}");
    assert!(lines[4].starts_with(expected[4]), "{transcript:#?}");
    assert!(lines.len() > 5, "then the backtrace of who died: {transcript:#?}");
    assert!(
        lines[5..].iter().all(|line| line.starts_with("        ")),
        "{transcript:#?}"
    );
}

#[test]
fn programs_read_each_failure_with_all_that_is_known_of_it() {
    let json = steading(&["call", "--json", CONFORMANCE, "delegate", "[]"])
        .exits(1)
        .json();
    let errors = json["error"]["errors"].as_array().expect("a list");
    let kinds: Vec<_> = errors
        .iter()
        .map(|error| error["kind"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(kinds, ["endpoint-error", "endpoint-error", "endpoint-error", "trap"]);
    assert_eq!(errors[0]["data"], serde_json::json!({ "code": 7 }));
    assert_eq!(errors[0]["relay_path"][0], json["error"]["source"]);
    assert!(
        errors[3]["backtrace"].is_string() && errors[3]["code"] == "unreachable",
        "{json}"
    );
    assert!(json["error"].get("cause").is_none() && json["error"].get("omitted").is_none());
}

#[test]
fn tasks_that_wait_in_a_circle_are_told_so() {
    steading(&["call", DEADLOCKS, "both_read"]).exits(1).complains(&[
        "deadlock in child@",
        "`listen` of child@",
        "waits for a message from deadlocks@",
    ]);
    let json = steading(&["call", "--json", DEADLOCKS, "both_read"]).exits(1).json();
    assert_eq!(json["error"]["kind"], "deadlock", "{json}");
}

#[test]
fn errors_are_coloured_when_asked_and_otherwise_the_same() {
    let args = ["call", CONFORMANCE, "delegate", "[]"];
    let plain = steading(&args).exits(1).err;
    let colored = command(&[&args[..], &["--color", "always"]].concat()).spawn();
    let colored = finish(colored.expect("the binary of this package can be started"), "")
        .exits(1)
        .err;
    assert!(colored.contains("\x1b[31m") && !plain.contains('\x1b'), "{colored}");
    let stripped: String = colored
        .split('\x1b')
        .map(|part| part.split_once('m').map_or(part, |(_, text)| text))
        .collect();
    assert_eq!(
        stripped.lines().next().map(without_uuids),
        plain.lines().next().map(without_uuids)
    );
}
