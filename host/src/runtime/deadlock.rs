//! Finds tasks that wait for each other in a circle.
//!
//! The host does not see what a task awaits, but what its actor can be told of: between turns, a guest goes on
//! only when somebody sends it something, or when its timer is due. So a set of guests is stuck if each is still,
//! has no timer, and everybody who could send it anything is in the set; and if there is a circle among the
//! contexts its tasks have open, they are stuck for good, unless somebody outside makes a new call or cancels.
//! What was found must be the same at two looks, with no turn in between. Hence not the default: an embedder says
//! that its roots do nothing of the kind.
//!
//! Who is still is told here; what follows from it is decided by [`steading_proto::circle`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steading_proto::circle::{Link, Still, circle, retain_stuck};
use steading_proto::{ContextStatus, Part};
use steading_types::{Key, Uuid};

use super::Runtime;
use super::cell::Cell;
use super::snapshot::{Calls, Seen};
use super::waits::{self, Wait};
use crate::config::Deadlocks;

/// How often is looked.
const PERIOD: Duration = Duration::from_millis(250);

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Watch {
    last_look: AtomicU64,
    seen: Mutex<Suspects>,
}

#[derive(Debug, Default)]
struct Suspects {
    /// Who was stuck.
    last: HashSet<Suspect>,
    /// Of whom it was told.
    told: HashSet<Suspect>,
}

/// A stuck actor, and how many turns it had taken.
type Suspect = (Uuid, u64);

impl Runtime {
    /// Looks for circles as long as it is polled. Of several that do, one looks.
    pub(super) async fn watch_for_deadlocks(&self) {
        // Where frames are counted, time does not pass.
        if self.options.deadlocks == Deadlocks::Ignore || self.faults.is_some() {
            return pending().await;
        }
        loop {
            tokio::time::sleep(PERIOD).await;
            if self.is_my_look() {
                self.look_for_deadlocks();
            }
        }
    }

    fn is_my_look(&self) -> bool {
        let (now, last) = (self.clock.now(), self.watch.last_look.load(Ordering::Relaxed));
        let is_due = now.saturating_sub(last) >= PERIOD.as_nanos() as u64 * 3 / 4;
        let take = || {
            let swap = self
                .watch
                .last_look
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
            swap.is_ok()
        };
        is_due && take()
    }

    fn look_for_deadlocks(&self) {
        let cells = self.live_cells();
        let still: Vec<_> = cells.iter().filter(|cell| is_still_guest(cell)).collect();
        let mut suspects = self.watch.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if still.is_empty() {
            *suspects = Suspects::default();
            return;
        }
        let now = self.clock.now();
        let seen = still
            .into_iter()
            .map(|cell| (cell.inbox.id().uuid, Seen::of(cell, now)));
        let all: HashMap<Uuid, Seen<'_>> = seen.collect();
        let mut stuck: BTreeMap<Uuid, Still<'_>> = all.iter().map(|(uuid, seen)| (*uuid, still_of(seen))).collect();
        retain_stuck(&mut stuck);
        let found: HashSet<Suspect> = stuck.keys().map(|uuid| suspect(&all[uuid])).collect();
        stuck.retain(|uuid, _| suspects.last.contains(&suspect(&all[uuid])));
        // Whom somebody else could set free was free to begin with.
        retain_stuck(&mut stuck);
        suspects.told.retain(|suspect| found.contains(suspect));
        suspects.last = found;
        if let Some(circle) = Circle::among(&all, &stuck, &suspects.told) {
            suspects
                .told
                .extend(circle.links.iter().map(|(uuid, _)| suspect(&all[uuid])));
            circle.end(self.options.deadlocks);
        }
    }
}

fn suspect(seen: &Seen<'_>) -> Suspect {
    (seen.cell.inbox.id().uuid, seen.cell.usage.turns())
}

fn is_still_guest(cell: &Arc<Cell>) -> bool {
    cell.code.as_ref().is_some_and(|code| !code.is_native()) && cell.is_still()
}

/// Besides its peers, its children, and its parent can set it free: that may make another call. A root is trusted not
/// to, which is what its embedder has said.
fn still_of<'a>(seen: &'a Seen<'_>) -> Still<'a> {
    let children = seen.status.nurseries.iter().flat_map(|nursery| &nursery.children);
    let parent = seen.status.parent.iter().filter(|_| seen.cell.depth > 1);
    let others = children
        .map(|child| child.uuid)
        .chain(parent.map(|parent| parent.id().uuid));
    Still {
        contexts: &seen.status.contexts,
        others: others.collect(),
    }
}

/// Tasks each of which waits for the next, and the last for the first.
struct Circle<'a, 'b> {
    all: &'a HashMap<Uuid, Seen<'b>>,
    links: Vec<Link<'a>>,
    calls: Calls,
}

impl<'a, 'b> Circle<'a, 'b> {
    /// A circle among these, if there is one that was not told of.
    fn among(
        all: &'a HashMap<Uuid, Seen<'b>>,
        stuck: &BTreeMap<Uuid, Still<'a>>,
        told: &HashSet<Suspect>,
    ) -> Option<Self> {
        let is_new = |links: &[Link<'_>]| links.iter().any(|(uuid, _)| !told.contains(&suspect(&all[uuid])));
        let links = circle(stuck, is_new)?;
        let mut calls = Calls::new();
        stuck.keys().for_each(|uuid| all[uuid].note_calls(&mut calls));
        Some(Self { all, links, calls })
    }

    /// As a sentence.
    fn text(&self) -> String {
        let link = |(uuid, context): &(Uuid, &ContextStatus)| {
            let seen = &self.all[uuid];
            let me = seen.cell.inbox.id();
            let key = context.task().unwrap_or_default();
            let wait = match context.part {
                Part::Caller => waits::call_wait(me, context, &self.calls),
                Part::Callee { .. } | Part::Main => waits::stream_wait(context),
            };
            let wait = wait.map_or_else(String::new, |wait: Wait| wait.to_string());
            format!("`{}` of {me} waits for {wait}", endpoint(seen, key))
        };
        self.links.iter().map(link).collect::<Vec<_>>().join("; ")
    }

    fn end(&self, how: Deadlocks) {
        let text = self.text();
        // The youngest has done least.
        let Some((uuid, context)) = self.links.iter().max_by_key(|(_, context)| context.born) else {
            return;
        };
        let seen = &self.all[uuid];
        let actor = seen.cell.inbox.id();
        if how == Deadlocks::Report {
            tracing::warn!(target: "steading::deadlock", actor = %actor.name, id = %actor.uuid, "nothing goes on: {text}");
            return;
        }
        tracing::warn!(target: "steading::deadlock", actor = %actor.name, id = %actor.uuid, "broken: {text}");
        let key = context.key;
        seen.cell.with(|core| core.break_deadlock(key, text));
        seen.cell.inbox.nudge();
    }
}

fn endpoint(seen: &Seen<'_>, task: Key) -> String {
    let of_task = seen.status.contexts.iter().find(|context| context.key == task);
    match of_task.map(|context| &context.part) {
        Some(Part::Callee { endpoint, .. }) => endpoint.clone(),
        _ => "main".to_owned(),
    }
}
