//! Brings what workers report into the order of the paths.
//!
//! Batches are dealt out in order and end in any order. What belongs to the first one that is not done
//! is printed at once; what belongs to later ones waits here. How much may wait is the caller's to
//! bound: see `deal.rs`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::wire::{Report, Tally};

/// What has been reported.
#[derive(Default)]
pub(crate) struct Ledger {
    /// The first batch that is not done.
    head: u64,
    /// What came of later ones.
    waiting: BTreeMap<u64, Waiting>,
    /// Bytes that wait.
    held: usize,
    /// All that was reported, printed or not.
    pub(crate) tally: Tally,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    done: bool,
}

impl Ledger {
    /// The batch whose lines are printed as they come.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// How many bytes wait for their turn.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Takes in a report, and prints what can be printed now.
    pub(crate) fn record(&mut self, report: &Report, out: &mut impl Write) -> io::Result<()> {
        self.tally += report.tally;
        if report.batch == self.head {
            out.write_all(&report.lines)?;
            return if report.done { self.advance(out) } else { Ok(()) };
        }
        let waiting = self.waiting.entry(report.batch).or_default();
        waiting.lines.extend_from_slice(&report.lines);
        waiting.done = report.done;
        self.held += report.lines.len();
        Ok(())
    }

    /// The head is done: so may be others behind it.
    fn advance(&mut self, out: &mut impl Write) -> io::Result<()> {
        loop {
            self.head += 1;
            let Some(next) = self.waiting.remove(&self.head) else {
                return Ok(());
            };
            self.held -= next.lines.len();
            out.write_all(&next.lines)?;
            if !next.done {
                return Ok(());
            }
        }
    }

    /// Prints all that waits, in order, with gaps where batches are not done.
    pub(crate) fn print_rest(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.held = 0;
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .values()
            .try_for_each(|next| out.write_all(whole_lines(&next.lines)))
    }
}

/// A batch that is not done may have been cut within a line.
fn whole_lines(lines: &[u8]) -> &[u8] {
    let end = memchr::memrchr(b'\n', lines).map_or(0, |newline| newline + 1);
    &lines[..end]
}

#[cfg(test)]
mod tests {
    use super::Ledger;
    use crate::wire::{Report, Tally};

    fn report(batch: u64, lines: &str, done: bool) -> Report {
        let tally = Tally {
            hits: 1,
            ..Tally::default()
        };
        let lines = lines.as_bytes().to_vec().into();
        Report {
            batch,
            lines,
            done,
            tally,
            ..Report::default()
        }
    }

    /// What is printed after each of these reports.
    #[track_caller]
    fn check(steps: &[(u64, &str, bool, &str)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (batch, lines, done, printed) in steps {
            let mut out = Vec::new();
            ledger
                .record(&report(*batch, lines, *done), &mut out)
                .expect("memory can be written");
            assert_eq!(
                String::from_utf8_lossy(&out),
                *printed,
                "after batch {batch}, `{lines}`"
            );
        }
        ledger
    }

    #[test]
    fn the_first_batch_is_printed_as_it_comes() {
        let ledger = check(&[(0, "a", false, "a"), (0, "b\n", true, "b\n"), (1, "c\n", true, "c\n")]);
        assert_eq!((ledger.head(), ledger.held(), ledger.tally.hits), (2, 0, 3));
    }

    #[test]
    fn later_batches_wait_for_it() {
        let ledger = check(&[
            (2, "c", false, ""),
            (1, "b", true, ""),
            (2, "d", true, ""),
            (3, "e", false, ""),
            (0, "a", true, "abcde"),
            (3, "f", true, "f"),
        ]);
        assert_eq!((ledger.head(), ledger.held()), (4, 0));
    }

    #[test]
    fn what_waits_is_counted_and_can_be_printed_early() {
        let mut ledger = check(&[(2, "c\nhalf", false, ""), (1, "b\n", true, "")]);
        assert_eq!(ledger.held(), 8);
        let mut out = Vec::new();
        ledger.print_rest(&mut out).expect("memory can be written");
        assert_eq!((out.as_slice(), ledger.held()), (&b"b\nc\n"[..], 0));
    }
}
