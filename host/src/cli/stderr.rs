//! Standard error, written by a thread of its own: nobody else waits for who reads it.
//!
//! Log lines come from workers, in the middle of turns; were they written there, a pipe that nobody reads would hold up
//! actors, their deadlines, and their ends by force. For a line for which there is no room, nobody waits: it is dropped
//! and counted, and the count is told as soon as there is room. What the command itself has to say waits for room, for
//! as long as something goes on. What cannot be written at all, as on a full disk, is lost: there is no other place to
//! say so.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that wait to be written; a line more than that is the last.
const ROOM: usize = 1 << 20;
/// For so long nothing has to be taken before nobody waits any more.
const PATIENCE: Duration = Duration::from_secs(2);

static STDERR: Queue = Queue::new(PATIENCE);

struct Queue {
    patience: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines for which there was no room, and nobody was told of.
    dropped: u64,
    /// Pieces written so far, by which those who wait see that it goes on.
    written: u64,
    /// One is being written now.
    writes: bool,
    /// It was waited for in vain, and nothing has been written since.
    is_stuck: bool,
    has_thread: bool,
}

impl State {
    const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            written: 0,
            writes: false,
            is_stuck: false,
            has_thread: false,
        }
    }

    fn has_room(&self) -> bool {
        self.bytes < ROOM
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0 && !self.writes
    }

    fn push(&mut self, piece: Vec<u8>) {
        self.tell_dropped();
        self.bytes += piece.len();
        self.waiting.push_back(piece);
    }

    /// Where they would have stood.
    fn tell_dropped(&mut self) {
        if let dropped @ 1.. = std::mem::take(&mut self.dropped) {
            let line = format!("{dropped} lines dropped: standard error is not read fast enough\n").into_bytes();
            self.bytes += line.len();
            self.waiting.push_back(line);
        }
    }

    /// The next to be written.
    fn take(&mut self) -> Option<Vec<u8>> {
        if self.waiting.is_empty() {
            self.tell_dropped();
        }
        let piece = self.waiting.pop_front()?;
        self.bytes -= piece.len();
        self.writes = true;
        Some(piece)
    }

    fn done(&mut self) {
        self.writes = false;
        self.is_stuck = false;
        self.written += 1;
    }
}

impl Queue {
    const fn new(patience: Duration) -> Self {
        Self {
            patience,
            state: Mutex::new(State::new()),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this holds of it; in vain, if nothing is written for too long.
    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, holds: impl Fn(&State) -> bool) -> MutexGuard<'a, State> {
        let mut state = state;
        let (mut seen, mut since) = (state.written, Instant::now());
        while !holds(&state) && !state.is_stuck {
            let left = self.patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                state.is_stuck = true;
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.written != seen {
                (seen, since) = (state.written, Instant::now());
            }
        }
        state
    }

    /// Hands it on to the thread, which begins with the first.
    fn push(&'static self, mut state: MutexGuard<'_, State>, piece: Vec<u8>) {
        state.push(piece);
        if !state.has_thread {
            let thread = std::thread::Builder::new().name("steading-stderr".to_owned());
            // Never joined: it ends with the process. Where there can be none, the next who comes tries again.
            state.has_thread = thread.spawn(|| self.serve()).is_ok();
        }
        self.changed.notify_all();
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            let Some(piece) = state.take() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            write(&piece);
            state = self.lock();
            state.done();
            self.changed.notify_all();
        }
    }
}

/// Not by way of the library's own lock: who holds that while a pipe is full holds up every panic message as well.
fn write(piece: &[u8]) {
    let mut rest = piece;
    while !rest.is_empty() {
        match rustix::io::write(io::stderr(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Another process that has the same pipe may have made it so.
            Err(rustix::io::Errno::AGAIN) => wait_writable(),
            Err(_) => return,
        }
    }
}

fn wait_writable() {
    let stderr = io::stderr();
    let is_writable = rustix::event::PollFd::new(&stderr, rustix::event::PollFlags::OUT);
    // Whatever comes of it, writing is tried again, and says more.
    rustix::event::poll(&mut [is_writable], None).ok();
}

/// Says something, and waits until there is room for it, or nobody takes anything any more.
pub(crate) fn say(text: String) {
    let mut state = STDERR.wait(STDERR.lock(), State::has_room);
    match state.has_room() {
        true => STDERR.push(state, text.into_bytes()),
        false => state.dropped += 1,
    }
}

/// Waits until all is written, or nobody takes anything any more.
pub(crate) fn flush() {
    drop(STDERR.wait(STDERR.lock(), State::is_idle));
}

/// Where log lines go: each is written in one piece.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = STDERR.lock();
        match state.has_room() {
            true => STDERR.push(state, line.to_vec()),
            false => state.dropped += 1,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: &mut State) -> Vec<String> {
        let next = || {
            let piece = state.take()?;
            state.done();
            Some(String::from_utf8(piece).expect("it is text"))
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn what_is_dropped_is_told_where_it_would_have_stood() {
        let mut state = State::new();
        state.push(b"one\n".to_vec());
        state.dropped = 3;
        state.push(b"two\n".to_vec());
        let told = "3 lines dropped: standard error is not read fast enough\n";
        assert_eq!(said(&mut state), ["one\n", told, "two\n"]);
        state.dropped = 3;
        assert_eq!(said(&mut state), [told], "also if nothing comes after them");
        assert!(state.is_idle() && state.bytes == 0);
    }

    #[test]
    fn who_waits_in_vain_does_so_once() {
        let queue = Queue::new(Duration::from_millis(20));
        let begun = Instant::now();
        queue.lock().push(b"one\n".to_vec());
        (0..100).for_each(|_| drop(queue.wait(queue.lock(), State::is_idle)));
        assert!(queue.lock().is_stuck && begun.elapsed() < Duration::from_secs(1));
        let mut state = queue.lock();
        state.take().expect("it waits still");
        state.done();
        assert!(!state.is_stuck, "it goes on, and is worth waiting for");
    }
}
