//! The end of actors (semantics 10). What they own is in `nursery.rs`.

use steading_types::{BoxedError, Rung};

use super::exit::Exit;
use super::{Actor, Cancel, Fr, Model, NEVER, PEER_LOST, REQUESTED, State, TEARDOWN, Terminal};
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

const CANCELLED: u8 = 4;

impl Model {
    /// An actor of this parent, in this place of one of its nurseries; the root is its own parent.
    pub fn born(&mut self, parent: usize, place: u32) {
        self.actors.push(Actor {
            stage: Stage::Serving,
            stage_cancel: None,
            force: Force::None,
            main: NONE,
            main_failed: Some(false),
            live: Vec::new(),
            nurseries: Vec::new(),
            children: 0,
            waiting: 0,
            parent,
            place,
            cancelled: None,
            cancel_owed: false,
            force_owed: 0,
            trap_owed: 0,
            kill_owed: 0,
            stopped_owed: None,
            exit: Exit::default(),
            exit_owed: false,
            loose_acks: Vec::new(),
            owed_events: 0,
            owed_frames: 0,
            known_errors: Vec::new(),
            known_cancels: Vec::new(),
        });
    }

    pub(super) fn cover_actor(&mut self, actor: usize, input: ActorInput) {
        let actor = &self.actors[actor];
        self.coverage.actor(actor.stage, actor.force, input);
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
        self.abandon_all_nurseries(actor, for_children);
        self.stop_if_done(actor);
    }

    /// Nobody is left who could be told.
    fn forget_events(&mut self, actor: usize) {
        (self.actors[actor].owed_events, self.actors[actor].exit_owed) = (0, false);
        for ctx in self.ctxs.iter_mut().filter(|ctx| ctx.actor == actor) {
            ctx.events = [0; 8];
        }
        self.forget_news(actor);
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
            Stage::Cancelling => (state.exit.fails(state.main_failed), state.force.rung()),
            Stage::Dying { rung, asked: true, .. } if rung > 0 => (state.main_failed, rung),
            Stage::Dying { rung, .. } => (Some(true), rung),
        };
        for at in (0..self.actors[actor].live.len()).rev() {
            let ci = self.actors[actor].live[at];
            self.release_one(ci);
        }
        self.abandon_nurseries(actor, NONE);
        let state = &mut self.actors[actor];
        // A child that was between two lives is over at once, and may have been the last.
        if state.stage == Stage::Stopped || !state.live.is_empty() || !state.nurseries.is_empty() {
            return;
        }
        if state.stage == Stage::Cancelling && self.waits_for_hooks(actor) {
            return;
        }
        let state = &mut self.actors[actor];
        (state.stage, state.force) = (Stage::Stopped, Force::None);
        state.stopped_owed = Some(error);
    }

    /// The kind of the error that tells of a cancel.
    pub(super) fn is_cancelled(kind: u8) -> bool {
        kind == CANCELLED
    }
}
