//! Semantics 10: nurseries and the children in them.

use steading_proto::Limits;
use steading_types::{BoxedError, Cancellation, Cause, Ending, ErrorKind, Event, Key, Refusal, Rung, Supervision};

use crate::world::{CHILD, Guest, ROOT, World, both, spec};

#[test]
fn a_child_that_runs_is_announced() {
    both(|w| {
        let portal = w.portal(ROOT, CHILD);
        let up = w.actors[ROOT]
            .log
            .iter()
            .any(|event| matches!(event, Event::ChildUp { child, id } if *child == portal && *id == w.id(CHILD)));
        assert!(up);
    });
}

#[test]
fn a_nursery_closes_when_its_last_child_is_dead() {
    both(|mut w| {
        let nursery = w.nursery;
        let other = w.spawn(ROOT, nursery, "other").expect("admitted");
        w.core(ROOT).nursery_close(nursery);
        w.drive();
        assert!(!w.saw_nursery_closed(ROOT, nursery), "closing asks nobody to end");
        for child in [CHILD, other] {
            assert!(!w.saw_nursery_closed(ROOT, nursery));
            w.cancel_actor(ROOT, child, None);
            w.drive();
            assert_eq!(w.child_end(ROOT, child), Some((None, Rung::Acked)));
        }
        assert!(w.saw_nursery_closed(ROOT, nursery));
        w.assert_quiescent();
    });
}

#[test]
fn an_empty_nursery_closes_at_once() {
    both(|mut w| {
        let nursery = w.nursery_of(ROOT);
        w.core(ROOT).nursery_close(nursery);
        w.flush();
        assert!(w.saw_nursery_closed(ROOT, nursery));
    });
}

#[test]
fn a_child_is_refused_by_a_nursery_that_closes_and_never_lost() {
    both(|mut w| {
        let nursery = w.nursery;
        w.core(ROOT).nursery_close(nursery);
        let error = w.spawn(ROOT, nursery, "late").expect_err("closing");
        assert_eq!(error.kind, ErrorKind::SpawnFailed);
        assert!(w.core(ROOT).poll_output().is_none(), "it was never started");
        let cancelled = w.nursery_of(ROOT);
        w.nursery_cancel(ROOT, cancelled, Some("enough"));
        let error = w.spawn(ROOT, cancelled, "late").expect_err("cancelled");
        assert!(matches!(error.kind, ErrorKind::Cancelled(c) if c.reason.as_deref() == Some("enough")));
        assert_eq!(
            w.spawn(ROOT, 999, "late").expect_err("unknown").kind,
            ErrorKind::SpawnFailed
        );
    });
}

#[test]
fn an_actor_that_ends_starts_no_more_children() {
    both(|mut w| {
        let (_, task) = w.running();
        let nursery = w.nursery_in(CHILD, task);
        w.core(CHILD).cancel_self(None);
        let error = w.spawn(CHILD, nursery, "late").expect_err("ending");
        assert!(matches!(error.kind, ErrorKind::Cancelled(c) if c.canceller == w.id(CHILD)));
        assert_eq!(
            w.core(CHILD).nursery_open(None, Supervision::default()),
            Err(Refusal::Closing)
        );
    });
}

#[test]
fn children_and_nurseries_have_limits() {
    both(|mut w| {
        let nursery = w.nursery;
        for _ in 1..Limits::DEFAULT.children {
            w.spawn(ROOT, nursery, "many").expect("admitted");
        }
        let error = w.spawn(ROOT, nursery, "one too many").expect_err("full");
        assert_eq!(error.kind, ErrorKind::Limit("children".into()));
        for _ in 1..Limits::DEFAULT.nurseries {
            w.nursery_of(ROOT);
        }
        assert_eq!(
            w.core(ROOT).nursery_open(None, Supervision::default()),
            Err(Refusal::Limit)
        );
    });
}

#[test]
fn when_one_child_fails_all_its_siblings_are_cancelled() {
    both(|mut w| {
        let siblings: Vec<_> = (0..3)
            .map(|_| w.spawn(ROOT, w.nursery, "sibling").expect("admitted"))
            .collect();
        let elsewhere = w.nursery_of(ROOT);
        let stranger = w.spawn(ROOT, elsewhere, "stranger").expect("admitted");
        w.drive();
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        let (error, _) = w.child_end(ROOT, CHILD).expect("reaped");
        assert_eq!(error.expect("it failed").kind, ErrorKind::Panic);
        for sibling in siblings {
            assert_eq!(w.child_end(ROOT, sibling), Some((None, Rung::Acked)));
        }
        assert!(!w.has_left(stranger), "I16: another nursery is not touched");
        assert!(
            !w.saw_nursery_closed(ROOT, w.nursery),
            "its block has not said that it is over"
        );
        let late = w.spawn(ROOT, w.nursery, "late").expect_err("cancelled").kind;
        assert!(matches!(late, ErrorKind::Cancelled(c) if c.cause == Cause::ParentTeardown));
    });
}

#[test]
fn a_child_that_ends_as_asked_cancels_nobody() {
    both(|mut w| {
        let sibling = w.spawn(ROOT, w.nursery, "sibling").expect("admitted");
        w.core(CHILD).cancel_self(None);
        w.drive();
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Acked)));
        assert!(!w.has_left(sibling));
    });
}

#[test]
fn cancelling_a_nursery_twice_asks_once() {
    both(|mut w| {
        w.actors[CHILD].guest = Guest::Silent;
        w.running();
        let nursery = w.nursery;
        w.nursery_cancel(ROOT, nursery, Some("first"));
        w.nursery_cancel(ROOT, nursery, Some("second"));
        w.cancel_actor(ROOT, CHILD, Some("third"));
        w.drive();
        let task = w.newest_task(CHILD);
        let asked = w.asked(CHILD, task).expect("cancelled");
        assert_eq!(
            (asked.reason.as_deref(), asked.cause),
            (Some("first"), Cause::Requested)
        );
    });
}

#[test]
fn a_dead_child_is_cancelled_no_more() {
    both(|mut w| {
        w.core(CHILD).cancel_self(None);
        w.drive();
        let portal = w.portal(ROOT, CHILD);
        assert_eq!(w.core(ROOT).cancel_actor(portal, None), Err(Refusal::UnknownKey));
    });
}

#[test]
fn the_failure_of_a_child_may_be_relayed() {
    both(|mut w| {
        let (caller, task) = w.running();
        let nursery = w.nursery_in(CHILD, task);
        let below = w.spawn(CHILD, nursery, "below").expect("admitted");
        w.drive();
        w.die(below, ErrorKind::Panic);
        w.drive();
        let error: BoxedError = w
            .child_end(CHILD, below)
            .and_then(|(error, _)| error)
            .expect("it failed");
        w.core(CHILD).nursery_close(nursery);
        w.core(CHILD)
            .finish(task, Ending::Failed(Box::new(error)))
            .expect("once");
        w.drive();
        let got = w.failure(ROOT, caller);
        assert_eq!((got.kind, got.source), (ErrorKind::Panic, w.id(below)));
        assert_eq!(got.relay_path, [w.id(CHILD)]);
    });
}

#[test]
fn a_child_that_could_not_be_started_is_an_ended_child() {
    both(|mut w| {
        let (id, now) = (w.id(ROOT), w.now);
        let nursery = w.nursery;
        let portal = w
            .core(ROOT)
            .spawn(nursery, spec("broken"), id.clone(), 99)
            .expect("admitted");
        let _spawn = w.core(ROOT).poll_output();
        let error = BoxedError::new(ErrorKind::SpawnFailed, id, "no such component");
        let ended = steading_proto::Frame::ChildEnded {
            portal,
            error: Some(Box::new(error)),
            rung: Rung::AlreadyGone,
        };
        w.actors[ROOT].core.handle(&99, steading_proto::Dest::Actor, ended, now);
        w.drive();
        assert_eq!(w.core(ROOT).child_count(), 0, "and its siblings went with it");
        assert!(w.has_left(CHILD));
    });
}

/// Every child of this world spins until its store is dropped.
#[test]
fn a_tree_of_spinning_actors_is_down_within_the_sum_of_its_ladders() {
    both(|mut w: World| {
        w.guest = Guest::Spins;
        let mut parent = CHILD;
        for _ in 0..4 {
            let nursery = w.nursery_of(parent);
            let child = w.spawn(parent, nursery, "deeper").expect("admitted");
            w.drive();
            w.open(parent, child, "scan");
            w.drive();
            parent = child;
        }
        let nursery = w.nursery;
        w.nursery_cancel(ROOT, nursery, None);
        w.core(ROOT).nursery_close(nursery);
        w.pass(4 * 700 * crate::world::MS);
        assert!(w.saw_nursery_closed(ROOT, nursery));
    });
}

/// What a task below is told of, in a nursery of this owner's that is cancelled on this ground.
fn told_below(w: &mut World, owner: Option<Key>, cause: Cause) -> Cancellation {
    let nursery = w
        .core(CHILD)
        .nursery_open(owner, Supervision::default())
        .expect("serving");
    let below = w.spawn(CHILD, nursery, "below").expect("admitted");
    w.drive();
    w.actors[below].guest = Guest::Silent;
    let (_, task) = w.running_at(CHILD, below);
    w.core(CHILD).nursery_cancel(nursery, Some("own".into()), cause);
    w.drive();
    w.asked(below, task).expect("cancelled")
}

#[test]
fn children_are_told_on_what_ground_as_far_as_it_is_their_parents_to_state() {
    let stated = [
        (Cause::Requested, Cause::Requested),
        (Cause::Deadline, Cause::Deadline),
        (Cause::ParentTeardown, Cause::ParentTeardown),
        (Cause::Interrupt, Cause::Requested),
        (Cause::PeerLost, Cause::Requested),
    ];
    for (claimed, expected) in stated {
        both(|mut w| {
            let told = told_below(&mut w, None, claimed.clone());
            assert_eq!((told.canceller, told.cause), (w.id(CHILD), expected.clone()));
        });
    }
}

#[test]
fn a_nursery_whose_task_was_cancelled_is_torn_down_in_the_name_of_who_did() {
    let cases = [
        (Cause::Requested, CHILD, "own"),
        (Cause::ParentTeardown, ROOT, "theirs"),
        (Cause::Deadline, ROOT, "theirs"),
    ];
    for (cause, canceller, reason) in cases {
        both(|mut w| {
            w.actors[CHILD].guest = Guest::Silent;
            let (context, task) = w.running();
            w.cancel(ROOT, context, Some("theirs"));
            w.drive();
            let told = told_below(&mut w, Some(task), cause.clone());
            assert_eq!(
                (told.canceller, told.reason.as_deref()),
                (w.id(canceller), Some(reason))
            );
        });
    }
}
