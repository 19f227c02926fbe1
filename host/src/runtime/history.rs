//! Actors that have ended: as many as the embedder wants remembered, and sums of the rest.
//!
//! Off unless it is asked for. Bounded in both: what is not remembered one by one any more is added up by
//! name, and beyond so many names under one for all others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use super::lock;
use super::snapshot::{ActorStatus, Snapshot};

/// Names that are added up each for itself.
const NAMES: usize = 1024;
/// Stands for all other names.
const OTHERS: &str = "(others)";

/// What all actors of one name have used together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The name.
    pub name: String,
    /// Actors there were, those alive included.
    pub actors: u64,
    /// Of these, how many are alive.
    pub alive: u64,
    /// Contexts they have had, of both sides.
    pub contexts: u64,
    /// The most contexts that one of them has had at once, of both sides.
    pub contexts_most: u64,
    /// The most contexts that one of them might have.
    pub contexts_limit: u64,
    /// The most children that one of them has had at once.
    pub children_most: u64,
    /// The most children that one of them might have.
    pub children_limit: u64,
    /// Turns they took.
    pub turns: u64,
    /// Time their turns had a thread.
    pub cpu: Duration,
    /// The most bytes of linear memory that one of them has had.
    pub memory: u64,
    /// The most bytes of linear memory that one of them might have; 0 of native actors.
    pub memory_limit: u64,
    /// The most bytes of memory that one of them with all below it has had, and might have; `None` if none of them has
    /// a budget of its own.
    pub budget_memory: Option<(u64, Option<u64>)>,
    /// The most actors that one of them with all below it has been, and might be.
    pub budget_actors: Option<(u64, Option<u64>)>,
    /// Bytes of log.
    pub log_bytes: u64,
    /// Lines of log that were dropped, since there were too many.
    pub log_dropped_lines: u64,
    /// About as many bytes as these had.
    pub log_dropped_bytes: u64,
    /// Restarts.
    pub restarts: u64,
}

impl Totals {
    fn of(actor: &ActorStatus) -> Self {
        Self {
            name: actor.id.name.to_string(),
            actors: 1,
            alive: u64::from(actor.end.is_none()),
            contexts: actor.contexts_ever,
            contexts_most: actor.contexts_most,
            contexts_limit: actor.contexts_limit,
            children_most: actor.children_most,
            children_limit: actor.children_limit,
            turns: actor.turns,
            cpu: actor.cpu,
            memory: actor.memory,
            memory_limit: actor.memory_limit,
            budget_memory: actor.budget.map(|budget| (budget.memory.most, budget.memory.limit)),
            budget_actors: actor.budget.map(|budget| (budget.actors.most, budget.actors.limit)),
            log_bytes: actor.log_bytes,
            log_dropped_lines: actor.log_dropped_lines,
            log_dropped_bytes: actor.log_dropped_bytes,
            // Each of them is one restart, however many there were before it.
            restarts: u64::from(actor.restarts > 0),
        }
    }

    fn add(&mut self, more: &Self) {
        self.actors += more.actors;
        self.alive += more.alive;
        self.contexts += more.contexts;
        self.turns += more.turns;
        self.cpu += more.cpu;
        self.memory = self.memory.max(more.memory);
        self.memory_limit = self.memory_limit.max(more.memory_limit);
        self.contexts_most = self.contexts_most.max(more.contexts_most);
        self.contexts_limit = self.contexts_limit.max(more.contexts_limit);
        self.children_most = self.children_most.max(more.children_most);
        self.children_limit = self.children_limit.max(more.children_limit);
        self.budget_memory = self.budget_memory.max(more.budget_memory);
        self.budget_actors = self.budget_actors.max(more.budget_actors);
        self.log_bytes += more.log_bytes;
        self.log_dropped_lines += more.log_dropped_lines;
        self.log_dropped_bytes += more.log_dropped_bytes;
        self.restarts += more.restarts;
    }
}

impl Snapshot {
    /// What actors have used, by name. Those that have ended count if the host has a
    /// [`history`](crate::HostBuilder::history).
    pub fn totals(&self) -> Vec<Totals> {
        let mut sums = Sums::default();
        self.earlier.iter().for_each(|totals| sums.add(totals));
        let actors = self.actors.iter().chain(&self.ended);
        actors.map(Totals::of).for_each(|totals| sums.add(&totals));
        sums.0.into_values().collect()
    }
}

#[derive(Debug, Default)]
struct Sums(BTreeMap<String, Totals>);

impl Sums {
    fn add(&mut self, totals: &Totals) {
        let name = match self.0.len() < NAMES || self.0.contains_key(&totals.name) {
            true => &totals.name,
            false => OTHERS,
        };
        let sum = self.0.entry(name.to_owned()).or_insert_with(|| Totals {
            name: name.to_owned(),
            ..Totals::default()
        });
        sum.add(totals);
    }
}

/// The actors of one host that have ended.
#[derive(Debug)]
pub(crate) struct History {
    room: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    ended: VecDeque<ActorStatus>,
    earlier: Sums,
}

impl History {
    pub(crate) fn new(room: usize) -> Self {
        let kept = Mutex::default();
        Self { room, kept }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.room > 0
    }

    pub(crate) fn add(&self, actor: ActorStatus) {
        let mut kept = lock(&self.kept);
        kept.ended.push_back(actor);
        if kept.ended.len() > self.room
            && let Some(oldest) = kept.ended.pop_front()
        {
            kept.earlier.add(&Totals::of(&oldest));
        }
    }

    pub(super) fn look(&self) -> (Vec<ActorStatus>, Vec<Totals>) {
        let kept = lock(&self.kept);
        (
            kept.ended.iter().cloned().collect(),
            kept.earlier.0.values().cloned().collect(),
        )
    }
}
