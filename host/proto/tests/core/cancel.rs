//! Semantics 3, 5 and 6: who cancels what, and how it is answered.

use bytes::Bytes;
use steading_proto::{Dest, Frame};
use steading_types::{BoxedError, Cause, Ending, ErrorKind, Event, OpenOptions, Outcome, Refusal};

use crate::world::{CHILD, Guest, MS, ROOT, both};

#[test]
fn a_cancel_by_the_caller_asks_the_remote_task_and_names_the_caller() {
    both(|mut w| {
        let (caller, task) = w.started();
        w.cancel(ROOT, caller, Some("enough"));
        w.drive();
        let asked = w.asked(CHILD, task).expect("asked");
        assert_eq!(asked.canceller, w.id(ROOT));
        assert_eq!(asked.reason.as_deref(), Some("enough"));
        assert_eq!(w.outcome(ROOT, caller), None, "until the task is over");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.cancelled(ROOT, caller), asked);
    });
}

#[test]
fn a_cancel_before_the_ack_reaches_the_task_by_its_origin() {
    both(|mut w| {
        let caller = w.open(ROOT, CHILD, "scan");
        w.cancel(ROOT, caller, None);
        w.drive();
        let task = w.newest_task(CHILD);
        assert!(w.asked(CHILD, task).is_some());
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.cancelled(ROOT, caller).canceller, w.id(ROOT));
    });
}

#[test]
fn a_refused_start_stays_an_error_though_it_was_cancelled() {
    both(|mut w| {
        let caller = w.open(ROOT, CHILD, "missing");
        w.cancel(ROOT, caller, None);
        w.drive();
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::NoSuchEndpoint);
    });
}

#[test]
fn after_a_cancel_the_answer_is_waited_for_and_not_the_start() {
    both(|mut w| {
        let options = OpenOptions {
            start_timeout: Some(10 * MS),
            ..w.options(ROOT, CHILD, "scan")
        };
        let caller = w.open_with(ROOT, options);
        w.cancel(ROOT, caller, None);
        w.flush();
        w.jump(11 * MS);
        assert_eq!(w.outcome(ROOT, caller), None);
        w.jump(1_000 * MS);
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::CancelTimeout);
    });
}

#[test]
fn the_first_requester_stays_the_canceller() {
    both(|mut w| {
        let (caller, task) = w.started();
        w.cancel(CHILD, task, Some("mine"));
        w.cancel(ROOT, caller, Some("later"));
        w.cancel(ROOT, caller, Some("again"));
        w.drive();
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        let cancelled = w.cancelled(ROOT, caller);
        assert_eq!(
            (cancelled.canceller, cancelled.reason.as_deref()),
            (w.id(CHILD), Some("mine"))
        );
    });
}

#[test]
fn a_callee_that_cancels_itself_before_started_is_named() {
    both(|mut w| {
        let (caller, task) = w.running();
        w.cancel(CHILD, task, None);
        w.flush();
        assert!(w.asked(CHILD, task).is_some(), "its own scope is told at once");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.cancelled(ROOT, caller).canceller, w.id(CHILD));
    });
}

#[test]
fn returning_although_cancelled_is_cancelled() {
    both(|mut w| {
        let (caller, task) = w.started();
        w.cancel(ROOT, caller, None);
        w.drive();
        w.core(CHILD)
            .finish(task, Ending::Returned(Bytes::new()))
            .expect("once");
        w.drive();
        assert_eq!(w.cancelled(ROOT, caller).canceller, w.id(ROOT));
    });
}

#[test]
fn a_cancel_that_crosses_the_return_changes_nothing() {
    both(|mut w| {
        let (caller, task) = w.started();
        w.core(CHILD)
            .finish(task, Ending::Returned(Bytes::from_static(b"yo")))
            .expect("once");
        w.cancel(ROOT, caller, None);
        w.drive();
        assert_eq!(w.returned(ROOT, caller), b"yo");
        // No error after the outcome either.
        w.cancel(ROOT, caller, None);
        assert_eq!(w.returned(ROOT, caller), b"yo");
    });
}

#[test]
fn an_error_raised_while_cleaning_up_is_shipped_instead_of_the_cancellation() {
    both(|mut w| {
        let (caller, task) = w.started();
        w.cancel(ROOT, caller, None);
        w.drive();
        let error = BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "disk full");
        w.core(CHILD)
            .finish(task, Ending::Failed(Box::new(error)))
            .expect("once");
        w.drive();
        assert_eq!(w.failure(ROOT, caller).message, "disk full");
    });
}

#[test]
fn cancelling_something_finished_or_unknown_still_acks() {
    both(|mut w| {
        let cancel = Frame::Cancel {
            cancellation: w.requested_by(ROOT),
            reply: 42,
        };
        let now = w.now;
        for dest in [Dest::Key(999), Dest::Origin(w.id(ROOT).uuid, 999)] {
            w.actors[CHILD].core.handle(&ROOT, dest, cancel.clone(), now);
            let ack = w.actors[CHILD].core.poll_output();
            let text = format!("{ack:?}");
            assert!(text.contains("CancelAck") && text.contains("Key(42)"), "{text}");
        }
    });
}

#[test]
fn a_cancel_of_a_task_that_waits_for_what_it_owns_is_acked_after_its_terminal() {
    both(|mut w| {
        let below = w.below(CHILD);
        let (caller, task) = w.started();
        w.open_in(task, CHILD, below, "scan");
        w.drive();
        w.core(CHILD)
            .finish(task, Ending::Returned(Bytes::from_static(b"yo")))
            .expect("once");
        w.drive();
        w.cancel(ROOT, caller, None);
        w.drive();
        assert_eq!(w.outcome(ROOT, caller), None);
        let deepest = w.newest_task(below);
        w.core(below).finish(deepest, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.returned(ROOT, caller), b"yo", "it had returned before the cancel");
    });
}

#[test]
fn a_cancel_that_is_not_answered_is_an_error_of_its_own_kind() {
    both(|mut w| {
        let (caller, _) = w.started();
        w.cancel(ROOT, caller, None);
        w.flush();
        w.jump(w.now + 999 * MS);
        assert_eq!(w.outcome(ROOT, caller), None);
        w.jump(w.now + MS);
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::CancelTimeout);
    });
}

#[test]
fn asking_again_asks_nobody_and_buys_no_time() {
    both(|mut w| {
        let (caller, _) = w.started();
        w.cancel(ROOT, caller, None);
        w.flush();
        w.jump(w.now + 900 * MS);
        w.cancel(ROOT, caller, Some("again"));
        assert!(w.core(ROOT).poll_output().is_none());
        w.jump(w.now + 100 * MS);
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::CancelTimeout);
    });
}

#[test]
fn a_cancelled_context_opens_no_stream() {
    both(|mut w| {
        let (caller, task) = w.started();
        w.cancel(ROOT, caller, None);
        assert_eq!(w.core(ROOT).stream_open(caller), Err(Refusal::Ended));
        w.drive();
        assert_eq!(w.core(CHILD).stream_open(task), Err(Refusal::Ended));
    });
}

#[test]
fn a_task_that_does_not_end_is_trapped_and_then_killed() {
    both(|mut w| {
        w.actors[CHILD].guest = Guest::Spins;
        let (caller, _) = w.started();
        w.cancel(ROOT, caller, None);
        w.pass(499 * MS);
        assert_eq!((w.actors[CHILD].traps, w.actors[CHILD].kills), (0, 0));
        w.pass(MS);
        assert_eq!((w.actors[CHILD].traps, w.actors[CHILD].kills), (1, 0));
        w.pass(99 * MS);
        assert_eq!(w.actors[CHILD].kills, 0);
        w.pass(MS);
        assert_eq!(w.actors[CHILD].kills, 1);
        assert_eq!(
            w.cancelled(ROOT, caller).canceller,
            w.id(ROOT),
            "it got what it asked for"
        );
        assert!(w.has_left(CHILD));
    });
}

#[test]
fn a_spinning_task_cannot_hide_behind_what_it_owns() {
    both(|mut w| {
        w.actors[CHILD].guest = Guest::Traps;
        let (_, task) = w.started();
        let nursery = w.nursery_in(CHILD, task);
        let below = w.spawn(CHILD, nursery, "below").expect("admitted");
        w.drive();
        w.cancel(CHILD, task, None);
        w.pass(500 * MS);
        assert_eq!(w.actors[CHILD].traps, 1, "it did not even pass the cancel on");
        assert!(w.has_left(below) && w.has_left(CHILD));
    });
}

#[test]
fn a_task_that_waits_for_its_children_is_not_late() {
    both(|mut w| {
        let (caller, task) = w.started();
        let nursery = w.nursery_in(CHILD, task);
        w.guest = Guest::Spins;
        let below = w.spawn(CHILD, nursery, "below").expect("admitted");
        w.open(CHILD, below, "scan");
        w.drive();
        w.cancel(ROOT, caller, None);
        w.drive();
        w.nursery_cancel(CHILD, nursery, None);
        w.core(CHILD).nursery_close(nursery);
        w.pass(599 * MS);
        assert_eq!(w.actors[CHILD].traps, 0);
        w.pass(MS);
        assert!(w.has_left(below), "its own ladder ended it");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.cancelled(ROOT, caller).canceller, w.id(ROOT));
        assert_eq!(w.actors[CHILD].traps, 0);
    });
}

#[test]
fn a_task_that_waits_for_a_context_is_not_late_for_a_nursery_it_comes_to_later() {
    both(|mut w| {
        let (caller, task) = w.started();
        let nursery = w.nursery_in(CHILD, task);
        w.guest = Guest::Spins;
        let below = w.spawn(CHILD, nursery, "below").expect("admitted");
        let options = w.options_in(task, CHILD, below, "scan");
        let inner = w.core(CHILD).open(options, Vec::new()).expect("serving");
        w.drive();
        w.cancel(ROOT, caller, None);
        w.drive();
        w.cancel(CHILD, inner, None);
        w.pass(700 * MS);
        assert_eq!(w.actors[CHILD].traps, 0, "it waits for the context inside the block");
        assert!(
            w.has_left(below),
            "and the child was asked on its behalf, or by its own ladder"
        );
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.cancelled(ROOT, caller).canceller, w.id(ROOT));
    });
}

#[test]
fn a_cancelled_task_cannot_buy_time_by_opening_and_closing() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.actors[CHILD].guest = Guest::Traps;
        let (_, task) = w.started();
        w.cancel(CHILD, task, None);
        let mut rounds = 0;
        while !w.has_left(CHILD) && rounds < 100 {
            let options = w.options_in(task, CHILD, below, "missing");
            if let Ok(key) = w.core(CHILD).open(options, Vec::new()) {
                w.cancel(CHILD, key, None);
            }
            w.pass(100 * MS);
            rounds += 1;
        }
        assert!(rounds <= 16, "it went on for {rounds} rounds");
    });
}

#[test]
fn what_a_cancelled_task_never_closed_is_closed_for_it() {
    both(|mut w| {
        w.actors[CHILD].guest = Guest::Traps;
        let (_, task) = w.started();
        let nursery = w.nursery_in(CHILD, task);
        w.cancel(CHILD, task, None);
        w.nursery_cancel(CHILD, nursery, None);
        w.pass(2_000 * MS);
        assert!(w.has_left(CHILD), "an empty nursery left open is no reason to wait");
    });
}

#[test]
fn a_caller_that_gives_up_ends_the_callees_side_and_cancels_its_task() {
    both(|mut w| {
        let (_, task) = w.started();
        let error = BoxedError::new(ErrorKind::LinkClosed, w.id(ROOT), "link lost");
        let now = w.now;
        w.actors[CHILD]
            .core
            .handle(&ROOT, Dest::Key(task), Frame::Error(Box::new(error)), now);
        w.flush();
        let asked = w.asked(CHILD, task).expect("cancelled");
        assert_eq!((asked.canceller, asked.cause), (w.id(ROOT), Cause::PeerLost));
        assert!(matches!(w.outcome(CHILD, task), Some(Outcome::Failed(_))));
        assert!(
            matches!(w.actors[CHILD].log.last(), Some(Event::Ended { .. })),
            "nothing follows the outcome"
        );
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        assert!(w.core(CHILD).poll_output().is_none(), "there is nobody to tell");
        assert_eq!(w.core(CHILD).context_count(), 0);
    });
}
