//! The host's side of a compilation in a child: it is started, waited for, killed if it is late, and always
//! reaped, by the thread that loads.
//!
//! The component and the answer are files in memory, not pipes: nothing can block half-way, and what the child
//! may write is bounded by the kernel. It has no environment, no directory, no descriptor that this program has
//! opened, and a process group of its own, so that Ctrl-C is for the host to decide upon.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::verdict::{self, Alien, Refusal};
use super::worker::{REQUEST, Request};
use super::{Bounds, HOOK};
use crate::backend::wasm::engine::Engine;
use crate::backend::wasm::error::LoadError;
use crate::backend::wasm::limits;

/// No more often than this is looked at what it has used: as often as the kernel counts.
const GRAIN: Duration = Duration::from_millis(10);

/// Who compiles.
#[derive(Clone, Debug)]
pub(super) enum Program {
    /// This program, whatever has become of its file since.
    This,
    /// Another one, which is believed to be what the embedder says it is.
    At(PathBuf),
}

impl Program {
    fn path(&self) -> &Path {
        match self {
            Self::This => Path::new("/proc/self/exe"),
            Self::At(path) => path,
        }
    }
}

/// Compiles in a child. The outer error is about the child, the inner one about the component.
pub(super) fn compile(
    program: &Program,
    bounds: Bounds,
    engine: &Engine,
    file: &str,
    bytes: &[u8],
) -> Result<Result<Vec<u8>, Refusal>, LoadError> {
    let no_compiler = |detail: String| LoadError::NoCompiler {
        name: file.to_string(),
        program: program.path().to_path_buf(),
        detail,
    };
    let failed = |what: &str, error: &dyn Display| no_compiler(format!("{what}: {error}"));
    let mut files = Files::with(bytes).map_err(|error| failed("no file in memory is to be had", &error))?;
    let mut running = start(program, bounds, engine, &files).map_err(|error| failed("cannot be started", &error))?;
    tracing::debug!(file, pid = running.0.id(), "compiling in a child process");
    let waited = running.wait(bounds.time);
    drop(running);
    let status = match waited.map_err(|error| failed("cannot be waited for", &error))? {
        Ok(status) => status,
        Err(late) => return Ok(Err(late)),
    };
    let unreadable = |error| failed("its answer cannot be read", &error);
    if !status.success() {
        let said = files.said().map_err(unreadable)?;
        return death(status, &said, bounds, file).map(Err);
    }
    let answer = files.answer().map_err(unreadable)?;
    let alien = |alien| no_compiler(describe(alien));
    verdict::read(engine.fingerprint(), answer).map_err(alien)
}

fn start(program: &Program, bounds: Bounds, engine: &Engine, files: &Files) -> io::Result<Running> {
    let request = Request {
        parent: std::process::id(),
        time: bounds.time,
        memory: bounds.memory,
        layout: engine.layout(),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(limits::COMPILE_THREADS).to_string();
    let mut command = Command::new(program.path());
    command
        .arg0("steading-compile")
        .env_clear()
        .env(REQUEST, request.text())
        // Each thread has a stack and each arena a reservation, all of them address space.
        .env("RAYON_NUM_THREADS", &threads)
        .env("MALLOC_ARENA_MAX", &threads)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(files.component.try_clone()?))
        .stdout(Stdio::from(files.answer.try_clone()?))
        .stderr(Stdio::from(files.said.try_clone()?));
    command.spawn().map(Running)
}

/// A child that is dead and reaped when this is dropped.
struct Running(Child);

impl Running {
    /// How it ended, or why it was not waited for any longer.
    fn wait(&mut self, limit: Duration) -> io::Result<Result<ExitStatus, Refusal>> {
        let exit: OwnedFd = pidfd_open(Pid::from_child(&self.0), PidfdFlags::empty())?;
        let until = Instant::now() + limit * limits::COMPILE_PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if let Some(status) = self.0.try_wait()? {
                return Ok(Ok(status));
            }
            let unused = limit.saturating_sub(self.processor_time().unwrap_or_default());
            if unused.is_zero() {
                return Ok(Err(Refusal::Time(limit)));
            }
            if left.is_zero() {
                return Ok(Err(Refusal::Clock(limit)));
            }
            // Before then it cannot have used up the rest, whatever its threads do.
            let pause = (unused / limits::COMPILE_THREADS as u32).max(GRAIN).min(left);
            match poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&timespec(pause))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The fields behind the name, which is in parentheses and may hold anything: from the third on.
    fn processor_time(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let ticks = rustix::param::clock_ticks_per_second();
        Some(Duration::from_millis(
            (user + system).saturating_mul(1000) / ticks.max(1),
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Neither signals a process that has been waited for, and of one that has not, neither fails.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// What the two processes share.
struct Files {
    component: File,
    answer: File,
    said: File,
}

impl Files {
    fn with(bytes: &[u8]) -> io::Result<Self> {
        let mut component = in_memory("steading-component")?;
        component.write_all(bytes)?;
        component.rewind()?;
        Ok(Self {
            component,
            answer: in_memory("steading-compiled")?,
            said: in_memory("steading-compiler-says")?,
        })
    }

    /// Bounded by what it was allowed to write.
    fn answer(&mut self) -> io::Result<Vec<u8>> {
        let size = self.answer.metadata()?.len().min(limits::COMPILED);
        let mut bytes = Vec::with_capacity(size as usize);
        self.answer.rewind()?;
        (&self.answer).take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The first line that says something.
    fn said(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.said.rewind()?;
        let head = limits::MESSAGE as u64;
        (&self.said).take(head).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Ok(line.chars().filter(|c| !c.is_control()).collect())
    }
}

fn in_memory(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?))
}

/// Why it has no answer: a limit, or something that says nothing of the component and is not remembered.
fn death(status: ExitStatus, said: &str, bounds: Bounds, file: &str) -> Result<Refusal, LoadError> {
    let name = file.to_string();
    let died_of = |signal: Signal| status.signal() == Some(signal.as_raw());
    if died_of(Signal::XCPU) {
        return Ok(Refusal::Time(bounds.time));
    }
    if died_of(Signal::XFSZ) {
        return Ok(Refusal::Code(limits::COMPILED));
    }
    if is_out_of_memory(said) {
        return Ok(Refusal::Memory(bounds.memory));
    }
    Err(match status.signal() {
        Some(signal) => LoadError::CompilerDied { name, signal },
        None => LoadError::CompilerFailed {
            name,
            detail: format!("{status}: {said}"),
        },
    })
}

/// The standard library's words when an allocation fails, and the system's.
fn is_out_of_memory(said: &str) -> bool {
    said.starts_with("memory allocation of") || said.contains("Cannot allocate memory")
}

fn describe(alien: Alien) -> String {
    match alien {
        Alien::NoCompiler => format!("did not answer as a compiler; does its `main` begin with `{HOOK}`?"),
        Alien::OtherBuild => "is another build than this host".to_string(),
    }
}
