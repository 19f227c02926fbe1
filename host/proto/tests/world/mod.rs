//! A small world for tests: cores, links between them, and a clock that only moves when told.
//!
//! Every pair of actors has two lanes, each FIFO; control may overtake data, never the other way
//! round. It performs outputs as the real shell does, takes events at once, and has a [`Monitor`]
//! check the invariants at each frame and event. Nothing here knows what a test is about.

mod monitor;
mod scene;
mod view;

use std::collections::{BTreeMap, VecDeque};

use monitor::Monitor;
use steading_proto::actor::{Core, Endpoint, Output};
use steading_proto::{Dest, Event, Frame, Lane, Limits, codec};
use steading_types::{
    ActorId, BoxedError, Cancellation, Cause, EndpointKind, EndpointSchema, ErrorKind, Key, OpenOptions, Payloads,
    PortalKey, Rung, Spec, Uuid, Window,
};

/// The first actor of every world.
pub(crate) const ROOT: usize = 0;
/// Its first child, in a [`World::pair`].
pub(crate) const CHILD: usize = 1;
/// Nanoseconds in a millisecond.
pub(crate) const MS: u64 = 1_000_000;

/// Whether frames are handed over as they are, or as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Direct,
    Encoded,
}

/// What an actor's code does when it is told to trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    /// Nothing: the test reports what happens.
    Silent,
    /// It traps.
    Traps,
    /// It goes on until its store is dropped.
    Spins,
}

enum Parcel {
    Whole(Dest, Frame),
    Bytes(Vec<u8>),
}

#[derive(Default)]
struct Link {
    control: VecDeque<Parcel>,
    data: VecDeque<Parcel>,
}

/// How an actor left.
pub(crate) type Left = (Option<Box<BoxedError>>, Rung);

pub(crate) struct Actor {
    pub(crate) core: Core<usize>,
    pub(crate) log: Vec<Event>,
    pub(crate) guest: Guest,
    pub(crate) children: Vec<usize>,
    pub(crate) traps: u32,
    pub(crate) kills: u32,
    /// Its contexts whose grants were revoked.
    pub(crate) revoked: Vec<Key>,
    pub(crate) left: Option<Left>,
}

pub(crate) struct World {
    pub(crate) actors: Vec<Actor>,
    pub(crate) now: u64,
    pub(crate) limits: Limits,
    /// What [`World::spawn`] gives new actors.
    pub(crate) guest: Guest,
    /// Whether the tasks of new actors begin one by one.
    pub(crate) one_by_one: bool,
    wire: Wire,
    links: BTreeMap<(usize, usize), Link>,
    portals: BTreeMap<(usize, usize), PortalKey>,
    monitor: Monitor,
    /// The nursery of a pair.
    pub(crate) nursery: Key,
    pub(crate) respawns: u32,
    pub(crate) respawns_fail: bool,
}

/// Tells the same story in both kinds of world.
pub(crate) fn both(story: impl Fn(World)) {
    story(World::pair(Wire::Direct));
    // An interpreter of undefined behaviour needs minutes for it, and interprets the codec's own tests.
    if !cfg!(miri) {
        story(World::pair(Wire::Encoded));
    }
}

pub(crate) fn spec(name: &str) -> Spec {
    Spec::this_component(name)
}

pub(crate) fn batch(messages: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        steading_types::push_message(&mut out, message);
    }
    out
}

fn endpoints() -> Vec<Endpoint> {
    let endpoint = |name: &str, kind, granted, schema| Endpoint {
        name: name.into(),
        kind,
        granted,
        schema: EndpointSchema::described(schema, Payloads::default()),
    };
    vec![
        endpoint("scan", EndpointKind::Context, true, 0),
        endpoint("plain", EndpointKind::Plain, true, 0),
        endpoint("hidden", EndpointKind::Plain, false, 0),
        endpoint("typed", EndpointKind::Plain, true, 7),
    ]
}

impl World {
    /// A root alone.
    pub(crate) fn new(wire: Wire, limits: Limits) -> Self {
        let mut world = Self {
            actors: Vec::new(),
            now: 0,
            limits,
            guest: Guest::Silent,
            one_by_one: false,
            wire,
            links: BTreeMap::new(),
            portals: BTreeMap::new(),
            monitor: Monitor::default(),
            nursery: 0,
            respawns: 0,
            respawns_fail: false,
        };
        let id = world.mint("root");
        world.add(id, None);
        world
    }

    /// A root with one child.
    pub(crate) fn pair(wire: Wire) -> Self {
        let mut world = Self::new(wire, Limits::DEFAULT);
        world.nursery = world.nursery_of(ROOT);
        let child = world.spawn(ROOT, world.nursery, "child").expect("admitted");
        assert_eq!(child, CHILD);
        world.drive();
        world
    }

    fn mint(&mut self, name: &str) -> ActorId {
        let low = self.actors.len() as u64;
        let id = ActorId::new(name, Uuid { high: 0xace, low });
        self.monitor.mint(&id);
        id
    }

    fn add(&mut self, id: ActorId, parent: Option<(usize, PortalKey)>) {
        self.actors.push(Actor {
            core: Core::new(id, endpoints(), parent, self.limits).one_by_one(self.one_by_one),
            log: Vec::new(),
            guest: self.guest,
            children: Vec::new(),
            traps: 0,
            kills: 0,
            revoked: Vec::new(),
            left: None,
        });
    }

    /// The core of an actor, at the present time.
    pub(crate) fn core(&mut self, actor: usize) -> &mut Core<usize> {
        self.actors[actor].core.at(self.now)
    }

    pub(crate) fn id(&self, actor: usize) -> ActorId {
        self.actors[actor].core.id().clone()
    }

    pub(crate) fn spawn(&mut self, parent: usize, nursery: Key, name: &str) -> Result<usize, BoxedError> {
        self.spawn_as(parent, nursery, spec(name))
    }

    pub(crate) fn spawn_as(&mut self, parent: usize, nursery: Key, spec: Spec) -> Result<usize, BoxedError> {
        let child = self.actors.len();
        let id = self.mint(&spec.name);
        let portal = self.core(parent).spawn(nursery, spec, id.clone(), child)?;
        self.add(id, Some((parent, portal)));
        self.portals.insert((parent, child), portal);
        self.actors[parent].children.push(child);
        Ok(child)
    }

    /// As the shell does, unless the test says that the next one cannot be made.
    fn respawn(&mut self, parent: usize, ended: PortalKey, spec: &Spec) {
        self.respawns += 1;
        if self.respawns_fail {
            let error = BoxedError::new(ErrorKind::SpawnFailed, self.id(parent), "no such component");
            return self.core(parent).respawn_failed(ended, error);
        }
        let child = self.actors.len();
        let id = self.mint(&spec.name);
        let Some(portal) = self.core(parent).respawned(ended, id.clone(), child) else {
            return;
        };
        self.add(id, Some((parent, portal)));
        self.portals.insert((parent, child), portal);
        self.actors[parent].children.push(child);
    }

    pub(crate) fn portal(&self, parent: usize, child: usize) -> PortalKey {
        self.portals[&(parent, child)]
    }

    pub(crate) fn options(&self, caller: usize, callee: usize, endpoint: &str) -> OpenOptions {
        OpenOptions {
            target: self.portal(caller, callee),
            endpoint: endpoint.into(),
            schema: 0,
            deadline: None,
            start_timeout: None,
            parent: None,
            window: Window::DEFAULT,
            grants: Vec::new(),
        }
    }

    pub(crate) fn open_with(&mut self, caller: usize, options: OpenOptions) -> Key {
        self.core(caller).open(options, b"args".to_vec()).expect("admitted")
    }

    pub(crate) fn open(&mut self, caller: usize, callee: usize, endpoint: &str) -> Key {
        let options = self.options(caller, callee, endpoint);
        self.open_with(caller, options)
    }

    /// Performs what every core wants performed, and takes its events.
    pub(crate) fn flush(&mut self) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            for actor in 0..self.actors.len() {
                while let Some(output) = self.actors[actor].core.poll_output() {
                    quiet = false;
                    self.perform(actor, output);
                }
                self.take_events(actor);
            }
        }
    }

    fn take_events(&mut self, actor: usize) {
        let events = self.actors[actor].core.take_events();
        for event in &events {
            self.monitor.event(actor, event);
        }
        self.actors[actor].log.extend(events);
    }

    fn perform(&mut self, actor: usize, output: Output<usize>) {
        match output {
            Output::Send {
                to,
                dest,
                frame,
                context,
            } => self.send(actor, to, dest, frame, context),
            Output::Revoke { context } => self.actors[actor].revoked.push(context),
            Output::Spawn { child, .. } => self.core(child).up(),
            Output::Respawn { ended, spec, .. } => self.respawn(actor, ended, &spec),
            Output::Trap => {
                self.actors[actor].traps += 1;
                if self.actors[actor].guest == Guest::Traps {
                    self.die(actor, ErrorKind::Trap("interrupt".into()));
                }
            }
            Output::Kill => {
                self.actors[actor].kills += 1;
                if self.actors[actor].guest == Guest::Spins {
                    self.die(actor, ErrorKind::Killed);
                }
            }
            Output::Stopped { error, rung } => self.stopped(actor, error, rung),
        }
    }

    fn send(&mut self, from: usize, to: usize, dest: Dest, frame: Frame, context: Key) {
        self.monitor.frame(from, to, dest, &frame, context);
        if self.actors[to].left.is_some() {
            let now = self.now;
            self.actors[from].core.at(now).undeliverable(context, &frame);
            return;
        }
        let lane = frame.lane();
        let parcel = match self.wire {
            Wire::Direct => Parcel::Whole(dest, frame),
            Wire::Encoded => Parcel::Bytes(codec::encode(dest, &frame)),
        };
        let link = self.links.entry((from, to)).or_default();
        match lane {
            Lane::Control => link.control.push_back(parcel),
            Lane::Data => link.data.push_back(parcel),
        }
    }

    /// As the shell does: tell the parent, flush, close the inbox, let the core answer what is left in it.
    fn stopped(&mut self, actor: usize, error: Option<Box<BoxedError>>, rung: Rung) {
        for &child in &self.actors[actor].children {
            assert!(
                self.actors[child].left.is_some(),
                "I18: actor {actor} ended before its child {child}"
            );
        }
        assert!(self.actors[actor].left.is_none(), "actor {actor} stopped twice");
        self.take_events(actor);
        self.core(actor).ended(error.clone(), rung);
        self.actors[actor].left = Some((error, rung));
        while let Some(output) = self.actors[actor].core.poll_output() {
            self.perform(actor, output);
        }
        let pairs: Vec<_> = self.links.keys().copied().filter(|(_, to)| *to == actor).collect();
        for (from, to) in pairs {
            while self.deliver(from, to, Lane::Control) || self.deliver(from, to, Lane::Data) {}
        }
    }

    /// Which lanes have something to deliver now: data waits for the control before it.
    pub(crate) fn deliverable(&self) -> Vec<(usize, usize, Lane)> {
        let mut ready = Vec::new();
        for (&(from, to), link) in &self.links {
            if !link.control.is_empty() {
                ready.push((from, to, Lane::Control));
            } else if !link.data.is_empty() {
                ready.push((from, to, Lane::Data));
            }
        }
        ready
    }

    /// Delivers one frame; `false` if there is none.
    pub(crate) fn deliver(&mut self, from: usize, to: usize, lane: Lane) -> bool {
        let link = self.links.entry((from, to)).or_default();
        let parcel = match lane {
            Lane::Control => link.control.pop_front(),
            Lane::Data => link.data.pop_front(),
        };
        let (dest, frame) = match parcel {
            None => return false,
            Some(Parcel::Whole(dest, frame)) => (dest, frame),
            Some(Parcel::Bytes(bytes)) => codec::decode(&bytes).expect("what was encoded decodes"),
        };
        self.actors[to].core.handle(&from, dest, frame, self.now);
        self.flush_sends_of_the_dead(to);
        true
    }

    fn flush_sends_of_the_dead(&mut self, actor: usize) {
        if self.actors[actor].left.is_none() {
            return;
        }
        while let Some(output) = self.actors[actor].core.poll_output() {
            self.perform(actor, output);
        }
    }

    /// Delivers one frame between two actors, control first.
    pub(crate) fn step(&mut self, from: usize, to: usize) {
        self.flush();
        let done = self.deliver(from, to, Lane::Control) || self.deliver(from, to, Lane::Data);
        assert!(done, "nothing on the way from {from} to {to}");
        self.flush();
    }

    /// Delivers everything, until nothing is on its way. No time passes.
    pub(crate) fn drive(&mut self) {
        self.flush();
        while let Some((from, to, lane)) = self.deliverable().first().copied() {
            self.deliver(from, to, lane);
            self.flush();
        }
    }

    /// Lets time pass, with every timer at its time and everything delivered at once.
    pub(crate) fn pass(&mut self, duration: u64) {
        let end = self.now + duration;
        loop {
            self.drive();
            match self.next_deadline() {
                Some(next) if next <= end => self.jump(next.max(self.now)),
                _ => break,
            }
        }
        self.now = end;
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.actors.iter().filter_map(|actor| actor.core.next_deadline()).min()
    }

    /// Sets the clock and runs what is due, delivering nothing.
    pub(crate) fn jump(&mut self, to: u64) {
        self.now = to;
        for actor in &mut self.actors {
            let mut rounds = 0;
            while actor.core.next_deadline().is_some_and(|due| due <= to) {
                actor.core.handle_timeout(to);
                rounds += 1;
                assert!(rounds < 10, "I26: a timer that is never done");
            }
        }
        self.flush();
    }

    /// The code of an actor is gone.
    pub(crate) fn die(&mut self, actor: usize, kind: ErrorKind) {
        let error = BoxedError::new(kind, self.id(actor), "its code is gone");
        self.core(actor).die(error);
    }

    pub(crate) fn requested_by(&self, actor: usize) -> Cancellation {
        Cancellation {
            canceller: self.id(actor),
            reason: None,
            cause: Cause::Requested,
        }
    }
}
