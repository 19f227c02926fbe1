//! The reference model: what the core must do, said a second time and as plainly as possible.
//!
//! The world tells it every input just before the core gets it. The model says what the core must answer,
//! and keeps accounts of what the core then *owes*: frames, events and effects, each of which is paid when
//! it appears. Something that appears and was not owed is wrong at once; something owed that does not
//! appear is found when the actor's outputs and events have all been taken. It knows nothing of order
//! inside one input, of slabs or of texts; the order that matters is the monitor's business.
//!
//! `context.rs` has the commands of contexts, `deliver.rs` the frames, `nursery.rs` nurseries and
//! `supervision.rs` what becomes of the children in them, `actor.rs` the end of actors and `exit.rs` their hooks,
//! `paid.rs` and `news.rs` what appears.

mod actor;
mod cells;
mod context;
mod deliver;
mod exit;
mod news;
mod nursery;
mod paid;
mod supervision;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

use steading_proto::Limits;
use steading_types::{Cancellation, Cause, Key, Policy, Window};

pub use actor::{Force, Stage};
pub use context::{Ended, Opening};
use nursery::Nursery;
pub use supervision::Failure;
use supervision::Place;

use crate::check;
use crate::coverage::{Coverage, Input};
use crate::digest;
use crate::op::NONE;

/// A point in time that never comes.
pub const NEVER: u64 = u64::MAX;

/// Who asked and why; the text is compared where it is known.
#[derive(Clone, Copy, Debug)]
pub struct Cancel {
    who: u64,
    cause: u8,
    /// 0: of the core's own making, with words of its own.
    digest: u64,
}

impl Cancel {
    /// As it stands in a frame.
    pub fn of(cancellation: &Cancellation) -> Self {
        Self {
            who: who(cancellation.canceller.uuid),
            cause: digest::cause(&cancellation.cause),
            digest: digest::cancellation(1, cancellation),
        }
    }

    fn by(actor: usize, cause: u8) -> Self {
        Self {
            who: actor as u64,
            cause,
            digest: 0,
        }
    }

    fn allows(&self, other: &Self) -> bool {
        self.who == other.who && self.cause == other.cause && (self.digest == 0 || self.digest == other.digest)
    }
}

/// The ground of a cancel, as far as an actor can state it.
fn stated(claimed: &Cause) -> u8 {
    match claimed {
        Cause::Deadline => DEADLINE,
        Cause::ParentTeardown => TEARDOWN,
        _ => REQUESTED,
    }
}

const REQUESTED: u8 = 0;
const DEADLINE: u8 = 1;
const TEARDOWN: u8 = 2;
const PEER_LOST: u8 = 5;

/// The number of a minted actor; nonsense for a forged one.
pub fn who(uuid: steading_types::Uuid) -> u64 {
    if uuid.high == crate::world::MINT {
        uuid.low
    } else {
        NEVER
    }
}

/// Where a side stands.
#[derive(Clone, Copy, Debug)]
enum State {
    Opening { until: u64 },
    Syncing,
    Started,
    Ended,
    Running { started: bool },
    Finishing(Terminal),
}

/// What a callee's terminal frame must be.
#[derive(Clone, Copy, Debug)]
enum Terminal {
    Value(u64),
    Cancelled(Cancel),
    /// An error of this kind, by this actor.
    Own(u8),
    /// What the task returned, as its own or relayed; whether that said it was a cancellation.
    Failed(bool),
}

/// What a caller must be told.
#[derive(Clone, Copy, Debug)]
enum Expect {
    Value(u64),
    Error(u64),
    Cancelled(Cancel),
    /// An error of this kind, by its own actor.
    Local(u8),
}

/// How long a cancelled task may wait for what it owns.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Patience {
    Lasting { latest: u64 },
    Exhausted,
}

/// What a side may send.
#[derive(Clone, Copy, Debug)]
struct Sending {
    window: Window,
    messages: i64,
    bytes: i64,
    /// The receiver has settings of its own: whether a message without credit ends the context.
    fatal: Option<bool>,
    opened: bool,
    stopped: bool,
}

impl Sending {
    fn new(window: Window) -> Self {
        Self {
            window,
            messages: i64::from(window.messages),
            bytes: i64::from(window.bytes),
            fatal: None,
            opened: false,
            stopped: false,
        }
    }

    /// Semantics 8: a message needs its bytes, but never more than fifteen sixteenths of the window.
    fn take(&mut self, len: usize) -> bool {
        let window = i64::from(self.window.bytes);
        let needed = (len as i64).min(window - window / 16);
        if self.messages <= 0 || self.bytes < needed {
            return false;
        }
        self.messages -= 1;
        self.bytes -= len as i64;
        true
    }

    fn give(&mut self, messages: u32, bytes: u32) {
        self.messages = i64::from(self.window.messages).min(self.messages + i64::from(messages));
        self.bytes = i64::from(self.window.bytes).min(self.bytes + i64::from(bytes));
    }
}

impl Sending {
    /// The receiver chose another window; what is out counts against it.
    fn rewindow(&mut self, window: Window) {
        self.messages += i64::from(window.messages) - i64::from(self.window.messages);
        self.bytes += i64::from(window.bytes) - i64::from(self.window.bytes);
        self.window = window;
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Receiving {
    messages: u32,
    bytes: u64,
    taken: u64,
    stopped: bool,
}

/// Kinds of events owed to a side.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
enum Ev {
    Start,
    Started,
    Data,
    Credit,
    Stop,
    Cancel,
    Ended,
    Flow,
}

/// Kinds of frames owed by a side.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
enum Fr {
    Start,
    Reply,
    Started,
    Yield,
    Stop,
    Cancel,
    Ack,
    Terminal,
    Flow,
    /// A caller's.
    Error,
}

/// One side of one context.
#[derive(Debug)]
pub struct Ctx {
    actor: usize,
    peer: usize,
    key: Key,
    twin: u32,
    tag: u32,
    live: bool,
    callee: bool,
    main: bool,
    plain: bool,
    state: State,
    cancel: Option<Cancel>,
    cancel_due: u64,
    deadline: u64,
    owner: u32,
    owned: u32,
    released: bool,
    caller_gone: bool,
    ack: bool,
    patience: Patience,
    outcome: Option<Expect>,
    terminal: Option<Terminal>,
    refused: Option<u8>,
    sending: Sending,
    receiving: Receiving,
    credits: VecDeque<(u32, u32)>,
    events: [u32; 8],
    frames: [u32; 10],
    /// What the peer is to be told of this side's flow.
    flow: Option<(Policy, Window)>,
    /// The kind of the error with which this side has broken the context off.
    broken: Option<u8>,
    /// What a caller grants at first.
    window: Window,
    /// When it was opened.
    born: u64,
    /// When it was cancelled, and when the last thing it owned ended: the bound of I14.
    cancelled_at: u64,
    alone_since: u64,
}

impl Ctx {
    fn is_over(&self) -> bool {
        match self.state {
            State::Ended | State::Finishing(_) => true,
            _ => self.caller_gone,
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    fn is_started(&self) -> bool {
        matches!(self.state, State::Started | State::Running { started: true })
    }

    fn due(&self) -> u64 {
        match self.state {
            _ if !self.live => NEVER,
            State::Ended => NEVER,
            _ if self.cancel.is_some() => self.cancel_due,
            State::Opening { until } => until.min(self.deadline),
            _ => self.deadline,
        }
    }

    /// Whether the task may still open something.
    fn can_adopt(&self) -> bool {
        self.live && self.is_running() && self.patience != Patience::Exhausted
    }
}

/// One actor.
#[derive(Debug)]
pub struct Actor {
    pub(crate) stage: Stage,
    stage_cancel: Option<Cancel>,
    force: actor::Force,
    main: u32,
    main_failed: Option<bool>,
    pub(crate) live: Vec<u32>,
    /// Those that are open, in the order of their opening.
    nurseries: Vec<u32>,
    /// Places that are taken: by a child that lives, or by one that is between two lives.
    pub(crate) children: u32,
    /// Children that wait for their time.
    waiting: u32,
    parent: usize,
    place: u32,
    cancelled: Option<Cancel>,
    cancel_owed: bool,
    force_owed: u32,
    trap_owed: u32,
    kill_owed: u32,
    stopped_owed: Option<(Option<bool>, u8)>,
    exit: exit::Exit,
    exit_owed: bool,
    /// Acks for contexts that are not there, by caller and its key.
    loose_acks: Vec<(usize, Key)>,
    owed_events: i64,
    owed_frames: i64,
    /// Fingerprints of errors this actor was given, and of the cancellations in them.
    known_errors: Vec<u64>,
    known_cancels: Vec<u64>,
}

/// Hashes small numbers, quickly.
#[derive(Default)]
pub struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = digest::bytes(self.0, bytes);
    }
    fn write_u32(&mut self, x: u32) {
        self.write_u64(u64::from(x));
    }
    fn write_u64(&mut self, x: u64) {
        self.0 = x.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Model {
    pub(crate) now: u64,
    limits: Limits,
    pub(crate) actors: Vec<Actor>,
    ctxs: Vec<Ctx>,
    nurseries: Vec<Nursery>,
    places: Vec<Place>,
    index: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    /// What was reached.
    pub coverage: Coverage,
    scratch: Vec<(u16, u32)>,
}

fn index_of(actor: usize, key: Key) -> u64 {
    (actor as u64) << 32 | u64::from(key)
}

impl Model {
    /// Forgets everything but what was covered.
    pub fn reset(&mut self, limits: Limits) {
        self.now = 0;
        self.limits = limits;
        self.actors.clear();
        self.ctxs.clear();
        self.nurseries.clear();
        self.places.clear();
        self.index.clear();
    }

    /// The side that an actor calls so, if there ever was one.
    pub fn find(&self, actor: usize, key: Key) -> Option<u32> {
        self.index.get(&index_of(actor, key)).copied()
    }

    /// This side of a caller's has its outcome, or is gone.
    pub fn check_over(&self, actor: usize, key: Key) {
        let ctx = self.find(actor, key).map(|ci| self.ctx(ci));
        let over = ctx.is_some_and(|ctx| !ctx.live || matches!(ctx.state, State::Ended));
        check!(over, "I22", "what a context granted is revoked before it is over");
    }

    fn ctx(&self, ci: u32) -> &Ctx {
        &self.ctxs[ci as usize]
    }

    fn ctx_mut(&mut self, ci: u32) -> &mut Ctx {
        &mut self.ctxs[ci as usize]
    }

    /// The side behind a key, if it is in the core now.
    fn live(&self, actor: usize, key: Key) -> Option<u32> {
        self.find(actor, key).filter(|ci| self.ctx(*ci).live)
    }

    fn add(&mut self, ctx: Ctx) -> u32 {
        let ci = self.ctxs.len() as u32;
        self.actors[ctx.actor].live.push(ci);
        self.ctxs.push(ctx);
        ci
    }

    fn register(&mut self, ci: u32, key: Key) {
        let actor = self.ctx(ci).actor;
        self.ctx_mut(ci).key = key;
        self.index.insert(index_of(actor, key), ci);
    }

    fn remove(&mut self, ci: u32) {
        let ctx = &mut self.ctxs[ci as usize];
        ctx.live = false;
        let live = &mut self.actors[ctx.actor].live;
        if let Some(at) = live.iter().position(|other| *other == ci) {
            live.swap_remove(at);
        }
    }

    fn owe_event(&mut self, ci: u32, event: Ev) {
        let actor = self.ctx(ci).actor;
        if self.actors[actor].stage.tells() {
            self.ctx_mut(ci).events[event as usize] += 1;
            self.actors[actor].owed_events += 1;
        }
    }

    fn owe_frame(&mut self, ci: u32, frame: Fr) {
        let ctx = self.ctx_mut(ci);
        ctx.frames[frame as usize] += 1;
        let actor = ctx.actor;
        self.actors[actor].owed_frames += 1;
    }

    fn cover(&mut self, ci: u32, input: Input) {
        let state = crate::coverage::ContextState::of(self.ctx(ci));
        self.coverage.context(state, input);
    }

    /// A command about a side: covered by its state, or as unknown.
    fn live_command(&mut self, ci: u32, input: Input) -> bool {
        let live = ci != NONE && self.ctx(ci).live;
        if live {
            self.cover(ci, input);
        } else {
            self.coverage.context(crate::coverage::ContextState::Unknown, input);
        }
        live
    }

    /// When an actor's timer must ring at the latest.
    pub fn due(&self, actor: usize) -> u64 {
        let contexts = self.actors[actor].live.iter().map(|ci| self.ctx(*ci).due()).min();
        let own = contexts.unwrap_or(NEVER).min(self.actors[actor].force.due());
        own.min(self.next_restart(actor)).min(self.exit_due(actor))
    }
}

/// What the world may know of a side.
impl Model {
    /// Whose it is, and by which key.
    pub fn place(&self, ci: u32) -> (usize, Key) {
        let ctx = self.ctx(ci);
        (ctx.actor, ctx.key)
    }

    /// The step that opened its context.
    pub fn tag(&self, ci: u32) -> u32 {
        self.ctx(ci).tag
    }

    /// The actor at the other end.
    pub fn peer(&self, ci: u32) -> usize {
        self.ctx(ci).peer
    }

    /// The other side, or `NONE`; a main task is its own.
    pub fn callee_of(&self, ci: u32) -> u32 {
        let ctx = self.ctx(ci);
        if ctx.callee { ci } else { ctx.twin }
    }

    /// Whether it is a callee's.
    pub fn is_callee(&self, ci: u32) -> bool {
        self.ctx(ci).callee
    }

    /// Whether the core has it.
    pub fn is_live(&self, ci: u32) -> bool {
        self.ctx(ci).live
    }

    /// Whether its task runs.
    pub fn runs(&self, ci: u32) -> bool {
        self.ctx(ci).live && self.ctx(ci).is_running()
    }

    /// Whether few tasks ever stand where it does: ended and waiting, out of patience, or given up.
    pub fn is_rare(&self, ci: u32) -> bool {
        let ctx = self.ctx(ci);
        let waits = matches!(ctx.state, State::Finishing(_)) || ctx.patience == Patience::Exhausted;
        ctx.live && (waits || (ctx.caller_gone && !ctx.main))
    }

    /// Whether it was cancelled.
    pub fn is_cancelled_ctx(&self, ci: u32) -> bool {
        self.ctx(ci).cancel.is_some()
    }

    /// The sides of an actor that are in its core.
    pub fn live_of(&self, actor: usize) -> &[u32] {
        &self.actors[actor].live
    }

    /// Where an actor stands.
    pub fn stage(&self, actor: usize) -> Stage {
        self.actors[actor].stage
    }
}
