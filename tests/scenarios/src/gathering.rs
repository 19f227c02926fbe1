//! TRI-* and CLU-1: scopes entered at once. The rows are about errors that a language's own exceptions hide
//! in cleanup; what is left of them here is that no end of a block hides one.

use serde::{Deserialize, Serialize};
use steading_actor::{
    CancelScope, Context, Entry, Error, ErrorKind, Lease, Portal, Ready, Result, Spec, TaskGroup, checkpoint, cluster,
    current, gather, gather_calls, gather_contexts, race, scope, shared, shield,
};

use crate::callee::{Deed, Until};
use crate::keeping::told;
use crate::{To, ensure, ensure_eq, failure, me, notes};

/// What a gathered block with tasks does when it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cleanup {
    /// Nothing.
    Nothing,
    /// It cancels its tasks.
    Cancels,
    /// It cancels its tasks, then waits for something.
    CancelsAndWaits,
}

/// The rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gathering {
    /// TRI-1.
    StashedTasks {
        /// Whether the task that fails says that it has started.
        started: bool,
    },
    /// TRI-2.
    Masking {
        /// What the blocks do.
        cleanup: Cleanup,
        /// Whether the error is one block's that cannot enter, or the body's.
        entering: bool,
    },
    /// TRI-3.
    Interrupted,
    /// TRI-4.
    WaitsWhileLeaving {
        /// Whether the wait is in a shield.
        shielded: bool,
        /// Whether a task of the block raises the error, or the body.
        task_fails: bool,
    },
    /// TRI-5.
    CancelledWait {
        /// Whether the context's handle cancels, or the scope around it.
        by_handle: bool,
    },
    /// Contexts and calls.
    InOrder,
    /// CLU-1.
    EmptyInCluster,
    /// A cluster that works.
    Cluster,
}

impl Gathering {
    pub(crate) async fn run(self, portal: To<'_>, component: &str) -> Result<()> {
        let spec = Spec::component(component, "ignored");
        match self {
            Self::StashedTasks { started } => stashed_tasks(started).await,
            Self::Masking { cleanup, entering } => masking(cleanup, entering).await,
            Self::Interrupted => interrupted(portal).await,
            Self::WaitsWhileLeaving { shielded, task_fails } => waits_while_leaving(shielded, task_fails).await,
            Self::CancelledWait { by_handle } => cancelled_wait(portal, by_handle).await,
            Self::InOrder => in_order(portal).await,
            Self::EmptyInCluster => empty_in_cluster(spec).await,
            Self::Cluster => working_cluster(spec).await,
        }
    }
}

/// A block around tasks, to be gathered.
async fn with_tasks(entry: Entry<TaskGroup>) -> Result<()> {
    scope(async |tasks| entry.hold(tasks).await).await
}

/// The very error, bare, is what leaves.
fn ensure_own<T: std::fmt::Debug>(end: Result<T>, own: &Error) -> Result<()> {
    let error = failure("what has failed inside", end)?;
    ensure(error.is_same(own), format_args!("{own} leaves, got {error}"))
}

async fn stashed_tasks(started: bool) -> Result<()> {
    let own = Error::msg("no such name");
    let raised = own.clone();
    let end = gather([with_tasks], async |groups: Vec<TaskGroup>| {
        let fails = async move |ready: Option<Ready<()>>| {
            ready.into_iter().for_each(|ready| ready.started(()));
            Err::<(), _>(raised)
        };
        match started {
            true => groups[0].start(|ready| fails(Some(ready))).await?,
            false => drop(groups[0].spawn(fails(None))),
        }
        notes::wait("never").await
    });
    ensure_own(end.await, &own)
}

async fn masking(cleanup: Cleanup, entering: bool) -> Result<()> {
    let own = Error::msg("the assertion");
    let blocks = [0, 1].map(|n| {
        let raised = own.clone();
        async move |entry: Entry<()>| {
            scope(async |tasks| {
                _ = tasks.spawn(notes::wait("never"));
                if entering && n == 1 {
                    notes::wait("the other is in").await?;
                    return Err(raised);
                }
                notes::pin("the other is in");
                let end = entry.hold(()).await;
                if cleanup != Cleanup::Nothing {
                    tasks.cancel("cleanup");
                }
                if cleanup == Cleanup::CancelsAndWaits {
                    notes::wait("never").await?;
                }
                end
            })
            .await
        }
    });
    let raised = own.clone();
    let end = gather(blocks, async |_| {
        ensure(!entering, "the body runs only when all have entered")?;
        Err::<(), _>(raised)
    });
    ensure_own(end.await, &own)
}

/// Never ends by itself.
async fn interrupted(portal: To<'_>) -> Result<()> {
    let contexts = [(); 2].map(|()| portal.context("infinite"));
    gather_contexts(contexts, async |contexts: Vec<(Context<(), u64>, ())>| {
        ensure_eq("contexts", contexts.len(), 2)?;
        gather([with_tasks, with_tasks], async |groups: Vec<TaskGroup>| {
            for group in &groups {
                _ = group.spawn(notes::wait("never"));
            }
            notes::pin("running");
            notes::wait("never").await
        })
        .await
    })
    .await
}

async fn waits_while_leaving(shielded: bool, task_fails: bool) -> Result<()> {
    let own = Error::msg("the runtime's");
    let block = async |entry: Entry<TaskGroup>| {
        scope(async |tasks| {
            let end = entry.hold(tasks).await;
            match shielded {
                true => shield(async { Ok(()) }).await?,
                false => checkpoint()?,
            }
            end
        })
        .await
    };
    let raised = own.clone();
    let end = gather([block], async |groups: Vec<TaskGroup>| match task_fails {
        true => groups[0].spawn(async { Err::<(), _>(raised) }).await,
        false => Err(raised),
    });
    ensure_own(end.await, &own)
}

/// Waits for a resource that another task is closing: that is the lock here.
async fn wait_for_it() -> Result<()> {
    let open = |entry: Entry<()>| async move {
        entry.hold(()).await?;
        notes::pin("it closes");
        notes::wait("it may close").await
    };
    shared("it", open, async |_: Lease<()>| Ok(())).await
}

async fn cancelled_wait(portal: To<'_>, by_handle: bool) -> Result<()> {
    portal.call::<(), _>("note", "go").await?;
    scope(async |tasks| {
        let last = tasks.spawn(wait_for_it());
        notes::wait("it closes").await?;
        let around = CancelScope::inside();
        let block = async |ctx: Context<(), (), ()>, ()| {
            let cancels = async {
                match by_handle {
                    // By a task that is not the block's own: its body is to be told where it waits.
                    true => drop(tasks.spawn(async move {
                        ctx.cancel("enough").await;
                        Ok(())
                    })),
                    false => around.cancel_with("enough"),
                }
            };
            futures_util::join!(wait_for_it(), cancels).0
        };
        let context = portal.open_context("subject", &(Until::Started, Deed::Waits), block);
        let end = around.run(context).await.and_then(|end| end);
        let expected = if by_handle {
            "absorbed".to_owned()
        } else {
            format!("cancelled by {}", me())
        };
        ensure_eq("how the wait ended", told(&end), expected)?;
        notes::pin("it may close");
        last.await
    })
    .await
}

async fn in_order(portal: To<'_>) -> Result<()> {
    let contexts = (0..5_i64).map(|n| portal.context("yo").args(&(n, true)));
    let firsts = gather_contexts(contexts, async |all: Vec<(Context<(), (), i64>, i64)>| {
        for (ctx, _) in &all {
            ensure_eq("a result", ctx.wait_result::<String>().await?, "yo".to_owned())?;
        }
        Ok(all.into_iter().map(|(_, first)| first).collect::<Vec<_>>())
    });
    ensure_eq("the first values", firsts.await?, vec![1, 2, 3, 4, 5])?;
    let words = ["a", "b", "c"].map(|word| Some(word.to_owned()));
    let calls = words.iter().map(|word| portal.call::<Option<String>, _>("word", word));
    ensure_eq("the results", gather_calls(calls).await?, words.to_vec())?;
    let lines = ["walter", "the dude", "donny"].map(|role| portal.call::<String, _>("line", role));
    let error = failure("calls of which one fails", gather_calls(lines).await)?;
    ensure(
        error.message().contains("the dude"),
        format_args!("that one leaves, got {error}"),
    )
}

async fn empty_in_cluster(spec: Spec) -> Result<()> {
    let end = cluster(2, spec, async |_: Vec<Portal>| {
        let none: [steading_actor::ContextBuilder; 0] = [];
        gather_contexts(none, async |_: Vec<(Context<(), ()>, ())>| Ok(())).await
    });
    let error = failure("a gather of nothing", end.await)?;
    ensure_eq("its kind", error.kind(), ErrorKind::InvalidOperation)
}

async fn working_cluster(spec: Spec) -> Result<()> {
    let workers = cluster(3, spec.clone(), async |portals: Vec<Portal>| {
        let names: Vec<_> = portals.iter().map(|portal| portal.id().name.to_string()).collect();
        let expected: Vec<_> = (0..3).map(|n| format!("{}.worker_{n}", current().id().name)).collect();
        ensure_eq("the workers' names", names, expected)?;
        let calls = portals
            .iter()
            .map(|portal| portal.call::<Option<u32>, _>("word", &None::<String>));
        gather_calls(calls).await?;
        Ok(portals)
    })
    .await?;
    let late = race(workers[0].call::<(), _>("note", "late"), notes::wait("never")).await;
    ensure(
        !matches!(late, steading_actor::Either::Left(Ok(()))),
        "a worker does not outlive its cluster",
    )?;
    let unknown = Spec::component("nobody knows this", "");
    failure(
        "a cluster that cannot start",
        cluster(2, unknown, async |_| Ok(())).await,
    )?;
    let none = failure("a cluster of nobody", cluster(0, spec, async |_| Ok(())).await)?;
    ensure_eq("its kind", none.kind(), ErrorKind::InvalidOperation)
}
