//! What an actor has used, counted as it goes.
//!
//! Plain counters that the actor's own driver writes and anybody reads; nothing waits for them, and a turn
//! pays for them with one look at the clock.

use std::cell::Cell as StdCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use super::account::Account;
use crate::clock::{Clock, processor_time};

/// One actor's counters. Times are nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    turns: AtomicU64,
    cpu: AtomicU64,
    memory: AtomicU64,
    /// When the turn that runs now began; 0 between turns.
    running_since: AtomicU64,
    /// It is to be interrupted, and for that it has to run.
    hurries: AtomicBool,
    /// How much more it had computed than rested when it last paused, and when that was.
    streak: AtomicU64,
    paused_at: AtomicU64,
}

/// What a turn runs by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) clock: Clock,
    /// What its time is charged to.
    pub(crate) account: &'a Arc<Account>,
    /// As many permits as there are threads, for turns that compute for long.
    pub(crate) heavy: &'a Arc<Semaphore>,
    /// It is ending, and does not wait for its share: that is charged all the same.
    pub(crate) is_urgent: bool,
}

/// Who has computed so much more than it has rested computes for long: a guest's slice is 5 ms.
const LONG: u64 = 4_000_000;

/// Who has so much of a streak is measured by the processor's time, which costs two system calls; who has less, by the
/// clock, by which a thread that the kernel has taken away counts as computing.
const SUSPECT: u64 = LONG / 4;

/// The most that counts of what is measured by the clock: nobody computes for long by the clock alone.
const MOST_BY_CLOCK: u64 = LONG / 2;

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

    /// What runs now, or waits for a thread, gets one at once.
    pub(crate) fn hurry(&self) {
        self.hurries.store(true, Relaxed);
    }

    /// Runs a turn that begins now, and counts the time it has a thread: not while it waits, or lets others
    /// run. Dropped, the turn is over.
    pub(crate) async fn turn<T>(&self, terms: Terms<'_>, now: u64, turn: impl Future<Output = T>) -> T {
        self.running_since.store(now.max(1), Relaxed);
        let _over = Over(self);
        self.measure(terms, now, turn).await
    }

    /// Counts the time that this has a thread from `now` on. While the account is over its share of processor
    /// time, it has none. Of what computes for long, no more runs at once than there are threads: all else waits
    /// for a permit, not for a thread, and so keeps nobody waiting who needs one for a moment, itself included.
    pub(crate) async fn measure<T>(&self, terms: Terms<'_>, now: u64, work: impl Future<Output = T>) -> T {
        let Terms { clock, account, .. } = terms;
        let mut work = pin!(work);
        let mut first = Some(now);
        let (mut rest, mut lane) = (Rest::default(), Lane::default());
        // Since when it wants a thread, if it has not had one since.
        let mut wanted = None;
        poll_fn(|cx| {
            let asked = first.take().unwrap_or_else(|| clock.now());
            let since = *wanted.get_or_insert(asked);
            let permit = ready!(self.poll_permit(terms, since, &mut rest, &mut lane, cx));
            let begun = if since == asked && permit.is_none() {
                asked
            } else {
                clock.now()
            };
            let is_suspect = self.streak_at(since) >= SUSPECT;
            let measured = is_suspect.then(processor_time);
            HELD_BACK.set(begun - since);
            let poll = work.as_mut().poll(cx);
            HELD_BACK.set(0);
            let ended = clock.now();
            // While others run that it has let, it does not rest.
            wanted = HAS_YIELDED.take().then_some(ended);
            let used = match measured {
                Some(before) => processor_time().saturating_sub(before).as_nanos() as u64,
                None => ended.saturating_sub(begun),
            };
            self.note(since, ended, used, if is_suspect { u64::MAX } else { MOST_BY_CLOCK });
            if account.has_share() {
                account.take_cpu(used, ended);
            }
            // At once, and not when it is polled next: as long as all wait for a thread, and nobody for a permit, there
            // always is one, and who needs the thread for a moment stands behind them all.
            if poll.is_pending() && wanted.is_some() && self.streak_at(ended) >= LONG {
                // Never at the front at once: it lets others run even then.
                let _place = lane.stand(terms.heavy, cx);
            }
            // After what it took is charged: the next in line is to find the account as it is.
            drop(permit);
            poll
        })
        .await
    }

    /// Whether it may have a thread, wanted since then, and with what permit if it needs one.
    fn poll_permit(
        &self,
        terms: Terms<'_>,
        since: u64,
        rest: &mut Rest,
        lane: &mut Lane,
        cx: &mut Context<'_>,
    ) -> Poll<Option<OwnedSemaphorePermit>> {
        let rests = terms.account.has_share() && !terms.is_urgent;
        if self.hurries.load(Relaxed) {
            lane.leave();
            return Poll::Ready(None);
        }
        if rests && rest.poll_over(terms.account, terms.clock, cx).is_pending() {
            // Nobody else is to wait for a permit that is not used.
            lane.leave();
            return Poll::Pending;
        }
        if self.streak_at(since) < LONG {
            return Poll::Ready(None);
        }
        let permit = ready!(lane.poll_permit(terms.heavy, cx));
        if rests && rest.poll_over(terms.account, terms.clock, cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(permit)
    }

    /// How much more it has computed than rested, of late.
    fn streak_at(&self, now: u64) -> u64 {
        let idle = now.saturating_sub(self.paused_at.load(Relaxed));
        self.streak.load(Relaxed).saturating_sub(idle)
    }

    /// It wanted a thread at `since`, and had one for so long until `ended`, of which at most so much counts as
    /// computed in a row. The only writer of all this: no two turns of one actor run at once.
    fn note(&self, since: u64, ended: u64, used: u64, counts: u64) {
        let streak = self.streak_at(since).saturating_add(used.min(counts));
        self.streak.store(streak, Relaxed);
        self.paused_at.store(ended, Relaxed);
        self.cpu.store(self.cpu.load(Relaxed) + used, Relaxed);
    }
}

thread_local! {
    static HELD_BACK: StdCell<u64> = const { StdCell::new(0) };
    static HAS_YIELDED: StdCell<bool> = const { StdCell::new(false) };
}

/// Within a poll of something measured: it could go on at once, and only lets others run.
pub(crate) fn note_yield() {
    HAS_YIELDED.set(true);
}

/// Within a poll of something measured: nanoseconds for which it was ready to run and was not let. To who tells time
/// that was waited from time that others were given.
pub(crate) fn held_back() -> Duration {
    Duration::from_nanos(HELD_BACK.get())
}

/// Where what computes for long waits for its turn, in order.
#[derive(Default)]
struct Lane(Option<Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>>);

impl Lane {
    /// `None` where there are no permits any more: the host is going down.
    fn poll_permit(&mut self, heavy: &Arc<Semaphore>, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        if self.0.is_none()
            && let Ok(permit) = heavy.clone().try_acquire_owned()
        {
            return Poll::Ready(Some(permit));
        }
        let permit = ready!(self.stand(heavy, cx));
        self.0 = None;
        Poll::Ready(permit)
    }

    /// Takes its place at the end, if it has none; whether it has come to the front.
    fn stand(&mut self, heavy: &Arc<Semaphore>, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        let waits = self.0.get_or_insert_with(|| {
            let acquire = heavy.clone().acquire_owned();
            Box::pin(async move {
                let permit = acquire.await.ok();
                // Who is woken by a task of the same thread runs next, before all that has waited there for longer and
                // needs the thread for a moment only. And an executor looks at its timers when all have let others run.
                tokio::task::yield_now().await;
                permit
            })
        });
        waits.as_mut().poll(cx)
    }

    /// Gives up its place, and the permit, if it was given one.
    fn leave(&mut self) {
        self.0 = None;
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

    struct Unbounded(Arc<Account>, Arc<Semaphore>);

    impl Unbounded {
        fn new(permits: usize) -> Self {
            let account = Account::new(None, String::new(), Budget::default());
            Self(account, Arc::new(Semaphore::new(permits)))
        }

        fn terms(&self, clock: Clock) -> Terms<'_> {
            let (account, heavy, is_urgent) = (&self.0, &self.1, false);
            Terms {
                clock,
                account,
                heavy,
                is_urgent,
            }
        }
    }

    /// Computes for this long whenever it is polled, and never ends.
    fn long() -> impl Future<Output = ()> {
        poll_fn(move |_| {
            let begun = processor_time();
            while (processor_time() - begun).as_nanos() <= u128::from(LONG) {}
            Poll::Pending
        })
    }

    #[test]
    fn what_computes_for_long_goes_on_with_a_permit() {
        let (usage, clock, unbounded) = (Usage::default(), Clock::start(), Unbounded::new(1));
        let mut turn = pin!(usage.turn(unbounded.terms(clock), 1, long()));
        let mut polled = || {
            let before = usage.cpu();
            assert_eq!(turn.as_mut().now_or_never(), None);
            usage.cpu() > before
        };
        assert!(polled() && polled(), "nobody else wants to");
        let taken = unbounded
            .1
            .clone()
            .try_acquire_owned()
            .expect("it is given back after each slice");
        assert!(!polled());
        drop(taken);
        assert!(!polled(), "it lets others run once more");
        assert!(polled());
        let _taken = unbounded
            .1
            .clone()
            .try_acquire_owned()
            .expect("it is given back after each slice");
        assert!(!polled());
        usage.hurry();
        assert!(polled(), "it is to be interrupted");
    }

    #[test]
    fn a_turn_counts_however_it_ends() {
        let (usage, clock, unbounded) = (Usage::default(), Clock::start(), Unbounded::new(1));
        let terms = unbounded.terms(clock);
        let running = async { usage.running_since() };
        assert_eq!(usage.turn(terms, 7, running).now_or_never(), Some(Some(7)));
        assert_eq!(usage.turn(terms, 8, std::future::pending::<()>()).now_or_never(), None);
        assert_eq!((usage.turns(), usage.running_since()), (2, None));
    }

    #[test]
    fn time_in_which_a_turn_waits_is_not_its_own() {
        let (usage, clock, unbounded) = (Usage::default(), Clock::start(), Unbounded::new(1));
        let mut pauses = 0;
        let turn = usage.turn(
            unbounded.terms(clock),
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
