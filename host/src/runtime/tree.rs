//! A snapshot as a tree, a line for each actor.
//!
//! Plain text; names may hold what a guest put into them, so who writes to a terminal takes care of control
//! characters.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use steading_types::Uuid;

use super::snapshot::{ActorStatus, ContextStatus, Snapshot, TaskStatus, in_order};

/// What [`Snapshot::tree`] gives: for `{}`. Ends without a line break.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    snapshot: &'a Snapshot,
    tasks: bool,
    ended: bool,
}

impl Snapshot {
    /// The actors alive, drawn as a tree.
    pub fn tree(&self) -> Tree<'_> {
        Tree {
            snapshot: self,
            tasks: false,
            ended: false,
        }
    }
}

impl Tree<'_> {
    /// With the tasks of each actor, what each waits for, and what its streams may send and have not read.
    pub fn with_tasks(self) -> Self {
        Self { tasks: true, ..self }
    }

    /// With the actors that have ended, as far as they are remembered.
    pub fn with_ended(self) -> Self {
        Self { ended: true, ..self }
    }

    fn actors(&self) -> Vec<ActorStatus> {
        let mut actors = self.snapshot.actors.clone();
        if self.ended {
            actors.extend(self.snapshot.ended.iter().cloned());
        }
        in_order(actors)
    }
}

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actors = self.actors();
        if actors.is_empty() {
            return f.write_str("no actor is alive");
        }
        // Of each actor that has children left to write: how many.
        let mut left: HashMap<Option<Uuid>, usize> = HashMap::new();
        let known: HashMap<Uuid, Option<Uuid>> = parents(&actors);
        for actor in &actors {
            *left.entry(known.get(&actor.id.uuid).copied().flatten()).or_default() += 1;
        }
        for (number, actor) in actors.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            let stem = stem(actor, &known, &mut left);
            write!(f, "{}{}", stem.branch, line(actor))?;
            if self.tasks {
                for task in &actor.tasks {
                    write!(f, "\n{}    {}", stem.below, task_line(actor, task))?;
                }
                for context in actor.contexts.iter().filter(|context| has_stream(context)) {
                    write!(f, "\n{}    {}", stem.below, stream_line(context))?;
                }
            }
        }
        Ok(())
    }
}

/// The parent of each actor, if that is written too.
fn parents(actors: &[ActorStatus]) -> HashMap<Uuid, Option<Uuid>> {
    let all: HashMap<Uuid, ()> = actors.iter().map(|actor| (actor.id.uuid, ())).collect();
    let parent = |actor: &ActorStatus| actor.parent.as_ref().map(|parent| parent.uuid);
    let known = |actor| parent(actor).filter(|parent| all.contains_key(parent));
    actors.iter().map(|actor| (actor.id.uuid, known(actor))).collect()
}

/// What stands to the left of an actor, and of what is written below it.
struct Stem {
    branch: String,
    below: String,
}

fn stem(actor: &ActorStatus, parents: &HashMap<Uuid, Option<Uuid>>, left: &mut HashMap<Option<Uuid>, usize>) -> Stem {
    let parent_of = |uuid: Uuid| parents.get(&uuid).copied().flatten();
    let mut parent = parent_of(actor.id.uuid);
    if let Some(left) = left.get_mut(&parent) {
        *left -= 1;
    }
    let goes_on = |parent: Option<Uuid>, left: &HashMap<Option<Uuid>, usize>| left.get(&parent).is_some_and(|n| *n > 0);
    if parent.is_none() {
        return Stem {
            branch: String::new(),
            below: String::new(),
        };
    }
    let (branch, below) = match goes_on(parent, left) {
        true => ("├─ ", "│  "),
        false => ("└─ ", "   "),
    };
    let mut before = Vec::new();
    while let Some(uuid) = parent {
        parent = parent_of(uuid);
        if parent.is_some() {
            before.push(if goes_on(parent, left) { "│  " } else { "   " });
        }
    }
    before.reverse();
    let before = before.concat();
    Stem {
        branch: format!("{before}{branch}"),
        below: format!("{before}{below}"),
    }
}

fn line(actor: &ActorStatus) -> String {
    let mut parts = vec![actor.id.to_string()];
    parts.push(match (&actor.end, actor.running) {
        (Some(end), _) => format!("ended ({end}) after {}", time(actor.age)),
        (None, Some(running)) => format!("{}, running for {}", actor.stage, time(running)),
        (None, None) => format!("{} for {}", actor.stage, time(actor.age)),
    });
    parts.extend(actor.component.clone());
    match actor.end {
        Some(_) => parts.push(count(actor.contexts_ever, "context")),
        None => parts.push(count(actor.contexts.len() as u64, "context")),
    }
    if actor.memory > 0 {
        parts.push(format!(
            "{} KiB of {} KiB",
            actor.memory >> 10,
            actor.memory_limit >> 10
        ));
    }
    parts.push(count(actor.turns, "turn"));
    parts.push(format!("cpu {}", time(actor.cpu)));
    if actor.restarts > 0 {
        parts.push(count(u64::from(actor.restarts), "restart"));
    }
    if actor.inbox_bytes > 0 {
        parts.push(format!("inbox {} B", actor.inbox_bytes));
    }
    parts.join("  ")
}

fn task_line(actor: &ActorStatus, task: &TaskStatus) -> String {
    let mut text = match &task.endpoint {
        Some(endpoint) => format!("task `{endpoint}`, called by {}, for {}", task.caller, time(task.age)),
        None => format!("its own task, for {}", time(task.age)),
    };
    if let Some(canceller) = &task.canceller {
        text.push_str(&format!(", cancelled by {canceller}"));
    }
    let waits: Vec<_> = task.waits.iter().map(ToString::to_string).collect();
    match (actor.running, waits.join("; or for ")) {
        (Some(_), waits) if waits.is_empty() => text.push_str(": may be what runs"),
        (Some(_), waits) => text.push_str(&format!(": may be what runs; waited for {waits}")),
        (None, waits) if waits.is_empty() => text.push_str(": waits for nothing known to the host"),
        (None, waits) => text.push_str(&format!(": waits for {waits}")),
    }
    text
}

fn has_stream(context: &ContextStatus) -> bool {
    context.state == "streaming" || context.queued > 0
}

fn stream_line(context: &ContextStatus) -> String {
    let of = match &context.endpoint {
        Some(endpoint) => format!("stream of `{endpoint}`"),
        None => "stream".to_owned(),
    };
    format!(
        "{of} with {}: may send {}, {}; {} not read, {}",
        context.peer,
        count(context.credit.max(0).unsigned_abs(), "message"),
        size(context.credit_bytes.max(0).unsigned_abs()),
        context.queued,
        size(context.queued_bytes),
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => format!("{} KiB", bytes >> 10),
    }
}

fn count(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A time for people: three digits or so.
fn time(time: Duration) -> String {
    format!("{time:.1?}")
}
