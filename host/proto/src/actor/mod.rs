//! One actor's core: its contexts, their streams, its nurseries, and how it ends.
//!
//! Three kinds of doors. *Commands* are what the actor's own tasks ask (`open`, `started`, `send_batch`,
//! `spawn` …; one file per noun). [`Core::handle`] takes a frame from another actor, and
//! [`Core::handle_timeout`] the passing of time. [`Core::poll_output`] says what to perform and
//! [`Core::take_events`] what to tell the tasks. `P` is the way to a peer: opaque here, cloned and
//! handed back with every frame to send.
//!
//! The state machine of a context is drawn in `context.rs`.

mod callee;
mod caller;
mod children;
mod context;
mod ending;
mod exit;
mod relay;
mod ruin;
mod status;
mod stream;
mod supervision;

use std::collections::{BTreeMap, VecDeque};

use steading_types::{
    ActorId, BoxedError, Cancellation, EndpointKind, EndpointSchema, ErrorKind, Event, Key, PortalKey, Rung, Spec, Uuid,
};

use crate::frame::{Dest, Frame};
use crate::limits::Limits;
use crate::slab::Slab;
use children::{Nursery, Portal};
use context::{Context, Side};
pub use ending::Stage;
use relay::Relays;
pub use status::{ContextStatus, NurseryStatus, Part, Status};

/// A point in time that never comes.
const NEVER: u64 = u64::MAX;

/// Bytes of what a canceller says: everybody below is told, and remembers it.
const LONGEST_REASON: usize = 1 << 10;

/// What the core knows of an endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// With or without a context.
    pub kind: EndpointKind,
    /// Whether it may be called.
    pub granted: bool,
    /// What its payloads look like; a caller that expects something else is refused.
    pub schema: EndpointSchema,
}

/// What the shell is to perform, in this order.
#[derive(Debug)]
pub enum Output<P> {
    /// Send a frame. If the receiver is gone, tell [`Core::undeliverable`].
    Send {
        /// To whom.
        to: P,
        /// For what of it.
        dest: Dest,
        /// What.
        frame: Frame,
        /// The sender's own context, or 0.
        context: Key,
    },
    /// A context that granted something has its outcome: nothing of what it granted may be used from here on.
    Revoke {
        /// The caller's own context.
        context: Key,
    },
    /// Start the child that `spawn` was given.
    Spawn {
        /// The parent's portal of it.
        portal: PortalKey,
        /// The way to it.
        child: P,
        /// What to start.
        spec: Box<Spec>,
    },
    /// Make the next one of a child that has ended, and say [`Core::respawned`] or [`Core::respawn_failed`].
    Respawn {
        /// The portal of the one that ended.
        ended: PortalKey,
        /// What to start.
        spec: Box<Spec>,
        /// Of what it had died; `None` if it had not failed.
        cause: Option<Box<BoxedError>>,
        /// Which restart of this child this is: 1 for the first.
        restarts: u32,
    },
    /// Interrupt the guest's code now; report by [`Core::die`].
    Trap,
    /// It did not yield to the trap: drop its store; report by [`Core::die`].
    Kill,
    /// Everything below this actor is dead. Leave, and tell the parent.
    Stopped {
        /// `None` if it ended as it was asked to.
        error: Option<Box<BoxedError>>,
        /// How hard it was.
        rung: Rung,
    },
}

/// Frames that found nobody, by reason. All of them harmless, none of them silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// For a context that is not, or no longer, there.
    pub unknown: u64,
    /// For a context whose state has no use for them.
    pub unexpected: u64,
}

/// One actor's core. See the [module](self).
#[derive(Debug)]
pub struct Core<P> {
    me: ActorId,
    endpoints: Vec<Endpoint>,
    limits: Limits,
    /// Whether its tasks begin one by one, each when the shell says so.
    one_by_one: bool,
    parent: Option<(P, Key)>,
    contexts: Slab<Context<P>>,
    /// Callee contexts by what their callers call them.
    origins: BTreeMap<(Uuid, Key), Key>,
    portals: Slab<Portal<P>>,
    nurseries: Slab<Nursery>,
    /// The task that is this actor's own main, not a call from outside.
    main: Option<Key>,
    /// How the main task failed, if it did: the reason of this actor's end.
    main_error: Option<Box<BoxedError>>,
    stage: Stage,
    force: ending::Force,
    exit: exit::Exit,
    /// No context wants to be looked at before this time. May be early, never late.
    next_due: u64,
    /// No child starts again before this time. May be early, never late.
    next_restart: u64,
    serial: u64,
    /// The latest time this core was told.
    now: u64,
    relays: Relays,
    outputs: VecDeque<Output<P>>,
    events: Vec<Event>,
    /// Bytes of the calls among these.
    waiting: usize,
    dropped: Dropped,
    #[cfg(feature = "mutants")]
    mutant: Option<crate::mutant::Mutant>,
}

impl<P: Clone> Core<P> {
    /// The core of an actor that serves `endpoints`. `parent` is the way to its parent, and what the
    /// parent calls it.
    pub fn new(me: ActorId, endpoints: Vec<Endpoint>, parent: Option<(P, Key)>, limits: Limits) -> Self {
        Self {
            me,
            endpoints,
            limits,
            one_by_one: false,
            parent,
            contexts: Slab::new(),
            origins: BTreeMap::new(),
            portals: Slab::new(),
            nurseries: Slab::new(),
            main: None,
            main_error: None,
            stage: Stage::Serving,
            force: ending::Force::None,
            exit: exit::Exit::Unwanted,
            next_due: NEVER,
            next_restart: NEVER,
            serial: 0,
            now: 0,
            relays: Relays::default(),
            outputs: VecDeque::new(),
            events: Vec::new(),
            waiting: 0,
            dropped: Dropped::default(),
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// The same core for code that runs one task at a time: each waits until [`Core::begin`].
    pub fn one_by_one(self, one_by_one: bool) -> Self {
        Self { one_by_one, ..self }
    }

    /// The same core with one thing broken: what the simulator must find.
    #[cfg(feature = "mutants")]
    pub fn with_mutant(self, mutant: Option<crate::mutant::Mutant>) -> Self {
        Self { mutant, ..self }
    }

    /// Who this is.
    pub fn id(&self) -> &ActorId {
        &self.me
    }

    /// Whether it serves, is ending, or has ended.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Contexts alive, of both sides.
    pub fn context_count(&self) -> usize {
        self.contexts.len()
    }

    /// Children alive.
    pub fn child_count(&self) -> usize {
        self.portals.len()
    }

    /// Frames that found nobody so far.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Whether nothing is left that could leak (invariant I25).
    pub fn is_quiescent(&self) -> bool {
        self.contexts.len() + self.portals.len() + self.nurseries.len() + self.origins.len() + self.outputs.len() == 0
    }

    /// The way to the other end of a context, if there is such a context, and it has another end.
    pub fn peer_of(&self, key: Key) -> Option<&P> {
        self.contexts.get(key)?.peer.as_ref()
    }

    /// The next thing to perform.
    pub fn poll_output(&mut self) -> Option<Output<P>> {
        self.outputs.pop_front()
    }

    /// Whether [`Core::take_events`] has any.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// What to tell the actor's tasks, in this order.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.waiting = 0;
        std::mem::take(&mut self.events)
    }

    /// When to call [`Core::handle_timeout`] at the latest.
    pub fn next_deadline(&self) -> Option<u64> {
        let next = self.next_due.min(self.next_restart);
        let next = next.min(self.force.due()).min(self.exit_due());
        (next != NEVER).then_some(next)
    }

    /// Whether anything here happens by itself when its time comes. [`Core::next_deadline`] may name one that has
    /// moved away. Costs time in proportion to the contexts.
    pub fn awaits_time(&self) -> bool {
        let others = self.next_restart.min(self.force.due()).min(self.exit_due());
        others != NEVER || self.contexts.iter().any(|(_, context)| context.due() != NEVER)
    }

    /// The time at which the commands that follow happen. Time never runs backwards here.
    pub fn at(&mut self, now: u64) -> &mut Self {
        self.now = self.now.max(now);
        self
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: u64) {
        let now = self.at(now).now;
        if now >= self.force.due() {
            self.escalate();
        }
        if now >= self.exit_due() {
            self.trap();
        }
        if now >= self.next_restart {
            self.start_due();
        }
        if now < self.next_due {
            return;
        }
        self.next_due = NEVER;
        for key in self.contexts.keys() {
            self.context_timeout(key);
            self.arm(key);
        }
    }

    fn context_timeout(&mut self, key: Key) {
        let now = self.now;
        let Some(context) = self.contexts.get(key).filter(|context| now >= context.due()) else {
            return;
        };
        match context.side {
            Side::Caller(_) => self.caller_timeout(key),
            Side::Callee(_) => self.callee_timeout(key),
        }
    }

    /// A frame arrived.
    pub fn handle(&mut self, from: &P, dest: Dest, frame: Frame, now: u64) {
        self.at(now);
        match dest {
            Dest::Actor => self.handle_actor(from, frame),
            Dest::Key(key) => self.handle_context(from, Some(key), frame),
            Dest::Origin(caller, key) => {
                let key = self.origins.get(&(caller, key)).copied();
                self.handle_context(from, key, frame);
            }
        }
    }

    fn handle_actor(&mut self, from: &P, frame: Frame) {
        match frame {
            Frame::Start(start) => self.handle_start(from, *start),
            Frame::CancelActor(cancellation) => self.cancel_actor_now(cancellation),
            Frame::Force => self.force(),
            Frame::ChildUp(portal) => self.handle_child_up(portal),
            Frame::ChildEnded { portal, error, rung } => self.handle_child_ended(portal, error, rung),
            _ => self.dropped.unexpected += 1,
        }
    }

    fn handle_context(&mut self, from: &P, key: Option<Key>, frame: Frame) {
        let Some((key, context)) = key.and_then(|key| Some((key, self.contexts.get(key)?))) else {
            return self.handle_unknown(from, &frame);
        };
        let caller = matches!(context.side, Side::Caller(_));
        match frame {
            Frame::Yield { batch, messages } => self.handle_yield(key, batch, messages),
            Frame::Stop => self.handle_stop(key),
            Frame::Credit { messages, bytes } => self.handle_credit(key, messages, bytes),
            Frame::Flow { policy, window } => self.handle_flow(key, policy, window),
            Frame::StartAck {
                key: remote,
                callee,
                window,
            } if caller => self.handle_start_ack(key, remote, callee, window),
            Frame::Started(value) if caller => self.handle_started(key, value),
            Frame::Return(value) if caller => self.handle_return(key, value),
            Frame::Error(error) if caller => self.handle_error(key, *error),
            Frame::CancelAck if caller => self.handle_cancel_ack(key),
            Frame::Error(error) => self.handle_caller_error(key, *error),
            Frame::Cancel { cancellation, reply } if !caller => self.handle_cancel(key, cancellation, reply),
            _ => self.dropped.unexpected += 1,
        }
    }

    /// Cancelling something finished or unknown still acks (semantics 2).
    fn handle_unknown(&mut self, from: &P, frame: &Frame) {
        match frame {
            Frame::Cancel { .. } if mutant!(self, UnknownNotAcked) => {}
            Frame::Cancel { reply, .. } => self.send(from.clone(), Dest::Key(*reply), Frame::CancelAck, 0),
            _ => self.dropped.unknown += 1,
        }
    }

    /// A command of this actor's was refused with this error, which its tasks will see. They may hand it
    /// on as what it is.
    pub fn remember_refusal(&mut self, error: &BoxedError) {
        self.relays.remember(error);
    }

    /// A frame to send could not be delivered: its receiver is gone.
    ///
    /// Only a `Start` needs an answer. An actor says how each of its contexts ended before it leaves,
    /// so for every other frame the end of its context is already on its way here.
    pub fn undeliverable(&mut self, context: Key, frame: &Frame) {
        if !matches!(frame, Frame::Start(_)) || mutant!(self, LostStartUnanswered) {
            return;
        }
        let Some(peer) = self.contexts.get(context).map(|context| context.peer_id.clone()) else {
            return;
        };
        self.refuse_open(context, ErrorKind::LinkClosed, format!("actor {peer} is gone"));
    }

    /// A `Start` was not taken: its context ends with this error.
    pub fn refuse_open(&mut self, context: Key, kind: ErrorKind, message: String) {
        let error = self.error(kind, message);
        self.handle_error(context, error);
    }

    fn send(&mut self, to: P, dest: Dest, frame: Frame, context: Key) {
        self.outputs.push_back(Output::Send {
            to,
            dest,
            frame,
            context,
        });
    }

    /// Sends to the peer of a context, if it has one and its key there is known.
    fn send_to_peer(&mut self, key: Key, frame: Frame) {
        let Some(context) = self.contexts.get(key) else { return };
        if let (Some(peer), Some(remote)) = (context.peer.clone(), context.remote) {
            self.send(peer, Dest::Key(remote), frame, key);
        }
    }

    /// Tells the actor's tasks, if there are any left to tell.
    fn tell(&mut self, event: Event) {
        if !matches!(self.stage, Stage::Dying { .. } | Stage::Stopped) {
            self.events.push(event);
        }
    }

    /// Makes sure that the context is looked at when it wants to be.
    fn arm(&mut self, key: Key) {
        if let Some(context) = self.contexts.get(key) {
            self.next_due = self.next_due.min(context.due());
        }
    }

    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> BoxedError {
        BoxedError::new(kind, self.me.clone(), message)
    }

    fn cancellation(&self, mut reason: Option<String>, cause: steading_types::Cause) -> Cancellation {
        if let Some(reason) = reason.as_mut().filter(|reason| reason.len() > LONGEST_REASON) {
            reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
        }
        Cancellation {
            canceller: self.me.clone(),
            reason,
            cause,
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
