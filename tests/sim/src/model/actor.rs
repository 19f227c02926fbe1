//! Nurseries, and the end of actors (semantics 10).

use steading_types::{BoxedError, Refusal, Rung};

use super::{Actor, Cancel, Fr, Model, NEVER, Nursery, PEER_LOST, REQUESTED, State, TEARDOWN, Terminal};
use crate::coverage::{ActorInput, Fault};
use crate::digest;
use crate::op::NONE;

/// Where an actor is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It takes calls.
    Serving,
    /// Its tasks are ending.
    Cancelling,
    /// Its code is gone.
    Dying {
        /// Of the error.
        kind: u8,
        /// How hard it was.
        rung: u8,
        /// Whether somebody had asked for it.
        asked: bool,
    },
    /// Nothing is left.
    Stopped,
}

impl Stage {
    pub(super) fn tells(self) -> bool {
        matches!(self, Self::Serving | Self::Cancelling)
    }
}

/// How far force has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Not used.
    None,
    /// Interrupted; the store is dropped then.
    Trapping {
        /// Nanoseconds.
        kill_at: u64,
    },
    /// The store is to be dropped.
    Killing,
}

impl Force {
    pub(super) fn due(self) -> u64 {
        if let Self::Trapping { kill_at } = self {
            kill_at
        } else {
            NEVER
        }
    }

    pub(super) fn is_on(self) -> bool {
        self != Self::None
    }

    fn rung(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Trapping { .. } => 1,
            Self::Killing => 2,
        }
    }
}

/// A rung as a number.
pub(super) fn rung(rung: Rung) -> u8 {
    match rung {
        Rung::Acked => 0,
        Rung::Trapped => 1,
        Rung::Killed => 2,
        Rung::AlreadyGone => 3,
    }
}

const SPAWN_FAILED: u8 = 14;
const LIMIT: u8 = 13;
const CANCELLED: u8 = 4;

impl Model {
    /// An actor of this parent, in one of its nurseries; the root is its own parent.
    pub fn born(&mut self, parent: usize, nursery: u32) {
        self.actors.push(Actor {
            stage: Stage::Serving,
            stage_cancel: None,
            force: Force::None,
            main: NONE,
            main_failed: Some(false),
            live: Vec::new(),
            nurseries: 0,
            children: 0,
            parent,
            nursery,
            known: nursery != NONE,
            cancelled: None,
            cancel_owed: false,
            up_owed: 0,
            ended_owed: 0,
            trap_owed: 0,
            kill_owed: 0,
            stopped_owed: None,
            loose_acks: Vec::new(),
            owed_events: 0,
            owed_frames: 0,
            known_errors: Vec::new(),
            known_cancels: Vec::new(),
        });
        if nursery != NONE {
            self.nurseries[nursery as usize].children += 1;
            self.actors[parent].children += 1;
        }
    }

    pub(super) fn cover_actor(&mut self, actor: usize, input: ActorInput) {
        let actor = &self.actors[actor];
        self.coverage.actor(actor.stage, actor.force, input);
    }

    /// A nursery of a task, or of the actor.
    pub fn nursery_open(&mut self, actor: usize, owner: u32) -> Result<(), Refusal> {
        self.cover_actor(actor, ActorInput::NurseryOpen);
        if owner == NONE && self.actors[actor].stage != Stage::Serving {
            return Err(Refusal::Closing);
        }
        if owner != NONE {
            self.live_command(owner, crate::coverage::Input::NurseryUnder);
            if !self.ctx(owner).can_adopt() {
                return Err(Refusal::UnknownKey);
            }
        }
        if self.actors[actor].nurseries as usize >= self.limits.nurseries {
            return Err(Refusal::Limit);
        }
        self.nurseries.push(Nursery {
            actor,
            owner,
            children: 0,
            cancel: None,
            closing: false,
            abandoned: false,
            live: true,
            closed_owed: false,
        });
        self.actors[actor].nurseries += 1;
        self.adopt(owner);
        Ok(())
    }

    /// The number of the nursery opened last.
    pub fn newest_nursery(&self) -> u32 {
        self.nurseries.len() as u32 - 1
    }

    /// Whether a child may be started; the kind of error if not.
    pub fn may_spawn(&mut self, ni: u32) -> Result<(), u8> {
        let nursery = &self.nurseries[ni as usize];
        let actor = nursery.actor;
        self.cover_actor(actor, ActorInput::Spawn);
        self.cover_nursery(ni, ActorInput::Spawn);
        let nursery = &self.nurseries[ni as usize];
        let closed = !nursery.live || nursery.closing || nursery.cancel.is_some();
        if self.actors[actor].stage != Stage::Serving || closed {
            return Err(SPAWN_FAILED);
        }
        if self.actors[actor].children as usize >= self.limits.children {
            return Err(LIMIT);
        }
        Ok(())
    }

    fn cover_nursery(&mut self, ni: u32, input: ActorInput) {
        let nursery = &self.nurseries[ni as usize];
        let state = match () {
            () if !nursery.live => 5,
            () if nursery.abandoned => 4,
            () if nursery.closing && nursery.cancel.is_some() => 3,
            () if nursery.closing => 2,
            () if nursery.cancel.is_some() => 1,
            () => 0,
        };
        self.coverage.nursery(state, input);
    }

    /// Every child is asked to end.
    pub fn nursery_cancel(&mut self, ni: u32) {
        let actor = self.nurseries[ni as usize].actor;
        self.cover_nursery(ni, ActorInput::NurseryCancel);
        self.cover_actor(actor, ActorInput::NurseryCancel);
        self.cancel_nursery(ni, Cancel::by(actor, REQUESTED));
    }

    fn cancel_nursery(&mut self, ni: u32, cancel: Cancel) {
        let nursery = &mut self.nurseries[ni as usize];
        if !nursery.live || nursery.cancel.is_some() {
            return;
        }
        nursery.cancel = Some(cancel);
        for child in 0..self.actors.len() {
            if self.actors[child].nursery == ni {
                self.ask_child(child, cancel);
            }
        }
    }

    fn ask_child(&mut self, child: usize, cancel: Cancel) {
        let actor = &mut self.actors[child];
        if !actor.known || actor.cancelled.is_some() {
            return;
        }
        (actor.cancelled, actor.cancel_owed) = (Some(cancel), true);
        let parent = actor.parent;
        self.actors[parent].owed_frames += 1;
    }

    /// A parent asks one child to end.
    pub fn cancel_child(&mut self, parent: usize, child: usize) -> Result<(), Refusal> {
        self.cover_actor(parent, ActorInput::CancelChild);
        if !self.actors[child].known {
            return Err(Refusal::UnknownKey);
        }
        self.ask_child(child, Cancel::by(parent, REQUESTED));
        Ok(())
    }

    /// No more children.
    pub fn nursery_close(&mut self, ni: u32) {
        let actor = self.nurseries[ni as usize].actor;
        self.cover_nursery(ni, ActorInput::NurseryClose);
        self.cover_actor(actor, ActorInput::NurseryClose);
        self.shut(ni);
        self.stop_if_done(actor);
    }

    fn shut(&mut self, ni: u32) {
        self.nurseries[ni as usize].closing = true;
        self.close_if_empty(ni);
    }

    fn close_if_empty(&mut self, ni: u32) {
        let nursery = &mut self.nurseries[ni as usize];
        if !nursery.live || !nursery.closing || nursery.children > 0 {
            return;
        }
        nursery.live = false;
        let (actor, owner, told) = (nursery.actor, nursery.owner, !nursery.abandoned);
        self.actors[actor].nurseries -= 1;
        if told && self.actors[actor].stage.tells() {
            self.nurseries[ni as usize].closed_owed = true;
            self.actors[actor].owed_events += 1;
        }
        self.disown(owner);
    }

    fn of_actor(&self, actor: usize) -> impl Iterator<Item = u32> + use<> {
        let all: Vec<u32> = (0..self.nurseries.len() as u32)
            .filter(|ni| {
                let nursery = &self.nurseries[*ni as usize];
                nursery.live && nursery.actor == actor
            })
            .collect();
        all.into_iter()
    }

    /// The nurseries of a task that is over, or of the actor itself.
    pub(super) fn abandon_nurseries(&mut self, actor: usize, owner: u32) {
        if self.actors[actor].nurseries == 0 {
            return;
        }
        let cancel = self.actors[actor].stage_cancel.unwrap_or(Cancel::by(actor, TEARDOWN));
        for ni in self.of_actor(actor) {
            if self.nurseries[ni as usize].owner == owner {
                self.cancel_nursery(ni, cancel);
                self.nurseries[ni as usize].abandoned = true;
                self.shut(ni);
            }
        }
    }

    pub(super) fn close_nurseries_of(&mut self, owner: u32, cancel: Cancel) {
        for ni in self.of_actor(self.ctx(owner).actor) {
            if self.nurseries[ni as usize].owner == owner {
                self.cancel_nursery(ni, cancel);
                self.shut(ni);
            }
        }
    }

    /// Whether the task has a nursery whose children were asked to end and have not yet.
    pub(super) fn nurseries_ending(&self, owner: u32) -> bool {
        let mut owned = self
            .nurseries
            .iter()
            .filter(|nursery| nursery.live && nursery.owner == owner);
        owned.any(|nursery| nursery.cancel.is_some() && nursery.children > 0)
    }

    /// A parent hears that a child is dead.
    pub(super) fn child_ended(&mut self, parent: usize, child: usize, error: Option<&BoxedError>) {
        let actor = &mut self.actors[child];
        if !std::mem::replace(&mut actor.known, false) {
            return;
        }
        let ni = actor.nursery;
        self.cover_nursery(ni, ActorInput::ChildEnded);
        self.actors[parent].children -= 1;
        if let Some(error) = error {
            self.remember(parent, error);
            self.cancel_nursery(ni, Cancel::by(parent, TEARDOWN));
            self.actors[parent].owed_events += i64::from(self.actors[parent].stage.tells());
        }
        if self.actors[parent].stage.tells() {
            self.actors[child].ended_owed += 1;
            self.actors[parent].owed_events += 1;
        }
        self.nurseries[ni as usize].children -= 1;
        self.close_if_empty(ni);
        self.stop_if_done(parent);
    }

    /// An actor is asked to end.
    pub fn cancel_actor(&mut self, actor: usize, cancel: Cancel) {
        if self.actors[actor].stage != Stage::Serving {
            return;
        }
        self.actors[actor].stage = Stage::Cancelling;
        self.actors[actor].stage_cancel = Some(cancel);
        self.cancel_all_tasks(actor, cancel);
        self.stop_if_done(actor);
    }

    fn cancel_all_tasks(&mut self, actor: usize, cancel: Cancel) {
        for at in 0..self.actors[actor].live.len() {
            let ci = self.actors[actor].live[at];
            if self.ctx(ci).callee {
                self.fault(ci, Fault::ActorCancelled);
                self.cancel_task(ci, cancel);
            } else {
                self.fault(ci, Fault::CallerActorCancelled);
            }
        }
    }

    /// By itself.
    pub fn cancel_self(&mut self, actor: usize) {
        self.cover_actor(actor, ActorInput::CancelSelf);
        self.cancel_actor(actor, Cancel::by(actor, REQUESTED));
    }

    pub(super) fn main_over(&mut self, actor: usize, terminal: Terminal) {
        self.cover_actor(actor, ActorInput::MainOver);
        let state = &mut self.actors[actor];
        state.main = NONE;
        state.main_failed = match terminal {
            Terminal::Value(_) => state.main_failed,
            Terminal::Cancelled(_) => Some(false),
            // What a task returns may turn out to be a cancellation that it was told of.
            Terminal::Failed(_) => None,
            Terminal::Own(_) => Some(true),
        };
        if state.stage == Stage::Serving {
            state.stage = Stage::Cancelling;
            state.stage_cancel = Some(Cancel::by(actor, TEARDOWN));
        }
        if let Some(cancel) = state.stage_cancel {
            self.cancel_all_tasks(actor, cancel);
        }
    }

    /// By force.
    pub fn force(&mut self, actor: usize) {
        self.cover_actor(actor, ActorInput::Force);
        self.trap(actor);
    }

    pub(super) fn trap(&mut self, actor: usize) {
        let kill_at = self.now + self.limits.trap_grace;
        let state = &mut self.actors[actor];
        if state.force == Force::None && state.stage.tells() {
            state.force = Force::Trapping { kill_at };
            state.trap_owed += 1;
        }
    }

    pub(super) fn escalate(&mut self, actor: usize) {
        self.cover_actor(actor, ActorInput::Timer);
        let state = &mut self.actors[actor];
        if self.now >= state.force.due() {
            state.force = Force::Killing;
            state.kill_owed += 1;
        }
    }

    /// An actor's code is gone.
    pub fn die(&mut self, actor: usize, error: &BoxedError) {
        self.cover_actor(actor, ActorInput::Die);
        let state = &mut self.actors[actor];
        if !state.stage.tells() {
            return;
        }
        let (rung, asked) = (state.force.rung(), state.stage_cancel);
        (state.force, state.main) = (Force::None, NONE);
        let kind = digest::kind(&error.kind);
        state.stage = Stage::Dying {
            kind,
            rung,
            asked: asked.is_some(),
        };
        self.forget_events(actor);
        let live = std::mem::take(&mut self.actors[actor].live);
        for ci in &live {
            self.bury(*ci, error, rung);
        }
        let for_children = asked.unwrap_or(Cancel::by(actor, TEARDOWN));
        for ni in self.of_actor(actor) {
            self.cancel_nursery(ni, for_children);
            (self.nurseries[ni as usize].abandoned, self.nurseries[ni as usize].owner) = (true, NONE);
            self.shut(ni);
        }
        self.stop_if_done(actor);
    }

    /// Nobody is left who could be told.
    fn forget_events(&mut self, actor: usize) {
        self.actors[actor].owed_events = 0;
        for ctx in self.ctxs.iter_mut().filter(|ctx| ctx.actor == actor) {
            ctx.events = [0; 8];
        }
        for child in self.actors.iter_mut().filter(|child| child.parent == actor) {
            (child.up_owed, child.ended_owed) = (0, 0);
        }
        for nursery in self.nurseries.iter_mut().filter(|nursery| nursery.actor == actor) {
            nursery.closed_owed = false;
        }
    }

    fn bury(&mut self, ci: u32, error: &BoxedError, rung: u8) {
        self.cover(ci, crate::coverage::Input::Die);
        let ctx = self.ctx(ci);
        let fault = if ctx.callee {
            Fault::CalleeDied
        } else {
            Fault::CallerDied
        };
        self.fault(ci, fault);
        let ctx = self.ctx_mut(ci);
        ctx.live = false;
        if !ctx.callee {
            if !ctx.is_over() && ctx.cancel.is_none() {
                ctx.cancel = Some(Cancel::by(ctx.actor, PEER_LOST));
                self.owe_frame(ci, Fr::Cancel);
            }
            return;
        }
        let last_word = match (ctx.state, ctx.cancel) {
            _ if ctx.broken.is_some() => Terminal::Own(ctx.broken.unwrap_or_default()),
            (State::Finishing(terminal), _) if !matches!(terminal, Terminal::Value(_)) => terminal,
            (_, Some(cancel)) if rung > 0 => Terminal::Cancelled(cancel),
            _ => Terminal::Own(digest::kind(&error.kind)),
        };
        let (tell, ack) = (!ctx.caller_gone, ctx.ack);
        if tell {
            ctx.terminal = Some(last_word);
            self.owe_frame(ci, Fr::Terminal);
        }
        if ack {
            self.owe_frame(ci, Fr::Ack);
        }
    }

    /// Tasks first, then what no task owned, then itself.
    pub(super) fn stop_if_done(&mut self, actor: usize) {
        let state = &self.actors[actor];
        let error = match state.stage {
            Stage::Serving | Stage::Stopped => return,
            Stage::Cancelling if state.live.iter().any(|ci| self.ctx(*ci).callee) => return,
            Stage::Cancelling => (state.main_failed, state.force.rung()),
            Stage::Dying { rung, asked: true, .. } if rung > 0 => (state.main_failed, rung),
            Stage::Dying { rung, .. } => (Some(true), rung),
        };
        for at in (0..self.actors[actor].live.len()).rev() {
            let ci = self.actors[actor].live[at];
            self.release_one(ci);
        }
        self.abandon_nurseries(actor, NONE);
        let state = &mut self.actors[actor];
        if !state.live.is_empty() || state.nurseries > 0 {
            return;
        }
        (state.stage, state.force) = (Stage::Stopped, Force::None);
        state.stopped_owed = Some(error);
    }

    /// The kind of the error that tells of a cancel.
    pub(super) fn is_cancelled(kind: u8) -> bool {
        kind == CANCELLED
    }
}
