//! How an actor ends: asked to, by its own fault, or by force (semantics 10).
//!
//! ```text
//! Serving ──cancel──► Cancelling ──every task over, then every child, then hooks──► Stopped
//!    └───────────die────────┴─────► Dying ──────────────every child dead─────────────┘
//! ```
//! Children always go first: `Output::Stopped` comes when nothing below is alive.

use steading_types::{BoxedError, Cancellation, Cause, ErrorKind, Key, Rung};

use super::context::{Callee, CalleeState, Context, Side};
use super::{Core, NEVER, Output};
use crate::frame::{Dest, Frame};

/// Where an actor is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It takes calls.
    Serving,
    /// It was asked to end; its tasks are ending.
    Cancelling(Cancellation),
    /// Its code is gone; its children are ending.
    Dying {
        /// What its peers were told.
        error: Box<BoxedError>,
        /// How hard it was.
        rung: Rung,
        /// Who had asked for it, if anybody.
        cancellation: Option<Cancellation>,
    },
    /// Nothing is left of it.
    Stopped,
}

impl Stage {
    /// Whether it no longer takes calls.
    pub fn is_ending(&self) -> bool {
        !matches!(self, Self::Serving)
    }

    /// The stage's name, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Cancelling(_) => "cancelling",
            Self::Dying { .. } => "dying",
            Self::Stopped => "stopped",
        }
    }

    /// Who asked for its end, if anybody.
    pub fn cancellation(&self) -> Option<&Cancellation> {
        match self {
            Self::Cancelling(cancellation) => Some(cancellation),
            Self::Dying { cancellation, .. } => cancellation.as_ref(),
            Self::Serving | Self::Stopped => None,
        }
    }
}

/// How far force has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Force {
    None,
    Trapping { kill_at: u64 },
    Killing,
}

impl Force {
    pub(crate) fn due(self) -> u64 {
        match self {
            Self::Trapping { kill_at } => kill_at,
            Self::None | Self::Killing => NEVER,
        }
    }

    fn rung(self) -> Rung {
        match self {
            Self::None => Rung::Acked,
            Self::Trapping { .. } => Rung::Trapped,
            Self::Killing => Rung::Killed,
        }
    }
}

impl<P: Clone> Core<P> {
    /// Cancels this actor: its tasks, then its nurseries, then itself. The first requester stays.
    pub fn cancel_actor_now(&mut self, cancellation: Cancellation) {
        if self.stage.is_ending() {
            return;
        }
        self.stage = Stage::Cancelling(cancellation.clone());
        for key in self.callees() {
            self.cancel_task(key, cancellation.clone());
            if mutant!(self, CancelMissesTasks) {
                break;
            }
        }
        self.stop_if_done();
        self.arm_all();
    }

    /// Cancels this actor at its own request.
    pub fn cancel_self(&mut self, reason: Option<String>) {
        let cancellation = self.cancellation(reason, Cause::Requested);
        self.cancel_actor_now(cancellation);
    }

    /// A failure of the main task is how the actor ended: nobody else would be told.
    pub(super) fn keep_main_error(&mut self, terminal: &Frame) {
        if let Frame::Error(error) = terminal {
            self.main_error = (!matches!(error.kind, ErrorKind::Cancelled(_))).then(|| error.clone());
        }
    }

    /// The actor's main task is over, and the actor with it.
    pub(super) fn end_after_main(&mut self) {
        self.main = None;
        if !self.stage.is_ending() {
            self.stage = Stage::Cancelling(self.cancellation(None, Cause::ParentTeardown));
        }
        let Some(cancellation) = self.stage.cancellation().cloned() else {
            return;
        };
        for key in self.callees() {
            self.cancel_task(key, cancellation.clone());
        }
    }

    fn callees(&self) -> Vec<Key> {
        self.contexts
            .iter()
            .filter(|(_, context)| matches!(context.side, Side::Callee(_)))
            .map(|(key, _)| key)
            .collect()
    }

    fn arm_all(&mut self) {
        for key in self.contexts.keys() {
            self.arm(key);
        }
    }

    /// Interrupts the guest; it has had its time.
    pub(super) fn trap(&mut self) {
        if mutant!(self, TrapNever) {
            return;
        }
        if self.force == Force::None && !matches!(self.stage, Stage::Dying { .. } | Stage::Stopped) {
            self.force = Force::Trapping {
                kill_at: self.now.saturating_add(self.limits.trap_grace),
            };
            self.outputs.push_back(Output::Trap);
        }
    }

    /// Skips the request: interrupt now, drop the store if that is not enough.
    pub fn force(&mut self) {
        self.trap();
    }

    pub(super) fn escalate(&mut self) {
        if matches!(self.force, Force::Trapping { .. }) && !mutant!(self, KillNever) {
            self.force = Force::Killing;
            self.outputs.push_back(Output::Kill);
        }
    }

    /// The actor's code is gone: a panic, a trap, a limit, or force. Every peer is told the same cause,
    /// save those whose task had failed already, and, if it was force, those whose task was cancelled.
    pub fn die(&mut self, mut error: BoxedError) {
        if matches!(self.stage, Stage::Dying { .. } | Stage::Stopped) {
            return;
        }
        let rung = self.force.rung();
        error.source = self.me.clone();
        let cancellation = self.stage.cancellation().cloned();
        self.force = Force::None;
        self.events.clear();
        self.main = None;
        self.next_due = NEVER;
        self.next_restart = NEVER;
        self.stage = Stage::Dying {
            error: Box::new(error.clone()),
            rung,
            cancellation: cancellation.clone(),
        };
        for key in self.contexts.keys() {
            self.bury(key, &error, rung);
        }
        let reason = Some(format!("parent {} died: {}", self.me, error.kind));
        let for_children = cancellation.unwrap_or_else(|| self.cancellation(reason, Cause::ParentTeardown));
        self.abandon_all_nurseries(&for_children);
        self.stop_if_done();
    }

    fn bury(&mut self, key: Key, error: &BoxedError, rung: Rung) {
        self.revoke(key);
        let Some(context) = self.contexts.remove(key) else {
            return;
        };
        match context.side {
            Side::Callee(_) => self.bury_callee(context, error, rung),
            Side::Caller(_) if context.is_over() || context.cancel.is_some() || mutant!(self, DeadCallerSilent) => {}
            Side::Caller(_) => {
                let reason = Some(format!("caller died: {}", error.kind));
                let cancellation = self.cancellation(reason, Cause::PeerLost);
                let dest = context.remote.map_or(Dest::Origin(self.me.uuid, key), Dest::Key);
                if let Some(peer) = context.peer {
                    self.send(
                        peer,
                        dest,
                        Frame::Cancel {
                            cancellation,
                            reply: key,
                        },
                        0,
                    );
                }
            }
        }
    }

    fn bury_callee(&mut self, context: Context<P>, error: &BoxedError, rung: Rung) {
        let Context {
            peer: Some(peer),
            remote: Some(remote),
            side: Side::Callee(callee),
            ..
        } = context
        else {
            return;
        };
        if !mutant!(self, OriginOutlivesDeath) {
            self.origins.remove(&(context.peer_id.uuid, remote));
        }
        let Callee {
            ack,
            caller_gone,
            state,
            ..
        } = callee;
        if let (false, Some(error)) = (caller_gone, &context.broken) {
            // This side had broken it off: nothing hides that (semantics 7).
            self.send(peer.clone(), Dest::Key(remote), Frame::Error(error.clone()), 0);
        } else if !caller_gone {
            let last_word = match (state, context.cancel) {
                // It had failed, and only waited for what it owned: nothing hides that (semantics 7).
                (CalleeState::Finishing(terminal), _)
                    if matches!(*terminal, Frame::Error(_)) && !mutant!(self, DeathMasksError) =>
                {
                    *terminal
                }
                (_, Some(cancellation)) if rung != Rung::Acked => {
                    Frame::Error(Box::new(BoxedError::cancelled(cancellation, self.me.clone())))
                }
                _ => Frame::Error(Box::new(BoxedError {
                    context: context.serial,
                    ..error.clone()
                })),
            };
            self.send(peer.clone(), Dest::Key(remote), last_word, 0);
        }
        if let Some(reply) = ack {
            self.send(peer, Dest::Key(reply), Frame::CancelAck, 0);
        }
    }

    /// Why a call is refused, if it is.
    pub(super) fn refusing(&self) -> Option<BoxedError> {
        match &self.stage {
            Stage::Serving => None,
            Stage::Cancelling(cancellation) => Some(BoxedError::cancelled(cancellation.clone(), self.me.clone())),
            Stage::Dying { error, .. } => Some((**error).clone()),
            Stage::Stopped => Some(self.error(ErrorKind::LinkClosed, format!("actor {} is gone", self.me))),
        }
    }

    /// Goes on with the actor's end as far as it can: tasks, then what no task owned, then itself.
    pub(super) fn stop_if_done(&mut self) {
        let (error, rung) = match &self.stage {
            Stage::Serving | Stage::Stopped => return,
            Stage::Cancelling(_) if self.has_tasks() => return,
            Stage::Cancelling(_) => (self.main_error.clone().or_else(|| self.exit_error()), self.force.rung()),
            // Ended by force on request is not a failure; failing on the way out is.
            Stage::Dying {
                rung,
                cancellation: Some(_),
                ..
            } if *rung != Rung::Acked => (self.main_error.clone(), *rung),
            Stage::Dying { error, rung, .. } => (Some(error.clone()), *rung),
        };
        self.release_loose();
        // A child between two lives is over at once: if it was the last thing here, all this has been done.
        if self.stage == Stage::Stopped && !mutant!(self, StoppedTwice) {
            return;
        }
        if self.contexts.len() > 0 || (self.has_nurseries() && !mutant!(self, StoppedBeforeChildren)) {
            return;
        }
        if matches!(self.stage, Stage::Cancelling(_)) && self.waits_for_hooks() {
            return;
        }
        self.stage = Stage::Stopped;
        self.force = Force::None;
        self.outputs.push_back(Output::Stopped { error, rung });
    }

    fn has_tasks(&self) -> bool {
        self.contexts
            .iter()
            .any(|(_, context)| matches!(context.side, Side::Callee(_)))
    }

    /// Asks everything that belongs to no task to end. Each has a ladder of its own, so the wait is bounded.
    fn release_loose(&mut self) {
        for key in self.contexts.keys() {
            self.release_context(key);
        }
        self.abandon_nurseries(None);
    }

    /// Tells the parent that this child runs.
    pub fn up(&mut self) {
        if let Some((parent, portal)) = self.parent.clone() {
            self.send(parent, Dest::Actor, Frame::ChildUp(portal), 0);
        }
    }

    /// Tells the parent that this child is dead. The shell calls it when nothing of it is left.
    pub fn ended(&mut self, error: Option<Box<BoxedError>>, rung: Rung) {
        if let Some((parent, portal)) = self.parent.clone() {
            self.send(parent, Dest::Actor, Frame::ChildEnded { portal, error, rung }, 0);
        }
    }
}
