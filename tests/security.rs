//! `SECURITY.md` says what is so: its list of the engine's features and settings is that of the build, and each
//! test it names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of the code block that follows this heading.
fn block(heading: &str) -> BTreeSet<String> {
    let text = read("SECURITY.md");
    let (_, rest) = text
        .split_once(heading)
        .unwrap_or_else(|| panic!("no heading `{heading}`"));
    let block = rest
        .split("```")
        .nth(1)
        .unwrap_or_else(|| panic!("no block after `{heading}`"));
    let lines = block.lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
    lines.map(ToOwned::to_owned).collect()
}

/// Everything of these crates that is compiled in, whoever asked for it.
fn compiled_features() -> BTreeSet<String> {
    let mut features = BTreeSet::new();
    for package in ["wasmtime", "wasmtime-wasi"] {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let tree = Command::new(cargo)
            .args([
                "tree",
                "--offline",
                "--locked",
                "-p",
                "steading",
                "-e",
                "normal,features",
                "--prefix",
                "none",
                "-i",
                package,
            ])
            .current_dir(root())
            .output()
            .expect("cargo runs the tests, so it is there");
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let text = String::from_utf8_lossy(&tree.stdout).into_owned();
        let named = text
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{package} feature \"")));
        features.extend(named.filter_map(|rest| Some(format!("{package}/{}", rest.split('"').next()?))));
    }
    features
}

/// What the engine is told, line by line.
fn settings() -> BTreeSet<String> {
    let text = read("host/src/backend/wasm/engine.rs");
    let body = text
        .split("fn base() -> Config {")
        .nth(1)
        .and_then(|rest| rest.split("\n}").next());
    let body = body.expect("the engine has a base configuration").to_owned();
    let calls = body.lines().map(|line| line.trim().trim_end_matches(';'));
    calls
        .filter_map(|line| line.strip_prefix('.'))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn the_engines_features_are_those_that_are_stated() {
    assert_eq!(block("### Features"), compiled_features());
}

#[test]
fn the_engines_settings_are_those_that_are_stated() {
    let settings = settings();
    assert!(settings.len() >= 5, "{settings:?}");
    assert_eq!(block("### Settings"), settings);
}

/// Every file of Rust below these folders, with its path.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("it was listed");
            found.push((path.display().to_string(), text));
        }
    }
}

/// Whether a file named after the module has a test of this name.
fn exists(name: &str, sources: &[(String, String)]) -> bool {
    let (module, test) = name.rsplit_once("::").unwrap_or(("", name));
    let module = module.rsplit("::").next().unwrap_or_default();
    let module = if module == "tests" {
        name.rsplit("::").nth(2).unwrap_or_default()
    } else {
        module
    };
    sources.iter().any(|(path, text)| {
        let is_there = path.contains(&format!("/{module}.rs")) || path.contains(&format!("/{module}/"));
        let declared = text
            .split(&format!("fn {test}("))
            .next()
            .filter(|before| before.len() < text.len());
        is_there && declared.is_some_and(|before| before.trim_end().ends_with("#[test]"))
    })
}

fn is_threat(line: &str) -> bool {
    let number = line.strip_prefix("| T").and_then(|rest| rest.split(' ').next());
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

#[test]
fn every_threat_names_a_test_that_exists() {
    let mut found = Vec::new();
    for folder in ["host", "tests", "guest-sdk"] {
        sources(&root().join(folder), &mut found);
    }
    let text = read("SECURITY.md");
    let rows: Vec<_> = text.lines().filter(|line| is_threat(line)).collect();
    assert!(rows.len() >= 20, "{} rows", rows.len());
    for row in rows {
        let last = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
        let names: Vec<_> = last.split('`').skip(1).step_by(2).collect();
        assert!(
            !names.is_empty() || last.contains("none:"),
            "a row without a test: {row}"
        );
        let missing: Vec<_> = names.iter().filter(|name| !exists(name, &found)).collect();
        assert!(missing.is_empty(), "{missing:?} are no tests, in: {row}");
    }
}
