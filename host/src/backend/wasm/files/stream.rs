//! What a guest reads from a file as a stream, and what it writes to one, piece by piece: each takes a seat at the disk,
//! and is charged to the quota of the directory, if that has one.
//!
//! ```text
//!         write             ready             done
//!  Ready ───────► Queued ───────────► Waiting ─────► Ready, or Failed
//! ```
//! A piece that is queued is on its way as soon as somebody waits for the stream, and from there on is written whether
//! anybody waits or not.

use std::io;
use std::mem;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::Terms;
use super::work::{Place, Running, busy, end_of};
use crate::runtime::disk::Busy;
use crate::runtime::lent::Until;

/// Bytes of one piece.
const PIECE: usize = 64 << 10;
/// Bytes that are read for who waits and has not said for how many.
const READ: usize = 4 << 10;

type Shared = Arc<std::fs::File>;

/// Where the next piece goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Position {
    At(u64),
    End,
}

/// A stream into a file.
pub(super) struct Writer {
    file: Shared,
    position: Position,
    terms: Option<Terms>,
    place: Place,
    state: State,
}

enum State {
    Ready,
    Queued(Bytes),
    Waiting(Running<io::Result<usize>>),
    Failed(io::Error),
    Closed,
}

impl Writer {
    pub(super) fn new(file: Shared, position: Position, terms: Option<Terms>, place: Place) -> Self {
        Self {
            file,
            position,
            terms,
            place,
            state: State::Ready,
        }
    }

    /// Begins to write what is queued.
    fn begin(&mut self) {
        let piece = match mem::replace(&mut self.state, State::Closed) {
            State::Queued(piece) => piece,
            state => return self.state = state,
        };
        let (file, terms, position, who) = (
            self.file.clone(),
            self.terms.clone(),
            self.position,
            self.place.who.clone(),
        );
        let work = move || match &terms {
            Some(terms) if terms.until.is_over() => Err(io::ErrorKind::PermissionDenied.into()),
            Some(Terms { quota, .. }) => {
                let _gate = quota.gate();
                let becomes = |len: u64| position.after(len, piece.len() as u64);
                quota.resize(&file, &who, becomes, |file| position.put(file, &piece))
            }
            None => position.put(&file, &piece),
        };
        match self.place.at_once(work) {
            Ok(written) => self.done(Ok(written)),
            Err(work) => self.state = State::Waiting(self.place.begin(work)),
        }
    }

    fn done(&mut self, written: Result<io::Result<usize>, Busy>) {
        self.state = match written.map_err(busy).flatten() {
            Ok(written) => {
                if let Position::At(offset) = &mut self.position {
                    *offset += written as u64;
                }
                State::Ready
            }
            Err(error) => State::Failed(error),
        };
    }

    /// The failure, once; after it, it is closed.
    fn fail(&mut self) -> StreamError {
        match mem::replace(&mut self.state, State::Closed) {
            State::Failed(error) => StreamError::LastOperationFailed(error.into()),
            _ => StreamError::Closed,
        }
    }
}

impl Position {
    /// How long a file of this length is when so much is written there.
    fn after(self, len: u64, bytes: u64) -> u64 {
        match self {
            Self::At(offset) => len.max(offset.saturating_add(bytes)),
            Self::End => len.saturating_add(bytes),
        }
    }

    fn put(self, file: &std::fs::File, piece: &[u8]) -> io::Result<usize> {
        match self {
            Self::At(offset) => file.write_all_at(piece, offset)?,
            Self::End => append(file, piece)?,
        }
        Ok(piece.len())
    }
}

/// At the end, wherever others have it: they may write there as well.
fn append(file: &std::fs::File, piece: &[u8]) -> io::Result<()> {
    let mut rest = piece;
    while !rest.is_empty() {
        let slices = [io::IoSlice::new(rest)];
        match rustix::io::pwritev2(file, &slices, 0, rustix::io::ReadWriteFlags::APPEND) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Not every kernel and file system has it.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
                return file.write_all_at(rest, file.metadata()?.len());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.state {
            State::Ready if bytes.len() <= PIECE => {
                self.state = State::Queued(bytes);
                Ok(())
            }
            State::Closed => Err(StreamError::Closed),
            _ => Err(StreamError::trap("cannot write more than `check-write` allows")),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        match self.state {
            State::Ready | State::Queued(_) | State::Waiting(_) => Ok(()),
            State::Failed(_) | State::Closed => Err(self.fail()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.state {
            State::Ready => Ok(PIECE),
            State::Queued(_) | State::Waiting(_) => Ok(0),
            State::Failed(_) | State::Closed => Err(self.fail()),
        }
    }

    /// What was queued is written, as if somebody had waited for it.
    async fn cancel(&mut self) {
        self.ready().await;
        self.state = State::Closed;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        self.begin();
        if let State::Waiting(task) = &mut self.state {
            let written = end_of(task).await;
            self.done(written);
        }
    }
}

/// A stream out of a file.
pub(super) struct Reader {
    /// Nothing once its time is over: the file is closed then.
    file: Option<Shared>,
    offset: u64,
    until: Until,
    place: Place,
    state: Reading,
}

enum Reading {
    Idle,
    Waiting(Running<io::Result<Bytes>>),
    Read(Bytes),
    Failed(io::Error),
    Closed,
}

impl Reader {
    pub(super) fn new(file: Shared, offset: u64, until: Until, place: Place) -> Self {
        Self {
            file: Some(file),
            offset,
            until,
            place,
            state: Reading::Idle,
        }
    }

    fn close_if_over(&mut self) {
        if self.until.is_over() && self.file.take().is_some() {
            self.state = Reading::Failed(io::ErrorKind::PermissionDenied.into());
        }
    }

    /// Begins to read, if nothing was read and nobody reads.
    fn begin(&mut self, size: usize) {
        let (Reading::Idle, Some(file)) = (&self.state, &self.file) else {
            return;
        };
        let (file, offset) = (file.clone(), self.offset);
        let work = move || get(&file, offset, size);
        match self.place.at_once(work) {
            Ok(read) => self.done(Ok(read)),
            Err(work) => self.state = Reading::Waiting(self.place.begin(work)),
        }
    }

    fn done(&mut self, read: Result<io::Result<Bytes>, Busy>) {
        self.state = match read.map_err(busy).flatten() {
            Ok(bytes) if bytes.is_empty() => Reading::Closed,
            Ok(bytes) => Reading::Read(bytes),
            Err(error) => Reading::Failed(error),
        };
    }
}

fn get(file: &std::fs::File, offset: u64, size: usize) -> io::Result<Bytes> {
    let mut bytes = BytesMut::zeroed(size.min(PIECE));
    loop {
        match file.read_at(&mut bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => {
                bytes.truncate(read?);
                return Ok(bytes.freeze());
            }
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.close_if_over();
        if size > 0 {
            self.begin(size);
        }
        match &mut self.state {
            Reading::Idle | Reading::Waiting(_) => Ok(Bytes::new()),
            Reading::Read(bytes) => {
                let piece = bytes.split_to(bytes.len().min(size));
                self.offset += piece.len() as u64;
                if bytes.is_empty() {
                    self.state = Reading::Idle;
                }
                Ok(piece)
            }
            Reading::Failed(_) | Reading::Closed => match mem::replace(&mut self.state, Reading::Closed) {
                Reading::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
                _ => Err(StreamError::Closed),
            },
        }
    }

    /// Reads as much as is asked for; who only waits has not said so.
    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.close_if_over();
        if size > 0 {
            self.begin(size);
            self.ready().await;
        }
        self.read(size)
    }

    /// A read that has begun ends when the kernel says so.
    async fn cancel(&mut self) {
        if let Reading::Waiting(task) = mem::replace(&mut self.state, Reading::Closed) {
            task.cancel().await;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        self.close_if_over();
        self.begin(READ);
        if let Reading::Waiting(task) = &mut self.state {
            let read = end_of(task).await;
            self.done(read);
        }
    }
}
