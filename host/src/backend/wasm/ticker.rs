//! The clock that interrupts guests: a thread of its own that advances the engine's epoch each
//! millisecond while some guest runs, and sleeps without any wake-up while none does.
//!
//! A turn costs two atomic operations here and no system call: the thread goes on ticking for a
//! while after the last turn, and only a turn that finds it asleep has to wake it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use super::limits;

/// Ticks while guests run.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    /// Starts the thread.
    pub(super) fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("steading-ticker".into())
            .spawn(move || ours.run(&engine))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// A guest runs from now until the answer is dropped.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) {
            self.wake();
        }
        Busy(&self.shared)
    }

    #[cold]
    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The thread runs nothing that panics; if it did, there is nobody left to tell.
            drop(thread.join());
        }
    }
}

/// Keeps the clock going.
#[derive(Debug)]
pub(super) struct Busy<'a>(&'a Shared);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Shared {
    fn run(&self, engine: &wasmtime::Engine) {
        let mut idle = 0;
        while !self.stop.load(SeqCst) {
            thread::park_timeout(limits::TICK);
            if self.is_busy() {
                engine.increment_epoch();
                idle = 0;
            } else if idle < limits::IDLE_TICKS {
                idle += 1;
            } else {
                self.sleep();
                idle = 0;
            }
        }
    }

    fn is_busy(&self) -> bool {
        self.running.load(SeqCst) > 0
    }

    /// Whoever enters either sees `asleep` and wakes us, or was counted before we looked.
    fn sleep(&self) {
        self.asleep.store(true, SeqCst);
        while !self.is_busy() && !self.stop.load(SeqCst) {
            thread::park();
        }
        self.asleep.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_wakes_a_sleeping_ticker_and_dropping_it_ends_the_thread() {
        let ticker = Ticker::start(wasmtime::Engine::default()).unwrap();
        while !ticker.shared.asleep.load(SeqCst) {
            thread::yield_now();
        }
        let busy = ticker.busy();
        while ticker.shared.asleep.load(SeqCst) {
            thread::yield_now();
        }
        drop(busy);
        drop(ticker);
    }
}
