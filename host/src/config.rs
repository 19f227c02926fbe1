//! What an embedder may decide, as plain values.

use std::path::PathBuf;

pub use steading_types::Stdio;

/// What is done when tasks of guests wait for each other in a circle, and nothing else can happen to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deadlocks {
    /// Nothing, and nobody looks.
    #[default]
    Ignore,
    /// A warning is written within a second, with the circle, once.
    Report,
    /// The youngest of the contexts in the circle ends with `Deadlock`, at both its ends, within a second. For
    /// embedders whose roots wait for their calls and do nothing else meanwhile, as the command line does: where one
    /// of them would yet make another call that sets the circle free, it is broken too early.
    Break,
}

/// What a host is laid out for. Measured figures are in `ARCHITECTURE.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Actors start and run as fast as they can: their memories are
    /// so far apart that the kernel checks their bounds.
    #[default]
    Latency,
    /// As many actors as possible: memories lie side by side and hold 64 MiB at most. Guests run slower, as their own
    /// code checks the bounds.
    Density,
}

/// Where actors run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workers {
    /// On the runtime that builds the host: lowest latency; a call stays on its worker. For guests
    /// that are trusted not to hog it.
    #[default]
    Shared,
    /// On this many threads of their own: control, timers and the embedder stay responsive beside
    /// guests that spin, at the price of a wake across threads.
    Dedicated(usize),
}

/// Where components are compiled that are not in the cache.
///
/// Compilation cannot be interrupted, and a valid component of a few kilobytes can take minutes or gigabytes.
/// Only a child process can be bounded: by [`compile_time`](crate::HostBuilder::compile_time) and
/// [`compile_memory`](crate::HostBuilder::compile_memory). A child that cannot be started is an error of the load;
/// nothing is compiled in this process instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Compile {
    /// [`Child`](Self::Child) in a program whose `main` begins with [`compile_child`](crate::compile_child), else
    /// [`InProcess`](Self::InProcess).
    #[default]
    Auto,
    /// In this process, on the thread that loads and those it is helped by, without any bound. For components
    /// that come from whom the program comes from.
    InProcess,
    /// In a child process of this very program, whose `main` has to begin with
    /// [`compile_child`](crate::compile_child).
    Child,
    /// In a child process of the program at this path, whose `main` has to begin in the same way, built with the
    /// same version of everything. What it hands back is run: it is trusted as this program is. For programs whose
    /// `main` is not their own, as plugins and tests.
    ChildOf(PathBuf),
}

/// What becomes of the three standard streams of an actor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
}

impl From<Stdio> for Streams {
    /// The same of all three.
    fn from(stdio: Stdio) -> Self {
        Self {
            stdin: stdio.clone(),
            stdout: stdio.clone(),
            stderr: stdio,
        }
    }
}
