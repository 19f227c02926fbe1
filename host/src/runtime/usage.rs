//! What an actor has used, counted as it goes.
//!
//! Plain counters that the actor's own driver writes and anybody reads; nothing waits for them, and a turn
//! pays for them with one look at the clock.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::clock::Clock;

/// One actor's counters. Times are nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    turns: AtomicU64,
    cpu: AtomicU64,
    memory: AtomicU64,
    /// When the turn that runs now began; 0 between turns.
    running_since: AtomicU64,
}

impl Usage {
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Time that its turns have had a thread, the present one included up to its last pause.
    pub(crate) fn cpu(&self) -> u64 {
        self.cpu.load(Relaxed)
    }

    /// Bytes of linear memory after its last turn.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }

    pub(crate) fn note_memory(&self, bytes: u64) {
        self.memory.store(bytes, Relaxed);
    }

    /// When the turn that runs now began.
    pub(crate) fn running_since(&self) -> Option<u64> {
        Some(self.running_since.load(Relaxed)).filter(|since| *since > 0)
    }

    /// Runs a turn that begins now, and counts the time it has a thread: not while it waits, or lets others
    /// run. Dropped, the turn is over.
    pub(crate) async fn turn<T>(&self, clock: Clock, now: u64, turn: impl Future<Output = T>) -> T {
        self.running_since.store(now.max(1), Relaxed);
        let _over = Over(self);
        let mut turn = pin!(turn);
        let mut first = Some(now);
        poll_fn(|cx| {
            let begun = first.take().unwrap_or_else(|| clock.now());
            let poll = turn.as_mut().poll(cx);
            // The only writer: no two turns of one actor run at once.
            let cpu = self.cpu.load(Relaxed) + clock.now().saturating_sub(begun);
            self.cpu.store(cpu, Relaxed);
            poll
        })
        .await
    }
}

struct Over<'a>(&'a Usage);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.running_since.store(0, Relaxed);
        self.0.turns.store(self.0.turns.load(Relaxed) + 1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_turn_counts_however_it_ends() {
        let (usage, clock) = (Usage::default(), Clock::start());
        let running = async { usage.running_since() };
        assert_eq!(usage.turn(clock, 7, running).now_or_never(), Some(Some(7)));
        assert_eq!(usage.turn(clock, 8, std::future::pending::<()>()).now_or_never(), None);
        assert_eq!((usage.turns(), usage.running_since()), (2, None));
    }

    #[test]
    fn time_in_which_a_turn_waits_is_not_its_own() {
        let (usage, clock) = (Usage::default(), Clock::start());
        let mut pauses = 0;
        let turn = usage.turn(
            clock,
            clock.now(),
            poll_fn(|_| {
                pauses += 1;
                if pauses == 2 {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            }),
        );
        let mut turn = pin!(turn);
        assert_eq!(turn.as_mut().now_or_never(), None);
        let before = clock.now();
        while clock.now() - before < 5_000_000 {}
        assert_eq!(turn.as_mut().now_or_never(), Some(()));
        assert!(usage.cpu() < 5_000_000, "{}", usage.cpu());
    }
}
