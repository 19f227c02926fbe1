//! The handle for calling into another actor.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{ActorId, OpenOptions, PortalKey, Rung, Window};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::runtime::Actor;
use crate::{block, codec, nursery, scope};

/// A way to an actor. A handle: clones lead to the same actor.
#[derive(Clone)]
pub struct Portal {
    actor: Actor,
    key: PortalKey,
    id: ActorId,
}

impl fmt::Debug for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "portal to {}", self.id)
    }
}

impl Portal {
    pub(crate) fn new(actor: Actor, key: PortalKey, id: ActorId) -> Self {
        Self { actor, key, id }
    }

    /// Who it leads to.
    pub fn id(&self) -> &ActorId {
        &self.id
    }

    /// The key by which the host knows it.
    pub fn key(&self) -> PortalKey {
        self.key
    }

    /// Calls an endpoint and waits for its result. A cancel of the current scope cancels the callee and
    /// waits for it, for a bounded time. Whether the types fit is seen value by value; to have that checked
    /// before anything runs, call by a [`Signature`](crate::Signature).
    ///
    /// # Errors
    /// How the callee failed or was cancelled; the cancellation of the current scope.
    pub fn call<R, A>(&self, endpoint: &str, args: &A) -> impl Future<Output = Result<R>> + use<R, A>
    where
        R: DeserializeOwned,
        A: Serialize + ?Sized,
    {
        self.context(endpoint).args(args).call_typed()
    }

    /// Opens a context for the duration of `body`, which is given the handle and the first value. See
    /// [`context`](Self::context) for the options.
    ///
    /// # Errors
    /// Exactly one, by the precedence of semantics 5: the body's own, else the remote one, else a
    /// cancellation. If our own cancel took the place of a value, it [`is_absorbed`](Error::is_absorbed).
    pub fn open_context<S, R, St, T, A, F>(
        &self,
        endpoint: &str,
        args: &A,
        body: F,
    ) -> impl Future<Output = Result<T>> + use<S, R, St, T, A, F>
    where
        A: Serialize + ?Sized,
        St: DeserializeOwned,
        F: AsyncFnOnce(Context<S, R, St>, St) -> Result<T>,
    {
        self.context(endpoint).args(args).open(body)
    }

    /// A context still to be opened, with options.
    pub fn context(&self, endpoint: &str) -> ContextBuilder {
        ContextBuilder {
            portal: self.clone(),
            args: Ok(codec::UNIT.to_vec()),
            options: OpenOptions {
                target: self.key,
                endpoint: endpoint.to_owned(),
                schema: 0,
                deadline: None,
                start_timeout: None,
                parent: None,
                window: Window::DEFAULT,
            },
        }
    }

    /// Asks the whole actor, a child of this one, to end, and waits until it is dead and reaped. Answers
    /// which rung of the host's ladder it took. An empty `reason` is none.
    ///
    /// # Errors
    /// When the actor is not a child of this one; the cancellation of the current scope.
    pub async fn cancel_actor(&self, reason: &str) -> Result<Rung> {
        nursery::cancel_child(&self.actor, self.key, reason).await
    }
}

/// A context still to be opened.
#[must_use = "a context is opened by `open`"]
pub struct ContextBuilder {
    portal: Portal,
    args: Result<Vec<u8>>,
    options: OpenOptions,
}

impl ContextBuilder {
    /// The arguments: nothing for none, the value itself for one, a tuple for several.
    pub fn args<A: Serialize + ?Sized>(mut self, args: &A) -> Self {
        self.args = codec::encode(args);
        self
    }

    /// What the callee's payloads must look like; 0 = unchecked.
    pub(crate) fn schema(mut self, hash: u64) -> Self {
        self.options.schema = hash;
        self
    }

    pub(crate) fn encoded(mut self, args: Vec<u8>) -> Self {
        self.args = Ok(args);
        self
    }

    /// Cancels the callee, with cause `Deadline`, if it takes longer than this.
    pub fn deadline(mut self, after: Duration) -> Self {
        self.options.deadline = Some(nanoseconds(after));
        self
    }

    /// How long the callee may take to accept; the host has a default.
    pub fn start_timeout(mut self, after: Duration) -> Self {
        self.options.start_timeout = Some(nanoseconds(after));
        self
    }

    /// How much may be on its way to this side before it is taken.
    pub fn window(mut self, window: Window) -> Self {
        self.options.window = window;
        self
    }

    /// Opens the context for the duration of `body`.
    ///
    /// # Errors
    /// As [`Portal::open_context`].
    pub async fn open<S, R, St, T, F>(self, body: F) -> Result<T>
    where
        St: DeserializeOwned,
        F: AsyncFnOnce(Context<S, R, St>, St) -> Result<T>,
    {
        block::run(self.link()?, body).await
    }

    pub(crate) fn call_typed<R: DeserializeOwned>(self) -> impl Future<Output = Result<R>> + use<R> {
        let call = self.call();
        async move { codec::decode(&call.await?).map_err(|e| e.about("result")) }
    }

    pub(crate) async fn call(self) -> Result<bytes::Bytes> {
        block::call(self.link()?).await
    }

    fn link(self) -> Result<std::sync::Arc<crate::link::Link>> {
        scope::check()?;
        let Self {
            portal,
            args,
            mut options,
        } = self;
        let args = args?;
        codec::fits(args.len(), || format!("what `{}` is called with", options.endpoint))?;
        options.parent = scope::try_current_node().and_then(|node| node.context_of(&portal.actor));
        portal.actor.open(options, args, portal.id)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What a portal to an actor that is not a child cannot do.
pub(crate) fn not_a_child() -> Error {
    Error::invalid("cancel_actor: not a child of this actor")
}
