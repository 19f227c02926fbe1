//! Exit hooks: the last thing that an actor's own code does (semantics 10).
//!
//! ```text
//! Unwanted ──on_exit──► Wanted ──nothing is left in or below it──► Running ──exited──► Over
//!                          └─── ended by force: they do not run       └── their grace, then the ladder
//! ```
//! It serves nobody by then and opens nothing: hooks are for what the actor has outside, or in its memory.
//! An actor without hooks is never asked, and ends as fast as one that has nothing to wait for.

use steading_types::{BoxedError, Event, Refusal};

use super::ending::{Force, Stage};
use super::{Core, NEVER};

/// How far an actor is with its hooks.
#[derive(Debug)]
pub(crate) enum Exit {
    Unwanted,
    Wanted,
    Running {
        until: u64,
    },
    /// With how they failed, if they did.
    Over(Option<Box<BoxedError>>),
}

impl<P: Clone> Core<P> {
    /// The actor's code has something to do before it leaves. Idempotent.
    ///
    /// # Errors
    /// `Closing` once hooks run, and for an actor whose code is gone.
    pub fn on_exit(&mut self) -> Result<(), Refusal> {
        match (&self.stage, &self.exit) {
            (Stage::Serving | Stage::Cancelling(_), Exit::Unwanted | Exit::Wanted) => {
                self.exit = Exit::Wanted;
                Ok(())
            }
            _ => Err(Refusal::Closing),
        }
    }

    /// The hooks have run; with how they failed, if they did. Ignored unless they were asked to.
    pub fn exited(&mut self, error: Option<Box<BoxedError>>) {
        if matches!(self.exit, Exit::Running { .. }) {
            let own = error.map(|error| Box::new(self.relays.stamp(*error, &self.me, 0, None)));
            self.exit = Exit::Over(own);
            self.stop_if_done();
        }
    }

    /// Whether hooks are to be waited for; asks for them when it is their turn.
    pub(super) fn waits_for_hooks(&mut self) -> bool {
        if matches!((&self.exit, self.force), (Exit::Wanted, Force::None)) && !mutant!(self, HooksForgotten) {
            let until = self.now.saturating_add(self.limits.cancel_grace);
            self.exit = Exit::Running { until };
            self.tell(Event::Exit);
        }
        matches!(self.exit, Exit::Running { .. })
    }

    /// When hooks have had their time.
    pub(super) fn exit_due(&self) -> u64 {
        match (&self.exit, &self.stage, self.force) {
            _ if mutant!(self, HooksUnbounded) => NEVER,
            (Exit::Running { until }, Stage::Cancelling(_), Force::None) => *until,
            _ => NEVER,
        }
    }

    /// How the hooks failed.
    pub(super) fn exit_error(&self) -> Option<Box<BoxedError>> {
        match &self.exit {
            Exit::Over(error) => error.clone(),
            Exit::Unwanted | Exit::Wanted | Exit::Running { .. } => None,
        }
    }
}
