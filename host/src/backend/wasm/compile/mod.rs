//! How components are compiled that the cache does not have: one at a time, here or in a child process.
//!
//! Compilation cannot be interrupted, and a valid module of a few kilobytes can take minutes or gigabytes.
//! So it is done by a process that can be killed: `child.rs` starts it, waits and reaps; `worker.rs` is what
//! it does; `verdict.rs` is what it says, and what the cache remembers of those that were refused. A host
//! that compiles for itself has none of the bounds; `gate.rs` holds for both.

mod child;
mod gate;
mod verdict;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use super::engine::Engine;
use super::error::LoadError;
use super::scan::Kind;
use crate::config::Compile;

use child::Program;
use gate::Gate;
pub(super) use gate::Turn;
pub(super) use verdict::Refusal;
pub(crate) use worker::serve_if_asked;

/// What a compilation in a child may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Processor time of all its threads.
    pub(crate) time: Duration,
    /// Bytes of its address space.
    pub(crate) memory: u64,
}

/// The compiler of one host.
#[derive(Debug)]
pub(super) struct Compiler {
    way: Way,
    bounds: Bounds,
    gate: Gate,
}

#[derive(Debug)]
enum Way {
    InProcess,
    Child(Program),
}

impl Compiler {
    /// Settles where it is done.
    pub(super) fn new(wish: &Compile, bounds: Bounds) -> Result<Self, LoadError> {
        let way = Way::of(wish).map_err(|detail| LoadError::Engine { detail })?;
        Ok(Self {
            way,
            bounds,
            gate: Gate::default(),
        })
    }

    /// Where it is done.
    pub(super) fn place(&self) -> Compile {
        match &self.way {
            Way::InProcess => Compile::InProcess,
            Way::Child(Program::This) => Compile::Child,
            Way::Child(Program::At(path)) => Compile::ChildOf(path.clone()),
        }
    }

    /// What bounds it; nothing does in this process.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        matches!(self.way, Way::Child(_)).then_some(self.bounds)
    }

    /// Waits until nobody else compiles.
    pub(super) fn turn(&self, file: &str) -> Result<Turn<'_>, LoadError> {
        self.gate.enter().map_err(|waiting| LoadError::CompileBusy {
            name: file.to_string(),
            waiting,
        })
    }

    /// Compiles to what an engine with the same fingerprint loads. The outer error is about the compiler, the
    /// inner one about the component.
    pub(super) fn compile(
        &self,
        _turn: &Turn<'_>,
        engine: &Engine,
        (file, kind, bytes): (&str, Kind, &[u8]),
    ) -> Result<Result<Vec<u8>, Refusal>, LoadError> {
        match &self.way {
            Way::InProcess => Ok(worker::compile(engine.wasmtime(), kind, bytes)),
            Way::Child(program) => child::compile(program, self.bounds, engine, file, bytes),
        }
    }
}

impl Way {
    fn of(wish: &Compile) -> Result<Self, String> {
        if worker::is_asked() {
            // Started by a host as its compiler, and about to be a host that starts another: without end.
            return Err(format!(
                "this process was started to compile; its `main` does not begin with `{HOOK}`"
            ));
        }
        match wish {
            Compile::Auto if worker::is_hooked() => Ok(Self::Child(Program::This)),
            Compile::Auto | Compile::InProcess => Ok(Self::InProcess),
            Compile::Child if worker::is_hooked() => Ok(Self::Child(Program::This)),
            Compile::Child => Err(format!(
                "a child of this program is to compile, whose `main` does not begin with `{HOOK}`"
            )),
            Compile::ChildOf(path) => Ok(Self::Child(Program::At(absolute(path.clone())?))),
        }
    }
}

const HOOK: &str = "steading::compile_child()";

/// The child starts in `/`.
fn absolute(path: PathBuf) -> Result<PathBuf, String> {
    std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()))
}
