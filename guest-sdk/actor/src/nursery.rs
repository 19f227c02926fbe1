//! Blocks that own child actors (semantics 10).
//!
//! A nursery block ends only when the host has said that every child is dead and reaped. One failure
//! cancels the body and all siblings; then one error leaves, or a group with every member. Children
//! started by `run_in_actor` are looked after by small tasks that the block itself polls: nothing is
//! spawned anywhere else.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{Cause, ErrorKind, Fate, Key, Spec, Strategy, Supervision};

use crate::children::{Children, Line, LineState, Scope};
use crate::codec;
use crate::error::{Error, Result};
use crate::link::Aftermath;
use crate::portal::Portal;
use crate::queue::Queue;
use crate::runtime::Actor;
use crate::scope::{self, Block, Node, Watch, scoped};
use crate::waiters::{Slot, Waited, Woken};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The handle of a nursery block: starts child actors. Clones are the same nursery.
#[derive(Clone)]
pub struct Nursery(Arc<Shared>);

struct Shared {
    actor: Actor,
    key: Key,
    node: Arc<Node>,
    strategy: Strategy,
    queue: Queue<Task>,
}

impl std::fmt::Debug for Nursery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nursery {} of {}", self.0.key, self.0.actor.me())
    }
}

/// Runs `body` with a nursery of the current actor and ends when every child is dead.
///
/// When the body ends well, children started by [`run_in_actor`](Nursery::run_in_actor) are waited for,
/// then all others, for as long as it takes: cancel those that do not end by themselves.
///
/// # Errors
/// The body's error, a child's, or a group of both; the cancellation of the enclosing scope.
///
/// # Panics
/// Outside a task of an actor. [`Actor::nursery`] works there too.
pub async fn nursery<T, F>(body: F) -> Result<T>
where
    F: AsyncFnOnce(Nursery) -> Result<T>,
{
    run(scope::current().actor().clone(), Supervision::default(), body).await
}

impl Actor {
    /// As [`nursery`], for code outside the actor's own tasks.
    ///
    /// # Errors
    /// As [`nursery`].
    pub fn nursery<T, F>(&self, body: F) -> impl Future<Output = Result<T>> + use<T, F>
    where
        F: AsyncFnOnce(Nursery) -> Result<T>,
    {
        run(self.clone(), Supervision::default(), body)
    }
}

impl Nursery {
    /// Starts a child actor and waits until it is up.
    ///
    /// The nursery's block does not end before the child has, and a child that serves endpoints does not end
    /// by itself: end it by [`Portal::cancel_actor`] or [`Nursery::cancel`] when its work is done, or the block
    /// waits for ever. For one call, [`run_in_actor`](Self::run_in_actor) does that for you.
    ///
    /// # Errors
    /// When it cannot be started (unknown component, limits, nursery closing); the cancellation of the
    /// current scope. A child whose start is given up, by that or by dropping this future, is cancelled.
    pub async fn start_actor(&self, spec: Spec) -> Result<Portal> {
        let line = self.spawn(spec, true)?;
        let (it, id) = line.start(&self.0.actor).await?;
        Ok(self.0.actor.portal_into(line, it, id))
    }

    fn spawn(&self, spec: Spec, awaited: bool) -> Result<Arc<Line>> {
        scope::check()?;
        let Shared { actor, key, .. } = &*self.0;
        actor.with_children(|children| {
            let child = actor.boundary().spawn(*key, spec)?;
            Ok(children.add(*key, child, awaited))
        })
    }

    /// Starts a child actor for one call: when the result is in, the child is cancelled. The result is
    /// read from the handle, within the block or after it. A call that fails is a failure of the child: by
    /// default it fails the nursery; if the spec says so, the child is started again and called again.
    pub fn run_in_actor<R, A>(&self, spec: Spec, endpoint: &str, args: &A) -> Running<R>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.run(Once {
            spec,
            endpoint: endpoint.to_owned(),
            schema: 0,
            args: codec::encode(args),
        })
    }

    pub(crate) fn run<R>(&self, once: Once) -> Running<R> {
        let slot = Arc::<ResultSlot>::default();
        let run = run_once(self.clone(), once, Unanswered(Arc::clone(&slot)));
        // In a scope of its own: its teardown must not keep the body waiting.
        let node = self.0.node.child();
        let task = async move { drop(scoped(node, run).await) };
        // Not taken over, it is dropped, and its handle says so.
        self.0.queue.enqueue(Box::pin(task));
        Running {
            slot,
            result: PhantomData,
        }
    }

    /// Asks every child to end; the body goes on. An empty `reason` is none.
    pub fn cancel(&self, reason: &str) {
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        self.0
            .actor
            .boundary()
            .nursery_cancel(self.0.key, reason, Cause::Requested);
    }

    /// A failure that the host knows nothing of: it arose before there was a child, or was read when there was none
    /// any more.
    fn fail(&self, error: &Error) {
        let fatal = self.0.strategy == Strategy::OneCancelsAll;
        let mut after = Aftermath::default();
        self.0.actor.with_children(|children| {
            if let Some(nursery) = children.nursery(self.0.key) {
                nursery.fail(error.clone(), fatal, &mut after);
            }
        });
        after.run();
    }
}

/// A child that runs one endpoint.
pub struct Running<R> {
    slot: Arc<ResultSlot>,
    result: PhantomData<fn() -> R>,
}

type ResultSlot = Waited<Option<Result<Bytes>>>;

impl<R: DeserializeOwned> Running<R> {
    /// Waits for the result. Asking again answers the same. Cancel-safe.
    ///
    /// # Errors
    /// How the call failed; the cancellation of the current scope.
    pub async fn result(&self) -> Result<R> {
        let answer = |result: &mut Option<_>| result.clone().or_else(|| scope::check().err().map(Err));
        let bytes = self.slot.wait(answer).await?;
        codec::decode(&bytes).map_err(|e| e.about("result"))
    }
}

/// The one call of a child that was started for it.
pub(crate) struct Once {
    pub(crate) spec: Spec,
    pub(crate) endpoint: String,
    pub(crate) schema: u64,
    pub(crate) args: Result<Vec<u8>>,
}

/// The task's end of a handle. Dropped with the task, it says that the nursery has ended.
struct Unanswered(Arc<ResultSlot>);

impl Unanswered {
    fn set(&self, result: Result<Bytes>) {
        let mut woken = Woken::default();
        self.0.change(&mut woken, |slot| _ = slot.get_or_insert(result));
        woken.wake();
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let answered = self.0.with(|result| result.is_some());
        if !answered {
            self.set(Err(Error::invalid("the nursery has ended")));
        }
    }
}

async fn run_once(nursery: Nursery, once: Once, slot: Unanswered) {
    let result = call_once(&nursery, once).await;
    slot.set(result);
}

/// Calls a child's endpoint, again as often as it starts again.
async fn call_once(nursery: &Nursery, once: Once) -> Result<Bytes> {
    let start = async || {
        let args = once.args?;
        Ok::<_, Error>((nursery.spawn(once.spec, false)?, args))
    };
    let (line, args) = start().await.inspect_err(|error| {
        if !error.is_cancelled() {
            nursery.fail(error);
        }
    })?;
    let mut last = None;
    loop {
        let (it, id) = match line.wait(LineState::running).await {
            Ok(running) => running,
            // It was to start again, and then was not: how it had ended is all there is.
            Err(error) => return last.unwrap_or_else(|| Err(why_not_up(nursery, error))),
        };
        let portal = nursery.0.actor.portal_into(line.clone(), it, id);
        let context = portal.context(&once.endpoint).schema(once.schema);
        let result = context.encoded(args.clone()).call_encoded().await;
        // As the host will tell of it: one failure, wherever it is met.
        let result = result.map_err(|error| Error::boxed_by(error, nursery.0.actor.me()));
        if !starts_again(nursery, &line, &portal, &result).await {
            return match result {
                Err(error) if error.says_gone(portal.id()) => Err(why_gone(nursery, &portal, error).await),
                result => result,
            };
        }
        last = Some(result);
    }
}

/// Why there never was anybody to call: what it failed to start for, or what all of the nursery is cancelled for.
fn why_not_up(nursery: &Nursery, error: Error) -> Error {
    let cancelled = nursery.0.node.cancellation().map(Error::cancelled);
    let is_gone = error.kind() == ErrorKind::LinkClosed;
    cancelled.filter(|_| is_gone).unwrap_or(error)
}

/// Why there was nobody to call: what the child had died of, or what all of the nursery is cancelled for.
async fn why_gone(nursery: &Nursery, child: &Portal, gone: Error) -> Error {
    let died = child.closed().await.ok().and_then(|end| end.error);
    let cancelled = || nursery.0.node.cancellation().map(Error::cancelled);
    died.or_else(cancelled).unwrap_or(gone)
}

/// Says how the call of a child has ended, and hears whether the child starts again.
async fn starts_again(nursery: &Nursery, line: &Line, portal: &Portal, result: &Result<Bytes>) -> bool {
    let boundary = nursery.0.actor.boundary();
    let failure = result.as_ref().err().filter(|error| !error.is_cancelled());
    if failure.is_none() && scope::check().is_err() {
        // Not how it ended, but how we did. Refused only if it is dead already.
        boundary.cancel_actor(portal.key(), None).ok();
        return false;
    }
    if failure.is_some_and(|error| error.says_gone(portal.id())) {
        // Its end, which is on its way, says why; that there is nobody to call is no failure of its own. To be
        // known here already: told as how the call ended, it would be what decides whether the child starts
        // again. What calls of the body's own find is left out in `raise`.
        return portal.closed().await.is_ok() && !line.look(|state| state.over);
    }
    let failure = failure.map(|error| Box::new(error.to_boxed(nursery.0.actor.me())));
    let fate = boundary.child_done(portal.key(), failure);
    if matches!(fate, Ok(Fate::Over | Fate::Fatal)) {
        return false;
    }
    let starts_again = portal.closed().await.is_ok() && !line.look(|state| state.over);
    match result {
        // Refused, as it is dead already. If it died of this, its end says the same. But if it was asked to end,
        // and ended well while what the call failed with was still to be read, nobody else tells.
        Err(error) if fate.is_err() && !starts_again && error.is_of_a_task() => {
            nursery.fail(error);
        }
        _ => {}
    }
    starts_again
}

/// An open nursery. Dropped early, its children are cancelled and it takes no more.
struct Held {
    nursery: Nursery,
    closing: bool,
    cancelled: bool,
    watch: Watch,
    _block: Block,
}

impl Held {
    fn open(actor: Actor, rules: Supervision) -> Result<Self> {
        let _block = Block::enter();
        let node = Node::inside_current(&actor);
        let strategy = rules.strategy;
        let key = actor.with_children(|children| {
            let parent = node.context_of(&actor);
            let key = actor
                .boundary()
                .nursery_open(parent, rules)
                .map_err(|r| Error::refused("nursery", r))?;
            children.open(key, Scope::around(node.clone()));
            Ok::<_, Error>(key)
        })?;
        let watch = Watch::new(node.clone());
        let nursery = Nursery(Arc::new(Shared {
            actor,
            key,
            node,
            strategy,
            queue: Queue::default(),
        }));
        Ok(Self {
            nursery,
            closing: false,
            cancelled: false,
            watch,
            _block,
        })
    }

    /// Tears the nursery down: children learn of a deadline, and of whoever cancelled the task.
    fn cancel(&mut self) {
        if !std::mem::replace(&mut self.cancelled, true) {
            let Shared { actor, key, node, .. } = &*self.nursery.0;
            let by_deadline = node.cancellation().is_some_and(|c| c.cause == Cause::Deadline);
            let cause = match by_deadline {
                true => Cause::Deadline,
                false => Cause::ParentTeardown,
            };
            actor.boundary().nursery_cancel(*key, None, cause);
        }
    }

    fn close(&mut self) {
        if !std::mem::replace(&mut self.closing, true) {
            let Shared { actor, key, .. } = &*self.nursery.0;
            actor.boundary().nursery_close(*key);
        }
    }

    /// Looks on while children die; ready when all are dead.
    fn poll_end(&mut self, tasks: &mut Tasks, slot: &mut Slot, cx: &mut TaskContext<'_>) -> Poll<()> {
        let node = self.nursery.0.node.clone();
        let idle = tasks.poll(&self.nursery, cx).is_ready();
        self.watch.register(cx.waker());
        if node.is_cancelled() {
            self.cancel();
        }
        if idle || node.is_cancelled() {
            self.close();
        }
        let Shared { actor, key, .. } = &*self.nursery.0;
        let (closed, _replaced) = actor.with_children(|children| match children.nursery(*key) {
            Some(nursery) if !nursery.closed => (false, nursery.waiters.register(slot, cx.waker())),
            _ => (true, None),
        });
        if closed && idle { Poll::Ready(()) } else { Poll::Pending }
    }

    fn failures(&self) -> Vec<Error> {
        let Shared { actor, key, .. } = &*self.nursery.0;
        actor.with_children(|children: &mut Children| children.failures(*key))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Shared { actor, key, .. } = &*self.nursery.0;
        // Bound, so that those who wait for the tasks hear of it after the children are cancelled.
        let _tasks = self.nursery.0.queue.end();
        let mut after = Aftermath::default();
        // Bound, so that its wakers are dropped after the lock.
        let left = actor.with_children(|children| children.forget(*key, &mut after));
        after.run();
        if left.is_some_and(|left| !left.closed) {
            self.cancel();
            self.close();
        }
    }
}

/// The tasks that look after run-once children.
#[derive(Default)]
struct Tasks(FuturesUnordered<Task>);

impl Tasks {
    /// Ready when there is none left.
    fn poll(&mut self, nursery: &Nursery, cx: &mut TaskContext<'_>) -> Poll<()> {
        nursery.0.queue.take_over(&mut self.0, cx.waker());
        while let Poll::Ready(done) = self.0.poll_next_unpin(cx) {
            if done.is_none() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

pub(crate) async fn run<T, F>(actor: Actor, rules: Supervision, body: F) -> Result<T>
where
    F: AsyncFnOnce(Nursery) -> Result<T>,
{
    let mut held = Held::open(actor, rules)?;
    let mut tasks = Tasks::default();
    let nursery = held.nursery.clone();
    let body_end = {
        let mut body = pin!(scoped(nursery.0.node.child(), body(nursery.clone())));
        let both = poll_fn(|cx| {
            let end = body.as_mut().poll(cx);
            // After the body, so that what it started is polled at once.
            _ = tasks.poll(&nursery, cx);
            end
        });
        both.await.and_then(|end| end)
    };
    if let Err(error) = &body_end {
        let reason = error.to_string();
        nursery
            .0
            .node
            .cancel(nursery.0.actor.cancellation(&reason, Cause::ParentTeardown));
    }
    let mut slot = Slot::default();
    poll_fn(|cx| held.poll_end(&mut tasks, &mut slot, cx)).await;
    raise(&nursery.0.actor, body_end, held.failures())
}

/// Failures before cancellations, all of them, each once; our own cancel is no news (semantics 7).
fn raise<T>(actor: &Actor, body: Result<T>, failures: Vec<Error>) -> Result<T> {
    let (mut real, mut foreign) = (Vec::<Error>::new(), Vec::<Error>::new());
    for error in body.as_ref().err().into_iter().cloned().chain(failures) {
        let list = match error.canceller() {
            None => &mut real,
            Some(canceller) if canceller != actor.me() => &mut foreign,
            Some(_) => continue,
        };
        if !list.iter().any(|known| known.is_same(&error)) {
            list.push(error);
        }
    }
    let deaths = real.iter().filter(|error| error.is_death());
    let dead: Vec<_> = deaths.filter_map(Error::source_actor).cloned().collect();
    real.retain(|error| !dead.iter().any(|actor| error.says_gone(actor)));
    if !real.is_empty() {
        return Err(Error::group(real));
    }
    match foreign.into_iter().next() {
        Some(cancelled) => Err(cancelled),
        None => scope::check().and(body),
    }
}
