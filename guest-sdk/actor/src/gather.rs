//! Many scopes entered at once, and left together (semantics 1, axiom 1, and 7).
//!
//! All or nothing: the body runs when every scope is open, and if one of them fails, before, during or
//! after it, all others are cancelled and waited for. Members are polled by the block itself, so nothing
//! can outlive it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::de::DeserializeOwned;
use steading_types::ErrorKind;

use crate::context::Context;
use crate::entry::{Door, Entry};
use crate::error::{Error, Result};
use crate::portal::ContextBuilder;
use crate::scope::{self, Block, Node, scoped};
use crate::verdict::{Failures, cancel_for};

/// Enters many scopes at the same time and runs `body` with what they give, in the order of `blocks`.
///
/// A block is an async function that opens its scope and, innermost in it, [holds](Entry::hold) it open.
/// When the body has ended well, the scopes are left one by one, the last first. When it fails, or is
/// cancelled, or one of the blocks fails, all are cancelled at once. In any case all have ended when this
/// does; only if it is dropped does it wait for nothing.
///
/// ```ignore
/// let blocks = sources.iter().map(|source| async move |entry: Entry<Reader>| {
///     source.open(async |reader| entry.hold(reader).await).await
/// });
/// gather(blocks, async |readers| merge(readers).await).await
/// ```
///
/// # Errors
/// Of kind `InvalidOperation` if there are no blocks. Failures of the body and of blocks, several as a
/// group; else a cancellation that one of them met; else that of the current scope. Of kind `NotStarted` if
/// a block ends well and has held nothing. That the user cancelled what one block gave, by its handle, is
/// not a failure.
///
/// # Panics
/// Outside a task of an actor.
pub fn gather<V, T, B, F>(blocks: impl IntoIterator<Item = B>, body: F) -> impl Future<Output = Result<T>>
where
    B: AsyncFnOnce(Entry<V>) -> Result<()>,
    F: AsyncFnOnce(Vec<V>) -> Result<T>,
{
    // Collected here, so that the future holds no iterator: one that borrows would keep it from being sent.
    enter_all(blocks.into_iter().collect(), body)
}

async fn enter_all<V, T, B, F>(blocks: Vec<B>, body: F) -> Result<T>
where
    B: AsyncFnOnce(Entry<V>) -> Result<()>,
    F: AsyncFnOnce(Vec<V>) -> Result<T>,
{
    scope::check()?;
    let _block = Block::enter();
    let node = Node::inside_current(scope::current().actor());
    let mut doors = Doors::default();
    let blocks = blocks.into_iter().map(|block| block(doors.add())).collect();
    let mut crowd = Crowd::of(&node, blocks);
    let all = doors.all()?;
    let mut body = pin!(scoped(node.child(), async { body(values(&all).await).await }));
    let mut end = None;
    let end = poll_fn(|cx| {
        // First, so that a body that waits for a scope finds it open.
        _ = doors.poll(&mut crowd, cx);
        if end.is_none()
            && let Poll::Ready(ended) = body.as_mut().poll(cx)
        {
            end = Some(crowd.body_ended(ended.and_then(|end| end)));
        }
        match end.is_some() && doors.poll_leave(&mut crowd, cx).is_ready() {
            true => end.take().map_or(Poll::Pending, Poll::Ready),
            false => Poll::Pending,
        }
    })
    .await;
    crowd.failures.judge(end)
}

/// Opens many contexts at the same time and runs `body` with all handles and first values, in the order of
/// `contexts`; see [`gather`]. When the body has ended well, the contexts are left one by one, the last
/// first, and each waits for its callee to return.
///
/// ```ignore
/// let contexts = portals.iter().map(|portal| portal.context("scan").args(&pattern));
/// gather_contexts(contexts, async |scans: Vec<(Context<(), Hit, u32>, u32)>| merge(scans).await).await
/// ```
///
/// # Errors
/// As [`gather`] and [`Portal::open_context`](crate::Portal::open_context).
///
/// # Panics
/// Outside a task of an actor.
pub fn gather_contexts<S, R, St, T, F>(
    contexts: impl IntoIterator<Item = ContextBuilder>,
    body: F,
) -> impl Future<Output = Result<T>>
where
    St: DeserializeOwned,
    F: AsyncFnOnce(Vec<(Context<S, R, St>, St)>) -> Result<T>,
{
    let blocks = contexts.into_iter().map(|context| {
        async move |entry: Entry<_>| context.open(async |ctx, first| entry.hold((ctx, first)).await).await
    });
    enter_all(blocks.collect(), body)
}

/// Waits for all of several calls, or other futures, which run at the same time: their results, in the
/// order of `calls`. If one fails, the others are cancelled and waited for. Of nothing it is nothing.
///
/// # Errors
/// A call's failure, several as a group; else a cancellation that one of them met; else that of the current
/// scope.
///
/// # Panics
/// Outside a task of an actor.
pub fn gather_calls<T, Fut>(calls: impl IntoIterator<Item = Fut>) -> impl Future<Output = Result<Vec<T>>>
where
    Fut: Future<Output = Result<T>>,
{
    wait_all(calls.into_iter().collect())
}

async fn wait_all<T, Fut>(calls: Vec<Fut>) -> Result<Vec<T>>
where
    Fut: Future<Output = Result<T>>,
{
    scope::check()?;
    let _block = Block::enter();
    let node = Node::inside_current(scope::current().actor());
    let mut crowd = Crowd::of(&node, calls);
    let mut values: Vec<_> = (0..crowd.members.len()).map(|_| None).collect();
    while let Some((index, value)) = poll_fn(|cx| crowd.poll(cx)).await {
        values[index] = value;
    }
    // One is missing only if there is a failure, or a cancellation, to tell of.
    crowd.failures.judge(Ok(values.into_iter().flatten().collect()))
}

/// Futures that end together.
struct Crowd<M> {
    node: Arc<Node>,
    members: FuturesUnordered<M>,
    failures: Failures,
}

/// One of them, in a scope of its own: its teardown must not keep the others waiting.
async fn member<T>(node: Arc<Node>, index: usize, work: impl Future<Output = Result<T>>) -> (usize, Result<T>) {
    (index, scoped(node, work).await.and_then(|end| end))
}

impl Crowd<()> {
    fn of<T, Fut>(node: &Arc<Node>, futures: Vec<Fut>) -> Crowd<impl Future<Output = (usize, Result<T>)> + use<T, Fut>>
    where
        Fut: Future<Output = Result<T>>,
    {
        let futures = futures.into_iter().enumerate();
        Crowd {
            node: node.clone(),
            members: futures.map(|(index, work)| member(node.child(), index, work)).collect(),
            failures: Failures::default(),
        }
    }
}

impl<T, M: Future<Output = (usize, Result<T>)>> Crowd<M> {
    /// The next that has ended, by its index, and its value unless it has failed.
    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<(usize, Option<T>)>> {
        self.members.poll_next_unpin(cx).map(|next| {
            let (index, end) = next?;
            let value = end.map_err(|error| self.failures.add(&self.node, error));
            Some((index, value.ok()))
        })
    }

    fn body_ended<B>(&self, end: Result<B>) -> Result<B> {
        if let Err(error) = &end {
            cancel_for(&self.node, error);
        }
        end
    }
}

/// The ways into the scopes of a [`gather`], as long as they are there.
struct Doors<V>(Vec<Option<Arc<Door<V>>>>);

impl<V> Default for Doors<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Doors<V> {
    fn add(&mut self) -> Entry<V> {
        let door = Door::new();
        let entry = Entry::new(&door);
        self.0.push(Some(door));
        entry
    }

    fn all(&self) -> Result<Vec<Arc<Door<V>>>> {
        match self.0.is_empty() {
            true => Err(Error::invalid("gather: there is nothing to gather")),
            false => Ok(self.0.iter().flatten().cloned().collect()),
        }
    }

    /// Ready when no scope is left.
    fn poll<M>(&mut self, crowd: &mut Crowd<M>, cx: &mut TaskContext<'_>) -> Poll<()>
    where
        M: Future<Output = (usize, Result<()>)>,
    {
        while let Some((index, value)) = ready!(crowd.poll(cx)) {
            let silent = self.0[index].take().is_some_and(|door| door.is_opening());
            if silent && value.is_some() {
                crowd.failures.add(&crowd.node, held_nothing());
            }
        }
        Poll::Ready(())
    }

    /// As [`poll`](Self::poll), and has the last scope left, then the one before it.
    fn poll_leave<M>(&mut self, crowd: &mut Crowd<M>, cx: &mut TaskContext<'_>) -> Poll<()>
    where
        M: Future<Output = (usize, Result<()>)>,
    {
        while self.poll(crowd, cx).is_pending() {
            if !self.close_last() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Lets the last be left; `false` if it knows.
    fn close_last(&mut self) -> bool {
        while let Some(None) = self.0.last() {
            self.0.pop();
        }
        let last = self.0.iter().flatten().next_back();
        last.filter(|door| !door.is_closed()).is_some_and(|door| {
            door.close();
            true
        })
    }
}

fn held_nothing() -> Error {
    Error::fault(ErrorKind::NotStarted, "a block ended and has held nothing")
}

async fn values<V>(doors: &[Arc<Door<V>>]) -> Vec<V> {
    let mut values = Vec::with_capacity(doors.len());
    for door in doors {
        values.push(door.take().await);
    }
    values
}
