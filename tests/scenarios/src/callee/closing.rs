//! Callees that fail in time, or too late, and those that say what they were given.

use std::time::Duration;

use steading_actor::{Error, Level, Result, Spec, current, nursery, sleep};

use super::Refused;
use crate::notes;

/// CAN: fails after so many milliseconds.
///
/// # Errors
/// With a [`Refused`].
pub async fn fails_after(delay: u64) -> Result<()> {
    if delay > 0 {
        sleep(Duration::from_millis(delay)).await?;
    }
    Err(Error::typed(Refused { code: 7 }))
}

/// Waits to be cancelled, and fails then, with the cause of that.
///
/// # Errors
/// So it does.
pub async fn breaks_down((): ()) -> Result<String> {
    notes::pin("waiting");
    let end = notes::wait("never").await;
    let cause = current()
        .cancellation()
        .map(|cancellation| format!("{:?}", cancellation.cause));
    end.map_err(|_| Error::msg(format_args!("cannot clean up after {}", cause.unwrap_or_default())))?;
    Ok(String::new())
}

/// SPN-1: runs itself in a child, unless it is the child. Where it ran, oldest first, and the result.
///
/// # Errors
/// Those of the child.
pub async fn generation((component, mut above): (String, Vec<String>)) -> Result<(u32, Vec<String>)> {
    above.push(current().id().to_string());
    if above.len() == 2 {
        return Ok((10, above));
    }
    nursery(async |n| {
        let spec = Spec::component(&component, "sub");
        n.run_in_actor(spec, "generation", &(&component, &above)).result().await
    })
    .await
}

/// A level as a number, from 0 for none.
pub fn rank(level: Option<Level>) -> u8 {
    match level {
        None => 0,
        Some(Level::Error) => 1,
        Some(Level::Warn) => 2,
        Some(Level::Info) => 3,
        Some(Level::Debug) => 4,
        Some(Level::Trace) => 5,
    }
}

/// A child whose log has the level of this rank.
pub(crate) fn at_level(component: &str, wanted: u8) -> Spec {
    let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    let level = levels.into_iter().find(|level| rank(Some(*level)) == wanted);
    let spec = Spec::component(component, "sub");
    level.into_iter().fold(spec, Spec::log_level)
}

/// SPN-4: the rank of its own level, and that of a child's, which is promised one, or none.
///
/// # Errors
/// Those of the child.
pub async fn levels((component, promised): (String, Option<u8>)) -> Result<Vec<u8>> {
    let below = nursery(async |n| {
        let spec = at_level(&component, promised.unwrap_or_default());
        n.run_in_actor::<u8, _>(spec, "level", &()).result().await
    })
    .await?;
    Ok(vec![level(()).await?, below])
}

/// SPN-4: the rank of its own level.
///
/// # Errors
/// None.
pub async fn level((): ()) -> Result<u8> {
    Ok(rank(current().log_level()))
}
