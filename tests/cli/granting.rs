//! `--grant`: a directory for one call, by a name.

use std::fs;

use steading_test_artifacts::{FOREIGN, GRANTING};

use crate::steading::steading;

#[test]
fn a_call_has_the_directory_it_is_granted() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    fs::write(folder.path().join("note.txt"), "a note").expect("the folder can be written");
    let host = folder.path().display().to_string();
    let granted = format!("--grant={host}:in");
    let call = steading(&["call", &granted, GRANTING, "peek", "\"in\""]).exits(0);
    assert_eq!(call.out, "\"a note\"\n");
    let run = steading(&["run", &granted, GRANTING, "--endpoint", "peek", "--", "\"in\""]).exits(0);
    assert_eq!(run.out, "a note\n");
    let foreign = steading(&["call", &granted, FOREIGN, r#"read("/granted/in/note.txt")"#]).exits(0);
    assert_eq!(foreign.out, "\"a note\"\n");
    let writable = format!("--grant={host}:in:rw");
    steading(&["call", &writable, GRANTING, "write", "\"in\"", "\"more\""]).exits(0);
    assert_eq!(
        fs::read_to_string(folder.path().join("note.txt")).ok().as_deref(),
        Some("more")
    );
}

#[test]
fn what_was_not_granted_is_named_with_the_option_that_grants_it() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let host = folder.path().display().to_string();
    let granted = format!("--grant={host}:in");
    steading(&["call", &granted, GRANTING, "peek", "\"out\""])
        .exits(2)
        .complains(&["no directory `out`", "it has: `in`", "hint: ", "--grant HOST:NAME"]);
    steading(&["call", "--grant=.", GRANTING, "peek", "\"in\""])
        .exits(2)
        .complains(&["give it a name", ".:NAME"]);
    steading(&["call", "--grant=/no/such:in", GRANTING, "peek", "\"in\""])
        .exits(2)
        .complains(&["/no/such: no such directory"]);
}
