//! `steading new` makes a crate that `build`, `run`, `call` and `inspect` work on.

use std::fs;
use std::path::{Path, PathBuf};

use steading_test_artifacts::{TARGET_DIR, WORKSPACE};

use crate::steading::{steading, steading_with};

/// A folder that keeps what cargo builds between runs, and nothing else.
fn workshop() -> PathBuf {
    let folder = Path::new(TARGET_DIR).join("test-scaffold");
    fs::create_dir_all(folder.join(".cargo")).expect("below target there is room");
    let config = format!("[build]\ntarget-dir = {:?}\n", folder.join("built"));
    fs::write(folder.join(".cargo/config.toml"), config).expect("below target there is room");
    // A crate of an earlier run; that there is none is as well.
    fs::remove_dir_all(folder.join("greeter")).ok();
    folder
}

#[test]
fn a_new_crate_builds_runs_and_talks() {
    let path = workshop().join("greeter");
    let crate_dir = path.to_str().expect("the repository has a name in UTF-8");
    let created = steading(&["new", crate_dir]).exits(0);
    assert!(created.out.contains("steading run"), "{created:#?}");
    steading(&["new", crate_dir]).exits(2).complains(&["not empty"]);
    // The versions this repository is tested with: what is newest today is not for this test to find out.
    fs::copy(Path::new(WORKSPACE).join("Cargo.lock"), path.join("Cargo.lock")).expect("both are there");

    let built = steading(&["build", crate_dir]).exits(0);
    assert!(built.out.contains("greeter.wasm"), "{built:#?}");
    assert_eq!(steading(&["run", crate_dir, "--", "Ada"]).exits(0).out, "hello, Ada\n");
    let echo = steading_with("\"wool\"\n", &["call", crate_dir, "echo"]).exits(0);
    assert_eq!(echo.out, "{\"text\":\"wool\",\"characters\":4}\n");
    let shown = steading(&["inspect", crate_dir]).exits(0).out;
    assert!(shown.contains("Greets everybody who is named."), "{shown}");
}

#[test]
fn a_crate_that_does_not_compile_says_where() {
    let path = workshop().with_file_name("test-scaffold-broken").join("broken");
    fs::create_dir_all(path.join("src")).expect("below target there is room");
    let manifest = "[package]\nname = \"broken\"\nedition = \"2024\"\n[workspace]\n[lib]\ncrate-type = [\"cdylib\"]\n";
    fs::write(path.join("Cargo.toml"), manifest).expect("below target there is room");
    fs::write(path.join("src/lib.rs"), "fn main() { missing() }\n").expect("below target there is room");
    let crate_dir = path.to_str().expect("the repository has a name in UTF-8");
    steading(&["build", crate_dir])
        .exits(3)
        .complains(&["src/lib.rs:1", "missing"]);
}
