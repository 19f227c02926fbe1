//! One compilation at a time, and only so many that wait for theirs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::wasm::limits;

/// Who compiles, and how many wait.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: bool,
    waiting: usize,
}

/// Nobody else compiles until it is dropped.
#[derive(Debug)]
pub(in crate::backend::wasm) struct Turn<'a> {
    gate: &'a Gate,
    has_waited: bool,
}

impl Turn<'_> {
    /// Whether somebody else has compiled meanwhile, perhaps the same.
    pub(in crate::backend::wasm) fn has_waited(&self) -> bool {
        self.has_waited
    }
}

impl Gate {
    /// Waits for the others; the number of those who wait if they are too many.
    pub(super) fn enter(&self) -> Result<Turn<'_>, usize> {
        let mut state = self.lock();
        if !state.taken {
            state.taken = true;
            return Ok(self.turn(false));
        }
        if state.waiting >= limits::COMPILES_WAITING {
            return Err(state.waiting);
        }
        state.waiting += 1;
        let waited = self.free.wait_while(state, |state| state.taken);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.taken = true;
        Ok(self.turn(true))
    }

    fn turn(&self, has_waited: bool) -> Turn<'_> {
        Turn { gate: self, has_waited }
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.gate.lock().taken = false;
        self.gate.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn one_is_in_some_wait_and_the_next_is_sent_away() {
        let gate = Gate::default();
        let first = gate.enter().unwrap();
        assert!(!first.has_waited());
        thread::scope(|scope| {
            let waiters = (0..limits::COMPILES_WAITING).map(|_| scope.spawn(|| gate.enter().unwrap().has_waited()));
            let waiters: Vec<_> = waiters.collect();
            while gate.lock().waiting < limits::COMPILES_WAITING {
                thread::yield_now();
            }
            assert_eq!(gate.enter().unwrap_err(), limits::COMPILES_WAITING);
            drop(first);
            assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
        });
        assert!(!gate.enter().unwrap().has_waited());
    }
}
