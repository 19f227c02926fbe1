//! The callee of the matrix "who cancels × when", and what can be done to its actor meanwhile.

use serde::{Deserialize, Serialize};
use steading_actor::{Context, Error, Result, Spec, cancel_self, nursery};

use super::FOREVER;
use crate::notes;

/// How far a callee goes before it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// It does not call `started`.
    BeforeStarted,
    /// It has, and does not return.
    Started,
    /// It returns 7.
    Returned,
}

/// What it does once it is told to `go`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Waits to be cancelled.
    Waits,
    /// Waits to be cancelled, and fails with `Y` then.
    FailsWhenCancelled,
    /// Cancels its own task.
    CancelsItself,
    /// Fails with `X`.
    Fails,
    /// Calls an actor of its own, called `third`, which cancels itself; hands that on.
    HandsOn {
        /// What the third is made of.
        component: String,
    },
}

/// Goes as far as it is told, then waits for what happens to it. How it ended is on the board.
///
/// # Errors
/// As told.
pub async fn subject(ctx: Context<(), (), ()>, (until, deed): (Until, Deed)) -> Result<u32> {
    notes::pin("arrived");
    if until != Until::BeforeStarted {
        ctx.started(()).await?;
    }
    let end = match until {
        Until::Returned => Ok(7),
        _ => perform(&ctx, deed).await,
    };
    let fate = match &end {
        Ok(_) => "returned".to_owned(),
        Err(error) => error.message(),
    };
    notes::pin(&format!("fate: {fate}"));
    end
}

async fn perform(ctx: &Context<(), (), ()>, deed: Deed) -> Result<u32> {
    match deed {
        Deed::Waits => notes::wait("never").await?,
        Deed::FailsWhenCancelled => notes::wait("never").await.map_err(|_| Error::msg("Y"))?,
        _ => notes::wait("go").await?,
    }
    match deed {
        Deed::CancelsItself => ctx.cancel("").await,
        Deed::Fails => return Err(Error::msg("X")),
        Deed::HandsOn { component } => return hand_on(&component).await,
        Deed::Waits | Deed::FailsWhenCancelled => {}
    }
    notes::wait("never").await.map(|()| 0)
}

async fn hand_on(component: &str) -> Result<u32> {
    nursery(async |n| {
        let third = n.start_actor(Spec::component(component, "third")).await?;
        // Not through the nursery: the third's actor lives on, so that its task is all that was cancelled.
        let end = third.call("give_up", &()).await;
        n.cancel("it has given up");
        end
    })
    .await
}

/// Cancels its own task at once.
///
/// # Errors
/// Its cancellation.
pub async fn give_up(ctx: Context<(), (), ()>, (): ()) -> Result<u32> {
    ctx.cancel("").await;
    notes::wait("never").await.map(|()| 0)
}

/// Ends the whole actor: a guest traps, a native actor panics.
///
/// # Errors
/// None: nobody is left to return one.
pub async fn die((): ()) -> Result<()> {
    #[cfg(target_arch = "wasm32")]
    std::process::abort();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("a native callee dies")
}

/// Has the whole actor cancelled, in its own name.
///
/// # Errors
/// The cancellation.
pub async fn resign((): ()) -> Result<()> {
    cancel_self("resigned");
    steading_actor::sleep(FOREVER).await
}

/// Pins a note to the board of this actor.
///
/// # Errors
/// None.
pub async fn note(text: String) -> Result<()> {
    notes::pin(&text);
    Ok(())
}

/// Waits for a note.
///
/// # Errors
/// The cancellation of the call.
pub async fn noted(text: String) -> Result<()> {
    notes::wait(&text).await
}

/// Everything on the board.
///
/// # Errors
/// None.
pub async fn notes((): ()) -> Result<Vec<String>> {
    Ok(notes::all())
}
