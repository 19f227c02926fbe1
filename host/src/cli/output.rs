//! What is printed, and where: results on standard output, everything else on standard error.
//!
//! With `--json`, results and the one error are JSON objects on standard output. Text from guests is
//! written to a terminal without control characters.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use steading_types::{drives_terminals, shown};

use super::failure::{Exit, Failure, Result};
use super::stderr;
use super::stdio::Captures;
use super::values::Json;
use super::{Color, Global};

/// Where a command's words go. Copied around; holds no state but the user's choices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    color: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            color: wants_color(global.color),
        }
    }

    /// Before the command line was understood: as JSON or not.
    pub(crate) fn early(json: bool) -> Self {
        let color = wants_color(Color::Auto);
        Self { json, color }
    }

    /// Whether standard error is to be coloured.
    pub(crate) fn color(self) -> bool {
        self.color
    }

    /// A line of the result.
    pub(crate) fn line(self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.is_terminal() {
            true => writeln!(out, "{}", printable(text))?,
            false => writeln!(out, "{text}")?,
        }
        Ok(out.flush()?)
    }

    /// A result for programs: one line.
    pub(crate) fn object(self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.line(&json(&text))
    }

    /// What was kept of an actor's standard streams, for programs; people asked for it to be kept, and not shown.
    pub(crate) fn captured(self, captures: &Captures) -> Result<()> {
        match captures.describe().filter(|_| self.json) {
            Some(captured) => self.object(&serde_json::json!({ "captured": captured })),
            None => Ok(()),
        }
    }

    /// A line about what goes on. Not worth failing for.
    pub(crate) fn note(self, text: &str) {
        stderr::say(format!("{}\n", printable(text)));
    }

    /// The last word of a command that failed.
    pub(crate) fn failure(self, failure: &Failure) {
        if failure.exit == Exit::ClosedOutput {
            return;
        }
        if self.json {
            // If nobody reads standard output any more, the exit code still says it.
            self.object(&Failed { error: failure }).ok();
            return;
        }
        let label = match self.color {
            true => "\x1b[1;31merror:\x1b[0m",
            false => "error:",
        };
        if !failure.detail.is_empty() {
            self.note(&failure.detail);
        }
        stderr::say(format!("{label} {}\n", human(failure, self.color)));
        stderr::flush();
    }
}

/// What an endpoint gives, as `--json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tagged<'a> {
    Started(Json<'a>),
    Message(Json<'a>),
    Result(Json<'a>),
}

#[derive(Serialize)]
struct Failed<'a> {
    error: &'a Failure,
}

/// What happened, with whatever there is of causes, members and backtraces; then the advice, indented.
fn human(failure: &Failure, color: bool) -> String {
    let mut text = match &failure.error {
        Some(error) => error.report().colored(color).to_string(),
        None => printable(&failure.message.replace('\n', "\n    ")),
    };
    if let Some(hint) = &failure.hint {
        text.push_str(&printable(&format!("\n  hint: {}", hint.replace('\n', "\n        "))));
    }
    text
}

/// Text that cannot drive a terminal: guests write error messages too.
fn printable(text: &str) -> String {
    shown(text, &['\n', '\t'])
}

/// The same JSON, in which nothing drives a terminal: the encoder leaves much of that as it is. All of it is within
/// texts, and each is short enough for one escape.
pub(crate) fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match drives_terminals(c) {
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => escaped.push(c),
        }
    }
    escaped
}

fn wants_color(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            !set("NO_COLOR") && !dumb && io::stderr().is_terminal()
        }
    }
}

/// Columns of text, as wide as they need to be.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("  {}", cells.collect::<String>()).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) if count.is_multiple_of(unit) => format!("{} {name}", count / unit),
        Some((unit, name)) => format!("{:.1} {name}", count as f64 / unit as f64),
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let shown: Vec<_> = [0, 1023, 1024, 1536, 64 << 20, 3 << 30]
            .into_iter()
            .map(bytes)
            .collect();
        assert_eq!(shown, ["0 B", "1023 B", "1 KiB", "1.5 KiB", "64 MiB", "3 GiB"]);
    }

    #[test]
    fn a_table_has_straight_columns() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(table(&[row("a", "b"), row("long", "c")]), "  a     b\n  long  c");
    }

    #[test]
    fn a_failure_is_one_line_and_advice() {
        let failure = Failure::usage("no endpoint `x`").hint("it has: main");
        assert_eq!(human(&failure, false), "no endpoint `x`\n  hint: it has: main");
    }

    #[test]
    fn a_guest_cannot_drive_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\n\tc"), "a\\u{1b}[2Jb\n\tc");
        assert_eq!(printable("a\u{202e}b\u{9b}c"), "a\\u{202e}b\\u{9b}c");
        let text = "é \u{9b}2J \u{202e} \u{7f} \x1b";
        let encoded = json(&serde_json::to_string(text).unwrap());
        assert!(!encoded.contains(drives_terminals), "{encoded:?}");
        assert_eq!(
            serde_json::from_str::<String>(&encoded).unwrap(),
            text,
            "it is the same"
        );
    }
}
