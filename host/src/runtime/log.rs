//! Log lines of actors, into the host's `tracing`, at a bounded rate.
//!
//! Control characters are escaped, so that a guest can neither forge lines nor drive the operator's
//! terminal. What exceeds the rate is dropped and counted, and the count is reported.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use steading_types::{ActorId, Level};
use tracing::level_filters::LevelFilter;

/// Bytes a line may have (design 5).
const LINE_BYTES: usize = 8 << 10;
/// Bytes a second, and what may be saved up.
const BYTES_PER_SECOND: f64 = (64 << 10) as f64;
const BURST: f64 = (256 << 10) as f64;

/// What an actor may still log.
#[derive(Debug)]
pub(crate) struct LogBudget {
    bucket: Mutex<(f64, Instant)>,
    dropped: AtomicU64,
}

impl Default for LogBudget {
    fn default() -> Self {
        Self {
            bucket: Mutex::new((BURST, Instant::now())),
            dropped: AtomicU64::new(0),
        }
    }
}

impl LogBudget {
    /// Whether a line of this length may be written; the lines dropped before it if so.
    fn take(&self, len: usize) -> Option<u64> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let refill = now.duration_since(bucket.1).as_secs_f64() * BYTES_PER_SECOND;
        *bucket = ((bucket.0 + refill).min(BURST), now);
        if bucket.0 < len as f64 {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        bucket.0 -= len as f64;
        Some(self.dropped.swap(0, Ordering::Relaxed))
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
    let mut line = escape(message);
    for (name, value) in fields {
        line.push_str(&format!(" {}={}", escape(name), escape(value)));
    }
    line.truncate(line.floor_char_boundary(LINE_BYTES));
    let Some(dropped) = budget.take(line.len() + target.len()) else {
        return;
    };
    if dropped > 0 {
        tracing::warn!(target: "steading::guest", actor = %id.name, id = %id.uuid, "{dropped} log lines dropped: too many");
    }
    let (actor, uuid, module) = (&id.name, id.uuid, escape(target));
    match level {
        Level::Error => tracing::error!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
        Level::Warn => tracing::warn!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
        Level::Info => tracing::info!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
        Level::Debug => tracing::debug!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
        Level::Trace => tracing::trace!(target: "steading::guest", %actor, id = %uuid, module, "{line}"),
    }
}

/// Text in which no control character is left.
pub(crate) fn escape(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(LINE_BYTES)];
    if !text.contains(|c: char| c.is_control()) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_survives() {
        assert_eq!(escape("a\x1b[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(escape("plain"), "plain");
    }

    #[test]
    fn beyond_the_burst_lines_are_dropped_and_counted() {
        let budget = LogBudget::default();
        assert_eq!(budget.take(BURST as usize), Some(0));
        assert_eq!(budget.take(200_000), None);
        assert_eq!(budget.take(0), Some(1));
    }
}
