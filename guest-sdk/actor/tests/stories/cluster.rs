//! A number of equal children for the time of one block.

use steading_actor::*;

use crate::harness::*;

fn three(w: &World) -> Task<usize> {
    w.task(cluster(3, Spec::component("sorter", "ignored"), async |portals| {
        Ok(portals.len())
    }))
}

/// Keys are given out in order: 1 is the nursery, then come the children.
const NURSERY: u32 = 1;

#[test]
fn workers_are_started_at_once_and_named_after_their_parent() {
    let w = World::new();
    let mut task = three(&w);
    task.waits();
    let spawned = [
        "spawn p2 me.worker_0 in n1",
        "spawn p3 me.worker_1 in n1",
        "spawn p4 me.worker_2 in n1",
    ];
    assert_eq!(w.asked(), ["nursery n1", spawned[0], spawned[1], spawned[2]]);
}

#[test]
fn all_are_cancelled_when_the_body_has_ended() {
    let w = World::new();
    let mut task = three(&w);
    task.waits();
    w.asked();
    [4, 2, 3].into_iter().for_each(|child| w.child_up(child));
    task.waits();
    assert_eq!(w.asked(), ["cancel n1 (the cluster is over)", "close n1"]);
    [2, 3, 4].into_iter().for_each(|child| w.child_ended(child, None));
    w.nursery_closed(NURSERY);
    assert_eq!(task.ends().unwrap(), 3);
}

#[test]
fn one_that_cannot_start_cancels_the_others_and_is_what_leaves() {
    let w = World::new();
    let mut task = three(&w);
    task.waits();
    w.asked();
    w.child_up(2);
    w.child_ended(3, Some("no room"));
    task.waits();
    assert!(w.asked().iter().any(|line| line.starts_with("cancel n1")));
    w.nursery_closed(NURSERY);
    assert_eq!(task.ends().unwrap_err().message(), "no room");
}

#[test]
fn no_workers_are_an_error_at_once() {
    let w = World::new();
    let mut task = w.task(cluster(0, Spec::this_component(""), async |_| Ok(())));
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::InvalidOperation);
    assert!(w.asked().is_empty());
}
