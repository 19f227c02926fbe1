//! Two cancellations that cross: which of them is told (semantics 5 to 7).

use std::sync::mpsc::channel;
use std::time::Duration;

use steading_actor::*;

use crate::harness::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A block that waits elsewhere inside `around`, and whose own cancel by another task has ended its body.
fn ended_by_itself<T: 'static, Fut>(w: &World, around: impl FnOnce(BoxFuture<()>) -> Fut) -> Task<T>
where
    Fut: Future<Output = Result<T>> + 'static,
{
    let (give, take) = channel();
    let block = w.portal().open_context("scan", &(), async move |c: Ctx, ()| {
        give.send(c).unwrap();
        std::future::pending::<()>().await;
        Ok(())
    });
    let mut task = w.task(around(Box::pin(block)));
    w.enter(&mut task, 1, &());
    w.cancel_by_handle(take.try_recv().unwrap(), "");
    task.waits();
    task
}

type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = Result<T>>>>;

#[test]
fn a_timeout_that_runs_out_while_our_own_cancel_is_answered_is_a_timeout() {
    let w = World::new();
    let mut task = ended_by_itself(&w, |block| move_on_after(SECOND, block));
    w.pass(1000);
    task.waits();
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap(), None);
}

#[test]
fn the_enclosing_cancellation_is_told_and_not_our_own() {
    for outcome in [Outcome::Cancelled(cancelled_by(me())), Outcome::Returned(bytes(&5u32))] {
        let w = World::new();
        let mut task = ended_by_itself(&w, |block| block);
        w.cancel(third());
        task.waits();
        w.ended(1, outcome.clone());
        assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()), "{outcome:?}");
    }
}

#[test]
fn the_enclosing_cancellation_beats_that_of_a_block_that_cancelled_itself() {
    let w = World::new();
    let call = w.portal().call::<u32, _>("slow", &());
    let mut task = w.task(scope(async move |tasks| {
        _ = tasks.spawn(call);
        sleep(SECOND).await?;
        tasks.cancel("enough");
        checkpoint()
    }));
    task.waits();
    w.pass(1000);
    task.waits();
    assert_eq!(w.tear_down(&mut task, 1).canceller(), Some(&third()));
}

#[test]
fn the_enclosing_cancellation_beats_a_time_that_ran_out_before() {
    let w = World::new();
    let call = w.portal().call::<u32, _>("slow", &());
    let mut task = w.task(move_on_after(SECOND, call));
    task.waits();
    w.pass(1000);
    task.waits();
    assert_eq!(w.tear_down(&mut task, 1).canceller(), Some(&third()));
}

#[test]
fn a_scope_inside_a_cancelled_one_cannot_be_cancelled_again() {
    let w = World::new();
    let mut task = w.task(async {
        let inner = async {
            shield(sleep(200 * MILLISECOND)).await?;
            Ok(current().cancellation())
        };
        move_on_after(100 * MILLISECOND, inner).await
    });
    task.waits();
    w.cancel(third());
    task.waits();
    w.pass(100);
    task.waits();
    w.pass(100);
    assert_eq!(task.ends().unwrap(), Some(Some(cancelled_by(third()))));
}

#[test]
fn a_second_cancel_gives_a_shield_no_more_time() {
    let w = World::new();
    let mut task = w.task(move_on_after(300 * MILLISECOND, async {
        sleep(SECOND).await.ok();
        sleep(SECOND).await.ok();
        shield(sleep(350 * MILLISECOND)).await.ok();
        shield(sleep(SECOND)).await
    }));
    task.waits();
    w.cancel(third());
    task.waits();
    w.pass(350);
    task.waits();
    w.pass(50);
    assert_eq!(
        task.ends().unwrap_err().canceller(),
        Some(&third()),
        "400 ms after the cancel"
    );
}

/// Semantics 7, rule 2: somebody else's cancellation, met first, is not replaced by the noise that follows.
#[test]
fn a_foreign_cancellation_beats_the_local_one_that_comes_while_the_others_are_torn_down() {
    let w = World::new();
    let (met, slow) = (
        w.portal().call::<u32, _>("met", &()),
        w.portal().call::<u32, _>("slow", &()),
    );
    let mut task = w.task(scope(async move |tasks| {
        _ = tasks.spawn(met);
        _ = tasks.spawn(slow);
        Ok(())
    }));
    task.waits();
    w.cancelled(1, peer());
    task.waits();
    assert_eq!(w.tear_down(&mut task, 2).canceller(), Some(&peer()));
}

#[test]
fn a_nursery_tells_the_foreign_cancellation_its_body_met_and_not_the_local_one_after_it() {
    let w = World::new();
    let met = w.portal().call::<u32, _>("met", &());
    let mut task = w.task(nursery(async move |n| {
        n.start_actor(Spec::this_component("a")).await?;
        met.await
    }));
    w.bring_up(&mut task, 2);
    w.cancelled(3, peer());
    task.waits();
    w.cancel(third());
    task.waits();
    w.child_ended(2, None);
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&peer()));
}

#[test]
fn a_third_that_cancels_the_peers_actor_while_our_body_is_torn_down_is_told() {
    let w = World::new();
    let (mut task, _) = w.elsewhere();
    w.cancel(me());
    task.waits();
    w.cancelled(1, third());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

/// Semantics 2: what was on its way when we cancelled changes nothing.
#[test]
fn a_first_value_that_crosses_our_cancel_enters_no_block() {
    let w = World::new();
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async |_: Ctx, ()| -> Result<()> { panic!("entered") }),
    );
    task.waits();
    w.cancel(third());
    task.waits();
    w.started(1, &());
    task.waits();
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn a_body_that_cancels_and_fails_tells_its_failure() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Ctx, ()| {
        c.cancel("").await;
        c.ended().await?;
        Err::<(), _>(Error::msg("mine"))
    }));
    w.enter(&mut task, 1, &());
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().message(), "mine");
}

#[test]
fn an_unanswered_cancel_is_told_also_under_a_timeout() {
    let w = World::new();
    let mut task = w.task(move_on_after(SECOND, w.portal().call::<u32, _>("slow", &())));
    task.waits();
    w.pass(1000);
    task.waits();
    let silent = BoxedError::new(ErrorKind::CancelTimeout, me(), "no answer");
    w.ended(1, Outcome::Failed(Box::new(silent)));
    assert_eq!(
        task.ends().unwrap_err().kind(),
        ErrorKind::CancelTimeout,
        "semantics 7, rule 6"
    );
}
