//! What happens to actors and contexts, as events of `tracing` at debug level.
//!
//! One event per beginning and per end, with the actor it concerns: an actor's start and what ended it, and
//! of each context its opening, how its task ended at the callee, and how it came out at the caller. The
//! core is not asked and nothing is formatted unless somebody listens. Nothing that happens depends on whether it could
//! be told: a subscriber that panics is not heard of here.

use steading_types::{ActorId, BoxedError, Ending, Event, Key, Outcome, Rung};
use tracing::{debug, warn};

use super::log::quietly;

pub(super) fn started(actor: &ActorId, depth: u32) {
    quietly(|| debug!(actor = %actor.name, id = %actor.uuid, depth, "actor started"));
}

pub(super) fn ended(actor: &ActorId, cause: Option<&BoxedError>, rung: Rung) {
    quietly(|| match cause {
        Some(cause) => debug!(actor = %actor.name, id = %actor.uuid, ?rung, %cause, "actor ended"),
        None => debug!(actor = %actor.name, id = %actor.uuid, ?rung, "actor ended"),
    });
}

pub(super) fn opened(actor: &ActorId, context: Key, endpoint: &str) {
    let endpoint = super::log::escape(endpoint);
    quietly(|| debug!(actor = %actor.name, id = %actor.uuid, context, %endpoint, "context opened"));
}

/// A child that ended was started again: worth a warning, whoever listens (semantics 10).
pub(super) fn restarted(parent: &ActorId, child: &ActorId, cause: Option<&BoxedError>, restarts: u32) {
    let (actor, id) = (&child.name, child.uuid);
    quietly(|| match cause {
        Some(cause) => {
            let cause = super::log::escape(&cause.to_string());
            warn!(%actor, %id, restarts, parent = %parent.name, %cause, "actor restarted");
        }
        None => warn!(%actor, %id, restarts, parent = %parent.name, "actor restarted"),
    });
}

/// A child could not be started again this time.
pub(super) fn not_restarted(parent: &ActorId, child: &str, cause: &BoxedError, restarts: u32) {
    let (child, cause) = (super::log::escape(child), super::log::escape(&cause.to_string()));
    quietly(|| warn!(actor = %child, restarts, parent = %parent.name, %cause, "actor not restarted"));
}

/// How a callee's task ended.
pub(super) fn finished(actor: &ActorId, context: Key, ending: &Ending) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let id = actor.uuid;
    quietly(|| match ending {
        Ending::Returned(value) => {
            debug!(actor = %actor.name, %id, context, outcome = "returned", bytes = value.len(), "task ended");
        }
        Ending::Failed(error) => {
            let error = super::log::escape(&error.chain());
            debug!(actor = %actor.name, %id, context, outcome = "failed", %error, "task ended");
        }
        Ending::Cancelled => debug!(actor = %actor.name, %id, context, outcome = "cancelled", "task ended"),
    });
}

/// How contexts came out, for those who opened them.
pub(super) fn outcomes(actor: &ActorId, events: &[Event]) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    for event in events {
        if let Event::Ended { context, outcome } = event {
            quietly(|| outcome_of(actor, *context, outcome));
        }
    }
}

fn outcome_of(actor: &ActorId, context: Key, outcome: &Outcome) {
    let (name, id) = (&actor.name, actor.uuid);
    match outcome {
        Outcome::Returned(value) => {
            debug!(actor = %name, %id, context, outcome = "returned", bytes = value.len(), "context ended");
        }
        Outcome::Failed(error) => {
            let error = super::log::escape(&error.to_string());
            debug!(actor = %name, %id, context, outcome = "failed", %error, "context ended");
        }
        Outcome::Cancelled(by) => {
            let by = super::log::escape(&by.to_string());
            debug!(actor = %name, %id, context, outcome = "cancelled", %by, "context ended");
        }
    }
}
