//! Several tasks inside one actor, with the rows TSK of the conformance list.
//!
//! Those rows try a bare `start` and one in a wrapper that keeps its errors apart. Here is one `start`, and
//! it keeps them apart; the parameter is who waits for the start: the block's body, or one of its tasks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use steading_actor::*;

use crate::harness::*;

const SECOND: Duration = Duration::from_secs(1);

/// Who starts a task.
#[derive(Clone, Copy, Debug)]
enum Starter {
    Body,
    Task,
}

const STARTERS: [Starter; 2] = [Starter::Body, Starter::Task];

/// Starts `child` on behalf of `starter`; what the start gave is what the block gives.
async fn started<Fut>(
    tasks: &TaskGroup,
    starter: Starter,
    child: impl FnOnce(Ready<u32>) -> Fut + Send + 'static,
) -> Result<u32>
where
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    match starter {
        Starter::Body => tasks.start(child).await,
        Starter::Task => {
            let group = tasks.clone();
            tasks.spawn(async move { group.start(child).await }).await
        }
    }
}

async fn forever() -> Result<()> {
    sleep(3600 * SECOND).await
}

#[test]
fn a_block_ends_when_its_tasks_have() {
    let w = World::new();
    let done = Arc::new(Mutex::new(0));
    let counted = done.clone();
    let mut task = w.task(scope(async move |tasks| {
        for _ in 0..3 {
            let done = counted.clone();
            _ = tasks.spawn(async move {
                sleep(SECOND).await?;
                *done.lock().unwrap() += 1;
                Ok(())
            });
        }
        Ok(())
    }));
    task.waits();
    w.pass(1000);
    task.ends().unwrap();
    assert_eq!(*done.lock().unwrap(), 3);
}

#[test]
fn a_task_that_fails_cancels_the_body_and_the_others() {
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        _ = tasks.spawn(forever());
        _ = tasks.spawn(async { Err::<(), _>(Error::msg("mine")) });
        forever().await
    }));
    assert_eq!(task.ends().unwrap_err().message(), "mine");
}

#[test]
fn a_task_may_be_spawned_by_a_task_and_joined() {
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        let group = tasks.clone();
        let outer = tasks.spawn(async move { group.spawn(async { Ok(3) }).await });
        outer.await
    }));
    assert_eq!(task.ends().unwrap(), 3);
}

#[test]
fn two_failures_are_a_group_and_one_seen_twice_is_one() {
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        _ = tasks.spawn(async {
            forever().await.ok();
            Err::<(), _>(Error::msg("second"))
        });
        tasks.spawn(async { Err::<(), _>(Error::msg("first")) }).await
    }));
    let error = task.ends().unwrap_err();
    let members: Vec<_> = error.members().iter().map(Error::message).collect();
    assert_eq!(members, ["first", "second"]);
}

#[test]
fn a_cancellation_from_elsewhere_that_a_task_meets_ends_the_block() {
    let w = World::new();
    let call = w.portal().call::<u32, _>("slow", &());
    let mut task = w.task(scope(async move |tasks| {
        _ = tasks.spawn(call);
        forever().await
    }));
    task.waits();
    w.cancelled(1, third());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn a_block_that_is_cancelled_tears_its_tasks_down_first() {
    let w = World::new();
    let call = w.portal().call::<u32, _>("slow", &());
    let mut task = w.task(scope(async move |tasks| {
        _ = tasks.spawn(call);
        forever().await
    }));
    task.waits();
    assert_eq!(w.tear_down(&mut task, 1).canceller(), Some(&third()));
}

#[test]
fn a_block_that_cancels_itself_is_absorbed() {
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        _ = tasks.spawn(forever());
        tasks.cancel("enough");
        forever().await
    }));
    assert_eq!(task.ends().absorbed().unwrap(), None);
    let mut task = w.task(scope(async |tasks| {
        _ = tasks.spawn(forever());
        tasks.cancel("enough");
        Ok(5)
    }));
    assert_eq!(task.ends().unwrap(), 5, "a body that has its value keeps it");
}

#[test]
fn a_task_for_a_block_that_is_over_is_refused() {
    let w = World::new();
    let mut task = w.task(async {
        let tasks = scope(async |tasks| Ok(tasks)).await?;
        let late = tasks.spawn(async { Ok(()) }).await;
        let start = tasks.start(|ready| async move {
            ready.started(());
            Ok(())
        });
        Ok((late.unwrap_err().kind(), start.await.unwrap_err().kind()))
    });
    let invalid = ErrorKind::InvalidOperation;
    assert_eq!(task.ends().unwrap(), (invalid.clone(), invalid));
}

#[test]
fn tsk_1_sibling_err_not_masked_by_startup_rte() {
    for starter in STARTERS {
        let w = World::new();
        let mut task = w.task(scope(async move |tasks| {
            _ = tasks.spawn(async {
                sleep(SECOND).await?;
                Err::<(), _>(Error::msg("the sibling's"))
            });
            // Swallows its cancel, and so returns without having started.
            let child = |_ready| async {
                forever().await.ok();
                Ok(())
            };
            started(&tasks, starter, child).await
        }));
        task.waits();
        w.pass(1000);
        let error = task.ends().unwrap_err();
        assert_eq!(error.message(), "the sibling's", "{starter:?}: and nothing else");
    }
}

#[test]
fn tsk_2_pure_oob_cancel_not_morphed_to_rte() {
    for starter in STARTERS {
        let w = World::new();
        let told = Arc::new(Mutex::new(None));
        let tell = told.clone();
        let mut task = w.task(scope(async move |tasks| {
            let group = tasks.clone();
            _ = tasks.spawn(async move {
                sleep(SECOND).await?;
                group.cancel("plain");
                Ok(())
            });
            let child = |_ready| async {
                forever().await.ok();
                Ok(())
            };
            let start = started(&tasks, starter, child).await;
            *tell.lock().unwrap() = start.as_ref().err().map(Error::is_cancelled);
            start
        }));
        task.waits();
        w.pass(1000);
        assert_eq!(task.ends().absorbed().unwrap(), None, "{starter:?}: a clean exit");
        let told = *told.lock().unwrap();
        let dropped = matches!(starter, Starter::Task) && told.is_none();
        assert!(dropped || told == Some(true), "{starter:?}: cancelled at the start");
    }
}

#[test]
fn tsk_3_genuine_startup_rte_still_raised() {
    for starter in STARTERS {
        let w = World::new();
        let mut task = w.task(scope(async move |tasks| {
            started(&tasks, starter, |_ready| async { Ok(()) }).await
        }));
        let error = task.ends().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotStarted, "{starter:?}");
    }
}

#[test]
fn tsk_4_childs_own_rte_never_demoted_to_cancel() {
    for message in ["the task ended without saying that it has started", "", "boom"] {
        for starter in STARTERS {
            let w = World::new();
            let own = Error::msg(message);
            let raised = own.clone();
            let mut task = w.task(scope(async move |tasks| {
                let child = move |_ready| async move {
                    forever().await.ok();
                    Err(raised)
                };
                started(&tasks, starter, child).await
            }));
            task.waits();
            w.cancel(third());
            let error = task.ends().unwrap_err();
            assert!(error.is_same(&own), "{starter:?} {message:?}: {error}");
        }
    }
}

#[test]
fn tsk_5_started_value_and_args_passthru() {
    for starter in STARTERS {
        let w = World::new();
        let (word, number) = ("args".to_owned(), 5);
        let mut task = w.task(scope(async move |tasks| {
            let child = move |ready: Ready<u32>| async move {
                assert_eq!(word, "args");
                ready.started(number);
                Ok(())
            };
            started(&tasks, starter, child).await
        }));
        assert_eq!(task.ends().unwrap(), 5, "{starter:?}");
    }
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        let name = || current().task().map(str::to_owned);
        let started = tasks.start_named("server", move |ready: Ready<_>| async move {
            ready.started(name());
            sleep(SECOND).await?;
            Ok(())
        });
        let spawned = tasks.spawn_named("worker", async move { Ok(name()) });
        Ok((started.await?, spawned.await?, name()))
    }));
    task.waits();
    w.pass(1000);
    let names = (Some("server".to_owned()), Some("worker".to_owned()), None);
    assert_eq!(task.ends().unwrap(), names);
}

#[test]
fn a_start_given_up_ends_the_task_and_leaves_the_block() {
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        let start = tasks.start(|_ready: Ready<()>| async { forever().await });
        let given_up = move_on_after(SECOND, start).await?;
        assert_eq!(given_up, None);
        checkpoint()?;
        Ok("goes on")
    }));
    task.waits();
    w.pass(1000);
    assert_eq!(task.ends().unwrap(), "goes on");
}

#[test]
fn a_task_that_has_started_outlives_who_started_it() {
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        let start = tasks.start(|ready| async move {
            ready.started(1);
            sleep(2 * SECOND).await?;
            Err::<(), _>(Error::msg("much later"))
        });
        assert_eq!(move_on_after(SECOND, start).await?, Some(1));
        forever().await
    }));
    task.waits();
    w.pass(1000);
    task.waits();
    w.pass(1000);
    assert_eq!(task.ends().unwrap_err().message(), "much later");
}

#[test]
fn a_failure_to_start_can_be_handled_where_it_is_waited_for() {
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        let start = tasks.start(|_ready: Ready<()>| async { Err::<(), _>(Error::msg("not today")) });
        let error = start.await.unwrap_err();
        checkpoint()?;
        Ok(error.message())
    }));
    assert_eq!(task.ends().unwrap(), "not today");
}

#[test]
fn two_calls_that_fail_alike_are_two_failures_and_one_failure_met_twice_is_one() {
    for (contexts, failures) in [([3, 4], 2), ([3, 3], 1)] {
        let w = World::new();
        let call = || w.portal().call::<u32, _>("work", &());
        let (one, two) = (call(), call());
        let mut task = w.task(scope(async move |tasks| {
            _ = tasks.spawn(one);
            _ = tasks.spawn(two);
            Ok(())
        }));
        task.waits();
        for (key, context) in [1, 2].into_iter().zip(contexts) {
            let error = BoxedError {
                context,
                ..*failure("disk full")
            };
            w.ended(key, Outcome::Failed(Box::new(error)));
        }
        let error = task.ends().unwrap_err();
        assert_eq!(error.members().len(), failures, "{contexts:?}: {error}");
    }
}

#[test]
fn a_task_that_is_cancelled_while_it_starts_is_cancelled_and_not_silent() {
    let w = World::new();
    let mut task = w.task(scope(async |tasks| {
        let start = tasks.start(|_ready: Ready<()>| async move { Ok(sleep(SECOND).await.ok()) });
        start.await
    }));
    task.waits();
    w.cancel(third());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

/// A block that is dropped, by a `select!` say, has tasks that end without a word.
#[test]
fn who_waits_for_a_task_of_a_dropped_block_is_told() {
    let w = World::new();
    let (give, take) = std::sync::mpsc::channel();
    let mut block = w.task(scope(async move |tasks| {
        give.send((tasks.clone(), tasks.spawn(forever()))).unwrap();
        forever().await
    }));
    block.waits();
    let (tasks, joined) = take.try_recv().unwrap();
    let mut joining = w.task(joined);
    let mut starting = w.task(async move {
        tasks
            .start(|_ready: Ready<()>| async move { std::future::pending::<Result<()>>().await })
            .await
    });
    joining.waits();
    starting.waits();
    block.waits();
    drop(block);
    assert_eq!(joining.ends().unwrap_err().kind(), ErrorKind::InvalidOperation);
    assert!(starting.ends().is_err());
}
