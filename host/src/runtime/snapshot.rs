//! What is alive now, for tests, operators and debuggers.
//!
//! Read off the cores and the counters beside them: no guest is asked, and none can make itself look like
//! something else. `waits.rs` infers what tasks wait for, `tree.rs` draws all this, `history.rs` keeps what
//! has ended.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use steading_proto::{ContextStatus as Facts, Part, Status};
use steading_types::{ActorId, EndpointKind, Key, Uuid};

use super::account::BudgetStatus;
use super::cell::Cell;
use super::inbox::Peer;
use super::waits::{self, Wait};
use super::{Runtime, history::Totals};

/// The actors of a host. Each is seen at one moment, but not all at the same: nothing is stopped for it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every actor alive, each behind its parent and the children of its older siblings.
    pub actors: Vec<ActorStatus>,
    /// Actors that have ended, in the order of their ends; as many as
    /// [`HostBuilder::history`](crate::HostBuilder::history) lets the host remember.
    pub ended: Vec<ActorStatus>,
    /// What those used that are not remembered one by one any more.
    pub earlier: Vec<Totals>,
}

/// One actor at one moment, or as it was when it ended.
#[derive(Clone, Debug)]
pub struct ActorStatus {
    /// Who.
    pub id: ActorId,
    /// Who started it; `None` of a root.
    pub parent: Option<ActorId>,
    /// How far below a root.
    pub depth: u32,
    /// `serving`, `cancelling`, `dying`, `stopped` or `ended`.
    pub stage: &'static str,
    /// How it ended, if it has: `acked`, `trapped` or `killed`, or the kind of the error it failed with.
    pub end: Option<String>,
    /// How long it has lived.
    pub age: Duration,
    /// The name of its code; `None` of a root, whose code is the embedder's.
    pub component: Option<String>,
    /// The endpoints that may be called.
    pub endpoints: Vec<String>,
    /// Contexts alive, of both sides.
    pub contexts: Vec<ContextStatus>,
    /// Contexts it has had in its life, of both sides.
    pub contexts_ever: u64,
    /// The most contexts it has had at once, of both sides.
    pub contexts_most: u64,
    /// Contexts it may have at once.
    pub contexts_limit: u64,
    /// Its tasks, and what each waits for.
    pub tasks: Vec<TaskStatus>,
    /// Children alive, oldest first.
    pub children: Vec<ActorId>,
    /// The most children it has had at once.
    pub children_most: u64,
    /// Children it may have at once.
    pub children_limit: u64,
    /// Bytes of linear memory after its last turn. It never shrinks, so this is its peak too; 0 of native
    /// actors, whose memory is the host's.
    pub memory: u64,
    /// Bytes of linear memory it may have; 0 of native actors.
    pub memory_limit: u64,
    /// What it and all below it use together, if it has a budget of its own.
    pub budget: Option<BudgetStatus>,
    /// Turns it has begun and ended.
    pub turns: u64,
    /// Time that its turns have had a thread. Of a native actor, whose tasks run outside turns, only what
    /// the host does for it.
    pub cpu: Duration,
    /// For how long its present turn has run, if it is in one.
    pub running: Option<Duration>,
    /// When its own timer is due, if it has set one: from now, or zero if it is overdue.
    pub timer: Option<Duration>,
    /// How often it was restarted.
    pub restarts: u32,
    /// Bytes of payloads that wait for it to be read.
    pub inbox_bytes: u64,
    /// Bytes it has logged.
    pub log_bytes: u64,
    /// Bytes it may log in a second; 0 of native actors, who log where they like.
    pub log_rate: u64,
    /// Lines of log that were dropped, since there were too many.
    pub log_dropped_lines: u64,
    /// About as many bytes as these had.
    pub log_dropped_bytes: u64,
}

/// One side of a context.
#[derive(Clone, Debug)]
pub struct ContextStatus {
    /// Which endpoint runs; `None` if that is not known any more, and of a root's own body.
    pub endpoint: Option<String>,
    /// Whether this actor opened it; if not, it serves it.
    pub is_caller: bool,
    /// Who is at the other end.
    pub peer: ActorId,
    /// `opening`, `syncing`, `started`, `streaming`, `stream-finished`, `finishing` or `ended`.
    pub state: &'static str,
    /// How long it has been there.
    pub age: Duration,
    /// Who has cancelled its task, if anybody has.
    pub canceller: Option<ActorId>,
    /// Messages that came and whose credit was not given back yet.
    pub queued: u32,
    /// Their payload bytes.
    pub queued_bytes: u64,
    /// Messages it may send now.
    pub credit: i64,
    /// Bytes it may send now.
    pub credit_bytes: i64,
}

/// One task: an endpoint that runs, or the body of a root.
#[derive(Clone, Debug)]
pub struct TaskStatus {
    /// The endpoint; `None` for the body of a root.
    pub endpoint: Option<String>,
    /// Who called it.
    pub caller: ActorId,
    /// How long it has run.
    pub age: Duration,
    /// Who has cancelled it, if anybody has.
    pub canceller: Option<ActorId>,
    /// Everything it can be waiting for, as far as the host knows. Empty for one that computes, and for one
    /// that waits for something inside its actor.
    pub waits: Vec<Wait>,
}

impl ActorStatus {
    /// An actor of which nothing else is known: to be filled in, in tests of what reads snapshots.
    pub fn new(id: ActorId) -> Self {
        Self {
            id,
            parent: None,
            depth: 0,
            stage: "serving",
            end: None,
            age: Duration::ZERO,
            component: None,
            endpoints: Vec::new(),
            contexts: Vec::new(),
            contexts_ever: 0,
            contexts_most: 0,
            contexts_limit: 0,
            tasks: Vec::new(),
            children: Vec::new(),
            children_most: 0,
            children_limit: 0,
            memory: 0,
            memory_limit: 0,
            budget: None,
            turns: 0,
            cpu: Duration::ZERO,
            running: None,
            timer: None,
            restarts: 0,
            inbox_bytes: 0,
            log_bytes: 0,
            log_rate: 0,
            log_dropped_lines: 0,
            log_dropped_bytes: 0,
        }
    }
}

impl Snapshot {
    /// Whether nothing is alive.
    pub fn is_quiescent(&self) -> bool {
        self.actors.is_empty()
    }
}

/// What an endpoint is called, and whether it has a context, by who called it and what the caller calls the
/// context: callers know neither.
pub(super) type Calls = HashMap<(Uuid, Key), (String, Option<EndpointKind>)>;

impl Runtime {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let cells = self.live_cells();
        // One for all, so that ages can be compared.
        let now = self.clock.now();
        let seen: Vec<_> = cells.iter().map(|cell| Seen::of(cell, now)).collect();
        let mut calls = Calls::new();
        seen.iter().for_each(|seen| seen.note_calls(&mut calls));
        let actors = seen.iter().map(|seen| seen.status(&calls)).collect();
        let (ended, earlier) = self.history.look();
        Snapshot {
            actors: in_order(actors),
            ended,
            earlier,
        }
    }
}

/// Parents before their children, the older child with all below it first.
pub(super) fn in_order(mut actors: Vec<ActorStatus>) -> Vec<ActorStatus> {
    actors.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.id.cmp(&b.id)));
    let known: HashMap<Uuid, ()> = actors.iter().map(|actor| (actor.id.uuid, ())).collect();
    let mut below: HashMap<Option<Uuid>, Vec<ActorStatus>> = HashMap::new();
    for actor in actors {
        let parent = actor.parent.as_ref().map(|parent| parent.uuid);
        // One whose parent has gone in between, or is not remembered, stands at the top.
        let parent = parent.filter(|parent| known.contains_key(parent));
        below.entry(parent).or_default().push(actor);
    }
    let mut ordered = Vec::new();
    let mut waiting = below.remove(&None).unwrap_or_default();
    waiting.reverse();
    while let Some(actor) = waiting.pop() {
        let children = below.remove(&Some(actor.id.uuid)).unwrap_or_default();
        waiting.extend(children.into_iter().rev());
        ordered.push(actor);
    }
    ordered
}

/// What was read of one actor under its lock.
pub(super) struct Seen<'a> {
    pub(super) cell: &'a Arc<Cell>,
    stage: &'static str,
    pub(super) status: Status<Peer>,
    now: u64,
}

impl<'a> Seen<'a> {
    pub(super) fn of(cell: &'a Arc<Cell>, now: u64) -> Self {
        let (stage, status) = cell.look(|core| (core.stage().name(), core.status()));
        Self {
            cell,
            stage,
            status,
            now,
        }
    }

    pub(super) fn note_calls(&self, calls: &mut Calls) {
        for context in &self.status.contexts {
            if let (Part::Callee { endpoint, kind }, Some(remote)) = (&context.part, context.remote) {
                calls.insert((context.peer.uuid, remote), (endpoint.clone(), Some(*kind)));
            }
        }
        // Calls that were not looked at yet: of a guest that spins, for example.
        self.cell.inbox.each_start(|start| {
            calls.insert((start.caller.uuid, start.origin), (start.endpoint.clone(), None));
        });
    }

    pub(super) fn status(&self, calls: &Calls) -> ActorStatus {
        let Self { cell, status, now, .. } = self;
        let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
        let code = cell.code.as_ref();
        let is_guest = code.is_some_and(|code| !code.is_native());
        let timer = cell.timer();
        let logged = cell.logged();
        ActorStatus {
            id: cell.inbox.id().clone(),
            parent: status.parent.as_ref().map(|parent| parent.id().clone()),
            depth: cell.depth,
            stage: self.stage,
            end: None,
            age: since(cell.born),
            component: code.map(|code| code.name().to_owned()),
            endpoints: status.endpoints.clone(),
            contexts: status
                .contexts
                .iter()
                .map(|context| self.context(context, calls))
                .collect(),
            contexts_ever: status.contexts_ever,
            contexts_most: status.contexts_most.0 as u64,
            contexts_limit: status.contexts_most.1 as u64,
            tasks: waits::tasks(cell.inbox.id(), status, calls, timer, *now),
            children: status
                .nurseries
                .iter()
                .flat_map(|nursery| nursery.children.clone())
                .collect(),
            children_most: status.children_most.0 as u64,
            children_limit: status.children_most.1 as u64,
            memory: cell.usage.memory(),
            memory_limit: if is_guest { cell.grants.memory } else { 0 },
            budget: cell.grants.account.status_for(cell.inbox.id()),
            turns: cell.usage.turns(),
            cpu: Duration::from_nanos(cell.usage.cpu()),
            running: cell.usage.running_since().map(since),
            timer: timer.map(|due| Duration::from_nanos(due.saturating_sub(*now))),
            restarts: cell.restarts,
            inbox_bytes: cell.inbox.bytes(),
            log_bytes: logged.bytes,
            log_rate: if is_guest { u64::from(cell.grants.log_rate) } else { 0 },
            log_dropped_lines: logged.dropped_lines,
            log_dropped_bytes: logged.dropped_bytes,
        }
    }

    fn context(&self, context: &Facts, calls: &Calls) -> ContextStatus {
        let endpoint = match &context.part {
            Part::Callee { endpoint, .. } => Some(endpoint.clone()),
            Part::Main => None,
            Part::Caller => calls
                .get(&(self.cell.inbox.id().uuid, context.key))
                .map(|(endpoint, _)| endpoint.clone()),
        };
        ContextStatus {
            endpoint,
            is_caller: context.part == Part::Caller,
            peer: context.peer.clone(),
            state: context.state,
            age: Duration::from_nanos(self.now.saturating_sub(context.born)),
            canceller: context.canceller.clone(),
            queued: context.queued_messages,
            queued_bytes: context.queued_bytes,
            credit: context.credit_messages,
            credit_bytes: context.credit_bytes,
        }
    }
}

impl fmt::Display for Snapshot {
    /// The tree of the actors alive, a line each; with `{:#}` their tasks too, with what each waits for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tree = self.tree();
        match f.alternate() {
            true => fmt::Display::fmt(&tree.with_tasks(), f),
            false => fmt::Display::fmt(&tree, f),
        }
    }
}
