//! What a guest writes to a file as a stream, charged to the quota of its directory piece by piece, and what it reads as
//! one from a file that it may use for a time.
//!
//! ```text
//!         write            ready: gate open             done
//!  Ready ───────► Queued ──────────────────► Waiting ─────────► Ready, or Failed
//! ```
//! A piece that is queued is not on its way yet: it waits for the gate of its quota where somebody waits for the
//! stream, and from there on is written whether anybody waits or not.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use steading_types::ActorId;
use wasmtime_wasi::filesystem::File;
use wasmtime_wasi::p2::{DynInputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn_blocking};

use super::Terms;
use crate::runtime::lent::Until;
use crate::runtime::quota::Quota;

/// Bytes of one piece.
const PIECE: usize = 64 << 10;

/// Where the next piece goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Position {
    At(u64),
    End,
}

/// A stream into a file.
pub(super) struct Writer {
    file: File,
    position: Position,
    terms: Terms,
    who: ActorId,
    inline: bool,
    state: State,
}

enum State {
    Ready,
    Queued(Bytes),
    Waiting(AbortOnDropJoinHandle<io::Result<usize>>),
    Failed(io::Error),
    Closed,
}

impl Writer {
    pub(super) fn new(file: File, position: Position, terms: Terms, who: ActorId, inline: bool) -> Self {
        Self {
            file,
            position,
            terms,
            who,
            inline,
            state: State::Ready,
        }
    }

    /// Begins to write what is queued. Cancel-safe: it stays queued until the gate is open.
    async fn begin(&mut self) {
        if !matches!(self.state, State::Queued(_)) {
            return;
        }
        let gate = self.terms.quota.gate().await;
        if self.terms.until.is_over() {
            self.state = State::Failed(io::ErrorKind::PermissionDenied.into());
            return;
        }
        let State::Queued(piece) = std::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        let (file, quota, who, position) = (
            self.file.file.clone(),
            self.terms.quota.clone(),
            self.who.clone(),
            self.position,
        );
        let work = move || {
            let _gate = gate;
            put(&file, &quota, &who, position, &piece)
        };
        match self.inline {
            true => self.done(work()),
            false => self.state = State::Waiting(spawn_blocking(work)),
        }
    }

    fn done(&mut self, written: io::Result<usize>) {
        self.state = match written {
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
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Failed(error) => StreamError::LastOperationFailed(error.into()),
            _ => StreamError::Closed,
        }
    }
}

/// A stream out of a file that may be read for a time.
pub(super) struct Reader {
    /// Nothing once the time is over: the file is closed then.
    inner: Option<DynInputStream>,
    until: Until,
}

impl Reader {
    pub(super) fn new(inner: DynInputStream, until: Until) -> Self {
        let inner = Some(inner);
        Self { inner, until }
    }

    fn inner(&mut self) -> StreamResult<&mut DynInputStream> {
        if self.until.is_over() {
            self.inner = None;
        }
        let over = || StreamError::LastOperationFailed(io::Error::from(io::ErrorKind::PermissionDenied).into());
        self.inner.as_mut().ok_or_else(over)
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.inner()?.read(size)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.inner()?.blocking_read(size).await
    }

    async fn cancel(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.cancel().await;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        if let Ok(inner) = self.inner() {
            inner.ready().await;
        }
    }
}

fn put(file: &Arc<std::fs::File>, quota: &Quota, who: &ActorId, position: Position, piece: &[u8]) -> io::Result<usize> {
    let bytes = piece.len() as u64;
    let becomes = |len: u64| match position {
        Position::At(offset) => len.max(offset.saturating_add(bytes)),
        Position::End => len.saturating_add(bytes),
    };
    let act = |file: &std::fs::File| match position {
        Position::At(offset) => file.write_all_at(piece, offset),
        Position::End => file.write_all_at(piece, file.metadata()?.len()),
    };
    quota.resize(file, who, becomes, act).map(|()| piece.len())
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
        self.begin().await;
        if let State::Waiting(task) = &mut self.state {
            let written = task.await;
            self.done(written);
        }
    }
}
