//! Whole builds, in folders of their own.

use std::fs;
use std::path::PathBuf;

use crate::{Build, BuildError, Progress, Stop};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("steading-build-{name}-{}", std::process::id()));
        let folder = Self(root);
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn build(&self, dir: &str) -> Build {
        Build::new(self.0.join(dir)).release(false)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const MANIFEST: &str = "[package]\nname = \"guest\"\nedition = \"2024\"\n";

#[test]
fn a_crate_outside_any_workspace_becomes_a_component() {
    let folder = Folder::new("alone", &[("Cargo.toml", MANIFEST), ("src/main.rs", "fn main() {}")]);
    let mut compiled = Vec::new();
    let artifacts = folder
        .build("")
        .run(|progress| {
            if let Progress::Compiled { name, .. } = progress {
                compiled.push(name.to_string());
            }
        })
        .unwrap();
    assert_eq!(
        (artifacts.len(), artifacts[0].name.as_str(), compiled),
        (1, "guest", vec!["guest".to_string()])
    );
    assert!(
        fs::read(&artifacts[0].path).unwrap().starts_with(b"\0asm\x0d\0\x01\0"),
        "a component, not a module"
    );
}

#[test]
fn a_member_of_a_workspace_becomes_a_component_and_a_library_too() {
    let library = format!("{MANIFEST}[lib]\ncrate-type = [\"cdylib\"]\n");
    let folder = Folder::new(
        "member",
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"guest\"]\nresolver = \"3\"\n"),
            ("guest/Cargo.toml", &library),
            ("guest/src/lib.rs", ""),
        ],
    );
    let artifacts = folder
        .build("guest")
        .target_dir(folder.0.join("elsewhere"))
        .run(|_| {})
        .unwrap();
    assert!(
        artifacts[0].path.starts_with(folder.0.join("elsewhere")),
        "{artifacts:?}"
    );
    check(folder.build(""), "is a workspace; name one of its crates");
}

#[test]
fn one_binary_of_several_can_be_chosen() {
    let files = [
        ("Cargo.toml", MANIFEST),
        ("src/bin/one.rs", "fn main() {}"),
        ("src/bin/two.rs", "broken"),
    ];
    let folder = Folder::new("chosen", &files);
    let artifacts = folder.build("").bin("one").run(|_| {}).unwrap();
    assert_eq!(
        artifacts
            .iter()
            .map(|artifact| artifact.name.as_str())
            .collect::<Vec<_>>(),
        ["one"]
    );
}

#[track_caller]
fn check(build: Build, expected: &str) -> BuildError {
    let error = build.run(|_| {}).unwrap_err();
    let line = error.to_string();
    assert!(line.contains(expected) && !line.contains('\n'), "{line}");
    error
}

#[test]
fn each_failure_is_one_line_and_keeps_what_the_compiler_said() {
    let folder = Folder::new(
        "broken",
        &[("Cargo.toml", MANIFEST), ("src/main.rs", "fn main() { missing(); }")],
    );
    let error = check(
        folder.build(""),
        "does not compile (error[E0425]: cannot find function `missing`",
    );
    assert!(error.detail().contains("src/main.rs:1:13"), "{}", error.detail());
    check(folder.build("src"), "is not a crate folder");
    folder.write("Cargo.toml", "[package]\nname = 3\n");
    assert!(!check(folder.build(""), "invalid type: integer").detail().is_empty());
}

#[test]
fn a_crate_that_makes_no_component_is_named() {
    let folder = Folder::new("library", &[("Cargo.toml", MANIFEST), ("src/lib.rs", "")]);
    check(folder.build(""), "has nothing to build into a component");
}

#[test]
fn a_crate_without_the_sdk_is_refused_before_it_is_compiled() {
    let folder = Folder::new("plain", &[("Cargo.toml", MANIFEST), ("src/main.rs", "broken")]);
    check(folder.build("").actor(), "does not depend on steading-guest");
    let with = |dependency: &str| folder.write("Cargo.toml", &format!("{MANIFEST}[dependencies]\n{dependency}\n"));
    with("handed-on = { path = \"../handed-on\" }");
    let error = folder.build("").actor().run(|_| {}).unwrap_err();
    assert!(!matches!(error, BuildError::NotAnActor { .. }), "{error}");
}

#[test]
fn a_build_that_was_stopped_says_so() {
    let folder = Folder::new("stopped", &[("Cargo.toml", MANIFEST), ("src/main.rs", "fn main() {}")]);
    let stop = Stop::default();
    stop.stop();
    check(folder.build("").until(&stop), "the build was interrupted");
}

#[test]
fn a_stray_crate_inside_a_workspace_is_told_what_to_do() {
    let files = [
        ("Cargo.toml", "[workspace]\nmembers = []\n"),
        ("guest/Cargo.toml", MANIFEST),
        ("guest/src/main.rs", "fn main() {}"),
    ];
    check(
        Folder::new("stray", &files).build("guest"),
        "add `[workspace]` to its Cargo.toml",
    );
}
