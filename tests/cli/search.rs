//! The main job: `examples/search` finds what grep finds.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use steading_test_artifacts::{EXAMPLE_SEARCH, WORKSPACE};

use crate::steading::{Transcript, steading};

/// What this repository is made of, what is built of it apart.
const FOLDERS: [&str; 5] = ["host", "guest-sdk", "wit", "tests", "examples"];
/// Plain text, classes, anchors, alternatives of length, nothing at all.
const PATTERNS: [&str; 5] = ["steading", "fn [a-z_]*(", "^}$", "no such text is [i]n here", "x.*y.*z"];

fn search(pattern: &str, dir: &str) -> Transcript {
    steading(&["run", EXAMPLE_SEARCH, "--dir", dir, "--", pattern, dir, "--no-progress"])
}

fn grep(pattern: &str, dir: &str) -> BTreeSet<String> {
    let mut grep = Command::new("grep");
    grep.args(["-rn", "--binary-files=without-match", "-e", pattern, dir])
        .current_dir(WORKSPACE)
        .env("LC_ALL", "C.UTF-8");
    lines(&String::from_utf8_lossy(&grep.output().expect("grep is there").stdout))
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(ToOwned::to_owned).collect()
}

/// # Panics
/// Unless both find the same, and each hit is printed once.
fn same(pattern: &str, dir: &str) {
    let found = search(pattern, dir).exits(0);
    let hits = lines(&found.out);
    assert_eq!(hits.len(), found.out.lines().count(), "no hit comes twice");
    let expected = grep(pattern, dir);
    let missed: Vec<_> = expected.difference(&hits).collect();
    let invented: Vec<_> = hits.difference(&expected).collect();
    assert!(
        missed.is_empty() && invented.is_empty(),
        "`{pattern}` in {dir}: missed {missed:#?}, invented {invented:#?}"
    );
}

#[test]
fn it_finds_what_grep_finds_in_this_repository() {
    for folder in FOLDERS {
        PATTERNS.iter().for_each(|pattern| same(pattern, folder));
    }
}

#[test]
fn it_finds_what_grep_finds_among_binary_files_and_odd_lines() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("it can be written");
    put("binary", b"needle\0needle\n");
    put("empty", b"");
    put("last line", b"first\nneedle without an end of line");
    put("windows.txt", b"a needle\r\nanother needle\r\n");
    put("umlaut.txt", "Nadel, needle, Größe\n".as_bytes());
    put(
        "long.txt",
        format!("{}needle{}\n", "x".repeat(100_000), "y".repeat(100_000)).as_bytes(),
    );
    fs::create_dir(folder.path().join("sub")).expect("it can be made");
    put("sub/deep.txt", b"one needle\ntwo\nthree needle\n");
    let dir = folder
        .path()
        .to_str()
        .expect("the temporary directory has a name in UTF-8");
    same("needle", dir);
    same("^$", dir);
    same("needle$", dir);
}

#[test]
fn its_hits_come_sorted_with_a_summary() {
    let found = search("wit", "wit").exits(0);
    let paths: Vec<_> = found
        .out
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, _)| path)
        .collect();
    assert!(paths.is_sorted(), "{paths:#?}");
    assert!(
        found.err.contains("hits in") && found.err.contains("workers"),
        "{found:#?}"
    );
}

#[test]
fn a_folder_that_was_not_granted_is_named() {
    let denied = steading(&[
        "run",
        EXAMPLE_SEARCH,
        "--dir",
        "wit",
        "--",
        "wit",
        "host",
        "--no-progress",
    ])
    .exits(1);
    assert!(denied.err.contains("host"), "{denied:#?}");
}
