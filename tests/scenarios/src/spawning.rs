//! SPN-2 and SPN-3: daemons and run-once children.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use steading_actor::{Error, Nursery, Result, Rung, Spec};

use crate::{ensure, ensure_eq};

/// SPN-2: a daemon answers twice and is cancelled.
pub(crate) async fn movie_theatre(nursery: &Nursery, spec: Spec) -> Result<()> {
    let portal = nursery.start_actor(spec).await?;
    let donny: String = portal.call("line", "donny").await?;
    ensure(donny.contains("element"), "donny's line")?;
    let walter: String = portal.call("line", "walter").await?;
    ensure(walter.contains("rules"), "walter's line")?;
    ensure_eq("the rung", portal.cancel_actor("the film is over").await?, Rung::Acked)
}

/// SPN-3: the result of a run-once child, inside the block and again after it.
pub(crate) async fn beautiful_word(spec: Spec, value: Option<String>) -> Result<()> {
    let inside = Arc::new(AtomicBool::new(false));
    let seen = inside.clone();
    let running = steading_actor::nursery(async |nursery| {
        let running = nursery.run_in_actor::<Option<String>, _>(spec, "word", &value);
        ensure_eq("the result inside", running.result().await?, value.clone())?;
        seen.store(true, Ordering::Relaxed);
        Ok(running)
    })
    .await?;
    ensure(inside.load(Ordering::Relaxed), "the block ran to its end")?;
    let again = running
        .result()
        .await
        .map_err(|e| Error::msg(format_args!("after the block: {e}")))?;
    ensure_eq("the result after the block", again, value)
}
