//! Actors whose tasks begin one by one: who waits for a turn, and gives up.

use bytes::Bytes;
use steading_types::{Ending, ErrorKind, Key, Refusal};

use crate::world::{MS, ROOT, World, both};

/// An actor that runs one task and lets another wait: it, and for each task the caller's key and the callee's.
fn crowded(w: &mut World) -> (usize, (Key, Key), (Key, Key)) {
    w.one_by_one = true;
    let actor = w.below(ROOT);
    let call = |w: &mut World| {
        let caller = w.open(ROOT, actor, "plain");
        w.drive();
        (caller, w.newest_task(actor))
    };
    let (first, second) = (call(w), call(w));
    assert!(w.core(actor).begin(first.1), "it is its turn");
    (actor, first, second)
}

fn return_something(w: &mut World, actor: usize, (caller, task): (Key, Key)) {
    w.core(actor)
        .finish(task, Ending::Returned(Bytes::from_static(b"yo")))
        .expect("once");
    w.drive();
    assert_eq!(w.returned(ROOT, caller), b"yo");
}

#[test]
fn a_task_that_waits_is_over_when_it_is_cancelled_and_nobody_is_trapped_for_it() {
    both(|mut w| {
        let (actor, first, (caller, task)) = crowded(&mut w);
        w.cancel(ROOT, caller, Some("too late"));
        w.drive();
        assert_eq!(w.cancelled(ROOT, caller).reason.as_deref(), Some("too late"));
        assert!(w.asked(actor, task).is_some(), "what was kept for it can go");
        assert!(!w.core(actor).begin(task), "and it does not begin");
        w.jump(60_000 * MS);
        assert_eq!((w.actors[actor].traps, w.actors[actor].kills), (0, 0));
        return_something(&mut w, actor, first);
        assert!(w.core(actor).is_quiescent());
    });
}

#[test]
fn a_deadline_is_told_at_once_to_who_waits_for_a_turn() {
    both(|mut w| {
        let (actor, first, _) = crowded(&mut w);
        let caller = w.open_within(20 * MS, ROOT, actor, "plain");
        w.drive();
        w.pass(20 * MS);
        assert_eq!(w.cancelled(ROOT, caller).cause, steading_types::Cause::Deadline);
        return_something(&mut w, actor, first);
    });
}

#[test]
fn a_task_that_has_begun_has_its_grace_and_no_more() {
    both(|mut w| {
        let (actor, (caller, _), second) = crowded(&mut w);
        w.cancel(ROOT, caller, None);
        w.drive();
        assert_eq!(w.outcome(ROOT, caller), None);
        let grace = w.limits.cancel_grace;
        w.jump(grace);
        assert_eq!(w.actors[actor].traps, 1);
        assert_eq!(w.outcome(ROOT, second.0), None, "whom nobody has cancelled waits");
    });
}

#[test]
fn an_actor_that_is_cancelled_waits_for_the_task_that_runs_alone() {
    both(|mut w| {
        let (actor, (caller, task), second) = crowded(&mut w);
        w.cancel_actor(ROOT, actor, None);
        w.drive();
        assert_eq!(w.cancelled(ROOT, second.0).canceller, w.id(ROOT));
        assert!(!w.has_left(actor));
        w.core(actor).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.cancelled(ROOT, caller).canceller, w.id(ROOT));
        assert!(w.has_left(actor));
    });
}

#[test]
fn a_task_begins_once() {
    both(|mut w| {
        let (actor, first, (_, second)) = crowded(&mut w);
        assert!(!w.core(actor).begin(first.1));
        assert!(w.core(actor).begin(second));
        return_something(&mut w, actor, first);
        assert!(!w.core(actor).begin(first.1), "it is over");
    });
}

#[test]
fn what_the_host_refuses_is_told_as_the_hosts_own_word() {
    both(|mut w| {
        let (actor, first, second) = crowded(&mut w);
        let kind = || ErrorKind::Limit("inbox".into());
        w.core(actor).refuse_task(second.1, kind(), "no room".into());
        w.core(actor).refuse_task(first.1, kind(), "no memory".into());
        w.drive();
        assert_eq!(w.failure(ROOT, second.0).kind, kind(), "it was only waiting");
        assert_eq!(w.outcome(ROOT, first.0), None, "it runs");
        w.core(actor).finish(first.1, Ending::Cancelled).expect("once");
        assert_eq!(
            w.core(actor).finish(second.1, Ending::Cancelled),
            Err(Refusal::UnknownKey)
        );
        w.drive();
        assert_eq!(w.failure(ROOT, first.0).message, "no memory");
    });
}
