//! What an instance may see of the machine. Nothing, unless it is written here.

use std::fmt;
use std::sync::Arc;

use cap_std::fs::Dir;
use steading_types::{Clock, Key};
use wasmtime_wasi::filesystem::Dir as Place;

use crate::config::Streams;
use crate::runtime::cell::Cell;
use crate::runtime::children::GrantedDir;
use crate::runtime::disk::Seats;
use crate::runtime::faults::FaultPlan;
use crate::runtime::lent::Until;
use crate::runtime::quota::Quota;

/// A directory the guest finds when it looks.
#[derive(Clone, Debug)]
pub(crate) struct PreopenedDir {
    /// The directory itself: open already, so that nobody can exchange it in between.
    pub(crate) source: Arc<Dir>,
    /// The path under which the guest sees it.
    pub(crate) guest_path: String,
    /// Read-only unless set.
    pub(crate) writable: bool,
    /// What it may grow by, if that is bounded.
    pub(crate) quota: Option<Arc<Quota>>,
    /// How long it may be used.
    pub(crate) until: Until,
}

/// What the contexts of an actor are granted: where to look for it, and the place where it is found.
#[derive(Clone, Default)]
pub(crate) struct Loans(Option<(Arc<Cell>, Place)>);

impl Loans {
    /// None, where there is no place for them.
    pub(super) fn of(cell: Arc<Cell>, place: Option<&Place>) -> Self {
        Self(place.map(|place| (cell, place.clone())))
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.0.as_ref().map(|(_, place)| place)
    }

    /// What a running context was granted by this name.
    pub(super) fn directory(&self, context: Key, name: &str) -> Option<GrantedDir> {
        self.0.as_ref()?.0.directory_granted(context, name)
    }
}

impl fmt::Debug for Loans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "possible" } else { "none" })
    }
}

/// What is granted to an instance. The default grants nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// Directories.
    pub(crate) directories: Vec<PreopenedDir>,
    /// The command line.
    pub(crate) args: Vec<String>,
    /// The environment.
    pub(crate) env: Vec<(String, String)>,
    /// Standard input, output and error.
    pub(crate) stdio: Streams,
    /// A terminal is left to obey what it writes.
    pub(crate) drives_terminals: bool,
    /// File operations run on the worker itself instead of on a pool of blocking threads: about 20 µs
    /// faster each, but a slow disk or a FIFO then holds up every task of that worker.
    pub(crate) inline_files: bool,
    /// Where operations find a place that run elsewhere.
    pub(crate) seats: Seats,
    /// What is to go wrong with its files and streams: in tests.
    pub(crate) faults: Option<Arc<dyn FaultPlan>>,
    /// How well it can tell the time.
    pub(crate) clock: Clock,
    /// Where its random numbers begin; with the machine's own if `None`.
    pub(crate) seed: Option<u64>,
    /// What its contexts are granted, and lose when they end.
    pub(crate) loans: Loans,
}
