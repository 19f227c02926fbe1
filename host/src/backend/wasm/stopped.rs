//! How an instance came to its end, and the switch that ends it by force.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use steading_types::ErrorKind;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::budget::{Own, Refused};
use super::limits;
use super::view::State;
use crate::runtime::driver::Stopped;

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

/// Raised by the epoch callback when the kill switch is set.
#[derive(Debug)]
pub(super) struct KilledByHost;

/// Raised by the epoch callback when a turn has used its processor time.
#[derive(Debug)]
pub(super) struct TurnTooLong;

/// Raised by an import that a turn has called too often.
#[derive(Debug)]
pub(super) struct TooManyCalls;

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

impl fmt::Display for TooManyCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "called its host {} times in one turn, the most it may",
            limits::CALLS
        )
    }
}

impl std::error::Error for KilledByHost {}
impl std::error::Error for TooManyCalls {}
impl std::error::Error for TurnTooLong {}

/// What is said of a process that has ended as it wanted to.
const EXIT_SUCCESS: &str = "the guest ended its process (exit with success)";

impl Stopped {
    /// Whether the guest has ended its process, and that as a success if so asked.
    pub(super) fn is_exit(&self, success: bool) -> bool {
        self.kind == ErrorKind::Trap("exit".into()) && (self.message == EXIT_SUCCESS) == success
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
        if let Some(many) = error.downcast_ref::<TooManyCalls>() {
            return Self::new(ErrorKind::Limit("calls".into()), many.to_string());
        }
        if let Some(refused) = state.budget.refused() {
            return Self::refused(refused, state.budget.memory_bytes());
        }
        if let Some(panic) = &state.panic {
            return Self::new(ErrorKind::Panic, panic.to_string());
        }
        Self::trap(error)
    }

    fn refused(refused: &Refused, used: usize) -> Self {
        match refused {
            Refused::Own(Own::Memory { used, limit }) => Self::new(
                ErrorKind::Limit("memory".into()),
                format!(
                    "asked for more memory than its limit: it has {used} bytes, and may have {limit} \
                     (`Spec::memory`, `HostBuilder::memory`, `--limit memory=`)"
                ),
            ),
            Refused::Own(Own::Table { used, limit }) => Self::new(
                ErrorKind::Limit("table".into()),
                format!("asked for more table elements than its limit: it has {used}, and may have {limit}, {FIXED}"),
            ),
            Refused::Shared(exceeded) => Self {
                exceeded: Some(exceeded.clone()),
                ..Self::new(
                    ErrorKind::Limit(exceeded.kind().into()),
                    format!("asked for more memory than there is, at {used} bytes of its own"),
                )
            },
        }
    }

    fn trap(error: &wasmtime::Error) -> Self {
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return match trap {
                Trap::StackOverflow => {
                    let text = format!(
                        "the call stack is exhausted: {} bytes are the most, {FIXED}",
                        limits::WASM_STACK
                    );
                    Self::new(ErrorKind::Limit("stack".into()), text)
                }
                trap => Self::new(ErrorKind::Trap(code(*trap)), trap.to_string()),
            };
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Self::new(
                ErrorKind::Trap("exit".into()),
                // WASI tells success from failure, and nothing more: the code is lost in the guest.
                match exit.0 {
                    0 => EXIT_SUCCESS,
                    _ => "the guest ended its process (exit with failure)",
                },
            );
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return Self::new(ErrorKind::Limit("capacity".into()), POOL_IS_EMPTY);
        }
        Self::other(&error.root_cause().to_string())
    }

    fn other(message: &str) -> Self {
        let (what, text) = match message {
            m if m.contains("hostcalls has been exhausted") => ("hostcall", hand_over()),
            // The one request that the engine's own WASI refuses by its length.
            m if m.starts_with("requested len") => (
                "random",
                format!("a call may bring {} random bytes, {FIXED}", limits::RANDOM),
            ),
            m if m.contains("store handle limit exceeded") => {
                let most = limits::COMPONENT_HANDLES;
                (
                    "handles",
                    format!("its components may have {most} handles in their tables, {FIXED}"),
                )
            }
            m if m.contains("resource table has no free keys") => {
                let most = limits::RESOURCES;
                (
                    "resources",
                    format!("it may have {most} files, streams and timers open, {FIXED}"),
                )
            }
            // The kernel's ENOMEM, through whichever crate it came.
            m if m.ends_with("(os error 12)") => ("capacity", NO_MORE_PAGES.to_owned()),
            _ => return Self::new(ErrorKind::Internal, bounded(message)),
        };
        Self::new(ErrorKind::Limit(what.into()), text)
    }
}

/// What is said of a limit that is the same for all.
const FIXED: &str = "and nothing raises that";

fn hand_over() -> String {
    format!(
        "handed its host more in one call than may be copied: a payload of {} bytes, {} bytes beside it, and {} values of \
         a foreign function are the most, {FIXED}",
        limits::PAYLOAD,
        limits::HOSTCALL,
        limits::VALUES
    )
}

/// Components with several memories, tables or modules take more of the pool than there are actors.
const POOL_IS_EMPTY: &str = "the engine's pool has no memory, table or stack left for it; \
                             a larger `max_actors` makes the pool larger";
/// What it says when the kernel refuses, be it for the sake of mappings, of address space or of memory.
const NO_MORE_PAGES: &str = "the kernel gives this process no more memory for it: a limit on mappings \
                             (vm.max_map_count), on address space (ulimit -v), or on all memory is reached";

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

/// The frames as the engine prints them (demangled, with places if the guest has them), without the heading
/// and without what a panic itself puts on the stack.
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
    Some(bounded(&without_hashes(&below_panic(&lines).join("\n"))))
}

/// The frames from the one that panicked on; all of them if none did.
fn below_panic<'a>(lines: &'a [&'a str]) -> &'a [&'a str] {
    let is_frame = |line: &str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let of_panic = |line: &&&str| line.contains("rust_begin_unwind") || line.contains("::panicking::");
    let last = lines.iter().rposition(|line| of_panic(&line));
    let rest = last.map_or(lines, |last| &lines[last + 1..]);
    // The last such frame may have lines of its own that say where it is.
    let first = rest.iter().position(|line| is_frame(line)).unwrap_or(0);
    &rest[first..]
}

/// A text without the hashes that the compiler puts behind crates (`std[d123b7a1a2ed1472]`) and functions
/// (`::h50fd9532a2a00b7a`): they tell nobody anything.
fn without_hashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['[', ':']) {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        match hash(tail) {
            Some(length) => rest = &tail[length..],
            None => {
                out.push_str(&tail[..1]);
                rest = &tail[1..];
            }
        }
    }
    out + rest
}

/// The length of the hash that this text begins with, if it does.
fn hash(text: &str) -> Option<usize> {
    let (digits, end) = match text.strip_prefix("::h") {
        Some(digits) => (digits, ""),
        None => (text.strip_prefix('[')?, "]"),
    };
    let length = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    let closed = digits[length..].starts_with(end);
    (length >= 15 && closed).then(|| text.len() - digits.len() + length + end.len())
}

/// At most [`limits::MESSAGE`] bytes of a text a guest had a hand in.
pub(super) fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(limits::MESSAGE);
    text[..end].to_string()
}

#[cfg(test)]
mod tests {
    use super::{below_panic, without_hashes};

    #[test]
    fn a_backtrace_begins_where_the_panic_was() {
        let lines = [
            "0: 0x1 - a.wasm!abort",
            "1: 0x2 - a.wasm!__rustc::rust_begin_unwind",
            "2: 0x3 - a.wasm!core::panicking::panic_fmt",
            "        at /rust/core/panicking.rs",
            "3: 0x4 - a.wasm!mine",
            "        at src/lib.rs:7",
        ];
        assert_eq!(below_panic(&lines), &lines[4..]);
        assert_eq!(below_panic(&lines[4..]), &lines[4..], "no panic, nothing to leave out");
    }

    #[test]
    fn names_lose_their_hashes_and_nothing_else() {
        assert_eq!(
            without_hashes("std[d123b7a1a2ed1472]::sys::f[0]::h50fd9532a2a00b7a at [u8; 4] a::hello"),
            "std::sys::f[0] at [u8; 4] a::hello"
        );
    }
}
