//! What the user sees: hits on standard output, everything else on standard error.
//!
//! If standard error is a terminal, its last line shows how far the search is. It is taken away before
//! anything else is written, as both streams may lead to the same terminal.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::{Duration, Instant};

/// How often the progress line is drawn and hits are flushed, at most.
const PERIOD: Duration = Duration::from_millis(100);

/// Takes the line away that the cursor is on.
const CLEAR: &[u8] = b"\r\x1b[K";

pub(crate) struct Screen {
    out: BufWriter<Stdout>,
    /// Whether there is a progress line at all, and whether it stands there now.
    progress: bool,
    drawn: bool,
    updated: Instant,
}

impl Screen {
    pub(crate) fn new(progress: bool) -> Self {
        Self {
            out: BufWriter::with_capacity(64 << 10, io::stdout()),
            progress: progress && io::stderr().is_terminal(),
            drawn: false,
            updated: Instant::now(),
        }
    }

    /// A line for the user, which is not a hit.
    pub(crate) fn note(&mut self, line: &str) -> io::Result<()> {
        self.clear()?;
        self.out.flush()?;
        writeln!(io::stderr(), "{line}")
    }

    /// Flushes hits and draws the progress line, if it is time to.
    pub(crate) fn update(&mut self, progress: impl FnOnce() -> String) -> io::Result<()> {
        if self.updated.elapsed() < PERIOD {
            return Ok(());
        }
        self.updated = Instant::now();
        self.flush()?;
        if self.progress {
            self.clear()?;
            self.drawn = true;
            write!(io::stderr(), "{}", progress())?;
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.drawn) {
            true => io::stderr().write_all(CLEAR),
            false => Ok(()),
        }
    }
}

impl Write for Screen {
    fn write(&mut self, hits: &[u8]) -> io::Result<usize> {
        if !hits.is_empty() {
            self.clear()?;
        }
        self.out.write(hits)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
