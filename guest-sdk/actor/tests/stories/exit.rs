//! Exit hooks: what an actor does last.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use steading_actor::*;

use crate::harness::*;

type Notes = Arc<Mutex<Vec<&'static str>>>;

/// Registers a hook that notes its name, then waits for so many milliseconds.
fn hook(w: &World, notes: &Notes, name: &'static str, milliseconds: u64) {
    let notes = notes.clone();
    let hook = move || async move {
        notes.lock().unwrap().push(name);
        sleep(Duration::from_millis(milliseconds)).await
    };
    w.actor.on_exit(hook).unwrap();
}

#[test]
fn hooks_run_one_by_one_the_latest_first() {
    let w = World::new();
    let notes = Notes::default();
    hook(&w, &notes, "first", 10);
    hook(&w, &notes, "second", 10);
    assert_eq!(w.asked(), ["on exit"], "the host is told once");
    let mut exit = w.exit().expect("there are hooks");
    exit.waits();
    assert_eq!(*notes.lock().unwrap(), ["second"]);
    w.pass(10);
    exit.waits();
    assert_eq!(*notes.lock().unwrap(), ["second", "first"]);
    w.pass(10);
    exit.ends().unwrap();
    assert_eq!(w.asked().last().unwrap(), "exited");
    assert!(w.exit().is_none(), "they run once");
}

#[test]
fn who_has_no_hooks_is_done_at_once() {
    let w = World::new();
    w.exit().expect("the host has asked").ends().unwrap();
    assert_eq!(w.asked().last().unwrap(), "exited");
}

#[test]
fn a_hook_may_register_another_and_then_it_is_too_late() {
    let w = World::new();
    let notes = Notes::default();
    let inner = notes.clone();
    w.actor
        .on_exit(move || async move {
            on_exit(move || async move {
                inner.lock().unwrap().push("inner");
                Ok(())
            })
        })
        .unwrap();
    w.exit().expect("there is a hook").ends().unwrap();
    assert_eq!(*notes.lock().unwrap(), ["inner"]);
    let late = w.actor.on_exit(|| async { Ok(()) }).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::InvalidOperation);
}

#[test]
fn a_hook_that_fails_keeps_none_from_running() {
    let w = World::new();
    let notes = Notes::default();
    hook(&w, &notes, "first", 0);
    w.actor.on_exit(|| async { Err(Error::msg("no")) }).unwrap();
    w.actor.on_exit(|| async { Err(Error::msg("neither")) }).unwrap();
    let mut exit = w.exit().expect("there are hooks");
    exit.waits();
    w.pass(1);
    exit.ends().unwrap();
    assert_eq!(*notes.lock().unwrap(), ["first"]);
    let told = w.asked().pop().unwrap();
    assert!(
        told.starts_with("exited failed") && told.contains("neither") && told.contains("no"),
        "{told}"
    );
    assert_eq!(w.actor.take_exit_error().unwrap().members().len(), 2);
}

#[test]
fn hooks_have_400_ms_together_and_what_waits_then_is_cut_short() {
    let w = World::new();
    let notes = Notes::default();
    hook(&w, &notes, "first", 1);
    hook(&w, &notes, "slow", 1000);
    let mut exit = w.exit().expect("there are hooks");
    exit.waits();
    w.pass(399);
    exit.waits();
    w.pass(1);
    exit.ends().unwrap();
    assert_eq!(*notes.lock().unwrap(), ["slow", "first"], "each begins");
    let error = w.actor.take_exit_error().unwrap();
    let kinds: Vec<_> = error.members().iter().map(Error::kind).collect();
    assert_eq!(kinds, [ErrorKind::CancelTimeout, ErrorKind::CancelTimeout]);
}

#[test]
fn hooks_of_an_actor_whose_code_is_gone_are_dropped() {
    let w = World::new();
    let kept = Arc::new(());
    let held = kept.clone();
    w.actor
        .on_exit(move || async move {
            drop(held);
            Ok(())
        })
        .unwrap();
    w.actor.fail_all(*failure("gone"));
    assert_eq!(Arc::strong_count(&kept), 1);
    assert!(w.actor.on_exit(|| async { Ok(()) }).is_err());
}
