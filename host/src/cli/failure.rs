//! What went wrong, as a person and as a program want to read it, and the exit code for it.

use serde_json::json;
use steading::{BoxedError, Cause, Error, ErrorKind, LoadError};
use steading_build::BuildError;

use super::values::Json;

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// What a process tells its parent. Documented in `--help`; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Endpoint = 1,
    Usage = 2,
    Load = 3,
    Cancelled = 4,
    Died = 5,
    Interrupted = 130,
    /// As a process that died of SIGPIPE would say.
    ClosedOutput = 141,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// What a compiler or installer said, in full.
    pub(crate) detail: String,
    /// What came from an actor.
    pub(crate) error: Option<Error>,
    /// What was kept of the actor's standard streams, for programs.
    pub(crate) captured: Option<serde_json::Value>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
            detail: String::new(),
            error: None,
            captured: None,
        }
    }

    /// Something the user gave is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something cannot be loaded or built.
    pub(crate) fn load(message: impl Into<String>) -> Self {
        Self::new(Exit::Load, message)
    }

    pub(crate) fn detail(mut self, detail: &str) -> Self {
        detail.clone_into(&mut self.detail);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What an actor, or the host on its behalf, has to say.
    pub(crate) fn remote(error: Error) -> Self {
        if let Some(local) = error.downcast_ref::<Local>() {
            return Self::new(local.exit, local.message.clone());
        }
        Self {
            error: Some(error.clone()),
            ..Self::new(exit_of(&error), error.to_string())
        }
    }

    /// A kind in one word, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.error, self.exit) {
            (Some(error), _) => kind_name(&error.kind()),
            (None, Exit::Usage) => "usage",
            (None, Exit::Load) => "load-failed",
            (None, Exit::Interrupted) => "interrupted",
            (None, _) => "failed",
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Stopped { .. } => Self::new(Exit::Interrupted, error.to_string()),
            BuildError::NotAnActor { .. } => Self::load(error.to_string())
                .hint("`steading new PATH` writes a crate that is; `steading build` builds any component"),
            _ => Self::load(error.to_string()).detail(error.detail()),
        }
    }
}

impl From<&clap::Error> for Failure {
    /// The first paragraph is what is wrong; how it would be right follows.
    fn from(error: &clap::Error) -> Self {
        let text = error.to_string();
        let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        Self::usage(message.strip_prefix("error: ").unwrap_or(message).trim()).detail(rest.trim())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let failure = Self::load(error.to_string());
        match hint(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn hint(error: &LoadError) -> Option<&'static str> {
    match error {
        LoadError::CompileTimeout { .. } => Some("`run` and `call` give it more with --limit compile-time=SECONDS"),
        LoadError::CompileMemory { .. } => Some("`run` and `call` give it more with --limit compile-memory=BYTES"),
        LoadError::Remembered { earlier } => {
            hint(earlier).or(Some("`steading doctor --clear-cache` forgets what was refused"))
        }
        _ => None,
    }
}

impl From<std::io::Error> for Failure {
    /// Writing to standard output is the only input or output whose errors are not given a path.
    fn from(error: std::io::Error) -> Self {
        let exit = if error.kind() == std::io::ErrorKind::BrokenPipe {
            Exit::ClosedOutput
        } else {
            Exit::Endpoint
        };
        Self::new(exit, format!("cannot write the output: {error}"))
    }
}

/// A failure of the command's own, on its way out of the body of a root.
#[derive(Debug)]
pub(crate) struct Local {
    exit: Exit,
    message: String,
}

impl std::fmt::Display for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Local {}

impl From<Failure> for Local {
    fn from(failure: Failure) -> Self {
        Self {
            exit: failure.exit,
            message: failure.message,
        }
    }
}

fn exit_of(error: &Error) -> Exit {
    if is_closed_output(error) {
        return Exit::ClosedOutput;
    }
    // Of several, the first is the one that made the others.
    let kind = error.members().first().map_or_else(|| error.kind(), Error::kind);
    match kind {
        ErrorKind::Cancelled(c) if c.cause == Cause::Interrupt => Exit::Interrupted,
        ErrorKind::Cancelled(_) => Exit::Cancelled,
        // The actor lives: one endpoint, or one message, was too much.
        ErrorKind::Limit(what) if what == "payload" => Exit::Endpoint,
        ErrorKind::Panic | ErrorKind::Trap(_) | ErrorKind::Killed | ErrorKind::Limit(_) => Exit::Died,
        ErrorKind::NoSuchEndpoint | ErrorKind::NotGranted | ErrorKind::PayloadMismatch => Exit::Usage,
        ErrorKind::SpawnFailed => Exit::Load,
        _ => Exit::Endpoint,
    }
}

/// A guest whose `println!` finds nobody to read it panics. That is how Rust spells what SIGPIPE says.
fn is_closed_output(error: &Error) -> bool {
    let message = error.message();
    error.kind() == ErrorKind::Panic && message.starts_with("failed printing to stdout: Broken pipe")
}

fn kind_name(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::EndpointError => "endpoint-error",
        ErrorKind::Panic => "panic",
        ErrorKind::Trap(_) => "trap",
        ErrorKind::Killed => "killed",
        ErrorKind::Cancelled(_) => "cancelled",
        ErrorKind::PayloadMismatch => "payload-mismatch",
        ErrorKind::Overrun => "overrun",
        ErrorKind::LinkClosed => "link-closed",
        ErrorKind::NotGranted => "not-granted",
        ErrorKind::NoSuchEndpoint => "no-such-endpoint",
        ErrorKind::NotStarted => "not-started",
        ErrorKind::StartTimeout => "start-timeout",
        ErrorKind::CancelTimeout => "cancel-timeout",
        ErrorKind::Limit(_) => "limit",
        ErrorKind::SpawnFailed => "spawn-failed",
        ErrorKind::InvalidOperation => "invalid-operation",
        ErrorKind::Internal => "internal",
        ErrorKind::Deadlock => "deadlock",
    }
}

impl serde::Serialize for Failure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut object = match &self.error {
            Some(error) => described(error),
            None => json!({ "kind": self.kind(), "message": self.message }),
        };
        if !self.detail.is_empty() {
            object["detail"] = self.detail.as_str().into();
        }
        if let Some(hint) = &self.hint {
            object["hint"] = hint.as_str().into();
        }
        if let Some(captured) = &self.captured {
            object["captured"] = captured.clone();
        }
        serde::Serialize::serialize(&object, serializer)
    }
}

/// All that is known of an error, for programs.
fn described(error: &Error) -> serde_json::Value {
    let boxed = error.boxed();
    let data = error.payload::<ciborium::Value>();
    let mut object = json!({
        "kind": kind_name(&error.kind()),
        "code": code(&error.kind()),
        "message": error.message(),
        "type": Some(error.type_name()).filter(|name| !name.is_empty()),
        "source": boxed.map(|error| error.source.to_string()),
        "relay_path": boxed.map_or_else(Vec::new, relay_path),
        "context": boxed.map(|error| error.context),
        "backtrace": boxed.and_then(|error| error.backtrace.as_ref()),
        "data": data.as_ref().map(|value| serde_json::to_value(Json(value)).unwrap_or_default()),
    });
    if error.is_group() {
        object["errors"] = error.members().iter().map(described).collect();
    }
    if error.omitted() > 0 {
        object["omitted"] = error.omitted().into();
    }
    if let Some(cause) = error.cause() {
        object["cause"] = described(cause);
    }
    object
}

/// Which trap, or which limit.
fn code(kind: &ErrorKind) -> Option<&str> {
    match kind {
        ErrorKind::Trap(code) | ErrorKind::Limit(code) => Some(code),
        _ => None,
    }
}

fn relay_path(error: &BoxedError) -> Vec<String> {
    error.relay_path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_our_own_survives_the_way_out_of_a_root() {
        let error = Error::from(Local::from(Failure::usage("standard input, line 3: not JSON")));
        let failure = Failure::remote(error);
        assert_eq!((failure.exit, failure.kind()), (Exit::Usage, "usage"));
        assert_eq!(failure.message, "standard input, line 3: not JSON");
    }

    #[test]
    fn a_failure_of_our_own_is_a_kind_and_a_message() {
        let json = serde_json::to_value(Failure::load("x.wasm: no such file")).unwrap();
        let expected = json!({ "kind": "load-failed", "message": "x.wasm: no such file" });
        assert_eq!(json, expected);
    }

    #[test]
    fn what_comes_from_an_actor_is_told_in_fields() {
        let source = steading::ActorId::new("w", steading_types::Uuid { high: 0, low: 7 });
        let mut boxed = BoxedError::new(ErrorKind::Limit("cpu".into()), source.clone(), "too long");
        boxed.relay_path = vec![source.clone()];
        boxed.context = 3;
        boxed.payload = Some(steading_actor::encode(&("a", 1)).unwrap().into());
        let json = serde_json::to_value(Failure::remote(Error::from(boxed))).unwrap();
        let expected = json!({
            "kind": "limit", "code": "cpu", "message": "too long", "type": null, "source": source.to_string(),
            "relay_path": [source.to_string()], "context": 3, "backtrace": null, "data": ["a", 1],
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_cause_is_told_below_what_it_caused() {
        let error = Error::msg("no disk").wrap("cannot scan").wrap("cannot search");
        let json = serde_json::to_value(Failure::remote(error)).unwrap();
        assert_eq!(json["message"], "cannot search");
        assert_eq!(json["cause"]["message"], "cannot scan");
        assert_eq!(json["cause"]["cause"]["message"], "no disk");
        assert!(json.get("errors").is_none() && json.get("omitted").is_none());
    }

    #[test]
    fn several_errors_are_told_one_by_one() {
        let group = Error::group(vec![Error::msg("one"), Error::msg("two")]);
        let json = serde_json::to_value(Failure::remote(group)).unwrap();
        assert_eq!(json["errors"][1]["message"], "two");
    }
}
