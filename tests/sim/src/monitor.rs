//! The invariants of semantics 11 that can be seen from outside, at each frame sent and each event told.
//!
//! It knows nothing of the core's states and nothing of the model: only what was sent, what was told, and
//! that delivery is a prefix of it. The simulator and the stories of `host/proto/tests` share it.

mod children;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use steading_proto::{Dest, Frame};
use steading_types::{ActorId, BoxedError, Cancellation, ErrorKind, Event, Key, Outcome, Uuid, Window, split_message};

use children::Children;

use crate::model::Mix;
use crate::{broken, check, digest};

/// No payload of a test is longer than this.
const OVERSIZE: u64 = 1 << 20;

/// No window yet.
const NOTHING: Window = Window { messages: 0, bytes: 0 };

/// One side of one context.
#[derive(Debug)]
struct Side {
    twin: Option<u32>,
    /// What this side lets the other send; what the other lets this side send.
    grants: Window,
    may_send: [Window; 2],
    /// Fingerprints of what it sent and the other was not told.
    sent: VecDeque<u64>,
    /// Messages and bytes it sent that were not given back.
    out: (i64, i64),
    stop_sent: bool,
    stop_told: bool,
    is_caller: bool,
    terminal: bool,
    acked: bool,
    started_sent: bool,
    started: bool,
    cancel_sent: bool,
    cancelled: bool,
    gave_up: bool,
    ended: bool,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            twin: None,
            grants: NOTHING,
            may_send: [NOTHING; 2],
            sent: VecDeque::new(),
            out: (0, 0),
            stop_sent: false,
            stop_told: false,
            is_caller: false,
            terminal: false,
            acked: false,
            started_sent: false,
            started: false,
            cancel_sent: false,
            cancelled: false,
            gave_up: false,
            ended: false,
        }
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Monitor {
    names: Vec<ActorId>,
    sides: Vec<Side>,
    index: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    /// Contexts that have granted something, which is not revoked.
    lent: BTreeSet<(usize, Key)>,
    /// What its parents are told of children.
    pub children: Children,
}

fn once(flag: &mut bool, law: &'static str, what: &str) {
    check!(!std::mem::replace(flag, true), law, "{what} twice");
}

fn pair(actor: usize, key: Key) -> u64 {
    (actor as u64) << 32 | u64::from(key)
}

impl Monitor {
    /// Nothing was seen yet; a period never has more restarts than this.
    pub fn new(restarts: u32) -> Self {
        Self {
            children: Children::new(restarts),
            ..Self::default()
        }
    }

    /// An id that exists: the next number's.
    pub fn mint(&mut self, id: &ActorId) {
        self.names.push(id.clone());
    }

    fn number(&mut self, actor: usize, key: Key) -> u32 {
        let next = self.sides.len() as u32;
        let number = *self.index.entry(pair(actor, key)).or_insert(next);
        if number == next {
            self.sides.push(Side::default());
        }
        number
    }

    fn side(&mut self, actor: usize, key: Key) -> &mut Side {
        let number = self.number(actor, key);
        &mut self.sides[number as usize]
    }

    /// A context grants something.
    pub fn lent(&mut self, actor: usize, key: Key) {
        self.lent.insert((actor, key));
    }

    /// What a context has granted is revoked.
    pub fn revoked(&mut self, actor: usize, key: Key) {
        let was_lent = self.lent.remove(&(actor, key));
        check!(was_lent, "I22", "something is revoked twice, or was never granted");
    }

    /// Nothing that this actor has granted is left.
    pub fn check_revoked(&self, actor: usize) {
        let left = self.lent.range((actor, 0)..=(actor, Key::MAX)).next();
        check!(
            left.is_none(),
            "I22",
            "actor {actor} has left, and what it granted is not revoked"
        );
    }

    /// A frame leaves.
    pub fn frame(&mut self, from: usize, to: usize, dest: Dest, frame: &Frame, context: Key) {
        match (frame, dest) {
            (Frame::Start(start), _) => {
                let side = self.side(from, start.origin);
                once(&mut side.is_caller, "I8", "a start is sent");
                side.grants = start.window;
            }
            (Frame::StartAck { key, window, .. }, Dest::Key(origin)) => {
                self.accepted((from, *key), (to, origin), *window);
            }
            (Frame::Started(_), _) => once(&mut self.side(from, context).started_sent, "I8", "started is sent"),
            (Frame::Yield { batch, messages }, _) => self.sent(from, context, batch, *messages),
            (Frame::Credit { messages, bytes }, _) => self.credited(from, context, *messages, *bytes),
            (Frame::Flow { window, .. }, _) => self.rewindow(from, context, *window),
            (Frame::Stop, _) => once(&mut self.side(from, context).stop_sent, "I9", "a stop is sent"),
            (Frame::Return(_), Dest::Key(origin)) => self.terminal(to, origin),
            (Frame::Error(error), Dest::Key(key)) => {
                self.check_error(error);
                // A caller's own error names its context; a callee's last word and a refusal do not.
                match context {
                    0 => self.terminal(to, key),
                    _ => once(&mut self.side(from, context).gave_up, "I1", "a caller gives up"),
                }
            }
            (Frame::CancelAck, Dest::Key(key)) => {
                once(&mut self.side(to, key).acked, "I14", "a cancel is acknowledged")
            }
            (Frame::Cancel { cancellation, reply }, _) => {
                once(&mut self.side(from, *reply).cancel_sent, "I15", "a cancel is sent");
                self.check_cancellation(cancellation);
            }
            (Frame::CancelActor(cancellation), _) => self.check_cancellation(cancellation),
            _ => {}
        }
    }

    fn terminal(&mut self, actor: usize, key: Key) {
        once(&mut self.side(actor, key).terminal, "I1", "a terminal frame is sent");
    }

    fn accepted(&mut self, callee: (usize, Key), caller: (usize, Key), window: Window) {
        let granted = self.side(caller.0, caller.1).grants;
        let (of_callee, of_caller) = (self.number(callee.0, callee.1), self.number(caller.0, caller.1));
        let side = &mut self.sides[of_callee as usize];
        (side.twin, side.may_send) = (Some(of_caller), [granted; 2]);
        let side = &mut self.sides[of_caller as usize];
        check!(
            side.twin.replace(of_callee).is_none(),
            "I8",
            "a start is accepted twice"
        );
        check!(!side.terminal, "I10", "a call is refused, and then accepted");
        side.may_send = [window; 2];
    }

    fn sent(&mut self, actor: usize, key: Key, batch: &[u8], messages: u32) {
        let side = self.side(actor, key);
        check!(!side.stop_sent, "I9", "a batch is sent after a stop");
        side.sent.push_back(digest::bytes(5, batch));
        side.out.0 += i64::from(messages);
        side.out.1 += batch.len() as i64 - 4 * i64::from(messages);
        let fits = side
            .may_send
            .iter()
            .any(|window| fits(*window, side.out, longest(batch)));
        check!(
            fits,
            "I23 I24",
            "credit was created: {:?} are out, of {:?}",
            side.out,
            side.may_send
        );
    }

    /// The receiver has chosen a window. When the sender hears of it is not seen here: until then, and for
    /// what was out already, the first one holds.
    fn rewindow(&mut self, actor: usize, key: Key, window: Window) {
        let Some(twin) = self.side(actor, key).twin else {
            broken!("I23", "flow settings for nobody")
        };
        self.sides[twin as usize].may_send[1] = window;
    }

    fn credited(&mut self, actor: usize, key: Key, messages: u32, bytes: u32) {
        check!(messages > 0, "I24", "a credit that no message stands behind");
        let Some(twin) = self.side(actor, key).twin else {
            broken!("I24", "credit for a context that nobody accepted")
        };
        let out = &mut self.sides[twin as usize].out;
        *out = (out.0 - i64::from(messages), out.1 - i64::from(bytes));
        check!(out.0 >= 0 && out.1 >= 0, "I24", "more is given back than was sent");
        check!(
            out.0 > 0 || out.1 == 0,
            "I24",
            "all messages are given back, and {} bytes are not",
            out.1
        );
    }

    /// A task is told something.
    pub fn event(&mut self, actor: usize, event: &Event) {
        if let Some(key) = context_of(event) {
            let ended = self.side(actor, key).ended;
            check!(!ended, "I3", "actor {actor} is told {event:?} after the outcome");
        }
        match event {
            Event::Started { context, .. } => {
                let side = self.side(actor, *context);
                once(&mut side.started, "I8", "started is told");
                check!(!side.stop_told, "I8", "started is told after a stop");
            }
            Event::Data { context, batch } => self.received(actor, *context, batch),
            Event::Stop(context) => {
                once(&mut self.side(actor, *context).stop_told, "I9", "a stop is told");
                self.check_complete(actor, *context);
            }
            Event::Cancel { context, cancellation } => {
                self.check_cancellation(cancellation);
                once(&mut self.side(actor, *context).cancelled, "I15", "a task is cancelled");
            }
            Event::Ended { context, outcome } => self.ended(actor, *context, outcome),
            Event::ChildEnded { error, .. } => {
                error.iter().for_each(|error| self.check_error(error));
                self.children.event(actor, event);
            }
            Event::ChildFailed { error, .. } => {
                self.check_error(error);
                self.children.event(actor, event);
            }
            Event::ChildRestarted(_) | Event::NurseryClosed(_) => self.children.event(actor, event),
            Event::Start(_) | Event::Credit { .. } | Event::Flow { .. } | Event::ChildUp { .. } | Event::Exit => {}
        }
    }

    fn received(&mut self, actor: usize, key: Key, batch: &[u8]) {
        let side = self.side(actor, key);
        check!(!side.stop_told, "I9", "data is told after a stop");
        check!(!side.is_caller || side.started, "I8", "data is told before started");
        let Some(twin) = side.twin else {
            broken!("I6", "data from nobody")
        };
        let sent = self.sides[twin as usize].sent.pop_front();
        check!(
            sent == Some(digest::bytes(5, batch)),
            "I4 I5 I6",
            "what is told is not what was sent next"
        );
    }

    fn check_complete(&mut self, actor: usize, key: Key) {
        let Some(twin) = self.side(actor, key).twin else {
            broken!("I6", "an end from nobody")
        };
        check!(
            self.sides[twin as usize].sent.is_empty(),
            "I7",
            "it is over, and messages are missing"
        );
    }

    fn ended(&mut self, actor: usize, key: Key, outcome: &Outcome) {
        once(&mut self.side(actor, key).ended, "I1", "an outcome is told");
        match outcome {
            Outcome::Returned(_) => self.check_complete(actor, key),
            Outcome::Failed(error) => self.check_error(error),
            Outcome::Cancelled(cancellation) => self.check_cancellation(cancellation),
        }
    }

    fn check_error(&self, error: &BoxedError) {
        self.check_id(&error.source);
        error.relay_path.iter().for_each(|hop| self.check_id(hop));
        if let ErrorKind::Cancelled(cancellation) = &error.kind {
            self.check_cancellation(cancellation);
        }
    }

    fn check_cancellation(&self, cancellation: &Cancellation) {
        self.check_id(&cancellation.canceller);
    }

    fn check_id(&self, id: &ActorId) {
        let minted = usize::try_from(id.uuid.low)
            .ok()
            .and_then(|number| self.names.get(number));
        check!(
            minted.is_some_and(|known| known.uuid == id.uuid && known.name == id.name),
            "I11 I12",
            "an id that was never minted: {id} {}",
            NamedUuid(id.uuid)
        );
    }
}

struct NamedUuid(Uuid);

impl std::fmt::Display for NamedUuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({})", self.0)
    }
}

/// Whether a sender may have so much out. A message too long for the window goes when most of it is free,
/// and alone is let over it.
fn fits(window: Window, out: (i64, i64), longest: u64) -> bool {
    let bytes = u64::from(window.bytes);
    let bound = if longest > bytes - bytes / 16 {
        bytes / 16 + OVERSIZE
    } else {
        bytes
    };
    out.0 <= i64::from(window.messages) && out.1 <= bound as i64
}

fn longest(mut batch: &[u8]) -> u64 {
    let mut longest = 0;
    while let Some((message, rest)) = split_message(batch) {
        longest = longest.max(message.len() as u64);
        batch = rest;
    }
    longest
}

fn context_of(event: &Event) -> Option<Key> {
    match event {
        Event::Started { context, .. }
        | Event::Data { context, .. }
        | Event::Credit { context, .. }
        | Event::Flow { context, .. }
        | Event::Cancel { context, .. }
        | Event::Ended { context, .. }
        | Event::Stop(context) => Some(*context),
        Event::Start(start) => Some(start.context),
        Event::ChildUp { .. }
        | Event::ChildEnded { .. }
        | Event::ChildRestarted(_)
        | Event::ChildFailed { .. }
        | Event::NurseryClosed(_)
        | Event::Exit => None,
    }
}
