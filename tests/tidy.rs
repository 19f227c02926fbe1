//! The rules of the house (design, section 2 and 3), checked on the text of the sources.
//!
//! Each test is one rule, and says in its failure where it is broken. What crates may know of each other
//! is read from their manifests, what modules may know from what they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of Rust, its path as seen from the root of the repository.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Its lines with their numbers, tests at the end of the file and comments apart.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        let lines = self.text[..tests].lines().enumerate().map(|(n, line)| (n + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of Rust below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    folders
        .iter()
        .for_each(|folder| collect(&root().join(folder), folder, &mut found));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "nothing is in {folders:?}");
    found
}

fn all() -> Vec<Source> {
    sources(&["host", "guest-sdk", "tests", "examples"])
}

fn collect(folder: &Path, name: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let (path, name) = (entry.path(), format!("{name}/{file}"));
        if path.is_dir() && file != "target" {
            collect(&path, &name, found);
        } else if file.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("a source that is listed can be read");
            found.push(Source { path: name, text });
        }
    }
}

/// # Panics
/// With every offence, if there is one.
fn none(rule: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

/// Where any of these words stands in the code of a file.
fn uses(sources: &[Source], words: &[&str], allowed: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| !allowed(source)) {
        for (number, line) in source.code() {
            if words.iter().any(|word| has_word(line, word)) {
                offences.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    offences
}

/// Whether the word stands there by itself, not as a part of another.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_part) && word.starts_with(is_part);
        let after = line[at + word.len()..].chars().next().is_some_and(is_part) && word.ends_with(is_part);
        !before && !after
    })
}

/// The names in one section of a manifest.
fn dependencies(manifest: &str, section: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest)).expect("every crate has a manifest");
    let body = text.split(&format!("\n[{section}]\n")).nth(1).unwrap_or_default();
    let lines = body.lines().take_while(|line| !line.starts_with('['));
    let names = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

#[test]
fn the_core_depends_on_its_allow_list_only() {
    let allowed = ["steading-types", "bytes", "minicbor", "thiserror"];
    let foreign = dependencies("host/proto/Cargo.toml", "dependencies");
    none(
        "host/proto",
        foreign.into_iter().filter(|name| !allowed.contains(&&**name)).collect(),
    );
}

#[test]
fn the_core_knows_no_clock_no_runtime_and_no_chance() {
    let words = [
        "std::time",
        "Instant",
        "SystemTime",
        "tokio",
        "async",
        "Mutex",
        "HashMap",
        "HashSet",
        "tracing",
        "rand",
        "thread",
    ];
    none(
        "host/proto is sans-IO",
        uses(&sources(&["host/proto/src"]), &words, |_| false),
    );
}

#[test]
fn guests_never_depend_on_the_host() {
    let manifests = [
        "guest-sdk",
        "guest-sdk/types",
        "guest-sdk/actor",
        "guest-sdk/macros",
        "tests/guests",
        "tests/scenarios",
        "examples/plugin-host/plugins",
    ];
    let examples = fs::read_dir(root().join("examples"))
        .expect("there are examples")
        .flatten();
    let examples = examples.map(|entry| format!("examples/{}", entry.file_name().to_string_lossy()));
    // One embeds the host, and one is no crate.
    let examples = examples.filter(|folder| folder != "examples/plugin-host" && is_crate(folder));
    let mut offences = Vec::new();
    for folder in manifests.iter().map(ToString::to_string).chain(examples) {
        let manifest = format!("{folder}/Cargo.toml");
        let known = dependencies(&manifest, "dependencies");
        for host in ["steading", "steading-proto", "steading-build", "wasmtime", "tokio"] {
            if known.contains(host) {
                offences.push(format!("{manifest}: {host}"));
            }
        }
    }
    none("what runs in a guest knows nothing of the host", offences);
}

fn is_crate(folder: &String) -> bool {
    root().join(folder).join("Cargo.toml").exists()
}

#[test]
fn the_actors_library_knows_neither_wit_nor_wasm() {
    let words = ["wit_bindgen", "wasmtime", "tokio", "steading_guest"];
    none(
        "guest-sdk/actor",
        uses(
            &sources(&["guest-sdk/actor/src", "guest-sdk/types/src"]),
            &words,
            |_| false,
        ),
    );
}

#[test]
fn one_folder_knows_the_engine() {
    let words = ["wasmtime", "wasmtime_wasi", "wasmparser", "wit_component"];
    let allowed = |source: &Source| source.is_in(&["host/src/backend/wasm/"]);
    none(
        "only backend/wasm",
        uses(
            &sources(&["host/src", "host/proto/src", "host/build/src"]),
            &words,
            allowed,
        ),
    );
}

#[test]
fn the_runtime_names_no_adapter() {
    none(
        "runtime",
        uses(&sources(&["host/src/runtime"]), &["backend", "cli", "builder"], |_| {
            false
        }),
    );
}

#[test]
fn one_folder_talks_to_the_terminal() {
    // The streams themselves; what is said about those of guests is everybody's.
    let words = [
        "println!",
        "eprintln!",
        "print!",
        "eprint!",
        "clap",
        "stdout()",
        "stderr()",
        "io::stdout",
        "io::stderr",
    ];
    let places = [
        "host/src/cli/",
        "host/src/main.rs",
        "host/src/backend/wasm/",
        "host/src/runtime/outlet.rs",
    ];
    let allowed = |source: &Source| source.is_in(&places);
    none(
        "only cli and main",
        uses(&sources(&["host/src", "host/proto/src"]), &words, allowed),
    );
    let words = ["println!", "eprintln!", "print!", "eprint!", "clap"];
    none(
        "nor the engine",
        uses(&sources(&["host/src/backend"]), &words, |_| false),
    );
}

#[test]
fn tasks_are_spawned_in_two_places() {
    let words = ["tokio::spawn", "spawn_local", "spawn_blocking", ".spawn("];
    let allowed = [
        "host/src/runtime/mod.rs",
        "host/src/runtime/native.rs",
        "host/src/cli/",
        "host/build/",
    ];
    // Threads that are joined where they are started, and `spawn`s that start an actor, not a task.
    // A process that is killed and reaped where it is started. Work on files, which is awaited, or given up with its
    // store as the engine's own is.
    let threads = [
        "host/src/backend/wasm/ticker.rs",
        "host/src/backend/wasm/component.rs",
        "host/src/backend/wasm/compile/child.rs",
        "host/src/backend/wasm/files/",
    ];
    let actors = ["host/src/runtime/", "host/src/backend/wasm/imports/nursery.rs"];
    let is_allowed = |source: &Source| source.is_in(&allowed) || source.is_in(&threads) || source.is_in(&actors);
    none("who spawns", uses(&sources(&["host/src"]), &words, is_allowed));
    let indirect = sources(&["host/src/runtime"]);
    let offences = uses(&indirect, &["tokio::spawn", "JoinSet"], |source| source.is_in(&allowed));
    none("the runtime's other files hand tasks to `Runtime::spawn`", offences);
}

#[test]
fn no_channel_is_unbounded() {
    let rule = file!();
    none(
        "unbounded",
        uses(&all(), &["unbounded", "unbounded_channel"], |source| {
            rule.ends_with(&source.path)
        }),
    );
}

#[test]
fn unsafe_is_one_line() {
    let rule = file!();
    // The bindings are generated; the guest `traps` does what no safe code can, to see it trapped.
    let allowed = |source: &Source| {
        rule.ends_with(&source.path) || source.is_in(&["guest-sdk/src/bindings.rs", "tests/guests/src/bin/traps.rs"])
    };
    let lines = uses(&all(), &["unsafe"], allowed);
    assert!(lines.len() <= 1, "unsafe:\n  {}", lines.join("\n  "));
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("host/src/backend/wasm/component.rs")),
        "{lines:?}"
    );
}

#[test]
fn no_file_is_longer_than_the_wall() {
    let long = all().into_iter().filter(|source| source.text.lines().count() > 800);
    none("800 lines", long.map(|source| source.path).collect());
}

#[test]
fn every_file_says_what_it_is() {
    let silent = all().into_iter().filter(|source| !source.text.starts_with("//!"));
    none(
        "a module opens with its `//!`",
        silent.map(|source| source.path).collect(),
    );
}

#[test]
fn nothing_is_left_to_do() {
    let rule = file!();
    let words = ["TODO", "FIXME", "XXX", "HACK", "dbg!", "todo!", "unimplemented!"];
    let mut offences = Vec::new();
    for source in all().iter().filter(|source| !rule.ends_with(&source.path)) {
        for (number, line) in source.text.lines().enumerate() {
            if words.iter().any(|word| has_word(line, word)) {
                offences.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    none("notes to oneself", offences);
}

#[test]
fn tests_do_not_sleep() {
    let offences = uses(
        &sources(&["tests/it", "tests/cli", "tests/src"]),
        &["thread::sleep", "tokio::time::sleep"],
        |_| false,
    );
    none("tests wait for events", offences);
}
