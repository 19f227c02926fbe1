//! CTX-6, CTX-7, IPC-1, CAN-4 and CAN-5: who cancels, and what else there was to tell.

use std::time::Duration;

use steading_actor::{Context, ErrorKind, Nursery, Result, Spec, State, scope, timeout};

use crate::{To, ensure, ensure_eq, failure, me, notes};

type Echo = Context<String, String>;

/// CTX-6: a task beside the block's own sends, then cancels, while the owner of the stream iterates.
pub(crate) async fn cancel_from_another_task(portal: To<'_>) -> Result<()> {
    let (mut kept, mut raised) = (None, None);
    let end = portal
        .open_context("echo", &(), async |ctx: Echo, ()| {
            kept = Some(ctx.clone());
            ctx.stream(async |stream| {
                let (other, sender, portal) = (ctx.clone(), stream.clone(), portal.clone());
                scope(async |tasks| {
                    _ = tasks.spawn(async move {
                        portal.call::<(), _>("noted", "echo runs").await?;
                        sender.send("yo".to_owned()).await?;
                        notes::wait("the echo is here").await?;
                        other.cancel("enough").await;
                        Ok(())
                    });
                    let end = loop {
                        match stream.next().await {
                            Ok(Some(echo)) => {
                                ensure_eq("the echo", echo.as_str(), "yo")?;
                                notes::pin("the echo is here");
                            }
                            end => break end,
                        }
                    };
                    raised = end.as_ref().err().cloned();
                    end.map(drop)
                })
                .await
            })
            .await
        })
        .await;
    let error = failure("a block whose body lets the cancellation through", end)?;
    ensure(error.is_absorbed(), format_args!("the block absorbs it, got {error}"))?;
    let raised = raised.ok_or_else(|| steading_actor::Error::msg("the iteration raises"))?;
    ensure_eq("who cancelled", raised.canceller(), Some(&me()))?;
    let ctx = kept.ok_or_else(|| steading_actor::Error::msg("the block was not entered"))?;
    ensure_eq("the context", ctx.state(), State::SelfCancelled)?;
    ensure(ctx.cancel_called() && ctx.cancel_acked(), "asked and answered")?;
    portal.call::<(), _>("noted", "echo is over").await
}

/// CTX-7: the callee cancels its own context before `started`. In the row the text has "itself"; here it
/// names the actor, which is the peer.
pub(crate) async fn child_cancels_before_started(portal: To<'_>) -> Result<()> {
    let mut entered = false;
    let body = async |_: Context<(), ()>, ()| {
        entered = true;
        Ok(())
    };
    let error = failure("the entry", portal.open_context("cancels_first", &(), body).await)?;
    ensure(!entered, "the block is not entered")?;
    ensure(
        error.is_cancelled() && !error.is_absorbed(),
        format_args!("a cancellation, got {error}"),
    )?;
    ensure_eq("who cancelled", error.canceller(), Some(portal.id()))?;
    let text = format!("cancelled by {}: changed my mind", portal.id());
    ensure_eq("the text", error.to_string(), text.clone())?;
    ensure_eq("the message", error.message(), text)?;
    let notes: Vec<String> = portal.call("notes", &()).await?;
    let expected = [
        format!("stream: {}", ErrorKind::InvalidOperation),
        "sleep: cancelled".to_owned(),
    ];
    ensure_eq("what the callee met", &notes[..], &expected[..])
}

/// IPC-1: an error before `started` is not swallowed by the cancellations that clean up after it.
pub(crate) async fn error_before_started(portal: To<'_>, component: &str) -> Result<()> {
    let body = async |_: Context<(), ()>, ()| Ok(());
    let end = portal.open_context("fails_to_start", component, body).await;
    let error = failure("the entry", end)?;
    ensure_eq("its kind", error.kind(), ErrorKind::PayloadMismatch)?;
    ensure_eq("its source", error.source_actor(), Some(portal.id()))?;
    ensure(
        error.message().contains("Unencodable") && error.message().contains("not for others"),
        format_args!("the text names type and fault, got {error}"),
    )
}

/// CAN-4: a daemon, one trivial call, and the nursery's cancel.
pub(crate) async fn cancel_single(nursery: &Nursery, spec: Spec) -> Result<()> {
    let portal = nursery.start_actor(spec).await?;
    let nothing: Option<String> = portal.call("word", &None::<String>).await?;
    ensure_eq("the answer", nothing, None)?;
    nursery.cancel("enough");
    Ok(())
}

/// CAN-5: a local scope ends the stream; the callee is cancelled with it.
pub(crate) async fn infinite_streamer(nursery: &Nursery, spec: Spec) -> Result<()> {
    let portal = nursery.start_actor(spec).await?;
    let mut taken = 0_u64;
    let body = async |ctx: Context<(), u64>, (): ()| {
        ctx.stream(async |stream| {
            while let Some(number) = stream.next().await? {
                ensure_eq("the next number", number, taken)?;
                taken += 1;
            }
            ensure(false, "the stream does not end")
        })
        .await
    };
    let end = timeout(Duration::from_millis(250), portal.open_context("infinite", &(), body)).await;
    let error = failure("a stream without an end", end)?;
    ensure(
        error.is_elapsed(),
        format_args!("the scope's own time-out is what leaves it, got {error}"),
    )?;
    ensure(taken > 0, "some numbers came before")?;
    nursery.cancel("enough");
    Ok(())
}
