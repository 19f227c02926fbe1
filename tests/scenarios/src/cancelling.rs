//! CAN-4 and CAN-5: a nursery that is cancelled, and a stream nobody would end.

use std::time::Duration;

use steading_actor::{Context, Nursery, Result, Spec, timeout};

use crate::{ensure, ensure_eq, failure};

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
