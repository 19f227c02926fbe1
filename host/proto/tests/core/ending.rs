//! Semantics 10: how an actor ends, and who is told what.

use bytes::Bytes;
use steading_proto::{Dest, Frame, Stage};
use steading_types::{BoxedError, Cancellation, Cause, Ending, ErrorKind, Refusal, Rung};

use crate::world::{CHILD, Guest, MS, ROOT, World, both};

/// Three contexts to one actor: opening, running, started.
fn three(w: &mut World) -> [u32; 3] {
    let started = w.running().0;
    let task = w.newest_task(CHILD);
    w.core(CHILD).started(task, Vec::new()).expect("once");
    let running = w.running().0;
    let opening = w.open(ROOT, CHILD, "scan");
    w.flush();
    [opening, running, started]
}

#[test]
fn a_trap_fails_every_context_of_the_actor_with_the_same_cause() {
    both(|mut w| {
        let [opening, running, started] = three(&mut w);
        w.drive();
        w.die(CHILD, ErrorKind::Trap("unreachable".into()));
        w.drive();
        for key in [opening, running, started] {
            let error = w.failure(ROOT, key);
            assert_eq!(
                (error.kind, error.source),
                (ErrorKind::Trap("unreachable".into()), w.id(CHILD))
            );
        }
        let (error, rung) = w.child_end(ROOT, CHILD).expect("reaped");
        assert_eq!(
            (error.expect("it failed").kind, rung),
            (ErrorKind::Trap("unreachable".into()), Rung::Acked)
        );
    });
}

#[test]
fn a_cancelled_actor_tells_every_context_the_same_requester() {
    both(|mut w| {
        let keys = three(&mut w);
        w.drive();
        w.cancel_actor(ROOT, CHILD, Some("over"));
        w.drive();
        let tasks: Vec<_> = w.actors[CHILD].log.iter().filter_map(task_of).collect();
        for task in tasks {
            assert_eq!(w.asked(CHILD, task).map(|asked| asked.canceller), Some(w.id(ROOT)));
            w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        }
        w.drive();
        for key in keys {
            let told = w.cancelled(ROOT, key);
            assert_eq!((told.canceller, told.reason.as_deref()), (w.id(ROOT), Some("over")));
        }
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Acked)));
    });
}

fn task_of(event: &steading_types::Event) -> Option<u32> {
    match event {
        steading_types::Event::Start(start) => Some(start.context),
        _ => None,
    }
}

#[test]
fn an_actor_that_is_being_cancelled_refuses_calls_with_that_cancellation() {
    both(|mut w| {
        let (_, task) = w.running();
        let asked = Cancellation {
            canceller: w.id(ROOT),
            reason: Some("teardown".into()),
            cause: Cause::Interrupt,
        };
        w.core(CHILD).cancel_actor_now(asked.clone());
        w.core(CHILD).cancel_self(Some("later".into()));
        let late = w.open(ROOT, CHILD, "scan");
        w.drive();
        assert_eq!(w.cancelled(ROOT, late), asked);
        assert_eq!(
            w.core(CHILD).stage(),
            &Stage::Cancelling(asked.clone()),
            "the first requester stays"
        );
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.core(CHILD).stage(), &Stage::Stopped);
    });
}

#[test]
fn an_actor_that_ends_opens_nothing() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.drive();
        w.open(CHILD, below, "scan");
        w.drive();
        let options = w.options(CHILD, below, "scan");
        w.core(CHILD).cancel_self(None);
        let error = w.core(CHILD).open(options.clone(), Vec::new()).expect_err("ending");
        assert!(matches!(error.kind, ErrorKind::Cancelled(_)), "{error}");
        w.die(CHILD, ErrorKind::Panic);
        w.core(CHILD).open(options, Vec::new()).expect_err("dying");
    });
}

#[test]
fn the_tasks_of_an_actor_end_before_its_nurseries() {
    both(|mut w| {
        let (_, task) = w.running();
        let below = w.below(CHILD);
        w.drive();
        w.core(CHILD).cancel_self(None);
        w.drive();
        assert!(!w.has_left(below), "a task may need it for its cleanup");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert!(w.has_left(below) && w.has_left(CHILD));
    });
}

#[test]
fn teardown_goes_children_first() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.drive();
        let (_, deepest) = w.running_at(CHILD, below);
        w.cancel_actor(ROOT, CHILD, None);
        w.drive();
        assert!(!w.has_left(CHILD) && !w.has_left(below));
        assert_eq!(w.asked(below, deepest).map(|asked| asked.canceller), Some(w.id(CHILD)));
        w.core(below).finish(deepest, Ending::Cancelled).expect("once");
        w.drive();
        assert!(w.has_left(CHILD) && w.has_left(below));
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Acked)));
    });
}

#[test]
fn children_are_cancelled_in_the_name_of_who_cancelled_their_parent() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.drive();
        w.cancel_actor(ROOT, CHILD, None);
        w.step(ROOT, CHILD);
        w.step(CHILD, below);
        assert_eq!(w.core(below).stage(), &Stage::Stopped);
        let late = w.child_end(CHILD, below);
        assert_eq!(late, None, "its end is still on its way");
        w.drive();
        assert!(w.has_left(CHILD));
    });
}

#[test]
fn the_tasks_below_a_cancelled_actor_name_the_requester() {
    both(|mut w| {
        let below = w.below(CHILD);
        let inner = w.nursery_of(below);
        let deepest = w.spawn(below, inner, "deepest").expect("admitted");
        w.drive();
        let (_, task) = w.running_at(below, deepest);
        let nursery = w.nursery;
        w.nursery_cancel(ROOT, nursery, None);
        w.drive();
        let asked = w.asked(deepest, task).expect("cancelled");
        assert!(
            [w.id(ROOT), w.id(below)].contains(&asked.canceller),
            "I11: the requester or an ancestor"
        );
    });
}

#[test]
fn an_actor_that_dies_takes_its_children_with_it_before_it_is_gone() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.drive();
        let (_, deepest) = w.running_at(CHILD, below);
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        assert!(!w.has_left(CHILD), "I18: it waits for its child");
        assert_eq!(
            w.asked(below, deepest).map(|asked| asked.cause),
            Some(Cause::PeerLost),
            "its caller died"
        );
        w.core(below).finish(deepest, Ending::Cancelled).expect("once");
        w.drive();
        let (error, _) = w.child_end(ROOT, CHILD).expect("reaped");
        assert_eq!(error.expect("it failed").kind, ErrorKind::Panic);
    });
}

#[test]
fn force_on_request_is_no_failure_and_names_its_rung() {
    for (guest, rung) in [(Guest::Traps, Rung::Trapped), (Guest::Spins, Rung::Killed)] {
        both(|mut w| {
            w.actors[CHILD].guest = guest;
            let caller = w.running().0;
            let sibling = w.spawn(ROOT, w.nursery, "sibling").expect("admitted");
            w.cancel_actor(ROOT, CHILD, None);
            w.pass(600 * MS);
            assert_eq!(w.child_end(ROOT, CHILD), Some((None, rung)));
            assert_eq!(w.cancelled(ROOT, caller).canceller, w.id(ROOT));
            assert!(!w.has_left(sibling));
        });
    }
}

#[test]
fn force_skips_the_request_and_not_the_ladder() {
    both(|mut w| {
        w.actors[CHILD].guest = Guest::Spins;
        let caller = w.running().0;
        let asked = w.requested_by(ROOT);
        w.core(CHILD).cancel_actor_now(asked);
        w.core(CHILD).force();
        w.flush();
        assert_eq!((w.actors[CHILD].traps, w.actors[CHILD].kills), (1, 0));
        w.pass(100 * MS);
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Killed)));
        assert_eq!(w.cancelled(ROOT, caller).canceller, w.id(ROOT));
    });
}

#[test]
fn a_panic_while_cleaning_up_is_not_hidden_by_the_cancellation() {
    both(|mut w| {
        let caller = w.running().0;
        w.cancel_actor(ROOT, CHILD, None);
        w.drive();
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::Panic);
        let (error, _) = w.child_end(ROOT, CHILD).expect("reaped");
        assert_eq!(error.expect("it failed on the way out").kind, ErrorKind::Panic);
    });
}

#[test]
fn an_error_that_waits_for_owned_children_outlives_the_death_of_its_actor() {
    both(|mut w| {
        let (caller, task) = w.running();
        let nursery = w.nursery_in(CHILD, task);
        let below = w.spawn(CHILD, nursery, "below").expect("admitted");
        w.drive();
        w.open(CHILD, below, "scan");
        w.drive();
        let error = BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "the real one");
        w.core(CHILD)
            .finish(task, Ending::Failed(Box::new(error)))
            .expect("once");
        w.drive();
        assert_eq!(w.outcome(ROOT, caller), None);
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        assert_eq!(w.failure(ROOT, caller).message, "the real one");
    });
}

#[test]
fn a_late_trap_of_one_context_fails_the_others_with_its_cause() {
    both(|mut w| {
        w.actors[CHILD].guest = Guest::Traps;
        let (cancelled, innocent) = (w.running().0, w.running().0);
        w.cancel(ROOT, cancelled, None);
        w.pass(500 * MS);
        assert_eq!(w.cancelled(ROOT, cancelled).canceller, w.id(ROOT));
        assert!(matches!(w.failure(ROOT, innocent).kind, ErrorKind::Trap(_)));
        let (error, rung) = w.child_end(ROOT, CHILD).expect("reaped");
        assert!(error.is_some(), "nobody asked the actor itself to end");
        assert_eq!(rung, Rung::Trapped);
    });
}

#[test]
fn an_actor_that_ended_in_time_is_not_killed_afterwards() {
    both(|mut w| {
        let (_, task) = w.running();
        w.core(CHILD).cancel_self(None);
        w.pass(500 * MS);
        assert_eq!(w.actors[CHILD].traps, 1);
        w.core(CHILD)
            .finish(task, Ending::Cancelled)
            .expect("just before the trap took hold");
        w.pass(1_000 * MS);
        assert_eq!(w.actors[CHILD].kills, 0);
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Trapped)));
    });
}

#[test]
fn dying_twice_is_dying_once() {
    both(|mut w| {
        let caller = w.running().0;
        w.die(CHILD, ErrorKind::Panic);
        w.die(CHILD, ErrorKind::Killed);
        w.drive();
        w.die(CHILD, ErrorKind::Killed);
        w.core(CHILD).cancel_self(None);
        w.drive();
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::Panic);
    });
}

#[test]
fn the_dead_are_told_nothing() {
    both(|mut w| {
        w.below(CHILD);
        w.drive();
        let before = w.actors[CHILD].log.len();
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        assert!(w.has_left(CHILD));
        assert_eq!(w.actors[CHILD].log.len(), before, "its code is gone");
    });
}

#[test]
fn contexts_of_no_task_are_over_before_the_actor_is() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.drive();
        let (_, deepest) = w.running_at(CHILD, below);
        w.core(CHILD).cancel_self(None);
        w.drive();
        assert!(w.asked(below, deepest).is_some());
        assert_eq!(
            w.core(CHILD).context_count(),
            1,
            "axiom 1: no scope ends before what it started"
        );
        w.core(below).finish(deepest, Ending::Cancelled).expect("once");
        w.drive();
        assert!(w.core(CHILD).is_quiescent() && w.has_left(CHILD));
    });
}

#[test]
fn an_actor_ends_with_its_main_task() {
    both(|mut w| {
        let main = w.core(ROOT).begin_main().expect("serving");
        assert_eq!(w.core(ROOT).begin_main(), Err(Refusal::Closing), "there is one");
        let nursery = w.nursery_in(ROOT, main);
        let child = w.spawn(ROOT, nursery, "mine").expect("admitted");
        w.drive();
        w.core(ROOT).finish(main, Ending::Returned(Bytes::new())).expect("once");
        w.drive();
        assert!(w.has_left(child) && w.has_left(CHILD), "with everything below it");
        assert!(matches!(w.actors[ROOT].left, Some((None, Rung::Acked))));
        w.assert_quiescent();
    });
}

#[test]
fn the_failure_of_a_main_task_is_how_its_actor_ended() {
    both(|mut w| {
        let main = w.core(CHILD).begin_main().expect("serving");
        let error = BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "no luck");
        w.core(CHILD)
            .finish(main, Ending::Failed(Box::new(error)))
            .expect("once");
        w.drive();
        let (error, rung) = w.child_end(ROOT, CHILD).expect("reaped");
        assert_eq!((error.expect("I19").message.as_str(), rung), ("no luck", Rung::Acked));
    });
}

#[test]
fn a_cancelled_main_task_has_a_ladder_like_any_other() {
    both(|mut w| {
        w.actors[ROOT].guest = Guest::Traps;
        let main = w.core(ROOT).begin_main().expect("serving");
        let interrupt = Cancellation {
            cause: Cause::Interrupt,
            ..w.requested_by(ROOT)
        };
        w.core(ROOT).cancel_actor_now(interrupt.clone());
        w.drive();
        assert_eq!(w.asked(ROOT, main), Some(interrupt));
        w.pass(500 * MS);
        assert!(matches!(w.actors[ROOT].left, Some((None, Rung::Trapped))));
        w.assert_quiescent();
    });
}

#[test]
fn the_death_of_a_caller_reaches_every_task_it_waited_for() {
    both(|mut w| {
        let [_, running, _] = three(&mut w);
        w.cancel(ROOT, running, None);
        w.die(ROOT, ErrorKind::Killed);
        w.drive();
        let tasks: Vec<_> = w.actors[CHILD].log.iter().filter_map(task_of).collect();
        assert_eq!(tasks.len(), 3);
        for task in tasks {
            assert_eq!(w.asked(CHILD, task).map(|asked| asked.canceller), Some(w.id(ROOT)));
            w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        }
        w.drive();
        w.assert_quiescent();
    });
}

/// What a callee calls the context is known when it has accepted: until then it goes by what its caller calls it.
#[test]
fn the_last_words_of_a_caller_reach_callees_that_have_not_accepted_yet() {
    both(|mut w| {
        let caller = w.open(ROOT, CHILD, "scan");
        let me = w.id(ROOT);
        let error = BoxedError::new(ErrorKind::Internal, me.clone(), "broken");
        let words = w.core(ROOT).last_words(&error);
        let is_cancel = |(to, dest, frame): &(usize, Dest, Frame)| {
            *to == CHILD && *dest == Dest::Origin(me.uuid, caller) && matches!(frame, Frame::Cancel { .. })
        };
        assert!(words.iter().any(is_cancel), "{words:?}");
    });
}
