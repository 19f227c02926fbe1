//! TSK-*: tasks that say when they have started.
//!
//! Those rows try a bare `start` and one in a wrapper that keeps its errors apart. Here is one `start`, and
//! it keeps them apart; the parameter is who waits for the start: the block's body, or one of its tasks.

use serde::{Deserialize, Serialize};
use steading_actor::{
    AbsorbedExt, CancelScope, Error, ErrorKind, Ready, Result, TaskGroup, TaskSend, current, race, scope,
};

use crate::{ensure, ensure_eq, failure, notes};

/// Who starts a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Starter {
    /// The block's body.
    Body,
    /// One of its tasks.
    Task,
}

/// The rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Starting {
    /// TSK-1.
    SiblingFails,
    /// TSK-2.
    PlainCancel,
    /// TSK-3.
    Silent,
    /// TSK-4, with the text of the task's own error.
    OwnError(String),
    /// TSK-5.
    PassThrough,
}

impl Starting {
    pub(crate) async fn run(&self, starter: Starter) -> Result<()> {
        match self {
            Self::SiblingFails => sibling_fails(starter).await,
            Self::PlainCancel => plain_cancel(starter).await,
            Self::Silent => silent(starter).await,
            Self::OwnError(message) => own_error(starter, message).await,
            Self::PassThrough => pass_through(starter).await,
        }
    }
}

/// Starts `child` on behalf of `starter`; what the start gave is what this gives.
async fn started<Fut>(
    tasks: &TaskGroup,
    starter: Starter,
    child: impl FnOnce(Ready<u32>) -> Fut + TaskSend + 'static,
) -> Result<u32>
where
    Fut: Future<Output = Result<()>> + TaskSend + 'static,
{
    match starter {
        Starter::Body => tasks.start(child).await,
        Starter::Task => {
            let group = tasks.clone();
            tasks.spawn(async move { group.start(child).await }).await
        }
    }
}

/// Is there, never says that it has started, and swallows its cancel.
async fn swallows() -> Result<()> {
    notes::pin("the child is there");
    // That it does so is the point.
    notes::wait("never").await.ok();
    Ok(())
}

async fn sibling_fails(starter: Starter) -> Result<()> {
    let end = scope(async |tasks| {
        _ = tasks.spawn(async {
            notes::wait("the child is there").await?;
            Err::<(), _>(Error::msg("the sibling's"))
        });
        started(&tasks, starter, |_ready| swallows()).await
    })
    .await;
    let error = failure("a block with a failed task", end)?;
    ensure_eq(
        "what leaves, and nothing else",
        error.message().as_str(),
        "the sibling's",
    )
}

async fn plain_cancel(starter: Starter) -> Result<()> {
    let mut told = None;
    let end = scope(async |tasks| {
        let group = tasks.clone();
        _ = tasks.spawn(async move {
            notes::wait("the child is there").await?;
            group.cancel("plain");
            Ok(())
        });
        let start = started(&tasks, starter, |_ready| swallows()).await;
        told = start.as_ref().err().map(Error::is_cancelled);
        start
    })
    .await;
    ensure_eq("a clean exit", end.absorbed()?, None)?;
    let dropped = starter == Starter::Task && told.is_none();
    ensure(
        dropped || told == Some(true),
        format_args!("cancelled at the start, got {told:?}"),
    )
}

async fn silent(starter: Starter) -> Result<()> {
    let end = scope(async |tasks| started(&tasks, starter, |_ready| async { Ok(()) }).await).await;
    let error = failure("a task that never says that it has started", end)?;
    ensure_eq("its kind", error.kind(), ErrorKind::NotStarted)
}

/// The task's own error under a cancel from around the block: the very same object leaves.
async fn own_error(starter: Starter, message: &str) -> Result<()> {
    let own = Error::msg(message);
    let (raised, around) = (own.clone(), CancelScope::inside());
    let block = around.run(scope(async |tasks| {
        let child = move |_ready| async move {
            swallows().await?;
            Err(raised)
        };
        started(&tasks, starter, child).await
    }));
    let cancel = async {
        notes::wait("the child is there").await?;
        around.cancel_with("from around");
        notes::wait("never").await
    };
    let steading_actor::Either::Left(end) = race(block, cancel).await else {
        return Err(Error::msg("the block outlasts its cancel"));
    };
    let error = failure("a cancelled block whose task fails", end.and_then(|end| end))?;
    ensure(
        error.is_same(&own),
        format_args!("the task's own error leaves, got {error}"),
    )
}

async fn pass_through(starter: Starter) -> Result<()> {
    let (word, number) = ("args".to_owned(), 5);
    let value = scope(async |tasks| {
        let child = move |ready: Ready<u32>| async move {
            ensure_eq("what the task was given", word.as_str(), "args")?;
            ready.started(number);
            Ok(())
        };
        started(&tasks, starter, child).await
    });
    ensure_eq("what it started with", value.await?, 5)?;
    let name = || current().task().map(str::to_owned);
    let names = scope(async |tasks| {
        let server = tasks.start_named("server", move |ready: Ready<_>| async move {
            ready.started(name());
            Ok(())
        });
        let worker = tasks.spawn_named("worker", async move { Ok(name()) });
        Ok([server.await?, worker.await?, name()])
    });
    let expected = [Some("server".to_owned()), Some("worker".to_owned()), None];
    ensure_eq("the tasks' names", names.await?, expected)
}
