//! The handle of one side of a context.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{ActorId, Cause, ErrorKind, Outcome};

use crate::error::{Error, Result};
use crate::link::Link;
use crate::runtime::failure;
use crate::scope;
use crate::stream::Stream;
use crate::{block, codec};

/// Which end of a context this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It opened the context.
    Caller,
    /// Its endpoint runs.
    Callee,
}

/// One side of a context. `S` is what this side sends on the stream, `R` what it receives, `St` the
/// type of the first value. A handle: clones are the same context.
pub struct Context<S, R, St = ()> {
    link: Arc<Link>,
    types: PhantomData<fn(S, St) -> R>,
}

impl<S, R, St> Clone for Context<S, R, St> {
    fn clone(&self) -> Self {
        Self::new(self.link.clone())
    }
}

impl<S, R, St> Context<S, R, St> {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            types: PhantomData,
        }
    }

    /// Which end this is.
    pub fn side(&self) -> Side {
        self.link.side
    }

    /// The actor at the other end.
    pub fn peer(&self) -> ActorId {
        self.link.with(|state| state.peer.clone())
    }

    /// The actor at this end.
    pub fn id(&self) -> &ActorId {
        self.link.actor.me()
    }

    /// Has this side asked for the cancel, by [`cancel`](Self::cancel)?
    pub fn cancel_called(&self) -> bool {
        self.link.with(|state| state.cancel_called)
    }

    /// Has our cancel been answered, and the answer named us?
    pub fn cancel_acked(&self) -> bool {
        self.link.with(|state| match &state.outcome {
            Some(Outcome::Cancelled(c)) => state.is_echo(&self.link, c),
            _ => false,
        })
    }

    /// Who cancelled, if the context was cancelled.
    pub fn canceller(&self) -> Option<ActorId> {
        self.remote_error()?.canceller().cloned()
    }

    /// How the peer failed, or was cancelled.
    pub fn remote_error(&self) -> Option<Error> {
        self.link.with(|state| state.outcome.as_ref().and_then(failure))
    }

    /// What went wrong on this side.
    pub fn local_error(&self) -> Option<Error> {
        self.link.with(|state| state.local_error.clone())
    }

    /// The remote error if there is one, else the local.
    pub fn maybe_error(&self) -> Option<Error> {
        self.remote_error().or_else(|| self.local_error())
    }

    /// How the context ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.link.with(|state| state.outcome.clone())
    }

    /// Caller: asks the remote task to end and goes on; the answer comes from the stream, from
    /// [`wait_result`](Self::wait_result) or at the end of the block. Called by another task than the
    /// block's own, it ends the block's body too. Callee: cancels its own task. Idempotent.
    ///
    /// An empty `reason` is none.
    pub async fn cancel(&self, reason: &str) {
        self.link.with(|state| state.cancel_called = true);
        self.link.cancel((!reason.is_empty()).then(|| reason.to_owned()));
        let Some(scope) = self.link.scope() else { return };
        let own = scope::try_current_node().is_some_and(|node| node.is_within(&scope));
        if self.side() == Side::Callee || !own {
            scope.cancel(self.link.actor.cancellation(reason, Cause::Requested));
        }
    }

    /// Opens the stream for the duration of `body`. Leaving it, in whatever way, sends what is buffered
    /// and a stop, and discards what has not been received. A context has one stream.
    ///
    /// # Errors
    /// Those of the body; the remote error, or "cancelled already", if the context is over.
    pub async fn stream<T, F>(&self, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Stream<S, R>) -> Result<T>,
    {
        self.link.open_stream()?;
        let _left = Left(&self.link);
        body(Stream::new(self.link.clone())).await
    }

    /// Callee, once: unblocks the caller with a first value.
    ///
    /// # Errors
    /// When called twice, or by the caller.
    pub async fn started(&self, value: St) -> Result<()>
    where
        St: Serialize,
    {
        scope::check()?;
        self.link.start(codec::encode(&value)?)
    }

    /// Caller: waits for what the endpoint returns. Asking again answers the same.
    ///
    /// # Errors
    /// How the callee failed or was cancelled. Our own cancel comes back as an error that
    /// [`is_absorbed`](Error::is_absorbed).
    pub async fn wait_result<V: DeserializeOwned>(&self) -> Result<V> {
        if self.side() == Side::Callee {
            return Err(Error::invalid("wait_result: only the caller has a result to wait for"));
        }
        block::wait_end(&self.link).await?;
        codec::decode(&block::judge(&self.link)?)
    }

    /// Waits until the context is over, however it ended.
    ///
    /// # Errors
    /// The cancellation of the current scope.
    pub async fn ended(&self) -> Result<Outcome> {
        self.link.wait_in_block(|state| state.outcome.clone().map(Ok)).await
    }

    /// How it stands, in one word (semantics 4).
    pub fn state(&self) -> &'static str {
        self.link.with(|state| match &state.outcome {
            None if self.side() == Side::Caller && state.started.is_none() => "syncing",
            None => "started",
            Some(Outcome::Returned(_)) => "returned",
            Some(Outcome::Failed(e)) if !matches!(e.kind, ErrorKind::Cancelled(_)) => "failed",
            Some(Outcome::Cancelled(c)) if c.canceller == *self.id() => "self-cancelled",
            Some(Outcome::Cancelled(c)) if c.canceller == state.peer => "peer-cancelled",
            Some(_) => "actor-cancelled",
        })
    }
}

impl<S, R, St> fmt::Display for Context<S, R, St> {
    /// Where, what, and how it stands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (me, peer) = (self.id(), self.peer());
        let arrow = match self.side() {
            Side::Caller => "→",
            Side::Callee => "←",
        };
        write!(f, "{me} {arrow} {peer}, {}, {}", self.link.endpoint, self.state())?;
        match self.maybe_error() {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl<S, R, St> fmt::Debug for Context<S, R, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Leaves the stream, also when the block is dropped.
struct Left<'a>(&'a Link);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.close_stream();
    }
}
