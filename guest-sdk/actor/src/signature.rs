//! An endpoint by name and types, written down once for both ends.
//!
//! A name alone, as in [`Portal::call`], leaves it to each value whether it fits. With a [`Signature`] the
//! compiler knows the types, and the callee's host compares the schemas before anything runs.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::OnceLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{ContextPayloads, EndpointSchema, Payloads, Spec};

use crate::codec;
use crate::context::Context;
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::nursery::{Nursery, Once, Running};
use crate::portal::{ContextBuilder, Portal};
use crate::schema::{Schema, Shape};

/// What both ends of an endpoint agree on: its name, its arguments `A` (nothing for none, the value itself
/// for one, a tuple for several), its result `R`, and for an endpoint with a context that context's type,
/// as the callee writes it.
///
/// ```
/// use steading_actor::{Context, Signature};
///
/// static ADD: Signature<(i64, i64), i64> = Signature::new("add");
/// static SCAN: Signature<String, u64, Context<(u64, String), ()>> = Signature::new("scan");
///
/// assert_eq!(ADD.to_string(), "add: (int,int) -> int");
/// assert_eq!(SCAN.to_string(), "scan: text -> int; started unit; sends (int,text); receives unit");
/// ```
///
/// Make it a `static`, not a `const`: its schema is found out when it is used for the first time, and kept.
/// If the callee has another schema, opening fails with `PayloadMismatch` before anything of it runs, and
/// leaves no state at either end (semantics 2). A callee one of whose types has no schema is not checked
/// at that point, but every value is, where it is received.
///
/// For the endpoints of an `#[actor]` its own code finds them ready-made: `Scanner::SCAN` for `Scanner::scan`.
pub struct Signature<A, R, C = ()> {
    name: &'static str,
    describe: fn() -> EndpointSchema,
    schema: OnceLock<EndpointSchema>,
    types: PhantomData<fn(A) -> (R, C)>,
}

impl<A, R, C> Signature<A, R, C> {
    /// Of the endpoint of this name.
    pub const fn new(name: &'static str) -> Self
    where
        A: Schema,
        R: Schema,
        C: Phase,
    {
        Self::described(name, describe::<A, R, C>)
    }

    /// For the code of `#[actor]`, whose types need not have a schema.
    #[doc(hidden)]
    pub const fn described(name: &'static str, describe: fn() -> EndpointSchema) -> Self {
        Self {
            name,
            describe,
            schema: OnceLock::new(),
            types: PhantomData,
        }
    }

    /// The endpoint's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What its payloads look like.
    pub fn schema(&self) -> &EndpointSchema {
        self.schema.get_or_init(self.describe)
    }

    /// A context still to be opened, with options; from there on, the types are the caller's word.
    pub fn context(&self, portal: &Portal) -> ContextBuilder {
        portal.context(self.name).schema(self.schema().hash())
    }
}

fn describe<A: Schema, R: Schema, C: Phase>() -> EndpointSchema {
    EndpointSchema::new(Payloads {
        args: Shape::of::<A>(),
        returns: Shape::of::<R>(),
        context: C::payloads(),
    })
}

impl<A, R> Signature<A, R> {
    /// Calls it, as [`Portal::call`].
    ///
    /// # Errors
    /// `PayloadMismatch` if the callee's types differ; else as there.
    pub fn call(&self, portal: &Portal, args: &A) -> impl Future<Output = Result<R>> + use<A, R>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        self.context(portal).args(args).call()
    }

    /// Starts a child actor for this one call, as [`Nursery::run_in_actor`]; one whose types differ fails it.
    pub fn run_in_actor(&self, nursery: &Nursery, spec: Spec, args: &A) -> Running<R>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        nursery.run(Once {
            spec,
            endpoint: self.name.to_owned(),
            schema: self.schema().hash(),
            args: codec::encode(args),
        })
    }

    /// An endpoint of a native actor that has this signature.
    pub fn endpoint<F, Fut>(&self, function: F) -> Endpoint
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R>> + Send + 'static,
    {
        Endpoint::plain(self.name, function).schema(self.schema().clone())
    }
}

impl<A, R, S, Rx, St> Signature<A, R, Context<S, Rx, St>> {
    /// Opens a context to it, as [`Portal::open_context`]: this side sends what the callee receives.
    ///
    /// # Errors
    /// `PayloadMismatch` if the callee's types differ; else as there.
    pub fn open_context<T, F>(
        &self,
        portal: &Portal,
        args: &A,
        body: F,
    ) -> impl Future<Output = Result<T>> + use<A, R, S, Rx, St, T, F>
    where
        A: Serialize,
        St: DeserializeOwned,
        F: AsyncFnOnce(Context<Rx, S, St>, St) -> Result<T>,
    {
        self.context(portal).args(args).open(body)
    }

    /// An endpoint of a native actor that has this signature.
    pub fn endpoint<F, Fut>(&self, function: F) -> Endpoint
    where
        S: 'static,
        Rx: 'static,
        St: 'static,
        A: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Context<S, Rx, St>, A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R>> + Send + 'static,
    {
        Endpoint::context(self.name, function).schema(self.schema().clone())
    }
}

impl<A, R, C> fmt::Display for Signature<A, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.schema())
    }
}

impl<A, R, C> fmt::Debug for Signature<A, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signature of {}", self.name)
    }
}

/// A [`Signature`] that is kept elsewhere: what `#[actor]` puts beside each endpoint, as a constant.
pub struct SignatureRef<A: 'static, R: 'static, C: 'static = ()>(fn() -> &'static Signature<A, R, C>);

impl<A, R, C> SignatureRef<A, R, C> {
    /// Of where it is kept.
    pub const fn new(kept: fn() -> &'static Signature<A, R, C>) -> Self {
        Self(kept)
    }
}

impl<A, R, C> Deref for SignatureRef<A, R, C> {
    type Target = Signature<A, R, C>;

    fn deref(&self) -> &Self::Target {
        (self.0)()
    }
}

impl<A, R, C> fmt::Debug for SignatureRef<A, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// What an endpoint has between start and result: a [`Context`], or `()` for nothing. Nobody else's to
/// implement.
pub trait Phase: sealed::Sealed {
    #[doc(hidden)]
    fn payloads() -> Option<ContextPayloads>;
}

impl Phase for () {
    fn payloads() -> Option<ContextPayloads> {
        None
    }
}

impl<S: Schema, R: Schema, St: Schema> Phase for Context<S, R, St> {
    fn payloads() -> Option<ContextPayloads> {
        Some(ContextPayloads {
            started: Shape::of::<St>(),
            sends: Shape::of::<S>(),
            receives: Shape::of::<R>(),
        })
    }
}

mod sealed {
    use super::Context;

    pub trait Sealed {}

    impl Sealed for () {}

    impl<S, R, St> Sealed for Context<S, R, St> {}
}
