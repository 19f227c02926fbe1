//! Several tasks inside one actor.
//!
//! Structured like everything else: tasks belong to a [`scope`] block, are polled by it, and are over
//! when it ends. Waiting for several things at once, without tasks, is what [`join!`](crate::join),
//! [`select!`](crate::select) and [`race`] are for.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt};
use steading_actor::{CancelScope, Error, Result};

/// What won a [`race`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

/// Waits for the first of two futures; the other is dropped. If both are ready, the first wins.
pub async fn race<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> Either<A, B> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Either::Left(value)),
        Poll::Pending => second.as_mut().poll(cx).map(Either::Right),
    })
    .await
}

/// Waits for the first of several futures and goes on with its arm; the others are dropped. If several
/// are ready, the first of them wins.
///
/// ```ignore
/// select! {
///     message = stream.next() => handle(message?),
///     _ = sleep(Duration::from_secs(1)) => warn!("quiet"),
/// }
/// ```
#[macro_export]
macro_rules! select {
    (@future $first:expr) => { $first };
    (@future $first:expr, $($rest:expr),+) => { $crate::race($first, $crate::select!(@future $($rest),+)) };
    (@match $value:expr; $pattern:pat => $arm:expr) => { match $value { $pattern => $arm } };
    (@match $value:expr; $pattern:pat => $arm:expr, $($patterns:pat => $arms:expr),+) => {
        match $value {
            $crate::Either::Left($pattern) => $arm,
            $crate::Either::Right(other) => $crate::select!(@match other; $($patterns => $arms),+),
        }
    };
    ($($pattern:pat = $future:expr => $arm:expr),+ $(,)?) => {
        $crate::select!(@match $crate::select!(@future $($future),+).await; $($pattern => $arm),+)
    };
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The handle of a [`scope`] block: starts tasks in it. Clones are the same block.
#[derive(Clone)]
pub struct TaskGroup(Rc<Shared>);

struct Shared {
    cancel: CancelScope,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// Tasks the block has not taken over yet.
    queue: Vec<Task>,
    /// What wakes the block to do so.
    waker: Option<Waker>,
    failures: Vec<Error>,
}

/// Runs `body`, and with it the tasks it spawns; ends when all have ended. If one fails, the body and
/// all others are cancelled.
///
/// # Errors
/// The body's, else a task's; several independent ones as a group; the cancellation of the enclosing
/// scope.
///
/// # Panics
/// Outside a task of an actor.
pub async fn scope<T, F>(body: F) -> Result<T>
where
    F: AsyncFnOnce(TaskGroup) -> Result<T>,
{
    let cancel = CancelScope::inside();
    let group = TaskGroup(Rc::new(Shared {
        cancel: cancel.clone(),
        state: RefCell::default(),
    }));
    let mut tasks = FuturesUnordered::new();
    let mut body = pin!(cancel.run(body(group.clone())));
    let mut end = None;
    poll_fn(|cx| {
        if end.is_none()
            && let Poll::Ready(ended) = body.as_mut().poll(cx)
        {
            end = Some(group.body_ended(ended));
        }
        match (group.poll_tasks(&mut tasks, cx), end.is_some()) {
            (Poll::Ready(()), true) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    group.raise(end)
}

impl TaskGroup {
    /// Starts a task of this block. If it fails, the block fails, whether or not anybody waits for it.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = Result<T>> + 'static) -> JoinHandle<T> {
        let slot = Rc::new(RefCell::new(Joined {
            result: None,
            waker: None,
        }));
        let (group, cancel, joined) = (self.clone(), self.0.cancel.clone(), slot.clone());
        self.0.state.borrow_mut().queue.push(Box::pin(async move {
            let result = cancel.run(future).await.and_then(|end| end);
            if let Err(error) = &result {
                group.failed(error);
            }
            let waker = {
                let mut joined = joined.borrow_mut();
                joined.result = Some(result);
                joined.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
        }));
        let waker = self.0.state.borrow_mut().waker.take();
        waker.into_iter().for_each(Waker::wake);
        JoinHandle(slot)
    }

    /// Cancels the block: its body and all its tasks.
    pub fn cancel(&self, reason: &str) {
        self.0.cancel.cancel_with(reason);
    }

    fn failed(&self, error: &Error) {
        if !error.is_cancelled() {
            self.0.state.borrow_mut().failures.push(error.clone());
            self.cancel(&error.to_string());
        }
    }

    fn body_ended<T>(&self, ended: Result<Result<T>>) -> Result<T> {
        let ended = ended.and_then(|end| end);
        if let Err(error) = &ended {
            self.cancel(&error.to_string());
        }
        ended
    }

    /// Ready when no task is left.
    fn poll_tasks(&self, tasks: &mut FuturesUnordered<Task>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let queued = std::mem::take(&mut self.0.state.borrow_mut().queue);
            tasks.extend(queued);
            match tasks.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if self.0.state.borrow().queue.is_empty() => return Poll::Ready(()),
                Poll::Ready(None) => {}
                Poll::Pending => break,
            }
        }
        self.0.state.borrow_mut().waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn raise<T>(&self, end: Option<Result<T>>) -> Result<T> {
        let mut failures = std::mem::take(&mut self.0.state.borrow_mut().failures);
        let end = end.unwrap_or_else(|| Err(Error::msg("the block ended before its body")));
        match end {
            Err(error) if failures.is_empty() => Err(error),
            Ok(value) if failures.is_empty() => Ok(value),
            Err(error) if !error.is_cancelled() && !failures.iter().any(|known| known.is_same(&error)) => {
                failures.insert(0, error);
                Err(Error::group(failures))
            }
            _ => Err(Error::group(failures)),
        }
    }
}

/// A task of a [`scope`] block.
pub struct JoinHandle<T>(Rc<RefCell<Joined<T>>>);

struct Joined<T> {
    result: Option<Result<T>>,
    waker: Option<Waker>,
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut joined = self.0.borrow_mut();
        match joined.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                joined.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
