//! The handle for calling into another actor.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{ActorId, Cause, Grant, OpenOptions, PortalKey, Rung, Window};

use crate::children::{self, End, Incarnation, Line};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::race::{Either, race};
use crate::runtime::Actor;
use crate::scope::{Node, scoped};
use crate::timer::Alarm;
use crate::{block, codec, scope};

/// A way to an actor. A handle: clones lead to the same actor.
///
/// To one actor, not to its name: when a child is started again, its contexts have failed, and the portals to
/// it lead nowhere any more. [`successor`](Self::successor) is the way to the one that took its place.
#[derive(Clone)]
pub struct Portal {
    actor: Actor,
    key: PortalKey,
    id: ActorId,
    /// To a child of `actor`.
    child: Option<(Arc<Line>, Arc<Incarnation>)>,
}

impl fmt::Debug for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "portal to {}", self.id)
    }
}

impl Portal {
    pub(crate) fn new(actor: Actor, key: PortalKey, id: ActorId) -> Self {
        Self {
            actor,
            key,
            id,
            child: None,
        }
    }

    pub(crate) fn into_line(actor: Actor, line: Arc<Line>, it: Arc<Incarnation>, id: ActorId) -> Self {
        let key = it.key;
        let child = Some((line, it));
        Self { actor, key, id, child }
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
        self.context(endpoint).args(args).call()
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
                grants: Vec::new(),
            },
        }
    }

    /// Asks the whole actor, a child of this one, to end, and waits until it is dead and reaped. Answers
    /// which rung of the host's ladder it took: `AlreadyGone` also where it had ended and was to start again,
    /// which it then does not. An empty `reason` is none (semantics 10).
    ///
    /// # Errors
    /// When the actor is not a child of this one; the cancellation of the current scope.
    pub async fn cancel_actor(&self, reason: &str) -> Result<Rung> {
        let (line, it) = children::of(self.child.as_ref())?;
        children::cancel_child(&self.actor, line, it, reason).await
    }

    /// As [`cancel_actor`](Self::cancel_actor), and the actor has no more than this time to end: then it is
    /// interrupted, and its store dropped if that is not enough (semantics 10). Without it, it has the host's
    /// grace, which this can shorten only. Its own children still have theirs.
    ///
    /// # Errors
    /// As [`cancel_actor`](Self::cancel_actor).
    pub async fn cancel_actor_within(&self, reason: &str, deadline: Duration) -> Result<Rung> {
        let cancel = self.cancel_actor(reason);
        match race(cancel, Alarm::after(&self.actor, deadline)).await {
            Either::Left(end) => end,
            Either::Right(()) => {
                // Refused only if it has just died by itself.
                self.actor.boundary().kill_actor(self.key).ok();
                let end = self.closed().await?;
                Ok(end.rung)
            }
        }
    }

    /// Waits until the actor, a child of this one, is dead and reaped, and says how it ended. Asking again
    /// answers the same, also after the nursery's block. Cancel-safe.
    ///
    /// # Errors
    /// When the actor is not a child of this one; the cancellation of the current scope.
    pub async fn closed(&self) -> Result<End> {
        let (line, it) = children::of(self.child.as_ref())?;
        line.wait(|_| it.end().cloned().map(Ok)).await
    }

    /// Waits for the actor that was started in this one's place, and answers the way to it: to the latest, if
    /// there were several. Cancel-safe.
    ///
    /// ```ignore
    /// let mut worker = nursery.start_actor(Spec::this_component("worker").restart(Restart::permanent())).await?;
    /// let answer = match worker.call("work", &job).await {
    ///     Err(error) if !error.is_cancelled() => {
    ///         worker = worker.successor().await?;
    ///         worker.call("work", &job).await
    ///     }
    ///     answer => answer,
    /// };
    /// ```
    ///
    /// # Errors
    /// How the last of them failed, once none is started any more, or `LinkClosed` if it did not fail; when the
    /// actor is not a child of this one; the cancellation of the current scope.
    pub async fn successor(&self) -> Result<Self> {
        let (line, it) = self.child.as_ref().ok_or_else(not_a_child)?;
        let (next, id) = line
            .wait(|state| {
                state
                    .running()
                    .filter(|next| !matches!(next, Ok((next, _)) if next.key == it.key))
            })
            .await?;
        Ok(Self::into_line(self.actor.clone(), line.clone(), next, id))
    }

    /// How many actors there were in this one's place before it, all of them dead now: 0 for the first.
    pub fn restarts(&self) -> u32 {
        self.child.as_ref().map_or(0, |(_, it)| it.number)
    }

    /// Runs `body` and lets the failure of the actor, a child of this one, be its failure too: it is then
    /// cancelled, and its end awaited. An end without a failure goes unnoticed.
    ///
    /// # Errors
    /// The body's own; else how the actor failed; when the actor is not a child of this one.
    pub async fn link<T>(&self, body: impl Future<Output = Result<T>>) -> Result<T> {
        children::of(self.child.as_ref())?;
        let node = Node::inside_current(&self.actor);
        let mut body = pin!(scoped(node.clone(), body));
        let mut closed = pin!(self.closed());
        let (mut failure, mut lives) = (None, true);
        let end = poll_fn(|cx| {
            if lives && let Poll::Ready(end) = closed.as_mut().poll(cx) {
                lives = false;
                if let Ok(End { error: Some(error), .. }) = end {
                    let reason = format!("{} failed: {error}", self.id);
                    node.cancel(self.actor.cancellation(&reason, Cause::PeerLost));
                    failure = Some(error);
                }
            }
            body.as_mut().poll(cx)
        })
        .await
        .and_then(|end| end);
        match failure {
            Some(failure) if end.as_ref().err().is_none_or(Error::is_cancelled) => Err(failure),
            _ => end,
        }
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

    /// Gives the callee something of this actor's until the context ends: a [`Directory`](crate::Directory), whose
    /// path as the child sees it is the name by which the callee asks for it ([`granted`](crate::granted())), or a
    /// [component](Grant::component) that it may start children of in this context. When the context has its outcome,
    /// whatever the callee holds of it, open files too, answers "permission denied".
    ///
    /// All tasks of the callee are one memory: what one of them may use for a time, the others can reach in that
    /// time. A native callee is told the machine's own path, and trusted to forget it.
    ///
    /// Opening fails with `NotGranted` if this actor does not have what it grants, or may only read what is to be
    /// written, and with `Limit("grants")` beyond 64 at a time; nothing is sent then.
    ///
    /// ```ignore
    /// let report: Report = worker
    ///     .context("scan")
    ///     .args(&pattern)
    ///     .grant(Directory::new("/data/photos", "photos"))
    ///     .call()
    ///     .await?;
    /// ```
    pub fn grant(mut self, grant: impl Into<Grant>) -> Self {
        self.options.grants.push(grant.into());
        self
    }

    /// Calls the endpoint and waits for its result, as [`Portal::call`] does.
    ///
    /// # Errors
    /// As there.
    pub fn call<R: DeserializeOwned>(self) -> impl Future<Output = Result<R>> + use<R> {
        let call = self.call_encoded();
        async move { codec::decode(&call.await?).map_err(|e| e.about("result")) }
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

    pub(crate) async fn call_encoded(self) -> Result<bytes::Bytes> {
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
    Error::invalid("not a child of this actor, which alone may end it, wait for its end, or link to it")
}
