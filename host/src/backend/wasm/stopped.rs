//! How an instance came to its end, and the switch that ends it by force.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use steading_types::ErrorKind;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::limits;
use super::view::State;

/// Ends an instance in the middle of its code: set it, then call `Engine::interrupt`.
#[derive(Debug, Default)]
pub(crate) struct KillSwitch(AtomicBool);

impl KillSwitch {
    /// From now on the guest traps at its next check.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody set it.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why an instance can take no more turns.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    /// What kind of end.
    pub(crate) kind: ErrorKind,
    /// In plain words.
    pub(crate) message: String,
    /// Where the guest was, innermost frame first.
    pub(crate) backtrace: Option<String>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Stopped {}

/// Raised by the epoch callback when the kill switch is set.
#[derive(Debug)]
pub(super) struct KilledByHost;

/// Raised by the epoch callback when a turn has used its processor time.
#[derive(Debug)]
pub(super) struct TurnTooLong;

impl fmt::Display for KilledByHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ended by force in the middle of its code")
    }
}

impl fmt::Display for TurnTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = limits::TURN.as_millis();
        write!(f, "computed for {most} ms without an await that waits, the most it may")
    }
}

impl std::error::Error for KilledByHost {}
impl std::error::Error for TurnTooLong {}

impl Stopped {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            backtrace: None,
        }
    }

    /// An instance that is asked for a turn after its end.
    pub(super) fn already() -> Self {
        Self::new(ErrorKind::Killed, "the instance has ended already")
    }

    /// Reads an error of the engine in the light of what the store knows of the turn.
    pub(super) fn of(error: &wasmtime::Error, state: &State) -> Self {
        let mut stopped = Self::cause(error, state);
        stopped.backtrace = error.downcast_ref::<WasmBacktrace>().and_then(frames);
        stopped
    }

    /// The first that applies: a limit explains the panic that follows it, and a panic the trap.
    fn cause(error: &wasmtime::Error, state: &State) -> Self {
        if let Some(killed) = error.downcast_ref::<KilledByHost>() {
            return Self::new(ErrorKind::Killed, killed.to_string());
        }
        if let Some(long) = error.downcast_ref::<TurnTooLong>() {
            return Self::new(ErrorKind::Limit("cpu".into()), long.to_string());
        }
        if let Some(what) = state.budget.refused() {
            let used = state.budget.memory_bytes();
            return Self::new(
                ErrorKind::Limit(what.into()),
                format!("asked for more {what} than its limit, at {used} bytes"),
            );
        }
        if let Some(panic) = &state.panic {
            return Self::new(ErrorKind::Panic, panic.to_string());
        }
        Self::trap(error)
    }

    fn trap(error: &wasmtime::Error) -> Self {
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return match trap {
                Trap::StackOverflow => Self::new(ErrorKind::Limit("stack".into()), "the call stack is exhausted"),
                trap => Self::new(ErrorKind::Trap(code(*trap)), trap.to_string()),
            };
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Self::new(
                ErrorKind::Trap("exit".into()),
                // WASI tells success from failure, and nothing more: the code is lost in the guest.
                match exit.0 {
                    0 => "the guest ended its process (exit with success)",
                    _ => "the guest ended its process (exit with failure)",
                },
            );
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return Self::new(ErrorKind::Limit("actors".into()), error.root_cause().to_string());
        }
        Self::other(&error.root_cause().to_string())
    }

    fn other(message: &str) -> Self {
        let kind = match message {
            m if m.contains("hostcalls has been exhausted") => ErrorKind::Limit("hostcall".into()),
            m if m.contains("resource table has no free keys") => ErrorKind::Limit("resources".into()),
            _ => ErrorKind::Internal,
        };
        Self::new(kind, bounded(message))
    }
}

/// `MemoryOutOfBounds` becomes `memory-out-of-bounds`.
fn code(trap: Trap) -> String {
    if trap == Trap::UnreachableCodeReached {
        return "unreachable".into();
    }
    let mut code = String::new();
    for c in format!("{trap:?}").chars() {
        if c.is_uppercase() && !code.is_empty() {
            code.push('-');
        }
        code.push(c.to_ascii_lowercase());
    }
    code
}

/// The frames as the engine prints them (demangled, with places if the guest has them), without the heading.
fn frames(backtrace: &WasmBacktrace) -> Option<String> {
    if backtrace.frames().is_empty() {
        return None;
    }
    let text = backtrace.to_string();
    let lines: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect();
    Some(bounded(&lines.join("\n")))
}

/// At most [`limits::MESSAGE`] bytes of a text a guest had a hand in.
pub(super) fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(limits::MESSAGE);
    text[..end].to_string()
}
