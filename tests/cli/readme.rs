//! What the READMEs of the examples show is what one gets.

use std::fs;
use std::path::Path;

use steading_test_artifacts::WORKSPACE;

use crate::steading::shell;

/// The commands of a README's `console` blocks, each with the output it promises.
fn transcripts(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```console",
            Some(command) if inside => found.push((command.to_owned(), String::new())),
            None if inside => {
                let (_, output) = found.last_mut().expect("a block begins with a command");
                output.push_str(line);
                output.push('\n');
            }
            _ => {}
        }
    }
    found
}

fn check(example: &str) {
    check_file(&format!("examples/{example}/README.md"));
}

fn check_file(path: &str) {
    let text = read(path);
    let transcripts = transcripts(&text);
    assert!(!transcripts.is_empty(), "it shows a command");
    for (command, output) in transcripts {
        // What a clone is told to run through cargo is the binary that these tests were built with.
        let command = command.replace("cargo run --release -p steading --", "steading");
        let got = shell(&command).exits(0);
        assert_eq!(without_ids(&got.out), without_ids(&output), "$ {command}\n{}", got.err);
    }
}

/// The text without the part of each actor's uuid that is shown behind its name: another one in each run.
fn without_ids(text: &str) -> String {
    let mut parts = text.split('@');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let is_id = part.len() >= 8 && part.bytes().take(8).all(|byte| byte.is_ascii_hexdigit());
        text + "@" + if is_id { &part[8..] } else { part }
    })
}

#[test]
fn hello_does_what_its_readme_says() {
    check("hello");
}

#[test]
fn greeter_does_what_its_readme_says() {
    check("greeter");
}

#[test]
fn pingpong_does_what_its_readme_says() {
    check("pingpong");
}

#[test]
fn manifest_does_what_its_readme_says() {
    check("manifest");
}

#[test]
fn siblings_does_what_its_readme_says() {
    check("siblings");
}

#[test]
fn supervisor_does_what_its_readme_says() {
    check("supervisor");
}

#[test]
fn the_first_commands_of_the_readme_do_what_it_says() {
    check_file("README.md");
}

#[test]
fn the_smallest_actor_of_the_readme_is_the_example() {
    let source = read("examples/hello/src/lib.rs");
    assert!(read("README.md").contains(&format!("```rust,ignore\n{source}```\n")));
}

#[test]
fn the_tests_that_the_readme_names_exist() {
    let readme = read("README.md");
    let named: Vec<&str> = readme
        .split('`')
        .filter(|word| word.len() > 25 && is_name(word))
        .collect();
    assert!(named.len() > 5, "it names tests: {named:?}");
    let tests: String = fs::read_dir(Path::new(WORKSPACE).join("tests/it"))
        .expect("it is there")
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .collect();
    for name in named {
        assert!(tests.contains(&format!("fn {name}()")), "{name}");
    }
}

fn is_name(word: &str) -> bool {
    word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(WORKSPACE).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
