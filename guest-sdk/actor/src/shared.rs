//! One resource for many tasks of an actor (semantics 1, axiom 1).
//!
//! The first user opens it, the last closes it and waits until it is closed; in between, all users keep it
//! going together, and it fails all of them if it fails. Nothing is left when the last user has gone: the
//! block of a resource is over before that user's is. Its states are drawn in `resource.rs`.

use std::fmt;
use std::future::poll_fn;
use std::hash::Hash;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::entry::{Door, Entry};
use crate::error::{Error, Result};
use crate::resource::{Left, Resource, Work};
use crate::runtime::Actor;
use crate::scope::{self, Block, Bound, Node, scoped};
use crate::verdict::{Failures, cancel_for};
use crate::waiters::Slot;

/// Runs `body` with a resource that all tasks of this actor share which ask for it by the same `key`.
///
/// `open` opens a scope and, innermost in it, [holds](Entry::hold) it open; it is run for the first user
/// only. The last user to leave, for whatever reason, has it closed (`hold` returns) and waits until it is.
/// Who asks while it closes waits, and opens it anew. Resources are told apart by the types of key and value
/// and by the key, not by the function: a key type of your own keeps clear of everybody else's keys.
///
/// ```ignore
/// async fn with_ticks<T>(portal: &Portal, body: impl AsyncFnOnce(Subscription<(), Tick>) -> Result<T>) -> Result<T> {
///     let portal = portal.clone();
///     let open = |entry: Entry<Stream<(), Tick>>| async move {
///         let block = async |ctx: Context<(), Tick>, ()| {
///             ctx.stream(async |ticks| entry.hold(ticks).await).await?;
///             // Or the last user would wait until the ticks end by themselves.
///             ctx.cancel("nobody listens").await;
///             Ok(())
///         };
///         portal.open_context("ticks", &(), block).await
///     };
///     shared("ticks", open, async |ticks| body(ticks.subscribe()?).await).await
/// }
/// ```
///
/// A resource belongs to no user's scope and no context's task: a cancel of who opens it leaves it to those
/// who have joined meanwhile. When the last user is cancelled, closing has the time of a
/// [`shield`](crate::shield()), 400 ms from that cancel; then the resource is cancelled too, and waited
/// for. If nobody waits for it any more while it opens, it is cancelled at once. Only a user that is
/// dropped, not cancelled, does not wait; the last one drops the resource along with it.
///
/// What is shared lives in the actor, where tasks run on any thread: hence `Send`, in guests too.
///
/// # Errors
/// Failures of the body and of the resource, both as a group. One that fails to open, or while it is open,
/// fails every user of that moment, with the same error; one that fails to close fails the last user, and
/// takes the place of its cancellation. Of kind `NotStarted` if it ends well and has held nothing, of kind
/// `InvalidOperation` if `open` asks for the very resource it opens (two that ask for each other are not
/// found out, and wait until somebody cancels them). Else the cancellation of the current scope.
///
/// # Panics
/// Outside a task of an actor.
pub async fn shared<K, V, T, O, Fut, F>(key: K, open: O, body: F) -> Result<T>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
    O: FnOnce(Entry<V>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
    F: AsyncFnOnce(Lease<V>) -> Result<T>,
{
    let mut user = User::enter(key, open).await?;
    let end = user.work(body).await;
    user.leave(end).await
}

/// What a user of something [`shared`](fn@shared) is given: the value its resource holds.
pub struct Lease<V> {
    value: V,
    first: bool,
}

impl<V> Lease<V> {
    /// Whether this user was the first to be given the value. Of the users of one opening, one is.
    pub fn is_first(&self) -> bool {
        self.first
    }

    /// The value itself. It is good until the block of this user ends, whatever it is moved to.
    pub fn into_inner(self) -> V {
        self.value
    }
}

impl<V> Deref for Lease<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V: fmt::Debug> fmt::Debug for Lease<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease of {:?}", self.value)
    }
}

/// One task's part in a resource. Dropped early, it lets go.
struct User<K, V>
where
    K: Eq + Hash + Send + 'static,
    V: Send + 'static,
{
    actor: Actor,
    key: K,
    resource: Arc<Resource<V>>,
    slot: Slot,
    left: bool,
    _block: Block,
}

impl<K, V> User<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    async fn enter<O, Fut>(key: K, mut open: O) -> Result<Self>
    where
        O: FnOnce(Entry<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let actor = scope::current().actor().clone();
        loop {
            scope::check()?;
            let make = |open| make(&actor, open);
            let (resource, unused) = actor.with_resources(|resources| resources.find(&key, open, make));
            if scope::is_current_within(Some(&resource.node)) {
                return Err(Error::invalid(
                    "shared: what opens a resource waits for that very resource",
                ));
            }
            let Some(unused) = unused.filter(|_| !resource.join()) else {
                return Ok(Self {
                    actor,
                    key,
                    resource,
                    slot: Slot::default(),
                    left: false,
                    _block: Block::enter(),
                });
            };
            open = unused;
            gone(actor.clone(), key.clone(), resource).await?;
        }
    }

    async fn work<T, F>(&mut self, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Lease<V>) -> Result<T>,
    {
        let (node, resource) = (Node::inside_current(&self.actor), self.resource.clone());
        let inside = async {
            let value = resource.door.copy().await;
            let first = resource.is_first();
            body(Lease { value, first }).await
        };
        let mut inside = pin!(scoped(node.clone(), inside));
        poll_fn(|cx| {
            self.look_after(cx.waker());
            if !node.is_cancelled()
                && let Some(Err(error)) = self.resource.over()
            {
                cancel_for(&node, &error);
            }
            inside.as_mut().poll(cx)
        })
        .await
        .and_then(|end| end)
    }

    async fn leave<T>(mut self, end: Result<T>) -> Result<T> {
        if let Left::Close = self.resource.leave() {
            self.close(end.as_ref().err().cloned()).await;
        }
        self.left = true;
        let mut failures = Failures::default();
        if let Some(Err(error)) = self.resource.over() {
            failures.add(&self.resource.node, error);
        }
        failures.judge(end)
    }

    /// The last user's part: waits until it is over.
    async fn close(&mut self, why: Option<Error>) {
        match why.filter(|_| self.resource.door.is_opening()) {
            Some(error) => cancel_for(&self.resource.node, &error),
            None => self.resource.door.close(),
        }
        let mut bound = scope::try_current_node().map(Bound::of);
        poll_fn(|cx| {
            self.look_after(cx.waker());
            let node = &self.resource.node;
            if let (false, Some(bound)) = (node.is_cancelled(), &mut bound)
                && let Poll::Ready(cancellation) = bound.poll(cx)
            {
                node.cancel(cancellation);
            }
            self.resource.over().map_or(Poll::Pending, |_| Poll::Ready(()))
        })
        .await;
    }

    /// Does what is to be done for the resource now, and is woken when there is more.
    fn look_after(&mut self, waker: &Waker) {
        self.resource.register(&mut self.slot, waker);
        if self.resource.drive() {
            forget(&self.actor, &self.key, &self.resource);
        }
    }
}

impl<K, V> Drop for User<K, V>
where
    K: Eq + Hash + Send + 'static,
    V: Send + 'static,
{
    fn drop(&mut self) {
        self.resource.unregister(&self.slot);
        let work = if self.left { None } else { self.resource.desert() };
        if work.is_some() {
            // Before it can be opened anew.
            drop(work);
            forget(&self.actor, &self.key, &self.resource);
        }
    }
}

fn make<V, O, Fut>(actor: &Actor, open: O) -> Arc<Resource<V>>
where
    V: Send + 'static,
    O: FnOnce(Entry<V>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let (node, door) = (Node::root(actor.clone(), None), Door::new());
    let entry = Entry::new(&door);
    // Called when it is polled, not now: it is not known what it does.
    let work: Work = Box::pin({
        let node = node.clone();
        async move { scoped(node, async move { open(entry).await }).await.and_then(|end| end) }
    });
    Resource::new(node, door, work)
}

fn forget<K, V>(actor: &Actor, key: &K, resource: &Arc<Resource<V>>)
where
    K: Eq + Hash + Send + 'static,
    V: Send + 'static,
{
    actor.with_resources(|resources| resources.forget(key, resource));
    resource.tell();
}

/// Waits until a resource that is on its way out can be opened anew. Owns all it knows: a borrowed key would
/// have to be `Sync`.
async fn gone<K, V>(actor: Actor, key: K, resource: Arc<Resource<V>>) -> Result<()>
where
    K: Eq + Hash + Send + 'static,
    V: Send + 'static,
{
    let slot = Slot::default();
    let mut place = Place { resource, slot };
    poll_fn(move |cx| {
        scope::check()?;
        place.resource.register(&mut place.slot, cx.waker());
        match actor.with_resources(|resources| resources.has(&key, &place.resource)) {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    })
    .await
}

struct Place<V> {
    resource: Arc<Resource<V>>,
    slot: Slot,
}

impl<V> Drop for Place<V> {
    fn drop(&mut self) {
        self.resource.unregister(&self.slot);
    }
}
