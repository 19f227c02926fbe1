//! What tasks wait for, inferred from what their core knows of them.
//!
//! The host does not see the inside of a guest. It sees what a task has opened and what has not come of it
//! yet; among these is what the task waits for, unless that is another task of its own actor.

use std::fmt;
use std::time::Duration;

use steading_proto::{ContextStatus, NurseryStatus, Part, Status};
use steading_types::{ActorId, EndpointKind, Key};

use super::snapshot::{Calls, TaskStatus};

/// Something a task can be waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A call to be accepted.
    Acceptance {
        /// What is called, if the call has not been answered in this very moment.
        endpoint: Option<String>,
        /// Whom it waits for.
        actor: ActorId,
    },
    /// The first value of an endpoint with a context.
    FirstValue {
        /// The endpoint.
        endpoint: Option<String>,
        /// Whom it waits for.
        actor: ActorId,
    },
    /// The result of a call.
    Result {
        /// The endpoint; `None` if it has ended and its answer is on its way.
        endpoint: Option<String>,
        /// Whom it waits for.
        actor: ActorId,
    },
    /// A message on a stream.
    Message {
        /// Whom it waits for.
        actor: ActorId,
    },
    /// Credit, to send more.
    Credit {
        /// Whom it waits for.
        actor: ActorId,
    },
    /// The end of the children in a nursery.
    Children(Vec<ActorId>),
    /// The time: its actor's timer.
    Timer(Duration),
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = |endpoint: &Option<String>, actor: &ActorId| match endpoint {
            Some(endpoint) => format!("`{endpoint}` of {actor}"),
            None => format!("a call of {actor}"),
        };
        match self {
            Self::Acceptance { endpoint, actor } => write!(f, "{} to be accepted", call(endpoint, actor)),
            Self::FirstValue { endpoint, actor } => write!(f, "the first value of {}", call(endpoint, actor)),
            Self::Result { endpoint, actor } => write!(f, "the result of {}", call(endpoint, actor)),
            Self::Message { actor } => write!(f, "a message from {actor}"),
            Self::Credit { actor } => write!(f, "credit from {actor}"),
            Self::Children(children) => {
                let names: Vec<_> = children.iter().map(ToString::to_string).collect();
                write!(f, "its children {}", names.join(", "))
            }
            Self::Timer(due) => write!(f, "a timer in {:.1?}", due),
        }
    }
}

/// The tasks of this actor. `timer` is when its own is due, on the host's clock.
pub(super) fn tasks<P>(
    me: &ActorId,
    status: &Status<P>,
    calls: &Calls,
    timer: Option<u64>,
    now: u64,
) -> Vec<TaskStatus> {
    let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
    let due = timer.map(|due| Wait::Timer(Duration::from_nanos(due.saturating_sub(now))));
    let mut tasks = Vec::new();
    for context in &status.contexts {
        let endpoint = match &context.part {
            Part::Caller => continue,
            Part::Callee { endpoint, .. } => Some(endpoint.clone()),
            Part::Main => None,
        };
        let mut waits = waits_of(me, context, status, calls);
        if waits.is_empty() {
            // It is the actor's only one: any task may have set it, and likeliest one that waits for nothing else.
            waits.extend(due.clone());
        }
        tasks.push(TaskStatus {
            endpoint,
            caller: context.peer.clone(),
            age: since(context.born),
            canceller: context.canceller.clone(),
            waits,
        });
    }
    tasks
}

fn waits_of<P>(me: &ActorId, task: &ContextStatus, status: &Status<P>, calls: &Calls) -> Vec<Wait> {
    let owned = |owner: &Option<Key>| *owner == Some(task.key);
    let contexts = status.contexts.iter().filter(|context| owned(&context.owner));
    let nurseries = status.nurseries.iter().filter(|nursery| owned(&nursery.owner));
    stream_wait(task)
        .into_iter()
        .chain(contexts.filter_map(|context| call_wait(me, context, calls)))
        .chain(nurseries.filter_map(children_wait))
        .collect()
}

/// What a context that the task has opened keeps it waiting for.
pub(super) fn call_wait(me: &ActorId, context: &ContextStatus, calls: &Calls) -> Option<Wait> {
    let call = calls.get(&(me.uuid, context.key));
    let endpoint = call.map(|(endpoint, _)| endpoint.clone());
    let actor = context.peer.clone();
    Some(match (context.state, call.and_then(|(_, kind)| *kind)) {
        ("ended", _) => return None,
        ("opening", _) => Wait::Acceptance { endpoint, actor },
        ("syncing", Some(EndpointKind::Context)) => Wait::FirstValue { endpoint, actor },
        _ => return stream_wait(context).or(Some(Wait::Result { endpoint, actor })),
    })
}

/// What a side that is inside its stream waits for: to send without credit, or else to receive.
pub(super) fn stream_wait(context: &ContextStatus) -> Option<Wait> {
    let actor = context.peer.clone();
    match context.state {
        "streaming" if context.is_blocked => Some(Wait::Credit { actor }),
        "streaming" if !context.is_peer_done => Some(Wait::Message { actor }),
        // It sends no more; a caller that does so waits for the result as well as for what may come before it.
        "stream-finished" if !context.is_peer_done && context.part != Part::Caller => Some(Wait::Message { actor }),
        _ => None,
    }
}

fn children_wait(nursery: &NurseryStatus) -> Option<Wait> {
    (!nursery.children.is_empty()).then(|| Wait::Children(nursery.children.clone()))
}

#[cfg(test)]
mod tests {
    use steading_types::Uuid;

    use super::*;

    fn id(name: &str, low: u64) -> ActorId {
        ActorId::new(name, Uuid { high: 0, low })
    }

    /// A context that task 1 of `me` has opened, with key 2.
    fn opened(state: &'static str) -> ContextStatus {
        ContextStatus {
            key: 2,
            remote: None,
            part: Part::Caller,
            peer: id("peer", 2),
            state,
            born: 0,
            owner: Some(1),
            canceller: None,
            queued_messages: 0,
            queued_bytes: 0,
            credit_messages: 1,
            credit_bytes: 1,
            is_blocked: false,
            is_peer_done: false,
        }
    }

    /// What the task that has opened this waits for, in words. `kind` is what its peer says it is.
    fn said(context: ContextStatus, kind: Option<EndpointKind>) -> String {
        let task = ContextStatus {
            key: 1,
            part: Part::Main,
            owner: None,
            ..opened("started")
        };
        let status = Status::<()> {
            parent: None,
            contexts: vec![task, context],
            nurseries: Vec::new(),
            endpoints: Vec::new(),
            contexts_ever: 2,
            contexts_most: (2, 256),
            children_most: (0, 64),
        };
        let me = id("me", 1);
        let calls = Calls::from([((me.uuid, 2), ("scan".to_owned(), kind))]);
        let tasks = tasks(&me, &status, &calls, Some(5_000_000), 2_000_000);
        let waits: Vec<_> = tasks[0].waits.iter().map(ToString::to_string).collect();
        waits.join("; ").replace("@00000000", "")
    }

    #[test]
    fn what_a_call_is_waited_for_depends_on_how_far_it_is() {
        let (plain, context) = (Some(EndpointKind::Plain), Some(EndpointKind::Context));
        assert_eq!(said(opened("opening"), None), "`scan` of peer to be accepted");
        assert_eq!(said(opened("syncing"), plain), "the result of `scan` of peer");
        assert_eq!(said(opened("syncing"), context), "the first value of `scan` of peer");
        assert_eq!(said(opened("started"), context), "the result of `scan` of peer");
        assert_eq!(said(opened("streaming"), context), "a message from peer");
        assert_eq!(said(opened("stream-finished"), context), "the result of `scan` of peer");
        assert_eq!(
            said(opened("ended"), context),
            "a timer in 3.0ms",
            "it waits for nothing else"
        );
    }

    #[test]
    fn a_stream_is_waited_for_as_far_as_it_can_bring_anything() {
        let blocked = ContextStatus {
            is_blocked: true,
            ..opened("streaming")
        };
        assert_eq!(said(blocked, None), "credit from peer");
        let done = ContextStatus {
            is_peer_done: true,
            ..opened("streaming")
        };
        assert_eq!(said(done, None), "the result of `scan` of peer");
    }
}
