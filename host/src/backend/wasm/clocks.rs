//! The clocks a guest reads, no better than it was granted.
//!
//! Events and timers of an actor go by the host's clock, the clocks of WASI by the machine's. Both are
//! read through here: to the millisecond, or as they were when the turn began.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use steading_types::Clock;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Nanoseconds that a clock to the millisecond moves by.
const STEP: u64 = 1_000_000;

/// All clocks of one instance.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    quality: Clock,
    origin: Instant,
    turn: Arc<Turn>,
}

/// When the turn began, as each clock reads it.
#[derive(Debug, Default)]
struct Turn {
    host: AtomicU64,
    monotonic: AtomicU64,
    wall: AtomicU64,
}

impl Clocks {
    pub(super) fn new(quality: Clock) -> Self {
        let clocks = Self {
            quality,
            origin: Instant::now(),
            turn: Arc::default(),
        };
        clocks.begin_turn(0);
        clocks
    }

    /// A turn begins, at this time of the host's; the time it is told. Later rather than earlier, so that a
    /// timer that is due is due by that clock as well.
    pub(super) fn begin_turn(&self, now: u64) -> u64 {
        let told = match self.quality {
            Clock::Real => now,
            Clock::Coarse | Clock::Frozen => now.next_multiple_of(STEP),
        };
        if self.quality == Clock::Frozen {
            self.turn.host.store(told, Relaxed);
            self.turn
                .monotonic
                .store(coarse(nanoseconds(self.origin.elapsed())), Relaxed);
            self.turn.wall.store(coarse(nanoseconds(since_epoch())), Relaxed);
        }
        told
    }

    /// What the guest is told when it asks for the host's time, which is `now`.
    pub(super) fn host(&self, now: u64) -> u64 {
        match self.quality {
            Clock::Real => now,
            Clock::Coarse => now.next_multiple_of(STEP),
            Clock::Frozen => self.turn.host.load(Relaxed),
        }
    }

    fn read(&self, real: impl FnOnce() -> Duration, frozen: &AtomicU64) -> u64 {
        match self.quality {
            Clock::Real => nanoseconds(real()),
            Clock::Coarse => coarse(nanoseconds(real())),
            Clock::Frozen => frozen.load(Relaxed),
        }
    }

    fn step(&self) -> u64 {
        if self.quality == Clock::Real { 1 } else { STEP }
    }
}

impl HostMonotonicClock for Clocks {
    fn resolution(&self) -> u64 {
        self.step()
    }

    fn now(&self) -> u64 {
        self.read(|| self.origin.elapsed(), &self.turn.monotonic)
    }
}

impl HostWallClock for Clocks {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(self.step())
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.read(since_epoch, &self.turn.wall))
    }
}

fn since_epoch() -> Duration {
    // A machine that thinks it is before 1970 has no time to tell.
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn coarse(time: u64) -> u64 {
    time - time % STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(wait: impl Fn() -> bool) {
        let start = Instant::now();
        while !wait() {
            assert!(start.elapsed() < Duration::from_secs(10), "it never passed");
        }
    }

    #[test]
    fn a_coarse_clock_moves_by_milliseconds() {
        let clocks = Clocks::new(Clock::Coarse);
        let first = HostMonotonicClock::now(&clocks);
        passes(|| HostMonotonicClock::now(&clocks) > first);
        assert_eq!(HostMonotonicClock::now(&clocks) % STEP, 0);
        assert_eq!(HostWallClock::now(&clocks).subsec_nanos() % STEP as u32, 0);
        assert_eq!(clocks.host(3 * STEP + 1), 4 * STEP);
        assert_eq!(clocks.begin_turn(3 * STEP), 3 * STEP);
    }

    #[test]
    fn a_frozen_clock_moves_between_turns_alone() {
        let clocks = Clocks::new(Clock::Frozen);
        let told = clocks.begin_turn(5);
        let before = (HostMonotonicClock::now(&clocks), HostWallClock::now(&clocks));
        let start = Instant::now();
        passes(|| start.elapsed() > Duration::from_millis(3));
        assert_eq!((HostMonotonicClock::now(&clocks), HostWallClock::now(&clocks)), before);
        assert_eq!(clocks.host(90 * STEP), told);
        clocks.begin_turn(90 * STEP);
        assert!(HostMonotonicClock::now(&clocks) > before.0);
    }

    #[test]
    fn a_real_clock_is_the_machines() {
        let clocks = Clocks::new(Clock::Real);
        assert_eq!((clocks.begin_turn(7), clocks.host(8)), (7, 8));
        passes(|| !HostMonotonicClock::now(&clocks).is_multiple_of(STEP));
    }
}
