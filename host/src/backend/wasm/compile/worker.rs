//! What the child does: it binds itself, compiles what is on its standard input, answers, and ends.
//!
//! It is this very program, told apart by a variable of its environment; `serve_if_asked` stands at the
//! beginning of its `main`. Nothing of the component runs in here. What is denied to it (time, memory, files) it
//! denies itself, for only that is to be had without `unsafe`; nobody else's code has run by then.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};

use super::verdict::{self, Refusal};
use crate::backend::wasm::pool::Layout;
use crate::backend::wasm::scan::{self, Kind};
use crate::backend::wasm::{engine, limits};

/// The variable that makes a process the compiler of another.
pub(super) const REQUEST: &str = "STEADING_COMPILE";

static HOOKED: AtomicBool = AtomicBool::new(false);

/// What the host asks for, apart from the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The host.
    pub(super) parent: u32,
    /// Processor time.
    pub(super) time: Duration,
    /// Bytes of address space.
    pub(super) memory: u64,
    /// How memories begin, which is a part of the code.
    pub(super) layout: Layout,
}

/// Compiles and ends the process, if this is what it was started for; else returns.
pub(crate) fn serve_if_asked() {
    HOOKED.store(true, Ordering::Release);
    let Some(request) = std::env::var_os(REQUEST) else {
        return;
    };
    let request = request.to_str().and_then(Request::parse);
    let served = request
        .ok_or(io::ErrorKind::InvalidInput.into())
        .and_then(Request::serve);
    std::process::exit(match served {
        Ok(()) => 0,
        Err(error) => {
            // Where this cannot be said either, the exit code is all there is.
            writeln!(io::stderr(), "{error}").ok();
            1
        }
    });
}

/// Whether this program can be its own compiler.
pub(super) fn is_hooked() -> bool {
    HOOKED.load(Ordering::Acquire)
}

/// Whether this process was started as a compiler.
pub(super) fn is_asked() -> bool {
    std::env::var_os(REQUEST).is_some()
}

impl Request {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbers: Result<Vec<u64>, _> = text.split(' ').map(str::parse).collect();
        let [parent, time, memory, layout] = numbers.ok()?.try_into().ok()?;
        Some(Self {
            parent: parent.try_into().ok()?,
            time: Duration::from_millis(time),
            memory,
            layout: Layout::of_code(layout)?,
        })
    }

    pub(super) fn text(self) -> String {
        let layout = self.layout.code();
        format!("{} {} {} {layout}", self.parent, self.time.as_millis(), self.memory)
    }

    fn serve(self) -> io::Result<()> {
        self.follow_parent()?;
        self.bind()?;
        let mut bytes = Vec::new();
        io::stdin().take(limits::FILE + 1).read_to_end(&mut bytes)?;
        let answer = self.answer(&bytes)?;
        let mut stdout = io::stdout();
        stdout.write_all(&answer)?;
        stdout.flush()
    }

    /// To be killed when the host is gone, also if it is gone already.
    fn follow_parent(self) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        match getppid().map(Pid::as_raw_pid) {
            Some(parent) if u32::try_from(parent) == Ok(self.parent) => Ok(()),
            _ => Err(io::Error::other("the host is gone")),
        }
    }

    fn bind(self) -> io::Result<()> {
        let seconds = self.time.as_millis().div_ceil(1000) as u64;
        // The second between the two is for SIGXCPU, which says what it died of; the other is SIGKILL.
        limit(Resource::Cpu, seconds, seconds + 1)?;
        limit(Resource::As, self.memory, self.memory)?;
        limit(Resource::Fsize, limits::COMPILED, limits::COMPILED)?;
        limit(Resource::Nofile, limits::COMPILE_FILES, limits::COMPILE_FILES)?;
        limit(Resource::Core, 0, 0)?;
        // Where memory is short, this is what is to go first. A kernel that refuses has its own order.
        fs::write("/proc/self/oom_score_adj", "1000").ok();
        Ok(())
    }

    fn answer(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let engine = engine::for_compiling(self.layout).map_err(io::Error::other)?;
        // The host has looked at it and found nothing too large; what it is, is not worth a word of protocol.
        let kind = scan::scan("it", bytes).map_err(io::Error::other)?;
        let verdict = compile(&engine, kind, bytes);
        Ok(verdict::answer(&engine::fingerprint(&engine), verdict))
    }
}

/// Nobody may exceed what was imposed on the host itself.
fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let imposed = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let new = Rlimit {
        current: Some(soft.min(imposed)),
        maximum: Some(hard.min(imposed)),
    };
    Ok(setrlimit(resource, new)?)
}

/// Compiles, in whichever process this is.
pub(super) fn compile(engine: &wasmtime::Engine, kind: Kind, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    engine
        .precompile_component(&component(kind, bytes)?)
        .map_err(|error| Refusal::invalid(&error))
}

/// A core module with the description of its world inside is a component in all but form; so is a program of WASI's
/// first preview. What either imports of that preview is made of the second by an adapter.
fn component(kind: Kind, bytes: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    let adapter = match kind {
        Kind::Component => return Ok(Cow::Borrowed(bytes)),
        Kind::Module { program: true, .. } => WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
        Kind::Module { typed: true, .. } => WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        Kind::Module { .. } => return Err(Refusal::CoreModule(String::new())),
    };
    let encode = || {
        wit_component::ComponentEncoder::default()
            .validate(true)
            .module(bytes)?
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter)?
            .encode()
    };
    encode()
        .map(Cow::Owned)
        .map_err(|error: anyhow::Error| Refusal::CoreModule(format!(" (making it one failed: {})", one_line(&error))))
}

fn one_line(error: &anyhow::Error) -> String {
    error
        .root_cause()
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_round_trip_and_nothing_else_is_one() {
        let request = Request {
            parent: 7,
            time: Duration::from_millis(300),
            memory: 1 << 40,
            layout: Layout::ON_DEMAND,
        };
        assert_eq!(Request::parse(&request.text()), Some(request));
        for text in ["", "1", "1 2 3", "1 2 3 4 5", "-1 2 3 1", "yes"] {
            assert_eq!(Request::parse(text), None, "{text}");
        }
    }
}
