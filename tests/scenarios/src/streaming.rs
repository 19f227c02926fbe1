//! CTX-4 and CTX-8: streams of which one end is not there, or no more.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join;
use steading_actor::{Context, ErrorKind, Policy, Result, Stream, StreamOptions, TrySend, timeout};

use crate::{To, ensure, ensure_eq, failure, notes};

/// A bound for what takes milliseconds: generous, because machines are busy.
const SOON: Duration = Duration::from_secs(20);

/// CTX-4: the callee's stream is over before the caller looks at it.
pub(crate) async fn child_exits(portal: To<'_>, sends_first: bool) -> Result<()> {
    let body = async |ctx: Context<u32, u32>, ()| {
        ctx.stream(async |stream| {
            if sends_first {
                send_to_the_gone(&stream).await?;
            }
            ensure_eq("the first message", stream.next().await?, None)?;
            ensure_eq("asking after the end", stream.next().await?, None)
        })
        .await?;
        let again = failure("a second stream", ctx.stream(async |_| Ok(())).await)?;
        ensure_eq("its kind", again.kind(), ErrorKind::InvalidOperation)?;
        ctx.wait_result::<()>().await
    };
    timeout(SOON, portal.open_context("brief", &(), body)).await
}

/// Whether the callee has returned by then is a matter of chance; that it is said is not.
async fn send_to_the_gone(stream: &Stream<u32, u32>) -> Result<()> {
    match stream.send(1).await {
        Err(error) => ensure_eq("why it was not sent", error.kind(), ErrorKind::InvalidOperation),
        Ok(()) => Ok(()),
    }
}

/// CTX-8, the caller sends to a callee that never opens its stream. Semantics 8 wins over the row: the
/// receiver chooses the policy when it opens, until then the sender waits, and nothing overruns.
pub(crate) async fn callee_never_opens(portal: To<'_>) -> Result<()> {
    let body = async |ctx: Context<u32, ()>, ()| {
        ctx.stream(async |stream| {
            for number in 0..64 {
                ensure_eq("what becomes of a message", stream.try_send(&number)?, TrySend::Sent)?;
            }
            ensure_eq(
                "the first beyond the window",
                stream.try_send(&64)?,
                TrySend::WouldBlock,
            )?;
            let (sent, told) = join(stream.send(64), portal.call::<(), _>("note", "go")).await;
            told?;
            let error = failure("a message nobody will take", sent)?;
            ensure_eq("why it was not sent", error.kind(), ErrorKind::InvalidOperation)
        })
        .await?;
        ctx.wait_result::<()>().await
    };
    timeout(SOON, portal.open_context("never_opens", &(), body)).await
}

/// CTX-8, the callee sends for ever to a caller that never opens its stream: it waits, as above.
pub(crate) async fn caller_never_opens(portal: To<'_>) -> Result<()> {
    let body = async |ctx: Context<(), u32>, ()| {
        portal.call::<(), _>("noted", "blocked at 64").await?;
        ensure(!ctx.has_outcome(), "the callee waits")?;
        ctx.cancel("enough").await;
        ensure(
            failure("the result", ctx.wait_result::<()>().await)?.is_absorbed(),
            "absorbed",
        )
    };
    timeout(SOON, portal.open_context("floods", &(), body)).await
}

/// CTX-8 as the row has it, under the policy that makes an overrun an error: the caller overruns.
pub(crate) async fn caller_overruns(portal: To<'_>) -> Result<()> {
    let body = async |ctx: Context<u32, ()>, ()| {
        ctx.stream(async |stream| {
            for number in 0.. {
                stream.send(number).await?;
            }
            Ok(())
        })
        .await
    };
    let end = timeout(SOON, portal.open_context("never_takes", &(), body)).await;
    let error = failure("a stream beyond its window", end)?;
    ensure_eq("its kind", error.kind(), ErrorKind::Overrun)?;
    ensure_eq("its source", error.source_actor(), Some(&crate::me()))?;
    portal.call::<(), _>("noted", "told: stream overrun").await
}

/// The same, and the callee overruns.
pub(crate) async fn callee_overruns(portal: To<'_>) -> Result<()> {
    let strict = StreamOptions::new().policy(Policy::OverrunError);
    let body = async |ctx: Context<(), u32>, ()| {
        let takes_nothing = pin!(notes::wait("never"));
        ctx.stream_with(strict, async |_| takes_nothing.await).await
    };
    let end = timeout(SOON, portal.open_context("floods", &(), body)).await;
    let error = failure("a stream beyond its window", end)?;
    ensure_eq("its kind", error.kind(), ErrorKind::Overrun)?;
    ensure_eq("its source", error.source_actor(), Some(portal.id()))
}
