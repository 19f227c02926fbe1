//! Conformance scenarios, written once: the same code is the body of a native root, of a native actor
//! and of the guest `conformance`, so that no pairing has semantics of its own.
//!
//! A [`Case`] is one row of the conformance list with one combination of its parameters; [`Case::run`]
//! is the caller's side of it, the functions in `callee` are the other. A scenario says what it missed
//! by an error; who runs it has nothing to check but the result.

pub mod callee;
mod cancelling;
mod contexts;
mod spawning;
mod two_way;
pub mod typed;

use serde::{Deserialize, Serialize};
use steading_actor::{Error, Nursery, Portal, Result, Spec};

/// How a peer takes messages off its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taking {
    /// One `next` after the other.
    Next,
    /// As an iteration over the stream of messages.
    Iteration,
}

/// Which part of the interface a callee misuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Misuse {
    /// `started` twice.
    StartedTwice,
    /// The stream is opened before `started`.
    StreamBeforeStarted,
    /// The task returns and never called `started`.
    NeverStarted,
}

/// What a caller cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelBy {
    /// The task, by the handle of the context.
    Context,
    /// The actor, by its portal.
    Portal,
}

/// One row with one combination of its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Case {
    /// 2W-1.
    TwoWay {
        /// How the callee receives.
        server: Taking,
        /// How the caller receives.
        client: Taking,
    },
    /// CTX-1.
    StartedMisuse(Misuse),
    /// CTX-3.
    ParentCancels {
        /// By which handle.
        by: CancelBy,
        /// Whether the result is asked for inside the block, or after it.
        inside: bool,
        /// Whether the callee has returned before the cancel.
        early: bool,
    },
    /// CTX-10.
    SelfContext,
    /// SPN-2.
    MovieTheatre,
    /// SPN-3.
    BeautifulWord(Option<String>),
    /// CAN-4, by the nursery.
    CancelSingle,
    /// CAN-5.
    InfiniteStreamer,
}

impl Case {
    /// The caller's side. `spec` starts an actor with the endpoints of [`callee`].
    ///
    /// # Errors
    /// What the scenario missed.
    pub async fn run(&self, nursery: &Nursery, spec: Spec) -> Result<()> {
        match self {
            Self::TwoWay { server, client } => {
                let portal = nursery.start_actor(spec).await?;
                ended(nursery, two_way::run(&portal, *server, *client).await)
            }
            Self::StartedMisuse(misuse) => {
                let portal = nursery.start_actor(spec).await?;
                ended(nursery, contexts::started_misuse(&portal, *misuse).await)
            }
            Self::ParentCancels { by, inside, early } => {
                let portal = nursery.start_actor(spec).await?;
                ended(nursery, contexts::parent_cancels(&portal, *by, *inside, *early).await)
            }
            Self::SelfContext => contexts::self_context().await,
            Self::MovieTheatre => spawning::movie_theatre(nursery, spec).await,
            Self::BeautifulWord(value) => spawning::beautiful_word(spec, value.clone()).await,
            Self::CancelSingle => cancelling::cancel_single(nursery, spec).await,
            Self::InfiniteStreamer => cancelling::infinite_streamer(nursery, spec).await,
        }
    }
}

/// The scenario is over: its actor may go.
fn ended(nursery: &Nursery, result: Result<()>) -> Result<()> {
    nursery.cancel("the scenario is over");
    result
}

/// Fails the scenario unless `held`.
///
/// # Errors
/// Saying what was expected.
pub fn ensure(held: bool, expected: impl std::fmt::Display) -> Result<()> {
    if held {
        Ok(())
    } else {
        Err(Error::msg(format_args!("not as expected: {expected}")))
    }
}

/// Fails the scenario unless the two are equal.
///
/// # Errors
/// Saying what was expected, and what came.
pub fn ensure_eq<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Result<()> {
    ensure(got == expected, format_args!("{what} is {expected:?}, got {got:?}"))
}

/// The failure of something that must fail.
///
/// # Errors
/// When it did not.
pub fn failure<T: std::fmt::Debug>(what: &str, result: Result<T>) -> Result<Error> {
    match result {
        Ok(value) => Err(Error::msg(format_args!("{what} was to fail and gave {value:?}"))),
        Err(error) => Ok(error),
    }
}

/// A portal's owner, as it names itself in a cancellation.
fn me() -> steading_actor::ActorId {
    steading_actor::current().id().clone()
}

/// Kept short where scenarios pass portals on.
pub(crate) type To<'a> = &'a Portal;
