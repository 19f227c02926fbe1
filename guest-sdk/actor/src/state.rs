//! How a context stands, in one word and in one line (semantics 4).

use std::fmt;

use steading_types::{Cancellation, ErrorKind, Outcome};

use crate::context::Side;
use crate::link::{Half, Link, LinkState};

/// How a context stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The caller has heard nothing of the callee yet. No handle is given out by then.
    Opening,
    /// The callee runs and has not called `started`.
    Syncing,
    /// `started` was called.
    Started,
    /// This side's stream is open.
    Streaming,
    /// This side has left its stream.
    StreamFinished,
    /// The callee has returned.
    Returned,
    /// This side asked for the cancel, and it happened.
    SelfCancelled,
    /// The peer cancelled itself.
    PeerCancelled,
    /// The callee's actor was cancelled, or somebody else cancelled the task.
    ActorCancelled,
    /// The callee has failed, or the way to it was lost.
    Failed,
}

impl State {
    /// Its name, as semantics 4 spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Syncing => "syncing",
            Self::Started => "started",
            Self::Streaming => "streaming",
            Self::StreamFinished => "stream-finished",
            Self::Returned => "returned",
            Self::SelfCancelled => "self-cancelled",
            Self::PeerCancelled => "peer-cancelled",
            Self::ActorCancelled => "actor-cancelled",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn of(link: &Link, state: &LinkState) -> Self {
        match &state.outcome {
            None => running(link, state),
            Some(Outcome::Returned(_)) => Self::Returned,
            Some(Outcome::Cancelled(cancellation)) => cancelled(link, state, cancellation),
            Some(Outcome::Failed(error)) => match &error.kind {
                ErrorKind::Cancelled(cancellation) => cancelled(link, state, cancellation),
                _ => Self::Failed,
            },
        }
    }
}

fn running(link: &Link, state: &LinkState) -> State {
    match (state.half, &state.started) {
        (Half::Open, _) => State::Streaming,
        (Half::Closed, _) if state.streamed => State::StreamFinished,
        (_, Some(_)) => State::Started,
        (_, None) if link.side == Side::Caller => State::Opening,
        (_, None) => State::Syncing,
    }
}

fn cancelled(link: &Link, state: &LinkState, cancellation: &Cancellation) -> State {
    let mine = cancellation.canceller == *link.actor.me();
    match mine {
        true if link.side == Side::Callee || state.has_asked(link) => State::SelfCancelled,
        false if cancellation.canceller == state.peer => State::PeerCancelled,
        _ => State::ActorCancelled,
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The last part of a type's path, that of its parameters too: `Vec<Hit>` of `alloc::vec::Vec<demo::Hit>`.
pub(crate) fn short_type_name<T>() -> String {
    let mut short = String::new();
    for part in std::any::type_name::<T>().split_inclusive(['<', '>', ',', ' ', '(', ')', '[', ']', ';', '&']) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}
