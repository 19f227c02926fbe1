//! How long a turn has computed.
//!
//! Epoch ticks say that a millisecond passed, not that the guest had it: other tasks and other
//! processes run in between. Time is summed between checks that follow each other closely; a turn
//! that waits for the host starts anew.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;

use super::limits;
use super::stopped::{KillSwitch, KilledByHost, TurnTooLong};

/// Tells a turn that waits from one that only lets others run.
#[derive(Debug, Default)]
pub(super) struct Meter {
    yielding: AtomicBool,
    waited: AtomicBool,
}

impl Meter {
    /// Runs `future`, noting when it waits.
    pub(super) fn watch<F: Future>(&self, mut future: Pin<&mut F>) -> impl Future<Output = F::Output> {
        poll_fn(move |context| {
            let poll = future.as_mut().poll(context);
            if poll.is_pending() {
                self.suspended();
            }
            poll
        })
    }

    fn suspended(&self) {
        if !self.yielding.swap(false, Relaxed) {
            self.waited.store(true, Relaxed);
        }
    }
}

/// Adds up the time of one turn.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    used: Duration,
    slice: Duration,
    last: Option<Instant>,
}

/// A longer gap between two checks was somebody else's time.
const LONGEST_STEP: Duration = Duration::from_millis(2);

impl Stopwatch {
    /// The engine's callback, each tick: trap, let others run, or go on.
    pub(super) fn check(&mut self, meter: &Meter, kill: &KillSwitch) -> wasmtime::Result<UpdateDeadline> {
        if kill.is_set() {
            return Err(KilledByHost.into());
        }
        if meter.waited.swap(false, Relaxed) {
            *self = Self::default();
        }
        self.step(Instant::now());
        if self.used >= limits::TURN {
            return Err(TurnTooLong.into());
        }
        Ok(self.next(meter))
    }

    fn step(&mut self, now: Instant) {
        let step = self
            .last
            .map_or(limits::TICK, |last| now.duration_since(last).min(LONGEST_STEP));
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
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stopwatch: &mut Stopwatch, milliseconds: u64) {
        let start = Instant::now();
        for tick in 0..=milliseconds {
            stopwatch.step(start + Duration::from_millis(tick));
        }
    }

    #[test]
    fn time_is_summed_over_ticks() {
        let mut stopwatch = Stopwatch::default();
        run(&mut stopwatch, 99);
        assert_eq!(stopwatch.used, Duration::from_millis(100));
    }

    #[test]
    fn time_of_others_does_not_count() {
        let mut stopwatch = Stopwatch::default();
        let start = Instant::now();
        stopwatch.step(start);
        stopwatch.step(start + Duration::from_secs(60));
        assert_eq!(stopwatch.used, limits::TICK + LONGEST_STEP);
    }

    #[test]
    fn waiting_for_the_host_starts_anew() {
        let (meter, mut stopwatch) = (
            Meter::default(),
            Stopwatch {
                used: limits::TURN,
                ..Stopwatch::default()
            },
        );
        meter.suspended();
        stopwatch.check(&meter, &KillSwitch::default()).unwrap();
        assert_eq!(stopwatch.used, limits::TICK);
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
        meter.suspended();
        assert!(!meter.waited.load(Relaxed));
    }
}
