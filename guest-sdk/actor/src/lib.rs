//! Contexts, streams, nurseries and cancel scopes as an actor author uses them.
//!
//! One library for both kinds of actor: guests run it over WIT imports, native actors over their core,
//! and it cannot tell which, because all it knows is a [`Boundary`](steading_types::Boundary). It never
//! blocks, never spawns, and knows neither tokio nor wasm; whoever drives it delivers events to
//! [`Actor`] and polls the futures. Start reading at `runtime.rs` (what an actor remembers), then
//! `link.rs` (one side of a context), `block.rs` (how a caller's block ends) and `scope.rs` (cancelling).

mod block;
mod broadcast;
mod children;
mod cluster;
mod codec;
mod context;
mod endpoint;
mod entry;
mod error;
mod exit;
mod gather;
mod granted;
mod link;
mod nursery;
mod policy;
mod portal;
mod queue;
mod race;
mod report;
mod resource;
mod runtime;
pub mod schema;
mod scope;
mod sending;
mod shared;
mod signature;
mod state;
mod stream;
mod supervisor;
mod tasks;
mod timer;
mod verdict;
mod waiters;

pub use broadcast::{BroadcastStatistics, OnLag, Subscription};
pub use children::End;
pub use cluster::cluster;
pub use codec::{decode, encode};
pub use context::{Context, Side};
pub use endpoint::{Endpoint, Invocation, plain, with_context};
pub use entry::Entry;
pub use error::{AbsorbedExt, Error, Result};
pub use exit::on_exit;
pub use gather::{gather, gather_calls, gather_contexts};
pub use granted::granted;
pub use nursery::{Nursery, Running, nursery};
pub use policy::StreamOptions;
pub use portal::{ContextBuilder, Portal};
pub use race::{Either, race};
pub use report::ErrorReport;
pub use runtime::Actor;
pub use schema::Schema;
pub use scope::{CancelScope, Current, cancel_self, cancelled, checkpoint, current, shield, try_current};
pub use shared::{Lease, shared};
pub use signature::{Phase, Signature, SignatureRef};
pub use state::State;
pub use steading_macros::SchemaOfActor as Schema;
pub use steading_types::{
    ActorId, Backoff, BoxedError, Budget, Cancellation, Cause, Clock, ContextPayloads, Description, Directory,
    EndpointInfo, EndpointKind, EndpointSchema, ErrorKind, FailureMatch, Grant, Intensity, Level, Outcome, Parameter,
    Payloads, Policy, Restart, RestartWhen, Rung, Spec, Stdio, Strategy, Window,
};
#[cfg(not(target_family = "wasm"))]
pub use steading_types::{Capture, Captured};
pub use stream::{Stream, TrySend};
pub use supervisor::Supervisor;
pub use tasks::{JoinHandle, Ready, TaskGroup, TaskSend, scope};
pub use timer::{fail_after, move_on_after, sleep, sleep_until, timeout};

/// Locks what cannot be left half-changed: a panic of a user's serialiser must not take the actor along.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
