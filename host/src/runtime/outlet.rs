//! The process's own standard output and error, as guests have them that inherit them: written by a thread for each, so
//! that a pipe that nobody reads holds up who writes to it, and no worker.
//!
//! What an actor has written waits here until it is on its way; so much of it, and it has to wait with more. Of its two
//! streams one at a time has something here: on a terminal, or where both are one pipe, all stands in the order in which
//! it was written.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::os::fd::BorrowedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use steading_types::shown;
use tokio::sync::Notify;

use super::lock;

/// Bytes that one actor may have here.
const ROOM: usize = 8 << 10;
/// Bytes beyond which no more is taken of who does not ask for room.
const MOST: usize = 8 * ROOM;
/// For so long nothing has to be taken, at the end of a root, before no more is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// One of the two, and what waits to be written there.
#[derive(Debug)]
struct Outlet {
    stream: Stream,
    queue: Mutex<Queue>,
    /// For the thread: there is something to write.
    more: Condvar,
    /// For those who wait: something was written.
    written: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<(Vec<u8>, Arc<Writer>)>,
    writes: bool,
    has_thread: bool,
    /// Pieces written so far.
    written: u64,
}

/// What one actor has here.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    waiting: [AtomicUsize; 2],
    /// Why something of it could not be written, of each; told once.
    failed: [Mutex<Option<io::Error>>; 2],
}

impl Stream {
    fn outlet(self) -> &'static Outlet {
        static OUTLETS: [Outlet; 2] = [Outlet::new(Stream::Output), Outlet::new(Stream::Error)];
        &OUTLETS[self as usize]
    }

    fn other(self) -> Self {
        match self {
            Self::Output => Self::Error,
            Self::Error => Self::Output,
        }
    }

    /// Whether a terminal shows it. It is the same for as long as the process lives.
    pub(crate) fn is_terminal(self) -> bool {
        static TERMINALS: OnceLock<[bool; 2]> = OnceLock::new();
        TERMINALS.get_or_init(|| [io::stdout().is_terminal(), io::stderr().is_terminal()])[self as usize]
    }

    /// Not by way of the library's own lock: who holds that while a pipe is full holds up all who print.
    fn write(self, piece: &[u8]) -> io::Result<()> {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let fd = match self {
            Self::Output => std::os::fd::AsFd::as_fd(&stdout),
            Self::Error => std::os::fd::AsFd::as_fd(&stderr),
        };
        write_all(fd, piece)
    }
}

fn write_all(fd: BorrowedFd<'_>, piece: &[u8]) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut rest = piece;
    while !rest.is_empty() {
        match rustix::io::write(fd, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Another process that has the same pipe may have made it so. Whatever comes of the wait, writing says more.
            Err(rustix::io::Errno::AGAIN) => drop(poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Outlet {
    const fn new(stream: Stream) -> Self {
        Self {
            stream,
            queue: Mutex::new(Queue {
                pieces: VecDeque::new(),
                writes: false,
                has_thread: false,
                written: 0,
            }),
            more: Condvar::new(),
            written: Notify::const_new(),
        }
    }

    fn push(&'static self, piece: Vec<u8>, writer: &Arc<Writer>) {
        let mut queue = lock(&self.queue);
        queue.pieces.push_back((piece, writer.clone()));
        if !queue.has_thread {
            let thread = std::thread::Builder::new().name("steading-output".to_owned());
            // Never joined: it ends with the process. Where there can be none, the next who writes tries again.
            queue.has_thread = thread.spawn(|| self.serve()).is_ok();
        }
        self.more.notify_one();
    }

    fn serve(&self) {
        loop {
            let (piece, writer) = self.next();
            let end = self.stream.write(&piece);
            writer.done(self.stream, piece.len(), end.err());
            let mut queue = lock(&self.queue);
            queue.writes = false;
            queue.written += 1;
            drop(queue);
            self.written.notify_waiters();
        }
    }

    fn next(&self) -> (Vec<u8>, Arc<Writer>) {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(next) = queue.pieces.pop_front() {
                queue.writes = true;
                return next;
            }
            queue = self.more.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// How many pieces were written; `None` if that is all.
    fn progress(&self) -> Option<u64> {
        let queue = lock(&self.queue);
        (queue.writes || !queue.pieces.is_empty()).then_some(queue.written)
    }

    async fn wait_written(&self) {
        loop {
            let mut more = pin!(self.written.notified());
            more.as_mut().enable();
            if self.progress().is_none() {
                return;
            }
            more.await;
        }
    }

    /// Waits until all is written, or nobody takes anything any more.
    async fn settle(&self) {
        while let Some(seen) = self.progress() {
            let waited = tokio::time::timeout(PATIENCE, self.wait_written()).await;
            if waited.is_ok() || self.progress() == Some(seen) {
                return;
            }
        }
    }
}

/// Waits until all that was written has gone, or nobody takes anything any more.
pub(crate) async fn settle() {
    Stream::Output.outlet().settle().await;
    Stream::Error.outlet().settle().await;
}

impl Writer {
    /// Bytes that may be written now; 0 if that has to wait.
    ///
    /// # Errors
    /// Why something that was written before did not go; once.
    pub(crate) fn room(&self, stream: Stream) -> io::Result<usize> {
        if let Some(error) = lock(&self.failed[stream as usize]).take() {
            return Err(error);
        }
        match self.waiting(stream.other()) {
            0 => Ok(ROOM.saturating_sub(self.waiting(stream))),
            _ => Ok(0),
        }
    }

    fn waiting(&self, stream: Stream) -> usize {
        self.waiting[stream as usize].load(Acquire)
    }

    /// Whether so much can be taken. It may be more than there is room for: of what a guest was told by several handles
    /// of one stream, it may use all.
    pub(crate) fn fits(&self, stream: Stream, bytes: usize) -> bool {
        bytes <= ROOM && self.waiting(stream) <= MOST
    }

    /// Hands it on. Who writes has asked for room.
    pub(crate) fn write(self: &Arc<Self>, stream: Stream, piece: Vec<u8>) {
        self.waiting[stream as usize].fetch_add(piece.len(), AcqRel);
        stream.outlet().push(piece, self);
    }

    fn done(&self, stream: Stream, bytes: usize, error: Option<io::Error>) {
        if let Some(error) = error {
            *lock(&self.failed[stream as usize]) = Some(error);
        }
        self.waiting[stream as usize].fetch_sub(bytes, AcqRel);
    }

    /// Waits until there is room, or it is known why there will be none.
    pub(crate) async fn wait_room(&self, stream: Stream) {
        loop {
            let mut own = pin!(stream.outlet().written.notified());
            let mut others = pin!(stream.other().outlet().written.notified());
            own.as_mut().enable();
            others.as_mut().enable();
            let is_failed = lock(&self.failed[stream as usize]).is_some();
            let has_room = self.waiting(stream.other()) == 0 && self.waiting(stream) < ROOM;
            if is_failed || has_room {
                return;
            }
            tokio::select! { () = own => {}, () = others => {} }
        }
    }
}

/// Makes of what a guest writes what no terminal obeys: all that drives one is escaped but the ends of lines and tabs,
/// and what is no text is replaced.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    /// The beginning of a character whose end has not come yet.
    begun: Vec<u8>,
}

impl Plain {
    pub(crate) fn text(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = [&std::mem::take(&mut self.begun), bytes].concat();
        let mut plain = String::with_capacity(bytes.len());
        let begun = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
        let is_begun = std::str::from_utf8(begun).is_err_and(|error| error.error_len().is_none());
        if is_begun {
            self.begun = bytes.split_off(bytes.len() - begun.len());
        }
        for chunk in bytes.utf8_chunks() {
            plain.push_str(&shown(chunk.valid(), &['\n', '\t']));
            if !chunk.invalid().is_empty() {
                plain.push(char::REPLACEMENT_CHARACTER);
            }
        }
        plain.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        let mut plain = Plain::default();
        let mut text = |bytes: &[u8]| String::from_utf8(plain.text(bytes)).expect("it is text");
        assert_eq!(text(b"a\x1b[2J\tb\r\n"), "a\\u{1b}[2J\tb\\r\n");
        assert_eq!(text("é \u{9b}2J \u{202e}".as_bytes()), "é \\u{9b}2J \\u{202e}");
        assert_eq!(text(b"\x9b2J \xff"), "\u{fffd}2J \u{fffd}");
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let mut plain = Plain::default();
        let pieces = "é\u{202e}".as_bytes().chunks(1);
        let shown: Vec<u8> = pieces.flat_map(|piece| plain.text(piece)).collect();
        assert_eq!(String::from_utf8_lossy(&shown), "é\\u{202e}");
    }

    #[test]
    fn of_two_streams_one_at_a_time_has_something_to_write() {
        let writer = Writer::default();
        let room = |stream| writer.room(stream).expect("nothing has failed");
        assert_eq!(room(Stream::Output), ROOM);
        writer.waiting[0].store(ROOM - 1, std::sync::atomic::Ordering::Release);
        assert_eq!((room(Stream::Output), room(Stream::Error)), (1, 0));
        writer.done(Stream::Output, ROOM - 1, Some(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(room(Stream::Error), ROOM);
        assert!(writer.room(Stream::Output).is_err(), "it is told");
        assert_eq!(room(Stream::Output), ROOM, "and not again");
    }
}
