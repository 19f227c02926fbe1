//! Semantics 2 and 3: the life of a context.

use bytes::Bytes;
use steading_proto::{Dest, Frame, Lane, Limits};
use steading_types::{Cause, Ending, ErrorKind, Grant, OpenOptions, Outcome, Refusal, Rung, Supervision};

use crate::world::{CHILD, MS, ROOT, Wire, World, both};

fn returned(value: &'static [u8]) -> Ending {
    Ending::Returned(Bytes::from_static(value))
}

#[test]
fn a_context_lives_from_start_to_return() {
    both(|mut w| {
        let (caller, callee) = w.running();
        assert_eq!(w.started_with(ROOT, caller), None);
        w.core(CHILD).started(callee, b"first".to_vec()).expect("once");
        w.drive();
        assert_eq!(w.started_with(ROOT, caller), Some(b"first".to_vec()));
        w.core(CHILD).finish(callee, returned(b"done")).expect("once");
        assert_eq!(w.core(CHILD).context_count(), 0, "its callee is gone at once");
        w.drive();
        assert_eq!(w.returned(ROOT, caller), b"done");
        assert_eq!(w.core(ROOT).context_count(), 1, "it is kept until nobody looks at it");
        w.core(ROOT).release(caller);
        assert_eq!(w.core(ROOT).context_count(), 0);
    });
}

#[test]
fn a_plain_endpoint_need_not_call_started() {
    both(|mut w| {
        let (caller, callee) = w.called();
        w.core(CHILD).finish(callee, returned(b"7")).expect("once");
        w.drive();
        assert_eq!(w.returned(ROOT, caller), b"7");
        assert_eq!(w.started_with(ROOT, caller), None, "the return implies it");
    });
}

#[test]
fn returning_without_started_is_an_error_and_never_a_hang() {
    both(|mut w| {
        let (caller, callee) = w.running();
        w.core(CHILD).finish(callee, returned(b"")).expect("once");
        w.drive();
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::NotStarted);
    });
}

#[test]
fn started_twice_is_refused_in_the_callee() {
    both(|mut w| {
        let (caller, callee) = w.running();
        w.core(CHILD).started(callee, Vec::new()).expect("once");
        assert_eq!(w.core(CHILD).started(callee, Vec::new()), Err(Refusal::AlreadyStarted));
        assert_eq!(w.core(ROOT).started(caller, Vec::new()), Err(Refusal::WrongSide));
    });
}

#[test]
fn finishing_twice_finds_nothing() {
    both(|mut w| {
        let (caller, callee) = w.running();
        assert_eq!(w.core(ROOT).finish(caller, Ending::Cancelled), Err(Refusal::WrongSide));
        w.core(CHILD).finish(callee, Ending::Cancelled).expect("once");
        assert_eq!(
            w.core(CHILD).finish(callee, Ending::Cancelled),
            Err(Refusal::UnknownKey)
        );
    });
}

#[test]
fn opening_a_context_to_oneself_is_an_invalid_operation() {
    both(|mut w| {
        let options = OpenOptions {
            target: 0,
            ..w.options(ROOT, CHILD, "scan")
        };
        let error = w.core(ROOT).open(options, Vec::new()).expect_err("itself");
        assert_eq!(error.kind, ErrorKind::InvalidOperation);
        assert!(error.message.contains("Invalid Operation"), "{error}");
        assert_eq!(w.core(ROOT).context_count(), 0);
    });
}

#[test]
fn a_refused_open_says_why_and_leaves_no_state() {
    let cases = [
        ("missing", 0, ErrorKind::NoSuchEndpoint),
        ("hidden", 0, ErrorKind::NotGranted),
        ("typed", 8, ErrorKind::PayloadMismatch),
    ];
    both(|mut w| {
        for (endpoint, schema, kind) in &cases {
            let options = OpenOptions {
                schema: *schema,
                ..w.options(ROOT, CHILD, endpoint)
            };
            let caller = w.open_with(ROOT, options);
            w.drive();
            let error = w.failure(ROOT, caller);
            assert_eq!(&error.kind, kind);
            assert!(error.message.contains(endpoint), "{error}");
            assert!(w.core(CHILD).is_quiescent(), "I10: {endpoint}");
            w.core(ROOT).release(caller);
        }
        assert_eq!(w.core(ROOT).context_count(), 0);
    });
}

#[test]
fn differing_schemas_are_told_with_what_the_callee_has() {
    both(|mut w| {
        let options = OpenOptions {
            schema: 8,
            ..w.options(ROOT, CHILD, "typed")
        };
        let caller = w.open_with(ROOT, options);
        w.drive();
        let text = w.failure(ROOT, caller).message;
        for part in ["0000000000000008", "0000000000000007", "? -> ?"] {
            assert!(text.contains(part), "{text}");
        }
    });
}

#[test]
fn an_unknown_endpoint_lists_the_granted_ones() {
    both(|mut w| {
        let caller = w.open(ROOT, CHILD, "missing");
        w.drive();
        let text = w.failure(ROOT, caller).message;
        assert!(
            text.contains("scan, plain, typed") && !text.contains("hidden"),
            "{text}"
        );
    });
}

#[test]
fn equal_and_unchecked_schemas_are_accepted() {
    both(|mut w| {
        for (endpoint, schema) in [("typed", 7), ("typed", 0), ("scan", 9)] {
            let options = OpenOptions {
                schema,
                ..w.options(ROOT, CHILD, endpoint)
            };
            let caller = w.open_with(ROOT, options);
            w.drive();
            assert_eq!(w.outcome(ROOT, caller), None, "{endpoint} with schema {schema}");
        }
    });
}

#[test]
fn contexts_have_a_limit_on_both_sides() {
    let narrow = Limits {
        contexts: 2,
        ..Limits::DEFAULT
    };
    let mut w = World::new(Wire::Direct, Limits::DEFAULT);
    let nursery = w.nursery_of(ROOT);
    w.limits = narrow;
    let callee = w.spawn(ROOT, nursery, "narrow").expect("admitted");
    let middle: Vec<_> = (0..3).map(|_| w.open(ROOT, callee, "scan")).collect();
    w.drive();
    assert_eq!(w.outcome(ROOT, middle[1]), None);
    assert_eq!(w.failure(ROOT, middle[2]).kind, ErrorKind::Limit("contexts".into()));

    let below = w.below(callee);
    let options = w.options(callee, below, "scan");
    let error = w
        .core(callee)
        .open(options, Vec::new())
        .expect_err("it serves two already");
    assert_eq!(error.kind, ErrorKind::Limit("contexts".into()));
}

/// What was accepted waits for the actor's turn, and that may be a long one.
#[test]
fn calls_that_wait_for_a_turn_have_a_limit_in_bytes() {
    let narrow = Limits {
        waiting: 3000,
        ..Limits::DEFAULT
    };
    let mut w = World::new(Wire::Direct, Limits::DEFAULT);
    let nursery = w.nursery_of(ROOT);
    w.limits = narrow;
    let callee = w.spawn(ROOT, nursery, "narrow").expect("admitted");
    w.drive();
    let calls = [2000, 2000, 0].map(|bytes| {
        let options = w.options(ROOT, callee, "scan");
        w.core(ROOT).open(options, vec![0; bytes]).expect("the caller has room")
    });
    w.flush();
    // Nobody looks at the callee's events in between.
    calls
        .iter()
        .for_each(|_| assert!(w.deliver(ROOT, callee, Lane::Control)));
    w.drive();
    assert_eq!(w.outcome(ROOT, calls[1]), None, "it came when there was room");
    let error = w.failure(ROOT, calls[2]);
    assert_eq!(error.kind, ErrorKind::Limit("inbox".into()));
    assert!(
        error.message.contains("too many calls wait at actor narrow@"),
        "{error}"
    );
    w.drive();
    let next = w.open(ROOT, callee, "scan");
    w.drive();
    assert_eq!(w.outcome(ROOT, next), None, "its turn has come");
}

#[test]
fn payloads_have_a_limit_everywhere() {
    let limit = Limits::DEFAULT.payload;
    both(|mut w| {
        let options = w.options(ROOT, CHILD, "scan");
        let error = w.core(ROOT).open(options, vec![0; limit + 1]).expect_err("too large");
        assert_eq!(error.kind, ErrorKind::Limit("payload".into()));
        let (caller, callee) = w.running();
        assert_eq!(
            w.core(CHILD).started(callee, vec![0; limit + 1]),
            Err(Refusal::TooLarge)
        );
        w.core(CHILD).started(callee, vec![0; limit]).expect("just fits");
        w.core(CHILD)
            .finish(callee, Ending::Returned(vec![0; limit + 1].into()))
            .expect("once");
        w.drive();
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::Limit("payload".into()));
    });
}

#[test]
fn a_callee_that_does_not_accept_in_time_is_cancelled_and_raised() {
    both(|mut w| {
        let options = OpenOptions {
            start_timeout: Some(50 * MS),
            ..w.options(ROOT, CHILD, "scan")
        };
        let caller = w.open_with(ROOT, options);
        w.flush();
        w.jump(49 * MS);
        assert_eq!(w.outcome(ROOT, caller), None);
        w.jump(50 * MS);
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::StartTimeout);
        w.drive();
        let callee = w.newest_task(CHILD);
        let asked = w.asked(CHILD, callee).expect("what was accepted too late is cancelled");
        assert_eq!((asked.canceller, asked.cause), (w.id(ROOT), Cause::Deadline));
        w.core(CHILD).finish(callee, Ending::Cancelled).expect("once");
        w.drive();
        w.core(ROOT).release(caller);
        assert_eq!(w.core(ROOT).context_count() + w.core(CHILD).context_count(), 0);
    });
}

#[test]
fn a_start_that_finds_nobody_is_a_closed_link() {
    both(|mut w| {
        w.die(CHILD, ErrorKind::Panic);
        w.flush();
        assert!(w.has_left(CHILD));
        let caller = w.open(ROOT, CHILD, "scan");
        w.drive();
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::LinkClosed);
        let options = w.options(ROOT, CHILD, "scan");
        let error = w.core(ROOT).open(options, Vec::new()).expect_err("its portal is gone");
        assert_eq!(error.kind, ErrorKind::LinkClosed);
    });
}

#[test]
fn a_start_left_in_the_inbox_of_the_dead_is_refused() {
    both(|mut w| {
        let caller = w.open(ROOT, CHILD, "scan");
        w.flush();
        w.die(CHILD, ErrorKind::Panic);
        w.drive();
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::LinkClosed);
    });
}

#[test]
fn a_deadline_cancels_at_both_ends_in_the_callers_name() {
    both(|mut w| {
        let caller = w.open_within(20 * MS, ROOT, CHILD, "scan");
        w.drive();
        let callee = w.newest_task(CHILD);
        w.pass(19 * MS);
        assert_eq!(w.asked(CHILD, callee), None);
        w.pass(MS);
        let asked = w.asked(CHILD, callee).expect("past its deadline");
        assert_eq!((asked.canceller, asked.cause), (w.id(ROOT), Cause::Deadline));
        w.core(CHILD).finish(callee, Ending::Cancelled).expect("once");
        w.drive();
        let cancelled = w.cancelled(ROOT, caller);
        assert_eq!((cancelled.canceller, cancelled.cause), (w.id(ROOT), Cause::Deadline));
    });
}

#[test]
fn a_callee_keeps_its_own_deadline_when_the_callers_cancel_is_slow() {
    both(|mut w| {
        w.open_within(20 * MS, ROOT, CHILD, "scan");
        w.drive();
        let callee = w.newest_task(CHILD);
        let now = w.now;
        w.core(CHILD).handle_timeout(now + 20 * MS);
        w.flush();
        assert_eq!(w.asked(CHILD, callee).map(|asked| asked.cause), Some(Cause::Deadline));
        assert_eq!(w.deliverable(), [], "the caller has said nothing");
    });
}

#[test]
fn a_deadline_shrinks_with_every_hop_and_never_grows() {
    both(|mut w| {
        let below = w.below(CHILD);
        w.open_within(100 * MS, ROOT, CHILD, "scan");
        w.drive();
        let task = w.newest_task(CHILD);
        w.pass(30 * MS);
        for deadline in [None, Some(500 * MS)] {
            let options = OpenOptions {
                parent: Some(task),
                deadline,
                ..w.options(CHILD, below, "scan")
            };
            w.open_with(CHILD, options);
            w.drive();
            assert_eq!(w.newest_deadline(below), Some(100 * MS), "asked for {deadline:?}");
        }
        let options = OpenOptions {
            parent: Some(task),
            deadline: Some(10 * MS),
            ..w.options(CHILD, below, "scan")
        };
        w.open_with(CHILD, options);
        w.drive();
        assert_eq!(w.newest_deadline(below), Some(40 * MS), "an earlier one stands");
    });
}

#[test]
fn a_finish_is_held_until_owned_contexts_are_over() {
    both(|mut w| {
        let below = w.below(CHILD);
        let (caller, task) = w.running();
        w.core(CHILD).started(task, Vec::new()).expect("once");
        w.open_in(task, CHILD, below, "scan");
        w.drive();
        let deepest = w.newest_task(below);
        w.core(CHILD).finish(task, returned(b"done")).expect("once");
        w.drive();
        assert_eq!(w.outcome(ROOT, caller), None, "its callee still runs");
        assert!(w.asked(below, deepest).is_some(), "and was cancelled");
        w.core(below).finish(deepest, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.returned(ROOT, caller), b"done");
        assert_eq!(
            w.core(CHILD).context_count(),
            0,
            "nothing is left of what the task opened"
        );
    });
}

#[test]
fn a_finish_is_held_until_owned_nurseries_are_over() {
    both(|mut w| {
        let (caller, task) = w.running();
        w.core(CHILD).started(task, Vec::new()).expect("once");
        let nursery = w.nursery_in(CHILD, task);
        let below = w.spawn(CHILD, nursery, "below").expect("admitted");
        w.drive();
        let (_, deepest) = w.running_at(CHILD, below);
        w.core(CHILD).finish(task, returned(b"done")).expect("once");
        w.drive();
        assert_eq!(w.outcome(ROOT, caller), None, "a child still lives");
        w.core(below).finish(deepest, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.returned(ROOT, caller), b"done");
        assert_eq!(w.child_end(CHILD, below), Some((None, Rung::Acked)));
    });
}

#[test]
fn outcomes_that_a_task_never_looked_at_go_with_it() {
    both(|mut w| {
        let below = w.below(CHILD);
        let (_, task) = w.running();
        w.open_in(task, CHILD, below, "missing");
        w.drive();
        assert_eq!(w.core(CHILD).context_count(), 2);
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        assert_eq!(w.core(CHILD).context_count(), 0);
    });
}

#[test]
fn a_task_that_is_over_opens_nothing() {
    both(|mut w| {
        let below = w.below(CHILD);
        let (_, task) = w.running();
        let options = w.options_in(task, CHILD, below, "scan");
        w.open_with(CHILD, options.clone());
        w.drive();
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        let error = w
            .core(CHILD)
            .open(options, Vec::new())
            .expect_err("it only waits for what it owns");
        assert_eq!(error.kind, ErrorKind::InvalidOperation);
        assert_eq!(
            w.core(CHILD).nursery_open(Some(task), Supervision::default()),
            Err(Refusal::UnknownKey)
        );
        assert_eq!(
            w.core(CHILD).nursery_open(Some(77), Supervision::default()),
            Err(Refusal::UnknownKey)
        );
    });
}

#[test]
fn releasing_a_context_cancels_its_callee() {
    both(|mut w| {
        let (caller, task) = w.running();
        w.core(ROOT).release(caller);
        w.drive();
        let asked = w.asked(CHILD, task).expect("nobody waits for it");
        assert_eq!((asked.canceller, asked.cause), (w.id(ROOT), Cause::ParentTeardown));
        assert_eq!(w.core(ROOT).context_count(), 1, "until it is over there too");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.core(ROOT).context_count(), 0);
        assert_eq!(w.outcome(ROOT, caller), None, "nobody is told");
    });
}

#[test]
fn a_stale_key_is_refused_everywhere() {
    both(|mut w| {
        let (caller, task) = w.running();
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        w.core(ROOT).release(caller);
        for (actor, key) in [(ROOT, caller), (CHILD, task), (ROOT, 0), (ROOT, u32::MAX)] {
            let core = w.core(actor);
            assert_eq!(core.started(key, Vec::new()), Err(Refusal::UnknownKey));
            assert_eq!(core.finish(key, Ending::Cancelled), Err(Refusal::UnknownKey));
            assert_eq!(core.cancel(key, None, Cause::Requested), Err(Refusal::UnknownKey));
            assert_eq!(core.stream_open(key), Err(Refusal::UnknownKey));
            assert_eq!(core.send_batch(key, b""), Err(Refusal::UnknownKey));
            assert_eq!(core.credit(key, 1, 1), Err(Refusal::UnknownKey));
            assert_eq!(core.stop(key), Err(Refusal::UnknownKey));
            core.release(key);
            core.nursery_close(key);
            core.nursery_cancel(key, None, Cause::Requested);
        }
        w.drive();
        assert_eq!(w.core(ROOT).context_count(), 0);
    });
}

#[test]
fn a_key_is_not_given_out_again_for_the_next_context() {
    both(|mut w| {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let caller = w.open(ROOT, CHILD, "missing");
            w.drive();
            w.core(ROOT).release(caller);
            assert!(seen.insert(caller));
        }
    });
}

#[test]
fn a_terminal_error_overtakes_data_and_a_return_does_not() {
    for (ending, arrives) in [(returned(b""), true), (Ending::Cancelled, false)] {
        both(|mut w| {
            let (caller, task) = w.streaming();
            w.core(CHILD)
                .send_batch(task, &crate::world::batch(&[b"late"]))
                .expect("credit");
            w.core(CHILD).finish(task, ending.clone()).expect("once");
            w.drive();
            assert!(w.outcome(ROOT, caller).is_some());
            assert_eq!(w.messages(ROOT, caller).len(), usize::from(arrives));
        });
    }
}

#[test]
fn only_what_must_not_pass_data_travels_with_it() {
    let data = [
        Frame::Yield {
            batch: Bytes::new(),
            messages: 0,
        },
        Frame::Stop,
        Frame::Return(Bytes::new()),
        Frame::CancelAck,
    ];
    assert!(data.iter().all(|frame| frame.lane() == Lane::Data));
    let credit = Frame::Credit { messages: 1, bytes: 0 };
    assert_eq!(
        credit.lane(),
        Lane::Control,
        "a sender that waits for it may be the one that drains the data"
    );
}

#[test]
fn frames_for_nobody_are_dropped_and_counted() {
    both(|mut w| {
        let (_, task) = w.running();
        let now = w.now;
        let core = &mut w.actors[CHILD].core;
        core.handle(&ROOT, Dest::Key(999), Frame::Stop, now);
        core.handle(&ROOT, Dest::Key(task), Frame::Return(Bytes::new()), now);
        core.handle(&ROOT, Dest::Actor, Frame::Stop, now);
        assert_eq!((core.dropped().unknown, core.dropped().unexpected), (1, 2));
        assert!(!core.has_events());
    });
}

#[test]
fn an_outcome_is_written_once() {
    both(|mut w| {
        let (caller, task) = w.running();
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        let first = w.outcome(ROOT, caller);
        let now = w.now;
        w.actors[ROOT]
            .core
            .handle(&CHILD, Dest::Key(caller), Frame::Return(Bytes::new()), now);
        w.actors[ROOT]
            .core
            .handle(&CHILD, Dest::Key(caller), Frame::CancelAck, now);
        w.flush();
        assert_eq!(w.outcome(ROOT, caller), first);
        assert!(matches!(first, Some(Outcome::Cancelled(_))));
    });
}

/// A guest may write two megabytes at a time; what is kept of a call, and told to many, is small.
#[test]
fn reasons_are_cut_and_endless_names_are_refused() {
    both(|mut w| {
        let options = OpenOptions {
            endpoint: "x".repeat(1 << 20),
            ..w.options(ROOT, CHILD, "scan")
        };
        let error = w
            .core(ROOT)
            .open(options, Vec::new())
            .expect_err("no endpoint is called so");
        assert_eq!(error.kind, ErrorKind::NoSuchEndpoint);
        assert!(error.message.len() < 1000, "nor is it repeated");
        let (caller, task) = w.running();
        w.cancel(ROOT, caller, Some(&"ä".repeat(1 << 20)));
        w.drive();
        let reason = w
            .asked(CHILD, task)
            .and_then(|asked| asked.reason)
            .expect("a reason was given");
        assert!(
            reason.starts_with("ää") && reason.len() <= 1024,
            "{} bytes",
            reason.len()
        );
    });
}

/// A context that grants something, with its task: the caller's key and the callee's.
fn granting(w: &mut World) -> (u32, u32) {
    let options = OpenOptions {
        grants: vec![Grant::component("c")],
        ..w.options(ROOT, CHILD, "scan")
    };
    let caller = w.open_with(ROOT, options);
    w.drive();
    (caller, w.newest_task(CHILD))
}

#[test]
fn what_a_context_granted_is_revoked_when_it_has_its_outcome() {
    type End = fn(&mut World, u32, u32);
    let ends: [(&str, End); 6] = [
        ("returned", |w, _, task| {
            w.core(CHILD).started(task, Vec::new()).expect("once");
            w.core(CHILD)
                .finish(task, Ending::Returned(Bytes::new()))
                .expect("once");
        }),
        ("cancelled", |w, caller, task| {
            w.cancel(ROOT, caller, None);
            w.drive();
            w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        }),
        ("released", |w, caller, task| {
            w.core(ROOT).release(caller);
            w.drive();
            w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        }),
        ("died", |w, _, _| w.die(CHILD, ErrorKind::Panic)),
        ("caller died", |w, _, _| w.die(ROOT, ErrorKind::Panic)),
        ("no answer to a cancel", |w, caller, _| {
            w.cancel(ROOT, caller, None);
            w.drive();
            let timeout = w.limits.cancel_timeout;
            w.pass(timeout);
        }),
    ];
    for (how, end) in ends {
        both(|mut w| {
            let (caller, task) = granting(&mut w);
            assert_eq!(w.actors[ROOT].revoked, [], "{how}: it runs");
            end(&mut w, caller, task);
            w.drive();
            assert_eq!(w.actors[ROOT].revoked, [caller], "{how}");
            assert_eq!(w.actors[CHILD].revoked, [], "{how}: it is the caller's to revoke");
        });
    }
}

#[test]
fn a_refused_call_gets_nothing_for_longer_than_that() {
    both(|mut w| {
        let options = OpenOptions {
            grants: vec![Grant::component("c")],
            ..w.options(ROOT, CHILD, "missing")
        };
        let caller = w.open_with(ROOT, options);
        w.drive();
        assert_eq!(w.actors[ROOT].revoked, [caller]);
    });
}

#[test]
fn who_called_is_known_of_a_running_callee_only() {
    both(|mut w| {
        let (caller, task) = granting(&mut w);
        assert_eq!(w.core(CHILD).caller_of(task), Some((ROOT, caller)));
        assert_eq!(w.core(ROOT).caller_of(caller), None, "it is the caller");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        assert_eq!(w.core(CHILD).caller_of(task), None, "it is over");
    });
}
