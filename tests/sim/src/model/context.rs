//! Commands about contexts (semantics 3 and 8), and what follows from them.

use std::collections::VecDeque;

use steading_types::{Cause, Flow, Key, Policy, Refusal, Window, split_message};

use super::{
    Cancel, Ctx, DEADLINE, Ev, Expect, Fr, Model, NEVER, Patience, REQUESTED, Receiving, Sending, Stage, State,
    TEARDOWN, Terminal, stated,
};
use crate::coverage::{Fault, Input};
use crate::op::NONE;

/// A call that an actor wants to make.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Who calls.
    pub actor: usize,
    /// Whom; itself for a call that must be refused.
    pub target: usize,
    /// Whether the endpoint has no context.
    pub plain: bool,
    /// The side whose task calls, or none.
    pub owner: u32,
    /// Nanoseconds.
    pub deadline: Option<u64>,
    /// Nanoseconds.
    pub start_timeout: Option<u64>,
    /// Of the arguments.
    pub args: usize,
    /// What the callee may send.
    pub window: Window,
    /// Names it.
    pub tag: u32,
}

/// How a task ends.
#[derive(Clone, Copy, Debug)]
pub enum Ended {
    /// With a value of this length and fingerprint.
    Returned(usize, u64),
    /// With an error, which says of itself that it is a cancellation, or does not.
    Failed(bool),
    /// Because it was cancelled.
    Cancelled,
}

/// Kinds of errors, as `digest::kind` numbers them.
mod kind {
    pub(super) const CANCELLED: u8 = 4;
    pub(super) const MISMATCH: u8 = 5;
    pub(super) const OVERRUN: u8 = 6;
    pub(super) const LINK_CLOSED: u8 = 7;
    pub(super) const NOT_STARTED: u8 = 10;
    pub(super) const START_TIMEOUT: u8 = 11;
    pub(super) const CANCEL_TIMEOUT: u8 = 12;
    pub(super) const LIMIT: u8 = 13;
    pub(super) const INVALID: u8 = 15;
}

impl Ctx {
    pub(super) fn new(actor: usize, peer: usize, state: State, tag: u32) -> Self {
        Self {
            actor,
            peer,
            key: 0,
            twin: NONE,
            tag,
            live: true,
            callee: matches!(state, State::Running { .. }),
            main: false,
            plain: false,
            state,
            cancel: None,
            cancel_due: NEVER,
            deadline: NEVER,
            owner: NONE,
            owned: 0,
            released: false,
            caller_gone: false,
            ack: false,
            patience: Patience::Lasting { latest: NEVER },
            outcome: None,
            terminal: None,
            refused: None,
            sending: Sending::new(Window::DEFAULT),
            receiving: Receiving::default(),
            credits: VecDeque::new(),
            events: [0; 8],
            frames: [0; 10],
            flow: None,
            broken: None,
            window: Window::DEFAULT,
            born: 0,
            cancelled_at: NEVER,
            alone_since: 0,
        }
    }
}

impl Model {
    /// Whether a call is admitted; the kind of error if it is not.
    pub fn may_open(&mut self, call: &Opening) -> Result<(), u8> {
        if call.owner != NONE {
            self.live_command(call.owner, Input::OpenUnder);
        }
        let actor = &self.actors[call.actor];
        match actor.stage {
            Stage::Serving => {}
            Stage::Cancelling => return Err(kind::CANCELLED),
            Stage::Dying { kind, .. } => return Err(kind),
            Stage::Stopped => return Err(kind::LINK_CLOSED),
        }
        if call.target == call.actor || (call.owner != NONE && !self.ctx(call.owner).can_adopt()) {
            return Err(kind::INVALID);
        }
        if actor.live.len() >= self.limits.contexts || call.args > self.limits.payload {
            return Err(kind::LIMIT);
        }
        if self.has_portal(call.target) {
            Ok(())
        } else {
            Err(kind::LINK_CLOSED)
        }
    }

    /// It was.
    pub fn opened(&mut self, call: &Opening, key: Key) -> u32 {
        let until = self.now + call.start_timeout.unwrap_or(self.limits.start_timeout);
        let mut ctx = Ctx::new(call.actor, call.target, State::Opening { until }, call.tag);
        let inherited = match call.owner {
            NONE => NEVER,
            // From then on its grace is what counts.
            owner if self.ctx(owner).cancel.is_some() => NEVER,
            owner => self.ctx(owner).deadline,
        };
        ctx.deadline = call.deadline.map_or(NEVER, |left| self.now + left).min(inherited);
        ctx.window = Window {
            messages: call.window.messages.min(self.limits.window.messages),
            bytes: call.window.bytes.min(self.limits.window.bytes),
        };
        (ctx.owner, ctx.plain, ctx.born) = (call.owner, call.plain, self.now);
        let ci = self.add(ctx);
        self.register(ci, key);
        self.owe_frame(ci, Fr::Start);
        self.adopt(call.owner);
        ci
    }

    pub(super) fn adopt(&mut self, owner: u32) {
        if owner != NONE {
            self.ctx_mut(owner).owned += 1;
        }
    }

    /// The main task of an actor, if it may begin.
    pub fn may_begin_main(&mut self, actor: usize) -> Result<(), Refusal> {
        match self.actors[actor].stage == Stage::Serving && self.actors[actor].main == NONE {
            true => Ok(()),
            false => Err(Refusal::Closing),
        }
    }

    /// It began.
    pub fn began_main(&mut self, actor: usize, key: Key, tag: u32) -> u32 {
        let mut ctx = Ctx::new(actor, actor, State::Running { started: true }, tag);
        (ctx.main, ctx.caller_gone) = (true, true);
        let ci = self.add(ctx);
        self.register(ci, key);
        self.actors[actor].main = ci;
        ci
    }

    /// `started` with a value of this length.
    pub fn started(&mut self, ci: u32, len: usize) -> Result<(), Refusal> {
        let live = self.live_command(ci, Input::StartedCommand);
        if len > self.limits.payload {
            return Err(Refusal::TooLarge);
        }
        let ctx = self.ctx_mut(ci);
        match ctx.state {
            _ if !live => Err(Refusal::UnknownKey),
            _ if !ctx.callee => Err(Refusal::WrongSide),
            _ if ctx.is_over() => Err(Refusal::Ended),
            State::Running { started: false } => {
                ctx.state = State::Running { started: true };
                self.owe_frame(ci, Fr::Started);
                Ok(())
            }
            _ => Err(Refusal::AlreadyStarted),
        }
    }

    /// A task ends.
    pub fn finish(&mut self, ci: u32, how: Ended) -> Result<(), Refusal> {
        let live = self.live_command(
            ci,
            match how {
                Ended::Returned(..) => Input::Return,
                Ended::Failed(_) => Input::Fail,
                Ended::Cancelled => Input::FinishCancelled,
            },
        );
        match self.ctx(ci).state {
            _ if !live => return Err(Refusal::UnknownKey),
            State::Running { .. } => {}
            State::Finishing(_) => return Err(Refusal::Ended),
            _ => return Err(Refusal::WrongSide),
        }
        if matches!(how, Ended::Failed(_)) {
            self.fault(ci, Fault::LocalError);
        }
        let terminal = self.terminal(ci, how);
        let ctx = self.ctx_mut(ci);
        (ctx.state, ctx.cancel_due) = (State::Finishing(terminal), NEVER);
        let actor = ctx.actor;
        for at in (0..self.actors[actor].live.len()).rev() {
            let Some(owned) = self.actors[actor].live.get(at).copied() else {
                continue;
            };
            if self.ctx(owned).owner == ci {
                self.release_one(owned);
            }
        }
        self.abandon_nurseries(actor, ci);
        self.complete(ci);
        Ok(())
    }

    fn terminal(&self, ci: u32, how: Ended) -> Terminal {
        let ctx = self.ctx(ci);
        if let Some(kind) = ctx.broken {
            return Terminal::Own(kind);
        }
        match (how, ctx.cancel) {
            (Ended::Failed(claims), _) => Terminal::Failed(claims),
            (_, Some(cancel)) => Terminal::Cancelled(cancel),
            (Ended::Cancelled, None) => Terminal::Cancelled(Cancel::by(ctx.actor, REQUESTED)),
            (Ended::Returned(len, _), None) if len > self.limits.payload => Terminal::Own(kind::LIMIT),
            (Ended::Returned(..), None) if !ctx.plain && !ctx.is_started() => Terminal::Own(kind::NOT_STARTED),
            (Ended::Returned(_, value), None) => Terminal::Value(value),
        }
    }

    /// A finished task goes when nothing it owns is left.
    pub(super) fn complete(&mut self, ci: u32) {
        let ctx = self.ctx(ci);
        let State::Finishing(terminal) = ctx.state else { return };
        if !ctx.live || ctx.owned > 0 {
            return;
        }
        let (actor, main, tell, ack) = (ctx.actor, ctx.main, !ctx.caller_gone, ctx.ack);
        self.remove(ci);
        if main {
            self.main_over(actor, terminal);
        }
        if tell {
            self.ctx_mut(ci).terminal = Some(terminal);
            self.owe_frame(ci, Fr::Terminal);
        }
        if ack {
            self.owe_frame(ci, Fr::Ack);
        }
        self.stop_if_done(actor);
    }

    /// Something that a task owned is over.
    pub(super) fn disown(&mut self, owner: u32) {
        if owner == NONE || !self.ctx(owner).live {
            return;
        }
        let (now, grace) = (self.now, self.limits.cancel_grace);
        let ctx = self.ctx_mut(owner);
        ctx.owned -= 1;
        if ctx.owned == 0 && ctx.is_running() && ctx.cancel.is_some() {
            ctx.alone_since = now;
            ctx.cancel_due = match ctx.patience {
                Patience::Lasting { latest } => ctx.cancel_due.max((now + grace).min(latest)),
                Patience::Exhausted => now + grace,
            };
        }
        self.complete(owner);
    }

    /// Either side asks the callee's task to end.
    pub fn cancel(&mut self, ci: u32, claimed: &Cause) -> Result<(), Refusal> {
        if !self.live_command(ci, Input::CancelCommand) {
            return Err(Refusal::UnknownKey);
        }
        let ctx = self.ctx(ci);
        let cancel = Cancel::by(ctx.actor, stated(claimed));
        match ctx.callee {
            true => {
                self.fault(ci, Fault::CancelByCallee);
                self.cancel_task(ci, cancel);
            }
            false => {
                self.fault(ci, Fault::CancelByCaller);
                self.cancel_callee(ci, cancel);
            }
        }
        Ok(())
    }

    pub(super) fn cancel_task(&mut self, ci: u32, cancel: Cancel) {
        let due = self.now + self.limits.cancel_grace;
        let latest = due + self.limits.cancel_grace;
        let now = self.now;
        let ctx = self.ctx_mut(ci);
        if !ctx.live || ctx.cancel.is_some() {
            return;
        }
        ctx.cancel = Some(cancel);
        if ctx.is_running() {
            (ctx.patience, ctx.cancel_due) = (Patience::Lasting { latest }, due);
            (ctx.cancelled_at, ctx.alone_since) = (now, now);
            self.owe_event(ci, Ev::Cancel);
        }
    }

    pub(super) fn cancel_callee(&mut self, ci: u32, cancel: Cancel) {
        let due = self.now + self.limits.cancel_timeout;
        let now = self.now;
        let ctx = self.ctx_mut(ci);
        if !ctx.live || ctx.is_over() || ctx.cancel.is_some() {
            return;
        }
        (ctx.cancel, ctx.cancel_due, ctx.cancelled_at) = (Some(cancel), due, now);
        self.owe_frame(ci, Fr::Cancel);
    }

    /// Nobody looks at a caller's side any more.
    pub fn release(&mut self, ci: u32) {
        if self.live_command(ci, Input::Release) {
            self.fault(ci, Fault::Release);
            self.release_one(ci);
            self.stop_if_done(self.ctx(ci).actor);
        }
    }

    pub(super) fn release_one(&mut self, ci: u32) {
        let ctx = self.ctx_mut(ci);
        match ctx.state {
            _ if ctx.callee || !ctx.live => {}
            State::Ended => self.remove(ci),
            _ => {
                ctx.released = true;
                let cancel = Cancel::by(ctx.actor, TEARDOWN);
                self.cancel_callee(ci, cancel);
            }
        }
    }

    /// The caller's outcome.
    pub(super) fn end(&mut self, ci: u32, outcome: Expect) {
        let ctx = self.ctx_mut(ci);
        if matches!(ctx.state, State::Ended) {
            return;
        }
        ctx.state = State::Ended;
        let (owner, actor) = (ctx.owner, ctx.actor);
        if ctx.released {
            self.remove(ci);
        } else {
            // The cancel was only how the callee was ended.
            ctx.outcome = Some(match (outcome, ctx.broken) {
                (Expect::Cancelled(_), Some(kind)) => Expect::Local(kind),
                (outcome, _) => outcome,
            });
            self.owe_event(ci, Ev::Ended);
        }
        self.disown(owner);
        self.stop_if_done(actor);
    }

    /// A `Start` did not arrive.
    pub fn refuse_open(&mut self, ci: u32, overloaded: bool) {
        self.fault(
            ci,
            if overloaded {
                Fault::RefusedStart
            } else {
                Fault::LinkCut
            },
        );
        if self.live_command(ci, Input::RefuseOpen) {
            self.end(
                ci,
                Expect::Local(if overloaded { kind::LIMIT } else { kind::LINK_CLOSED }),
            );
        }
    }

    /// A side opens its half of the stream.
    pub fn stream_open(&mut self, ci: u32, flow: Option<Flow>) -> Result<(), Refusal> {
        let live = self.live_command(ci, Input::StreamOpen);
        let granted = flow.map(|flow| self.granted(flow)).transpose()?;
        if !live {
            return Err(Refusal::UnknownKey);
        }
        let ctx = self.ctx_mut(ci);
        if ctx.is_over() || ctx.cancel.is_some() {
            return Err(Refusal::Ended);
        }
        if !ctx.is_started() {
            return Err(Refusal::NotStarted);
        }
        if std::mem::replace(&mut ctx.sending.opened, true) {
            return Err(Refusal::StreamAlreadyOpened);
        }
        if granted.is_some() {
            ctx.flow = granted;
            self.owe_frame(ci, Fr::Flow);
        }
        Ok(())
    }

    /// What a sender is granted by a receiver that chooses: a window is cut, a buffer is kept or refused.
    fn granted(&self, flow: Flow) -> Result<(Policy, Window), Refusal> {
        let (limit, mut window) = (self.limits.window, flow.window);
        if let Policy::Buffer(more) = flow.policy {
            let each = flow.window.bytes / flow.window.messages.max(1);
            window.messages = window.messages.saturating_add(more);
            window.bytes = window.bytes.saturating_add(each.saturating_mul(more));
            if window.messages > limit.messages {
                return Err(Refusal::Limit);
            }
        }
        window = Window {
            messages: window.messages.min(limit.messages),
            bytes: window.bytes.min(limit.bytes),
        };
        Ok((flow.policy, window))
    }

    /// A side cannot read a payload of its peer's.
    pub fn reject(&mut self, ci: u32) -> Result<(), Refusal> {
        if !self.live_command(ci, Input::Reject) {
            return Err(Refusal::UnknownKey);
        }
        if self.ctx(ci).is_over() {
            return Err(Refusal::Ended);
        }
        let fault = if self.ctx(ci).callee {
            Fault::CalleeRejects
        } else {
            Fault::CallerRejects
        };
        self.fault(ci, fault);
        self.break_off(ci, kind::MISMATCH);
        Ok(())
    }

    /// A side went beyond its credit, and its receiver does not wait.
    pub fn overrun(&mut self, ci: u32) {
        self.fault(ci, Fault::Overrun);
        self.break_off(ci, kind::OVERRUN);
    }

    fn break_off(&mut self, ci: u32, kind: u8) {
        let ctx = self.ctx_mut(ci);
        if !ctx.live || ctx.is_over() || ctx.broken.is_some() {
            return;
        }
        ctx.broken = Some(kind);
        let cancel = Cancel::by(ctx.actor, REQUESTED);
        if ctx.callee {
            return self.cancel_task(ci, cancel);
        }
        if !matches!(ctx.state, State::Opening { .. }) {
            self.owe_frame(ci, Fr::Error);
        }
        self.cancel_callee(ci, cancel);
    }

    /// A side sends a batch.
    pub fn send(&mut self, ci: u32, batch: &[u8]) -> Result<(), Refusal> {
        if !self.live_command(ci, Input::Send) {
            return Err(Refusal::UnknownKey);
        }
        let limits = self.limits;
        let ctx = self.ctx_mut(ci);
        let before = crate::coverage::StreamState::of(ctx);
        let result = charge(ctx, batch, limits.payload, limits.batch);
        self.coverage.stream(before, result.into());
        if let Err(Refusal::NoCredit | Refusal::MalformedBatch | Refusal::TooLarge) = result {
            self.fault(ci, Fault::CreditMisuse);
        }
        if result.is_ok() && !batch.is_empty() {
            self.owe_frame(ci, Fr::Yield);
        }
        result
    }

    /// A side sends no more.
    pub fn stop(&mut self, ci: u32) -> Result<(), Refusal> {
        if !self.live_command(ci, Input::StopCommand) {
            return Err(Refusal::UnknownKey);
        }
        let ctx = self.ctx_mut(ci);
        if !ctx.sending.opened {
            return Err(Refusal::StreamNotOpen);
        }
        if !ctx.is_over() && !std::mem::replace(&mut ctx.sending.stopped, true) {
            self.owe_frame(ci, Fr::Stop);
        }
        Ok(())
    }

    /// A side took messages.
    pub fn credit(&mut self, ci: u32, messages: u32, bytes: u32) -> Result<(), Refusal> {
        if !self.live_command(ci, Input::CreditCommand) {
            return Err(Refusal::UnknownKey);
        }
        if messages > self.ctx(ci).receiving.messages {
            self.fault(ci, Fault::CreditMisuse);
        }
        let ctx = self.ctx_mut(ci);
        let messages = messages.min(ctx.receiving.messages);
        let back = ctx.receiving.take(messages, bytes);
        if messages > 0 && !ctx.receiving.stopped && !ctx.is_over() {
            self.owe_credit(ci, messages, back);
        }
        Ok(())
    }

    pub(super) fn owe_credit(&mut self, ci: u32, messages: u32, bytes: u32) {
        let ctx = self.ctx_mut(ci);
        ctx.credits.push_back((messages, bytes));
        let actor = ctx.actor;
        self.actors[actor].owed_frames += 1;
    }

    /// The timers of an actor ring.
    pub fn timeout(&mut self, actor: usize) {
        self.escalate(actor);
        self.exit_timeout(actor);
        self.start_due(actor);
        let mut due = std::mem::take(&mut self.scratch);
        due.clear();
        let live = &self.actors[actor].live;
        due.extend(live.iter().map(|ci| (self.ctx(*ci).key as u16, *ci)));
        // The core looks at its contexts by slot, and what one does may give another more time.
        due.sort_unstable();
        for (_, ci) in &due {
            let ctx = self.ctx(*ci);
            if self.now >= ctx.due() {
                if ctx.callee {
                    self.callee_timeout(*ci)
                } else {
                    self.caller_timeout(*ci)
                }
            }
        }
        self.scratch = due;
        self.check_bounds(actor);
    }

    fn caller_timeout(&mut self, ci: u32) {
        let ctx = self.ctx(ci);
        let by_me = Cancel::by(ctx.actor, DEADLINE);
        match ctx.state {
            _ if ctx.cancel.is_some() => {
                self.cover(ci, Input::CancelTimeout);
                self.end(ci, Expect::Local(kind::CANCEL_TIMEOUT));
            }
            State::Opening { until } if until <= self.now.min(ctx.deadline) => {
                self.cover(ci, Input::StartTimeout);
                self.fault(ci, Fault::StartTimeout);
                self.cancel_callee(ci, by_me);
                self.end(ci, Expect::Local(kind::START_TIMEOUT));
            }
            _ => {
                self.cover(ci, Input::Deadline);
                self.fault(ci, Fault::Deadline);
                self.cancel_callee(ci, by_me);
            }
        }
    }

    fn callee_timeout(&mut self, ci: u32) {
        let ctx = self.ctx(ci);
        let (actor, peer) = (ctx.actor, ctx.peer);
        if ctx.cancel_due > self.now {
            self.cover(ci, Input::Deadline);
            self.fault(ci, Fault::Deadline);
            return self.cancel_task(ci, Cancel::by(peer, DEADLINE));
        }
        self.cover(ci, Input::GraceOver);
        let waits = self.waits_for_owned(ci);
        self.ctx_mut(ci).cancel_due = NEVER;
        if !waits {
            return self.trap(actor);
        }
        self.ctx_mut(ci).patience = Patience::Exhausted;
        let Some(cancel) = self.ctx(ci).cancel else { return };
        for at in 0..self.actors[actor].live.len() {
            let owned = self.actors[actor].live[at];
            if self.ctx(owned).owner == ci {
                self.cancel_callee(owned, cancel);
            }
        }
        self.close_nurseries_of(ci, cancel);
    }

    /// Whether something that the task owns was asked to end, and has not yet.
    fn waits_for_owned(&self, ci: u32) -> bool {
        let mut live = self.actors[self.ctx(ci).actor].live.iter().map(|ci| self.ctx(*ci));
        live.any(|other| other.owner == ci && other.cancel.is_some() && !other.is_over()) || self.nurseries_ending(ci)
    }

    /// I14: a cancelled task that waits for nothing is over, or its actor interrupted, within two graces.
    fn check_bounds(&self, actor: usize) {
        let (grace, timeout) = (self.limits.cancel_grace, self.limits.cancel_timeout);
        let forced = self.actors[actor].force.is_on();
        for ctx in self.actors[actor].live.iter().map(|ci| self.ctx(*ci)) {
            let since = self.now.saturating_sub(ctx.cancelled_at.max(ctx.alone_since));
            let late = ctx.callee && ctx.is_running() && ctx.owned == 0 && !forced && since >= 2 * grace;
            crate::check!(
                ctx.cancelled_at == NEVER || !late,
                "I14",
                "a task ignores its cancel unpunished"
            );
            let late = !ctx.callee && !ctx.is_over() && ctx.cancelled_at.saturating_add(timeout) <= self.now;
            crate::check!(!late, "I14", "a caller waits for a cancel beyond its bound");
        }
    }
}

impl Receiving {
    pub(super) fn take(&mut self, messages: u32, bytes: u32) -> u32 {
        let bytes = u64::from(bytes).min(self.bytes);
        (self.messages, self.bytes, self.taken) = (self.messages - messages, self.bytes - bytes, self.taken + bytes);
        if messages == 0 {
            return 0;
        }
        if self.messages == 0 {
            self.taken += std::mem::take(&mut self.bytes);
        }
        std::mem::take(&mut self.taken) as u32
    }
}

fn charge(ctx: &mut Ctx, batch: &[u8], payload: usize, most: usize) -> Result<(), Refusal> {
    if !ctx.sending.opened {
        return Err(Refusal::StreamNotOpen);
    }
    if ctx.sending.stopped || ctx.is_over() || ctx.broken.is_some() {
        return Err(Refusal::Ended);
    }
    let (mut sending, mut rest, mut messages) = (ctx.sending, batch, 0);
    while !rest.is_empty() {
        let (message, next) = split_message(rest).ok_or(Refusal::MalformedBatch)?;
        if message.len() > payload {
            return Err(Refusal::TooLarge);
        }
        if !sending.take(message.len()) {
            let fatal = ctx.sending.fatal == Some(true);
            return Err(if fatal { Refusal::Overrun } else { Refusal::NoCredit });
        }
        (rest, messages) = (next, messages + 1);
    }
    if messages > 1 && batch.len() - 4 * messages > most {
        return Err(Refusal::TooLarge);
    }
    ctx.sending = sending;
    Ok(())
}
