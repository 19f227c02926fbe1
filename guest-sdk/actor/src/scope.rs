//! Cancel scopes: a tree of nodes, level-triggered.
//!
//! Cancelling a node marks everything below it, down to the shields. A future of this library asks "is
//! my scope cancelled?" whenever it is polled and answers with the cancellation, again and again: a
//! cancel cannot be missed. Foreign futures know nothing of scopes, so the wrapper [`scoped`] drops what
//! still waits after a cancel, unless a block inside is at work: blocks (contexts, nurseries, shields)
//! are never dropped by a scope, they end their own body and tear down first.
//!
//! The current node is a thread-local set during each poll; polls are synchronous, so this holds in wasm
//! as well as on tokio's workers.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use steading_types::{ActorId, Cancellation, Cause, Key, Level};

use crate::error::{Error, Result};
use crate::lock;
use crate::portal::Portal;
use crate::runtime::Actor;
use crate::timer::Alarm;
use crate::waiters::{Slot, Waiters, Woken};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Node>>> = const { RefCell::new(None) };
}

/// One cancel scope.
pub(crate) struct Node {
    actor: Actor,
    /// The context whose task runs in here.
    context: Option<Key>,
    /// What the task in here is called.
    name: Option<Box<str>>,
    parent: Option<Arc<Node>>,
    kind: Kind,
    cancelled: AtomicBool,
    /// Blocks at work in here or below.
    blocks: AtomicUsize,
    inner: Mutex<Inner>,
}

/// What sets a scope apart from the one around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// That one's cancel does not reach it at once.
    Shield,
    /// A task of its own runs in it.
    Task,
}

#[derive(Default)]
struct Inner {
    /// By whom, and when.
    cancelled: Option<(Cancellation, u64)>,
    children: Vec<Weak<Node>>,
    waiters: Waiters,
}

impl Node {
    /// The scope of a task nobody here has started.
    pub(crate) fn root(actor: Actor, context: Option<Key>) -> Arc<Self> {
        Self::make(actor, context, None, None, Kind::Plain)
    }

    /// A scope inside the current one, if there is one.
    pub(crate) fn inside_current(actor: &Actor) -> Arc<Self> {
        let parent = try_current_node();
        let context = parent.as_ref().and_then(|p| p.context_of(actor));
        Self::make(actor.clone(), context, None, parent, Kind::Plain)
    }

    fn make(
        actor: Actor,
        context: Option<Key>,
        name: Option<Box<str>>,
        parent: Option<Arc<Self>>,
        kind: Kind,
    ) -> Arc<Self> {
        let node = Arc::new(Self {
            actor,
            context,
            name,
            parent,
            kind,
            cancelled: AtomicBool::new(false),
            blocks: AtomicUsize::new(0),
            inner: Mutex::default(),
        });
        if let Some(parent) = &node.parent {
            // Under the parent's lock, so that a cancel sees either the child or is seen by it.
            let mut inner = lock(&parent.inner);
            inner.children.push(Arc::downgrade(&node));
            node.cancelled
                .store(kind != Kind::Shield && parent.is_cancelled(), Ordering::Release);
        }
        node
    }

    /// A scope inside this one.
    pub(crate) fn child(self: &Arc<Self>) -> Arc<Self> {
        Self::make(self.actor.clone(), self.context, None, Some(self.clone()), Kind::Plain)
    }

    /// A scope inside this one, of a task that may have a name.
    pub(crate) fn task(self: &Arc<Self>, name: Option<&str>) -> Arc<Self> {
        let (name, parent) = (name.map(Box::from), Some(self.clone()));
        Self::make(self.actor.clone(), self.context, name, parent, Kind::Task)
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| self.parent.as_ref()?.name())
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// The context key of the task in here, if it is a task of this actor.
    pub(crate) fn context_of(&self, actor: &Actor) -> Option<Key> {
        self.actor.is_same(actor).then_some(self.context).flatten()
    }

    /// Is `self` this node or below it?
    fn is_within(&self, node: &Arc<Self>) -> bool {
        std::ptr::eq(self, &**node) || self.parent.as_ref().is_some_and(|parent| parent.is_within(node))
    }

    /// Is `self` this node or below it, in the same task?
    fn is_in_task_of(&self, node: &Arc<Self>) -> bool {
        let above = || self.parent.as_ref().filter(|_| self.kind != Kind::Task);
        std::ptr::eq(self, &**node) || above().is_some_and(|parent| parent.is_in_task_of(node))
    }

    /// Cancels everything in here. Only the first cancellation counts, be it that of a scope around this one:
    /// a later one would name somebody else, and give shields their grace once more.
    pub(crate) fn cancel(&self, cancellation: Cancellation) {
        let now = self.actor.now();
        let mut inner = lock(&self.inner);
        if self.is_cancelled() {
            return;
        }
        inner.cancelled = Some((cancellation, now));
        drop(inner);
        let mut woken = Woken::default();
        self.mark(&mut woken);
        woken.wake();
    }

    fn mark(&self, woken: &mut Woken) {
        let mut inner = lock(&self.inner);
        self.cancelled.store(true, Ordering::Release);
        inner.waiters.drain_into(woken);
        let children: Vec<_> = inner.children.iter().filter_map(Weak::upgrade).collect();
        drop(inner);
        children
            .iter()
            .filter(|c| c.kind != Kind::Shield)
            .for_each(|c| c.mark(woken));
    }

    /// Who cancelled this scope: the nearest answer upwards.
    pub(crate) fn cancellation(&self) -> Option<Cancellation> {
        self.cancelled().map(|(cancellation, _)| cancellation)
    }

    /// Who cancelled it, and when, on the actor's clock.
    fn cancelled(&self) -> Option<(Cancellation, u64)> {
        if !self.is_cancelled() {
            return None;
        }
        let own = lock(&self.inner).cancelled.clone();
        own.or_else(|| self.parent.as_ref()?.cancelled())
    }

    /// Is this error the cancellation of this very scope, not of one around it?
    pub(crate) fn has_raised(&self, error: &Error) -> bool {
        let inner = lock(&self.inner);
        let own = inner.cancelled.as_ref().map(|(cancellation, _)| cancellation);
        own.is_some() && own == error.cancellation()
    }

    fn raise(&self) -> Error {
        let cancellation = self.cancellation().unwrap_or_else(|| Cancellation {
            canceller: self.actor.me().clone(),
            reason: None,
            cause: Cause::ParentTeardown,
        });
        Error::cancelled(cancellation)
    }

    fn enter(self: &Arc<Self>) -> Entered {
        Entered(CURRENT.replace(Some(self.clone())))
    }

    fn count_block(&self, change: impl Fn(&AtomicUsize) + Copy) {
        change(&self.blocks);
        if let Some(parent) = &self.parent {
            parent.count_block(change);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(parent) = &self.parent {
            lock(&parent.inner).children.retain(|child| child.strong_count() > 0);
        }
    }
}

/// Wakes a future when a scope is cancelled, as long as it is there.
pub(crate) struct Watch {
    node: Arc<Node>,
    slot: Slot,
    /// What the node has of us, as long as it is not cancelled.
    known: Option<Waker>,
}

impl Watch {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let slot = Slot::default();
        Self {
            node,
            slot,
            known: None,
        }
    }

    /// Called at every poll, so it looks for itself whether there is anything to do.
    pub(crate) fn register(&mut self, waker: &Waker) {
        if !self.node.is_cancelled() && self.known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        let _replaced = lock(&self.node.inner).waiters.register(&mut self.slot, waker);
        self.known = Some(waker.clone());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Bound, so that the waker is dropped after the lock.
        let _waker = lock(&self.node.inner).waiters.remove(&self.slot);
    }
}

/// Puts the scope that was current before back in its place.
struct Entered(Option<Arc<Node>>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// A block at work in the current scope, which therefore must not be dropped by it.
pub(crate) struct Block(Option<Arc<Node>>);

impl Block {
    pub(crate) fn enter() -> Self {
        let node = try_current_node();
        if let Some(node) = &node {
            node.count_block(|blocks| _ = blocks.fetch_add(1, Ordering::AcqRel));
        }
        Self(node)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(node) = &self.0 {
            node.count_block(|blocks| _ = blocks.fetch_sub(1, Ordering::AcqRel));
        }
    }
}

/// Runs `future` in this scope; `Err` with the cancellation if it still waited when the scope was
/// cancelled.
pub(crate) async fn scoped<F: Future>(node: Arc<Node>, future: F) -> Result<F::Output> {
    let mut future = pin!(future);
    let mut watch = Watch::new(node.clone());
    // Whether the future was polled since the cancel: it may have come from another thread in the middle of
    // a poll, and what waits in this library is to fail, not to be dropped.
    let mut knows = false;
    poll_fn(|cx| {
        let _entered = node.enter();
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            watch.register(cx.waker());
            if !node.is_cancelled() || node.blocks.load(Ordering::Acquire) > 0 {
                return Poll::Pending;
            }
            if std::mem::replace(&mut knows, true) {
                return Poll::Ready(Err(node.raise()));
            }
        }
    })
    .await
}

/// Does the task that is being polled run in this scope, or below it?
pub(crate) fn is_current_within(node: Option<&Arc<Node>>) -> bool {
    CURRENT.with_borrow(|current| match (current, node) {
        (Some(current), Some(node)) => current.is_within(node),
        _ => false,
    })
}

/// Is what is being polled the task that runs in this scope, not one that was started beside it?
pub(crate) fn is_current_task_of(node: Option<&Arc<Node>>) -> bool {
    CURRENT.with_borrow(|current| match (current, node) {
        (Some(current), Some(node)) => current.is_in_task_of(node),
        _ => false,
    })
}

pub(crate) fn try_current_node() -> Option<Arc<Node>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The cancellation of the current scope, as an error.
pub(crate) fn check() -> Result<()> {
    CURRENT.with_borrow(|node| match node {
        Some(node) if node.is_cancelled() => Err(node.raise()),
        _ => Ok(()),
    })
}

/// What a block raises that was cancelled by its own side, if not that alone ended it: the cancellation of the
/// scope around it, if that was cancelled too.
pub(crate) fn outer_or(own: Error) -> Error {
    check().err().unwrap_or(own)
}

/// The task that is being polled: which actor it belongs to.
#[derive(Clone)]
pub struct Current(Arc<Node>);

/// The current task's surroundings.
///
/// # Panics
/// Outside a task of an actor. [`try_current`] says so instead.
#[track_caller]
pub fn current() -> Current {
    try_current().unwrap_or_else(|| panic!("no actor is here: this is for tasks of actors, such as the body of a root"))
}

/// The current task's surroundings, if this code runs in a task of an actor.
pub fn try_current() -> Option<Current> {
    try_current_node().map(Current)
}

impl Current {
    /// The actor this task belongs to.
    pub fn actor(&self) -> &Actor {
        &self.0.actor
    }

    /// Who this actor is.
    pub fn id(&self) -> &ActorId {
        self.0.actor.me()
    }

    /// How many actors can run at the same moment: as many workers are worth starting.
    pub fn parallelism(&self) -> usize {
        self.actor().boundary().parallelism() as usize
    }

    /// The most verbose log lines of this actor's that the host keeps; `None` if it keeps none. See
    /// [`Spec::log_level`](crate::Spec::log_level).
    pub fn log_level(&self) -> Option<Level> {
        self.actor().boundary().log_level()
    }

    /// A portal to this very actor: to hand on, not to open contexts with.
    pub fn portal(&self) -> Portal {
        self.0.actor.portal(0, self.id().clone())
    }

    /// What the current task is called, if it was [given a name](crate::TaskGroup::spawn_named).
    pub fn task(&self) -> Option<&str> {
        self.0.name()
    }

    /// Who cancelled the current scope, if anybody did.
    pub fn cancellation(&self) -> Option<Cancellation> {
        self.0.cancellation()
    }
}

/// Asks for this whole actor to be cancelled, in its own name: all its tasks, its nurseries, then itself
/// (semantics 10). It returns at once; the current task is told where it waits next, and
/// [`cancelled`] waits for just that. Callers learn of it as a cancellation by this actor; to its parent it
/// is an end like any other, not a failure. An empty `reason` is none.
///
/// # Panics
/// Outside a task of an actor. [`Actor::cancel_self`] works there too.
pub fn cancel_self(reason: &str) {
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    current().actor().cancel_self(reason);
}

/// Waits until the current scope is cancelled and says by whom.
pub async fn cancelled() -> Cancellation {
    let Some(node) = try_current_node() else {
        return std::future::pending().await;
    };
    let mut watch = Watch::new(node);
    poll_fn(|cx| {
        watch.register(cx.waker());
        watch.node.cancellation().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// A cancel scope by hand: what runs in it can be cancelled as a whole. Clones are the same scope.
#[derive(Clone)]
pub struct CancelScope(Arc<Node>);

impl CancelScope {
    /// A scope of its own, for code that no endpoint started: a native program's body.
    pub fn root(actor: &Actor) -> Self {
        Self(Node::root(actor.clone(), None))
    }

    /// A scope inside the current one.
    ///
    /// # Panics
    /// Outside a task of an actor.
    pub fn inside() -> Self {
        Self(current().0.child())
    }

    /// Cancels everything that runs in here, in this actor's name. An empty `reason` is none.
    pub fn cancel_with(&self, reason: &str) {
        self.0.cancel(self.0.actor.cancellation(reason, Cause::Requested));
    }

    /// Has it been cancelled, or a scope around it?
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Cancels everything that runs in here. Only the first cancellation counts.
    pub fn cancel(&self, cancellation: Cancellation) {
        self.0.cancel(cancellation);
    }

    /// Runs `future` as a task of the actor.
    ///
    /// # Errors
    /// The cancellation, if the future still waited when the scope was cancelled.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output> {
        scoped(self.0.clone(), future).await
    }
}

/// Lets a long computation notice a cancel.
///
/// # Errors
/// The cancellation of the current scope.
pub fn checkpoint() -> Result<()> {
    check()
}

/// How long a shield holds once the scope around it was cancelled. The host's own grace is a little longer
/// (500 ms unless configured), so what is cut short here is still told as a cancel, not as a trap.
const SHIELD_GRACE: Duration = Duration::from_millis(400);

/// Runs `future`, a cleanup that waits for something, although the current scope is cancelled: for 400 ms
/// from that cancel on. Then it is cancelled too: a shield is no way to stay.
///
/// ```ignore
/// let end = work(&ctx).await;
/// shield(save_progress()).await?;
/// end
/// ```
///
/// # Errors
/// Those of the future; the cancellation, when its time is over.
pub async fn shield<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(current) = try_current_node() else {
        return future.await;
    };
    let _block = Block::enter();
    let node = Node::make(
        current.actor.clone(),
        current.context,
        None,
        Some(current.clone()),
        Kind::Shield,
    );
    let mut work = pin!(scoped(node.clone(), future));
    let mut bound = Bound::of(current);
    poll_fn(|cx| {
        // Once: a cancel wakes who waits here.
        if !node.is_cancelled()
            && let Poll::Ready(cancellation) = bound.poll(cx)
        {
            node.cancel(cancellation);
        }
        work.as_mut().poll(cx)
    })
    .await
    .and_then(|end| end)
}

/// When a shield is to end: [`SHIELD_GRACE`] after the scope around it was cancelled.
pub(crate) struct Bound {
    watch: Watch,
    alarm: Option<(Pin<Box<Alarm>>, Cancellation)>,
}

impl Bound {
    pub(crate) fn of(around: Arc<Node>) -> Self {
        let watch = Watch::new(around);
        Self { watch, alarm: None }
    }

    /// Ready with the cancellation when it is time.
    pub(crate) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Cancellation> {
        let node = &self.watch.node;
        if self.alarm.is_none()
            && let Some((cancellation, since)) = node.cancelled()
        {
            let end = since.saturating_add(SHIELD_GRACE.as_nanos() as u64);
            self.alarm = Some((Box::pin(Alarm::at(&node.actor, end)), cancellation));
        }
        match &mut self.alarm {
            Some((alarm, cancellation)) => alarm.as_mut().poll(cx).map(|()| cancellation.clone()),
            None => {
                self.watch.register(cx.waker());
                Poll::Pending
            }
        }
    }
}

/// As [`check`]; outside any task, asks `node` instead.
#[inline]
pub(crate) fn check_or(node: Option<&Arc<Node>>) -> Result<()> {
    CURRENT.with_borrow(|current| match current.as_ref().or(node) {
        Some(node) if node.is_cancelled() => Err(node.raise()),
        _ => Ok(()),
    })
}
