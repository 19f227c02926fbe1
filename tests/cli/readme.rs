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
    let path = Path::new(WORKSPACE).join("examples").join(example).join("README.md");
    let text = fs::read_to_string(path).expect("every example has a README");
    let transcripts = transcripts(&text);
    assert!(!transcripts.is_empty(), "it shows a command");
    for (command, output) in transcripts {
        let got = shell(&command).exits(0);
        assert_eq!(got.out, output, "$ {command}\n{}", got.err);
    }
}

#[test]
fn hello_does_what_its_readme_says() {
    check("hello");
}

#[test]
fn pingpong_does_what_its_readme_says() {
    check("pingpong");
}
