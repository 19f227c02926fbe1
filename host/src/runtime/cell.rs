//! One actor as the host sees it: its core behind a lock, its inbox, and the boundary over both.
//!
//! Whoever asks something of the actor (a WIT import in the middle of a turn, a native task on any
//! thread) locks the core for the length of one command. What the core decides to send goes straight
//! into the inboxes of the receivers; what else there is to perform waits for the driver.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use steading_actor::Error;
use steading_proto::{Core, Dest, Frame, Lane, Output, codec};
use steading_types::{
    ActorId, Boundary, BoxedError, Cause, Ending, ErrorKind, Event, Fate, Flow, Key, Level, NO_DEADLINE, OpenOptions,
    PortalKey, Refusal, Rung, Spec, Start, Supervision, Window,
};

use super::account::Charged;
use super::children::{Grants, Prepared};
use super::inbox::{Delivery, Inbox, Peer, Rejected};
use super::lent::OnLoan;
use super::snapshot::Seen;
use super::unread::Unread;
use super::usage::{Terms, Usage};
use super::{Admitted, Counted, Launch, Runtime, story};

/// What is left for the driver to perform.
#[derive(Debug)]
pub(crate) enum Effect {
    Spawn(Box<Prepared>),
    Trap,
    Kill,
    Stopped { error: Option<Box<BoxedError>>, rung: Rung },
}

pub(crate) struct Cell {
    pub(crate) inbox: Peer,
    pub(crate) runtime: Arc<Runtime>,
    /// What it runs; `None` for a root, whose body is the embedder's own.
    pub(crate) code: Option<Arc<dyn Launch>>,
    pub(crate) grants: Grants,
    pub(crate) depth: u32,
    /// How often an actor was started again in this one's place, up to this one.
    pub(crate) restarts: u32,
    /// When it began, on the host's clock.
    pub(crate) born: u64,
    pub(crate) usage: Usage,
    /// Children whose random numbers begin where its own say.
    pub(super) seeded: AtomicU64,
    state: Mutex<State>,
    wake_at: AtomicU64,
    /// Whether commands come from outside turns, so that the driver has to be told of them.
    native: bool,
    lines: super::log::LogBudget,
    /// Counts it among the living.
    life: Mutex<Option<Counted>>,
    /// Of a root: how a hook of its exit panicked.
    panic: OnceLock<BoxedError>,
}

pub(super) struct State {
    pub(super) core: Core<Peer>,
    /// What it has sent and nobody has taken in.
    pub(super) unread: Unread,
    prepared: HashMap<PortalKey, Box<Prepared>>,
    effects: VecDeque<Effect>,
    /// Until when the driver sleeps, frames and nudges apart; 0 while it is awake.
    asleep_until: u64,
}

impl State {
    /// Whether there is something to tell the actor's tasks, or to perform.
    fn has_work(&self) -> bool {
        !self.effects.is_empty() || self.core.has_events()
    }

    fn push(&mut self, to: Peer, context: Key, delivery: Delivery) {
        match to.push(delivery) {
            Ok(()) => {}
            Err(Rejected::Full(delivery)) => self.unread.defer(to, context, delivery),
            Err(Rejected::Closed(delivery)) => self.core.undeliverable(context, &delivery.frame),
            Err(Rejected::Overloaded) => {
                let text = format!("too many calls wait at actor {}", to.id());
                self.core.refuse_open(context, ErrorKind::Limit("inbox".into()), text);
            }
        }
    }

    /// Whether somebody at the other end of this context lets messages wait.
    fn is_crowded(&self, context: Key) -> bool {
        self.core
            .peer_of(context)
            .is_some_and(|peer| self.unread.is_crowded(peer))
    }

    /// So much of this context is sent when its receiver has room.
    fn withhold(&mut self, context: Key, bytes: usize) {
        let Self { core, unread, .. } = self;
        if let Some(peer) = core.peer_of(context) {
            unread.withhold(peer, context, bytes, |key| core.peer_of(key).is_none());
        }
    }

    /// Whether something came up that the sleeping driver does not know of.
    fn wants_driver(&self) -> bool {
        let due = self.core.next_deadline().unwrap_or(NO_DEADLINE);
        self.asleep_until > 0 && (self.has_work() || !self.unread.is_empty() || due < self.asleep_until)
    }
}

impl Cell {
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        inbox: Peer,
        core: Core<Peer>,
        code: Option<Arc<dyn Launch>>,
        (grants, admitted): (Grants, Option<Admitted>),
        (depth, restarts): (u32, u32),
    ) -> Arc<Self> {
        let native = code.as_ref().is_none_or(|code| code.is_native());
        let state = State {
            core,
            unread: match native {
                true => Unread::new(usize::MAX, None),
                false => Unread::new(runtime.options.unread, Some(grants.account.clone())),
            },
            prepared: HashMap::new(),
            effects: VecDeque::new(),
            asleep_until: 0,
        };
        let lines = super::log::LogBudget::new(grants.log_rate);
        let counted = Counted::new(runtime.clone(), admitted);
        let born = runtime.clock.now();
        let cell = Arc::new(Self {
            inbox,
            runtime,
            code,
            grants,
            depth,
            restarts,
            born,
            usage: Usage::default(),
            seeded: AtomicU64::new(0),
            state: Mutex::new(state),
            wake_at: AtomicU64::new(NO_DEADLINE),
            native,
            lines,
            life: Mutex::new(Some(counted)),
            panic: OnceLock::new(),
        });
        cell.runtime.enlist(&cell);
        cell
    }

    /// Commands of the core either happen or do not; a panic elsewhere leaves it whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command of the core now, then sends what it decided.
    pub(crate) fn with<R>(&self, command: impl FnOnce(&mut Core<Peer>) -> R) -> R {
        let now = self.runtime.clock.now();
        self.apply(|core| command(core.at(now)))
    }

    /// As [`Cell::with`], for commands that mean the same at any time: messages are many, and to read
    /// the clock is a good part of what they cost.
    fn apply<R>(&self, command: impl FnOnce(&mut Core<Peer>) -> R) -> R {
        let mut state = self.lock();
        let result = command(&mut state.core);
        if self.native {
            self.dispatch(&mut state);
            if state.wants_driver() {
                drop(state);
                self.inbox.nudge();
            }
        } else if state.unread.is_over() {
            self.dispatch(&mut state);
        }
        result
    }

    /// As [`Cell::apply`], for what leaves bytes for the peer of a context: none if there is no room for them.
    fn apply_sending(
        &self,
        (context, bytes): (Key, usize),
        full: impl FnOnce(&mut State),
        command: impl FnOnce(&mut Core<Peer>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if self.native {
            return self.apply(command);
        }
        let mut state = self.lock();
        if !self.has_room(&mut state, context, bytes) {
            full(&mut state);
            return Err(Refusal::Limit);
        }
        let result = command(&mut state.core);
        if result.is_ok() {
            state.unread.add(bytes);
        }
        if state.unread.is_over() {
            self.dispatch(&mut state);
        }
        result
    }

    /// Whether so many bytes may be left for the peer of a context. Where it seems that they may not, first everything
    /// goes that can: what was sent in this turn was not withheld by anybody. Who reads is not to wait for who does not.
    fn has_room(&self, state: &mut State, context: Key, bytes: usize) -> bool {
        if state.unread.has_room(bytes) {
            return true;
        }
        self.dispatch(state);
        state.unread.has_room(bytes) || !state.is_crowded(context)
    }

    /// A result for which there is no room is a failure of its call: it cannot wait, as its task is over.
    fn fitting(&self, context: Key, ending: Ending) -> Ending {
        let Ending::Returned(value) = &ending else {
            return ending;
        };
        if self.native {
            return ending;
        }
        let mut state = self.lock();
        if self.has_room(&mut state, context, value.len()) {
            state.unread.add(value.len());
            return ending;
        }
        let text = format!(
            "its result was not sent: {} bytes that this actor sent wait to be read, and {} are the most that may \
             (`HostBuilder::unread`, `--limit unread=`)",
            state.unread.bytes(),
            state.unread.limit()
        );
        let kind = ErrorKind::Limit("unread".into());
        Ending::Failed(Box::new(BoxedError::new(kind, self.inbox.id().clone(), text)))
    }

    /// Bytes that it has sent and nobody has taken in.
    pub(crate) fn unread(&self) -> usize {
        self.lock().unread.bytes()
    }

    /// Whether its code is the embedder's own.
    pub(crate) fn is_native(&self) -> bool {
        self.native
    }

    /// Looks at the core without changing it.
    pub(crate) fn look<R>(&self, at: impl FnOnce(&Core<Peer>) -> R) -> R {
        at(&self.lock().core)
    }

    /// Begins a task, where they begin one by one; whether anybody still wants it.
    pub(crate) fn begin(&self, context: Key) -> bool {
        self.apply(|core| core.begin(context))
    }

    /// The host's own reason why a task cannot run. One that has begun is to finish as well.
    pub(crate) fn refuse_task(&self, context: Key, kind: ErrorKind, message: String) {
        self.with(|core| core.refuse_task(context, kind, message));
    }

    /// Feeds frames to the core and lets time pass; returns its events, and whether there are effects.
    pub(crate) fn absorb(&self, frames: &mut Vec<Delivery>, now: u64) -> (Vec<Event>, bool) {
        let mut state = self.lock();
        self.feed(&mut state, frames, now);
        let events = state.core.take_events();
        story::outcomes(self.inbox.id(), &events);
        (events, !state.effects.is_empty())
    }

    /// Feeds control frames to the core in the middle of a turn; its events wait for the next one.
    pub(crate) fn absorb_control(&self, frames: &mut Vec<Delivery>, now: u64) {
        self.feed(&mut self.lock(), frames, now);
    }

    fn feed(&self, state: &mut State, frames: &mut Vec<Delivery>, now: u64) {
        state.asleep_until = 0;
        let mut unhandled = Unhandled {
            frames: frames.drain(..),
            inbox: &self.inbox,
        };
        for Delivery { from, dest, frame } in unhandled.frames.by_ref() {
            state.core.handle(&from, dest, frame, now);
        }
        drop(unhandled);
        if state.core.next_deadline().is_some_and(|due| now >= due) {
            state.core.handle_timeout(now);
        }
        self.dispatch(state);
    }

    /// A call of one of its endpoints of which no core knows, with nothing for arguments.
    pub(crate) fn call_out_of_nowhere(&self, endpoint: &str) -> Option<Event> {
        let endpoints = &self.code.as_ref()?.description().endpoints;
        let endpoint = endpoints.iter().position(|known| known.name == endpoint)?;
        Some(Event::Start(Start {
            // No core gets this far.
            context: Key::MAX,
            endpoint: u32::try_from(endpoint).ok()?,
            args: steading_actor::encode(&()).ok()?.into(),
            caller: self.inbox.id().clone(),
            deadline: None,
            window: Window::DEFAULT,
        }))
    }

    /// A fault of the host's own, in the middle of a change.
    pub(crate) fn break_on_purpose(&self) {
        let _state = self.lock();
        panic!("on purpose, at core");
    }

    /// Whatever of it waits for a time has that time now.
    pub(crate) fn expire(&self) {
        let mut state = self.lock();
        if let Some(due) = state.core.next_deadline() {
            state.core.handle_timeout(due);
        }
    }

    /// Sends what the core decided.
    pub(crate) fn flush(&self) {
        self.dispatch(&mut self.lock());
    }

    pub(crate) fn next_effect(&self) -> Option<Effect> {
        self.lock().effects.pop_front()
    }

    /// The driver is about to sleep: until when, or `None` if there is something to do first.
    pub(crate) fn fall_asleep(&self) -> Option<(u64, Vec<Peer>)> {
        let mut state = self.lock();
        if state.has_work() {
            return None;
        }
        let core = state.core.next_deadline().unwrap_or(NO_DEADLINE);
        // Read and noted under one lock: a command that comes in between would otherwise wake nobody.
        state.asleep_until = core.min(self.wake_at.load(Ordering::Relaxed));
        Some((state.asleep_until, state.unread.crowded_peers()))
    }

    /// What its turns run by, with these events.
    pub(crate) fn terms(&self, events: &[Event]) -> Terms<'_> {
        let ends = |event: &Event| matches!(event, Event::Cancel { .. } | Event::Exit);
        let is_ending = || events.iter().any(ends) || self.look(|core| core.stage().is_ending());
        Terms {
            is_urgent: self.grants.account.has_share() && is_ending(),
            clock: self.runtime.clock,
            account: &self.grants.account,
            heavy: &self.runtime.heavy,
        }
    }

    /// Whether nothing will happen here until somebody sends something: no turn, no timer, nothing on its way in or
    /// out.
    pub(crate) fn is_still(&self) -> bool {
        let state = self.lock();
        let asleep = state.asleep_until > 0 && !state.has_work() && state.unread.is_empty();
        let is_timed = self.timer().is_some() || state.core.awaits_time();
        asleep && !is_timed && self.usage.running_since().is_none() && self.inbox.is_empty()
    }

    /// Whether the actor's own timer is due; it is then unset.
    pub(crate) fn timer_due(&self, now: u64) -> bool {
        let due = now >= self.wake_at.load(Ordering::Relaxed);
        if due {
            self.wake_at.store(NO_DEADLINE, Ordering::Relaxed);
        }
        due
    }

    /// When the core has to be looked at again: for the middle of a turn.
    pub(crate) fn next_core_deadline(&self) -> u64 {
        self.lock().core.next_deadline().unwrap_or(NO_DEADLINE)
    }

    /// When the actor's own timer is due.
    pub(crate) fn timer(&self) -> Option<u64> {
        Some(self.wake_at.load(Ordering::Relaxed)).filter(|due| *due != NO_DEADLINE)
    }

    /// It has ended, so: for the host's history, if it keeps one, and for who awaits a root.
    pub(crate) fn record_end(self: &Arc<Self>, error: Option<&BoxedError>, rung: Rung) {
        if let Some(error) = error.filter(|error| self.depth == 0 && error.kind == ErrorKind::Panic) {
            self.panic.get_or_init(|| error.clone());
        }
        if !self.runtime.history.is_kept() {
            return;
        }
        let end = match (error, rung) {
            (Some(error), _) => error.kind.to_string(),
            (None, Rung::Acked | Rung::AlreadyGone) => "acked".to_owned(),
            (None, Rung::Trapped) => "trapped".to_owned(),
            (None, Rung::Killed) => "killed".to_owned(),
        };
        let status = Seen::of(self, self.now()).status(&HashMap::new());
        self.runtime.history.add(super::snapshot::ActorStatus {
            stage: "ended",
            end: Some(end),
            running: None,
            timer: None,
            ..status
        });
    }

    /// What has become of its log lines.
    pub(crate) fn logged(&self) -> super::log::Logged {
        self.lines.logged()
    }

    /// Of a root that has ended: the panic of an exit hook, of which there is nobody above to tell.
    pub(crate) fn panicked(&self) -> Option<Error> {
        self.panic.get().cloned().map(Error::from)
    }

    /// Its code is made: what that takes of the machine is taken.
    pub(crate) fn settle(&self) {
        super::lock(&self.life).iter().for_each(Counted::settle);
    }

    /// From now on it does not count as alive: nothing of it is left but this record.
    pub(crate) fn retire(&self) {
        self.inbox.lending.end_all();
        self.lines.settle(self.inbox.id());
        self.runtime.discharge(self.inbox.id().uuid);
        drop(super::lock(&self.life).take());
    }

    /// Ends this actor by force: its driver finds the effects at once, in a turn or not.
    pub(crate) fn force(&self) {
        let now = self.runtime.clock.now();
        self.lock().core.at(now).force();
        // A frame makes the driver look even in the middle of a turn; this one says nothing new.
        let frame = super::root::cancel_frame(self.inbox.id().clone(), "killed", steading_types::Cause::Interrupt);
        let delivery = Delivery {
            from: self.inbox.clone(),
            dest: Dest::Actor,
            frame,
        };
        if self.inbox.push(delivery).is_err() {
            tracing::debug!(actor = %self.inbox.id().name, "killed when it was gone already");
        }
    }

    /// Sends what still waits for room, whether there is any: the actor leaves, and its peers rely on
    /// hearing how each context ended.
    pub(crate) fn flush_last(&self) {
        let mut state = self.lock();
        self.dispatch(&mut state);
        for (to, delivery) in state.unread.take_waiting() {
            to.push_last(delivery);
        }
    }

    fn dispatch(&self, state: &mut State) {
        if !state.unread.is_empty() {
            let State { core, unread, .. } = state;
            unread.retry(|context, delivery| core.undeliverable(context, &delivery.frame));
        }
        self.send_all(state);
        state.unread.sent();
        for context in state.unread.take_told() {
            state.core.tell_room(context);
        }
    }

    fn send_all(&self, state: &mut State) {
        while let Some(output) = state.core.poll_output() {
            match output {
                Output::Send {
                    to,
                    dest,
                    frame,
                    context,
                } => self.send(state, to, dest, frame, context),
                Output::Revoke { context } => self.inbox.revoke(context),
                Output::Spawn { portal, .. } => {
                    let prepared = state.prepared.remove(&portal);
                    state.effects.extend(prepared.map(Effect::Spawn));
                }
                Output::Respawn {
                    ended,
                    spec,
                    cause,
                    restarts,
                } => self.respawn(state, ended, &spec, cause.as_deref(), restarts),
                Output::Trap => state.effects.push_back(Effect::Trap),
                Output::Kill => state.effects.push_back(Effect::Kill),
                Output::Stopped { error, rung } => state.effects.push_back(Effect::Stopped { error, rung }),
            }
        }
    }

    fn send(&self, state: &mut State, to: Peer, dest: Dest, frame: Frame, context: Key) {
        let (dest, frame) = if self.runtime.options.encode_frames {
            recode(dest, frame)
        } else {
            (dest, frame)
        };
        let data = frame.lane() == Lane::Data;
        let delivery = Delivery {
            from: self.inbox.clone(),
            dest,
            frame,
        };
        if data && state.unread.is_crowded(&to) {
            state.unread.defer(to, context, delivery);
            return;
        }
        state.push(to, context, delivery);
    }

    /// Makes the next one of a child that has ended, out of what this actor has now.
    fn respawn(&self, state: &mut State, ended: PortalKey, spec: &Spec, cause: Option<&BoxedError>, restarts: u32) {
        let owner = state
            .core
            .nursery_of(ended)
            .and_then(|nursery| state.core.owner_of(nursery));
        let on_loan = OnLoan::of(&state.core, owner);
        match self.prepare(spec, &on_loan) {
            Ok(prepared) => {
                let (id, peer) = (prepared.inbox.id().clone(), prepared.inbox.clone());
                story::restarted(self.inbox.id(), &id, cause, restarts);
                if let Some(portal) = state.core.respawned(ended, id, peer) {
                    let prepared = prepared.restarted(restarts).under(self, portal);
                    state.prepared.insert(portal, Box::new(prepared));
                }
            }
            Err(error) => {
                story::not_restarted(self.inbox.id(), &spec.name, &error, restarts);
                state.core.respawn_failed(ended, error);
            }
        }
    }

    fn spawn_child(&self, nursery: Key, mut spec: Spec) -> Result<PortalKey, BoxedError> {
        let on_loan = self.look(|core| OnLoan::of(core, core.owner_of(nursery)));
        let prepared = self.prepare(&spec, &on_loan)?;
        prepared.count_on(&mut spec);
        let (id, peer) = (prepared.inbox.id().clone(), prepared.inbox.clone());
        let now = self.now();
        let mut state = self.lock();
        let portal = state.core.at(now).spawn(nursery, spec, id, peer)?;
        state.prepared.insert(portal, Box::new(prepared.under(self, portal)));
        if self.native {
            self.dispatch(&mut state);
            drop(state);
            self.inbox.nudge();
        }
        Ok(portal)
    }
}

impl Cell {
    /// The arguments of a call, charged to its caller until they are with the code that it calls. Small ones are not
    /// worth it: there are no more of them than contexts.
    fn charged(&self, args: Vec<u8>) -> Result<Bytes, BoxedError> {
        if self.native || args.len() < CHARGED {
            return Ok(args.into());
        }
        let charged = Charged::new(args, &self.grants.account).map_err(|exceeded| {
            let text = format!(
                "what it passes to a call has no room: {}",
                self.runtime.tell_exceeded(&exceeded)
            );
            BoxedError::new(ErrorKind::Limit(exceeded.kind().into()), self.inbox.id().clone(), text)
        })?;
        Ok(Bytes::from_owner(charged))
    }
}

/// Bytes of arguments from which on they are charged.
const CHARGED: usize = 1 << 10;

/// Frames that are being handled. Those that were not when the host failed at one of them go back to the inbox:
/// somebody waits for what becomes of each.
struct Unhandled<'a> {
    frames: std::vec::Drain<'a, Delivery>,
    inbox: &'a Inbox,
}

impl Drop for Unhandled<'_> {
    fn drop(&mut self) {
        if self.frames.len() > 0 {
            self.inbox.put_back(&mut self.frames);
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.runtime.discharge(self.inbox.id().uuid);
    }
}

/// What a link that leaves the process would do to a frame.
fn recode(dest: Dest, frame: Frame) -> (Dest, Frame) {
    // Both directions are ours; a frame that does not survive them is a bug that tests must see.
    codec::decode(&codec::encode(dest, &frame)).expect("every frame survives its own encoding")
}

impl Boundary for Cell {
    fn self_id(&self) -> ActorId {
        self.inbox.id().clone()
    }

    fn now(&self) -> u64 {
        self.runtime.clock.now()
    }

    fn parallelism(&self) -> u32 {
        self.runtime.parallelism()
    }

    fn wake_at(&self, time: u64) {
        let state = self.lock();
        self.wake_at.store(time, Ordering::Relaxed);
        if self.native && time < state.asleep_until {
            drop(state);
            self.inbox.nudge();
        }
    }

    fn open(&self, options: OpenOptions, args: Vec<u8>) -> Result<Key, BoxedError> {
        let endpoint = tracing::enabled!(tracing::Level::DEBUG).then(|| options.endpoint.clone());
        let (lent, args) = (self.lend(&options), self.charged(args));
        self.with(|core| {
            let opened = lent.and_then(|lent| {
                let context = core.open(options, args?)?;
                // Before anything of it is sent: the callee may look for it at once.
                self.begin_lending(context, lent);
                Ok(context)
            });
            opened.inspect_err(|error| core.remember_refusal(error))
        })
        .inspect(|context| {
            if let Some(endpoint) = &endpoint {
                story::opened(self.inbox.id(), *context, endpoint);
            }
        })
    }

    fn granted(&self, context: Key, name: &str) -> Result<String, BoxedError> {
        self.path_granted(context, name)
            .inspect_err(|error| self.with(|core| core.remember_refusal(error)))
    }

    fn started(&self, context: Key, value: Vec<u8>) -> Result<(), Refusal> {
        self.apply_sending((context, value.len()), |_| {}, |core| core.started(context, value))
    }

    fn finish(&self, context: Key, ending: Ending) -> Result<(), Refusal> {
        let ending = self.fitting(context, ending);
        story::finished(self.inbox.id(), context, &ending);
        self.with(|core| core.finish(context, ending))
    }

    fn cancel(&self, context: Key, reason: Option<String>, cause: Cause) -> Result<(), Refusal> {
        self.with(|core| core.cancel(context, reason, cause))
    }

    fn release(&self, context: Key) {
        self.with(|core| core.release(context));
    }

    fn reject(&self, context: Key, message: &str) -> Result<(), Refusal> {
        self.with(|core| core.reject(context, message))
    }

    fn stream_open(&self, context: Key, flow: Option<Flow>) -> Result<(), Refusal> {
        self.apply(|core| core.stream_open_with(context, flow))
    }

    fn send_batch(&self, context: Key, batch: &[u8]) -> Result<(), Refusal> {
        let withhold = |state: &mut State| state.withhold(context, batch.len());
        let sent = self.apply_sending((context, batch.len()), withhold, |core| core.send_batch(context, batch));
        if sent == Err(Refusal::Overrun) {
            self.with(|core| core.overrun(context));
        }
        sent
    }

    fn credit(&self, context: Key, messages: u32, bytes: u32) -> Result<(), Refusal> {
        self.apply(|core| core.credit(context, messages, bytes))
    }

    fn stop(&self, context: Key) -> Result<(), Refusal> {
        self.apply(|core| core.stop(context))
    }

    fn nursery_open(&self, parent: Option<Key>, rules: Supervision) -> Result<Key, Refusal> {
        self.with(|core| core.nursery_open(parent, rules))
    }

    fn spawn(&self, nursery: Key, spec: Spec) -> Result<PortalKey, BoxedError> {
        self.spawn_child(nursery, spec)
            .inspect_err(|error| self.with(|core| core.remember_refusal(error)))
    }

    fn nursery_cancel(&self, nursery: Key, reason: Option<String>, cause: Cause) {
        self.with(|core| core.nursery_cancel(nursery, reason, cause));
    }

    fn nursery_close(&self, nursery: Key) {
        self.with(|core| core.nursery_close(nursery));
    }

    fn child_done(&self, child: PortalKey, failure: Option<Box<BoxedError>>) -> Result<Fate, Refusal> {
        self.with(|core| core.child_done(child, failure))
    }

    fn cancel_actor(&self, target: PortalKey, reason: Option<String>) -> Result<(), Refusal> {
        self.with(|core| core.cancel_actor(target, reason))
    }

    fn kill_actor(&self, target: PortalKey) -> Result<(), Refusal> {
        self.with(|core| core.kill_actor(target))
    }

    fn cancel_self(&self, reason: Option<String>) {
        self.with(|core| core.cancel_self(reason));
    }

    fn on_exit(&self) -> Result<(), Refusal> {
        self.with(Core::on_exit)
    }

    fn exited(&self, error: Option<Box<BoxedError>>) {
        self.with(|core| core.exited(error));
    }

    fn log_level(&self) -> Option<Level> {
        super::log::kept(self.grants.log_level)
    }

    fn log(&self, level: Level, target: &str, message: &str, fields: &[(String, String)]) {
        if level > self.grants.log_level {
            return;
        }
        super::log::write(&self.lines, self.inbox.id(), level, target, message, fields);
    }
}

/// An inbox of its own for an id of its own.
pub(crate) fn new_inbox(name: &str) -> Peer {
    Inbox::new(ActorId::new(name, super::mint_uuid()))
}
