//! Actors with exit hooks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steading_actor::{Error, Result, on_exit, sleep};

use super::FOREVER;

/// How an actor with the hooks of [`hooked`] ends: the hooks in the order in which they ran.
pub const HOOKS_HAVE_RUN: &str = "third second";

/// Registers three exit hooks. The first, which is the last to run, fails and says which have run before.
///
/// # Errors
/// When the host does not want to know of hooks.
pub async fn hooked((): ()) -> Result<()> {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let told = ran.clone();
    on_exit(move || async move {
        let ran = told.lock().unwrap_or_else(PoisonError::into_inner);
        Err(Error::msg(ran.join(" ")))
    })?;
    for name in ["second", "third"] {
        let ran = ran.clone();
        on_exit(move || async move {
            sleep(Duration::from_millis(1)).await?;
            ran.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            Ok(())
        })?;
    }
    Ok(())
}

/// Registers a hook that never ends by itself.
///
/// # Errors
/// As [`hooked`].
pub async fn lingers((): ()) -> Result<()> {
    on_exit(|| sleep(FOREVER))
}
