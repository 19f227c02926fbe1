//! Children that start again, and waiting for the end of others (semantics 10).

use std::time::Duration;

use steading_actor::*;
use steading_types::Fate;

use crate::harness::*;

fn worker() -> Spec {
    Spec::this_component("worker").restart(Restart::permanent())
}

#[test]
fn a_run_once_child_that_starts_again_is_called_again() {
    let w = World::new();
    w.decide(Some(Fate::Restarts));
    let mut task = w.task(Supervisor::one_for_one().run_in(&w.actor, async |n| {
        n.run_in_actor::<u32, _>(worker(), "work", &()).result().await
    }));
    w.bring_up(&mut task, 2);
    w.failed(3, "bad luck");
    task.waits();
    let asked = w.asked();
    assert_eq!(asked.last().map(String::as_str), Some("done p2: bad luck"));
    w.child_ended_with(2, None, Fate::Restarts);
    w.child_restarted(2, 5);
    task.waits();
    assert!(w.asked().is_empty(), "the next one is called when it is up");
    w.child_up(5);
    task.waits();
    assert_eq!(w.asked(), ["open c4 work"]);
    w.decide(None);
    w.returned(4, &7);
    task.waits();
    w.child_ended_with(5, None, Fate::Over);
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), 7);
}

#[test]
fn a_child_that_was_to_start_again_and_does_not_leaves_its_last_failure() {
    let w = World::new();
    w.decide(Some(Fate::Restarts));
    let mut task = w.task(Supervisor::one_for_one().run_in(&w.actor, async |n| {
        let running = n.run_in_actor::<u32, _>(worker(), "work", &());
        Ok(running.result().await.unwrap_err().message())
    }));
    w.bring_up(&mut task, 2);
    w.failed(3, "bad luck");
    task.waits();
    w.child_ended_with(2, None, Fate::Restarts);
    task.waits();
    w.child_ended_with(2, None, Fate::Over);
    task.waits();
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), "bad luck");
}

#[test]
fn start_actor_waits_through_failed_starts() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| Ok(n.start_actor(worker()).await?.key())));
    task.waits();
    w.child_ended_with(2, Some("not yet"), Fate::Restarts);
    w.child_restarted(2, 3);
    w.bring_up(&mut task, 3);
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), 3);
}

#[test]
fn a_portal_leads_to_one_actor_and_knows_the_way_to_its_successor() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let first = n.start_actor(worker()).await?;
        let end = first.closed().await?;
        assert_eq!(end.error.unwrap().message(), "broken");
        let next = first.successor().await?;
        assert_eq!((next.restarts(), next.id() == first.id()), (1, false));
        assert_eq!(
            first.successor().await?.key(),
            next.key(),
            "asking again answers the same"
        );
        assert_eq!(first.cancel_actor("").await?, Rung::AlreadyGone, "it is another's turn");
        next.cancel_actor("enough").await?;
        next.successor().await
    }));
    w.bring_up(&mut task, 2);
    w.child_ended_with(2, Some("broken"), Fate::Restarts);
    task.waits();
    w.child_restarted(2, 3);
    task.waits();
    w.child_up_as(3, third());
    task.waits();
    assert!(w.asked().contains(&"cancel p3 (enough)".to_owned()));
    w.child_ended_with(3, None, Fate::Over);
    task.waits();
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::LinkClosed);
}

#[test]
fn cancelling_a_child_that_waits_for_its_restart_ends_the_wait() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let portal = n.start_actor(worker()).await?;
        portal.closed().await?;
        portal.cancel_actor("enough").await
    }));
    w.bring_up(&mut task, 2);
    w.child_ended_with(2, Some("broken"), Fate::Restarts);
    task.waits();
    assert!(w.asked().contains(&"cancel p2 (enough)".to_owned()));
    w.child_ended_with(2, None, Fate::Over);
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), Rung::AlreadyGone);
}

#[test]
fn a_child_that_does_not_end_within_its_time_is_killed() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let portal = n.start_actor(Spec::this_component("a")).await?;
        portal.cancel_actor_within("enough", Duration::from_millis(20)).await
    }));
    w.bring_up(&mut task, 2);
    w.pass(19);
    task.waits();
    assert!(!w.asked().contains(&"kill p2".to_owned()));
    w.pass(1);
    task.waits();
    assert!(w.asked().contains(&"kill p2".to_owned()));
    w.child_ended_with(2, None, Fate::Over);
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), Rung::Acked);
}

#[test]
fn a_failure_that_is_only_its_own_is_raised_when_the_block_ends() {
    let w = World::new();
    let mut task = w.task(Supervisor::one_for_one().run_in(&w.actor, async |n| {
        n.start_actor(Spec::this_component("a")).await?;
        sleep(Duration::from_millis(1)).await
    }));
    w.bring_up(&mut task, 2);
    w.child_failed(2, "broken", false);
    w.child_ended_with(2, Some("broken"), Fate::Over);
    task.waits();
    w.pass(1);
    task.waits();
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap_err().message(), "broken");
}

#[test]
fn a_nursery_keeps_failures_up_to_a_number_and_counts_the_rest() {
    let w = World::new();
    let mut task = w.task(Supervisor::one_for_one().run_in(&w.actor, async |n| {
        n.start_actor(Spec::this_component("a")).await?;
        Ok(())
    }));
    w.bring_up(&mut task, 2);
    for number in 0..100 {
        w.child_failed(2, &format!("failure {number}"), false);
    }
    w.nursery_closed(1);
    let error = task.ends().unwrap_err();
    assert_eq!(error.members().len(), 65);
    assert_eq!(error.members()[64].message(), "and 36 failures more");
}

#[test]
fn the_failure_of_a_linked_actor_is_the_failure_of_the_body() {
    let w = World::new();
    let mut task = w.task(Supervisor::one_for_one().run_in(&w.actor, async |n| {
        let peer = n.start_actor(Spec::this_component("a")).await?;
        let end = peer.link(std::future::pending::<Result<()>>()).await;
        let again = peer
            .link(async {
                cancelled().await;
                Err::<(), _>(Error::msg("while cleaning up"))
            })
            .await;
        Ok((end.unwrap_err().message(), again.unwrap_err().message()))
    }));
    w.bring_up(&mut task, 2);
    w.child_failed(2, "broken", false);
    w.child_ended_with(2, Some("broken"), Fate::Over);
    task.waits();
    w.nursery_closed(1);
    assert_eq!(
        task.ends().unwrap_err().message(),
        "broken",
        "and it is raised at the end"
    );
}

#[test]
fn a_body_that_swallows_its_cancel_does_not_hide_the_failure_of_a_linked_actor() {
    let w = World::new();
    let mut task = w.task(Supervisor::one_for_one().run_in(&w.actor, async |n| {
        let peer = n.start_actor(Spec::this_component("a")).await?;
        let end = peer.link(async {
            cancelled().await;
            Ok(())
        });
        Ok(end.await.unwrap_err().message())
    }));
    w.bring_up(&mut task, 2);
    w.child_ended_with(2, Some("broken"), Fate::Restarts);
    task.waits();
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), "broken");
}

#[test]
fn a_linked_actor_that_ends_well_goes_unnoticed() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let peer = n.start_actor(Spec::this_component("a")).await?;
        peer.link(async {
            sleep(Duration::from_millis(5)).await?;
            Ok(7)
        })
        .await
    }));
    w.bring_up(&mut task, 2);
    w.child_ended(2, None);
    task.waits();
    w.pass(5);
    task.waits();
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), 7);
}

#[test]
fn whoever_stops_waiting_for_an_end_leaves_nothing_behind() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let peer = n.start_actor(Spec::this_component("a")).await?;
        for _ in 0..3 {
            let first = race(peer.closed(), async {}).await;
            assert!(matches!(first, Either::Right(())));
        }
        Ok(peer)
    }));
    w.bring_up(&mut task, 2);
    w.child_ended(2, None);
    w.nursery_closed(1);
    let peer = task.ends().unwrap();
    let end = w.task(async move { peer.closed().await }).ends().unwrap();
    assert_eq!(
        (end.error.is_none(), end.rung),
        (true, Rung::Acked),
        "also after the block"
    );
}
