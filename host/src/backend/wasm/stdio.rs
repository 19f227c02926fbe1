//! Standard streams of a guest: as lines of its log, each of bounded length, as bytes that are kept, or as the process's
//! own, for which nobody but the guest waits.

use std::io::ErrorKind;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use steading_types::{ActorId, Boundary, Capture, Level, Stdio};
use tokio::io::AsyncWrite;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::access::Access;
use super::limits;
use crate::config::Streams;
use crate::runtime::faults::FaultPlan;
use crate::runtime::faulty::panic_at;
use crate::runtime::log::quietly;
use crate::runtime::outlet::{Plain, Stream, Writer};

/// Connects the three streams as `access` says.
pub(super) fn connect(wasi: &mut WasiCtxBuilder, access: &Access, boundary: &Arc<dyn Boundary>) {
    let Streams { stdin, stdout, stderr } = &access.stdio;
    if *stdin == Stdio::Inherit {
        wasi.inherit_stdin();
    }
    let writer = Arc::default();
    let output = |stdio: &Stdio, stream: Stream| {
        let becomes = match stdio {
            Stdio::Inherit => Written::inherited(stream, &writer, access.drives_terminals),
            Stdio::Log => Written::logged(stream, boundary),
            Stdio::Capture(capture) => Written::Captured(capture.clone()),
            Stdio::Null => return None,
        };
        let faults = access.faults.clone().map(|plan| (plan, boundary.self_id()));
        Some(Output { becomes, faults })
    };
    if let Some(stdout) = output(stdout, Stream::Output) {
        wasi.stdout(stdout);
    }
    if let Some(stderr) = output(stderr, Stream::Error) {
        wasi.stderr(stderr);
    }
}

/// What a guest writes to. All clones are one stream.
#[derive(Clone)]
struct Output {
    becomes: Written,
    /// What is to go wrong, and with whom: in tests.
    faults: Option<(Arc<dyn FaultPlan>, ActorId)>,
}

/// Where that goes what is written.
#[derive(Clone)]
enum Written {
    /// Cut into lines and logged.
    Logged(Arc<Mutex<Lines>>),
    /// Kept for the embedder, as it is.
    Captured(Capture),
    /// To the process's own stream; made plain for a terminal.
    Inherited(Stream, Arc<Writer>, Option<Arc<Mutex<Plain>>>),
}

struct Lines {
    target: &'static str,
    boundary: Arc<dyn Boundary>,
    partial: Vec<u8>,
}

impl Written {
    fn logged(stream: Stream, boundary: &Arc<dyn Boundary>) -> Self {
        Self::Logged(Arc::new(Mutex::new(Lines {
            target: match stream {
                Stream::Output => "stdout",
                Stream::Error => "stderr",
            },
            boundary: Arc::clone(boundary),
            partial: Vec::new(),
        })))
    }

    fn inherited(stream: Stream, writer: &Arc<Writer>, drives_terminals: bool) -> Self {
        let is_plain = stream.is_terminal() && !drives_terminals;
        Self::Inherited(stream, writer.clone(), is_plain.then(Arc::default))
    }

    fn push(&self, bytes: &[u8]) {
        match self {
            // A poisoned lock means that logging panicked; the partial line is still a partial line.
            Self::Logged(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).push(bytes),
            Self::Captured(capture) => capture.push(bytes),
            Self::Inherited(stream, writer, plain) => {
                let piece = match plain {
                    Some(plain) => plain.lock().unwrap_or_else(PoisonError::into_inner).text(bytes),
                    None => bytes.to_vec(),
                };
                writer.write(*stream, piece);
            }
        }
    }

    fn fits(&self, bytes: usize) -> bool {
        match self {
            Self::Logged(_) | Self::Captured(_) => bytes <= limits::LINE,
            Self::Inherited(stream, writer, _) => writer.fits(*stream, bytes),
        }
    }

    /// Bytes that may be written now.
    fn room(&self) -> StreamResult<usize> {
        match self {
            Self::Logged(_) | Self::Captured(_) => Ok(limits::LINE),
            Self::Inherited(stream, writer, _) => writer.room(*stream).map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => StreamError::Closed,
                _ => StreamError::LastOperationFailed(error.into()),
            }),
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
        // Two streams end together: a panic of each would be one too many.
        quietly(|| self.flush());
    }
}

impl IsTerminal for Output {
    /// One that only shows what is written is none to a program.
    fn is_terminal(&self) -> bool {
        matches!(&self.becomes, Written::Inherited(stream, _, None) if stream.is_terminal())
    }
}

impl StdoutStream for Output {
    /// For interfaces that are not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Output {
    /// More at once than `check-write` allows is the guest's fault, and work of the host's that nothing interrupts.
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if let Some((plan, who)) = &self.faults {
            panic_at(&**plan, who, "stdio.write");
        }
        if !self.becomes.fits(bytes.len()) {
            return Err(StreamError::trap("cannot write more than `check-write` allows"));
        }
        self.becomes.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.becomes.room()
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        if let Written::Inherited(stream, writer, _) = &self.becomes {
            writer.wait_room(*stream).await;
        }
    }
}
