//! `log`, `tracing` and panics, on their way to the host.
//!
//! Installed at the first turn. The host says once which levels it keeps, so that nothing is formatted
//! for nobody. Lines written with `println!` are another matter: they go to the standard output.

use std::fmt::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;

use log::{LevelFilter, Log, Metadata, Record};
use steading_types::{Boundary, Level};
use tracing::field::{Field, Visit};
use tracing::span;

use crate::boundary::{self, WitBoundary};

/// Sends `log` records, `tracing` events and panics to the host.
pub(crate) fn install(boundary: Arc<WitBoundary>) {
    std::panic::set_hook(Box::new(report_panic));
    let Some(level) = boundary.log_level() else { return };
    log::set_max_level(filter(level));
    let forwarder = Forwarder { boundary, level };
    // Refused only if the actor has installed one of its own, which it is free to do.
    log::set_boxed_logger(Box::new(forwarder.clone())).ok();
    tracing::subscriber::set_global_default(forwarder).ok();
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "a value that is not text",
    };
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    boundary::panicked(message, &location);
}

#[derive(Clone)]
struct Forwarder {
    boundary: Arc<WitBoundary>,
    level: Level,
}

impl Log for Forwarder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= filter(self.level)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = match record.level() {
                log::Level::Error => Level::Error,
                log::Level::Warn => Level::Warn,
                log::Level::Info => Level::Info,
                log::Level::Debug => Level::Debug,
                log::Level::Trace => Level::Trace,
            };
            let message = record.args().to_string();
            self.boundary.log(level, record.target(), &message, &[]);
        }
    }

    fn flush(&self) {}
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::Error,
        Level::Warn => LevelFilter::Warn,
        Level::Info => LevelFilter::Info,
        Level::Debug => LevelFilter::Debug,
        Level::Trace => LevelFilter::Trace,
    }
}

fn level_of(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

/// Events only: a span would need a notion of "current" that follows tasks, and the host names the actor
/// of every line anyway.
impl tracing::Subscriber for Forwarder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && level_of(*metadata.level()) <= self.level
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let level = level_of(*metadata.level());
        self.boundary.log(level, metadata.target(), &line.message, &line.fields);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The fields of an event, the message apart.
#[derive(Default)]
struct Line {
    message: String,
    fields: Vec<(String, String)>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail unless the value's own `Debug` does, and then half of it is
            // better than nothing.
            write!(self.message, "{value:?}").ok();
        } else {
            self.fields.push((field.name().to_owned(), format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.fields.push((field.name().to_owned(), value.to_owned()));
        }
    }
}
