//! What a cancellation does to contexts beside the one it was meant for (semantics 6, below the matrix).

use serde::{Deserialize, Serialize};
use steading_actor::{Context, ErrorKind, JoinHandle, Portal, Result, Spec, State, TaskGroup, nursery, scope};

use crate::callee::{Deed, Until};
use crate::keeping::{Kept, told};
use crate::{ensure, ensure_eq, failure, me, notes};

type Ctx = Context<(), (), ()>;

/// How an actor ends that several contexts lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActorEnd {
    /// Its parent cancels it.
    Cancelled,
    /// It has itself cancelled.
    Resigned,
    /// It traps or panics.
    Died,
}

/// Two contexts with an actor that ends, one with another: both are told the same, it stays untouched.
pub(crate) async fn every_context_of_an_actor(component: &str, end: ActorEnd) -> Result<()> {
    scope(async |tasks| {
        let struck = Kept::start(&tasks, component, "struck").await?;
        let spared = Kept::start(&tasks, component, "spared").await?;
        let first = parked(&tasks, &struck.portal, "first").await?;
        let second = parked(&tasks, &struck.portal, "second").await?;
        let other = parked(&tasks, &spared.portal, "other").await?;
        let canceller = match end {
            ActorEnd::Cancelled => {
                struck.portal.cancel_actor("enough").await?;
                Some(me())
            }
            ActorEnd::Resigned => {
                failure("a call that resigns", struck.portal.call::<(), _>("resign", &()).await)?;
                Some(struck.portal.id().clone())
            }
            ActorEnd::Died => {
                failure("a call that is death", struck.portal.call::<(), _>("die", &()).await)?;
                None
            }
        };
        let (first, second) = (
            failure("the first", first.await?)?,
            failure("the second", second.await?)?,
        );
        ensure_eq("who cancelled the first", first.canceller(), canceller.as_ref())?;
        ensure_eq("the second's end", second.to_string(), first.to_string())?;
        let died = matches!(first.kind(), ErrorKind::Panic | ErrorKind::Trap(_));
        ensure_eq("whether the actor died of itself", died, end == ActorEnd::Died)?;
        ensure(
            !notes::all().contains(&"other has left".to_owned()),
            "the other context stays",
        )?;
        spared.portal.call::<(), _>("note", "go").await?;
        let other = failure("the other", other.await?)?;
        ensure_eq("the other's end, its own", other.message().as_str(), "X")?;
        spared.end().await??;
        ensure_eq(
            "whether the nursery is told",
            struck.end().await?.is_err(),
            end == ActorEnd::Died,
        )
    })
    .await
}

/// A task with a block over a `subject` that fails when told; returns once the block is entered. How the
/// block ended is a value.
async fn parked(tasks: &TaskGroup, portal: &Portal, name: &str) -> Result<JoinHandle<Result<()>>> {
    let (portal, own) = (portal.clone(), name.to_owned());
    let handle = tasks.spawn(async move {
        let body = async |_: Ctx, ()| {
            notes::pin(&format!("{own} is in"));
            notes::wait("never").await
        };
        let end = portal
            .open_context("subject", &(Until::Started, Deed::Fails), body)
            .await;
        notes::pin(&format!("{own} has left"));
        Ok(end)
    });
    notes::wait(&format!("{name} is in")).await?;
    Ok(handle)
}

/// A cancellation met in an inner block leaves the outer one: its callee is cancelled too, but that was not
/// the user's doing.
pub(crate) async fn bubbling(component: &str) -> Result<()> {
    nursery(async |n| {
        let outer = n.start_actor(Spec::component(component, "outer")).await?;
        let inner = n.start_actor(Spec::component(component, "inner")).await?;
        inner.call::<(), _>("note", "go").await?;
        let mut kept = None;
        let block = outer.open_context("subject", &(Until::Started, Deed::Waits), async |ctx: Ctx, ()| {
            kept = Some(ctx);
            let part = (Until::Started, Deed::CancelsItself);
            inner
                .open_context("subject", &part, async |_: Ctx, ()| notes::wait("never").await)
                .await
        });
        let left = block.await;
        ensure_eq(
            "what leaves the outer block",
            told(&left),
            format!("cancelled by {}", inner.id()),
        )?;
        let ctx = kept.ok_or_else(|| steading_actor::Error::msg("the outer block was not entered"))?;
        ensure(!ctx.cancel_called(), "the user did not call cancel")?;
        ensure(!ctx.cancelled_caught(), "nor was the outer body's own scope cancelled")?;
        ensure_eq("the outer context", ctx.state(), State::ActorCancelled)?;
        ensure_eq("who cancelled its callee", ctx.canceller(), Some(me()))?;
        let fates: Vec<String> = outer.call("notes", &()).await?;
        let expected = format!("fate: cancelled by {}", me());
        ensure(fates.contains(&expected), format_args!("{expected} is among {fates:?}"))?;
        n.cancel("it is over");
        Ok(())
    })
    .await
}
