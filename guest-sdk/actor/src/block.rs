//! How a caller's block is entered and left (semantics 3, 5 and 7).
//!
//! Whatever happens inside, the block ends only when the callee has ended or a bound has passed; what
//! leaves it is decided in one place, [`precedence`]. Waiting for the callee is not subject to the
//! scope that was cancelled: teardown is shielded and bounded.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use steading_types::{BoxedError, Cause, ErrorKind, Outcome};

use crate::codec;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::link::{Link, LinkState, On};
use crate::runtime::{failure, implied_unit};
use crate::scope::{self, Block, Node, scoped};

/// A context that is the block's to look after. Dropped early, it lets go, and the host cancels the callee.
pub(crate) struct Held {
    link: Arc<Link>,
    _block: Block,
}

impl Held {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        let _block = Block::enter();
        Self { link, _block }
    }

    /// Nothing more is heard of the context; other tasks may wait on it all the same.
    fn let_go(&self) {
        let Link { actor, endpoint, .. } = &*self.link;
        let message = format!("{endpoint}: its block was left before it was over");
        let error = BoxedError::new(ErrorKind::LinkClosed, actor.me().clone(), message);
        self.link.on_ended(Outcome::Failed(Box::new(error))).run();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.link.close_stream();
        if self.link.with(|state| state.outcome.is_none()) {
            self.let_go();
        }
        self.link.actor.boundary().release(self.link.key);
        self.link.actor.forget(self.link.key);
    }
}

/// Runs a block over a context that was just opened.
pub(crate) async fn run<S, R, St, T, F>(link: Arc<Link>, body: F) -> Result<T>
where
    St: DeserializeOwned,
    F: AsyncFnOnce(Context<S, R, St>, St) -> Result<T>,
{
    let held = Held::new(link);
    let link = &held.link;
    let decode = |value: Bytes| codec::decode(&value).map_err(|e| e.about("first value"));
    let first = match enter(link).await.and_then(decode) {
        Ok(first) => first,
        Err(error) => return Err(leave_with_error(link, error).await),
    };
    let node = Node::inside_current(&link.actor);
    link.enter_scope(&node);
    let end = scoped(node.clone(), body(Context::new(link.clone()), first)).await;
    link.close_stream();
    let end = end.and_then(|end| end);
    if let Err(error) = &end {
        let caught = node.has_raised(error) && scope::check().is_ok();
        link.with(|state| state.cancelled_caught |= caught);
    }
    match end {
        Ok(value) => leave(link).await.map(|()| value),
        Err(error) => Err(leave_with_error(link, error).await),
    }
}

/// A block without a body: waits for the result of a call.
pub(crate) async fn call(link: Arc<Link>) -> Result<Bytes> {
    let held = Held::new(link);
    match wait_end(&held.link).await {
        Ok(()) => judge(&held.link),
        Err(error) => Err(leave_with_error(&held.link, error).await),
    }
}

/// Waits for the first value.
async fn enter(link: &Arc<Link>) -> Result<Bytes> {
    let step = |state: &mut LinkState| match (&state.outcome, &state.started) {
        (Some(outcome), _) if failure(outcome).is_some() => failure(outcome).map(Err),
        (_, Some(value)) => Some(Ok(value.clone())),
        (Some(_), None) => Some(Ok(implied_unit())),
        (None, None) => None,
    };
    link.wait_in_block(step).await
}

/// Waits for the end of the callee; `Err` if the current scope is cancelled first.
pub(crate) async fn wait_end(link: &Arc<Link>) -> Result<()> {
    link.wait_in_block(|state| state.outcome.as_ref().map(|_| Ok(()))).await
}

/// The value of a context that has ended, or what to raise instead.
pub(crate) fn judge(link: &Link) -> Result<Bytes> {
    link.with(|state| match &state.outcome {
        Some(Outcome::Returned(value)) => Ok(value.clone()),
        Some(Outcome::Cancelled(c)) if state.is_echo(link, c) => Err(Error::absorbed(c.clone())),
        Some(outcome) => Err(failure(outcome).unwrap_or_else(|| no_outcome(link))),
        None => Err(no_outcome(link)),
    })
}

fn no_outcome(link: &Link) -> Error {
    Error::fault(ErrorKind::Internal, format!("{}: no outcome", link.endpoint))
}

/// The body has ended well: the callee decides.
async fn leave(link: &Arc<Link>) -> Result<()> {
    let waited = match link.with(|state| state.cancel_called) {
        true => {
            ended(link).await;
            Ok(())
        }
        false => wait_end(link).await,
    };
    match waited {
        Err(error) if error.is_cancelled() => Err(leave_with_error(link, error).await),
        Err(error) => Err(error),
        Ok(()) => match judge(link) {
            Err(error) if !error.is_absorbed() => Err(error),
            _ => Ok(()),
        },
    }
}

/// The body has failed or was cancelled: the callee is cancelled and waited for, then one error leaves.
async fn leave_with_error(link: &Arc<Link>, error: Error) -> Error {
    link.close_stream();
    let implied = !error.is_cancelled() || scope::check().is_err();
    link.with(|state| {
        state.local_error.get_or_insert_with(|| error.clone());
        state.cancel_implied |= implied && state.outcome.is_none();
    });
    link.cancel(None, cause_of(&error));
    ended(link).await;
    precedence(link, error)
}

/// On which ground the callee is cancelled by a block that ends like this.
fn cause_of(error: &Error) -> Cause {
    match error.cancellation() {
        Some(cancellation) if cancellation.cause == Cause::Deadline => Cause::Deadline,
        _ => Cause::Requested,
    }
}

/// Waits for the end of a callee that was cancelled, whatever happens to the current scope. The host bounds it: it
/// knows the grace, and says when nobody has answered.
async fn ended(link: &Arc<Link>) {
    link.wait(On::Progress, |state: &mut LinkState| state.outcome.as_ref().map(|_| ()))
        .await;
}

/// User error > foreign remote error > foreign cancellation > local cancellation > absorbed own cancel.
fn precedence(link: &Link, error: Error) -> Error {
    if !error.is_cancelled() {
        return error;
    }
    let outer = scope::check().is_err();
    link.with(|state| match &state.outcome {
        Some(Outcome::Cancelled(c)) if state.is_echo(link, c) && !outer => Error::absorbed(c.clone()),
        Some(Outcome::Cancelled(c)) if c.canceller == *link.actor.me() => local(link, state, error),
        // Too late: the result stands, and what is left is our own cancel of our own body.
        Some(Outcome::Returned(_)) if state.is_own(link, &error) && !outer => match error.cancellation() {
            Some(cancellation) => Error::absorbed(cancellation.clone()),
            None => error,
        },
        Some(outcome) => failure(outcome).unwrap_or_else(|| local(link, state, error)),
        None => local(link, state, error),
    })
}

/// The local cancellation, which an own one that is to be absorbed must not stand for.
fn local(link: &Link, state: &LinkState, error: Error) -> Error {
    let is_echo = error.cancellation().is_some_and(|c| state.is_echo(link, c));
    match is_echo || error.is_absorbed() {
        true => scope::outer_or(error),
        false => error,
    }
}
