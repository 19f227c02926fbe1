//! Every capacity and time bound of the core, with its default and its reason.

use steading_types::{PAYLOAD, Window};

/// Nanoseconds in a millisecond.
const MS: u64 = 1_000_000;

/// What one actor's core may hold, and how long it waits. All times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Contexts alive at once, opened and served together: each costs host memory.
    pub contexts: usize,
    /// Children alive at once.
    pub children: usize,
    /// Nurseries open at once: each is a scope of a task, and tasks are counted by their contexts.
    pub nurseries: usize,
    /// Restarts that a period may allow: each is remembered for as long as it counts.
    pub restarts: u32,
    /// The widest window a caller may ask for: what a callee can make it hold per context.
    pub window: Window,
    /// Bytes of calls that were accepted and that the actor's code was not told of: while a turn lasts, they are added to.
    /// A call beyond it is refused.
    pub waiting: usize,
    /// Bytes of one payload: arguments, a value, a message.
    pub payload: usize,
    /// Bytes of one batch of messages, unless it is one message.
    pub batch: usize,
    /// How long a caller waits for a callee to accept.
    pub start_timeout: u64,
    /// How long a cancelled task may take before its actor is interrupted.
    pub cancel_grace: u64,
    /// How long an interrupted actor may take before its store is dropped.
    pub trap_grace: u64,
    /// How long a caller waits for a cancel to be answered. Longer than both graces together, so that
    /// the ladder at the other end speaks first.
    pub cancel_timeout: u64,
}

impl Limits {
    /// The defaults of the design.
    pub const DEFAULT: Self = Self {
        contexts: 256,
        children: 64,
        nurseries: 256,
        restarts: 1024,
        window: Window {
            messages: 1024,
            bytes: 4 << 20,
        },
        waiting: 4 << 20,
        payload: PAYLOAD,
        batch: 128 << 10,
        start_timeout: 10_000 * MS,
        cancel_grace: 500 * MS,
        trap_grace: 100 * MS,
        cancel_timeout: 1_000 * MS,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
