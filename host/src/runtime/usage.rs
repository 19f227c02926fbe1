//! What an actor has used, counted as it goes.
//!
//! Plain counters that the actor's own driver writes and anybody reads; nothing waits for them, and a turn
//! pays for them with one look at the clock.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::time::Sleep;

use super::account::Account;
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
    pub(crate) async fn turn<T>(
        &self,
        clock: Clock,
        now: u64,
        account: &Arc<Account>,
        turn: impl Future<Output = T>,
    ) -> T {
        self.running_since.store(now.max(1), Relaxed);
        let _over = Over(self);
        self.measure(clock, now, account, turn).await
    }

    /// Counts the time that this has a thread from `now` on. While the account is over its share of processor
    /// time, it has none.
    pub(crate) async fn measure<T>(
        &self,
        clock: Clock,
        now: u64,
        account: &Arc<Account>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        let mut first = Some(now);
        let mut rest = Rest::default();
        poll_fn(|cx| {
            let mut begun = first.take().unwrap_or_else(|| clock.now());
            if account.has_share() {
                ready!(rest.poll_over(account, clock, cx));
                begun = clock.now();
            }
            let poll = work.as_mut().poll(cx);
            let ended = clock.now();
            let used = ended.saturating_sub(begun);
            // The only writer: no two turns of one actor run at once.
            self.cpu.store(self.cpu.load(Relaxed) + used, Relaxed);
            if account.has_share() {
                account.take_cpu(used, ended);
            }
            poll
        })
        .await
    }
}

/// The wait of an account that is over its share.
#[derive(Default)]
struct Rest(Option<Pin<Box<Sleep>>>);

impl Rest {
    fn poll_over(&mut self, account: &Arc<Account>, clock: Clock, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(sleep) = &mut self.0 {
                ready!(sleep.as_mut().poll(cx));
                self.0 = None;
            }
            let rest = account.rest(clock.now());
            if rest.is_zero() {
                return Poll::Ready(());
            }
            self.0 = Some(Box::pin(tokio::time::sleep(rest)));
        }
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

    use steading_types::Budget;

    use super::*;

    fn unbounded() -> Arc<Account> {
        Account::new(None, String::new(), Budget::default())
    }

    #[test]
    fn a_turn_counts_however_it_ends() {
        let (usage, clock) = (Usage::default(), Clock::start());
        let running = async { usage.running_since() };
        assert_eq!(
            usage.turn(clock, 7, &unbounded(), running).now_or_never(),
            Some(Some(7))
        );
        assert_eq!(
            usage
                .turn(clock, 8, &unbounded(), std::future::pending::<()>())
                .now_or_never(),
            None
        );
        assert_eq!((usage.turns(), usage.running_since()), (2, None));
    }

    #[test]
    fn time_in_which_a_turn_waits_is_not_its_own() {
        let (usage, clock) = (Usage::default(), Clock::start());
        let (mut pauses, account) = (0, unbounded());
        let turn = usage.turn(
            clock,
            clock.now(),
            &account,
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
