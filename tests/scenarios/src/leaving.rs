//! Exit hooks (semantics 10): on every way out that an actor's code survives, in order, and heard of.

use serde::{Deserialize, Serialize};
use steading_actor::{ErrorKind, Result, Rung, Spec, nursery};

use crate::callee::HOOKS_HAVE_RUN;
use crate::{ensure, ensure_eq, failure, notes};

/// How an actor with hooks ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaving {
    /// Cancelled by its portal.
    ByPortal,
    /// Cancelled with its nursery.
    ByNursery,
    /// By itself.
    ByItself,
    /// Its one call is over.
    RunOnce,
    /// It traps or panics.
    Dies,
}

/// The last hook to run fails, with the order in which the others did: that is how the actor has ended.
pub(crate) async fn run(component: &str, leaving: Leaving) -> Result<()> {
    let spec = Spec::component(component, "hooked");
    let end = nursery(async |n| {
        if leaving == Leaving::RunOnce {
            return n.run_in_actor::<(), _>(spec, "hooked", &()).result().await;
        }
        let actor = n.start_actor(spec).await?;
        actor.call::<(), _>("hooked", &()).await?;
        match leaving {
            Leaving::ByPortal => ensure_eq("the rung", actor.cancel_actor("enough").await?, Rung::Acked)?,
            Leaving::ByNursery => n.cancel("enough"),
            Leaving::ByItself => drop(failure(
                "a call that resigns",
                actor.call::<(), _>("resign", &()).await,
            )?),
            Leaving::Dies => drop(failure("a call that is death", actor.call::<(), _>("die", &()).await)?),
            Leaving::RunOnce => {}
        }
        notes::wait("never").await
    })
    .await;
    let error = failure("a nursery with an actor whose hook fails", end)?;
    match leaving {
        Leaving::Dies => {
            let died = matches!(error.kind(), ErrorKind::Panic | ErrorKind::Trap(_));
            ensure(died, format_args!("it died, and no hook has run, got {error}"))
        }
        _ => ensure_eq("how it ended", error.message().as_str(), HOOKS_HAVE_RUN),
    }
}
