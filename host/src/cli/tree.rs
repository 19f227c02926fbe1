//! What actors do, for who runs them: `--tree`, `--stats`, and what SIGUSR1 asks for.
//!
//! All of it on standard error, beside whatever the actors write there; with `--json` as one object a line.

use std::time::Duration;

use serde_json::{Value, json};
use steading::{ActorStatus, BudgetStatus, ContextStatus, Host, Snapshot, TaskStatus, Totals, Use};

use super::ActorArgs;
use super::output::{Output, bytes, table};

/// Actors that have ended and are told of one by one.
const REMEMBERED: usize = 1024;
/// How long after a change the tree is written: what changes together is seen together, and a program that
/// starts actors without end does not fill the screen.
const SETTLED: Duration = Duration::from_millis(100);

/// What the user wants to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    tree: bool,
    stats: bool,
    output: Output,
}

impl Watch {
    pub(crate) fn of(args: &ActorArgs, output: Output) -> Self {
        Self {
            tree: args.tree,
            stats: args.stats,
            output,
        }
    }

    /// How many ended actors the host has to remember.
    pub(crate) fn history(self) -> usize {
        if self.tree || self.stats { REMEMBERED } else { 0 }
    }

    /// Writes the tree whenever actors have come or gone. Never ends by itself.
    pub(crate) async fn follow(self, host: &Host) {
        if !self.tree {
            return std::future::pending().await;
        }
        let mut seen = 0;
        loop {
            host.wait_change(seen).await;
            tokio::time::sleep(SETTLED).await;
            // Of what came in the meantime, the tree that is written now tells too.
            seen = host.wait_change(u64::MAX).await;
            self.show(&host.snapshot());
        }
    }

    fn show(self, snapshot: &Snapshot) {
        match self.output.json {
            true => self.output.note(&tree_object(&snapshot.actors).to_string()),
            false => self
                .output
                .note(&format!("{}:\n{snapshot}", counted(snapshot.actors.len(), "alive"))),
        }
    }

    /// The last word, when every actor has ended.
    pub(crate) fn conclude(self, host: &Host) {
        let snapshot = host.snapshot();
        if self.tree {
            self.show_all(&snapshot);
        }
        if self.stats {
            let totals = snapshot.totals();
            match self.output.json {
                true => self.output.note(&stats_object(&totals).to_string()),
                false => self.output.note(&stats_table(&totals)),
            }
        }
    }

    fn show_all(self, snapshot: &Snapshot) {
        let all = [&snapshot.actors[..], &snapshot.ended[..]].concat();
        if self.output.json {
            return self.output.note(&tree_object(&all).to_string());
        }
        let ever: u64 = snapshot.totals().iter().map(|totals| totals.actors).sum();
        let earlier = match ever.saturating_sub(all.len() as u64) {
            0 => String::new(),
            more => format!(", the last of {}", more + all.len() as u64),
        };
        let heading = format!("{}{earlier}", counted(all.len(), "in all"));
        self.output
            .note(&format!("{heading}:\n{}", snapshot.tree().with_ended()));
    }
}

/// Every actor with every task, and what each waits for.
pub(crate) fn dump(host: &Host, output: Output) {
    let snapshot = host.snapshot();
    match output.json {
        true => output.note(&tree_object(&snapshot.actors).to_string()),
        false => output.note(&format!("{}:\n{snapshot:#}", counted(snapshot.actors.len(), "alive"))),
    }
}

fn counted(actors: usize, how: &str) -> String {
    match actors {
        1 => format!("1 actor {how}"),
        actors => format!("{actors} actors {how}"),
    }
}

/// What of each limit was used, by name. Of several actors, the most that one of them had.
fn stats_table(totals: &[Totals]) -> String {
    let heading = [
        "actor",
        "actors",
        "contexts",
        "at once",
        "children",
        "memory",
        "in all",
        "memory in all",
        "turns",
        "cpu",
        "log",
        "suppressed",
        "restarts",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(totals.iter().map(|totals| {
        vec![
            totals.name.clone(),
            totals.actors.to_string(),
            totals.contexts.to_string(),
            format!("{}/{}", totals.contexts_most, totals.contexts_limit),
            format!("{}/{}", totals.children_most, totals.children_limit),
            memory(totals.memory, totals.memory_limit),
            totals
                .budget_actors
                .map_or(String::new(), |(most, limit)| of(most, limit)),
            totals
                .budget_memory
                .map_or(String::new(), |(most, limit)| memory(most, limit.unwrap_or(0))),
            totals.turns.to_string(),
            format!("{:.1?}", totals.cpu),
            bytes(totals.log_bytes),
            bytes(totals.log_dropped_bytes),
            totals.restarts.to_string(),
        ]
    }));
    table(&rows)
}

fn of(most: u64, limit: Option<u64>) -> String {
    limit.map_or(most.to_string(), |limit| format!("{most}/{limit}"))
}

/// `12/64 MiB`, or as it comes where the units differ.
fn memory(used: u64, limit: u64) -> String {
    if limit == 0 {
        return bytes(used);
    }
    let (used, limit) = (bytes(used), bytes(limit));
    match (used.split_once(' '), limit.split_once(' ')) {
        (Some((used, unit)), Some((limit, other))) if unit == other => format!("{used}/{limit} {unit}"),
        _ => format!("{used}/{limit}"),
    }
}

fn stats_object(totals: &[Totals]) -> Value {
    let row = |totals: &Totals| {
        json!({
            "name": totals.name,
            "actors": totals.actors,
            "alive": totals.alive,
            "contexts": totals.contexts,
            "contexts_most": totals.contexts_most,
            "contexts_limit": totals.contexts_limit,
            "children_most": totals.children_most,
            "children_limit": totals.children_limit,
            "turns": totals.turns,
            "cpu_seconds": totals.cpu.as_secs_f64(),
            "memory": totals.memory,
            "memory_limit": totals.memory_limit,
            "budget_memory": totals.budget_memory.map(|(most, limit)| json!({ "most": most, "limit": limit })),
            "budget_actors": totals.budget_actors.map(|(most, limit)| json!({ "most": most, "limit": limit })),
            "log_bytes": totals.log_bytes,
            "log_dropped_lines": totals.log_dropped_lines,
            "log_dropped_bytes": totals.log_dropped_bytes,
            "restarts": totals.restarts,
        })
    };
    json!({ "stats": totals.iter().map(row).collect::<Vec<_>>() })
}

fn tree_object(actors: &[ActorStatus]) -> Value {
    json!({ "tree": actors.iter().map(actor).collect::<Vec<_>>() })
}

fn actor(actor: &ActorStatus) -> Value {
    json!({
        "id": actor.id.to_string(),
        "name": &*actor.id.name,
        "uuid": actor.id.uuid.to_string(),
        "parent": actor.parent.as_ref().map(|parent| parent.uuid.to_string()),
        "depth": actor.depth,
        "state": actor.stage,
        "end": actor.end,
        "age_seconds": actor.age.as_secs_f64(),
        "component": actor.component,
        "endpoints": actor.endpoints,
        "contexts": actor.contexts.iter().map(context).collect::<Vec<_>>(),
        "contexts_ever": actor.contexts_ever,
        "contexts_most": actor.contexts_most,
        "contexts_limit": actor.contexts_limit,
        "tasks": actor.tasks.iter().map(task).collect::<Vec<_>>(),
        "children": actor.children.iter().map(|child| child.uuid.to_string()).collect::<Vec<_>>(),
        "children_most": actor.children_most,
        "children_limit": actor.children_limit,
        "memory": actor.memory,
        "memory_limit": actor.memory_limit,
        "budget": actor.budget.map(|budget| budget_object(&budget)),
        "turns": actor.turns,
        "cpu_seconds": actor.cpu.as_secs_f64(),
        "running_seconds": actor.running.map(|running| running.as_secs_f64()),
        "timer_seconds": actor.timer.map(|timer| timer.as_secs_f64()),
        "restarts": actor.restarts,
        "inbox_bytes": actor.inbox_bytes,
        "log_bytes": actor.log_bytes,
        "log_rate": actor.log_rate,
        "log_dropped_lines": actor.log_dropped_lines,
        "log_dropped_bytes": actor.log_dropped_bytes,
    })
}

fn budget_object(budget: &BudgetStatus) -> Value {
    let of = |of: Use| json!({ "now": of.now, "most": of.most, "limit": of.limit });
    json!({
        "memory": of(budget.memory),
        "actors": of(budget.actors),
        "cores": budget.cpu_limit.map(|thousandths| f64::from(thousandths) / 1000.0),
    })
}

fn context(context: &ContextStatus) -> Value {
    json!({
        "endpoint": context.endpoint,
        "side": if context.is_caller { "caller" } else { "callee" },
        "peer": context.peer.to_string(),
        "state": context.state,
        "age_seconds": context.age.as_secs_f64(),
        "canceller": context.canceller.as_ref().map(ToString::to_string),
        "queued": context.queued,
        "queued_bytes": context.queued_bytes,
        "credit": context.credit,
        "credit_bytes": context.credit_bytes,
    })
}

fn task(task: &TaskStatus) -> Value {
    json!({
        "endpoint": task.endpoint,
        "caller": task.caller.to_string(),
        "age_seconds": task.age.as_secs_f64(),
        "canceller": task.canceller.as_ref().map(ToString::to_string),
        "waits": task.waits.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shown_against_its_limit() {
        assert_eq!(memory(12 << 20, 64 << 20), "12/64 MiB");
        assert_eq!(memory(512 << 10, 64 << 20), "512 KiB/64 MiB");
        assert_eq!(memory(0, 0), "0 B");
    }
}
