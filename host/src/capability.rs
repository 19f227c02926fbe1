//! What of the machine a component may ask for: one word for each thing that can be granted.
//!
//! Which imports ask for what is known where they are linked, `backend/wasm/linker.rs`; how each is granted is
//! for who grants it.

use std::fmt;

/// Something that an actor has only if it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// To start actors of its own. Those of its own component it may always start, within its budget.
    Children,
    /// To tell the time: to the millisecond, unless better is granted.
    Clocks,
    /// A command line and an environment.
    Environment,
    /// Directories.
    Files,
    /// Random numbers, which everybody has; a seed makes them repeatable.
    Random,
    /// Standard input, output and error.
    Streams,
}

impl Capability {
    /// In plain words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Children => "children",
            Self::Clocks => "clocks",
            Self::Environment => "arguments and environment",
            Self::Files => "files",
            Self::Random => "random numbers",
            Self::Streams => "standard streams",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A capability that a component could make use of, and the imports by which it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// What.
    pub capability: Capability,
    /// The WIT interfaces that give it, with their versions.
    pub imports: Vec<String>,
}
