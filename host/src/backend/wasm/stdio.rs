//! Standard streams of a guest: as lines of its log, each of bounded length, or as bytes that are kept.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use steading_types::{Boundary, Capture, Level, Stdio};
use tokio::io::AsyncWrite;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::access::Access;
use super::limits;
use crate::config::Streams;

/// Connects the three streams as `access` says.
pub(super) fn connect(wasi: &mut WasiCtxBuilder, access: &Access, boundary: &Arc<dyn Boundary>) {
    let Streams { stdin, stdout, stderr } = &access.stdio;
    if *stdin == Stdio::Inherit {
        wasi.inherit_stdin();
    }
    match stdout {
        Stdio::Inherit => wasi.inherit_stdout(),
        Stdio::Log => wasi.stdout(Written::logged("stdout", boundary)),
        Stdio::Capture(capture) => wasi.stdout(Written::Captured(capture.clone())),
        Stdio::Null => wasi,
    };
    match stderr {
        Stdio::Inherit => wasi.inherit_stderr(),
        Stdio::Log => wasi.stderr(Written::logged("stderr", boundary)),
        Stdio::Capture(capture) => wasi.stderr(Written::Captured(capture.clone())),
        Stdio::Null => wasi,
    };
}

/// Where that goes what is written. All clones are one stream.
#[derive(Clone)]
enum Written {
    /// Cut into lines and logged.
    Logged(Arc<Mutex<Lines>>),
    /// Kept for the embedder, as it is.
    Captured(Capture),
}

struct Lines {
    target: &'static str,
    boundary: Arc<dyn Boundary>,
    partial: Vec<u8>,
}

impl Written {
    fn logged(target: &'static str, boundary: &Arc<dyn Boundary>) -> Self {
        Self::Logged(Arc::new(Mutex::new(Lines {
            target,
            boundary: Arc::clone(boundary),
            partial: Vec::new(),
        })))
    }

    fn push(&self, bytes: &[u8]) {
        match self {
            // A poisoned lock means that logging panicked; the partial line is still a partial line.
            Self::Logged(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).push(bytes),
            Self::Captured(capture) => capture.push(bytes),
        }
    }
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.piece(piece);
        }
    }

    fn piece(&mut self, mut piece: &[u8]) {
        while self.partial.len() + piece.len() > limits::LINE {
            let (head, tail) = piece.split_at(limits::LINE - self.partial.len());
            self.partial.extend_from_slice(head);
            self.flush();
            piece = tail;
        }
        self.partial.extend_from_slice(piece);
        if self.partial.ends_with(b"\n") {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let line = mem::take(&mut self.partial);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if !line.is_empty() {
            self.boundary.log(Level::Info, self.target, line, &[]);
        }
    }
}

impl Drop for Lines {
    /// What was written last may lack its end of line: a panic message often does.
    fn drop(&mut self) {
        self.flush();
    }
}

impl IsTerminal for Written {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Written {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Written {
    /// More at once than `check-write` allows is the guest's fault, and work of the host's that nothing interrupts.
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > limits::LINE {
            return Err(StreamError::trap("cannot write more than `check-write` allows"));
        }
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::LINE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Written {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Written {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
