//! Deadlines that have passed (semantics 10), and what they leave to a cleanup (semantics 7, rule 5).

use steading_types::{Cause, Ending, ErrorKind};

use crate::world::{CHILD, MS, ROOT, both};

#[test]
fn a_call_without_any_time_is_cancelled_before_its_task_runs() {
    both(|mut w| {
        let caller = w.open_within(0, ROOT, CHILD, "scan");
        w.pass(0);
        let task = w.newest_task(CHILD);
        let asked = w.asked(CHILD, task).expect("its time is up");
        assert_eq!((asked.canceller, asked.cause), (w.id(ROOT), Cause::Deadline));
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.pass(0);
        assert_eq!(w.cancelled(ROOT, caller).cause, Cause::Deadline);
    });
}

/// What bounds a cleanup is the grace of its task.
#[test]
fn a_passed_deadline_is_none_of_the_calls_a_cleanup_makes() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.open_within(20 * MS, ROOT, CHILD, "scan");
        w.drive();
        let task = w.newest_task(CHILD);
        w.pass(20 * MS);
        assert!(w.asked(CHILD, task).is_some(), "past its deadline");
        let saving = w.open_in(task, CHILD, below, "plain");
        w.pass(0);
        assert_eq!(w.newest_deadline(below), None);
        let save = w.newest_task(below);
        w.core(below)
            .finish(save, Ending::Returned(bytes::Bytes::from_static(b"saved")))
            .expect("nobody has cancelled it");
        w.drive();
        assert_eq!(w.returned(CHILD, saving), b"saved");
    });
}

#[test]
fn a_cleanup_that_calls_without_end_ends_with_its_grace() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.actors[CHILD].guest = crate::world::Guest::Traps;
        let caller = w.open_within(20 * MS, ROOT, CHILD, "scan");
        w.pass(20 * MS);
        w.open_in(w.newest_task(CHILD), CHILD, below, "plain");
        w.pass(500 * MS);
        assert_eq!(w.actors[CHILD].traps, 1, "it did not pass the cancel on");
        w.pass(1_000 * MS);
        assert_eq!(w.cancelled(ROOT, caller).cause, Cause::Deadline);
    });
}

#[test]
fn a_start_that_nobody_takes_by_its_deadline_is_over_within_the_bound_of_a_cancel() {
    both(|mut w| {
        let caller = w.open_within(20 * MS, ROOT, CHILD, "scan");
        w.flush();
        w.jump(20 * MS);
        w.jump(1_019 * MS);
        assert_eq!(w.outcome(ROOT, caller), None);
        w.jump(1_020 * MS);
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::CancelTimeout);
        w.drive();
        let task = w.newest_task(CHILD);
        assert!(w.asked(CHILD, task).is_some(), "the late task is told all the same");
    });
}
