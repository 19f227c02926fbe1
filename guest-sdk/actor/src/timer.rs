//! Timers, and the scopes that end with them.
//!
//! All timers of an actor are in one map; the host is told only about the earliest, and only when that
//! one comes nearer. A wake-up too early is harmless, so a timer that is dropped tells nobody.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use steading_types::{Cancellation, Cause, NO_DEADLINE};

use crate::error::{Error, Result};
use crate::runtime::Actor;
use crate::scope::{self, Node, scoped};
use crate::waiters::Woken;

/// What waits for a time: by time, then by age.
pub(crate) struct Timers {
    waiting: BTreeMap<(u64, u64), Waker>,
    last: u64,
    /// The time the host was asked for.
    asked: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            last: 0,
            asked: NO_DEADLINE,
        }
    }
}

impl Timers {
    fn add(&mut self, time: u64, waker: Waker) -> (u64, u64) {
        self.last += 1;
        self.waiting.insert((time, self.last), waker);
        (time, self.last)
    }

    /// Moves the wakers of all timers that are due to `woken`.
    pub(crate) fn expire(&mut self, now: u64, woken: &mut Woken) {
        while let Some(first) = self.waiting.first_entry().filter(|e| e.key().0 <= now) {
            woken.push(first.remove());
        }
        if self.asked <= now {
            self.asked = NO_DEADLINE;
        }
    }

    /// The time to ask the host for, if it does not know it yet.
    pub(crate) fn news(&mut self) -> Option<u64> {
        let (&(earliest, _), _) = self.waiting.first_key_value()?;
        let nearer = earliest < self.asked;
        nearer.then(|| {
            self.asked = earliest;
            earliest
        })
    }
}

/// Fires once, at a time on the actor's clock. Knows nothing of scopes.
pub(crate) struct Alarm {
    actor: Actor,
    time: u64,
    id: Option<(u64, u64)>,
}

impl Alarm {
    pub(crate) fn after(actor: &Actor, duration: Duration) -> Self {
        let duration = u64::try_from(duration.as_nanos()).unwrap_or(NO_DEADLINE);
        Self::at(actor, actor.now().saturating_add(duration))
    }

    pub(crate) fn at(actor: &Actor, time: u64) -> Self {
        let actor = actor.clone();
        Self { actor, time, id: None }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut old = None;
        let fired = this.actor.with_timers(|timers| match this.id {
            None => {
                this.id = Some(timers.add(this.time, cx.waker().clone()));
                false
            }
            Some(id) => match timers.waiting.get_mut(&id) {
                Some(known) => {
                    old = Some(std::mem::replace(known, cx.waker().clone()));
                    false
                }
                None => true,
            },
        });
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // Bound, so that the waker is dropped after the lock.
            let _waker = self.actor.with_timers(|timers| timers.waiting.remove(&id));
        }
    }
}

/// Waits for this long, or until the current scope is cancelled.
///
/// # Errors
/// The cancellation of the current scope.
///
/// # Panics
/// Outside a task of an actor.
pub async fn sleep(duration: Duration) -> Result<()> {
    let actor = scope::current().actor().clone();
    wait(Alarm::after(&actor, duration)).await
}

/// Waits until a time on the actor's clock (nanoseconds, as [`Actor::now`](crate::Actor::now) counts).
///
/// # Errors
/// The cancellation of the current scope.
///
/// # Panics
/// Outside a task of an actor.
pub async fn sleep_until(time: u64) -> Result<()> {
    let actor = scope::current().actor().clone();
    wait(Alarm::at(&actor, time)).await
}

async fn wait(alarm: Alarm) -> Result<()> {
    let mut alarm = pin!(alarm);
    poll_fn(|cx| match scope::check() {
        Err(cancelled) => Poll::Ready(Err(cancelled)),
        Ok(()) => alarm.as_mut().poll(cx).map(Ok),
    })
    .await
}

/// Runs `future` for at most this long; `None` when the time is up.
///
/// Everything in it is cancelled then (cause: deadline), and blocks inside are waited for until they are
/// torn down: nothing goes on in the background. What the future still manages to return counts: a value
/// is a value, and a failure while it was tearing down is reported.
///
/// # Errors
/// Those of the future; the cancellation of the current scope.
///
/// # Panics
/// Outside a task of an actor.
pub async fn move_on_after<T>(duration: Duration, future: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    let actor = scope::current().actor().clone();
    let node = Node::inside_current(&actor);
    let mut alarm = pin!(Alarm::after(&actor, duration));
    let mut work = pin!(scoped(Arc::clone(&node), future));
    let mut fired = false;
    let end = poll_fn(|cx| {
        if !fired && alarm.as_mut().poll(cx).is_ready() {
            fired = true;
            node.cancel(deadline(&actor));
        }
        work.as_mut().poll(cx)
    })
    .await;
    match end.and_then(|inner| inner) {
        Err(error) if fired && is_deadline_of(&error, &actor) => scope::check().map(|()| None),
        end => end.map(Some),
    }
}

/// As [`move_on_after`]; that the time is up is an error.
///
/// # Errors
/// One that [`is_elapsed`](Error::is_elapsed) when the time is up; those of the future; the cancellation
/// of the current scope.
///
/// # Panics
/// Outside a task of an actor.
pub async fn fail_after<T>(duration: Duration, future: impl Future<Output = Result<T>>) -> Result<T> {
    let end = move_on_after(duration, future).await?;
    end.ok_or_else(|| Error::elapsed(duration))
}

/// [`fail_after`] by its usual name.
///
/// # Errors
/// As there.
///
/// # Panics
/// Outside a task of an actor.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = Result<T>>) -> Result<T> {
    fail_after(duration, future).await
}

fn deadline(actor: &Actor) -> Cancellation {
    Cancellation {
        canceller: actor.me().clone(),
        reason: None,
        cause: Cause::Deadline,
    }
}

fn is_deadline_of(error: &Error, actor: &Actor) -> bool {
    error
        .cancellation()
        .is_some_and(|c| c.canceller == *actor.me() && c.cause == Cause::Deadline)
}
