//! Manifests, command lines and calls that nobody would write: they are refused in words, or do what they say; none panics, and
//! no complaint shows what is in the file.
//!
//! A case is a number; `NOISE=first..last` plays others, or one again.

use std::ops::Range;
use std::path::Path;
use std::{env, fs};

use clap::Parser as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use steading::Host;

use super::Cli;
use super::manifest::Manifest;

fn cases(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = env::var("NOISE") else { return usual };
    let ends = text.split_once("..");
    let parsed = ends.and_then(|(first, last)| Some(first.parse().ok()?..last.parse().ok()?));
    parsed.unwrap_or_else(|| panic!("NOISE={text}: expected FIRST..LAST"))
}

fn pick<'a>(random: &mut StdRng, from: &[&'a str]) -> &'a str {
    from[random.random_range(0..from.len())]
}

/// What nobody is to read in a log.
const SECRET: &str = "hunter2";

const LINES: [&str; 34] = [
    "strategy = \"one-for-one\"",
    "strategy = \"none\"",
    "workers = 2",
    "workers = \"shared\"",
    "grace = \"5s\"",
    "grace = 99999999999999999999",
    "profile = \"density\"",
    "profile = 1",
    "[limits]",
    "memory = \"64MiB\"",
    "memory = -1",
    "contexts = 1e99",
    "children = 0",
    "unread = \"1MiB\"",
    "actors = \"99999999999999999999GiB\"",
    "[total]",
    "cores = nan",
    "cores = 0.5",
    "[components]",
    "hello = \"hello.wasm\"",
    "[[actor]]",
    "name = \"a\"",
    "component = \"hello\"",
    "args = [\"hunter2\", 1]",
    "env = { KEY = \"hunter2\" }",
    "env = { KEY = hunter2 }",
    "inherit-env = [\"PATH\", \"NO_SUCH\"]",
    "dirs = [\".:/x:ro\", \":\"]",
    "budget = { memory = \"1GiB\", actors = 7, cores = 1 }",
    "restart = { when = \"permanent\", times = 3, within = \"9223372036854775807m\", backoff = [\"1s\", \"2s\"] }",
    "clock = \"frozen\"",
    "seed = -1",
    "log = \"trace\"",
    "\u{1b}[2J = \"\\u001b\"",
];

const ACTOR: &str = "[[actor]]\nname = \"greeter\"\ncomponent = \"hello\"\nenv = { KEY = \"hunter2\" }\n";

fn manifest(random: &mut StdRng) -> String {
    let mut lines: Vec<String> = ACTOR.lines().map(str::to_owned).collect();
    for _ in 0..random.random_range(0..8) {
        let at = random.random_range(0..=lines.len());
        lines.insert(at, pick(random, &LINES).to_owned());
    }
    lines.push("[components]\nhello = \"hello.wasm\"".to_owned());
    let mut text = lines.join("\n");
    if random.random_ratio(1, 3) {
        let at = text.floor_char_boundary(random.random_range(0..text.len()));
        match random.random_range(0..3) {
            0 => text.truncate(at),
            1 => text.insert(at, random.random()),
            _ => text.insert_str(at, pick(random, &["\"", "[", "=", "{", "\n", "'''", "\\u"])),
        }
    }
    text
}

#[test]
fn no_manifest_panics_and_no_complaint_shows_what_is_in_it() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("steading.toml");
    let (mut accepted, mut refused) = (0, 0);
    for case in cases(0..3_000) {
        let text = manifest(&mut StdRng::seed_from_u64(case));
        fs::write(&path, &text).expect("the folder can be written");
        match configure(&path) {
            Ok(()) => accepted += 1,
            Err(why) => {
                refused += 1;
                let shown = why.contains(SECRET) || why.contains('\u{1b}');
                assert!(!shown, "NOISE={case}..{}: {why}\n{text}", case + 1);
            }
        }
    }
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} are accepted, {refused} refused"
    );
}

/// All that happens with a manifest before something is started.
fn configure(path: &Path) -> Result<(), String> {
    let told = |failure: super::failure::Failure| failure.message;
    let manifest = Manifest::read(path).map_err(told)?;
    drop(manifest.configure(Host::builder()).map_err(told)?);
    let folder = path.parent().unwrap_or(Path::new(""));
    for actor in manifest.all_actors() {
        let spec = steading::Spec::component(&actor.component, &actor.name);
        actor.spec(spec, folder).map_err(told)?;
    }
    Ok(())
}

const WORDS: [&str; 40] = [
    "run",
    "call",
    "build",
    "new",
    "inspect",
    "doctor",
    "--json",
    "--log-level",
    "--color",
    "never",
    "--dir",
    ".:/x:rw",
    "--env",
    "A=b",
    "=",
    "--limit",
    "memory=64MiB",
    "unread=1MiB",
    "cores=nan",
    "compile-time=1e9",
    "actors=-0",
    "memory=18446744073709551615GiB",
    "--clock",
    "frozen",
    "--seed",
    "-1",
    "--component",
    "a=b",
    "--workers",
    "0",
    "--profile",
    "density",
    "--grace",
    "18446744073709551616",
    "--",
    "\u{1b}[2J",
    "",
    "--tree",
    "-e",
    "main",
];

#[test]
fn no_command_line_panics() {
    let (mut accepted, mut refused) = (0, 0);
    for case in cases(0..1_000) {
        let random = &mut StdRng::seed_from_u64(case);
        let mut words = vec!["steading".to_owned()];
        for _ in 0..random.random_range(0..9) {
            let mut word = pick(random, &WORDS).to_owned();
            if random.random_ratio(1, 8) {
                let at = word.floor_char_boundary(random.random_range(0..=word.len()));
                word.insert(at, random.random());
            }
            words.push(word);
        }
        match Cli::try_parse_from(&words) {
            Ok(_) => accepted += 1,
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty(), "NOISE={case}..{}: {words:?}", case + 1);
            }
        }
    }
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} are accepted, {refused} refused"
    );
}

const VALUES: [&str; 24] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "1",
    "-2.5e9",
    "nan",
    "'x'",
    "'",
    "\"text\"",
    "\"",
    "\\u{1F600}",
    "\"\"\"",
    "some",
    "none",
    "ok(",
    "a-case",
    "%f: ",
    "// ",
    "ß",
];

/// What is read is nothing but data: it can be written as JSON.
#[test]
fn no_call_in_wave_panics() {
    let (mut accepted, mut refused) = (0, 0);
    for case in cases(0..20_000) {
        let random = &mut StdRng::seed_from_u64(case);
        let mut text = r#"api.f({a: [1, some("x")], b: circle(2.5)}, (true, 'y'), {read, write})"#.to_owned();
        for _ in 0..random.random_range(0..4) {
            let at = text.floor_char_boundary(random.random_range(0..=text.len()));
            match random.random_range(0..4) {
                0 => text.truncate(at),
                1 => text.insert(at, random.random()),
                _ => text.insert_str(at, pick(random, &VALUES)),
            }
        }
        match super::wave::parse(&text) {
            Ok((_, values)) => {
                accepted += 1;
                let json = super::values::to_json(&ciborium::Value::Array(values));
                assert!(json.starts_with('['), "NOISE={case}..{}: {json}", case + 1);
            }
            Err(failure) => {
                refused += 1;
                assert!(
                    failure.message.contains("not a call in WAVE"),
                    "NOISE={case}..{}",
                    case + 1
                );
            }
        }
    }
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} are accepted, {refused} refused"
    );
}
