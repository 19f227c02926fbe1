//! Log lines on standard error, for which nobody waits: the host's own, and those of actors with their name and id.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::failure::{Failure, Result};
use super::output::Output;
use super::stderr::Log;

const DEFAULT: &str = "warn";

/// Starts logging: what the flag says, else `$STEADING_LOG`, else warnings.
pub(crate) fn start(flag: Option<&str>, output: Output) -> Result<()> {
    let variable = std::env::var("STEADING_LOG").ok().filter(|value| !value.is_empty());
    let (origin, wanted) = match (flag, &variable) {
        (Some(flag), _) => ("--log-level", flag),
        (None, Some(variable)) => ("$STEADING_LOG", variable.as_str()),
        (None, None) => ("", DEFAULT),
    };
    let unknown = |error| Failure::usage(format!("{origin}: `{wanted}`: {error}"));
    let filter = EnvFilter::builder().parse(wanted).map_err(unknown)?;
    if let Some(word) = not_a_level(wanted) {
        let known = "error, warn, info, debug, trace, off, or TARGET=LEVEL";
        return Err(Failure::usage(format!(
            "{origin}: `{word}` is not a level; there are: {known}"
        )));
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Log)
        // Told by `eprintln!`, which panics where standard error cannot be written: in the middle of a guest's turn.
        .log_internal_errors(false)
        .with_ansi(output.color())
        .event_format(Line)
        .init();
    Ok(())
}

/// A word that stands alone and is no level: the filter would take it for the name of a module, and show
/// nothing of all others.
fn not_a_level(filter: &str) -> Option<&str> {
    let alone = |word: &&str| !word.contains(['=', '[', ':']) && word.parse::<LevelFilter>().is_err();
    filter.split(',').map(str::trim).find(alone)
}

/// `time LEVEL name@id: message key=value`; lines of the host have their module instead of an actor.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        SystemTime.format_time(&mut writer)?;
        let (on, off) = if writer.has_ansi_escapes() {
            (colour(*metadata.level()), "\x1b[0m")
        } else {
            ("", "")
        };
        write!(writer, " {on}{:>5}{off} ", metadata.level())?;
        match (&fields.actor, fields.id.get(..8)) {
            (Some(actor), Some(id)) => write!(writer, "{actor}@{id}")?,
            (Some(actor), None) => write!(writer, "{actor}")?,
            (None, _) => write!(writer, "{}", metadata.target())?,
        }
        writeln!(writer, ": {}{}", fields.message, fields.rest)
    }
}

fn colour(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "\x1b[31m",
        tracing::Level::WARN => "\x1b[33m",
        tracing::Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

/// An event's fields, those of actors apart.
#[derive(Default)]
struct Fields {
    message: String,
    actor: Option<String>,
    id: String,
    rest: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "actor" => self.actor = Some(format!("{value:?}")),
            "id" => self.id = format!("{value:?}"),
            name => self.rest.push_str(&format!(" {name}={value:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_level_or_names_a_target_and_one() {
        let cases = [
            ("warn", None),
            ("OFF", None),
            ("info,steading::guest=debug", None),
            ("loud", Some("loud")),
            ("info, loud", Some("loud")),
        ];
        for (filter, expected) in cases {
            assert_eq!(not_a_level(filter), expected, "{filter}");
        }
    }
}
