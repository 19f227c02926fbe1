//! The way of a task into the block that polls it.
//!
//! Who starts a task hands it over here and wakes the block; a block that is over takes no more. Tasks
//! hold their block, so those that nobody has taken over would hold themselves: the block ends its queue.

use std::sync::Mutex;
use std::task::Waker;

use crate::lock;

/// Tasks that a block has not taken over yet.
pub(crate) struct Queue<T>(Mutex<State<T>>);

struct State<T> {
    tasks: Vec<T>,
    /// What wakes the block to take them over.
    waker: Option<Waker>,
    over: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self(Mutex::new(State {
            tasks: Vec::new(),
            waker: None,
            over: false,
        }))
    }
}

impl<T> Queue<T> {
    /// Hands a task to the block; drops it if that is over.
    pub(crate) fn enqueue(&self, task: T) {
        let mut state = lock(&self.0);
        if state.over {
            // First, as a task that is dropped may look here.
            drop(state);
            return drop(task);
        }
        state.tasks.push(task);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Moves all tasks to `polled`, and wakes `waker` when there are more.
    pub(crate) fn take_over(&self, polled: &mut impl Extend<T>, waker: &Waker) {
        let mut state = lock(&self.0);
        polled.extend(state.tasks.drain(..));
        // Bound, so that the old waker is dropped after the lock.
        let _old = state.waker.replace(waker.clone());
        drop(state);
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).tasks.is_empty()
    }

    /// Takes no more. What is left in it is handed out because it must not be dropped under a lock.
    pub(crate) fn end(&self) -> (Vec<T>, Option<Waker>) {
        let mut state = lock(&self.0);
        state.over = true;
        (std::mem::take(&mut state.tasks), state.waker.take())
    }
}
