//! The invariants of semantics 11, checked at every frame sent and every event told.

use std::collections::{BTreeMap, BTreeSet};

use steading_proto::{Dest, Frame};
use steading_types::{ActorId, BoxedError, Cancellation, ErrorKind, Event, Key, Outcome, Uuid, Window, split_message};

/// Nothing that one side of one context may send is larger than this in bytes, the window aside.
const OVERSIZE: u64 = 1 << 20;

/// One side of one context, by actor and its own key.
type SideId = (usize, Key);

#[derive(Default)]
struct Side {
    twin: Option<SideId>,
    /// What this side lets the other send; what the other lets this side send.
    grants: Window0,
    may_send: Window0,
    sent: Vec<u8>,
    received: Vec<u8>,
    on_their_way: (i64, i64),
    stop_sent: bool,
    stop_seen: bool,
    is_caller: bool,
    terminals: u32,
    started: u32,
    cancels: u32,
    ended: bool,
}

/// A window that is nothing until it is known.
#[derive(Clone, Copy, Default)]
struct Window0 {
    messages: u32,
    bytes: u32,
}

impl From<Window> for Window0 {
    fn from(window: Window) -> Self {
        Self {
            messages: window.messages,
            bytes: window.bytes,
        }
    }
}

#[derive(Default)]
pub(crate) struct Monitor {
    names: BTreeMap<Uuid, String>,
    sides: BTreeMap<SideId, Side>,
    children_ended: BTreeMap<(usize, Key), bool>,
    nurseries_closed: BTreeSet<(usize, Key)>,
    exits: BTreeSet<usize>,
}

impl Monitor {
    pub(crate) fn mint(&mut self, id: &ActorId) {
        self.names.insert(id.uuid, id.name.to_string());
    }

    fn side(&mut self, actor: usize, key: Key) -> &mut Side {
        self.sides.entry((actor, key)).or_default()
    }

    /// A frame leaves.
    pub(crate) fn frame(&mut self, from: usize, to: usize, dest: Dest, frame: &Frame, context: Key) {
        match (frame, dest) {
            (Frame::Start(start), _) => {
                let side = self.side(from, start.origin);
                side.is_caller = true;
                side.grants = start.window.into();
            }
            (Frame::StartAck { key, window, .. }, Dest::Key(origin)) => {
                self.accepted((from, *key), (to, origin), *window)
            }
            (Frame::Yield { batch, messages }, _) => self.sent((from, context), batch, *messages),
            (Frame::Credit { messages, bytes }, _) => self.credited((from, context), *messages, *bytes),
            (Frame::Stop, _) => {
                let side = self.side(from, context);
                assert!(!std::mem::replace(&mut side.stop_sent, true), "two stops one way");
            }
            (Frame::Return(_) | Frame::Error(_), Dest::Key(origin)) => {
                let side = self.side(to, origin);
                side.terminals += 1;
                assert_eq!(
                    side.terminals, 1,
                    "I1: a second terminal for context {origin} of actor {to}"
                );
                if let Frame::Error(error) = frame {
                    self.check_error(error);
                }
            }
            (Frame::Cancel { cancellation, .. } | Frame::CancelActor(cancellation), _) => {
                self.check_cancellation(cancellation);
            }
            _ => {}
        }
    }

    fn accepted(&mut self, callee: SideId, caller: SideId, window: Window) {
        let granted = self.side(caller.0, caller.1).grants;
        let side = self.side(callee.0, callee.1);
        side.twin = Some(caller);
        side.may_send = granted;
        let side = self.side(caller.0, caller.1);
        assert!(side.twin.replace(callee).is_none(), "a start accepted twice");
        side.may_send = window.into();
    }

    fn sent(&mut self, id: SideId, batch: &[u8], messages: u32) {
        let side = self.side(id.0, id.1);
        assert!(!side.stop_sent, "I9: sent after a stop");
        let payload = batch.len() as u64 - 4 * u64::from(messages);
        side.sent.extend_from_slice(batch);
        side.on_their_way.0 += i64::from(messages);
        side.on_their_way.1 += payload as i64;
        let (messages, bytes) = side.on_their_way;
        assert!(messages <= i64::from(side.may_send.messages), "I24: credit was created");
        // A message too long for the window goes when most of the window is free, and alone is let over it.
        let window = u64::from(side.may_send.bytes);
        let long = longest(batch) > window - window / 16;
        let bound = if long { window / 16 + OVERSIZE } else { window };
        assert!(
            bytes <= bound as i64,
            "I23 I24: {bytes} bytes on their way, of {window}"
        );
    }

    fn credited(&mut self, id: SideId, messages: u32, bytes: u32) {
        assert!(messages > 0, "a credit that no message stands behind");
        let Some((actor, key)) = self.side(id.0, id.1).twin else {
            panic!("credit for a context that nobody accepted")
        };
        let way = &mut self.side(actor, key).on_their_way;
        way.0 -= i64::from(messages);
        way.1 -= i64::from(bytes);
        assert!(way.0 >= 0 && way.1 >= 0, "I24: more credited than sent");
    }

    /// A task is told something.
    pub(crate) fn event(&mut self, actor: usize, event: &Event) {
        if let Some(key) = context_of(event) {
            let ended = self.side(actor, key).ended;
            assert!(!ended, "I3: actor {actor} is told {event:?} after the outcome");
        }
        match event {
            Event::Started { context, .. } => {
                let side = self.side(actor, *context);
                side.started += 1;
                assert!(
                    side.started == 1 && side.received.is_empty(),
                    "I8: started late or twice"
                );
            }
            Event::Data { context, batch } => self.received((actor, *context), batch),
            Event::Stop(context) => {
                let side = self.side(actor, *context);
                assert!(!std::mem::replace(&mut side.stop_seen, true), "two stops told");
            }
            Event::Cancel { context, cancellation } => {
                self.check_cancellation(cancellation);
                let side = self.side(actor, *context);
                side.cancels += 1;
                assert_eq!(side.cancels, 1, "I15: a task is cancelled twice");
            }
            Event::Ended { context, outcome } => self.ended((actor, *context), outcome),
            Event::ChildEnded { child, error, fate, .. } => {
                // Again only for one that was to start again, and then was not.
                let returns = *fate == steading_types::Fate::Restarts;
                let before = self.children_ended.insert((actor, *child), returns);
                assert!(
                    before.is_none() || before == Some(true) && !returns,
                    "a child ended twice"
                );
                if let Some(error) = error {
                    self.check_error(error);
                }
            }
            Event::NurseryClosed(key) => {
                assert!(self.nurseries_closed.insert((actor, *key)), "a nursery closed twice");
            }
            Event::Exit => assert!(self.exits.insert(actor), "asked for the exit hooks twice"),
            Event::ChildFailed { error, .. } => self.check_error(error),
            Event::ChildRestarted(restarted) => {
                let ended = self.children_ended.insert((actor, restarted.ended), false);
                assert_eq!(ended, Some(true), "I17: a child starts again that has not ended");
            }
            Event::Start(_) | Event::Credit { .. } | Event::Flow { .. } | Event::ChildUp { .. } => {}
        }
    }

    fn received(&mut self, id: SideId, batch: &[u8]) {
        let side = self.side(id.0, id.1);
        assert!(!side.stop_seen, "I9: data after a stop");
        assert!(!side.is_caller || side.started == 1, "I8: data before started");
        side.received.extend_from_slice(batch);
        let got = side.received.clone();
        let (actor, key) = side.twin.expect("data comes from a twin");
        assert!(
            self.side(actor, key).sent.starts_with(&got),
            "I4 I5 I6: what was delivered is no prefix of what was sent"
        );
    }

    fn ended(&mut self, id: SideId, outcome: &Outcome) {
        let side = self.side(id.0, id.1);
        assert!(!std::mem::replace(&mut side.ended, true), "I1: a second outcome");
        let (got, twin) = (side.received.clone(), side.twin);
        match outcome {
            Outcome::Returned(_) => {
                let (actor, key) = twin.expect("a value comes from a twin");
                assert_eq!(
                    self.side(actor, key).sent,
                    got,
                    "I7: returned, and messages are missing"
                );
            }
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
        let name = self.names.get(&id.uuid);
        assert_eq!(
            name.map(String::as_str),
            Some(&*id.name),
            "I11 I12: an id that was never minted"
        );
    }
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
