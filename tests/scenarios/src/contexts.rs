//! CTX-1, CTX-3 and CTX-10: misuse, and a caller that cancels.

use std::time::Duration;

use steading_actor::{Cause, Context, ErrorKind, Outcome, Result, Rung, current, sleep, timeout};

use crate::{CancelBy, Misuse, To, ensure, ensure_eq, failure, me};

/// A bound for what takes milliseconds: generous, because machines are busy.
const SOON: Duration = Duration::from_secs(10);

/// CTX-1: the caller waits in its block and is told; nothing hangs.
pub(crate) async fn started_misuse(portal: To<'_>, misuse: Misuse) -> Result<()> {
    let mut entered = false;
    let body = async |_: Context<(), ()>, (): ()| {
        entered = true;
        sleep(SOON).await
    };
    let error = failure(
        "a block over a misused context",
        timeout(SOON, portal.open_context("misuse", &misuse, body)).await,
    )?;
    let expected = match misuse {
        Misuse::NeverStarted => ErrorKind::NotStarted,
        _ => ErrorKind::InvalidOperation,
    };
    ensure_eq("its kind", error.kind(), expected)?;
    ensure_eq("its source", error.source_actor(), Some(portal.id()))?;
    // A first value and the failure right behind it may arrive together, and then the failure is what counts.
    ensure(
        !entered || misuse == Misuse::StartedTwice,
        "no block is entered without a first value",
    )
}

/// CTX-3. Semantics 5 wins over the row in one point: there is no scope to look at, so that nothing was
/// caught by the body's scope shows in the body going on after the cancel.
pub(crate) async fn parent_cancels(portal: To<'_>, by: CancelBy, inside: bool, early: bool) -> Result<()> {
    let mut kept = None;
    let body = async |ctx: Context<(), (), i64>, first: i64| {
        ensure_eq("the first value", first, 11)?;
        kept = Some(ctx.clone());
        if early {
            ctx.ended().await?;
        }
        match by {
            CancelBy::Context => ctx.cancel("enough").await,
            CancelBy::Portal => ensure_eq("the rung", portal.cancel_actor("enough").await?, Rung::Acked)?,
        }
        if inside {
            check_result(&ctx, by, early).await?;
        }
        Ok(())
    };
    let end = timeout(SOON, portal.open_context("yo", &(10_i64, early), body)).await;
    let ctx = kept.ok_or_else(|| steading_actor::Error::msg("the block was never entered"))?;
    check_block(end, by, early)?;
    if !inside {
        check_result(&ctx, by, early).await?;
    }
    check_state(&ctx, by, early)
}

/// What leaves the block: nothing after a cancel of one's own, the cancellation after one of the actor.
fn check_block(end: Result<()>, by: CancelBy, early: bool) -> Result<()> {
    if early || by == CancelBy::Context {
        return end;
    }
    let error = failure("a block over a cancelled actor", end)?;
    ensure(
        error.is_cancelled() && !error.is_absorbed(),
        format_args!("a cancellation leaves the block, got {error}"),
    )?;
    ensure_eq("its canceller", error.canceller(), Some(&me()))
}

async fn check_result(ctx: &Context<(), (), i64>, by: CancelBy, early: bool) -> Result<()> {
    let result = ctx.wait_result::<String>().await;
    if early {
        return ensure_eq("the result", result?.as_str(), "yo");
    }
    let error = failure("the wait for a cancelled result", result)?;
    ensure_eq(
        "whether the cancellation is a value",
        error.is_absorbed(),
        by == CancelBy::Context,
    )?;
    ensure_eq("its canceller", error.canceller(), Some(&me()))
}

/// What can be seen of the context afterwards (semantics 4).
fn check_state(ctx: &Context<(), (), i64>, by: CancelBy, early: bool) -> Result<()> {
    ensure_eq("cancel_called", ctx.cancel_called(), by == CancelBy::Context)?;
    ensure_eq("cancel_acked", ctx.cancel_acked(), by == CancelBy::Context && !early)?;
    if early {
        ensure(matches!(ctx.outcome(), Some(Outcome::Returned(_))), "the result stands")?;
        ensure(ctx.maybe_error().is_none(), "no error is left behind")?;
        return ensure_eq("the state", ctx.state().name(), "returned");
    }
    let remote = ctx
        .remote_error()
        .ok_or_else(|| steading_actor::Error::msg("no remote error was kept"))?;
    ensure_eq("the canceller", remote.canceller(), Some(&me()))?;
    ensure_eq(
        "the cause",
        remote.cancellation().map(|c| c.cause.clone()),
        Some(Cause::Requested),
    )?;
    ensure_eq(
        "the reason",
        remote.cancellation().and_then(|c| c.reason.as_deref()),
        Some("enough"),
    )?;
    let seen = ctx.maybe_error().map(|error| error.to_string());
    ensure_eq("maybe_error", seen, Some(remote.to_string()))?;
    match ctx.outcome() {
        Some(Outcome::Cancelled(cancellation)) => ensure_eq("the outcome", Some(&cancellation), remote.cancellation()),
        other => ensure(false, format_args!("the outcome is the cancellation, got {other:?}")),
    }
}

/// CTX-10: an actor cannot open a context with itself.
pub(crate) async fn self_context() -> Result<()> {
    let portal = current().portal();
    let body = async |_: Context<(), ()>, (): ()| Ok(());
    let error = failure(
        "a context with oneself",
        portal.open_context("misuse", &Misuse::NeverStarted, body).await,
    )?;
    ensure_eq("its kind", error.kind(), ErrorKind::InvalidOperation)?;
    ensure(
        error.to_string().contains("invalid operation"),
        format_args!("the text says so, got {error}"),
    )
}
