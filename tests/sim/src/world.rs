//! The world of one episode: cores, the links between them, the shell around each, and a clock.
//!
//! It performs outputs as the real shell does, only at times of the scheduler's choice, and shows both
//! oracles everything that goes in and comes out. `perform.rs` has the operations.

mod children;
mod perform;
mod ready;
mod shell;
mod words;

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use steading_proto::actor::{Core, Endpoint, Output};
use steading_proto::{Dest, Event, Frame, Lane, codec};
use steading_types::{
    ActorId, BoxedError, EndpointKind, EndpointSchema, ErrorKind, Key, Outcome, Payloads, PortalKey, Rung, Uuid,
};

use ready::Ready;
use words::{fingerprint, is_urgent, words, words_of_event};

use crate::digest::{self, mix};
use crate::model::{Mix, Model};
use crate::monitor::Monitor;
use crate::op::NONE;
use crate::plan::Plan;
use crate::{broken, check};

/// The upper half of every uuid that is minted here; the lower half is the actor's number.
pub const MINT: u64 = 0xace;

/// What every actor serves: name, kind, granted, schema.
pub const ENDPOINTS: [(&str, EndpointKind, bool, u64); 4] = [
    ("scan", EndpointKind::Context, true, 0),
    ("plain", EndpointKind::Plain, true, 0),
    ("hidden", EndpointKind::Plain, false, 0),
    ("typed", EndpointKind::Plain, true, 7),
];

/// The tag of the first of the actors there are at first; operations have smaller numbers.
const FIRST: u32 = 0x4000;

/// What the tag of an actor grows by with each that was in its place before.
const LIVES: u32 = 0x1_0000;

/// A frame on its way.
#[derive(Debug)]
enum Parcel {
    Whole(Dest, Frame),
    Bytes(Vec<u8>),
}

#[derive(Debug, Default)]
struct Link {
    control: VecDeque<Parcel>,
    data: VecDeque<Parcel>,
    /// Frames on it that no data may precede.
    urgent: usize,
}

impl Link {
    /// Data waits for the control that was sent before it, and for any that came since.
    fn next(&mut self) -> Option<Parcel> {
        self.control.pop_front().or_else(|| self.data.pop_front())
    }

    fn is_empty(&self) -> bool {
        self.control.is_empty() && self.data.is_empty()
    }
}

/// What the shell has still to perform.
#[derive(Debug)]
enum Effect {
    Spawn(usize),
    /// Make the next one of this child.
    Respawn(usize),
    Trap,
    Kill,
    Stopped {
        error: Option<Box<BoxedError>>,
        rung: Rung,
    },
}

#[derive(Debug)]
struct Actor {
    core: Core<usize>,
    id: ActorId,
    /// Names it in operations: the number of the one that started the first in its place, and how many
    /// there were in it before.
    tag: u32,
    parent: usize,
    children: Vec<usize>,
    portal: PortalKey,
    /// Which of the plan's ways to start again it has.
    way: usize,
    launched: bool,
    left: bool,
    cut: bool,
    overload: bool,
    effects: VecDeque<Effect>,
    /// To it from its parent, and from it to its parent.
    down: Link,
    up: Link,
    /// Errors its tasks were told of: what they may hand on.
    seen: Vec<BoxedError>,
}

#[derive(Clone, Copy, Debug)]
struct Nursery {
    actor: usize,
    key: Key,
    tag: u32,
}

/// See the [module](self).
#[derive(Debug)]
pub struct World {
    /// What this seed enables.
    pub plan: Plan,
    /// Virtual nanoseconds.
    pub now: u64,
    /// The first oracle.
    pub model: Model,
    monitor: Monitor,
    actors: Vec<Actor>,
    nurseries: Vec<Nursery>,
    /// The caller's side, or the main task, that the operation of this number opened.
    by_tag: Vec<u32>,
    opened: Vec<u32>,
    /// Sides that somebody looks at: callers not released, tasks not finished.
    callers: Vec<u32>,
    tasks: Vec<u32>,
    endpoints: Vec<Endpoint>,
    buffer: Vec<u8>,
    sequence: u8,
    actor_by_tag: HashMap<u32, usize, BuildHasherDefault<Mix>>,
    by_portal: HashMap<u64, usize, BuildHasherDefault<Mix>>,
    /// Actors whose shell has something to perform.
    busy: Ready,
    /// Links from which a frame can arrive: twice the child's number, one more if it comes from there.
    full: Ready,
    /// No timer rings before.
    wake: Cell<u64>,
    /// Of everything that happened (I27).
    pub hash: u64,
    /// Inputs given to cores.
    pub steps: u64,
    /// In words, if somebody wants to read it.
    pub trace: Option<Vec<String>>,
}

macro_rules! note {
    ($world:expr, $($text:tt)*) => {
        if $world.trace.is_some() {
            $world.write(format!($($text)*));
        }
    };
}
use note;

impl World {
    /// A world for this plan, with what an earlier one has allocated.
    pub fn new(plan: Plan, mut model: Model, traced: bool) -> Self {
        model.reset(plan.limits);
        let endpoint = |(name, kind, granted, schema): (&str, _, _, _)| Endpoint {
            name: name.into(),
            kind,
            granted,
            schema: EndpointSchema::described(schema, Payloads::default()),
        };
        let mut world = Self {
            now: 0,
            model,
            monitor: Monitor::new(plan.limits.restarts),
            actors: Vec::with_capacity(plan.most_actors),
            nurseries: Vec::new(),
            by_tag: Vec::new(),
            opened: Vec::new(),
            callers: Vec::new(),
            tasks: Vec::new(),
            endpoints: ENDPOINTS.map(endpoint).into(),
            buffer: Vec::new(),
            sequence: 0,
            actor_by_tag: HashMap::default(),
            by_portal: HashMap::default(),
            busy: Ready::default(),
            full: Ready::default(),
            wake: Cell::new(0),
            hash: 0,
            steps: 0,
            trace: traced.then(Vec::new),
            plan,
        };
        world.populate();
        world
    }

    /// The actors there are at first: a nursery each, none of them a task's.
    fn populate(&mut self) {
        self.model.born(0, NONE);
        self.add(0, 0, 0, 0);
        self.actors[0].launched = true;
        for actor in 1..self.plan.parents.len() {
            let parent = self.plan.parents[actor].min(self.actors.len() - 1);
            let tag = u32::MAX - 2 - parent as u32;
            let known = self.nurseries.iter().position(|nursery| nursery.tag == tag);
            let ni = known.or_else(|| self.open_nursery(parent, NONE, tag, parent));
            if let Some(ni) = ni {
                self.spawn(ni, FIRST + actor as u32, actor);
            }
        }
        for actor in 0..self.actors.len() {
            self.flush(actor);
            while !self.actors[actor].effects.is_empty() {
                self.effect(actor, false);
            }
        }
    }

    /// An actor that the model knows already.
    fn add(&mut self, parent: usize, portal: PortalKey, tag: u32, way: usize) {
        let number = self.actors.len();
        let id = Self::identity(number, if number == 0 { 0 } else { (tag & (LIVES - 1)) as usize });
        self.monitor.mint(&id);
        self.actor_by_tag.insert(tag, number);
        self.by_portal.insert((parent as u64) << 32 | u64::from(portal), number);
        if number > 0 {
            self.actors[parent].children.push(number);
        }
        let to_parent = (number > 0).then_some((parent, portal));
        let core = Core::new(id.clone(), self.endpoints.clone(), to_parent, self.plan.limits);
        self.actors.push(Actor {
            core: self.broken_variant(core),
            id,
            tag,
            parent,
            children: Vec::new(),
            portal,
            way,
            launched: false,
            left: false,
            cut: false,
            overload: false,
            effects: VecDeque::new(),
            down: Link::default(),
            up: Link::default(),
            seen: Vec::new(),
        });
    }

    #[cfg(not(feature = "mutants"))]
    fn broken_variant(&self, core: Core<usize>) -> Core<usize> {
        core
    }

    #[cfg(feature = "mutants")]
    fn broken_variant(&self, core: Core<usize>) -> Core<usize> {
        core.with_mutant(self.plan.mutant)
    }

    /// Who has this number. Those in one place have one name.
    fn identity(number: usize, place: usize) -> ActorId {
        const NAMES: [&str; 9] = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"];
        let name = if number == 0 {
            "root"
        } else {
            NAMES[place % NAMES.len()]
        };
        ActorId::new(
            name,
            Uuid {
                high: MINT,
                low: number as u64,
            },
        )
    }

    fn write(&mut self, line: String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line);
        }
    }

    fn name(&self, actor: usize) -> &str {
        &self.actors[actor].id.name
    }

    fn core(&mut self, actor: usize) -> &mut Core<usize> {
        self.steps += 1;
        self.actors[actor].core.at(self.now)
    }

    fn stamp(&mut self, x: u64) {
        self.hash = mix(self.hash, x);
    }

    /// After an input: what the core says is performed and taken now, or later.
    fn settle(&mut self, actor: usize, flush: bool, take: bool) {
        if flush {
            self.flush(actor);
        }
        if take {
            self.take(actor);
        }
        let core = &self.actors[actor].core;
        let (contexts, children) = (self.model.actors[actor].live.len(), self.model.actors[actor].children);
        let held = core.context_count();
        check!(
            held == contexts,
            "I10 I25",
            "{} holds {held} contexts and must hold {contexts}",
            self.name(actor)
        );
        let held = core.child_count();
        check!(
            held == children as usize,
            "I25",
            "{} holds {held} children and must hold {children}",
            self.name(actor)
        );
        let (due, at) = (self.model.due(actor), core.next_deadline().unwrap_or(u64::MAX));
        self.wake.set(self.wake.get().min(at));
        check!(
            at <= due,
            "I2 I14",
            "{} must look at its timers at {due} and would at {at}",
            self.name(actor)
        );
    }

    /// Performs what a core wants performed.
    fn flush(&mut self, actor: usize) {
        let mut outputs = 0;
        while let Some(output) = self.actors[actor].core.poll_output() {
            outputs += 1;
            self.output(actor, output);
        }
        let state = &self.model.actors[actor];
        let bound = 4_000 + 8 * (state.live.len() + state.children as usize);
        check!(
            outputs <= bound,
            "I26",
            "{} has {outputs} things to perform",
            self.name(actor)
        );
        self.model.check_flushed(actor);
    }

    fn output(&mut self, actor: usize, output: Output<usize>) {
        match output {
            Output::Send {
                to,
                dest,
                frame,
                context,
            } => self.send(actor, to, dest, frame, context),
            Output::Revoke { context } => {
                self.model.check_over(actor, context);
                self.monitor.revoked(actor, context);
            }
            Output::Spawn { child, .. } => self.put_off(actor, Effect::Spawn(child)),
            Output::Respawn {
                ended, restarts, cause, ..
            } => {
                let child = self.child_by_portal(actor, ended);
                self.model.respawn(actor, child, restarts, cause.as_deref());
                self.monitor.children.respawn(actor, ended);
                self.put_off(actor, Effect::Respawn(child));
            }
            Output::Trap => {
                self.model.trapped(actor);
                self.put_off(actor, Effect::Trap);
            }
            Output::Kill => {
                self.model.killed(actor);
                self.put_off(actor, Effect::Kill);
            }
            Output::Stopped { error, rung } => {
                self.model.stopped(actor, error.as_deref(), rung);
                note!(self, "    {} has nothing left: {rung:?} {error:?}", self.name(actor));
                self.put_off(actor, Effect::Stopped { error, rung });
            }
        }
    }

    fn put_off(&mut self, actor: usize, effect: Effect) {
        self.actors[actor].effects.push_back(effect);
        self.busy.set(actor, true);
    }

    fn send(&mut self, from: usize, to: usize, dest: Dest, frame: Frame, context: Key) {
        self.stamp(fingerprint(&frame) ^ (from as u64) << 8 ^ to as u64);
        note!(
            self,
            "    {} sends to {}: {}",
            self.name(from),
            self.name(to),
            words(&dest, &frame)
        );
        self.model.sent(from, to, dest, &frame, context);
        self.monitor.frame(from, to, dest, &frame, context);
        if let Frame::CancelActor(cancellation) = &frame {
            let children = &mut self.monitor.children;
            children.cancelled(from, self.actors[to].portal, &cancellation.cause);
        }
        let child = if to == self.actors[from].parent && from != 0 {
            from
        } else {
            to
        };
        let is_start = matches!(frame, Frame::Start(_));
        if self.actors[to].left || self.actors[child].cut {
            if is_start && let Some(ci) = self.model.find(from, context) {
                self.model.refuse_open(ci, false);
            }
            return self.core(from).undeliverable(context, &frame);
        }
        if is_start && std::mem::take(&mut self.actors[from].overload) {
            if let Some(ci) = self.model.find(from, context) {
                self.model.refuse_open(ci, true);
            }
            return self
                .core(from)
                .refuse_open(context, ErrorKind::Limit("inbox".into()), String::new());
        }
        let lane = self.lane(&frame);
        let urgent = usize::from(is_urgent(&frame));
        let parcel = match self.plan.encoded {
            true => Parcel::Bytes(codec::encode(dest, &frame)),
            false => Parcel::Whole(dest, frame),
        };
        let link = if child == from {
            &mut self.actors[child].up
        } else {
            &mut self.actors[child].down
        };
        link.urgent += urgent;
        match lane {
            Lane::Control => link.control.push_back(parcel),
            Lane::Data => link.data.push_back(parcel),
        }
        self.mark(child);
    }

    /// Notes whether frames can arrive on the links of a child.
    fn mark(&mut self, child: usize) {
        let (down, up) = self.waiting(child);
        self.full.set(2 * child, down);
        self.full.set(2 * child + 1, up);
    }

    #[cfg(not(feature = "mutants"))]
    fn lane(&self, frame: &Frame) -> Lane {
        frame.lane()
    }

    #[cfg(feature = "mutants")]
    fn lane(&self, frame: &Frame) -> Lane {
        self.plan.mutant.map_or(frame.lane(), |mutant| mutant.lane(frame))
    }

    /// Semantics 2: errors and cancels overtake data; no data arrives while one is on its way.
    fn check_overtaking(&mut self, from: usize, to: usize, frame: &Frame) {
        if from == to {
            return;
        }
        let upwards = from != 0 && self.actors[from].parent == to;
        let link = if upwards {
            &mut self.actors[from].up
        } else {
            &mut self.actors[to].down
        };
        match is_urgent(frame) {
            true => link.urgent = link.urgent.saturating_sub(1),
            false => {
                let queued = matches!(frame, Frame::Yield { .. } | Frame::Return(_)) && link.urgent > 0;
                check!(
                    !queued,
                    "overtaking",
                    "{} arrives before an error or a cancel on its way",
                    frame.kind()
                );
            }
        }
    }

    /// Tells an actor's tasks what its core has for them.
    fn take(&mut self, actor: usize) {
        if self.steps.is_multiple_of(16) {
            // Tasks that have ended and wait for what they own stay: commands about them must be refused.
            let model = &self.model;
            self.tasks.retain(|ci| model.is_live(*ci));
        }
        if self.actors[actor].core.has_events() {
            for event in self.actors[actor].core.take_events() {
                self.told(actor, event);
            }
        }
        self.model.check_told(actor);
    }

    fn told(&mut self, actor: usize, event: Event) {
        note!(self, "    {} is told {}", self.name(actor), words_of_event(&event));
        self.model.told(actor, &event);
        if let Some(child) = portal_of(&event) {
            let child = self.child_by_portal(actor, child);
            self.model.told_of_child(actor, child, &event);
        }
        self.monitor.event(actor, &event);
        match event {
            Event::Start(start) => {
                self.stamp(u64::from(start.context));
                self.tasks.extend(self.model.find(actor, start.context));
            }
            Event::Ended { outcome, context } => {
                self.stamp(1 ^ u64::from(context) << 8);
                if let Outcome::Failed(error) = outcome {
                    self.model.remember(actor, &error);
                    self.see(actor, *error);
                }
            }
            Event::ChildEnded { error, .. } => {
                self.stamp(2);
                if let Some(error) = error {
                    self.see(actor, *error);
                }
            }
            Event::ChildFailed { child, error, .. } => {
                self.stamp(6 ^ u64::from(child) << 8);
                self.see(actor, *error);
            }
            Event::ChildRestarted(restarted) => self.stamp(7 ^ u64::from(restarted.child) << 8),
            Event::NurseryClosed(key) => {
                let found = self
                    .nurseries
                    .iter()
                    .rposition(|nursery| nursery.actor == actor && nursery.key == key);
                let Some(ni) = found else {
                    broken!("I17", "a nursery closes that never was")
                };
                self.model.told_closed(actor, ni as u32);
            }
            Event::Cancel { context, .. } => self.stamp(3 ^ u64::from(context) << 8),
            Event::Data { batch, .. } => self.stamp(digest::bytes(4, &batch)),
            Event::Started { .. }
            | Event::Stop(_)
            | Event::Credit { .. }
            | Event::Flow { .. }
            | Event::ChildUp { .. } => self.stamp(5),
            Event::Exit => self.stamp(6),
        }
    }

    fn see(&mut self, actor: usize, error: BoxedError) {
        let seen = &mut self.actors[actor].seen;
        if seen.len() >= 4 {
            seen.swap_remove(0);
        }
        seen.push(error);
    }

    fn child_by_portal(&self, parent: usize, portal: PortalKey) -> usize {
        let found = self.by_portal.get(&((parent as u64) << 32 | u64::from(portal)));
        match found {
            Some(child) => *child,
            None => broken!("I19", "news of a child that never was"),
        }
    }

    /// A frame arrives.
    fn arrive(&mut self, from: usize, to: usize, parcel: Parcel) {
        let (dest, frame) = match parcel {
            Parcel::Whole(dest, frame) => (dest, frame),
            Parcel::Bytes(bytes) => match codec::decode(&bytes) {
                Ok(decoded) => decoded,
                Err(error) => broken!("codec", "what was encoded does not decode: {error}"),
            },
        };
        self.check_overtaking(from, to, &frame);
        note!(
            self,
            "  {} gets from {}: {}",
            self.name(to),
            self.name(from),
            words(&dest, &frame)
        );
        self.model.deliver(from, to, dest, &frame);
        if let Frame::ChildEnded { portal, .. } = &frame {
            self.monitor.children.arrived(to, *portal, self.now);
        }
        let now = self.now;
        self.core(to).handle(&from, dest, frame, now);
    }
}

/// Whom this is about, if it is about a child.
fn portal_of(event: &Event) -> Option<PortalKey> {
    match event {
        Event::ChildUp { child, .. } | Event::ChildEnded { child, .. } | Event::ChildFailed { child, .. } => {
            Some(*child)
        }
        Event::ChildRestarted(restarted) => Some(restarted.ended),
        _ => None,
    }
}

/// What the adversary may look at.
impl World {
    /// How many actors there are, the dead included.
    pub fn actor_count(&self) -> usize {
        self.actors.len()
    }

    /// By which tag operations name an actor.
    pub fn actor_tag(&self, actor: usize) -> u32 {
        self.actors[actor].tag
    }

    /// The actor's parent; the root is its own.
    pub fn parent(&self, actor: usize) -> usize {
        self.actors[actor].parent
    }

    /// Whether an actor ever had any.
    pub fn has_children(&self, actor: usize) -> bool {
        !self.actors[actor].children.is_empty()
    }

    /// How many there are above an actor.
    pub fn depth(&self, actor: usize) -> usize {
        std::iter::successors((actor > 0).then_some(actor), |actor| {
            Some(self.parent(*actor)).filter(|parent| *parent > 0)
        })
        .count()
    }

    /// When an actor's timer rings; `None` once it has left.
    pub fn next_deadline(&self, actor: usize) -> Option<u64> {
        let actor = &self.actors[actor];
        if actor.left { None } else { actor.core.next_deadline() }
    }

    /// Whether something waits on the way to a child, and from it.
    pub fn waiting(&self, child: usize) -> (bool, bool) {
        let actor = &self.actors[child];
        // A child takes frames once it is up.
        (actor.launched && !actor.down.is_empty(), !actor.up.is_empty())
    }

    /// Actors whose shell has something to perform.
    pub fn busy(&self) -> &[u32] {
        self.busy.all()
    }

    /// Links from which a frame can arrive: twice the child's number, one more if it comes from there.
    pub fn full_links(&self) -> &[u32] {
        self.full.all()
    }

    /// Whether a timer may be due. It is not, if not.
    pub fn may_ring(&self) -> bool {
        if self.wake.get() <= self.now {
            let all = (0..self.actors.len()).filter_map(|actor| self.next_deadline(actor));
            self.wake.set(all.min().unwrap_or(u64::MAX));
        }
        self.wake.get() <= self.now
    }

    /// Whether an actor has left.
    pub fn has_left(&self, actor: usize) -> bool {
        self.actors[actor].left
    }

    /// Sides of callers that somebody looks at.
    pub fn open_callers(&self) -> &[u32] {
        &self.callers
    }

    /// Tasks that run, as far as anybody was told.
    pub fn open_tasks(&self) -> &[u32] {
        &self.tasks
    }

    /// How many nurseries there ever were.
    pub fn nursery_count(&self) -> usize {
        self.nurseries.len()
    }

    /// By which tag operations name a nursery.
    pub fn nursery_tag(&self, nursery: usize) -> u32 {
        self.nurseries[nursery].tag
    }

    /// Whose task this tag names; the root's if none.
    pub fn actor_of(&self, tag: u32) -> usize {
        let ci = self.by_tag.get(tag as usize).copied().filter(|ci| *ci != NONE);
        let ci = ci.map_or(NONE, |ci| self.model.callee_of(ci));
        if ci == NONE { 0 } else { self.model.place(ci).0 }
    }

    /// The tags of all contexts there ever were.
    pub fn opened(&self) -> &[u32] {
        &self.opened
    }
}

/// What the end of an episode needs.
impl World {
    /// Nobody looks at this caller's side: its actor is gone.
    pub fn forget_caller(&mut self, ci: u32) {
        self.callers.retain(|other| *other != ci);
    }

    /// I25: an actor that has left holds nothing, and nothing waits for it.
    pub fn check_empty(&self, actor: usize) {
        let it = &self.actors[actor];
        check!(
            it.core.is_quiescent(),
            "I25",
            "{} has left and holds something",
            self.name(actor)
        );
        let empty = it.up.is_empty() && (it.down.is_empty() || it.left);
        check!(empty, "I25", "something is on its way from or to {}", self.name(actor));
    }
}
