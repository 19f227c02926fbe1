//! The vocabulary of steading: who, what ended how, and what crosses an actor's boundary.
//!
//! Pure data, shared by the host's core, the native side and the guest SDK, so that none of them has
//! a spelling of its own. This crate never decides anything and never waits. The same nouns as WIT
//! are in `wit/`; the decisions over them are in `steading-proto`.

mod boundary;
mod error;
mod flow;
mod grant;
mod identity;
mod members;
mod schema;
mod spec;
mod stdio;
mod supervision;
mod terminal;
mod wire;

pub use boundary::{
    Boundary, Description, Ending, EndpointInfo, EndpointKind, Event, Level, NO_DEADLINE, OpenOptions, PAYLOAD,
    Parameter, Refusal, Rung, Start, Window, oversized,
};
pub use error::{BoxedError, ErrorKind, Outcome};
pub use flow::{Credit, Flow, Policy, push_message, split_message};
pub use grant::{GRANTED, Grant};
pub use identity::{ActorId, Cancellation, Cause, Key, PortalKey, Uuid};
pub use schema::{ContextPayloads, EndpointSchema, Payloads};
pub use spec::{Budget, Clock, ComponentRef, Counted, Directory, Spec};
pub use stdio::Stdio;
#[cfg(not(target_family = "wasm"))]
pub use stdio::{Capture, Captured};
pub use supervision::{Backoff, FailureMatch, Fate, Intensity, Restart, RestartWhen, Restarted, Strategy, Supervision};
pub use terminal::{drives_terminals, shown, write_shown};
