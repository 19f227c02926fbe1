//! Faults on purpose: for tests that sweep every point at which an actor can come to grief.
//!
//! A point is a frame that is about to be handled. A host with a plan hands each actor one frame at a time and
//! gives it no other in the middle of a turn, so that points can be counted; one without, which is every host
//! but those of such tests, pays one look at an `Option` for each round of a driver.

use std::fmt;

use steading_types::ActorId;

/// What is done to an actor.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is ended by force, without being asked.
    Kill,
    /// It is asked to end, by an actor of this name that is none of the tree.
    Cancel(String),
    /// Whatever of it waits for a time has that time now: a deadline passes.
    Expire,
    /// Its code is given a call of this endpoint that nobody made: one that traps, or panics.
    Call(String),
    /// The host itself panics while it changes what it knows of the actor.
    Panic,
}

/// Decides what happens, and where.
pub trait FaultPlan: fmt::Debug + Send + Sync {
    /// An actor is about to handle a frame of this kind. Called between turns, from its driver.
    fn before(&self, actor: &ActorId, frame: &'static str) -> Option<Fault>;

    /// Whether the host itself panics at this point of an actor's life: an operation that its guest imports
    /// (`context.open`), or `instantiate`, `turn`, `drop` of its store, `bury` after another fault.
    fn panics(&self, _actor: &ActorId, _point: &'static str) -> bool {
        false
    }
}
