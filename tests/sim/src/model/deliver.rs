//! Frames that arrive (semantics 2 and 3).

use steading_proto::frame::Start;
use steading_proto::{Dest, Frame};
use steading_types::{BoxedError, EndpointKind, ErrorKind, Key, Policy, Window, split_message};

use super::{Cancel, Ctx, Ev, Expect, Fr, Model, PEER_LOST, REQUESTED, Stage, State};
use crate::coverage::{ActorInput, ContextState, Fault, Input, StreamInput, StreamState};
use crate::digest;
use crate::op::NONE;
use crate::world::ENDPOINTS;

/// Kinds of refusals of a call, as `digest::kind` numbers them.
const CANCELLED: u8 = 4;
const LINK_CLOSED: u8 = 7;
const NOT_GRANTED: u8 = 8;
const NO_SUCH_ENDPOINT: u8 = 9;
const PAYLOAD_MISMATCH: u8 = 5;
const LIMIT: u8 = 13;

impl Model {
    /// A frame is about to be handled.
    pub fn deliver(&mut self, from: usize, to: usize, dest: Dest, frame: &Frame) {
        match dest {
            Dest::Actor => self.deliver_to_actor(from, to, frame),
            Dest::Key(key) => self.deliver_to_context(from, to, self.live(to, key), frame),
            Dest::Origin(caller, key) => {
                let caller = usize::try_from(super::who(caller)).ok();
                let twin = caller
                    .and_then(|caller| self.find(caller, key))
                    .map(|ci| self.ctx(ci).twin);
                let ci = twin.filter(|ci| *ci != NONE && self.ctx(*ci).live);
                self.deliver_to_context(from, to, ci, frame);
            }
        }
    }

    fn deliver_to_actor(&mut self, from: usize, to: usize, frame: &Frame) {
        match frame {
            Frame::Start(start) => self.deliver_start(from, to, start),
            Frame::CancelActor(by) => {
                self.cover_actor(to, ActorInput::CancelActor);
                self.cancel_actor(to, Cancel::of(by));
            }
            Frame::ChildUp(_) => {
                self.cover_actor(to, ActorInput::ChildUp);
                self.child_up(from);
            }
            Frame::Force => {
                self.cover_actor(to, ActorInput::ForceFrame);
                self.trap(to);
            }
            Frame::ChildEnded { error, rung, .. } => {
                self.cover_actor(to, ActorInput::ChildEnded);
                self.child_ended(to, from, error.as_deref(), *rung);
            }
            _ => crate::broken!("grammar", "{} is no frame for an actor", frame.kind()),
        }
    }

    fn deliver_start(&mut self, from: usize, to: usize, start: &Start) {
        self.cover_actor(to, ActorInput::Start);
        let Some(caller) = self.find(from, start.origin) else {
            crate::broken!("I6", "a start that nobody sent")
        };
        if let Some(kind) = self.refusal(to, start) {
            self.fault(caller, Fault::RefusedStart);
            self.ctx_mut(caller).refused = Some(kind);
            self.actors[to].owed_frames += 1;
            return;
        }
        let mut ctx = Ctx::new(to, from, State::Running { started: false }, self.ctx(caller).tag);
        ctx.plain = ENDPOINTS
            .iter()
            .any(|e| e.0 == start.endpoint && e.1 == EndpointKind::Plain);
        ctx.deadline = start
            .deadline
            .map_or(super::NEVER, |left| self.now.saturating_add(left));
        (ctx.twin, ctx.sending) = (caller, super::Sending::new(start.window));
        let ci = self.add(ctx);
        self.ctx_mut(caller).twin = ci;
        self.owe_frame(ci, Fr::Reply);
        self.owe_event(ci, Ev::Start);
    }

    /// With which kind of error a call must be refused, if it must be.
    fn refusal(&self, to: usize, start: &Start) -> Option<u8> {
        match self.actors[to].stage {
            Stage::Serving => {}
            Stage::Cancelling => return Some(CANCELLED),
            Stage::Dying { kind, .. } => return Some(kind),
            Stage::Stopped => return Some(LINK_CLOSED),
        }
        let Some((_, _, granted, schema)) = ENDPOINTS.iter().find(|endpoint| endpoint.0 == start.endpoint) else {
            return Some(NO_SUCH_ENDPOINT);
        };
        let mismatch = start.schema != 0 && *schema != 0 && start.schema != *schema;
        let full = self.actors[to].live.len() >= self.limits.contexts;
        match () {
            () if !granted => Some(NOT_GRANTED),
            () if mismatch => Some(PAYLOAD_MISMATCH),
            () if full => Some(LIMIT),
            () => None,
        }
    }

    fn deliver_to_context(&mut self, from: usize, to: usize, ci: Option<u32>, frame: &Frame) {
        let input = Input::of(frame);
        let Some(ci) = ci else {
            self.coverage.context(ContextState::Unknown, input);
            if let Frame::Cancel { reply, .. } = frame {
                self.actors[to].loose_acks.push((from, *reply));
                self.actors[to].owed_frames += 1;
            }
            return;
        };
        self.cover(ci, input);
        let caller = !self.ctx(ci).callee;
        match frame {
            Frame::Yield { batch, messages } => self.deliver_yield(ci, batch, *messages),
            Frame::Stop => self.deliver_stop(ci),
            Frame::Credit { messages, bytes } => self.deliver_credit(ci, *messages, *bytes),
            Frame::Flow { policy, window } => self.deliver_flow(ci, *policy, *window),
            Frame::StartAck { key, window, .. } if caller => self.deliver_start_ack(ci, *key, *window),
            Frame::Started(_) if caller => self.deliver_started(ci),
            Frame::Return(value) if caller => self.end(ci, Expect::Value(digest::bytes(3, value))),
            Frame::Error(error) if caller => self.deliver_error(ci, error),
            Frame::CancelAck if caller => {
                if let Some(cancel) = self.ctx(ci).cancel {
                    self.end(ci, Expect::Cancelled(cancel));
                }
            }
            Frame::Error(error) => self.caller_gave_up(ci, error),
            Frame::Cancel { cancellation, .. } if !caller => {
                self.ctx_mut(ci).ack = true;
                self.cancel_task(ci, Cancel::of(cancellation));
            }
            _ => crate::broken!("grammar", "{} came to the wrong side", frame.kind()),
        }
    }

    fn deliver_start_ack(&mut self, ci: u32, key: Key, window: steading_types::Window) {
        let ctx = self.ctx_mut(ci);
        if matches!(ctx.state, State::Opening { .. }) {
            ctx.state = State::Syncing;
            ctx.sending = super::Sending::new(window);
            crate::check!(key != 0, "I8", "accepted under no key");
        }
    }

    fn deliver_started(&mut self, ci: u32) {
        let ctx = self.ctx_mut(ci);
        if !matches!(ctx.state, State::Syncing) {
            return;
        }
        ctx.state = State::Started;
        if !ctx.released {
            self.owe_event(ci, Ev::Started);
        }
    }

    fn deliver_error(&mut self, ci: u32, error: &BoxedError) {
        let actor = self.ctx(ci).actor;
        self.remember(actor, error);
        let outcome = match &error.kind {
            ErrorKind::Cancelled(by) => Expect::Cancelled(Cancel::of(by)),
            _ => Expect::Error(digest::whole_error(error)),
        };
        self.end(ci, outcome);
    }

    /// The actor now may hand this error on as what it is, and each one inside it.
    pub fn remember(&mut self, actor: usize, error: &BoxedError) {
        let actor = &mut self.actors[actor];
        for (_, error) in error.walk() {
            actor.known_errors.push(digest::whole_error(error));
            if let ErrorKind::Cancelled(by) = &error.kind {
                actor.known_cancels.push(digest::cancellation(1, by));
            }
        }
    }

    fn caller_gave_up(&mut self, ci: u32, error: &BoxedError) {
        let ctx = self.ctx_mut(ci);
        if std::mem::replace(&mut ctx.caller_gone, true) {
            return;
        }
        let (actor, peer) = (ctx.actor, ctx.peer);
        let cause = if matches!(error.kind, ErrorKind::LinkClosed) {
            PEER_LOST
        } else {
            REQUESTED
        };
        self.ctx_mut(ci).outcome = Some(Expect::Error(digest::whole_error(error)));
        self.remember(actor, error);
        self.cancel_task(ci, Cancel::by(peer, cause));
        self.owe_event(ci, Ev::Ended);
    }

    fn deliver_yield(&mut self, ci: u32, batch: &[u8], messages: u32) {
        let ctx = self.ctx_mut(ci);
        let state = StreamState::receiving(ctx);
        let dropped = ctx.is_over() || ctx.receiving.stopped;
        if !dropped {
            ctx.receiving.messages += messages;
            ctx.receiving.bytes += payload(batch);
            if ctx.released {
                let messages = ctx.receiving.messages;
                let bytes = ctx.receiving.take(messages, 0);
                self.owe_credit(ci, messages, bytes);
            } else {
                self.owe_event(ci, Ev::Data);
            }
        }
        self.coverage.stream(state, StreamInput::Yield);
    }

    fn deliver_stop(&mut self, ci: u32) {
        let ctx = self.ctx_mut(ci);
        let state = StreamState::receiving(ctx);
        if !ctx.is_over() && !std::mem::replace(&mut ctx.receiving.stopped, true) && !ctx.released {
            self.owe_event(ci, Ev::Stop);
        }
        self.coverage.stream(state, StreamInput::Stop);
    }

    fn deliver_flow(&mut self, ci: u32, policy: Policy, window: Window) {
        let ctx = self.ctx_mut(ci);
        let state = StreamState::of(ctx);
        if !ctx.is_over() && ctx.sending.fatal.is_none() {
            ctx.sending.fatal = Some(policy.is_fatal());
            ctx.sending.rewindow(window);
            if !ctx.released {
                self.owe_event(ci, Ev::Flow);
            }
        }
        self.coverage.stream(state, StreamInput::Flow);
    }

    fn deliver_credit(&mut self, ci: u32, messages: u32, bytes: u32) {
        let ctx = self.ctx_mut(ci);
        let state = StreamState::of(ctx);
        if !ctx.is_over() && !ctx.sending.stopped {
            ctx.sending.give(messages, bytes);
            if !ctx.released {
                self.owe_event(ci, Ev::Credit);
            }
        }
        self.coverage.stream(state, StreamInput::Credit);
    }
}

fn payload(mut batch: &[u8]) -> u64 {
    let mut bytes = 0;
    while let Some((message, rest)) = split_message(batch) {
        (bytes, batch) = (bytes + message.len() as u64, rest);
    }
    bytes
}
