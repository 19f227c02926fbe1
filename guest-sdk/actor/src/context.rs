//! The handle of one side of a context.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{ActorId, Cancellation, Cause, ErrorKind, Flow, Outcome};

use crate::error::{Error, Result};
use crate::link::{Link, LinkState};
use crate::policy::StreamOptions;
use crate::runtime::failure;
use crate::scope;
use crate::state::{State, short_type_name};
use crate::stream::Stream;
use crate::{block, codec, granted};

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

    /// Has this side asked for the cancel: by [`cancel`](Self::cancel), by a deadline of the context that has
    /// passed, or because its block failed or was cancelled while the callee was running?
    pub fn cancel_called(&self) -> bool {
        self.link.with(|state| state.has_asked(&self.link))
    }

    /// Has our cancel been answered, and the answer named us?
    pub fn cancel_acked(&self) -> bool {
        let me = self.id();
        self.link
            .with(|state| state.has_asked(&self.link) && cancellation(state).is_some_and(|c| c.canceller == *me))
    }

    /// Whose doing it was, if the context was cancelled. Caller: ours, if the answer names us, else the peer's,
    /// whose task it was; who asked for it first is [in the cancellation itself](Error::canceller). Callee:
    /// who asked for it, as the task was our own.
    pub fn canceller(&self) -> Option<ActorId> {
        let me = self.id();
        self.link.with(|state| match &cancellation(state)?.canceller {
            asked if asked == me || self.side() == Side::Callee => Some(asked.clone()),
            _ => Some(state.peer.clone()),
        })
    }

    /// Was the scope of this side's body cancelled for this context, and did that end the body? Known when
    /// the block was left. `false` if the body was told where it waited on the context, or went on.
    pub fn cancelled_caught(&self) -> bool {
        self.link.with(|state| state.cancelled_caught)
    }

    /// How the peer failed, or was cancelled.
    pub fn remote_error(&self) -> Option<Error> {
        let me = self.id();
        self.link.with(|state| match state.outcome.as_ref()? {
            _ if state.outcome_is_own => None,
            Outcome::Failed(error) if error.source == *me && state.broken.is_some() => None,
            outcome => failure(outcome),
        })
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

    /// Has it ended?
    pub fn has_outcome(&self) -> bool {
        self.link.with(|state| state.outcome.is_some())
    }

    /// What the endpoint has returned, or how it failed; `None` as long as it runs. Does not wait, and can
    /// be asked after the block.
    pub fn result<V: DeserializeOwned>(&self) -> Option<Result<V>> {
        self.has_outcome().then(|| {
            let value = block::judge(&self.link)?;
            codec::decode(&value).map_err(|e| e.about("result"))
        })
    }

    /// Caller: asks the remote task to end and goes on; the answer comes from the stream, from
    /// [`wait_result`](Self::wait_result) or at the end of the block. Called by another task than the
    /// block's own, it ends the block's body too, unless that waits on this context and so is told there.
    /// Callee: cancels its own task. Idempotent.
    ///
    /// An empty `reason` is none.
    pub async fn cancel(&self, reason: &str) {
        let scope = self.link.scope();
        let own = self.side() == Side::Caller && scope::is_current_within(scope.as_ref());
        let Some(ends_body) = self.link.note_cancel(own) else {
            return;
        };
        self.link
            .cancel((!reason.is_empty()).then(|| reason.to_owned()), Cause::Requested);
        if let Some(scope) = scope.filter(|_| ends_body) {
            scope.cancel(self.link.actor.cancellation(reason, Cause::Requested));
        }
    }

    /// Opens the stream for the duration of `body`. Leaving it, in whatever way, sends what is buffered
    /// and a stop, and discards what has not been received. A context has one stream.
    ///
    /// # Errors
    /// Those of the body; the remote error, or "cancelled already", if the context is over; that messages the
    /// body has sent could not leave after all, because the receiver's window became too narrow for them.
    pub async fn stream<T, F>(&self, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Stream<S, R>) -> Result<T>,
    {
        self.stream_from(None, body).await
    }

    /// As [`stream`](Self::stream), with a choice of what becomes of messages this side is too slow for
    /// (semantics 8). The peer learns of it when the stream opens; what it has sent by then counts.
    ///
    /// # Errors
    /// As [`stream`](Self::stream); of kind `Limit` for a buffer larger than any window may be.
    pub async fn stream_with<T, F>(&self, options: StreamOptions, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Stream<S, R>) -> Result<T>,
    {
        self.stream_from(Some(options.flow()), body).await
    }

    async fn stream_from<T, F>(&self, flow: Option<Flow>, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Stream<S, R>) -> Result<T>,
    {
        self.link.open_stream(flow)?;
        let left = Left(&self.link);
        let end = body(Stream::new(self.link.clone())).await;
        drop(left);
        let value = end?;
        self.link.wait_until_sent().await?;
        self.link.with(|state| state.unsent.take()).map_or(Ok(value), Err)
    }

    /// Callee, once: unblocks the caller with a first value. It is decoded again before it is sent, so that a
    /// bad one fails here and not there (semantics 3).
    ///
    /// # Errors
    /// When called twice, or by the caller; `PayloadMismatch` if the value cannot be encoded, or not decoded;
    /// a limit if it is larger than a payload may be.
    pub async fn started(&self, value: St) -> Result<()>
    where
        St: Serialize + DeserializeOwned,
    {
        scope::check()?;
        let encoded = codec::encode(&value).and_then(|bytes| codec::decode::<St>(&bytes).map(|_| bytes));
        let bytes = encoded.map_err(|e| e.about("first value"))?;
        codec::fits(bytes.len(), || "the first value".to_owned())?;
        self.link.start(bytes)
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
        codec::decode(&block::judge(&self.link)?).map_err(|e| e.about("result"))
    }

    /// Waits until the context is over, however it ended.
    ///
    /// # Errors
    /// The cancellation of the current scope.
    pub async fn ended(&self) -> Result<Outcome> {
        self.link.wait_in_block(|state| state.outcome.clone().map(Ok)).await
    }

    /// Callee: the path of the directory that the caller has granted this context by this name. See
    /// [`granted`](crate::granted()).
    ///
    /// # Errors
    /// As there; `NotGranted` for the caller, too.
    pub fn granted(&self, name: &str) -> Result<PathBuf> {
        granted::path(&self.link.actor, self.link.key, name)
    }

    /// How it stands, in one word (semantics 4).
    pub fn state(&self) -> State {
        self.link.with(|state| State::of(&self.link, state))
    }
}

/// The cancellation a context ended by, if it was one.
fn cancellation(state: &LinkState) -> Option<&Cancellation> {
    match state.outcome.as_ref()? {
        Outcome::Cancelled(cancellation) => Some(cancellation),
        Outcome::Failed(error) => match &error.kind {
            ErrorKind::Cancelled(cancellation) => Some(cancellation),
            _ => None,
        },
        Outcome::Returned(_) => None,
    }
}

impl<S, R, St> fmt::Display for Context<S, R, St> {
    /// Where, what, and how it stands: `me → peer | scan(u32 ⇄ Hit), task worker | streaming`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (me, peer, endpoint) = (self.id(), self.peer(), &self.link.endpoint);
        let arrow = match self.side() {
            Side::Caller => "→",
            Side::Callee => "←",
        };
        let (sends, receives) = (short_type_name::<S>(), short_type_name::<R>());
        write!(f, "{me} {arrow} {peer} | {endpoint}({sends} ⇄ {receives})")?;
        if let Some(task) = scope::try_current().as_ref().and_then(scope::Current::task) {
            write!(f, ", task {task}")?;
        }
        write!(f, " | {}", self.state())?;
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
