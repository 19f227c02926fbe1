//! What crosses an actor's boundary: operations out, events in.
//!
//! The Rust picture of `wit/`. A guest's boundary is made of WIT imports, a native actor's is its
//! core behind a lock; the library of `steading-actor` runs on either and cannot tell.

use bytes::Bytes;

use crate::{
    ActorId, BoxedError, Cancellation, Cause, EndpointSchema, Fate, Flow, Grant, Key, Outcome, Policy, PortalKey,
    Restarted, Spec, Supervision,
};

/// "No timer": the time that never comes.
pub const NO_DEADLINE: u64 = u64::MAX;

/// How many messages and payload bytes may be on their way to a receiver (semantics 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Window {
    /// Messages.
    #[n(0)]
    pub messages: u32,
    /// Payload bytes.
    #[n(1)]
    pub bytes: u32,
}

impl Window {
    /// The default of semantics 8: 64 messages and 1 MiB, whichever comes first.
    pub const DEFAULT: Self = Self {
        messages: 64,
        bytes: 1 << 20,
    };
}

/// How to open a context.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// In which actor.
    pub target: PortalKey,
    /// Which function.
    pub endpoint: String,
    /// The payload schema the caller expects; 0 = unchecked.
    pub schema: u64,
    /// Nanoseconds from now until the callee is cancelled.
    pub deadline: Option<u64>,
    /// Nanoseconds to wait for the callee to accept; the host's default if `None`.
    pub start_timeout: Option<u64>,
    /// The context whose task opens this one.
    pub parent: Option<Key>,
    /// What the caller is ready to receive at first.
    pub window: Window,
    /// What the callee has of the caller's until the context ends.
    pub grants: Vec<Grant>,
}

/// How a callee's task came to its end.
#[derive(Clone, Debug)]
pub enum Ending {
    /// With a value.
    Returned(Bytes),
    /// With an error.
    Failed(Box<BoxedError>),
    /// Because its scope was cancelled.
    Cancelled,
}

/// Bytes that one payload may have: arguments, a first value, a message, a result. Guests' libraries check it
/// too: what is far beyond it never gets as far as the host.
pub const PAYLOAD: usize = 1 << 20;

/// What is said of a payload of so many bytes, which are too many.
pub fn oversized(what: &str, bytes: usize, limit: usize) -> String {
    format!("{what} is {bytes} bytes, more than the {limit} a payload may have")
}

/// Why an operation was refused; it had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such context, nursery or portal (any more).
    UnknownKey,
    /// Only the other side of a context may do this.
    WrongSide,
    /// `started` was called before.
    AlreadyStarted,
    /// `started` must come first.
    NotStarted,
    /// Open the stream first.
    StreamNotOpen,
    /// A stream is one-shot.
    StreamAlreadyOpened,
    /// The context has its outcome, or this half of the stream was stopped.
    Ended,
    /// The receiver granted less.
    NoCredit,
    /// The receiver granted less, and its policy does not let that pass: the context has failed.
    Overrun,
    /// Lengths and bytes of a batch do not add up.
    MalformedBatch,
    /// A payload is larger than the limit.
    TooLarge,
    /// The nursery is closing.
    Closing,
    /// A limit was reached.
    Limit,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownKey => "no such context, nursery or portal",
            Self::WrongSide => "only the other side of the context may do this",
            Self::AlreadyStarted => "started() was called already",
            Self::NotStarted => "started() must be called first",
            Self::StreamNotOpen => "the stream is not open",
            Self::StreamAlreadyOpened => "a context has one stream, and it was opened already",
            Self::Ended => "the context or this half of its stream has ended",
            Self::NoCredit => "the receiver has granted no credit for this",
            Self::Overrun => "the receiver has granted no credit for this, and the context has failed for it",
            Self::MalformedBatch => "lengths and bytes of the batch do not add up",
            Self::TooLarge => "the payload is larger than the limit",
            Self::Closing => "the nursery is closing",
            Self::Limit => "a limit of this actor was reached",
        })
    }
}

impl std::error::Error for Refusal {}

/// Which rung of the ladder ended an actor (semantics 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Rung {
    /// It ended as it was asked to.
    #[n(0)]
    Acked,
    /// It was interrupted in the middle of its code.
    #[n(1)]
    Trapped,
    /// Its store was dropped under it.
    #[n(2)]
    Killed,
    /// It was dead already.
    #[n(3)]
    AlreadyGone,
}

/// A new task: some actor opened a context to this one.
#[derive(Clone, Debug)]
pub struct Start {
    /// The new context.
    pub context: Key,
    /// Index into the description's endpoints.
    pub endpoint: u32,
    /// The arguments, encoded.
    pub args: Bytes,
    /// Who opened it.
    pub caller: ActorId,
    /// Nanoseconds on the actor's clock.
    pub deadline: Option<u64>,
    /// What this side may send at first.
    pub window: Window,
}

/// What happens to an actor.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new task.
    Start(Start),
    /// The callee called `started`.
    Started {
        /// Which context.
        context: Key,
        /// The value, encoded.
        value: Bytes,
        /// Who the callee is.
        peer: ActorId,
        /// What this side may send at first.
        window: Window,
    },
    /// Messages, each behind a little-endian u32 length.
    Data {
        /// Which context.
        context: Key,
        /// The batch as its sender wrote it.
        batch: Bytes,
    },
    /// The peer sends no more.
    Stop(Key),
    /// The peer took messages.
    Credit {
        /// Which context.
        context: Key,
        /// Messages taken.
        messages: u32,
        /// Payload bytes taken.
        bytes: u32,
    },
    /// The peer has opened its half of the stream with settings of its own.
    Flow {
        /// Which context.
        context: Key,
        /// What becomes of messages beyond the window.
        policy: Policy,
        /// What this side may have on its way from now on, counting what already is.
        window: Window,
    },
    /// The task of this context is asked to end.
    Cancel {
        /// Which context.
        context: Key,
        /// By whom and why.
        cancellation: Cancellation,
    },
    /// The context has its outcome; nothing more comes for it.
    Ended {
        /// Which context.
        context: Key,
        /// How.
        outcome: Outcome,
    },
    /// A child runs.
    ChildUp {
        /// Its portal.
        child: PortalKey,
        /// Who it is.
        id: ActorId,
    },
    /// A child is dead and reaped.
    ChildEnded {
        /// Its portal.
        child: PortalKey,
        /// `None` if it ended as it was asked to.
        error: Option<Box<BoxedError>>,
        /// How hard it was to end it.
        rung: Rung,
        /// What becomes of it, and of its nursery.
        fate: Fate,
    },
    /// A child that had ended starts again.
    ChildRestarted(Restarted),
    /// A child has failed, and is not started again: its nursery raises this.
    ChildFailed {
        /// Its portal.
        child: PortalKey,
        /// How.
        error: Box<BoxedError>,
        /// Whether everybody in the nursery is cancelled for it.
        fatal: bool,
    },
    /// Every child of a closing nursery is dead.
    NurseryClosed(Key),
    /// Nothing else of this actor is left: its exit hooks are to run now. Only after
    /// [`on_exit`](Boundary::on_exit).
    Exit,
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is wrong, and it goes on.
    Warn,
    /// Worth knowing.
    Info,
    /// For whoever looks closely.
    Debug,
    /// For whoever looks at everything.
    Trace,
}

/// The two shapes of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointKind {
    /// A function without a context: `started` is implied by its return.
    Plain,
    /// A function with a context.
    Context,
}

/// A parameter of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As in the source.
    pub name: String,
    /// As in the source.
    pub type_name: String,
}

/// What is known of an endpoint without running it. Types are spelled as in the guest's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointInfo {
    /// Its name.
    pub name: String,
    /// Its documentation.
    pub docs: String,
    /// With or without a context.
    pub kind: EndpointKind,
    /// Its parameters, the context not among them.
    pub parameters: Vec<Parameter>,
    /// Type of the value given to `started`; empty for a plain endpoint.
    pub started: String,
    /// Type of the messages it sends; empty for a plain endpoint.
    pub sends: String,
    /// Type of the messages it receives; empty for a plain endpoint.
    pub receives: String,
    /// Type of its result.
    pub returns: String,
    /// Type of its error; empty if it cannot fail.
    pub error: String,
    /// What its payloads look like on the wire.
    pub schema: EndpointSchema,
}

/// What a component offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Name and version of the SDK it was built with.
    pub sdk: String,
    /// The actor's documentation.
    pub docs: String,
    /// Its endpoints.
    pub endpoints: Vec<EndpointInfo>,
}

/// The operations an actor's code can ask of its host. None of them ever waits.
///
/// Order of operations within one context is the order of the calls.
pub trait Boundary: Send + Sync + 'static {
    /// This actor.
    fn self_id(&self) -> ActorId;
    /// Nanoseconds on this actor's clock.
    fn now(&self) -> u64;
    /// How many actors can run at the same moment; at least 1.
    fn parallelism(&self) -> u32;
    /// Asks for `advance` to be called at this time at the latest; [`NO_DEADLINE`] for never.
    fn wake_at(&self, time: u64);
    /// Opens a context. `Err` when it is refused outright: self, unknown portal, limits.
    fn open(&self, options: OpenOptions, args: Vec<u8>) -> Result<Key, BoxedError>;
    /// Callee: the path of a directory that this context was granted, for as long as it lasts.
    fn granted(&self, context: Key, name: &str) -> Result<String, BoxedError>;
    /// Callee, once.
    fn started(&self, context: Key, value: Vec<u8>) -> Result<(), Refusal>;
    /// Callee, once.
    fn finish(&self, context: Key, ending: Ending) -> Result<(), Refusal>;
    /// Either side; idempotent. Of causes, an actor can state requests, deadlines and teardowns.
    fn cancel(&self, context: Key, reason: Option<String>, cause: Cause) -> Result<(), Refusal>;
    /// Caller: nobody looks at this context again.
    fn release(&self, context: Key);
    /// Either side: a payload of the peer's does not have its type. Ends the context with that, at both ends.
    fn reject(&self, context: Key, message: &str) -> Result<(), Refusal>;
    /// Opens this side's half of the stream, once; `None` leaves the peer what it was granted, and blocks.
    fn stream_open(&self, context: Key, flow: Option<Flow>) -> Result<(), Refusal>;
    /// Sends whole messages, each behind a little-endian u32 length. Refused as a whole or not at all; with
    /// [`Limit`](Refusal::Limit) until there is room for them, which a [`Credit`](Event::Credit) tells, be it of nothing.
    fn send_batch(&self, context: Key, batch: &[u8]) -> Result<(), Refusal>;
    /// Gives back credit for messages taken.
    fn credit(&self, context: Key, messages: u32, bytes: u32) -> Result<(), Refusal>;
    /// Sends no more.
    fn stop(&self, context: Key) -> Result<(), Refusal>;
    /// Opens a nursery owned by the task of `parent`, or by the actor.
    fn nursery_open(&self, parent: Option<Key>, supervision: Supervision) -> Result<Key, Refusal>;
    /// Starts a child.
    fn spawn(&self, nursery: Key, spec: Spec) -> Result<PortalKey, BoxedError>;
    /// Asks every child of a nursery to end. Unless it is a request, the block is torn down, and if its task was
    /// cancelled, the children are told that in the place of `reason` and `cause`.
    fn nursery_cancel(&self, nursery: Key, reason: Option<String>, cause: Cause);
    /// Admits no more children; [`Event::NurseryClosed`] comes when all are dead.
    fn nursery_close(&self, nursery: Key);
    /// What this child was started for is done, or has failed: it is asked to end, and this counts as how it
    /// ended. Answers what becomes of it.
    fn child_done(&self, child: PortalKey, failure: Option<Box<BoxedError>>) -> Result<Fate, Refusal>;
    /// Asks one child to end; one that was to be started again is not.
    fn cancel_actor(&self, target: PortalKey, reason: Option<String>) -> Result<(), Refusal>;
    /// One child has had the time it was given to end: it is interrupted, and dropped if that is not enough.
    fn kill_actor(&self, target: PortalKey) -> Result<(), Refusal>;
    /// Asks for this whole actor to be cancelled.
    fn cancel_self(&self, reason: Option<String>);
    /// There is something to do before this actor leaves; [`Event::Exit`] says when. Idempotent.
    fn on_exit(&self) -> Result<(), Refusal>;
    /// It is done, after [`Event::Exit`]; with how it failed, if it did.
    fn exited(&self, error: Option<Box<BoxedError>>);
    /// The most verbose lines of this actor's that the host keeps; `None` if it keeps none.
    fn log_level(&self) -> Option<Level>;
    /// Writes a log line.
    fn log(&self, level: Level, target: &str, message: &str, fields: &[(String, String)]);
}
