//! Write steading actors in Rust for `wasm32-wasip2`.
//!
//! ```ignore
//! use steading_guest::prelude::*;
//!
//! struct Hello;
//!
//! #[steading_guest::actor]
//! impl Hello {
//!     /// Greets somebody.
//!     async fn greet(name: String) -> String {
//!         format!("hello, {name}")
//!     }
//! }
//! ```
//! The attribute makes every function of the block an endpoint and exports the component; nothing else
//! is needed. What actors say to each other is in `steading-actor` and re-exported here; this crate adds
//! the wasm side: bindings, the executor that runs tasks within turns, and logging.

// The generated code names this crate by its name, wherever it is expanded.
extern crate self as steading_guest;

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, rust_2018_idioms)]
#[doc(hidden)]
pub mod bindings;
mod boundary;
mod convert;
mod errors;
mod executor;
mod logging;
mod supervision;

pub use futures_util::future::{join_all, try_join_all};
pub use futures_util::{join, try_join};
pub use log;
pub use steading_actor::*;
pub use steading_macros::{SchemaOfGuest as Schema, actor};

/// All that most actors need.
pub mod prelude {
    pub use std::time::Duration;

    pub use log::{debug, error, info, trace, warn};

    pub use crate::{
        AbsorbedExt, Budget, Clock, Context, Directory, Either, Entry, Error, Grant, Lease, Nursery, Policy, Portal,
        Restart, Result, Schema, Signature, Spec, Stdio, Stream, StreamOptions, Supervisor, cancel_self, cancelled,
        checkpoint, cluster, current, fail_after, gather, gather_calls, gather_contexts, granted, join, join_all,
        move_on_after, nursery, on_exit, race, scope, select, shared, shield, sleep, timeout, try_join, try_join_all,
    };
}

/// For the code the `actor` attribute writes. Not for anybody else, and without promises.
#[doc(hidden)]
pub mod __private {
    pub use steading_actor::schema::{Known, Probe, Unknown, endpoint_schema};
    pub use steading_actor::{Invocation, Signature, SignatureRef, plain, with_context};
    pub use steading_types::{Description, EndpointInfo, EndpointKind, Parameter};
    pub use wit_bindgen;

    pub use crate::bindings;
    pub use crate::bindings::__export_actor as export;
    pub use crate::convert::description;
    pub use crate::errors::*;
    pub use crate::executor::{Endpoints, turn, turn_on_data, unknown};

    /// Name and version of this SDK.
    pub const SDK: &str = concat!("steading-guest ", env!("CARGO_PKG_VERSION"));
}
