//! `inspect`: what a component asks for, how each of it is granted, and what a manifest gives.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use steading_test_artifacts::{BUDGETS, FILES};

use crate::steading::steading;

/// A folder with a manifest about real components.
fn manifest(actors: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let text = format!("{actors}\n[components]\nfiles = {FILES:?}\n");
    let path = folder.path().join("steading.toml");
    fs::write(&path, text).expect("the folder can be written");
    (folder, path.display().to_string())
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let list = list.as_array().expect("a list");
    list.iter()
        .find(|one| one["name"] == name)
        .unwrap_or_else(|| panic!("no `{name}` in {list:#?}"))
}

#[test]
fn every_capability_is_shown_with_the_option_and_the_line_that_grant_it() {
    let shown = steading(&["inspect", FILES]).exits(0).out;
    for (capability, option, line) in [
        ("files", "--dir HOST[:GUEST][:ro|:rw]", "dirs = ["),
        ("arguments and environment", "--env NAME[=VALUE]", "env = {"),
        ("clocks", "--clock", "clock = "),
        ("random numbers", "--seed N", "seed = N"),
        ("standard streams", "--stdio", "stdio = "),
        ("children", "--component NAME=PATH", "components = ["),
    ] {
        let row = shown.lines().find(|line| line.trim_start().starts_with(capability));
        let complete = row.is_some_and(|row| row.contains(option) && row.contains(line));
        assert!(complete, "{capability}: {shown}");
    }
}

#[test]
fn programs_are_told_the_imports_as_well() {
    let json = steading(&["inspect", "--json", FILES]).exits(0).json();
    let files = named(&json["capabilities"], "files");
    let imports = files["imports"].as_array().expect("a list");
    assert!(!imports.is_empty(), "{json}");
    let are_files = |import: &Value| import.as_str().is_some_and(|name| name.starts_with("wasi:filesystem/"));
    assert!(imports.iter().all(are_files), "{json}");
    assert_eq!(files["option"], "--dir HOST[:GUEST][:ro|:rw][,quota=BYTES][,open=N]");
    assert_eq!(
        files["manifest"],
        "dirs = [\"HOST[:GUEST][:ro|:rw][,quota=BYTES][,open=N]\"]"
    );
}

const TWO: &str = r#"
limits = { contexts = 7, unread = "1MiB" }
[[actor]]
name = "reader"
component = "files"
endpoint = "must_read"
args = ['"x"']
dirs = ["..:/data"]
env = { TOKEN = "s3cr3t" }
budget = { cores = 0.5 }
clock = "frozen"
[[actor]]
name = "bare"
component = "files"
"#;

#[test]
fn a_manifest_says_what_each_actor_is_given_and_what_it_lacks() {
    let (_folder, path) = manifest(TWO);
    let json = steading(&["inspect", "--json", &path]).exits(0).json();
    let reader = named(&json["actors"], "reader");
    let given = json!({
        "args": ["\"x\""], "dirs": ["..:/data"], "env": ["TOKEN"], "budget": { "cores": 0.5 }, "clock": "frozen",
    });
    assert_eq!(reader["given"], given);
    assert_eq!(
        reader["missing"],
        json!([{ "name": "children", "manifest": "components = [\"NAME\"]" }])
    );
    let bare = named(&json["actors"], "bare");
    assert_eq!((&bare["given"], &bare["component"]), (&json!({}), &json!("files")));
    let lacks = |name: &str| named(&bare["missing"], name)["manifest"].is_string();
    assert!(lacks("files") && lacks("children") && lacks("arguments and environment"));
    assert_eq!(json["all"], json!({ "limits": { "contexts": 7, "unread": "1MiB" } }));
    let of_files = &json["components"]["files"];
    assert!(named(&of_files["capabilities"], "files")["imports"].is_array() && of_files["digest"].is_string());
}

#[test]
fn a_secret_of_a_manifest_is_not_shown() {
    let (folder, path) = manifest(TWO);
    let shown = steading(&["inspect", &path]).exits(0).out;
    assert!(shown.contains("TOKEN") && !shown.contains("s3cr3t"), "{shown}");
    for text in [
        "Actor `reader`: `must_read` of files",
        "dirs = [\"..:/data\"]",
        "budget = { cores = 0.5 }",
        "is given nothing",
    ] {
        assert!(shown.contains(text), "`{text}` is not in\n{shown}");
    }
    // The folder leads to it as well, as with `run`.
    let by_folder = steading(&["inspect", &folder.path().display().to_string()])
        .exits(0)
        .out;
    assert_eq!(by_folder, shown);
}

#[test]
fn what_is_wrong_with_a_manifest_is_told_by_inspect_too() {
    let (_folder, path) = manifest("[[actor]]\nname = \"a\"\ncomponent = \"hats\"\n");
    steading(&["inspect", &path])
        .exits(2)
        .complains(&["[components] has no `hats`"]);
    assert!(!Path::new(&path).with_file_name("Cargo.toml").exists());
}

#[test]
fn what_was_denied_is_told_with_the_option_and_the_line() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let granted = format!("{}:/data", folder.path().display());
    let child = |from: &str, writable: &str| {
        let from = format!("{from:?}");
        let dir = format!("--dir={granted}");
        steading(&[
            "call",
            FILES,
            &dir,
            "child_reads",
            &from,
            "\"/mine\"",
            writable,
            "\"/mine/x\"",
        ])
        .exits(3)
    };
    child("/data", "true").complains(&[
        "may only read",
        "`--dir HOST[:GUEST]:rw`",
        "`dirs = [\"HOST[:GUEST]:rw\"]`",
    ]);
    child("/etc", "false").complains(&["does not have it", "`--dir HOST", "`dirs = ["]);
    steading(&["call", BUDGETS, "start", "\"hats\""]).exits(3).complains(&[
        "no such component `hats`",
        "`--component NAME=PATH`",
        "`components = [\"NAME\"]`",
    ]);
    steading(&["call", FILES, "must_read", "\"/x\""]).exits(1).complains(&[
        "granted no directory",
        "`--dir HOST",
        "`dirs = [",
    ]);
    steading(&["call", "--limit", "memory=64KiB", FILES, "must_read", "\"/x\""])
        .complains(&["--limit memory", "limits.memory"]);
}
