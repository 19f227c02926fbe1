//! The host's monotonic clock, as nanoseconds since the host began; and the processor's, for a thread.

use std::time::{Duration, Instant};

/// Reads as nanoseconds. Never runs backwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> u64 {
        // 584 years of nanoseconds fit.
        self.origin.elapsed().as_nanos() as u64
    }

    /// The instant that reads `time`; a time too far away becomes a year from the origin.
    pub(crate) fn instant(&self, time: u64) -> tokio::time::Instant {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let offset = Duration::from_nanos(time).min(YEAR);
        (self.origin + offset).into()
    }
}

/// What this thread has computed since it began, by the processor's own account. A system call.
pub(crate) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
