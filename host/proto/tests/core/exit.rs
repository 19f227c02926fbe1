//! Semantics 10: exit hooks, the last thing an actor's code does.

use bytes::Bytes;
use steading_proto::{Event, Stage};
use steading_types::{BoxedError, Ending, ErrorKind, Refusal, Rung, Supervision};

use crate::world::{CHILD, Guest, MS, ROOT, World, both};

fn was_asked(w: &World, actor: usize) -> bool {
    w.actors[actor].log.iter().any(|event| matches!(event, Event::Exit))
}

fn failure(w: &World, message: &str) -> Box<BoxedError> {
    Box::new(BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), message))
}

/// The child has hooks, and is asked to end.
fn hooked(w: &mut World) {
    w.core(CHILD).on_exit().expect("serving");
    w.cancel_actor(ROOT, CHILD, None);
    w.drive();
}

#[test]
fn hooks_run_when_tasks_and_children_are_over_and_before_the_actor_leaves() {
    both(|mut w| {
        let (_, task) = w.running();
        let below = w.below(CHILD);
        w.drive();
        let (_, deepest) = w.running_at(CHILD, below);
        hooked(&mut w);
        assert!(!was_asked(&w, CHILD), "a task runs");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert!(!was_asked(&w, CHILD), "a child lives");
        w.core(below).finish(deepest, Ending::Cancelled).expect("once");
        w.drive();
        assert!(was_asked(&w, CHILD) && !w.has_left(CHILD));
        w.core(CHILD).exited(None);
        w.drive();
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Acked)));
    });
}

#[test]
fn an_actor_without_hooks_is_not_asked() {
    both(|mut w| {
        w.core(CHILD).cancel_self(None);
        w.drive();
        assert!(w.has_left(CHILD) && !was_asked(&w, CHILD));
    });
}

#[test]
fn hooks_run_after_the_main_task_too_and_can_be_registered_until_then() {
    both(|mut w| {
        let main = w.core(CHILD).begin_main().expect("serving");
        w.core(CHILD).cancel_self(None);
        w.core(CHILD).on_exit().expect("its tasks are still ending");
        w.core(CHILD).finish(main, Ending::Cancelled).expect("once");
        w.drive();
        assert!(was_asked(&w, CHILD));
        assert_eq!(w.core(CHILD).on_exit(), Err(Refusal::Closing), "they run");
        w.core(CHILD).exited(None);
        w.drive();
        assert!(w.has_left(CHILD));
        assert_eq!(w.core(CHILD).on_exit(), Err(Refusal::Closing), "it is gone");
    });
}

#[test]
fn the_failure_of_a_hook_is_how_its_actor_ended() {
    both(|mut w| {
        hooked(&mut w);
        let error = failure(&w, "could not save");
        w.core(CHILD).exited(Some(error));
        w.drive();
        let (error, rung) = w.child_end(ROOT, CHILD).expect("reaped");
        assert_eq!(
            (error.expect("I19").message.as_str(), rung),
            ("could not save", Rung::Acked)
        );
    });
}

#[test]
fn the_failure_of_the_main_task_comes_before_that_of_a_hook() {
    both(|mut w| {
        let main = w.core(CHILD).begin_main().expect("serving");
        w.core(CHILD).on_exit().expect("serving");
        let first = failure(&w, "first");
        w.core(CHILD).finish(main, Ending::Failed(first)).expect("once");
        w.drive();
        let second = failure(&w, "second");
        w.core(CHILD).exited(Some(second));
        w.drive();
        let (error, _) = w.child_end(ROOT, CHILD).expect("reaped");
        assert_eq!(error.expect("I19").message, "first");
    });
}

#[test]
fn hooks_have_their_grace_and_then_the_ladder() {
    for (guest, rung) in [(Guest::Traps, Rung::Trapped), (Guest::Spins, Rung::Killed)] {
        both(|mut w| {
            w.actors[CHILD].guest = guest;
            hooked(&mut w);
            assert_eq!(w.core(CHILD).next_deadline(), Some(w.now + 500 * MS));
            w.pass(499 * MS);
            assert_eq!(w.actors[CHILD].traps, 0);
            w.pass(200 * MS);
            assert_eq!(
                w.child_end(ROOT, CHILD),
                Some((None, rung)),
                "force on request is no failure"
            );
        });
    }
}

#[test]
fn hooks_that_are_done_in_time_are_not_interrupted() {
    both(|mut w| {
        hooked(&mut w);
        w.pass(400 * MS);
        w.core(CHILD).exited(None);
        w.pass(1_000 * MS);
        assert_eq!(w.actors[CHILD].traps, 0);
        assert_eq!(w.child_end(ROOT, CHILD), Some((None, Rung::Acked)));
    });
}

#[test]
fn an_actor_whose_code_is_gone_or_going_by_force_runs_none() {
    both(|mut w| {
        w.core(CHILD).on_exit().expect("serving");
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        assert!(w.has_left(CHILD) && !was_asked(&w, CHILD));
        assert_eq!(w.core(CHILD).on_exit(), Err(Refusal::Closing));
    });
    both(|mut w| {
        let (_, task) = w.running();
        hooked(&mut w);
        w.core(CHILD).force();
        w.core(CHILD)
            .finish(task, Ending::Cancelled)
            .expect("just before the trap took hold");
        w.drive();
        assert!(w.has_left(CHILD) && !was_asked(&w, CHILD));
    });
}

#[test]
fn a_hook_that_dies_is_a_death_like_any_other() {
    both(|mut w| {
        hooked(&mut w);
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        let (error, _) = w.child_end(ROOT, CHILD).expect("reaped");
        assert_eq!(error.expect("it failed on the way out").kind, ErrorKind::Panic);
    });
}

#[test]
fn nobody_says_that_hooks_are_over_before_they_run() {
    both(|mut w| {
        w.core(CHILD).on_exit().expect("serving");
        w.core(CHILD).exited(None);
        let main = w.core(CHILD).begin_main().expect("serving");
        w.core(CHILD)
            .finish(main, Ending::Returned(Bytes::new()))
            .expect("once");
        w.drive();
        assert!(was_asked(&w, CHILD));
        assert!(matches!(w.core(CHILD).stage(), Stage::Cancelling(_)));
        let nursery = w.core(CHILD).nursery_open(None, Supervision::default());
        assert_eq!(nursery, Err(Refusal::Closing), "hooks start nobody");
        w.core(CHILD).exited(None);
        w.drive();
        w.core(CHILD).exited(None);
        assert!(w.has_left(CHILD));
    });
}
