//! How things end: outcomes, and errors that cross actors whole (semantics 9).

use std::fmt;

use bytes::Bytes;

use crate::{ActorId, Cancellation};

/// What kind of failure an error reports.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum ErrorKind {
    /// The endpoint returned an error. Only its context failed.
    #[n(0)]
    EndpointError,
    /// The guest panicked. Its instance is gone, and with it every context of that actor.
    #[n(1)]
    Panic,
    /// The guest trapped, with this code. Its instance is gone.
    #[n(2)]
    Trap(#[n(0)] String),
    /// The actor was ended by force.
    #[n(3)]
    Killed,
    /// The task was cancelled.
    #[n(4)]
    Cancelled(#[n(0)] Cancellation),
    /// A value did not have the type the other side expects.
    #[n(5)]
    PayloadMismatch,
    /// A sender went beyond its credit.
    #[n(6)]
    Overrun,
    /// The other end cannot be reached any more.
    #[n(7)]
    LinkClosed,
    /// The endpoint exists and was not granted.
    #[n(8)]
    NotGranted,
    /// There is no such endpoint.
    #[n(9)]
    NoSuchEndpoint,
    /// An endpoint with a context returned without ever calling `started`.
    #[n(10)]
    NotStarted,
    /// The callee did not accept in time.
    #[n(11)]
    StartTimeout,
    /// A cancel was not acknowledged in time. A kind of its own, so that no handler of ordinary
    /// time-outs swallows it.
    #[n(12)]
    CancelTimeout,
    /// A limit was reached; the text names it.
    #[n(13)]
    Limit(#[n(0)] String),
    /// A child could not be started.
    #[n(14)]
    SpawnFailed,
    /// The operation makes no sense here.
    #[n(15)]
    InvalidOperation,
    /// A fault of the host's own.
    #[n(16)]
    Internal,
    /// The task waited in a circle: for another that waited, by however many between, for this one. The text
    /// names them all.
    #[n(17)]
    Deadlock,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndpointError => f.write_str("endpoint error"),
            Self::Panic => f.write_str("panic"),
            Self::Trap(code) => write!(f, "trap ({code})"),
            Self::Killed => f.write_str("killed"),
            Self::Cancelled(_) => f.write_str("cancelled"),
            Self::PayloadMismatch => f.write_str("payload mismatch"),
            Self::Overrun => f.write_str("stream overrun"),
            Self::LinkClosed => f.write_str("link closed"),
            Self::NotGranted => f.write_str("not granted"),
            Self::NoSuchEndpoint => f.write_str("no such endpoint"),
            Self::NotStarted => f.write_str("never started"),
            Self::StartTimeout => f.write_str("start timed out"),
            Self::CancelTimeout => f.write_str("cancel not acknowledged"),
            Self::Limit(kind) => write!(f, "limit {kind} reached"),
            Self::SpawnFailed => f.write_str("spawn failed"),
            Self::InvalidOperation => f.write_str("invalid operation"),
            Self::Internal => f.write_str("internal fault"),
            Self::Deadlock => f.write_str("deadlock"),
        }
    }
}

/// An error with all that is known of it, as it travels between actors: one link of a chain, or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxedError {
    /// What happened.
    pub kind: ErrorKind,
    /// The error's type at its source; kept through any number of hops.
    pub type_name: String,
    /// In plain words; of a wrapper, without its cause.
    pub message: String,
    /// The error as data (CBOR), if its type offers that.
    pub payload: Option<Bytes>,
    /// The actor it arose in.
    pub source: ActorId,
    /// Every actor that handed it on, nearest to the source first.
    pub relay_path: Vec<ActorId>,
    /// The source's backtrace, bounded.
    pub backtrace: Option<String>,
    /// The context it arose in, as its source counts them; 0 if none.
    pub context: u64,
    /// The members of a group, or the one cause of a wrapper: each whole, with a source of its own.
    pub members: Vec<BoxedError>,
    /// Members there was no room for, see [`BoxedError::MOST_MEMBERS`].
    pub omitted: u32,
}

impl BoxedError {
    /// Hops after which a path is no longer extended, and is not believed: each takes far more room in
    /// memory than in a frame.
    pub const MOST_HOPS: usize = 64;

    /// An error of this kind that arises here and now.
    pub fn new(kind: ErrorKind, source: ActorId, message: impl Into<String>) -> Self {
        Self {
            kind,
            type_name: String::new(),
            message: message.into(),
            payload: None,
            source,
            relay_path: Vec::new(),
            backtrace: None,
            context: 0,
            members: Vec::new(),
            omitted: 0,
        }
    }

    /// The error of a sender that went beyond what its receiver had granted (semantics 8).
    pub fn overrun(sender: ActorId, receiver: &ActorId) -> Self {
        let message = format!("{sender} sent more than {receiver} had granted");
        let type_name = "StreamOverrun".to_owned();
        Self {
            type_name,
            ..Self::new(ErrorKind::Overrun, sender, message)
        }
    }

    /// The message, then those of its causes, each behind a colon.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.cause();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.message);
            cause = error.cause();
        }
        text
    }

    /// The error as which a cancellation travels.
    pub fn cancelled(cancellation: Cancellation, source: ActorId) -> Self {
        let message = cancellation.to_string();
        Self::new(ErrorKind::Cancelled(cancellation), source, message)
    }
}

impl fmt::Display for BoxedError {
    /// One line: kind, where, and what, then the cause if there is one. Members of a group are in its message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.kind, self.source)?;
        for hop in &self.relay_path {
            write!(f, " via {hop}")?;
        }
        write!(f, ": {}", self.chain())
    }
}

impl std::error::Error for BoxedError {}

/// How a context ended. Exactly one per side, written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a value, still encoded.
    Returned(Bytes),
    /// With an error.
    Failed(Box<BoxedError>),
    /// By a cancel.
    Cancelled(Cancellation),
}
