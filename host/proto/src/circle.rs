//! Tasks that wait for each other in a circle, among actors to whom nothing happens by itself.
//!
//! Reads what cores say of themselves ([`Status`](crate::Status)), and decides what follows from it: who is stuck, and
//! where there is a circle. Who is still, which is a matter of turns and timers, the shell knows. Nothing is changed here.

use std::collections::{BTreeMap, BTreeSet};

use steading_types::{Key, Uuid};

use crate::actor::{ContextStatus, Part};

/// A task: its actor, and the context it serves.
pub type Task = (Uuid, Key);

/// A context that a task of this actor waits for.
pub type Link<'a> = (Uuid, &'a ContextStatus);

/// An actor that goes on only when somebody sends it something.
#[derive(Debug)]
pub struct Still<'a> {
    /// Its contexts.
    pub contexts: &'a [ContextStatus],
    /// Who could set it free, besides the peers of these: its children, and whoever may make another call.
    pub others: Vec<Uuid>,
}

impl Still<'_> {
    /// Those whose messages, results and ends it may wait for. Not who may cancel it.
    fn senders(&self) -> impl Iterator<Item = Uuid> + '_ {
        let heard = self.contexts.iter().filter(|context| match context.part {
            Part::Caller => context.state != "ended",
            Part::Callee { .. } | Part::Main => context.is_open() && (context.is_blocked || !context.is_peer_done),
        });
        heard
            .map(|context| context.peer.uuid)
            .chain(self.others.iter().copied())
    }

    fn tasks(&self) -> impl Iterator<Item = Key> + '_ {
        let tasks = self.contexts.iter().filter(|context| context.part != Part::Caller);
        tasks.map(|context| context.key)
    }
}

impl ContextStatus {
    /// Whether a task waits for it, as far as can be told.
    pub fn is_awaited(&self) -> bool {
        match self.part {
            Part::Caller => self.state != "ended",
            Part::Callee { .. } | Part::Main => {
                self.is_open() && (self.is_blocked && self.state == "streaming" || !self.is_peer_done)
            }
        }
    }

    /// Whether this side is inside its stream.
    fn is_open(&self) -> bool {
        matches!(self.state, "streaming" | "stream-finished")
    }

    /// The task whose context it is: that which serves it, or has opened it.
    pub fn task(&self) -> Option<Key> {
        match self.part {
            Part::Caller => self.owner,
            Part::Callee { .. } | Part::Main => Some(self.key),
        }
    }
}

/// Leaves those of the still actors whom nobody else can send anything that matters.
pub fn retain_stuck(actors: &mut BTreeMap<Uuid, Still<'_>>) {
    loop {
        let may_go_on = |still: &Still<'_>| still.senders().any(|sender| !actors.contains_key(&sender));
        let free: Vec<Uuid> = actors
            .iter()
            .filter(|(_, still)| may_go_on(still))
            .map(|(uuid, _)| *uuid)
            .collect();
        if free.is_empty() {
            return;
        }
        for uuid in free {
            actors.remove(&uuid);
        }
    }
}

/// Tasks each of which waits for the next, and the last for the first: those of a circle among these actors that
/// `is_wanted`, if there is one.
pub fn circle<'a>(stuck: &BTreeMap<Uuid, Still<'a>>, is_wanted: impl Fn(&[Link<'a>]) -> bool) -> Option<Vec<Link<'a>>> {
    let mut done = BTreeSet::new();
    let mut starts = stuck
        .iter()
        .flat_map(|(uuid, still)| still.tasks().map(|task| (*uuid, task)));
    starts.find_map(|start| walk(stuck, start, &mut done, &is_wanted))
}

/// A task on the way, and what it waits for that was not followed yet.
struct Step<'a> {
    task: Task,
    taken: Option<Link<'a>>,
    left: Vec<(Link<'a>, Task)>,
}

impl<'a> Step<'a> {
    fn of(stuck: &BTreeMap<Uuid, Still<'a>>, task: Task) -> Self {
        let contexts = stuck.get(&task.0).map_or(&[][..], |still| still.contexts);
        let awaited = contexts
            .iter()
            .filter(|context| context.task() == Some(task.1) && context.is_awaited());
        let links = awaited.filter_map(|context| Some(((task.0, context), other_end(stuck, task.0, context)?)));
        Self {
            task,
            taken: None,
            left: links.collect(),
        }
    }
}

/// Goes from task to task along what each waits for, until one comes twice: from there on, it is a circle. From one that
/// is not wanted it goes on: who is on this way is not walked again, and may be in another. Guests decide how long the
/// way is, so it is not walked on the stack.
fn walk<'a>(
    stuck: &BTreeMap<Uuid, Still<'a>>,
    start: Task,
    done: &mut BTreeSet<Task>,
    is_wanted: impl Fn(&[Link<'a>]) -> bool,
) -> Option<Vec<Link<'a>>> {
    let mut on_the_way: BTreeMap<Task, usize> = BTreeMap::new();
    let mut path: Vec<Step<'a>> = Vec::new();
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
            let links: Vec<_> = path[*at..].iter().filter_map(|step| step.taken).collect();
            if is_wanted(&links) {
                return Some(links);
            }
            continue;
        }
        next = done.insert(task).then_some(task);
    }
}

/// The task at the other end of a context.
pub fn other_end(stuck: &BTreeMap<Uuid, Still<'_>>, me: Uuid, context: &ContextStatus) -> Option<Task> {
    let peer = stuck.get(&context.peer.uuid)?;
    let theirs = peer.contexts.iter().find(|theirs| {
        theirs.peer.uuid == me && theirs.remote == Some(context.key) || Some(theirs.key) == context.remote
    })?;
    Some((context.peer.uuid, theirs.task()?))
}
