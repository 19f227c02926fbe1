//! Callees whose actor may end in any way without a word from their nursery to the block under test.
//!
//! Each is kept by a task of its own, in a nursery of its own: what becomes of the actor reaches the
//! caller's block through its context alone.

use std::sync::{Arc, Mutex, PoisonError};

use steading_actor::{Cause, Error, ErrorKind, JoinHandle, Portal, Result, Spec, TaskGroup, nursery};

use crate::notes;

/// A callee, and the task that keeps it.
pub(crate) struct Kept {
    pub(crate) portal: Portal,
    keeper: JoinHandle<Result<()>>,
}

type Slot = Arc<Mutex<Option<Portal>>>;

impl Kept {
    /// Starts a callee. Names must differ within one caller.
    pub(crate) async fn start(tasks: &TaskGroup, component: &str, name: &str) -> Result<Self> {
        let slot = Slot::default();
        let keeper = tasks.spawn(keep(component.to_owned(), name.to_owned(), slot.clone()));
        notes::wait(&format!("{name} is up")).await?;
        let portal = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let portal = portal.ok_or_else(|| Error::msg("it is up, so there is a way to it"))?;
        Ok(Self { portal, keeper })
    }

    /// Ends it, if it lives; how its nursery ended.
    pub(crate) async fn end(self) -> Result<Result<()>> {
        notes::pin(&format!("{} is over", self.portal.id().name));
        self.keeper.await
    }
}

/// The nursery's own failure is a value here, or it would end the tasks beside it.
async fn keep(component: String, name: String, slot: Slot) -> Result<Result<()>> {
    let end = nursery(async |n| {
        let portal = n.start_actor(Spec::component(component, name.as_str())).await?;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(portal);
        notes::pin(&format!("{name} is up"));
        notes::wait(&format!("{name} is over")).await?;
        n.cancel("it is over");
        Ok(())
    })
    .await;
    Ok(end)
}

/// An end in few words; reasons are left out, as they only repeat.
pub(crate) fn told<T>(end: &Result<T>) -> String {
    let Err(error) = end else { return "ok".to_owned() };
    match (error.cancellation(), error.kind()) {
        _ if error.is_absorbed() => "absorbed".to_owned(),
        (Some(c), _) if c.cause == Cause::Requested => format!("cancelled by {}", c.canceller),
        (Some(c), _) => format!("cancelled by {} ({})", c.canceller, c.cause),
        (None, ErrorKind::Panic) => "died of a panic".to_owned(),
        (None, ErrorKind::Trap(code)) => format!("died of a trap ({code})"),
        (None, _) if error.source_actor().is_some() => format!("remote {}", error.message()),
        (None, _) => error.message(),
    }
}
