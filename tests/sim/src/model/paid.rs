//! What appears: each frame, event and effect must be owed, and say what it was owed to say.

use steading_proto::{Dest, Frame};
use steading_types::{BoxedError, ErrorKind, Event, Key, Outcome, Rung};

use super::{Cancel, Ev, Expect, Fr, Model, Terminal, actor};
use crate::digest;
use crate::op::NONE;
use crate::{broken, check};

impl Model {
    fn pay_event(&mut self, ci: u32, event: Ev) {
        let ctx = self.ctx_mut(ci);
        let owed = &mut ctx.events[event as usize];
        if *owed == 0 {
            let law = match event {
                Ev::Ended => "I1 I3 I28",
                Ev::Cancel => "I15 I16",
                Ev::Data | Ev::Credit | Ev::Flow => "I3 I4",
                Ev::Stop => "I9",
                Ev::Start | Ev::Started => "I8",
            };
            broken!(
                law,
                "{event:?} told to actor {} for c{}, and nothing called for it",
                ctx.actor,
                ctx.tag
            );
        }
        *owed -= 1;
        let actor = ctx.actor;
        self.actors[actor].owed_events -= 1;
    }

    fn pay_frame(&mut self, ci: u32, frame: Fr) {
        let ctx = self.ctx_mut(ci);
        let owed = &mut ctx.frames[frame as usize];
        if *owed == 0 {
            let law = match frame {
                Fr::Terminal => "I1",
                Fr::Cancel => "I15 I16",
                Fr::Ack => "I14",
                Fr::Yield => "I4 I9",
                Fr::Stop => "I9",
                Fr::Start | Fr::Reply | Fr::Started => "I8",
                Fr::Flow | Fr::Error => "I16",
            };
            broken!(
                law,
                "{frame:?} sent by actor {} for c{}, and nothing called for it",
                ctx.actor,
                ctx.tag
            );
        }
        *owed -= 1;
        let actor = ctx.actor;
        self.actors[actor].owed_frames -= 1;
    }

    /// A frame appears among the outputs.
    pub fn sent(&mut self, from: usize, to: usize, dest: Dest, frame: &Frame, context: Key) {
        match frame {
            Frame::Start(start) => {
                let ci = self.sender(from, start.origin);
                self.pay_frame(ci, Fr::Start);
                let ctx = self.ctx(ci);
                check!(ctx.peer == to && context == start.origin, "I16", "a start goes astray");
                let due = (ctx.deadline != super::NEVER).then(|| ctx.deadline.saturating_sub(ctx.born));
                check!(
                    start.window == ctx.window,
                    "I23",
                    "a callee is granted {:?}, not {:?}",
                    start.window,
                    ctx.window
                );
                check!(
                    start.deadline == due,
                    "I2",
                    "c{}: {:?} left, and {due:?} is due",
                    ctx.tag,
                    start.deadline
                );
            }
            Frame::StartAck { key, .. } => self.accepted(from, to, dest, *key),
            Frame::Started(_) => self.pay_from(from, context, Fr::Started),
            Frame::Yield { .. } => self.pay_from(from, context, Fr::Yield),
            Frame::Stop => self.pay_from(from, context, Fr::Stop),
            Frame::Credit { messages, bytes } => self.credited(from, context, *messages, *bytes),
            Frame::Cancel { cancellation, reply } => {
                let ci = self.sender(from, *reply);
                self.pay_frame(ci, Fr::Cancel);
                self.check_cancel("I11 I15", self.ctx(ci).cancel, Some(Cancel::of(cancellation)));
                check!(self.ctx(ci).peer == to, "I16", "a cancel goes astray");
            }
            Frame::CancelAck => self.acked(from, to, dest),
            Frame::Return(value) => {
                let ci = self.terminal_of(from, to, dest);
                self.check_terminal(ci, Some(digest::bytes(3, value)), None);
            }
            Frame::Error(error) if context != 0 => {
                let ci = self.sender(from, context);
                self.pay_frame(ci, Fr::Error);
                let (due, found) = (self.ctx(ci).broken, digest::kind(&error.kind));
                check!(due == Some(found), "I28", "{error} where kind {due:?} was due");
            }
            Frame::Error(error) => self.error_sent(from, to, dest, error),
            Frame::CancelActor(by) => self.asked(from, to, by),
            // The adversary opens every stream without settings of its own.
            Frame::Flow { policy, window } => {
                let ci = self.sender(from, context);
                self.pay_frame(ci, Fr::Flow);
                let due = self.ctx_mut(ci).flow.take();
                check!(
                    due == Some((*policy, *window)),
                    "I23",
                    "flow {policy:?} {window:?} is told, {due:?} is due"
                );
            }
            Frame::Force => self.forced(from, to),
            Frame::ChildUp(_) | Frame::ChildEnded { .. } => {}
        }
    }

    fn asked(&mut self, parent: usize, child: usize, by: &steading_types::Cancellation) {
        let it = &mut self.actors[child];
        let owed = std::mem::replace(&mut it.cancel_owed, false);
        check!(
            owed && it.parent == parent,
            "I15 I16",
            "actor {child} is cancelled, and nobody asked"
        );
        let cancelled = it.cancelled;
        self.actors[parent].owed_frames -= 1;
        self.check_cancel("I11", cancelled, Some(Cancel::of(by)));
    }

    fn forced(&mut self, parent: usize, child: usize) {
        let it = &mut self.actors[child];
        let owed = it.force_owed > 0 && it.parent == parent;
        check!(owed, "I16", "actor {child} is forced, and nobody asked");
        it.force_owed -= 1;
        self.actors[parent].owed_frames -= 1;
    }

    fn sender(&self, actor: usize, key: Key) -> u32 {
        match self.find(actor, key) {
            Some(ci) => ci,
            None => broken!("I6", "actor {actor} sends for a context it never had: {key}"),
        }
    }

    fn pay_from(&mut self, actor: usize, key: Key, frame: Fr) {
        let ci = self.sender(actor, key);
        self.pay_frame(ci, frame);
    }

    fn accepted(&mut self, from: usize, to: usize, dest: Dest, key: Key) {
        let ci = self.terminal_of(from, to, dest);
        self.pay_frame(ci, Fr::Reply);
        self.register(ci, key);
    }

    /// The callee side of the context that a frame to its caller is about.
    fn terminal_of(&self, from: usize, to: usize, dest: Dest) -> u32 {
        let Dest::Key(origin) = dest else {
            broken!("grammar", "a callee must write to a key")
        };
        let twin = self.find(to, origin).map_or(NONE, |ci| self.ctx(ci).twin);
        if twin == NONE || self.ctx(twin).actor != from {
            broken!("I10", "actor {from} answers a call that it did not accept");
        }
        twin
    }

    fn credited(&mut self, from: usize, key: Key, messages: u32, bytes: u32) {
        let ci = self.sender(from, key);
        let owed = self.ctx_mut(ci).credits.pop_front();
        check!(
            owed == Some((messages, bytes)),
            "I24",
            "credit ({messages}, {bytes}) is given back, {owed:?} was taken"
        );
        self.actors[from].owed_frames -= 1;
    }

    fn acked(&mut self, from: usize, to: usize, dest: Dest) {
        let Dest::Key(reply) = dest else {
            broken!("grammar", "an ack must go to a key")
        };
        let loose = &mut self.actors[from].loose_acks;
        if let Some(at) = loose.iter().position(|ack| *ack == (to, reply)) {
            loose.swap_remove(at);
            self.actors[from].owed_frames -= 1;
            return;
        }
        let ci = self.terminal_of(from, to, dest);
        self.pay_frame(ci, Fr::Ack);
        check!(
            !self.ctx(ci).live,
            "I14",
            "a cancel is acknowledged while its task is there"
        );
        check!(
            self.ctx(ci).frames[Fr::Terminal as usize] == 0,
            "I14",
            "an ack before the terminal frame"
        );
    }

    fn error_sent(&mut self, from: usize, to: usize, dest: Dest, error: &BoxedError) {
        if let Dest::Key(origin) = dest
            && let Some(ci) = self.find(to, origin)
            && let Some(kind) = self.ctx_mut(ci).refused.take()
        {
            self.actors[from].owed_frames -= 1;
            let found = digest::kind(&error.kind);
            check!(
                found == kind,
                "I10",
                "a call is refused with {}, and not with kind {kind}",
                error.kind
            );
            if Self::is_cancelled(kind) {
                let ErrorKind::Cancelled(by) = &error.kind else { return };
                self.check_cancel("I11", self.actors[from].stage_cancel, Some(Cancel::of(by)));
            }
            return;
        }
        let ci = self.terminal_of(from, to, dest);
        self.check_terminal(ci, None, Some(error));
    }

    fn check_terminal(&mut self, ci: u32, value: Option<u64>, error: Option<&BoxedError>) {
        self.pay_frame(ci, Fr::Terminal);
        let ctx = self.ctx(ci);
        let (actor, cancel) = (ctx.actor, ctx.cancel);
        let Some(terminal) = ctx.terminal else {
            broken!("I1", "a terminal frame that was never decided")
        };
        match (terminal, error) {
            (Terminal::Value(owed), None) => check!(value == Some(owed), "I6", "another value is returned"),
            (
                Terminal::Cancelled(owed),
                Some(BoxedError {
                    kind: ErrorKind::Cancelled(by),
                    source,
                    ..
                }),
            ) => {
                self.check_cancel("I11 I15", Some(owed), Some(Cancel::of(by)));
                check!(
                    super::who(source.uuid) == actor as u64,
                    "I12",
                    "a cancelled task names a foreign source"
                );
            }
            (Terminal::Own(kind), Some(error)) => {
                let own = super::who(error.source.uuid) == actor as u64;
                check!(
                    digest::kind(&error.kind) == kind && own,
                    "I28",
                    "{error} where kind {kind} was due"
                );
            }
            (Terminal::Failed(claims), Some(error)) => {
                let cancelled = matches!(error.kind, ErrorKind::Cancelled(_));
                check!(claims || !cancelled, "I13 I19", "an error is hidden behind {error}");
                self.check_failed(actor, cancel, error);
            }
            (owed, found) => broken!("I7", "{owed:?} was due, {found:?} is sent (value: {value:?})"),
        }
    }

    /// I12: what a task returned is its actor's own, or was given to the actor before; so is each error inside
    /// one of its own.
    fn check_failed(&self, actor: usize, cancel: Option<Cancel>, error: &BoxedError) {
        let state = &self.actors[actor];
        let own = super::who(error.source.uuid) == actor as u64 && error.relay_path.is_empty();
        if !own {
            let Some((last, _)) = error.relay_path.split_last() else {
                broken!("I12", "actor {actor} writes a foreign source into {error}")
            };
            let known = state.known_errors.contains(&digest::relayed_error(error));
            check!(
                known && super::who(last.uuid) == actor as u64,
                "I12",
                "actor {actor} forges a relay: {error}"
            );
        } else if let ErrorKind::Cancelled(by) = &error.kind {
            let told = cancel.is_some_and(|cancel| cancel.allows(&Cancel::of(by)));
            let known = state.known_cancels.contains(&digest::cancellation(1, by));
            // One within the actor names nobody else.
            let within = super::who(by.canceller.uuid) == actor as u64;
            check!(
                told || known || within,
                "I12",
                "actor {actor} forges a canceller: {error}"
            );
        }
        if own {
            error
                .members
                .iter()
                .for_each(|member| self.check_failed(actor, cancel, member));
        }
    }

    /// What was said of a cancel is what is known of it.
    pub fn check_cancel(&self, law: &'static str, owed: Option<Cancel>, found: Option<Cancel>) {
        let fits = matches!((owed, found), (Some(owed), Some(found)) if owed.allows(&found));
        check!(fits, law, "the cancellation must be {owed:?} and is {found:?}");
    }

    /// An event appears.
    pub fn told(&mut self, actor: usize, event: &Event) {
        match event {
            Event::Start(start) => {
                let ci = self.sender(actor, start.context);
                self.pay_event(ci, Ev::Start);
                let deadline = start.deadline.unwrap_or(super::NEVER);
                check!(
                    deadline == self.ctx(ci).deadline,
                    "I2",
                    "a task is told another deadline than it has"
                );
            }
            Event::Started { context, .. } => self.pay_told(actor, *context, Ev::Started),
            Event::Data { context, .. } => self.pay_told(actor, *context, Ev::Data),
            Event::Credit { context, .. } => self.pay_told(actor, *context, Ev::Credit),
            Event::Stop(context) => self.pay_told(actor, *context, Ev::Stop),
            Event::Cancel { context, cancellation } => {
                let ci = self.sender(actor, *context);
                self.pay_event(ci, Ev::Cancel);
                self.check_cancel("I11 I15", self.ctx(ci).cancel, Some(Cancel::of(cancellation)));
            }
            Event::Ended { context, outcome } => self.ended_told(actor, *context, outcome),
            Event::Flow { context, .. } => self.pay_told(actor, *context, Ev::Flow),
            Event::Exit => self.pay_exit(actor),
            // `told_of_child` and `told_closed`.
            Event::ChildUp { .. }
            | Event::ChildEnded { .. }
            | Event::ChildFailed { .. }
            | Event::ChildRestarted(_)
            | Event::NurseryClosed(_) => {}
        }
    }

    fn pay_told(&mut self, actor: usize, key: Key, event: Ev) {
        let ci = self.sender(actor, key);
        self.pay_event(ci, event);
    }

    /// An actor is told that this nursery closed.
    pub fn told_closed(&mut self, actor: usize, ni: u32) {
        let nursery = &mut self.nurseries[ni as usize];
        let owed = std::mem::replace(&mut nursery.closed_owed, false);
        check!(
            owed && nursery.actor == actor,
            "I17",
            "a nursery closes before its time, or twice"
        );
        self.actors[actor].owed_events -= 1;
    }

    fn ended_told(&mut self, actor: usize, key: Key, outcome: &Outcome) {
        let ci = self.sender(actor, key);
        self.pay_event(ci, Ev::Ended);
        match (self.ctx(ci).outcome, outcome) {
            (Some(Expect::Value(owed)), Outcome::Returned(value)) => {
                check!(
                    digest::bytes(3, value) == owed,
                    "I6 I7",
                    "the caller is told another value"
                );
            }
            (Some(Expect::Cancelled(owed)), Outcome::Cancelled(by)) => {
                self.check_cancel("I7 I11", Some(owed), Some(Cancel::of(by)));
            }
            (Some(Expect::Error(owed)), Outcome::Failed(error)) => {
                check!(
                    digest::whole_error(error) == owed,
                    "I7 I28",
                    "an error is told that was not sent: {error}"
                );
            }
            (Some(Expect::Local(kind)), Outcome::Failed(error)) => {
                let own = super::who(error.source.uuid) == actor as u64;
                check!(
                    digest::kind(&error.kind) == kind && own,
                    "I28",
                    "{error} where kind {kind} was due"
                );
            }
            (owed, found) => broken!("I7", "the outcome must be {owed:?} and is {found:?}"),
        }
    }

    /// The actor's code is to be interrupted.
    pub fn trapped(&mut self, actor: usize) {
        let owed = &mut self.actors[actor].trap_owed;
        check!(
            *owed > 0,
            "I14",
            "actor {actor} is interrupted before its time, or twice"
        );
        *owed -= 1;
    }

    /// Its store is to be dropped.
    pub fn killed(&mut self, actor: usize) {
        let owed = &mut self.actors[actor].kill_owed;
        check!(*owed > 0, "I14", "actor {actor} is killed before its time, or twice");
        *owed -= 1;
    }

    /// It leaves.
    pub fn stopped(&mut self, actor: usize, error: Option<&BoxedError>, rung: Rung) {
        let Some((failed, due)) = self.actors[actor].stopped_owed.take() else {
            broken!("I17 I18", "actor {actor} leaves before all below it are dead, or twice")
        };
        check!(
            failed.is_none_or(|failed| failed == error.is_some()),
            "I19",
            "actor {actor} ends with {error:?}"
        );
        check!(
            actor::rung(rung) == due,
            "I14",
            "actor {actor} was ended by rung {due}, and says {rung:?}"
        );
    }

    /// All outputs of an actor have been taken: it owes none.
    pub fn check_flushed(&self, actor: usize) {
        let state = &self.actors[actor];
        if state.owed_frames != 0 {
            broken!(
                "I14 I19",
                "actor {actor} owes {} frames: {}",
                state.owed_frames,
                self.debts(actor)
            );
        }
        let effects = state.trap_owed + state.kill_owed;
        check!(effects == 0, "I14", "actor {actor} owes a trap or a kill");
        check!(
            state.stopped_owed.is_none(),
            "I18 I21",
            "actor {actor} has nothing left, and does not leave"
        );
    }

    /// All its events have been taken.
    pub fn check_told(&self, actor: usize) {
        let state = &self.actors[actor];
        if state.owed_events != 0 {
            broken!(
                "I2 I19 I28",
                "actor {actor} is owed {} events: {}",
                state.owed_events,
                self.debts(actor)
            );
        }
    }

    /// What is owed, in words.
    fn debts(&self, actor: usize) -> String {
        let all = self.ctxs.iter().filter(|ctx| ctx.actor == actor);
        let owing = all.filter(|ctx| ctx.frames.iter().chain(&ctx.events).any(|owed| *owed > 0));
        let texts = owing.map(|ctx| format!("c{} frames {:?} events {:?}", ctx.tag, ctx.frames, ctx.events));
        texts.collect::<Vec<_>>().join("; ")
    }

    /// I2: every caller's side of an actor that lives, and that somebody looks at, has its outcome.
    pub fn check_outcomes(&self) {
        for ctx in self.ctxs.iter().filter(|ctx| ctx.live && !ctx.callee && !ctx.released) {
            check!(
                ctx.is_over(),
                "I2",
                "c{} of actor {} has no outcome",
                ctx.tag,
                ctx.actor
            );
        }
    }
}
