//! Nurseries: nothing outlives its block, and no failure is lost (semantics 7 and 10).

use std::cell::Cell;
use std::rc::Rc;

use steading_actor::*;
use steading_types::Fate;

use crate::harness::*;

fn child(name: &str) -> Spec {
    Spec::this_component(name)
}

#[test]
fn a_nursery_ends_when_its_children_are_dead() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let portal = n.start_actor(child("a")).await?;
        n.cancel("done");
        Ok(portal.id().clone())
    }));
    w.bring_up(&mut task, 2);
    assert_eq!(
        w.asked(),
        ["nursery n1", "spawn p2 a in n1", "cancel n1 (done)", "close n1"]
    );
    w.child_ended(2, None);
    task.waits();
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), peer());
}

#[test]
fn a_child_that_cannot_start_is_reported_by_start_actor() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let error = n.start_actor(child("a")).await.unwrap_err();
        assert_eq!(error.message(), "no such component");
        Ok(())
    }));
    task.waits();
    w.child_ended(2, Some("no such component"));
    task.waits();
    w.nursery_closed(1);
    task.ends().unwrap();
}

#[test]
fn one_failing_child_ends_the_body_and_its_siblings() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        n.start_actor(child("a")).await?;
        std::future::pending::<Result<()>>().await
    }));
    w.bring_up(&mut task, 2);
    w.asked();
    w.child_ended(2, Some("broken"));
    task.waits();
    assert_eq!(w.asked(), ["cancel n1", "close n1"]);
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap_err().message(), "broken");
}

#[test]
fn independent_failures_are_a_group_with_the_body_first() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        n.start_actor(child("a")).await?;
        Err::<(), _>(Error::msg("body"))
    }));
    w.bring_up(&mut task, 2);
    w.child_ended(2, Some("child"));
    task.waits();
    w.nursery_closed(1);
    let error = task.ends().unwrap_err();
    let members: Vec<_> = error.members().iter().map(Error::message).collect();
    assert_eq!(members, ["body", "child"]);
}

#[test]
fn a_cancelled_nursery_waits_for_its_children() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        n.start_actor(child("a")).await?;
        std::future::pending::<Result<()>>().await
    }));
    w.bring_up(&mut task, 2);
    w.cancel(third());
    task.waits();
    w.child_ended(2, None);
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn a_cancel_after_the_body_reaches_the_children_too() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| n.start_actor(child("a")).await.map(drop)));
    w.bring_up(&mut task, 2);
    w.asked();
    w.cancel(third());
    task.waits();
    assert_eq!(w.asked(), ["cancel n1"]);
    w.nursery_closed(1);
    assert!(task.ends().unwrap_err().is_cancelled());
}

/// That there was nobody to call is what came of that.
#[test]
fn a_run_once_child_that_a_siblings_failure_ended_before_its_call_was_cancelled() {
    let w = World::new();
    let said = Rc::new(Cell::new(None));
    let saying = said.clone();
    let mut task = w.task(w.actor.nursery(async move |n| {
        let running = n.run_in_actor::<u32, _>(child("once"), "work", &());
        n.start_actor(child("sibling")).await?;
        let end = shield(running.result()).await;
        saying.set(Some(end.unwrap_err().is_cancelled()));
        Ok(())
    }));
    task.waits();
    w.child_up(2);
    w.bring_up(&mut task, 3);
    w.child_failed(3, "broken", true);
    w.ended(
        4,
        Outcome::Failed(Box::new(BoxedError::new(ErrorKind::LinkClosed, peer(), "gone"))),
    );
    task.waits();
    w.child_ended(2, None);
    w.child_ended(3, Some("broken"));
    task.waits();
    w.nursery_closed(1);
    let error = task.ends().unwrap_err();
    assert_eq!(error.message(), "broken");
    assert_eq!(said.take(), Some(true), "cancelled, as its sibling's failure did it");
}

#[test]
fn a_run_once_child_is_cancelled_when_its_result_is_in() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let running = n.run_in_actor::<u32, _>(child("once"), "work", &());
        Ok((running.result().await?, running))
    }));
    w.bring_up(&mut task, 2);
    w.returned(3, &7);
    task.waits();
    assert_eq!(
        w.asked(),
        [
            "nursery n1",
            "spawn p2 once in n1",
            "open c3 work",
            "release c3",
            "done p2",
            "close n1"
        ]
    );
    w.child_ended(2, None);
    w.nursery_closed(1);
    let (result, running) = task.ends().unwrap();
    assert_eq!(result, 7);
    assert_eq!(w.task(async move { running.result().await }).ends().unwrap(), 7);
}

#[test]
fn run_once_children_are_awaited_by_a_body_that_does_not() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        n.run_in_actor::<u32, _>(child("once"), "work", &());
        Ok(())
    }));
    w.bring_up(&mut task, 2);
    assert!(!w.asked().contains(&"close n1".to_owned()));
    w.returned(3, &7);
    task.waits();
    w.child_ended(2, None);
    w.nursery_closed(1);
    task.ends().unwrap();
}

#[test]
fn a_failing_run_once_call_fails_the_nursery_once() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let running = n.run_in_actor::<u32, _>(child("once"), "work", &());
        running.result().await
    }));
    w.bring_up(&mut task, 2);
    w.failed(3, "no luck");
    task.waits();
    w.child_failed(2, "no luck", true);
    w.child_ended_with(2, None, Fate::Fatal);
    w.nursery_closed(1);
    let error = task.ends().unwrap_err();
    assert_eq!((error.members().len(), error.message()), (1, "no luck".to_owned()));
}

#[test]
fn a_dropped_nursery_cancels_its_children() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| n.start_actor(child("a")).await.map(drop)));
    task.waits();
    w.asked();
    drop(task);
    assert_eq!(w.asked(), ["cancel p2", "cancel n1", "close n1"]);
}

#[test]
fn cancelling_a_child_answers_with_the_rung() {
    let w = World::new();
    let mut task = w.task(w.actor.nursery(async |n| {
        let portal = n.start_actor(child("a")).await?;
        let first = portal.cancel_actor("enough").await?;
        Ok((first, portal.cancel_actor("again").await?))
    }));
    w.bring_up(&mut task, 2);
    w.child_ended(2, None);
    task.waits();
    assert!(w.asked().contains(&"cancel p2 (enough)".to_owned()));
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), (Rung::Acked, Rung::AlreadyGone));
}

#[test]
fn only_children_can_be_cancelled() {
    let w = World::new();
    let portal = w.portal();
    let error = w.task(async move { portal.cancel_actor("").await }).ends().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOperation);
}

/// Nobody would have its portal, and the nursery would wait for it for ever.
#[test]
fn a_child_whose_start_was_given_up_is_cancelled() {
    let w = World::new();
    let second = std::time::Duration::from_secs(1);
    let mut task = w.task(nursery(async move |n| {
        let started = move_on_after(second, n.start_actor(child("a"))).await?;
        assert!(started.is_none());
        Ok(())
    }));
    task.waits();
    w.pass(1000);
    task.waits();
    assert!(w.asked().contains(&"cancel p2".to_owned()));
    w.child_up(2);
    w.child_ended(2, None);
    w.nursery_closed(1);
    task.ends().unwrap();
}

#[test]
fn a_child_that_came_up_is_its_starters() {
    let w = World::new();
    let mut task = w.task(nursery(async |n| n.start_actor(child("a")).await));
    w.bring_up(&mut task, 2);
    assert!(!w.asked().contains(&"cancel p2".to_owned()));
    w.child_ended(2, None);
    w.nursery_closed(1);
    task.ends().unwrap();
}

#[test]
fn a_run_of_a_nursery_that_has_ended_is_refused() {
    let w = World::new();
    let mut task = w.task(async {
        let mut kept = None;
        nursery(async |n| {
            kept = Some(n);
            Ok(())
        })
        .await?;
        let late = kept.unwrap().run_in_actor::<u32, _>(child("late"), "work", &());
        Ok(late.result().await.unwrap_err().kind())
    });
    task.waits();
    w.nursery_closed(1);
    assert_eq!(task.ends().unwrap(), ErrorKind::InvalidOperation);
}

#[test]
fn who_gives_up_waiting_for_a_result_leaves_no_waker() {
    let w = World::new();
    let (give, take) = std::sync::mpsc::channel();
    let mut block = w.task(w.actor.nursery(async move |n| {
        let running = n.run_in_actor::<u32, _>(child("once"), "work", &());
        give.send(std::sync::Arc::new(running)).unwrap();
        Ok(())
    }));
    block.waits();
    let running = take.try_recv().unwrap();
    let asked = running.clone();
    let mut given_up = w.task(async move { asked.result().await });
    given_up.waits();
    assert!(!given_up.leaves_a_waker());
    drop(block);
    let end = w.task(async move { running.result().await }).ends();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::InvalidOperation);
}

#[test]
fn who_waits_for_a_child_of_a_dropped_nursery_is_told() {
    let w = World::new();
    let (give, take) = std::sync::mpsc::channel();
    let mut block = w.task(w.actor.nursery(async move |n| {
        let running = n.run_in_actor::<u32, _>(child("once"), "work", &());
        let portal = n.start_actor(child("a")).await?;
        give.send((running, portal)).unwrap();
        std::future::pending::<Result<()>>().await
    }));
    w.bring_up(&mut block, 2);
    let (running, portal) = take.try_recv().unwrap();
    let mut result = w.task(async move { running.result().await });
    let mut end = w.task(async move { portal.cancel_actor("").await });
    result.waits();
    end.waits();
    drop(block);
    assert_eq!(result.ends().unwrap_err().kind(), ErrorKind::InvalidOperation);
    assert_eq!(end.ends().unwrap_err().kind(), ErrorKind::InvalidOperation);
}
