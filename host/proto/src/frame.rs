//! The frames two cores exchange (semantics 2), and where in the other core they go.

use bytes::Bytes;
use steading_types::{ActorId, BoxedError, Cancellation, Key, Policy, Rung, Uuid, Window};

/// What of the receiving actor a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Dest {
    /// The actor itself.
    #[n(0)]
    Actor,
    /// One of its contexts, by its own key.
    #[n(1)]
    Key(#[n(0)] Key),
    /// The context that this caller named so in its `Start`: for a cancel that cannot wait for the ack.
    #[n(2)]
    Origin(#[n(0)] Uuid, #[n(1)] Key),
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Frame {
    /// Caller to callee: run an endpoint.
    #[n(0)]
    Start(#[n(0)] Box<Start>),
    /// Accepted and scheduled; from now on the callee is addressed by this key.
    #[n(1)]
    StartAck {
        /// The callee's own key.
        #[n(0)]
        key: Key,
        /// Who it is.
        #[n(1)]
        callee: ActorId,
        /// What the caller may send at first.
        #[n(2)]
        window: Window,
    },
    /// The callee's first value.
    #[n(2)]
    Started(#[cbor(n(0), with = "crate::codec::bytes")] Bytes),
    /// Messages, each behind a little-endian u32 length. Counted where it was sent.
    #[n(3)]
    Yield {
        /// The batch as its sender wrote it.
        #[cbor(n(0), with = "crate::codec::bytes")]
        batch: Bytes,
        /// How many messages it holds.
        #[n(1)]
        messages: u32,
    },
    /// No more messages this way.
    #[n(4)]
    Stop,
    /// The receiver took messages.
    #[n(5)]
    Credit {
        /// How many.
        #[n(0)]
        messages: u32,
        /// Their payload bytes.
        #[n(1)]
        bytes: u32,
    },
    /// Please end. Answered by `CancelAck` to `reply`, whatever is found.
    #[n(6)]
    Cancel {
        /// By whom and why.
        #[n(0)]
        cancellation: Cancellation,
        /// The canceller's own key.
        #[n(1)]
        reply: Key,
    },
    /// The task that was to be cancelled is over.
    #[n(7)]
    CancelAck,
    /// Terminal: a value.
    #[n(8)]
    Return(#[cbor(n(0), with = "crate::codec::bytes")] Bytes),
    /// Terminal: an error or a cancellation.
    #[n(9)]
    Error(#[n(0)] Box<BoxedError>),
    /// To an actor: end, with everything that runs in you.
    #[n(10)]
    CancelActor(#[n(0)] Cancellation),
    /// From a child to its parent: I run.
    #[n(11)]
    ChildUp(#[n(0)] Key),
    /// From a child to its parent: I am dead, and so is everything below me.
    #[n(12)]
    ChildEnded {
        /// The parent's portal of this child.
        #[n(0)]
        portal: Key,
        /// `None` if it ended as it was asked to.
        #[n(1)]
        error: Option<Box<BoxedError>>,
        /// How hard it was to end it.
        #[n(2)]
        rung: Rung,
    },
    /// The sender has opened its half of the stream with settings of its own; at most once per direction.
    #[n(13)]
    Flow {
        /// What becomes of messages beyond the window.
        #[n(0)]
        policy: Policy,
        /// What the receiver of this frame may have on its way, counting what already is.
        #[n(1)]
        window: Window,
    },
    /// To a child that was asked to end: its time is up (semantics 10).
    #[n(14)]
    Force,
}

/// The contents of [`Frame::Start`].
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Start {
    /// The caller's own key of the context.
    #[n(0)]
    pub origin: Key,
    /// Who calls.
    #[n(1)]
    pub caller: ActorId,
    /// Which endpoint.
    #[n(2)]
    pub endpoint: String,
    /// The payload schema the caller expects; 0 = unchecked.
    #[n(3)]
    pub schema: u64,
    /// Nanoseconds the callee has left.
    #[n(4)]
    pub deadline: Option<u64>,
    /// What the callee may send at first.
    #[n(5)]
    pub window: Window,
    /// The arguments.
    #[cbor(n(6), with = "crate::codec::bytes")]
    pub args: Bytes,
}

impl Start {
    /// What a call counts that waits: for its actor to accept it, and then for the actor's code.
    pub fn cost(&self) -> usize {
        self.args.len() + size_of::<Self>()
    }
}

/// The two lanes of a link. Whatever is in the control lane is handled before any data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Never waits behind data, never refused for lack of room.
    Control,
    /// FIFO per context: messages, the end of a stream, a return, and the ack that follows it.
    Data,
}

impl Frame {
    /// Which lane the frame travels in (semantics 2: errors and cancels overtake data; a `Return` does
    /// not, or the messages before it would be lost).
    pub fn lane(&self) -> Lane {
        match self {
            Self::Yield { .. } | Self::Stop | Self::Return(_) | Self::CancelAck => Lane::Data,
            _ => Lane::Control,
        }
    }

    /// Bytes this frame holds beyond its own fixed size: what an inbox counts.
    pub fn payload_len(&self) -> usize {
        match self {
            Self::Start(start) => start.args.len(),
            Self::Started(value) | Self::Return(value) => value.len(),
            Self::Yield { batch, .. } => batch.len(),
            _ => 0,
        }
    }

    /// The frame's name, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Start(_) => "Start",
            Self::StartAck { .. } => "StartAck",
            Self::Started(_) => "Started",
            Self::Yield { .. } => "Yield",
            Self::Stop => "Stop",
            Self::Credit { .. } => "Credit",
            Self::Flow { .. } => "Flow",
            Self::Cancel { .. } => "Cancel",
            Self::CancelAck => "CancelAck",
            Self::Return(_) => "Return",
            Self::Error(_) => "Error",
            Self::CancelActor(_) => "CancelActor",
            Self::Force => "Force",
            Self::ChildUp(_) => "ChildUp",
            Self::ChildEnded { .. } => "ChildEnded",
        }
    }
}
