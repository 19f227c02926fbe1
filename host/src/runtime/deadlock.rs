//! Finds tasks that wait for each other in a circle.
//!
//! The host does not see what a task awaits, but what its actor can be told of: between turns, a guest goes on
//! only when somebody sends it something, or when its timer is due. So a set of guests is stuck if each is still,
//! has no timer, and everybody who could send it anything is in the set; and if there is a circle among the
//! contexts its tasks have open, they are stuck for good, unless somebody outside makes a new call or cancels.
//! What was found must be the same at two looks, with no turn in between. Hence not the default: an embedder says
//! that its roots do nothing of the kind.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

/// A task: its actor, and the context it serves.
type Task = (Uuid, Key);

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
        let mut stuck: HashMap<Uuid, Seen<'_>> = seen.collect();
        drop_those_who_may_go_on(&mut stuck);
        let found: HashSet<Suspect> = stuck.values().map(suspect).collect();
        stuck.retain(|_, seen| suspects.last.contains(&suspect(seen)));
        // Whom somebody else could set free was free to begin with.
        drop_those_who_may_go_on(&mut stuck);
        suspects.told.retain(|suspect| found.contains(suspect));
        suspects.last = found;
        if let Some(circle) = Circle::among(&stuck, &suspects.told) {
            suspects.told.extend(circle.links.iter().map(|(seen, _)| suspect(seen)));
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

/// Leaves those of the still actors whom nobody else can send anything that matters.
fn drop_those_who_may_go_on(stuck: &mut HashMap<Uuid, Seen<'_>>) {
    loop {
        let free: Vec<Uuid> = stuck
            .iter()
            .filter(|(_, seen)| senders(seen).any(|sender| !stuck.contains_key(&sender)))
            .map(|(uuid, _)| *uuid)
            .collect();
        if free.is_empty() {
            return;
        }
        free.iter().for_each(|uuid| drop(stuck.remove(uuid)));
    }
}

/// Those whose messages, results and ends an actor may wait for. Not who may cancel it.
fn senders<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = Uuid> + 'a {
    let contexts = seen.status.contexts.iter().filter(|context| match context.part {
        Part::Caller => context.state != "ended",
        Part::Callee { .. } | Part::Main => {
            matches!(context.state, "streaming" | "stream-finished") && (context.is_blocked || !context.is_peer_done)
        }
    });
    let children = seen.status.nurseries.iter().flat_map(|nursery| &nursery.children);
    // It may make another call. A root is trusted not to: that is what its embedder has said.
    let parent = seen.status.parent.iter().filter(|_| seen.cell.depth > 1);
    let others = children
        .map(|child| child.uuid)
        .chain(parent.map(|parent| parent.id().uuid));
    contexts.map(|context| context.peer.uuid).chain(others)
}

/// Tasks each of which waits for the next, and the last for the first.
struct Circle<'a, 'b> {
    links: Vec<Link<'a, 'b>>,
    calls: Calls,
}

impl<'a, 'b> Circle<'a, 'b> {
    /// A circle among these, if there is one that was not told of.
    fn among(stuck: &'a HashMap<Uuid, Seen<'b>>, told: &HashSet<Suspect>) -> Option<Self> {
        let mut done = HashSet::new();
        let starts = stuck
            .values()
            .flat_map(|seen| tasks(seen).map(|task| (seen.cell.inbox.id().uuid, task)));
        for start in starts {
            let circle = walk(stuck, start, &mut done);
            let is_new = |links: &Vec<Link<'_, '_>>| links.iter().any(|(seen, _)| !told.contains(&suspect(seen)));
            if let Some(links) = circle.filter(is_new) {
                let mut calls = Calls::new();
                stuck.values().for_each(|seen| seen.note_calls(&mut calls));
                return Some(Self { links, calls });
            }
        }
        None
    }

    /// As a sentence.
    fn text(&self) -> String {
        let link = |(seen, context): &(&Seen<'_>, &ContextStatus)| {
            let me = seen.cell.inbox.id();
            let key = task_of(context).unwrap_or_default();
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
        let Some((seen, context)) = self.links.iter().max_by_key(|(_, context)| context.born) else {
            return;
        };
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

/// The tasks of an actor, by the contexts they serve.
fn tasks<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = Key> + 'a {
    let contexts = seen.status.contexts.iter();
    contexts
        .filter(|context| context.part != Part::Caller)
        .map(|context| context.key)
}

/// Whose context it is: the task that serves it, or that has opened it.
fn task_of(context: &ContextStatus) -> Option<Key> {
    match context.part {
        Part::Caller => context.owner,
        Part::Callee { .. } | Part::Main => Some(context.key),
    }
}

/// A context that a task waits for.
type Link<'a, 'b> = (&'a Seen<'b>, &'a ContextStatus);

/// A task on the way, and what it waits for that was not followed yet.
struct Step<'a, 'b> {
    task: Task,
    taken: Option<Link<'a, 'b>>,
    left: Vec<(Link<'a, 'b>, Task)>,
}

impl<'a, 'b> Step<'a, 'b> {
    fn of(stuck: &'a HashMap<Uuid, Seen<'b>>, task: Task) -> Self {
        let seen = stuck.get(&task.0);
        let contexts = seen
            .into_iter()
            .flat_map(|seen| seen.status.contexts.iter().map(move |context| (seen, context)));
        let awaited = contexts.filter(|(_, context)| task_of(context) == Some(task.1) && waits::is_awaited(context));
        let links = awaited.filter_map(|link| Some((link, other_end(stuck, task.0, link.1)?)));
        Self {
            task,
            taken: None,
            left: links.collect(),
        }
    }
}

/// Goes from task to task along what each waits for, until one comes twice: from there on, it is a circle. Guests
/// decide how long the way is, so it is not walked on the stack.
fn walk<'a, 'b>(
    stuck: &'a HashMap<Uuid, Seen<'b>>,
    start: Task,
    done: &mut HashSet<Task>,
) -> Option<Vec<Link<'a, 'b>>> {
    let mut on_the_way: HashMap<Task, usize> = HashMap::new();
    let mut path: Vec<Step<'a, 'b>> = Vec::new();
    let mut next = done.insert(start).then_some(start);
    loop {
        if let Some(task) = next.take() {
            on_the_way.insert(task, path.len());
            path.push(Step::of(stuck, task));
        }
        let step = path.last_mut()?;
        let Some((link, task)) = step.left.pop() else {
            on_the_way.remove(&step.task);
            path.pop();
            continue;
        };
        step.taken = Some(link);
        if let Some(at) = on_the_way.get(&task) {
            return Some(path[*at..].iter().filter_map(|step| step.taken).collect());
        }
        next = done.insert(task).then_some(task);
    }
}

/// The task at the other end of a context.
fn other_end(stuck: &HashMap<Uuid, Seen<'_>>, me: Uuid, context: &ContextStatus) -> Option<Task> {
    let peer = stuck.get(&context.peer.uuid)?;
    let theirs = peer.status.contexts.iter().find(|theirs| {
        theirs.peer.uuid == me && theirs.remote == Some(context.key) || Some(theirs.key) == context.remote
    })?;
    Some((context.peer.uuid, task_of(theirs)?))
}
