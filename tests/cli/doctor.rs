//! `steading doctor`: what holds is what is written down.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use steading_test_artifacts::WORKSPACE;

use crate::steading::steading;

/// The lines with their columns one space apart; without that which depends on the machine.
fn lines(text: &str) -> BTreeSet<String> {
    let tidy = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = text.lines().map(tidy).filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with("guests at once")).collect()
}

#[test]
fn the_limits_are_those_that_are_stated() {
    let shown = steading(&["doctor"]).out;
    let (_, shown) = shown.rsplit_once("\nLimits\n").expect("it shows the limits");
    let text = fs::read_to_string(Path::new(WORKSPACE).join("SECURITY.md")).expect("it is there");
    let (_, stated) = text.split_once("\n## Limits\n").expect("it has the limits");
    let stated = stated.split("```").nth(1).and_then(|block| block.strip_prefix("text"));
    let stated = stated.expect("the limits are in a block");
    assert_eq!(lines(shown), lines(stated));
    assert!(lines(stated).len() > 40);
}

#[test]
fn limits_are_shown_as_they_would_be() {
    let shown = steading(&["doctor", "--limit", "memory=1MiB,contexts=7"]).out;
    let has = |line: &str| lines(&shown).iter().any(|shown| shown.starts_with(line));
    assert!(has("memory per actor 1 MiB") && has("contexts per actor 7"), "{shown}");
    steading(&["doctor", "--limit", "memory=1"])
        .exits(2)
        .complains(&["out of range"]);
}
