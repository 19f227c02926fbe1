//! Several tasks inside one actor.
//!
//! Structured like everything else: tasks belong to a [`scope`](fn@scope) block, are polled by it, and are over
//! when it ends; one that fails cancels the others. Nothing is spawned anywhere: who drives the actor
//! polls the block. Waiting for several things at once, without tasks, is what [`race`](fn@crate::race) and
//! the `join!` of `futures` are for.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt};
use steading_types::{Cancellation, Cause, ErrorKind};

use crate::error::{Error, Result};
use crate::lock;
use crate::queue::Queue;
use crate::scope::{self, Block, Node, Watch, scoped};
use crate::verdict;

/// Where a task may run: natively on any thread; in a guest there is but one.
#[cfg(not(target_arch = "wasm32"))]
pub trait TaskSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send> TaskSend for T {}
#[cfg(not(target_arch = "wasm32"))]
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a task may run: natively on any thread; in a guest there is but one.
#[cfg(target_arch = "wasm32")]
pub trait TaskSend {}
#[cfg(target_arch = "wasm32")]
impl<T> TaskSend for T {}
#[cfg(target_arch = "wasm32")]
type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The handle of a [`scope`](fn@scope) block: starts tasks in it. Clones are the same block.
#[derive(Clone)]
pub struct TaskGroup(Arc<Shared>);

struct Shared {
    node: Arc<Node>,
    queue: Queue<Task>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: Vec<Error>,
    /// The user asked for the cancel, by [`TaskGroup::cancel`].
    cancel_called: bool,
}

impl std::fmt::Debug for TaskGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tasks of {}", self.0.node.actor().me())
    }
}

/// Runs `body`, and with it the tasks it starts; ends when all have ended. If one fails, the body and all
/// others are cancelled.
///
/// # Errors
/// The body's, else a task's; several independent ones as a group; the cancellation of the enclosing
/// scope. If [`TaskGroup::cancel`] took the place of the body's value, the error
/// [`is_absorbed`](Error::is_absorbed).
///
/// # Panics
/// Outside a task of an actor.
pub async fn scope<T, F>(body: F) -> Result<T>
where
    F: AsyncFnOnce(TaskGroup) -> Result<T>,
{
    let _block = Block::enter();
    let node = Node::inside_current(scope::current().actor());
    let group = TaskGroup(Arc::new(Shared {
        node: node.clone(),
        queue: Queue::default(),
        state: Mutex::default(),
    }));
    let _over = Over(&group);
    let mut tasks = FuturesUnordered::new();
    // In a scope of its own: a task's teardown must not keep the body waiting.
    let mut body = pin!(scoped(node.child(), body(group.clone())));
    let mut end = None;
    poll_fn(|cx| {
        if end.is_none()
            && let Poll::Ready(ended) = body.as_mut().poll(cx)
        {
            end = Some(group.body_ended(ended.and_then(|end| end)));
        }
        match (group.poll_tasks(&mut tasks, cx), end.take()) {
            (Poll::Ready(()), Some(ended)) => Poll::Ready(group.raise(ended)),
            (_, ended) => {
                end = ended;
                Poll::Pending
            }
        }
    })
    .await
}

/// The block takes no more tasks when it is over.
struct Over<'a>(&'a TaskGroup);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        drop(self.0.0.queue.end());
    }
}

impl TaskGroup {
    /// Starts a task of this block. If it fails, the block fails, whether or not anybody waits for it.
    pub fn spawn<T, F>(&self, future: F) -> JoinHandle<T>
    where
        T: TaskSend + 'static,
        F: Future<Output = Result<T>> + TaskSend + 'static,
    {
        self.spawn_in(self.0.node.task(None), future)
    }

    /// As [`spawn`](Self::spawn); the task finds its name in [`Current::task`](crate::Current::task).
    pub fn spawn_named<T, F>(&self, name: &str, future: F) -> JoinHandle<T>
    where
        T: TaskSend + 'static,
        F: Future<Output = Result<T>> + TaskSend + 'static,
    {
        self.spawn_in(self.0.node.task(Some(name)), future)
    }

    fn spawn_in<T, F>(&self, node: Arc<Node>, future: F) -> JoinHandle<T>
    where
        T: TaskSend + 'static,
        F: Future<Output = Result<T>> + TaskSend + 'static,
    {
        let joined = Arc::new(Mutex::new(Joined::default()));
        let (group, slot) = (self.clone(), Unjoined(joined.clone()));
        // Not taken over, it is dropped, and its handle says so.
        self.0.queue.enqueue(Box::pin(async move {
            let result = scoped(node, future).await.and_then(|end| end);
            if let Err(error) = &result {
                group.failed(error);
            }
            slot.set(result);
        }));
        JoinHandle(joined)
    }

    /// Starts a task of this block and waits until it says that it has started, with a value. From then on
    /// it is a task like any other; until then it belongs to who waits here: a cancel of the current scope
    /// ends it, and its failure is raised here and nowhere else.
    ///
    /// ```ignore
    /// let address = tasks.start(|ready| async move {
    ///     let server = Server::open().await?;
    ///     ready.started(server.address());
    ///     server.run().await
    /// }).await?;
    /// ```
    ///
    /// # Errors
    /// The task's own error if it fails before; the cancellation, if the task was cancelled before, whatever
    /// it made of that; of kind `NotStarted` if it returns without a word.
    pub async fn start<V, T, F, Fut>(&self, task: F) -> Result<V>
    where
        V: TaskSend + 'static,
        F: FnOnce(Ready<V>) -> Fut,
        Fut: Future<Output = Result<T>> + TaskSend + 'static,
    {
        self.start_in(self.0.node.task(None), task).await
    }

    /// As [`start`](Self::start); the task finds its name in [`Current::task`](crate::Current::task).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_named<V, T, F, Fut>(&self, name: &str, task: F) -> Result<V>
    where
        V: TaskSend + 'static,
        F: FnOnce(Ready<V>) -> Fut,
        Fut: Future<Output = Result<T>> + TaskSend + 'static,
    {
        self.start_in(self.0.node.task(Some(name)), task).await
    }

    async fn start_in<V, T, F, Fut>(&self, node: Arc<Node>, task: F) -> Result<V>
    where
        V: TaskSend + 'static,
        F: FnOnce(Ready<V>) -> Fut,
        Fut: Future<Output = Result<T>> + TaskSend + 'static,
    {
        let _block = Block::enter();
        let start = Start::new(node.clone());
        let future = task(Ready(start.clone()));
        let (group, told, inside) = (self.clone(), Untold(start.clone()), node.clone());
        self.0.queue.enqueue(Box::pin(async move {
            let result = scoped(inside, future).await.and_then(|end| end);
            if let Some(error) = told.0.ended(result.map(|_| ())) {
                group.failed(&error);
            }
        }));
        let waiting = Waiting(&start);
        let mut watch = scope::try_current_node().map(Watch::new);
        poll_fn(|cx| {
            if let Some(watch) = &mut watch {
                watch.register(cx.waker());
            }
            waiting.0.pass_on_cancel();
            waiting.0.poll(cx)
        })
        .await
    }

    /// Cancels the block: its body and all its tasks. An empty `reason` is none.
    pub fn cancel(&self, reason: &str) {
        lock(&self.0.state).cancel_called = true;
        self.0
            .node
            .cancel(self.0.node.actor().cancellation(reason, Cause::Requested));
    }

    /// A failure, or a cancellation from elsewhere, ends all; that one was cancelled with all is no news.
    fn failed(&self, error: &Error) {
        if error.is_absorbed() || (error.is_cancelled() && self.0.node.is_cancelled()) {
            return;
        }
        let mut state = lock(&self.0.state);
        if !state.failures.iter().any(|known| known.is_same(error)) {
            state.failures.push(error.clone());
        }
        drop(state);
        verdict::cancel_for(&self.0.node, error);
    }

    fn body_ended<T>(&self, end: Result<T>) -> Result<T> {
        if let Err(error) = &end {
            verdict::cancel_for(&self.0.node, error);
        }
        end
    }

    /// Ready when no task is left.
    fn poll_tasks(&self, tasks: &mut FuturesUnordered<Task>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.0.queue.take_over(tasks, cx.waker());
            match tasks.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if self.0.queue.is_empty() => return Poll::Ready(()),
                Poll::Ready(None) => {}
                Poll::Pending if self.0.queue.is_empty() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }

    /// Failures before cancellations, all of them, each once; our own cancel is no news (semantics 7).
    fn raise<T>(&self, end: Result<T>) -> Result<T> {
        let mut state = lock(&self.0.state);
        let (failures, cancel_called) = (std::mem::take(&mut state.failures), state.cancel_called);
        drop(state);
        match verdict::above(end.as_ref().err(), failures) {
            Some(error) => Err(error),
            None => self.absorb(end, cancel_called),
        }
    }

    /// That the user cancelled this very block is not raised out of it.
    fn absorb<T>(&self, end: Result<T>, cancel_called: bool) -> Result<T> {
        let own = |error: &Error| error.canceller() == Some(self.0.node.actor().me());
        match end {
            Err(error) if cancel_called && own(&error) => {
                let absorbed = error.cancellation().cloned().map_or(error, Error::absorbed);
                Err(scope::outer_or(absorbed))
            }
            end => end,
        }
    }
}

fn over() -> Error {
    Error::invalid("the block of these tasks is over")
}

/// A task of a [`scope`](fn@scope) block. To be waited for once; it runs all the same if nobody does.
#[must_use = "a task runs by itself; `_ =` says that nobody waits for its value"]
pub struct JoinHandle<T>(Arc<Mutex<Joined<T>>>);

struct Joined<T> {
    result: Option<Result<T>>,
    /// There was a result, whether or not it was taken.
    done: bool,
    waker: Option<Waker>,
}

impl<T> Default for Joined<T> {
    fn default() -> Self {
        Self {
            result: None,
            done: false,
            waker: None,
        }
    }
}

/// The task's end of a handle. Dropped with the task, it says that the block is over.
struct Unjoined<T>(Arc<Mutex<Joined<T>>>);

impl<T> Unjoined<T> {
    fn set(&self, result: Result<T>) {
        let mut joined = lock(&self.0);
        (joined.result, joined.done) = (Some(result), true);
        let waker = joined.waker.take();
        drop(joined);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Drop for Unjoined<T> {
    fn drop(&mut self) {
        let done = lock(&self.0).done;
        if !done {
            self.set(Err(over()));
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut joined = lock(&self.0);
        match joined.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                // Bound, so that the old waker is dropped after the lock.
                let _old = joined.waker.replace(cx.waker().clone());
                drop(joined);
                Poll::Pending
            }
        }
    }
}

/// By which a task that was started with [`TaskGroup::start`] says that it has started.
pub struct Ready<V>(Arc<Start<V>>);

impl<V> Ready<V> {
    /// The task has started; this is what who started it gets.
    pub fn started(self, value: V) {
        // Handed back, and dropped, if nobody waits for it any more.
        drop(self.0.change(Phase::Started(value)));
    }
}

struct Start<V> {
    node: Arc<Node>,
    state: Mutex<(Phase<V>, Option<Waker>)>,
}

enum Phase<V> {
    Starting,
    Started(V),
    /// It ended first; `None`: without an error.
    Ended(Option<Error>),
    /// Nobody waits for the start: it has happened, or who waited is gone.
    Past,
}

impl<V> Start<V> {
    fn new(node: Arc<Node>) -> Arc<Self> {
        let state = Mutex::new((Phase::Starting, None));
        Arc::new(Self { node, state })
    }

    /// Leaves the phase of starting; hands `phase` back if that was left before.
    fn change(&self, phase: Phase<V>) -> Option<Phase<V>> {
        let mut state = lock(&self.state);
        if !matches!(state.0, Phase::Starting) {
            return Some(phase);
        }
        state.0 = phase;
        let waker = state.1.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        None
    }

    /// The task is over. Its error, if the block has to know of it because nobody else will.
    fn ended(&self, result: Result<()>) -> Option<Error> {
        let Some(Phase::Ended(error)) = self.change(Phase::Ended(result.err())) else {
            return None;
        };
        // One that was cancelled alone, because who waited for it has gone, is no news to the others.
        error.filter(|error| !error.is_cancelled() || !self.node.is_cancelled())
    }

    /// As long as it starts, it is a part of the scope that waits for it.
    fn pass_on_cancel(&self) {
        if let Err(error) = scope::check()
            && let Some(cancellation) = error.cancellation()
            && matches!(lock(&self.state).0, Phase::Starting)
        {
            self.node.cancel(cancellation.clone());
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<V>> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut state.0, Phase::Past) {
            Phase::Started(value) => Poll::Ready(Ok(value)),
            Phase::Ended(Some(error)) => Poll::Ready(Err(error)),
            // What a cancelled task makes of its cancel is not a failure to start.
            Phase::Ended(None) => Poll::Ready(Err(self.node.cancellation().map_or_else(silent, Error::cancelled))),
            Phase::Starting => {
                state.0 = Phase::Starting;
                // Bound, so that the old waker is dropped after the lock.
                let _old = state.1.replace(cx.waker().clone());
                drop(state);
                Poll::Pending
            }
            Phase::Past => Poll::Pending,
        }
    }
}

/// The task's end of a start. Dropped with the task, it says that the block is over.
struct Untold<V>(Arc<Start<V>>);

impl<V> Drop for Untold<V> {
    fn drop(&mut self) {
        if matches!(lock(&self.0.state).0, Phase::Starting) {
            drop(self.0.change(Phase::Ended(Some(over()))));
        }
    }
}

fn silent() -> Error {
    Error::fault(
        ErrorKind::NotStarted,
        "the task ended without saying that it has started",
    )
}

/// Who waits for the start. Dropped early, it takes the task along.
struct Waiting<'a, V>(&'a Start<V>);

impl<V> Drop for Waiting<'_, V> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        let before = std::mem::replace(&mut state.0, Phase::Past);
        drop(state);
        let abandoned: Option<Cancellation> =
            matches!(before, Phase::Starting).then(|| self.0.node.actor().cancellation("", Cause::ParentTeardown));
        if let Some(cancellation) = abandoned {
            self.0.node.cancel(cancellation);
        }
    }
}
