//! What a core knows of its contexts and nurseries, for whoever looks at a running system.
//!
//! Facts, no conclusions, and nothing a guest could say of itself: a guest that spins, or lies, is told of
//! as truly as any other. Looking changes nothing.

use steading_types::{ActorId, EndpointKind, Key};

use super::Core;
use super::context::{CalleeState, CallerState, Context, Side};

/// Facts of one actor at one moment. `P` is the way to a peer.
#[derive(Clone, Debug)]
pub struct Status<P> {
    /// The way to its parent; `None` of a root.
    pub parent: Option<P>,
    /// Every context alive, of both sides.
    pub contexts: Vec<ContextStatus>,
    /// Every nursery alive.
    pub nurseries: Vec<NurseryStatus>,
    /// The endpoints that may be called.
    pub endpoints: Vec<String>,
    /// Contexts it has had since it began, these included.
    pub contexts_ever: u64,
    /// The most contexts there were at once, of both sides, and how many there may be.
    pub contexts_most: (usize, usize),
    /// The most children there were at once, and how many there may be.
    pub children_most: (usize, usize),
}

/// Whose part of a context this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// That of who opened it.
    Caller,
    /// That of the task that answers.
    Callee {
        /// What runs.
        endpoint: String,
        /// With or without a context.
        kind: EndpointKind,
    },
    /// The actor's own main task: it has no caller.
    Main,
}

/// One side of a context.
#[derive(Clone, Debug)]
pub struct ContextStatus {
    /// What this actor calls it.
    pub key: Key,
    /// What its peer calls it, once that is known.
    pub remote: Option<Key>,
    /// Which side this is.
    pub part: Part,
    /// Who is at the other end.
    pub peer: ActorId,
    /// `opening`, `syncing`, `started`, `streaming`, `stream-finished`, `finishing` or `ended`.
    pub state: &'static str,
    /// When it began, in nanoseconds on the core's clock.
    pub born: u64,
    /// The task that opened it, if one did.
    pub owner: Option<Key>,
    /// Who has cancelled its task, if anybody has.
    pub canceller: Option<ActorId>,
    /// Messages that came and whose credit was not given back: not taken, or taken a moment ago.
    pub queued_messages: u32,
    /// Their payload bytes.
    pub queued_bytes: u64,
    /// Messages it may send now; below zero after the window became narrower.
    pub credit_messages: i64,
    /// Bytes it may send now.
    pub credit_bytes: i64,
    /// Whether a message of any length worth speaking of has to wait for credit.
    pub is_blocked: bool,
    /// Whether the peer will send no more messages.
    pub is_peer_done: bool,
}

/// One nursery.
#[derive(Clone, Debug)]
pub struct NurseryStatus {
    /// The task whose block it is, or the actor itself.
    pub owner: Option<Key>,
    /// The children that are not dead yet.
    pub children: Vec<ActorId>,
}

impl<P: Clone> Core<P> {
    /// What is known of this actor's contexts and nurseries now. Costs time and memory in proportion to
    /// them.
    pub fn status(&self) -> Status<P> {
        let granted = self.endpoints.iter().filter(|endpoint| endpoint.granted);
        Status {
            parent: self.parent.as_ref().map(|(parent, _)| parent.clone()),
            contexts: self
                .contexts
                .iter()
                .map(|(key, context)| self.context_status(key, context))
                .collect(),
            nurseries: self
                .nurseries
                .iter()
                .map(|(_, nursery)| self.nursery_status(nursery))
                .collect(),
            endpoints: granted.map(|endpoint| endpoint.name.clone()).collect(),
            contexts_ever: self.serial,
            contexts_most: (self.contexts.most(), self.limits.contexts),
            children_most: (self.portals.most(), self.limits.children),
        }
    }

    fn context_status(&self, key: Key, context: &Context<P>) -> ContextStatus {
        let (credit_messages, credit_bytes) = context.sending.credit.left();
        ContextStatus {
            key,
            remote: context.remote,
            part: self.part(context),
            peer: context.peer_id.clone(),
            state: state(context),
            born: context.born,
            owner: context.owner,
            canceller: context.cancel.as_ref().map(|cancel| cancel.canceller.clone()),
            queued_messages: context.receiving.messages,
            queued_bytes: context.receiving.bytes,
            credit_messages,
            credit_bytes,
            is_blocked: context.sending.credit.is_spent(),
            is_peer_done: context.receiving.stopped,
        }
    }

    fn part(&self, context: &Context<P>) -> Part {
        let Side::Callee(callee) = &context.side else {
            return Part::Caller;
        };
        match callee.endpoint.and_then(|index| self.endpoints.get(index)) {
            Some(endpoint) => Part::Callee {
                endpoint: endpoint.name.clone(),
                kind: endpoint.kind,
            },
            None => Part::Main,
        }
    }

    fn nursery_status(&self, nursery: &super::children::Nursery) -> NurseryStatus {
        let children = nursery.children().filter_map(|child| self.portals.get(child));
        NurseryStatus {
            owner: nursery.owner(),
            children: children.map(|portal| portal.id.clone()).collect(),
        }
    }
}

fn state<P>(context: &Context<P>) -> &'static str {
    match &context.side {
        Side::Caller(caller) => match caller.state {
            CallerState::Opening { .. } => "opening",
            CallerState::Syncing => "syncing",
            CallerState::Started => stream_state(context),
            CallerState::Ended => "ended",
        },
        Side::Callee(callee) => match callee.state {
            CalleeState::Waiting => "waiting",
            CalleeState::Running { started: false } => "syncing",
            CalleeState::Running { started: true } => stream_state(context),
            CalleeState::Finishing(_) => "finishing",
        },
    }
}

fn stream_state<P>(context: &Context<P>) -> &'static str {
    match (context.sending.opened, context.sending.stopped) {
        (false, _) => "started",
        (true, false) => "streaming",
        (true, true) => "stream-finished",
    }
}
