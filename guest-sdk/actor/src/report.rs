//! An error as a person reads it: one chain, outermost first (semantics 9).
//!
//! Each error says its kind, the actor it arose in and every actor that handed it on; what caused it stands
//! below it, the members of a group as a tree, and a guest's backtrace once, however many of its contexts
//! died of it. Text of other actors is written without control characters: it may go to a terminal.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use steading_types::{BoxedError, ErrorKind, Uuid, write_shown};

use crate::error::Error;

/// What [`Error::report`] gives: for `{}`. Ends without a line break.
#[derive(Clone, Copy, Debug)]
pub struct ErrorReport<'a> {
    error: &'a Error,
    color: bool,
}

impl Error {
    /// The whole error, in as many lines as it takes: with its causes, members and backtraces. Plain text;
    /// see [`ErrorReport::colored`]. `{:#}` of the error itself is the same.
    pub fn report(&self) -> ErrorReport<'_> {
        ErrorReport {
            error: self,
            color: false,
        }
    }
}

impl ErrorReport<'_> {
    /// With the escape sequences that colour a terminal, or without. Whether there is a terminal, and whether
    /// `NO_COLOR` is set, is for the caller to know.
    pub fn colored(self, color: bool) -> Self {
        Self { color, ..self }
    }
}

impl fmt::Display for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Writer {
            f,
            color: self.color,
            shown: BTreeSet::new(),
        };
        writer.error(self.error, 0)
    }
}

/// Spaces a line is moved to the right by what it belongs to.
const INDENT: usize = 2;
/// Spaces of a backtrace, below the error it is of.
const BACKTRACE: usize = 4;
/// Beyond this depth nothing is moved any further.
const DEEPEST: usize = 20;

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";

struct Writer<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    color: bool,
    /// Whose backtraces have been written.
    shown: BTreeSet<(Uuid, String)>,
}

impl Writer<'_, '_> {
    /// One error and all below it; the line has been begun by the caller.
    fn error(&mut self, error: &Error, depth: usize) -> fmt::Result {
        self.headline(error, depth)?;
        if let Some(boxed) = error.boxed() {
            self.backtrace(boxed, depth)?;
        }
        match error.cause() {
            _ if error.is_group() => self.members(error, depth + 1),
            Some(cause) => {
                self.caused_by(depth)?;
                self.error(cause, depth + 1)
            }
            None => self.sources(error.std_source(), depth),
        }
    }

    fn headline(&mut self, error: &Error, depth: usize) -> fmt::Result {
        let message = error.message();
        match error.boxed() {
            Some(boxed) if error.is_group() => {
                self.paint(RED, &errors(error))?;
                self.place(boxed)
            }
            Some(boxed) => {
                self.paint(RED, &boxed.kind.to_string())?;
                self.place(boxed)?;
                self.f.write_str(": ")?;
                self.text(&message, depth)
            }
            None if error.is_group() => self.paint(RED, &errors(error)),
            None => {
                if let Some(kind) = error.fault_kind() {
                    self.kind(kind)?;
                }
                self.text(&message, depth)
            }
        }
    }

    fn kind(&mut self, kind: &ErrorKind) -> fmt::Result {
        self.paint(RED, &kind.to_string())?;
        self.f.write_str(": ")
    }

    /// Where it arose, and who handed it on.
    fn place(&mut self, error: &BoxedError) -> fmt::Result {
        let mut place = format!(" in {}", error.source);
        for hop in &error.relay_path {
            write!(place, " via {hop}")?;
        }
        self.paint(DIM, &place)
    }

    fn members(&mut self, error: &Error, depth: usize) -> fmt::Result {
        for (number, member) in error.members().iter().enumerate() {
            self.line(INDENT * depth)?;
            write!(self.f, "{}. ", number + 1)?;
            self.error(member, depth + 1)?;
        }
        match error.omitted() {
            0 => Ok(()),
            more => {
                self.line(INDENT * depth)?;
                write!(self.f, "and {more} more")
            }
        }
    }

    /// Causes that are Rust's own, in the actor where this is written.
    fn sources(&mut self, mut source: Option<&(dyn StdError + 'static)>, depth: usize) -> fmt::Result {
        while let Some(error) = source {
            self.caused_by(depth)?;
            self.text(&error.to_string(), depth)?;
            source = error.source();
        }
        Ok(())
    }

    fn caused_by(&mut self, depth: usize) -> fmt::Result {
        self.line(INDENT * (depth + 1))?;
        self.paint(YELLOW, "caused by: ")
    }

    fn backtrace(&mut self, error: &BoxedError, depth: usize) -> fmt::Result {
        let Some(backtrace) = error.backtrace.as_deref().map(str::trim_end) else {
            return Ok(());
        };
        if !self.shown.insert((error.source.uuid, backtrace.to_owned())) {
            return Ok(());
        }
        for line in backtrace.lines() {
            self.line(INDENT * depth + BACKTRACE)?;
            self.paint(DIM, line)?;
        }
        Ok(())
    }

    /// Begins a new line, moved to the right.
    fn line(&mut self, indent: usize) -> fmt::Result {
        write!(self.f, "\n{:1$}", "", indent.min(INDENT * DEEPEST))
    }

    fn text(&mut self, text: &str, depth: usize) -> fmt::Result {
        for (number, line) in text.lines().enumerate() {
            if number > 0 {
                self.line(INDENT * depth + BACKTRACE)?;
            }
            self.safe(line)?;
        }
        Ok(())
    }

    fn paint(&mut self, color: &str, text: &str) -> fmt::Result {
        if !self.color {
            return self.safe(text);
        }
        self.f.write_str(color)?;
        self.safe(text)?;
        self.f.write_str("\x1b[0m")
    }

    fn safe(&mut self, text: &str) -> fmt::Result {
        write_shown(self.f, text, &['\t'])
    }
}

/// How many errors a group stands for, in words.
fn errors(group: &Error) -> String {
    format!("{} errors", group.members().len() as u64 + u64::from(group.omitted()))
}
