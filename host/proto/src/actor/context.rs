//! One side of a context, and its states.
//!
//! ```text
//! caller   Opening ──StartAck──► Syncing ──Started──► Started
//!             │                     │                    │      Return, Error, CancelAck,
//!             └─────────────────────┴────────────────────┴────► time-outs, undeliverable ──► Ended
//!
//! callee   Waiting ──begin()──► Running{started: no}: only where tasks begin one by one
//!          Running{started: no} ──started()──► Running{started: yes}
//!             │                                  │      finish()
//!             └──────────────────────────────────┴────► Finishing ──all it owns is over──► gone
//! ```
//! Orthogonal to these, and only ever set once: `cancel`, the first cancellation of the task.
//! From then on only `cancel_due` counts: neither deadline nor start time-out can say it again.
//! A callee's terminal frame is held back in `Finishing` until every context and nursery that its
//! task opened is over, so that no scope ends before what it started (axiom 1).

use steading_types::{ActorId, BoxedError, Cancellation, Credit, Key, Window};

use super::NEVER;
use crate::frame::Frame;

#[derive(Debug)]
pub(crate) struct Context<P> {
    /// `None` for the actor's own main task.
    pub(crate) peer: Option<P>,
    pub(crate) peer_id: ActorId,
    /// The peer's key for this context, once known.
    pub(crate) remote: Option<Key>,
    pub(crate) side: Side,
    pub(crate) sending: Sending,
    pub(crate) receiving: Receiving,
    /// The first cancel of this context's task; later ones change nothing.
    pub(crate) cancel: Option<Cancellation>,
    /// Why this side has broken the context off: it went beyond its credit, or cannot read the peer's
    /// payload. That, not the cancel that follows, is how the context ends.
    pub(crate) broken: Option<Box<BoxedError>>,
    /// When the cancel has had its time.
    pub(crate) cancel_due: u64,
    /// When the callee is to be cancelled with cause `Deadline`.
    pub(crate) deadline: u64,
    /// Of a caller: whether the callee has been granted something, until this context has its outcome.
    pub(crate) grants: bool,
    /// The task that opened this context, or none.
    pub(crate) owner: Option<Key>,
    /// Contexts and nurseries that this task opened and that are not over.
    pub(crate) owned: u32,
    /// Whether it opened any. Most tasks never do, and their end is cheaper for it.
    pub(crate) opened_any: bool,
    /// Counts the contexts of this actor; names this one in errors.
    pub(crate) serial: u64,
    /// When it began.
    pub(crate) born: u64,
}

#[derive(Debug)]
pub(crate) enum Side {
    Caller(Caller),
    Callee(Callee),
}

#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) state: CallerState,
    /// Nobody looks at it any more; it is kept only until it is over.
    pub(crate) released: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallerState {
    Opening { until: u64 },
    Syncing,
    Started,
    Ended,
}

#[derive(Debug)]
pub(crate) struct Callee {
    /// Index of the endpoint; none for the main task.
    pub(crate) endpoint: Option<usize>,
    pub(crate) state: CalleeState,
    /// Where to send `CancelAck` when it is over.
    pub(crate) ack: Option<Key>,
    /// The caller has its outcome already: nothing is sent any more.
    pub(crate) caller_gone: bool,
    pub(crate) patience: Patience,
}

impl Callee {
    pub(crate) fn new(endpoint: usize, state: CalleeState) -> Self {
        Self {
            endpoint: Some(endpoint),
            state,
            ack: None,
            caller_gone: false,
            patience: Patience::Lasting { latest: NEVER },
        }
    }

    /// The actor's own main task: it has no caller, and needs no `started`.
    pub(crate) fn main() -> Self {
        Self {
            endpoint: None,
            state: CalleeState::Running { started: true },
            ack: None,
            caller_gone: true,
            patience: Patience::Lasting { latest: NEVER },
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, CalleeState::Running { .. })
    }
}

/// How long a cancelled task may go on waiting for what it owns, beyond its own grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Each end of something it owned gives it a new grace, but none after `latest`.
    Lasting { latest: u64 },
    /// Its grace ended while it waited. It may open nothing more, so that the waiting is finite; then
    /// it has a last grace.
    Exhausted,
}

#[derive(Debug)]
pub(crate) enum CalleeState {
    /// Its turn has not come: nothing of it runs that would have to hear of a cancel.
    Waiting,
    Running {
        started: bool,
    },
    Finishing(Box<Frame>),
}

#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) credit: Credit,
    /// The receiver has settings of its own: does a message without credit end the context?
    pub(crate) fatal: Option<bool>,
    pub(crate) opened: bool,
    pub(crate) stopped: bool,
}

/// What came and was not yet taken: the bound of what a peer makes this side hold.
#[derive(Debug, Default)]
pub(crate) struct Receiving {
    pub(crate) messages: u32,
    pub(crate) bytes: u64,
    /// Bytes taken whose credit goes back with that of the next message.
    pub(crate) taken: u64,
    pub(crate) stopped: bool,
}

impl Receiving {
    /// Messages, no more than came, and these bytes were taken: the bytes whose credit goes back now.
    pub(crate) fn take(&mut self, messages: u32, bytes: u32) -> u32 {
        let bytes = u64::from(bytes).min(self.bytes);
        self.messages -= messages;
        self.bytes -= bytes;
        self.taken += bytes;
        if messages == 0 {
            return 0;
        }
        if self.messages == 0 {
            self.taken += std::mem::take(&mut self.bytes);
        }
        u32::try_from(std::mem::take(&mut self.taken)).unwrap_or(u32::MAX)
    }
}

impl<P> Context<P> {
    pub(crate) fn new(
        peer: Option<P>,
        peer_id: ActorId,
        side: Side,
        window: Window,
        (serial, born): (u64, u64),
    ) -> Self {
        Self {
            peer,
            peer_id,
            remote: None,
            side,
            sending: Sending {
                credit: Credit::new(window),
                fatal: None,
                opened: false,
                stopped: false,
            },
            receiving: Receiving::default(),
            cancel: None,
            broken: None,
            cancel_due: NEVER,
            deadline: NEVER,
            grants: false,
            owner: None,
            owned: 0,
            opened_any: false,
            serial,
            born,
        }
    }

    /// When this context wants to be looked at next.
    pub(crate) fn due(&self) -> u64 {
        let start = match &self.side {
            Side::Caller(Caller {
                state: CallerState::Ended,
                ..
            }) => return NEVER,
            Side::Caller(Caller {
                state: CallerState::Opening { until },
                ..
            }) if self.cancel.is_none() => *until,
            _ => NEVER,
        };
        let deadline = if self.cancel.is_none() { self.deadline } else { NEVER };
        start.min(deadline).min(self.cancel_due)
    }

    /// Whether `started` has happened.
    pub(crate) fn is_started(&self) -> bool {
        match &self.side {
            Side::Caller(caller) => caller.state == CallerState::Started,
            Side::Callee(callee) => matches!(callee.state, CalleeState::Running { started: true }),
        }
    }

    /// Whether this side has its outcome, or has given it.
    pub(crate) fn is_over(&self) -> bool {
        match &self.side {
            Side::Caller(caller) => caller.state == CallerState::Ended,
            Side::Callee(callee) => callee.caller_gone || matches!(callee.state, CalleeState::Finishing(_)),
        }
    }

    pub(crate) fn as_caller(&mut self) -> Option<&mut Caller> {
        match &mut self.side {
            Side::Caller(caller) => Some(caller),
            Side::Callee(_) => None,
        }
    }

    pub(crate) fn as_callee(&mut self) -> Option<&mut Callee> {
        match &mut self.side {
            Side::Callee(callee) => Some(callee),
            Side::Caller(_) => None,
        }
    }
}
