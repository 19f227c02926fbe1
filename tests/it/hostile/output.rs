//! Attacks by what a guest says, and by what it asks of the machine.

use steading::{ErrorKind, Rung};
use steading_tests::Line;
use steading_tests::artifacts::HOSTILE_OUTPUT;

use super::{assault, attack};

/// What may be said at once, and a little for what is said while the attack runs.
const SAID: usize = 320 << 10;

#[test]
fn a_flood_of_lines_is_cut_and_counted() {
    let floods = ["log_flood", "stdout_flood", "log_fields", "no_newline"];
    let flood = |flood| attack(flood).returns("said").heard(cut_and_counted);
    assault(HOSTILE_OUTPUT, floods.map(flood).into());
}

fn cut_and_counted(lines: &[Line]) {
    let said: usize = lines.iter().map(|line| line.message.len()).sum();
    assert!(said <= SAID, "{said} bytes were kept");
    assert!(
        lines.iter().all(|line| line.message.len() <= 8 << 10),
        "a line is too long"
    );
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line.message.contains("lines dropped"))
        .collect();
    assert!(
        matches!(told.len(), 1..=3),
        "that lines were dropped is told once for a while: {told:?}"
    );
}

#[test]
fn nothing_that_is_said_drives_a_terminal() {
    assault(HOSTILE_OUTPUT, vec![attack("escapes").returns("said").heard(escaped)]);
}

fn escaped(lines: &[Line]) {
    for way in ["log", "stdout", "bytes", "stderr"] {
        let line = lines.iter().find(|line| line.message.starts_with(way));
        let line = line.unwrap_or_else(|| panic!("{way} is not in {lines:#?}"));
        let is_harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!line.message.contains(is_harmful), "{line:?}");
    }
}

#[test]
fn what_is_asked_of_the_machine_is_bounded() {
    let refused = ErrorKind::Internal;
    assault(
        HOSTILE_OUTPUT,
        vec![
            attack("raw_write").number(8 << 10).returns("written"),
            attack("raw_write")
                .number((8 << 10) + 1)
                .dies(refused.clone(), "check-write"),
            attack("raw_write").number(8 << 20).limit("hostcall", ""),
            attack("raw_zeroes").dies(refused.clone(), "zeroes"),
            attack("random").number(64 << 10).returns("65536 bytes"),
            attack("random").number((64 << 10) + 1).limit("random", "65536"),
            attack("random").number(64 << 20).limit("random", "65536"),
            attack("random_loop").returns("random"),
            attack("timers").limit("resources", "1024 files, streams and timers"),
            attack("outputs").limit("resources", ""),
            attack("sleeps").returns("asleep"),
            attack("wide_poll").number(1_000).returns("1000 ready"),
            attack("wide_poll").number(10_000).limit("handles", "4096 handles"),
            attack("wide_poll").number(4_000_000).limit("hostcall", ""),
            attack("long_poll").ends(Rung::Killed),
            attack("empty_poll").dies(refused, "empty poll list"),
            attack("surroundings").returns("0 arguments, 0 variables"),
        ],
    );
}
