//! Collects the host's `tracing` lines, so that a story can look at them.
//!
//! One subscriber for the process, as `tracing` knows only one that reaches all threads; stories run
//! one at a time, so what is collected while a story runs is that story's.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// One event of `tracing`.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Its severity.
    pub level: String,
    /// Its target.
    pub target: String,
    /// Its message.
    pub message: String,
    /// Its fields.
    pub fields: BTreeMap<String, String>,
}

/// The lines collected since [`capture`].
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    /// Whether only what guests say is collected.
    guests_only: AtomicBool,
    /// Words at which the subscriber panics; none if empty.
    panics_at: Mutex<&'static str>,
    more: Notify,
}

impl Lines {
    /// The lines so far.
    pub fn all(&self) -> Vec<Line> {
        self.lock().clone()
    }

    /// Waits for a line whose message contains `text`.
    pub async fn wait_for(&self, text: &str) {
        loop {
            let mut more = pin!(self.0.more.notified());
            more.as_mut().enable();
            if self.lock().iter().any(|line| line.message.contains(text)) {
                return;
            }
            more.await;
        }
    }

    /// From now on, and until lines are captured anew, the subscriber panics at whatever contains these words.
    pub fn panic_at(&self, words: &'static str) {
        *self.refused() = words;
    }

    fn refused(&self) -> MutexGuard<'_, &'static str> {
        self.0.panics_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first line whose message contains `text`.
    ///
    /// # Panics
    /// When there is none.
    pub fn find(&self, text: &str) -> Line {
        let lines = self.all();
        let line = lines.iter().find(|line| line.message.contains(text));
        line.cloned()
            .unwrap_or_else(|| panic!("no line says `{text}`: {lines:#?}"))
    }
}

/// Collects from now on, and forgets what came before.
pub fn capture() -> Lines {
    capture_some(false)
}

/// As [`capture`], but only what guests say: of a guest that does a hundred thousand things in a second, the host
/// has more to tell than a test can hold.
pub fn capture_guests() -> Lines {
    capture_some(true)
}

fn capture_some(guests_only: bool) -> Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(Collector(lines.clone()));
        tracing::subscriber::set_global_default(subscriber).expect("no other subscriber is set in the tests");
        lines
    });
    // Not cleared: after a flood they would keep the room they took.
    *lines.lock() = Vec::new();
    lines.panic_at("");
    lines.0.guests_only.store(guests_only, Relaxed);
    lines.clone()
}

struct Collector(Lines);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("steading")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.0.0.guests_only.load(Relaxed) && event.metadata().target() != "steading::guest" {
            return;
        }
        let mut line = Line {
            level: event.metadata().level().to_string(),
            target: event.metadata().target().to_owned(),
            ..Line::default()
        };
        event.record(&mut line);
        let refused = *self.0.refused();
        assert!(
            refused.is_empty() || !line.message.contains(refused),
            "this subscriber cannot write `{refused}`"
        );
        self.0.lock().push(line);
        self.0.0.more.notify_waiters();
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail.
        _ = write!(text, "{value:?}");
        self.put(field, text);
    }
}

impl Line {
    fn put(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            name => _ = self.fields.insert(name.to_owned(), text),
        }
    }
}
