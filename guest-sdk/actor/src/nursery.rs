//! Blocks that own child actors (semantics 10).
//!
//! A nursery block ends only when the host has said that every child is dead and reaped. One failure
//! cancels the body and all siblings; then one error leaves, or a group with every member. Children
//! started by `run_in_actor` are looked after by small tasks that the block itself polls: nothing is
//! spawned anywhere else.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{ActorId, BoxedError, Cause, ErrorKind, Key, PortalKey, Refusal, Rung, Spec};

use crate::error::{Error, Result};
use crate::link::Aftermath;
use crate::portal::{self, Portal};
use crate::runtime::{Actor, KeyMap};
use crate::scope::{self, Block, Node, Watch, scoped};
use crate::waiters::{Slot, Waiters, Woken};
use crate::{codec, lock};

/// The children of one actor, and the nurseries they are in.
#[derive(Default)]
pub(crate) struct Children {
    children: KeyMap<Child>,
    nurseries: KeyMap<Scope>,
}

/// One child actor.
pub(crate) struct Child {
    nursery: Key,
    id: Option<ActorId>,
    /// A `start_actor` waits for it, and tells how it failed.
    awaited: bool,
    ended: Option<(Option<Error>, Rung)>,
    waiters: Waiters,
}

/// What a nursery block must know of its children.
#[derive(Default)]
struct Scope {
    node: Option<Arc<Node>>,
    failures: Vec<Error>,
    closed: bool,
    waiters: Waiters,
}

impl Children {
    pub(crate) fn child(&mut self, key: PortalKey) -> Option<&mut Child> {
        self.children.get_mut(&key)
    }

    pub(crate) fn on_up(&mut self, key: PortalKey, id: ActorId) -> Aftermath {
        let mut after = Aftermath::default();
        if let Some(child) = self.children.get_mut(&key) {
            child.id = Some(id);
            child.waiters.drain_into(&mut after.wakers);
        }
        after
    }

    pub(crate) fn on_ended(&mut self, key: PortalKey, error: Option<Box<BoxedError>>, rung: Rung) -> Aftermath {
        let mut after = Aftermath::default();
        let Some(child) = self.children.get_mut(&key) else {
            return after;
        };
        let error = error.map(|error| Error::from(*error));
        child.ended = Some((error.clone(), rung));
        let reported = child.id.is_none() && child.awaited;
        child.waiters.drain_into(&mut after.wakers);
        let nursery = self.nurseries.get_mut(&child.nursery);
        if let (Some(nursery), Some(error), false) = (nursery, error, reported) {
            nursery.fail(error, &mut after);
        }
        after
    }

    pub(crate) fn on_closed(&mut self, key: Key) -> Aftermath {
        let mut after = Aftermath::default();
        if let Some(nursery) = self.nurseries.get_mut(&key) {
            nursery.closed = true;
            nursery.waiters.drain_into(&mut after.wakers);
        }
        after
    }

    pub(crate) fn fail_all(&mut self, error: &BoxedError) -> Aftermath {
        let mut after = Aftermath::default();
        for child in self.children.values_mut().filter(|child| child.ended.is_none()) {
            child.ended = Some((Some(Error::from(error.clone())), Rung::AlreadyGone));
            child.waiters.drain_into(&mut after.wakers);
        }
        for nursery in self.nurseries.values_mut() {
            nursery.closed = true;
            nursery.fail(Error::from(error.clone()), &mut after);
        }
        after
    }

    /// Who waits for one of its children finds none.
    fn forget(&mut self, nursery: Key, woken: &mut Woken) -> Option<Scope> {
        self.children.retain(|_, child| {
            let stays = child.nursery != nursery;
            if !stays {
                child.waiters.drain_into(woken);
            }
            stays
        });
        self.nurseries.remove(&nursery)
    }
}

impl Scope {
    fn fail(&mut self, error: Error, after: &mut Aftermath) {
        if let Some(node) = &self.node {
            let cancellation = error
                .cancellation()
                .cloned()
                .unwrap_or_else(|| steading_types::Cancellation {
                    canceller: node.actor().me().clone(),
                    reason: Some(error.to_string()),
                    cause: Cause::ParentTeardown,
                });
            after.cancel.push((node.clone(), cancellation));
        }
        if !self.failures.iter().any(|known| known.is_same(&error)) {
            self.failures.push(error);
        }
        self.waiters.drain_into(&mut after.wakers);
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The handle of a nursery block: starts child actors. Clones are the same nursery.
#[derive(Clone)]
pub struct Nursery(Arc<Shared>);

struct Shared {
    actor: Actor,
    key: Key,
    node: Arc<Node>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Tasks the block has not taken over yet.
    tasks: Vec<Task>,
    /// What wakes the block to do so.
    waker: Option<Waker>,
    over: bool,
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
    run(scope::current().actor().clone(), body).await
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
        run(self.clone(), body)
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
        scope::check()?;
        let Shared { actor, key, .. } = &*self.0;
        let child = actor.with_children(|children| {
            let child = actor.boundary().spawn(*key, spec)?;
            children.children.insert(child, Child::new(*key));
            Ok::<_, Error>(child)
        })?;
        let mut starting = Starting(actor, Some(child));
        let id = wait_child(actor, child, Child::came_up).await?;
        starting.1 = None;
        Ok(actor.portal(child, id))
    }

    /// Starts a child actor for one call: when the result is in, the child is cancelled. The result is
    /// read from the handle, within the block or after it. A call that fails fails the nursery.
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
        let slot = Arc::new(Mutex::default());
        let run = run_once(self.clone(), once, Unanswered(Arc::clone(&slot)));
        // In a scope of its own: its teardown must not keep the body waiting.
        let node = self.0.node.child();
        let task = async move { drop(scoped(node, run).await) };
        // Not taken over, it is dropped, and its handle says so.
        self.enqueue(Box::pin(task));
        Running {
            slot,
            result: PhantomData,
        }
    }

    /// Hands a task to the block; drops it if that is over.
    fn enqueue(&self, task: Task) {
        let mut queue = lock(&self.0.queue);
        if queue.over {
            // First, as a task that is dropped may look here.
            drop(queue);
            return drop(task);
        }
        queue.tasks.push(task);
        let waker = queue.waker.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Asks every child to end; the body goes on. An empty `reason` is none.
    pub fn cancel(&self, reason: &str) {
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        self.0.actor.boundary().nursery_cancel(self.0.key, reason);
    }

    fn fail(&self, error: &Error) {
        let mut after = Aftermath::default();
        self.0.actor.with_children(|children| {
            if let Some(nursery) = children.nurseries.get_mut(&self.0.key) {
                nursery.fail(error.clone(), &mut after);
            }
        });
        after.run();
    }
}

/// A child that is being started. Given up, it is cancelled: nobody would have its portal.
struct Starting<'a>(&'a Actor, Option<PortalKey>);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if let Some(child) = self.1 {
            self.0.with_child(child, |child| child.awaited = false);
            // Refused only if it is dead already.
            self.0.boundary().cancel_actor(child, None).ok();
        }
    }
}

/// A child that runs one endpoint.
pub struct Running<R> {
    slot: Arc<Mutex<ResultSlot>>,
    result: PhantomData<fn() -> R>,
}

#[derive(Default)]
struct ResultSlot {
    result: Option<Result<Bytes>>,
    waiters: Waiters,
}

impl<R: DeserializeOwned> Running<R> {
    /// Waits for the result. Asking again answers the same.
    ///
    /// # Errors
    /// How the call failed; the cancellation of the current scope.
    pub async fn result(&self) -> Result<R> {
        let mut place = Slot::default();
        let bytes = poll_fn(|cx| {
            let mut slot = lock(&self.slot);
            match (&slot.result, scope::check()) {
                (Some(result), _) => Poll::Ready(result.clone()),
                (None, Err(cancelled)) => Poll::Ready(Err(cancelled)),
                (None, Ok(())) => {
                    slot.waiters.register(&mut place, cx.waker());
                    Poll::Pending
                }
            }
        });
        codec::decode(&bytes.await?).map_err(|e| e.about("result"))
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
struct Unanswered(Arc<Mutex<ResultSlot>>);

impl Unanswered {
    fn set(&self, result: Result<Bytes>) {
        let mut woken = Woken::default();
        let mut slot = lock(&self.0);
        slot.result.get_or_insert(result);
        slot.waiters.drain_into(&mut woken);
        drop(slot);
        woken.wake();
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let answered = lock(&self.0).result.is_some();
        if !answered {
            self.set(Err(Error::invalid("the nursery has ended")));
        }
    }
}

async fn run_once(nursery: Nursery, once: Once, slot: Unanswered) {
    let result = call_once(&nursery, once).await;
    if let Err(error) = &result
        && !error.is_cancelled()
    {
        nursery.fail(error);
    }
    slot.set(result);
}

async fn call_once(nursery: &Nursery, once: Once) -> Result<Bytes> {
    let args = once.args?;
    let portal = nursery.start_actor(once.spec).await?;
    let context = portal.context(&once.endpoint).schema(once.schema);
    let result = context.encoded(args).call().await;
    // Refused only if it is dead already; that it ends is what the nursery waits for.
    nursery.0.actor.boundary().cancel_actor(portal.key(), None).ok();
    result
}

impl Child {
    fn new(nursery: Key) -> Self {
        Self {
            nursery,
            id: None,
            awaited: true,
            ended: None,
            waiters: Waiters::default(),
        }
    }

    fn came_up(&mut self) -> Option<Result<ActorId>> {
        match (&self.id, &self.ended) {
            (_, Some((error, _))) => Some(Err(error.clone().unwrap_or_else(never_up))),
            (Some(id), None) => Some(Ok(id.clone())),
            (None, None) => None,
        }
    }
}

fn never_up() -> Error {
    Error::fault(ErrorKind::SpawnFailed, "the child ended before it was up")
}

/// Waits for something to become true of a child.
async fn wait_child<T>(
    actor: &Actor,
    key: PortalKey,
    mut step: impl FnMut(&mut Child) -> Option<Result<T>>,
) -> Result<T> {
    let mut slot = Slot::default();
    poll_fn(|cx| {
        let answer = actor.with_child(key, |child| {
            let answer = step(child).or_else(|| scope::check().err().map(Err));
            if answer.is_none() {
                child.waiters.register(&mut slot, cx.waker());
            }
            answer
        });
        match answer {
            Some(Some(answer)) => Poll::Ready(answer),
            Some(None) => Poll::Pending,
            None => Poll::Ready(Err(portal::not_a_child())),
        }
    })
    .await
}

/// Asks a child to end and waits until it is reaped.
pub(crate) async fn cancel_child(actor: &Actor, key: PortalKey, reason: &str) -> Result<Rung> {
    let known = actor.with_child(key, |child| child.ended.is_some());
    match known {
        None => return Err(portal::not_a_child()),
        Some(true) => return Ok(Rung::AlreadyGone),
        Some(false) => {}
    }
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    match actor.boundary().cancel_actor(key, reason) {
        Ok(()) | Err(Refusal::Ended | Refusal::UnknownKey) => {}
        Err(refusal) => return Err(Error::refused("cancel_actor", refusal)),
    }
    wait_child(actor, key, |child| child.ended.as_ref().map(|(_, rung)| Ok(*rung))).await
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
    fn open(actor: Actor) -> Result<Self> {
        let _block = Block::enter();
        let node = Node::inside_current(&actor);
        let key = actor.with_children(|children| {
            let parent = node.context_of(&actor);
            let key = actor
                .boundary()
                .nursery_open(parent)
                .map_err(|r| Error::refused("nursery", r))?;
            let scope = Scope {
                node: Some(node.clone()),
                ..Scope::default()
            };
            children.nurseries.insert(key, scope);
            Ok::<_, Error>(key)
        })?;
        let watch = Watch::new(node.clone());
        let nursery = Nursery(Arc::new(Shared {
            actor,
            key,
            node,
            queue: Mutex::default(),
        }));
        Ok(Self {
            nursery,
            closing: false,
            cancelled: false,
            watch,
            _block,
        })
    }

    fn cancel(&mut self) {
        if !std::mem::replace(&mut self.cancelled, true) {
            self.nursery.cancel("");
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
        let closed = actor.with_children(|children| match children.nurseries.get_mut(key) {
            Some(nursery) if !nursery.closed => {
                nursery.waiters.register(slot, cx.waker());
                false
            }
            _ => true,
        });
        if closed && idle { Poll::Ready(()) } else { Poll::Pending }
    }

    fn failures(&self) -> Vec<Error> {
        let Shared { actor, key, .. } = &*self.nursery.0;
        let failures = |children: &mut Children| Some(std::mem::take(&mut children.nurseries.get_mut(key)?.failures));
        actor.with_children(failures).unwrap_or_default()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Shared { actor, key, .. } = &*self.nursery.0;
        // Tasks hold the nursery, so those nobody has taken over would hold themselves.
        let over = Queue {
            over: true,
            ..Queue::default()
        };
        let _queue = std::mem::replace(&mut *lock(&self.nursery.0.queue), over);
        let mut woken = Woken::default();
        // Bound, so that its wakers are dropped after the lock.
        let left = actor.with_children(|children| children.forget(*key, &mut woken));
        woken.wake();
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
        let mut queue = lock(&nursery.0.queue);
        self.0.extend(queue.tasks.drain(..));
        // Bound, so that the old waker is dropped after the lock.
        let _old = queue.waker.replace(cx.waker().clone());
        drop(queue);
        while let Poll::Ready(done) = self.0.poll_next_unpin(cx) {
            if done.is_none() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

async fn run<T, F>(actor: Actor, body: F) -> Result<T>
where
    F: AsyncFnOnce(Nursery) -> Result<T>,
{
    let mut held = Held::open(actor)?;
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
    if !real.is_empty() {
        return Err(Error::group(real));
    }
    match foreign.into_iter().next() {
        Some(cancelled) => Err(cancelled),
        None => scope::check().and(body),
    }
}
