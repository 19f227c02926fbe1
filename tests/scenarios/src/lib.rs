//! Conformance scenarios, written once: the same code is the body of a native root, of a native actor
//! and of the guest `conformance`, so that no pairing has semantics of its own.
//!
//! A [`Case`] is one row of the conformance list with one combination of its parameters; [`Case::run`]
//! is the caller's side of it, the functions in `callee` are the other. A scenario says what it missed
//! by an error; who runs it has nothing to check but the result.

mod broadcast;
pub mod callee;
mod cancelling;
mod closing;
mod contexts;
mod failing;
mod gathering;
mod keeping;
mod leaving;
mod matrix;
mod neighbours;
mod notes;
mod payloads;
mod publishing;
mod sharing;
mod spawning;
mod streaming;
mod supervising;
mod tasks;
mod two_way;
pub mod typed;

pub use broadcast::Broadcast;
pub use closing::Closing;
pub use failing::{Deeds, Failing, Mix};
pub use gathering::{Cleanup, Gathering};
pub use leaving::Leaving;
pub use matrix::{When, Who};
pub use neighbours::ActorEnd;
pub use payloads::Expects;
pub use publishing::Raise;
pub use sharing::Sharing;
use std::pin::Pin;
pub use supervising::Supervising;

use serde::{Deserialize, Serialize};
use steading_actor::{Error, Nursery, Portal, Result, Spec};
pub use tasks::{Starter, Starting};

/// The name by which the host knows the guest with the endpoints of [`callee`].
pub const GUEST: &str = "conformance-guest";
/// The name by which it knows the native actor with the same functions.
pub const NATIVE: &str = "conformance-native";

/// The caller's side of a scenario. Of no type of its own: there are many, and they nest deeply.
#[cfg(not(target_arch = "wasm32"))]
pub type Scenario<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
/// The caller's side of a scenario, in a guest, which has but one thread.
#[cfg(target_arch = "wasm32")]
pub type Scenario<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

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

/// Who sends more than the other takes, and under which policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotOpened {
    /// The caller, to a callee that never opens its stream.
    ByCallee,
    /// The callee, to a caller that never opens its stream.
    ByCaller,
    /// The caller, to a callee that does not wait.
    CallerOverruns,
    /// The callee, to a caller that does not wait.
    CalleeOverruns,
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
    /// CTX-4.
    ChildExits {
        /// Whether the caller sends before it looks.
        sends_first: bool,
    },
    /// CTX-6.
    CancelFromAnotherTask,
    /// CTX-7.
    ChildCancelsBeforeStarted,
    /// CTX-8.
    OneEndNotOpened(NotOpened),
    /// IPC-1.
    ErrorBeforeStarted,
    /// STR-1.
    DynamicPubSub(Raise),
    /// STR-3.
    BothStreamTypes(Raise),
    /// BRD.
    Broadcast(Broadcast),
    /// TSK.
    Tasks(Starting, Starter),
    /// TRI and CLU.
    Gathering(Gathering),
    /// MOC.
    Sharing(Sharing),
    /// MSG-1.
    CustomTypes,
    /// MSG-3.
    Expecting(Expects),
    /// MSG-4, where the receiver finds the fault.
    Received {
        /// Whether the first value is of the type that the caller expects.
        first_is_good: bool,
        /// Whether the result is.
        last_is_good: bool,
    },
    /// MSG-4, where the sender finds it: by the numbers of faults, 0 for none.
    Sent {
        /// That of the first value.
        first: u8,
        /// That of the result.
        last: u8,
    },
    /// A message of another type on the stream.
    BadMessage {
        /// Who sends it.
        by_caller: bool,
    },
    /// ERR-7 and following.
    Relayed(callee::Failure),
    /// A cell of the matrix of semantics 6.
    Cell {
        /// Its row.
        who: Who,
        /// Its column.
        when: When,
        /// What is seen.
        expected: String,
    },
    /// Several contexts with one actor, which ends.
    ActorEnds(ActorEnd),
    /// A cancellation that bubbles through an enclosing block.
    Bubbling,
    /// Exit hooks.
    Leaving(Leaving),
    /// Children that start again (semantics 10).
    Supervising(Supervising),
    /// CAN-1, CAN-2, CAN-3, CAN-6: children that fail.
    Failing(Failing),
    /// CAN-8, CAN-9, CAN-11, SPN-1, SPN-4, MPR-4: how nurseries end, and what children are given.
    Closing(Closing),
}

impl Case {
    /// The caller's side. `component` is what the host knows an actor with the endpoints of [`callee`] by.
    ///
    /// # Errors
    /// What the scenario missed.
    pub fn run<'a>(&'a self, nursery: &'a Nursery, component: &'a str) -> Scenario<'a> {
        let spec = Spec::component(component, "callee");
        match self {
            Self::SelfContext => Box::pin(contexts::self_context()),
            Self::MovieTheatre => Box::pin(spawning::movie_theatre(nursery, spec)),
            Self::BeautifulWord(value) => Box::pin(spawning::beautiful_word(spec, value.clone())),
            Self::CancelSingle => Box::pin(cancelling::cancel_single(nursery, spec)),
            Self::InfiniteStreamer => Box::pin(cancelling::infinite_streamer(nursery, spec)),
            Self::DynamicPubSub(raise) => Box::pin(publishing::dynamic_pub_sub(component, *raise)),
            Self::BothStreamTypes(raise) => Box::pin(publishing::both_stream_types(component, *raise)),
            Self::Tasks(row, starter) => Box::pin(row.run(*starter)),
            Self::Cell { who, when, expected } => Box::pin(matrix::run(component, *who, *when, expected)),
            Self::ActorEnds(end) => Box::pin(neighbours::every_context_of_an_actor(component, *end)),
            Self::Bubbling => Box::pin(neighbours::bubbling(component)),
            Self::Leaving(way) => Box::pin(leaving::run(component, *way)),
            Self::Supervising(row) => Box::pin(row.run(component)),
            Self::Failing(row) => Box::pin(row.run(component)),
            Self::Closing(row) => Box::pin(row.run(nursery, component)),
            _ => Box::pin(async move {
                let portal = nursery.start_actor(spec).await?;
                let end = self.against(&portal, component).await;
                nursery.cancel("the scenario is over");
                end
            }),
        }
    }

    /// Cases with one callee.
    fn against<'a>(&'a self, portal: To<'a>, component: &'a str) -> Scenario<'a> {
        match self {
            Self::TwoWay { server, client } => Box::pin(two_way::run(portal, *server, *client)),
            Self::StartedMisuse(misuse) => Box::pin(contexts::started_misuse(portal, *misuse)),
            Self::ParentCancels { by, inside, early } => {
                Box::pin(contexts::parent_cancels(portal, *by, *inside, *early))
            }
            Self::ChildExits { sends_first } => Box::pin(streaming::child_exits(portal, *sends_first)),
            Self::CancelFromAnotherTask => Box::pin(cancelling::cancel_from_another_task(portal)),
            Self::ChildCancelsBeforeStarted => Box::pin(cancelling::child_cancels_before_started(portal)),
            Self::OneEndNotOpened(NotOpened::ByCallee) => Box::pin(streaming::callee_never_opens(portal)),
            Self::OneEndNotOpened(NotOpened::ByCaller) => Box::pin(streaming::caller_never_opens(portal)),
            Self::OneEndNotOpened(NotOpened::CallerOverruns) => Box::pin(streaming::caller_overruns(portal)),
            Self::OneEndNotOpened(NotOpened::CalleeOverruns) => Box::pin(streaming::callee_overruns(portal)),
            Self::ErrorBeforeStarted => Box::pin(cancelling::error_before_started(portal, component)),
            Self::Broadcast(row) => Box::pin(row.run(portal)),
            Self::Gathering(row) => Box::pin(row.run(portal, component)),
            Self::Sharing(row) => Box::pin(row.run(portal)),
            Self::CustomTypes => Box::pin(payloads::custom_types(portal)),
            Self::Expecting(expects) => Box::pin(payloads::expecting(portal, *expects)),
            Self::Received {
                first_is_good,
                last_is_good,
            } => Box::pin(payloads::received(portal, *first_is_good, *last_is_good)),
            Self::Sent { first, last } => Box::pin(payloads::sent(portal, *first, *last)),
            Self::BadMessage { by_caller } => Box::pin(payloads::bad_message(portal, *by_caller)),
            Self::Relayed(failure) => Box::pin(payloads::relayed(portal, *failure)),
            other => Box::pin(async move { Err(Error::msg(format_args!("{other:?} is not about one callee"))) }),
        }
    }
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
