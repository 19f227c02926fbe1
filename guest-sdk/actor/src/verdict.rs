//! Which error leaves a block that looks after several things at once (semantics 7).
//!
//! Whatever block it is, a real failure beats every cancellation, independent failures leave as a group,
//! and that something was cancelled along with its block is no news. Nothing here waits or cancels.

use std::sync::Arc;

use steading_types::{Cancellation, Cause};

use crate::error::{Error, Result};
use crate::scope::Node;

/// What leaves in the place of a block's own end: all failures, each once, the body's first; else a
/// cancellation from elsewhere, which beats that of the scopes around (semantics 5). `None`: its own end.
pub(crate) fn above(own: Option<&Error>, failures: Vec<Error>) -> Option<Error> {
    let (foreign, mut real): (Vec<_>, Vec<_>) = failures.into_iter().partition(Error::is_cancelled);
    let own = own.filter(|error| !error.is_cancelled());
    if let Some(error) = own.filter(|error| !real.iter().any(|known| known.is_same(error))) {
        real.insert(0, error.clone());
    }
    if !real.is_empty() {
        return Some(Error::group(real));
    }
    foreign.into_iter().next()
}

/// How the parts of a block have failed so far.
#[derive(Default)]
pub(crate) struct Failures {
    known: Vec<Error>,
    /// That a part was cancelled along with the block.
    cut: Option<Error>,
}

impl Failures {
    /// A part in `node` has failed: a failure, or a cancellation from elsewhere, ends all that is in there.
    /// That the user cancelled that very part is not a failure.
    pub(crate) fn add(&mut self, node: &Arc<Node>, error: Error) {
        if error.is_absorbed() {
            return;
        }
        if error.is_cancelled() && node.is_cancelled() {
            self.cut.get_or_insert(error);
            return;
        }
        cancel_for(node, &error);
        if !self.known.iter().any(|known| known.is_same(&error)) {
            self.known.push(error);
        }
    }

    /// What leaves the block. A value is lost to a failure, and to a cancel that kept a part from ending as
    /// it should.
    pub(crate) fn judge<T>(self, end: Result<T>) -> Result<T> {
        match (above(end.as_ref().err(), self.known), self.cut) {
            (Some(error), _) => Err(error),
            (None, Some(cut)) => end.and(Err(cut)),
            (None, None) => end,
        }
    }
}

/// Cancels what is in `node` because of a failure, or because of a cancellation, which stays as it is.
pub(crate) fn cancel_for(node: &Arc<Node>, error: &Error) {
    node.cancel(error.cancellation().cloned().unwrap_or_else(|| Cancellation {
        canceller: node.actor().me().clone(),
        reason: Some(error.to_string()),
        cause: Cause::ParentTeardown,
    }));
}
