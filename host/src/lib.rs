//! Hosts WebAssembly components as actors with structured concurrency.
//!
//! ```no_run
//! # async fn demo() -> steading::Result<()> {
//! let host = steading::Host::builder().build()?;
//! let hello = host.load("hello.wasm")?;
//! let greeting: String = host
//!     .root(async |nursery| {
//!         let actor = nursery.start_actor(hello.spec("hello")).await?;
//!         let greeting = actor.call("greet", &"world").await?;
//!         actor.cancel_actor("done").await?;
//!         Ok(greeting)
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! [`Host`] is where to begin; [`Portal`], [`Context`], [`Stream`] and [`Nursery`] are the same types
//! that guests use. What happens when is specified by the semantics, section by section; each public
//! item names its own.

mod backend;
mod builder;
mod capability;
mod capacity;
mod clock;
pub mod config;
pub mod limits;
mod machine;
mod runtime;

pub use builder::{Allocation, CacheReport, Code, Host, HostBuilder, LoadError, NativeActor, Report, compile_child};
pub use capability::{Capability, Want};
pub use limits::{Amount, Limit};
#[doc(hidden)]
pub use runtime::faults::{Fault, FaultPlan};
pub use runtime::{ActorStatus, BudgetStatus, ContextStatus, Snapshot, TaskStatus, Totals, Tree, Use, Wait};
/// The trait is in [`schema`]; so is what to write when a schema cannot be derived.
pub use steading_actor::schema::Schema;
pub use steading_actor::{
    AbsorbedExt, ActorId, Backoff, BoxedError, BroadcastStatistics, Budget, CancelScope, Cancellation, Capture,
    Captured, Cause, Clock, Context, ContextBuilder, ContextPayloads, Description, Directory, Either, End, Endpoint,
    EndpointInfo, EndpointKind, EndpointSchema, Entry, Error, ErrorKind, ErrorReport, FailureMatch, Grant, Intensity,
    JoinHandle, Lease, Level, Nursery, OnLag, Outcome, Parameter, Payloads, Policy, Portal, Ready, Restart,
    RestartWhen, Result, Rung, Running, Side, Signature, Spec, State, Stdio, Strategy, Stream, StreamOptions,
    Subscription, Supervisor, TaskGroup, TrySend, Window, cancel_self, cancelled, checkpoint, cluster, current,
    fail_after, gather, gather_calls, gather_contexts, granted, move_on_after, nursery, on_exit, race, schema, scope,
    shared, shield, sleep, sleep_until, timeout, try_current,
};
/// Writes the trait of the same name for a type.
pub use steading_macros::SchemaOfHost as Schema;

/// The embedding example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
