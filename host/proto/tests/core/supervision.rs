//! Semantics 10: who starts again, when, how often, and with whom.

use std::time::Duration;

use steading_proto::{Dest, Frame};
use steading_types::{
    BoxedError, Cause, Ending, ErrorKind, Event, FailureMatch, Fate, Intensity, Key, Refusal, Restart, Rung, Strategy,
    Supervision,
};

use crate::world::{CHILD, MS, ROOT, World, both, spec};

/// A nursery of the root with this strategy.
fn nursery(w: &mut World, strategy: Strategy) -> Key {
    nursery_with(w, strategy, None)
}

fn nursery_with(w: &mut World, strategy: Strategy, intensity: Option<Intensity>) -> Key {
    let rules = Supervision { strategy, intensity };
    w.core(ROOT).nursery_open(None, rules).expect("serving")
}

/// A child in it.
fn child(w: &mut World, nursery: Key, restart: Restart) -> usize {
    let child = w
        .spawn_as(ROOT, nursery, spec("child").restart(restart))
        .expect("admitted");
    w.drive();
    child
}

fn fails(w: &mut World, child: usize) {
    w.die(child, ErrorKind::Panic);
    w.drive();
}

fn at_once() -> Restart {
    Restart::transient().backoff(Duration::ZERO, Duration::ZERO)
}

/// How the parent was told of the child's end, the last time.
fn fate(w: &World, child: usize) -> Option<Fate> {
    let portal = w.portal(ROOT, child);
    w.actors[ROOT].log.iter().rev().find_map(|event| match event {
        Event::ChildEnded { child, fate, .. } if *child == portal => Some(*fate),
        _ => None,
    })
}

/// What the parent was told that its nursery will raise.
fn raised(w: &World) -> Vec<(ErrorKind, bool)> {
    let failed = |event: &Event| match event {
        Event::ChildFailed { error, fatal, .. } => Some((error.kind.clone(), *fatal)),
        _ => None,
    };
    w.actors[ROOT].log.iter().filter_map(failed).collect()
}

/// The actors that were started in others' places, in order.
fn newest(w: &World, before: usize) -> Vec<usize> {
    (before..w.actors.len()).collect()
}

#[test]
fn a_transient_child_that_fails_is_another_actor_of_the_same_name() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let first = child(&mut w, n, at_once());
        fails(&mut w, first);
        assert_eq!(fate(&w, first), Some(Fate::Restarts));
        let next = w.actors.len() - 1;
        assert_ne!(next, first);
        assert_eq!(w.id(next).name, w.id(first).name);
        assert_ne!(w.id(next).uuid, w.id(first).uuid);
        assert_ne!(
            w.portal(ROOT, next),
            w.portal(ROOT, first),
            "a portal leads to one actor"
        );
        let told = w.actors[ROOT].log.iter().any(|event| {
            matches!(event, Event::ChildRestarted(r) if r.ended == w.portal(ROOT, first) && r.child == w.portal(ROOT, next))
        });
        assert!(told);
        assert_eq!(w.actors[ROOT].core.restarts(w.portal(ROOT, next)), 1);
        assert!(raised(&w).is_empty(), "it was repaired");
        assert!(!w.has_left(CHILD), "nobody else is concerned");
    });
}

#[test]
fn contexts_with_a_child_that_starts_again_have_failed() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let first = child(&mut w, n, at_once());
        let caller = w.open(ROOT, first, "scan");
        w.drive();
        fails(&mut w, first);
        let outcome = w.outcome(ROOT, caller).expect("told");
        assert!(matches!(outcome, steading_types::Outcome::Failed(error) if error.kind == ErrorKind::Panic));
        let options = w.options(ROOT, first, "scan");
        assert!(
            w.core(ROOT).open(options, Vec::new()).is_err(),
            "the old portal leads nowhere"
        );
    });
}

#[test]
fn when_a_child_starts_again_depends_on_its_end() {
    both(|mut w| {
        for (restart, by_failure, by_itself) in [
            (Restart::temporary(), Fate::Over, Fate::Over),
            (at_once(), Fate::Restarts, Fate::Over),
            (Restart::permanent(), Fate::Restarts, Fate::Restarts),
        ] {
            let n = nursery(&mut w, Strategy::OneForOne);
            let failing = child(&mut w, n, restart.clone());
            let leaving = child(&mut w, n, restart);
            fails(&mut w, failing);
            assert_eq!(fate(&w, failing), Some(by_failure));
            w.core(leaving).cancel_self(None);
            w.drive();
            assert_eq!(fate(&w, leaving), Some(by_itself));
        }
    });
}

#[test]
fn who_was_asked_to_end_does_not_start_again() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let one = child(&mut w, n, Restart::permanent());
        w.cancel_actor(ROOT, one, None);
        w.drive();
        assert_eq!(fate(&w, one), Some(Fate::Over));
        let two = child(&mut w, n, Restart::permanent());
        w.nursery_cancel(ROOT, n, None);
        w.core(ROOT).nursery_close(n);
        w.drive();
        assert_eq!(fate(&w, two), Some(Fate::Over));
        assert_eq!((w.respawns, w.saw_nursery_closed(ROOT, n)), (0, true));
    });
}

#[test]
fn the_first_restart_is_at_once_and_the_next_ones_wait() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let restart = Restart::transient()
            .intensity(5, Duration::from_secs(60))
            .backoff(Duration::from_millis(100), Duration::from_secs(1));
        let mut at = child(&mut w, n, restart);
        for wait in [0, 100, 200, 400] {
            let before = w.actors.len();
            fails(&mut w, at);
            if wait > 0 {
                w.pass(wait / 2 * MS - 1);
                assert!(newest(&w, before).is_empty(), "not before half of {wait} ms");
            }
            w.pass(wait * MS);
            assert_eq!(newest(&w, before), [before], "after {wait} ms at the latest");
            at = before;
        }
    });
}

#[test]
fn one_restart_too_many_fails_the_nursery() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let bystander = child(&mut w, n, Restart::temporary());
        let mut at = child(&mut w, n, at_once().intensity(2, Duration::from_millis(500)));
        for _ in 0..2 {
            fails(&mut w, at);
            at = w.actors.len() - 1;
        }
        fails(&mut w, at);
        assert_eq!(fate(&w, at), Some(Fate::Fatal));
        assert_eq!(raised(&w), [(ErrorKind::Limit("restarts".into()), true)]);
        let (error, _) = w.child_end(ROOT, at).expect("reaped");
        let error = error.expect("it failed");
        assert_eq!(error.members[0].message, "its code is gone", "why is inside");
        let text = error.message;
        assert!(text.contains("after 2 restarts within 500 ms"), "{text}");
        assert!(w.has_left(bystander), "the nursery has failed");
        let late = w.spawn(ROOT, n, "late").expect_err("cancelled");
        assert!(matches!(late.kind, ErrorKind::Cancelled(c) if c.cause == Cause::ParentTeardown));
    });
}

#[test]
fn restarts_count_for_as_long_as_the_period() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let mut at = child(&mut w, n, at_once().intensity(1, Duration::from_millis(500)));
        for _ in 0..5 {
            fails(&mut w, at);
            assert_eq!(fate(&w, at), Some(Fate::Restarts));
            at = w.actors.len() - 1;
            w.pass(500 * MS);
        }
    });
}

#[test]
fn a_nursery_has_an_intensity_of_its_own() {
    both(|mut w| {
        let intensity = Intensity {
            restarts: 2,
            period: 1_000 * MS,
        };
        let n = nursery_with(&mut w, Strategy::OneForOne, Some(intensity));
        let children: Vec<_> = (0..3).map(|_| child(&mut w, n, at_once())).collect();
        for (index, child) in children.into_iter().enumerate() {
            fails(&mut w, child);
            let wanted = if index < 2 { Fate::Restarts } else { Fate::Fatal };
            assert_eq!(fate(&w, child), Some(wanted));
        }
    });
}

#[test]
fn a_failure_of_a_kind_that_is_not_named_fails_the_nursery() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let picky = child(&mut w, n, at_once().on(FailureMatch::Trap(None)));
        fails(&mut w, picky);
        assert_eq!(fate(&w, picky), Some(Fate::Fatal));
        assert_eq!(raised(&w), [(ErrorKind::Panic, true)]);
    });
}

#[test]
fn whom_a_restart_concerns_is_the_strategy_s() {
    both(|mut w| {
        for (strategy, concerned) in [
            (Strategy::OneCancelsAll, [false, true, false]),
            (Strategy::OneForOne, [false, true, false]),
            (Strategy::OneForAll, [true, true, true]),
            (Strategy::RestForOne, [false, true, true]),
        ] {
            let n = nursery(&mut w, strategy);
            let children: Vec<_> = (0..3).map(|_| child(&mut w, n, at_once())).collect();
            let before = w.actors.len();
            fails(&mut w, children[1]);
            let gone: Vec<_> = children.iter().map(|child| w.has_left(*child)).collect();
            assert_eq!(gone, concerned, "{strategy:?}");
            let started = concerned.iter().filter(|concerned| **concerned).count();
            assert_eq!(newest(&w, before).len(), started, "{strategy:?}");
            assert!(raised(&w).is_empty());
        }
    });
}

#[test]
fn a_group_starts_again_when_all_of_it_is_dead_and_in_its_order() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForAll);
        let slow = child(&mut w, n, at_once());
        let failing = child(&mut w, n, at_once());
        let (caller, task) = w.running_at(ROOT, slow);
        let before = w.actors.len();
        fails(&mut w, failing);
        assert!(newest(&w, before).is_empty(), "one of them still cleans up");
        let seen = w.asked(slow, task).expect("it was recalled");
        assert_eq!(seen.cause, Cause::ParentTeardown);
        w.core(slow).finish(task, Ending::Cancelled).expect("running");
        w.drive();
        assert!(w.outcome(ROOT, caller).is_some());
        let next = newest(&w, before);
        assert_eq!(next.len(), 2);
        let restarted: Vec<_> = w.actors[ROOT]
            .log
            .iter()
            .filter_map(|event| match event {
                Event::ChildRestarted(restarted) => Some(restarted.ended),
                _ => None,
            })
            .collect();
        assert_eq!(restarted, [w.portal(ROOT, slow), w.portal(ROOT, failing)]);
    });
}

#[test]
fn siblings_that_never_start_again_end_with_their_group() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForAll);
        let temporary = child(&mut w, n, Restart::temporary());
        let failing = child(&mut w, n, at_once());
        fails(&mut w, failing);
        assert_eq!((fate(&w, temporary), w.respawns), (Some(Fate::Over), 1));
    });
}

#[test]
fn a_group_does_not_meet_those_of_it_that_are_over_for_good() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForAll);
        let temporary = child(&mut w, n, Restart::temporary());
        let failing = child(&mut w, n, at_once());
        let (_, task) = w.running_at(ROOT, temporary);
        fails(&mut w, failing);
        assert_eq!(w.respawns, 0, "a sibling of the old group still cleans up");
        w.core(temporary).finish(task, Ending::Cancelled).expect("running");
        w.drive();
        assert_eq!((fate(&w, temporary), w.respawns), (Some(Fate::Over), 1));
    });
}

#[test]
fn a_failure_that_nothing_repairs_is_kept_and_concerns_nobody() {
    both(|mut w| {
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            let n = nursery(&mut w, strategy);
            let failing = child(&mut w, n, Restart::temporary());
            let sibling = child(&mut w, n, Restart::temporary());
            fails(&mut w, failing);
            assert_eq!(fate(&w, failing), Some(Fate::Over));
            assert_eq!(raised(&w).last(), Some(&(ErrorKind::Panic, false)));
            assert!(!w.has_left(sibling));
        }
    });
}

#[test]
fn a_nursery_that_closes_waits_for_children_that_are_between_two_lives() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let slow = at_once().backoff(Duration::from_millis(50), Duration::from_millis(50));
        let mut at = child(&mut w, n, slow);
        fails(&mut w, at);
        at = w.actors.len() - 1;
        fails(&mut w, at);
        w.core(ROOT).nursery_close(n);
        w.drive();
        assert!(!w.saw_nursery_closed(ROOT, n), "it will live again");
        let portal = w.portal(ROOT, at);
        w.core(ROOT).cancel_actor(portal, None).expect("it is known");
        w.drive();
        assert_eq!(fate(&w, at), Some(Fate::Over));
        assert!(w.saw_nursery_closed(ROOT, n));
        w.pass(1_000 * MS);
        assert_eq!(w.respawns, 1);
        assert_eq!(w.core(ROOT).cancel_actor(portal, None), Err(Refusal::UnknownKey));
    });
}

#[test]
fn what_a_child_was_started_for_counts_as_its_end() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let failure = |w: &World, child| {
            Some(Box::new(BoxedError::new(
                ErrorKind::EndpointError,
                w.id(child),
                "no luck",
            )))
        };
        let again = child(&mut w, n, at_once());
        let (portal, error) = (w.portal(ROOT, again), failure(&w, again));
        assert_eq!(w.core(ROOT).child_done(portal, error), Ok(Fate::Restarts));
        assert!(!w.has_left(again), "it is asked to end first");
        w.drive();
        assert_eq!((w.has_left(again), w.respawns), (true, 1));
        let done = child(&mut w, n, at_once());
        let portal = w.portal(ROOT, done);
        assert_eq!(w.core(ROOT).child_done(portal, None), Ok(Fate::Over));
        assert_eq!(
            w.core(ROOT).child_done(portal, None),
            Ok(Fate::Over),
            "once decided, it stays so"
        );
        w.drive();
        assert_eq!(w.core(ROOT).child_done(portal, None), Err(Refusal::UnknownKey));
        assert!(raised(&w).is_empty());
        let alone = child(&mut w, n, Restart::temporary());
        let (portal, error) = (w.portal(ROOT, alone), failure(&w, alone));
        assert_eq!(w.core(ROOT).child_done(portal, error), Ok(Fate::Over));
        w.drive();
        assert_eq!(raised(&w), [(ErrorKind::EndpointError, false)]);
        assert!(!w.has_left(CHILD));
    });
}

#[test]
fn the_failure_of_a_child_that_was_asked_to_end_is_told_once() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let one = child(&mut w, n, at_once());
        let portal = w.portal(ROOT, one);
        w.core(ROOT).cancel_actor(portal, None).expect("alive");
        let error = BoxedError::new(ErrorKind::EndpointError, w.id(one), "no luck");
        for _ in 0..2 {
            let failure = Some(Box::new(error.clone()));
            assert_eq!(w.core(ROOT).child_done(portal, failure), Ok(Fate::Over));
        }
        w.drive();
        assert_eq!(raised(&w), [(ErrorKind::EndpointError, false)]);
        assert_eq!((fate(&w, one), w.respawns), (Some(Fate::Over), 0));
    });
}

#[test]
fn in_a_nursery_without_rules_the_failure_of_a_call_cancels_the_siblings_at_once() {
    both(|mut w| {
        let (failing, sibling) = (CHILD, w.spawn(ROOT, w.nursery, "sibling").expect("admitted"));
        w.drive();
        let portal = w.portal(ROOT, failing);
        let error = BoxedError::new(ErrorKind::EndpointError, w.id(failing), "no luck");
        assert_eq!(w.core(ROOT).child_done(portal, Some(Box::new(error))), Ok(Fate::Fatal));
        w.step(ROOT, sibling);
        assert!(w.actors[sibling].core.stage().is_ending());
        w.drive();
        assert_eq!(raised(&w), [(ErrorKind::EndpointError, true)]);
    });
}

#[test]
fn a_start_that_fails_again_is_one_more_failure() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let one = child(&mut w, n, at_once().intensity(2, Duration::from_secs(5)));
        w.respawns_fail = true;
        fails(&mut w, one);
        assert_eq!(w.respawns, 2);
        assert_eq!(fate(&w, one), Some(Fate::Fatal));
        assert_eq!(raised(&w), [(ErrorKind::Limit("restarts".into()), true)]);
        w.core(ROOT).nursery_close(n);
        w.drive();
        assert!(w.saw_nursery_closed(ROOT, n), "nothing of it is left");
    });
}

#[test]
fn a_period_without_length_is_no_leave_to_restart_for_ever() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let one = child(&mut w, n, at_once().intensity(3, Duration::ZERO));
        w.respawns_fail = true;
        fails(&mut w, one);
        assert_eq!(w.respawns, 3, "as many as are allowed, while no time passes");
        assert_eq!(fate(&w, one), Some(Fate::Fatal));
    });
}

#[test]
fn an_actor_that_dies_starts_nobody_again() {
    both(|mut w| {
        let inner = w.nursery_of(CHILD);
        let restart = Restart::permanent().backoff(Duration::from_millis(50), Duration::from_millis(50));
        let grandchild = w
            .spawn_as(CHILD, inner, spec("grandchild").restart(restart))
            .expect("admitted");
        w.drive();
        w.core(grandchild).cancel_self(None);
        w.drive();
        let next = w.actors.len() - 1;
        w.core(next).cancel_self(None);
        w.drive();
        assert_eq!(w.respawns, 1, "the second waits");
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        assert_eq!(w.child_end(ROOT, CHILD).map(|(_, rung)| rung), Some(Rung::Acked));
        w.pass(1_000 * MS);
        assert_eq!(w.respawns, 1);
    });
}

#[test]
fn an_actor_whose_last_child_is_between_two_lives_stops_once() {
    both(|mut w| {
        let inner = w.nursery_of(CHILD);
        let slow = at_once().backoff(Duration::from_millis(50), Duration::from_millis(50));
        let grandchild = w
            .spawn_as(CHILD, inner, spec("grandchild").restart(slow))
            .expect("admitted");
        w.drive();
        fails(&mut w, grandchild);
        let next = w.actors.len() - 1;
        fails(&mut w, next);
        w.cancel_actor(ROOT, CHILD, None);
        w.drive();
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Acked)));
        assert_eq!(w.respawns, 1, "the second waited, and is not started");
    });
}

#[test]
fn a_child_that_is_dead_does_not_come_up() {
    both(|mut w| {
        let n = nursery(&mut w, Strategy::OneForOne);
        let slow = at_once()
            .intensity(9, Duration::from_secs(9))
            .backoff(Duration::from_secs(1), Duration::from_secs(1));
        let first = child(&mut w, n, slow);
        fails(&mut w, first);
        let second = w.actors.len() - 1;
        fails(&mut w, second);
        let portal = w.portal(ROOT, second);
        let before = w.core(ROOT).dropped().unknown;
        let now = w.now;
        w.core(ROOT).handle(&second, Dest::Actor, Frame::ChildUp(portal), now);
        assert!(!w.core(ROOT).has_events(), "nobody is told");
        assert_eq!(w.core(ROOT).dropped().unknown, before + 1);
    });
}

#[test]
fn a_child_that_has_had_its_time_is_interrupted() {
    both(|mut w| {
        let (_, task) = w.running();
        let portal = w.portal(ROOT, CHILD);
        w.core(ROOT).cancel_actor(portal, None).expect("alive");
        w.drive();
        assert!(w.asked(CHILD, task).is_some());
        assert_eq!(w.actors[CHILD].traps, 0, "it has half a second");
        w.core(ROOT).kill_actor(portal).expect("alive");
        w.drive();
        assert_eq!(w.actors[CHILD].traps, 1);
        w.die(CHILD, ErrorKind::Trap("interrupt".into()));
        w.drive();
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Trapped)));
        assert_eq!(w.core(ROOT).kill_actor(portal), Err(Refusal::UnknownKey));
    });
}
