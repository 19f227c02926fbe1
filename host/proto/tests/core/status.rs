//! What can be seen of a core from outside, without asking its guest.

use steading_proto::{ContextStatus, Part};
use steading_types::{Ending, EndpointKind, Key};

use crate::world::{CHILD, MS, ROOT, World, batch, both};

fn context(w: &mut World, actor: usize, key: Key) -> ContextStatus {
    let status = w.core(actor).status();
    let context = status.contexts.into_iter().find(|context| context.key == key);
    context.expect("it is alive")
}

fn states(w: &mut World, (caller, callee): (Key, Key)) -> (&'static str, &'static str) {
    (context(w, ROOT, caller).state, context(w, CHILD, callee).state)
}

#[test]
fn both_sides_of_a_context_say_how_far_it_is() {
    both(|mut w| {
        let caller = w.open(ROOT, CHILD, "scan");
        assert_eq!(context(&mut w, ROOT, caller).state, "opening");
        w.drive();
        let callee = w.newest_task(CHILD);
        assert_eq!(states(&mut w, (caller, callee)), ("syncing", "syncing"));
        w.core(CHILD).started(callee, b"first".to_vec()).expect("running");
        w.drive();
        assert_eq!(states(&mut w, (caller, callee)), ("started", "started"));
        w.core(CHILD).stream_open(callee).expect("started");
        assert_eq!(states(&mut w, (caller, callee)), ("started", "streaming"));
        w.core(CHILD).stop(callee).expect("streaming");
        w.drive();
        assert_eq!(states(&mut w, (caller, callee)), ("started", "stream-finished"));
        assert!(context(&mut w, ROOT, caller).is_peer_done);
        w.core(CHILD)
            .finish(callee, Ending::Returned(Vec::new().into()))
            .expect("running");
        w.drive();
        assert_eq!(context(&mut w, ROOT, caller).state, "ended");
        assert!(w.core(CHILD).status().contexts.is_empty());
        assert_eq!(w.core(CHILD).status().contexts_ever, 1);
    });
}

#[test]
fn a_callee_names_its_endpoint_and_what_its_caller_calls_the_context() {
    both(|mut w| {
        let (caller, callee) = w.running();
        let root = w.id(ROOT);
        let task = context(&mut w, CHILD, callee);
        let endpoint = "scan".to_owned();
        let kind = EndpointKind::Context;
        assert_eq!(
            (task.part, task.remote, task.peer),
            (Part::Callee { endpoint, kind }, Some(caller), root)
        );
        assert_eq!(context(&mut w, ROOT, caller).part, Part::Caller);
    });
}

#[test]
fn age_credit_and_what_is_queued_are_told() {
    both(|mut w| {
        let (caller, callee) = w.streaming();
        let born = context(&mut w, ROOT, caller).born;
        w.pass(5 * MS);
        assert_eq!(context(&mut w, ROOT, caller).born, born, "it does not move");
        let window = context(&mut w, ROOT, caller).credit_messages;
        w.core(ROOT)
            .send_batch(caller, &batch(&[b"one", b"three"]))
            .expect("there is credit");
        w.drive();
        let (sender, receiver) = (context(&mut w, ROOT, caller), context(&mut w, CHILD, callee));
        assert_eq!((sender.credit_messages, sender.is_blocked), (window - 2, false));
        assert_eq!((receiver.queued_messages, receiver.queued_bytes), (2, 8));
        while w.core(ROOT).send_batch(caller, &batch(&[b"more"])).is_ok() {}
        assert!(context(&mut w, ROOT, caller).is_blocked);
    });
}

#[test]
fn a_nursery_names_its_task_and_its_children() {
    both(|mut w| {
        let (_, task) = w.running();
        let nursery = w.nursery_in(CHILD, task);
        let below = w.spawn(CHILD, nursery, "below").expect("admitted");
        let (below, status) = (w.id(below), w.core(CHILD).status());
        let seen = status.nurseries.iter().find(|nursery| nursery.owner == Some(task));
        assert_eq!(seen.map(|nursery| nursery.children.clone()), Some(vec![below]));
        assert_eq!((status.parent, w.core(ROOT).status().parent), (Some(ROOT), None));
    });
}

#[test]
fn who_has_cancelled_a_task_is_told() {
    both(|mut w| {
        let (caller, callee) = w.running();
        assert_eq!(context(&mut w, CHILD, callee).canceller, None);
        w.cancel(ROOT, caller, None);
        w.drive();
        let root = w.id(ROOT);
        assert_eq!(context(&mut w, CHILD, callee).canceller, Some(root));
    });
}
