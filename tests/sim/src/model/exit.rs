//! Exit hooks (semantics 10): whether an actor has any, and how far it is with them.

use steading_types::Refusal;

use super::actor::{Force, Stage};
use super::{Model, NEVER};
use crate::check;
use crate::coverage::ActorInput;

/// How far an actor is with its hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Exit {
    #[default]
    Unwanted,
    Wanted,
    Running {
        /// Nanoseconds.
        until: u64,
    },
    Over {
        failed: bool,
    },
}

impl Exit {
    /// Whether an actor with this failure of its main task, if that is known, ends with one.
    pub(super) fn fails(self, main: Option<bool>) -> Option<bool> {
        match self {
            Self::Over { failed } if main == Some(false) => Some(failed),
            _ => main,
        }
    }
}

impl Model {
    /// An actor has something to do before it leaves.
    pub fn on_exit(&mut self, actor: usize) -> Result<(), Refusal> {
        self.cover_actor(actor, ActorInput::OnExit);
        let state = &mut self.actors[actor];
        match state.exit {
            Exit::Unwanted | Exit::Wanted if state.stage.tells() => state.exit = Exit::Wanted,
            _ => return Err(Refusal::Closing),
        }
        Ok(())
    }

    /// It is done.
    pub fn exited(&mut self, actor: usize, failed: bool) {
        self.cover_actor(actor, ActorInput::Exited);
        if matches!(self.actors[actor].exit, Exit::Running { .. }) {
            self.actors[actor].exit = Exit::Over { failed };
            self.stop_if_done(actor);
        }
    }

    /// Whether its hooks run: it was asked, lives, and has not said that they are over.
    pub fn runs_hooks(&self, actor: usize) -> bool {
        let state = &self.actors[actor];
        state.stage == Stage::Cancelling && matches!(state.exit, Exit::Running { .. })
    }

    /// Nothing else is left of it: whether hooks are.
    pub(super) fn waits_for_hooks(&mut self, actor: usize) -> bool {
        let until = self.now + self.limits.cancel_grace;
        let state = &mut self.actors[actor];
        if state.exit == Exit::Wanted && state.force == Force::None {
            state.exit = Exit::Running { until };
            state.exit_owed = true;
            state.owed_events += 1;
        }
        self.runs_hooks(actor)
    }

    pub(super) fn exit_due(&self, actor: usize) -> u64 {
        let state = &self.actors[actor];
        match (state.exit, state.stage, state.force) {
            (Exit::Running { until }, Stage::Cancelling, Force::None) => until,
            _ => NEVER,
        }
    }

    /// They have had their time.
    pub(super) fn exit_timeout(&mut self, actor: usize) {
        if self.now >= self.exit_due(actor) {
            self.trap(actor);
        }
    }

    /// It is told that it is time.
    pub(super) fn pay_exit(&mut self, actor: usize) {
        let owed = std::mem::take(&mut self.actors[actor].exit_owed);
        check!(owed, "I18", "an actor is asked for hooks before its end, or twice");
        self.actors[actor].owed_events -= 1;
    }
}
