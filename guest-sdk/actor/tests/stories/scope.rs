//! Cancel scopes, timers and shields.

use std::time::Duration;

use steading_actor::*;

use crate::harness::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_sleep_is_over_in_time_and_the_host_is_asked_once() {
    let w = World::new();
    let mut task = w.task(async { futures_util::try_join!(sleep(2 * SECOND), sleep(SECOND)) });
    task.waits();
    assert_eq!(w.asked(), ["wake 2000000000", "wake 1000000000"]);
    w.pass(1000);
    task.waits();
    assert_eq!(w.asked(), ["wake 2000000000"]);
    w.pass(1000);
    task.ends().unwrap();
}

#[test]
fn a_timeout_ends_a_future_that_knows_nothing_of_scopes() {
    let w = World::new();
    let mut task = w.task(timeout(SECOND, async {
        std::future::pending::<()>().await;
        Ok(())
    }));
    task.waits();
    w.pass(1000);
    let error = task.ends().unwrap_err();
    assert!(error.is_elapsed());
    assert_eq!(error.to_string(), "not done within 1s");
}

#[test]
fn a_timeout_waits_for_the_teardown_of_blocks_inside() {
    let w = World::new();
    let call = w.portal().call::<u32, _>("slow", &());
    let mut task = w.task(timeout(SECOND, call));
    task.waits();
    w.pass(1000);
    task.waits();
    assert!(w.asked().contains(&"cancel c1".to_owned()));
    w.cancelled(1, me());
    assert!(task.ends().unwrap_err().is_elapsed());
}

#[test]
fn a_block_behind_a_choosy_executor_is_torn_down_too() {
    let w = World::new();
    let call = w.portal().call::<u32, _>("slow", &());
    let mut task = w.task(timeout(SECOND, async {
        let mut all = futures_util::stream::FuturesUnordered::new();
        all.push(Box::pin(call) as std::pin::Pin<Box<dyn Future<Output = Result<u32>>>>);
        all.push(Box::pin(std::future::pending()));
        futures_util::StreamExt::next(&mut all).await.unwrap()
    }));
    task.waits();
    w.pass(1000);
    task.waits();
    assert!(w.asked().contains(&"cancel c1".to_owned()));
    w.cancelled(1, me());
    assert!(task.ends().unwrap_err().is_elapsed());
}

#[test]
fn a_value_that_is_there_in_time_is_a_value() {
    let w = World::new();
    assert_eq!(w.task(timeout(SECOND, async { Ok(3) })).ends().unwrap(), 3);
}

#[test]
fn a_cancel_is_raised_again_and_again() {
    let w = World::new();
    let mut task = w.task(async {
        let first = sleep(SECOND).await.unwrap_err();
        let second = sleep(SECOND).await.unwrap_err();
        assert_eq!(
            (first.canceller(), second.canceller()),
            (Some(&third()), Some(&third()))
        );
        assert!(checkpoint().is_err());
        Err::<(), _>(Error::msg("cleaning up failed"))
    });
    task.waits();
    w.cancel(third());
    assert_eq!(task.ends().unwrap_err().message(), "cleaning up failed");
}

#[test]
fn a_shield_keeps_the_cancel_out_until_it_is_over() {
    let w = World::new();
    let mut task = w.task(async {
        shield(sleep(300 * MILLISECOND)).await?;
        std::future::pending::<()>().await;
        Ok(())
    });
    task.waits();
    w.cancel(third());
    task.waits();
    w.pass(300);
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn cancelled_says_by_whom() {
    let w = World::new();
    let mut task = w.task(async { Ok(cancelled().await.canceller) });
    task.waits();
    w.cancel(third());
    assert_eq!(task.ends().unwrap(), third());
}

#[test]
fn nested_timeouts_blame_the_one_that_ran_out() {
    let w = World::new();
    let mut task = w.task(timeout(SECOND, async {
        timeout(2 * SECOND, async {
            std::future::pending::<()>().await;
            Ok(())
        })
        .await
    }));
    task.waits();
    w.pass(1000);
    assert_eq!(task.ends().unwrap_err().to_string(), "not done within 1s");
}

#[test]
fn move_on_after_gives_the_value_or_none() {
    let w = World::new();
    assert_eq!(w.task(move_on_after(SECOND, async { Ok(3) })).ends().unwrap(), Some(3));
    let mut task = w.task(move_on_after(SECOND, sleep(2 * SECOND)));
    task.waits();
    w.pass(1000);
    assert_eq!(task.ends().unwrap(), None);
}

#[test]
fn move_on_after_does_not_swallow_what_is_not_its_own() {
    let w = World::new();
    let mut task = w.task(move_on_after(SECOND, async {
        sleep(2 * SECOND).await.ok();
        Err::<(), _>(Error::msg("cleaning up failed"))
    }));
    task.waits();
    w.pass(1000);
    assert_eq!(task.ends().unwrap_err().message(), "cleaning up failed");

    let mut task = w.task(move_on_after(5 * SECOND, fail_after(SECOND, sleep(2 * SECOND))));
    task.waits();
    w.pass(1000);
    assert!(task.ends().unwrap_err().is_elapsed(), "the time of another");

    let mut task = w.task(move_on_after(SECOND, sleep(2 * SECOND)));
    task.waits();
    w.cancel(third());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn fail_after_raises_that_the_time_is_up() {
    let w = World::new();
    let mut task = w.task(fail_after(SECOND, sleep(2 * SECOND)));
    task.waits();
    w.pass(1000);
    assert!(task.ends().unwrap_err().is_elapsed());
}

#[test]
fn a_shield_holds_for_the_grace_and_no_longer() {
    let w = World::new();
    let mut task = w.task(async { shield(std::future::pending::<Result<()>>()).await });
    task.waits();
    w.pass(5000);
    w.cancel(third());
    task.waits();
    w.pass(399);
    task.waits();
    w.pass(1);
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn the_grace_counts_from_the_cancel_for_all_shields_together() {
    let w = World::new();
    let mut task = w.task(async {
        sleep(SECOND).await.ok();
        shield(sleep(300 * MILLISECOND)).await?;
        shield(sleep(300 * MILLISECOND)).await
    });
    task.waits();
    w.cancel(third());
    task.waits();
    w.pass(300);
    task.waits();
    w.pass(100);
    assert!(task.ends().unwrap_err().is_cancelled());
}

#[test]
fn a_shield_around_a_shield_changes_nothing() {
    let w = World::new();
    let mut task = w.task(async { shield(shield(sleep(SECOND))).await });
    task.waits();
    w.cancel(third());
    task.waits();
    w.pass(400);
    task.waits();
    w.pass(400);
    assert!(task.ends().unwrap_err().is_cancelled());
}

#[test]
fn a_cleanup_that_waits_for_another_actor_runs_during_the_cancel() {
    let w = World::new();
    let portal = w.portal();
    let mut task = w.task(async move {
        let end = sleep(SECOND).await;
        let saved = shield(portal.call::<u32, _>("save", &())).await?;
        assert_eq!(saved, 3);
        end
    });
    task.waits();
    w.cancel(third());
    task.waits();
    w.returned(1, &3);
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn a_block_inside_a_shield_is_torn_down_when_the_grace_is_over() {
    let w = World::new();
    let portal = w.portal();
    let mut task = w.task(async move { shield(portal.call::<u32, _>("slow", &())).await });
    task.waits();
    w.cancel(third());
    task.waits();
    w.pass(400);
    task.waits();
    assert!(w.asked().contains(&"cancel c1".to_owned()));
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn who_waits_for_its_own_cancel_may_clean_up_then() {
    let w = World::new();
    let mut task = w.task(async {
        let cancellation = match race(std::future::pending::<()>(), cancelled()).await {
            Either::Left(()) => return Ok("never"),
            Either::Right(cancellation) => cancellation,
        };
        assert_eq!(cancellation.canceller, third());
        shield(sleep(MILLISECOND)).await?;
        Ok("cleaned up")
    });
    task.waits();
    w.cancel(third());
    task.waits();
    w.pass(1);
    assert_eq!(task.ends().unwrap(), "cleaned up");
}

#[test]
fn an_actor_asks_for_its_own_end_and_goes_on_until_it_is_told() {
    let w = World::new();
    let mut task = w.task(async {
        cancel_self("done here");
        cancel_self("");
        checkpoint()?;
        Ok(cancelled().await)
    });
    task.waits();
    assert_eq!(w.asked(), ["cancel me (done here)", "cancel me"]);
    w.cancel(me());
    assert_eq!(task.ends().unwrap().canceller, me());
}
