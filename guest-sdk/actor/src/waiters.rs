//! Tasks that wait for one thing to change.
//!
//! Every change wakes all of them and each looks for itself: there are few, and a task that was dropped
//! in a `select!` must not swallow the wake of another.

use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};

use crate::lock;

/// Wakers to be woken once all locks are released. One, which is the rule, needs no allocation.
#[derive(Default)]
pub(crate) struct Woken {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

impl Woken {
    pub(crate) fn push(&mut self, waker: Waker) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.rest.push(waker),
        }
    }

    pub(crate) fn wake(self) {
        if let Some(first) = self.first {
            first.wake();
        }
        self.rest.into_iter().for_each(Waker::wake);
    }
}

/// A place in the queue, kept by the waiting future.
#[derive(Default)]
pub(crate) struct Slot(u64);

impl Slot {
    /// Has the future ever waited in it?
    pub(crate) fn is_taken(&self) -> bool {
        self.0 > 0
    }
}

/// The wakers of waiting futures.
#[derive(Default)]
pub(crate) struct Waiters {
    last: u64,
    list: Vec<(u64, Waker)>,
}

impl Waiters {
    /// Waits, or goes on waiting, in `slot`. A waker in whose place this one comes is handed out because it must
    /// not be dropped under a lock: what it wakes may be dropped with it.
    #[must_use]
    pub(crate) fn register(&mut self, slot: &mut Slot, waker: &Waker) -> Option<Waker> {
        match self.list.iter_mut().find(|(id, _)| *id == slot.0) {
            Some((_, known)) if known.will_wake(waker) => None,
            Some((_, known)) => Some(std::mem::replace(known, waker.clone())),
            None => {
                self.last += 1;
                slot.0 = self.last;
                self.list.push((slot.0, waker.clone()));
                None
            }
        }
    }

    /// Waits no longer. The waker is handed out as one that [`register`](Self::register) replaces.
    pub(crate) fn remove(&mut self, slot: &Slot) -> Option<Waker> {
        let at = self.list.iter().position(|(id, _)| *id == slot.0)?;
        Some(self.list.swap_remove(at).1)
    }

    /// Moves all wakers to `woken`, for waking after the lock is gone.
    pub(crate) fn drain_into(&mut self, woken: &mut Woken) {
        self.list.drain(..).for_each(|(_, waker)| woken.push(waker));
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}

/// A state behind a lock, whose changes tasks wait for.
#[derive(Default)]
pub(crate) struct Waited<S>(Mutex<(S, Waiters)>);

impl<S> Waited<S> {
    pub(crate) fn new(state: S) -> Self {
        Self(Mutex::new((state, Waiters::default())))
    }

    /// Looks at it, or changes what nobody waits for.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut lock(&self.0).0)
    }

    /// Changes it; all who wait are to be woken.
    pub(crate) fn change<T>(&self, woken: &mut Woken, change: impl FnOnce(&mut S) -> T) -> T {
        let mut state = lock(&self.0);
        let answer = change(&mut state.0);
        state.1.drain_into(woken);
        answer
    }

    /// Waits for `step` to have an answer. Cancel-safe.
    pub(crate) async fn wait<T>(&self, mut step: impl FnMut(&mut S) -> Option<T>) -> T {
        let mut place = Place {
            among: self,
            slot: Slot::default(),
        };
        poll_fn(|cx| {
            let mut state = lock(&self.0);
            let Some(answer) = step(&mut state.0) else {
                let _replaced = state.1.register(&mut place.slot, cx.waker());
                drop(state);
                return Poll::Pending;
            };
            Poll::Ready(answer)
        })
        .await
    }
}

/// A place among those who wait, left when the waiting ends.
struct Place<'a, S> {
    among: &'a Waited<S>,
    slot: Slot,
}

impl<S> Drop for Place<'_, S> {
    fn drop(&mut self) {
        if self.slot.is_taken() {
            // Bound, so that the waker is dropped after the lock.
            let _waker = lock(&self.among.0).1.remove(&self.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Nothing;

    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_waker_that_is_replaced_is_handed_out() {
        let (mut waiters, mut slot) = (Waiters::default(), Slot::default());
        let (first, second) = (Waker::from(Arc::new(Nothing)), Waker::from(Arc::new(Nothing)));
        assert!(waiters.register(&mut slot, &first).is_none(), "there was none");
        assert!(waiters.register(&mut slot, &first).is_none(), "it is the same");
        let replaced = waiters.register(&mut slot, &second).expect("it is another");
        assert!(replaced.will_wake(&first));
        assert!(waiters.remove(&slot).expect("it waits").will_wake(&second));
    }
}
