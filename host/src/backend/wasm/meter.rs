//! How long a turn has computed.
//!
//! Epoch ticks say that a millisecond passed, not that the guest had it: other tasks and other processes run in
//! between. What counts is the processor time of the thread, between one check and the next. Waiting for the host
//! gives back as much time as it took: were it all forgiven, a guest could compute for ever and wait for a moment
//! now and then.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;

use super::limits;
use super::stopped::{KillSwitch, KilledByHost, TurnTooLong};
use crate::clock::processor_time;
use crate::runtime::usage::{held_back, note_yield};

/// Tells a turn that waits from one that only lets others run, and adds up for how long.
#[derive(Debug, Default)]
pub(super) struct Meter {
    yielding: AtomicBool,
    /// Nanoseconds that nobody has taken into account yet.
    waited: AtomicU64,
}

impl Meter {
    /// Runs `future`, noting for how long it waits.
    pub(super) fn watch<F: Future>(&self, mut future: Pin<&mut F>) -> impl Future<Output = F::Output> {
        let mut since: Option<Instant> = None;
        poll_fn(move |context| {
            if let Some(since) = since.take() {
                self.waited_for(since.elapsed().saturating_sub(held_back()));
            }
            let poll = future.as_mut().poll(context);
            if poll.is_pending() && !self.yielding.swap(false, Relaxed) {
                since = Some(Instant::now());
            }
            poll
        })
    }

    fn waited_for(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // More than nothing in any case: the turn has left its thread.
        self.waited.fetch_add(time.max(1), Relaxed);
    }

    fn take_waited(&self) -> Option<Duration> {
        match self.waited.swap(0, Relaxed) {
            0 => None,
            time => Some(Duration::from_nanos(time)),
        }
    }
}

/// Adds up the processor time of one turn.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    used: Duration,
    slice: Duration,
    last: Option<Duration>,
}

impl Stopwatch {
    /// A new turn has a new allowance, but not a new slice: many short turns in a row let nobody run either.
    pub(super) fn begin_turn(&mut self) {
        (self.used, self.last) = (Duration::ZERO, None);
    }

    /// The engine's callback, each tick: trap, let others run, or go on.
    pub(super) fn check(&mut self, meter: &Meter, kill: &KillSwitch) -> wasmtime::Result<UpdateDeadline> {
        if kill.is_set() {
            return Err(KilledByHost.into());
        }
        if let Some(time) = meter.take_waited() {
            self.waited(time);
        }
        // Between two checks a turn is on one thread, unless it has yielded or waited, which both forget the last check.
        self.step(processor_time());
        if self.used >= limits::TURN {
            return Err(TurnTooLong.into());
        }
        Ok(self.next(meter))
    }

    fn waited(&mut self, time: Duration) {
        self.used = self.used.saturating_sub(time);
        (self.slice, self.last) = (Duration::ZERO, None);
    }

    fn step(&mut self, now: Duration) {
        let step = self.last.map_or(limits::TICK, |last| now.saturating_sub(last));
        self.used += step;
        self.slice += step;
        self.last = Some(now);
    }

    fn next(&mut self, meter: &Meter) -> UpdateDeadline {
        if self.slice < limits::SLICE {
            return UpdateDeadline::Continue(1);
        }
        self.slice = Duration::ZERO;
        self.last = None;
        meter.yielding.store(true, Relaxed);
        note_yield();
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stopwatch: &mut Stopwatch, milliseconds: u64) {
        for tick in 0..=milliseconds {
            stopwatch.step(Duration::from_millis(tick));
        }
    }

    #[test]
    fn time_is_summed_over_ticks() {
        let mut stopwatch = Stopwatch::default();
        run(&mut stopwatch, 99);
        assert_eq!(stopwatch.used, Duration::from_millis(100));
    }

    #[test]
    fn what_cannot_be_interrupted_counts_whole() {
        let mut stopwatch = Stopwatch::default();
        stopwatch.step(Duration::ZERO);
        stopwatch.step(Duration::from_millis(50));
        assert_eq!(stopwatch.used, limits::TICK + Duration::from_millis(50));
    }

    #[test]
    fn waiting_gives_back_what_was_waited() {
        let meter = Meter::default();
        let mut stopwatch = Stopwatch {
            used: limits::TURN,
            ..Stopwatch::default()
        };
        meter.waited_for(Duration::from_millis(300));
        stopwatch.check(&meter, &KillSwitch::default()).unwrap();
        assert_eq!(stopwatch.used, limits::TURN - Duration::from_millis(300) + limits::TICK);
        meter.waited_for(Duration::ZERO);
        run(&mut stopwatch, 300);
        assert!(stopwatch.check(&meter, &KillSwitch::default()).is_err());
    }

    #[test]
    fn a_turn_that_ends_keeps_its_slice() {
        let mut stopwatch = Stopwatch::default();
        run(&mut stopwatch, 3);
        stopwatch.begin_turn();
        assert_eq!(
            (stopwatch.used, stopwatch.slice),
            (Duration::ZERO, Duration::from_millis(4))
        );
    }

    #[test]
    fn yielding_is_not_waiting() {
        let (meter, mut stopwatch) = (
            Meter::default(),
            Stopwatch {
                slice: limits::SLICE,
                ..Stopwatch::default()
            },
        );
        assert!(matches!(stopwatch.next(&meter), UpdateDeadline::YieldCustom(1, _)));
        let mut polls = 0;
        let mut future = std::pin::pin!(poll_fn(|_| {
            polls += 1;
            if polls == 1 {
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(())
            }
        }));
        let mut watched = std::pin::pin!(meter.watch(future.as_mut()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(watched.as_mut().poll(&mut context).is_pending());
        assert!(watched.as_mut().poll(&mut context).is_ready());
        assert_eq!(meter.take_waited(), None);
    }
}
