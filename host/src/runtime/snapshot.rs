//! What is alive now, for tests, operators and debuggers.

use steading_types::ActorId;

use super::Runtime;

/// The actors of a host at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every actor alive.
    pub actors: Vec<ActorStatus>,
}

/// One actor at one moment.
#[derive(Clone, Debug)]
pub struct ActorStatus {
    /// Who.
    pub id: ActorId,
    /// How far below a root.
    pub depth: u32,
    /// `serving`, `cancelling`, `dying` or `stopped`.
    pub stage: &'static str,
    /// Contexts alive, of both sides.
    pub contexts: usize,
    /// Children alive.
    pub children: usize,
    /// How often an actor was started again in this one's place, up to this one.
    pub restarts: u32,
}

impl Snapshot {
    /// Whether nothing is alive.
    pub fn is_quiescent(&self) -> bool {
        self.actors.is_empty()
    }
}

impl Runtime {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut actors: Vec<_> = self.live_cells().iter().map(|cell| cell.status()).collect();
        actors.sort_by(|a, b| (a.depth, &a.id).cmp(&(b.depth, &b.id)));
        Snapshot { actors }
    }
}

impl super::cell::Cell {
    fn status(&self) -> ActorStatus {
        self.look(|core| ActorStatus {
            id: core.id().clone(),
            depth: self.depth,
            stage: core.stage().name(),
            contexts: core.context_count(),
            children: core.child_count(),
            restarts: self.restarts,
        })
    }
}
