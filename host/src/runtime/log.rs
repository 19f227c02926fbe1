//! Log lines of actors, into the host's `tracing`, at a bounded rate.
//!
//! Control characters are escaped, so that a guest can neither forge lines nor drive the operator's
//! terminal. What exceeds the rate is dropped and counted, and the count is reported: when there is room for a
//! while again, or when the actor ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(crate) use steading_types::drives_terminals;
use steading_types::{ActorId, Level, shown};
use tracing::level_filters::LevelFilter;

/// Bytes a line may have (design 5).
pub(crate) const LINE_BYTES: usize = 8 << 10;
/// Bytes an actor may say in a second, unless it is given another rate.
pub(crate) const BYTES_PER_SECOND: u32 = 64 << 10;

/// Bytes an actor of this rate may have saved up for: four seconds' worth, and one line at least.
pub(crate) fn burst(rate: u32) -> u64 {
    match rate {
        0 => 0,
        rate => (4 * u64::from(rate)).max(2 * LINE_BYTES as u64),
    }
}

/// Says something where nobody may hear of it that it could not be said: a subscriber is the embedder's, and may panic
/// as it writes. Whoever buries an actor, or drops something while another panic unwinds, goes on; a second panic there
/// would end the process, or leave those for ever who wait for the actor.
pub(crate) fn quietly(say: impl FnOnce()) {
    // There is nowhere to report it to: that is what has failed.
    catch_unwind(AssertUnwindSafe(say)).ok();
}

/// What an actor may still log, and what it has logged.
#[derive(Debug)]
pub(crate) struct LogBudget(Mutex<Bucket>);

/// What became of all that an actor had to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Bytes that were written.
    pub(crate) bytes: u64,
    /// Lines that were dropped: too many.
    pub(crate) dropped_lines: u64,
    /// About as many bytes as these had.
    pub(crate) dropped_bytes: u64,
}

#[derive(Debug)]
struct Bucket {
    rate: u32,
    room: f64,
    filled: Instant,
    /// Lines dropped that nobody was told of; while there are some, it is shut.
    dropped: u64,
    ever: Logged,
}

impl Default for LogBudget {
    fn default() -> Self {
        Self::new(BYTES_PER_SECOND)
    }
}

impl LogBudget {
    /// For so many bytes in a second.
    pub(crate) fn new(rate: u32) -> Self {
        Self(Mutex::new(Bucket {
            rate,
            room: burst(rate) as f64,
            filled: Instant::now(),
            dropped: 0,
            ever: Logged::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any line may be written now. If not, this one, of about so many bytes, counts as dropped.
    fn admits(&self, len: usize, now: Instant) -> bool {
        let mut bucket = self.lock();
        bucket.fill(now);
        // Some room there has to be after lines were dropped, so that not every other line tells of it.
        let shut = bucket.dropped > 0 && bucket.room < f64::from(bucket.rate) / 4.0;
        if shut {
            bucket.drop_line(len);
        }
        !shut
    }

    /// Whether a line of this length may be written; the lines dropped before it if so.
    fn take(&self, len: usize) -> Option<u64> {
        let mut bucket = self.lock();
        if bucket.room < len as f64 {
            bucket.drop_line(len);
            return None;
        }
        bucket.room -= len as f64;
        bucket.ever.bytes += len as u64;
        Some(std::mem::take(&mut bucket.dropped))
    }

    /// Tells of lines that were dropped, if there are any: nothing more will be said.
    pub(crate) fn settle(&self, id: &ActorId) {
        let dropped = std::mem::take(&mut self.lock().dropped);
        quietly(|| tell_dropped(id, dropped));
    }

    /// What has become of all lines so far.
    pub(crate) fn logged(&self) -> Logged {
        self.lock().ever
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.room = (self.room + passed * f64::from(self.rate)).min(burst(self.rate) as f64);
        self.filled = now;
    }

    fn drop_line(&mut self, len: usize) {
        self.dropped += 1;
        self.ever.dropped_lines += 1;
        self.ever.dropped_bytes += len as u64;
    }
}

fn tell_dropped(id: &ActorId, dropped: u64) {
    if dropped > 0 {
        let text =
            format!("{dropped} log lines dropped: too many in a second (`--limit log-rate=…`, `Spec::log_rate`)");
        tracing::warn!(target: "steading::guest", actor = %id.name, id = %id.uuid, "{text}");
    }
}

/// The most verbose level of which lines are kept, of an actor that may have this one; `None` if none are.
pub(crate) fn kept(most: Level) -> Option<Level> {
    let listened = match LevelFilter::current().into_level()? {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    };
    Some(listened.min(most))
}

/// Writes one line of an actor.
pub(crate) fn write(
    budget: &LogBudget,
    id: &ActorId,
    level: Level,
    target: &str,
    message: &str,
    fields: &[(String, String)],
) {
    // Before anything is formatted: what is dropped should cost little.
    let about = message.len() + target.len();
    if !budget.admits(about, Instant::now()) {
        return;
    }
    let line = render(message, fields);
    let Some(dropped) = budget.take(line.len() + target.len().min(LINE_BYTES)) else {
        return;
    };
    tell_dropped(id, dropped);
    let (actor, uuid, module) = (&id.name, id.uuid, escape(target));
    match level {
        Level::Error => tracing::error!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
        Level::Warn => tracing::warn!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
        Level::Info => tracing::info!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
        Level::Debug => tracing::debug!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
        Level::Trace => tracing::trace!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
    }
}

/// One line, of which no more is made than is kept.
fn render(message: &str, fields: &[(String, String)]) -> String {
    let mut line = escape(message);
    for (name, value) in fields {
        if line.len() >= LINE_BYTES {
            break;
        }
        line.push_str(&format!(" {}={}", escape(name), escape(value)));
    }
    line.truncate(line.floor_char_boundary(LINE_BYTES));
    line
}

/// Text in which nothing is left that drives a terminal.
pub(crate) fn escape(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(LINE_BYTES)];
    if !text.contains(drives_terminals) {
        return text.to_owned();
    }
    shown(text, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn nothing_that_drives_a_terminal_survives() {
        assert_eq!(escape("a\x1b[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(escape("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(escape("plain é"), "plain é");
    }

    #[test]
    fn beyond_the_burst_lines_are_dropped_and_counted() {
        let budget = LogBudget::default();
        assert_eq!(budget.take(burst(BYTES_PER_SECOND) as usize), Some(0));
        assert_eq!(budget.take(200_000), None);
        assert_eq!(budget.take(0), Some(1));
    }

    #[test]
    fn after_a_drop_there_has_to_be_room_for_a_while() {
        let budget = LogBudget::default();
        let begun = Instant::now();
        assert_eq!(budget.take(burst(BYTES_PER_SECOND) as usize), Some(0));
        assert_eq!(budget.take(1), None);
        assert!(!budget.admits(1, begun + Duration::from_millis(200)));
        assert!(budget.admits(1, begun + Duration::from_millis(300)));
        assert_eq!(budget.take(100), Some(2));
    }

    #[test]
    fn an_actor_has_the_rate_it_was_given_and_what_is_lost_is_counted() {
        let slow = LogBudget::new(1 << 10);
        assert_eq!(slow.take(16 << 10), Some(0), "a long line fits, however slow it is");
        assert_eq!(slow.take(1), None);
        let silent = LogBudget::new(0);
        assert_eq!(silent.take(1), None);
        assert!(!silent.admits(5, Instant::now() + Duration::from_mins(1)) || silent.take(5).is_none());
        let logged = silent.logged();
        assert_eq!((logged.bytes, logged.dropped_lines, logged.dropped_bytes), (0, 2, 6));
    }

    #[test]
    fn no_more_is_made_than_is_kept() {
        let fields = vec![("\u{7}".repeat(1000), "x".repeat(1 << 20)); 100];
        assert!(render("m", &fields).len() <= LINE_BYTES);
    }
}
