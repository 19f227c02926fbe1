//! Semantics 8: messages, credit and stops.

use bytes::Bytes;
use steading_proto::{Dest, Frame, Limits};
use steading_types::{Ending, ErrorKind, Event, Flow, OpenOptions, Policy, Refusal, Window};

use crate::world::{CHILD, Guest, ROOT, World, batch, both};

/// A stream whose callee may send this much.
fn narrow(w: &mut World, messages: u32, bytes: u32) -> (u32, u32) {
    let options = OpenOptions {
        window: Window { messages, bytes },
        ..w.options(ROOT, CHILD, "scan")
    };
    let caller = w.open_with(ROOT, options);
    w.drive();
    let task = w.newest_task(CHILD);
    w.core(CHILD).started(task, Vec::new()).expect("once");
    w.core(CHILD).stream_open(task).expect("once");
    w.drive();
    (caller, task)
}

#[test]
fn messages_go_both_ways_in_order() {
    both(|mut w| {
        let (caller, task) = w.streaming();
        w.core(ROOT).send_batch(caller, &batch(&[b"a", b"b"])).expect("credit");
        w.core(ROOT).send_batch(caller, &batch(&[b"c"])).expect("credit");
        w.core(CHILD).send_batch(task, &batch(&[b"x"])).expect("credit");
        w.drive();
        assert_eq!(w.messages(CHILD, task), [b"a", b"b", b"c"]);
        assert_eq!(w.messages(ROOT, caller), [b"x"]);
    });
}

#[test]
fn a_stream_opens_once_and_only_after_started() {
    both(|mut w| {
        let (caller, task) = w.running();
        assert_eq!(w.core(CHILD).stream_open(task), Err(Refusal::NotStarted));
        assert_eq!(w.core(ROOT).stream_open(caller), Err(Refusal::NotStarted));
        assert_eq!(
            w.core(CHILD).send_batch(task, &batch(&[b"x"])),
            Err(Refusal::StreamNotOpen)
        );
        assert_eq!(w.core(CHILD).stop(task), Err(Refusal::StreamNotOpen));
        w.core(CHILD).started(task, Vec::new()).expect("once");
        w.core(CHILD).stream_open(task).expect("once");
        assert_eq!(w.core(CHILD).stream_open(task), Err(Refusal::StreamAlreadyOpened));
        w.core(CHILD).stop(task).expect("open");
        assert_eq!(
            w.core(CHILD).stream_open(task),
            Err(Refusal::StreamAlreadyOpened),
            "one-shot"
        );
    });
}

#[test]
fn a_batch_beyond_the_credit_is_refused_whole() {
    both(|mut w| {
        let (caller, task) = narrow(&mut w, 2, 100);
        assert_eq!(
            w.core(CHILD).send_batch(task, &batch(&[b"1", b"2", b"3"])),
            Err(Refusal::NoCredit)
        );
        w.core(CHILD)
            .send_batch(task, &batch(&[b"1", b"2"]))
            .expect("nothing was taken");
        assert_eq!(w.core(CHILD).send_batch(task, &batch(&[b"3"])), Err(Refusal::NoCredit));
        w.drive();
        w.core(ROOT).credit(caller, 1, 1).expect("known");
        w.drive();
        w.core(CHILD).send_batch(task, &batch(&[b"3"])).expect("one came back");
        w.drive();
        assert_eq!(w.messages(ROOT, caller).len(), 3);
    });
}

#[test]
fn bytes_bound_a_stream_as_messages_do() {
    both(|mut w| {
        let (caller, task) = narrow(&mut w, 64, 10);
        w.core(CHILD).send_batch(task, &batch(&[&[0; 6]])).expect("credit");
        assert_eq!(
            w.core(CHILD).send_batch(task, &batch(&[&[0; 5]])),
            Err(Refusal::NoCredit)
        );
        w.core(CHILD).send_batch(task, &batch(&[&[0; 4]])).expect("just fits");
        w.drive();
        w.core(ROOT).credit(caller, 2, 10).expect("known");
        w.drive();
        w.core(CHILD)
            .send_batch(task, &batch(&[&[0; 10]]))
            .expect("all came back");
    });
}

#[test]
fn a_message_longer_than_the_window_goes_alone() {
    both(|mut w| {
        let (caller, task) = narrow(&mut w, 64, 10);
        w.core(CHILD).send_batch(task, &batch(&[&[0; 1]])).expect("credit");
        assert_eq!(
            w.core(CHILD).send_batch(task, &batch(&[&[7; 1000]])),
            Err(Refusal::NoCredit)
        );
        w.drive();
        w.core(ROOT).credit(caller, 1, 1).expect("known");
        w.drive();
        w.core(CHILD)
            .send_batch(task, &batch(&[&[7; 1000]]))
            .expect("nothing else is on its way");
        assert_eq!(w.core(CHILD).send_batch(task, &batch(&[b"1"])), Err(Refusal::NoCredit));
        w.drive();
        w.core(ROOT).credit(caller, 1, 1000).expect("known");
        w.drive();
        w.core(CHILD)
            .send_batch(task, &batch(&[&[0; 10]]))
            .expect("the whole window is back");
    });
}

#[test]
fn more_credit_than_was_taken_is_cut() {
    both(|mut w| {
        let (caller, task) = narrow(&mut w, 2, 10);
        w.core(ROOT).credit(caller, 1000, 1000).expect("known");
        w.drive();
        w.core(CHILD).send_batch(task, &batch(&[b"1", b"2"])).expect("credit");
        assert_eq!(w.core(CHILD).send_batch(task, &batch(&[b"3"])), Err(Refusal::NoCredit));
        w.drive();
        w.core(ROOT).credit(caller, u32::MAX, u32::MAX).expect("known");
        w.drive();
        w.core(CHILD)
            .send_batch(task, &batch(&[b"3", b"4"]))
            .expect("two came back");
        assert_eq!(w.core(CHILD).send_batch(task, &batch(&[b"5"])), Err(Refusal::NoCredit));
    });
}

#[test]
fn credit_cannot_be_dripped_into_a_flood() {
    both(|mut w| {
        let (caller, task) = narrow(&mut w, 4, 100);
        w.core(CHILD)
            .send_batch(task, &batch(&[&[0; 50], &[0; 50]]))
            .expect("credit");
        w.drive();
        for _ in 0..50 {
            w.core(ROOT).credit(caller, 0, 1).expect("known");
        }
        assert!(
            w.core(ROOT).poll_output().is_none(),
            "bytes alone wait for their message"
        );
        w.core(ROOT).credit(caller, 1, 0).expect("known");
        w.drive();
        w.core(CHILD)
            .send_batch(task, &batch(&[&[0; 50]]))
            .expect("the bytes came with it");
        w.drive();
        w.core(ROOT).credit(caller, 2, 0).expect("known");
        w.drive();
        w.core(CHILD)
            .send_batch(task, &batch(&[&[0; 100]]))
            .expect("with the last message come all bytes");
    });
}

#[test]
fn an_empty_batch_sends_nothing() {
    both(|mut w| {
        let (_, task) = w.streaming();
        w.core(CHILD).send_batch(task, b"").expect("harmless");
        assert!(
            w.core(CHILD).poll_output().is_none(),
            "what costs no credit could be sent without end"
        );
    });
}

#[test]
fn a_malformed_batch_is_refused() {
    let whole = batch(&[b"message"]);
    both(|mut w| {
        let (caller, task) = w.streaming();
        for cut in 1..whole.len() {
            let cut = &whole[..cut];
            assert_eq!(
                w.core(CHILD).send_batch(task, cut),
                Err(Refusal::MalformedBatch),
                "{cut:?}"
            );
        }
        assert_eq!(w.core(CHILD).send_batch(task, &[0xff; 8]), Err(Refusal::MalformedBatch));
        w.drive();
        assert!(w.messages(ROOT, caller).is_empty());
        w.core(CHILD).send_batch(task, &whole).expect("no credit was lost");
    });
}

#[test]
fn messages_and_batches_have_limits() {
    both(|mut w| {
        let (_, task) = narrow(&mut w, 64, 4 << 20);
        let too_large = batch(&[&vec![0; Limits::DEFAULT.payload + 1]]);
        assert_eq!(w.core(CHILD).send_batch(task, &too_large), Err(Refusal::TooLarge));
        let half = vec![0; Limits::DEFAULT.batch / 2 + 1];
        assert_eq!(
            w.core(CHILD).send_batch(task, &batch(&[&half, &half])),
            Err(Refusal::TooLarge)
        );
        w.core(CHILD)
            .send_batch(task, &batch(&[&vec![0; Limits::DEFAULT.payload]]))
            .expect("one alone may");
    });
}

#[test]
fn no_caller_can_ask_for_an_endless_window() {
    both(|mut w| {
        let (_, task) = narrow(&mut w, u32::MAX, u32::MAX);
        let mut sent = 0;
        while w.core(CHILD).send_batch(task, &batch(&[b"", b"", b"", b""])).is_ok() {
            sent += 4;
        }
        assert_eq!(sent, Limits::DEFAULT.window.messages);
    });
}

#[test]
fn a_stop_is_the_last_of_its_direction() {
    both(|mut w| {
        let (caller, task) = w.streaming();
        w.core(CHILD).send_batch(task, &batch(&[b"last"])).expect("credit");
        w.core(CHILD).stop(task).expect("open");
        w.core(CHILD).stop(task).expect("idempotent");
        assert_eq!(w.core(CHILD).send_batch(task, &batch(&[b"x"])), Err(Refusal::Ended));
        w.drive();
        assert_eq!(w.messages(ROOT, caller), [b"last"]);
        assert!(w.saw_stop(ROOT, caller));
        w.core(ROOT)
            .send_batch(caller, &batch(&[b"still"]))
            .expect("the other way is open");
        w.drive();
        assert_eq!(w.messages(CHILD, task), [b"still"]);
    });
}

#[test]
fn what_follows_a_stop_is_dropped_and_counted() {
    both(|mut w| {
        let (caller, task) = w.streaming();
        w.core(CHILD).stop(task).expect("open");
        w.drive();
        let late = Frame::Yield {
            batch: batch(&[b"late"]).into(),
            messages: 1,
        };
        let now = w.now;
        let core = &mut w.actors[ROOT].core;
        core.handle(&CHILD, Dest::Key(caller), late, now);
        core.handle(&CHILD, Dest::Key(caller), Frame::Stop, now);
        assert_eq!(core.dropped().unexpected, 2);
        assert!(!core.has_events());
    });
}

#[test]
fn messages_sent_before_the_peer_opened_its_stream_count_against_the_window() {
    both(|mut w| {
        let (caller, task) = narrow(&mut w, 2, 100);
        w.core(CHILD).send_batch(task, &batch(&[b"1", b"2"])).expect("credit");
        assert_eq!(w.core(CHILD).send_batch(task, &batch(&[b"3"])), Err(Refusal::NoCredit));
        w.drive();
        w.core(ROOT).stream_open(caller).expect("once");
        assert_eq!(w.messages(ROOT, caller).len(), 2, "they are there when it opens");
    });
}

#[test]
fn nothing_is_sent_after_the_outcome() {
    both(|mut w| {
        let (caller, task) = w.streaming();
        w.core(CHILD)
            .finish(task, Ending::Returned(Bytes::new()))
            .expect("once");
        w.drive();
        assert_eq!(w.core(ROOT).send_batch(caller, &batch(&[b"x"])), Err(Refusal::Ended));
        assert_eq!(w.core(ROOT).stop(caller), Ok(()), "leaving the block is no error");
        assert_eq!(w.core(ROOT).credit(caller, 1, 1), Ok(()));
        assert!(w.core(ROOT).poll_output().is_none());
    });
}

#[test]
fn data_for_a_context_that_was_released_is_not_delivered() {
    both(|mut w| {
        let (caller, task) = w.streaming();
        w.core(CHILD).send_batch(task, &batch(&[b"late"])).expect("credit");
        w.core(ROOT).release(caller);
        w.drive();
        assert!(w.messages(ROOT, caller).is_empty());
        w.core(CHILD).stop(task).expect("open");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.core(ROOT).context_count(), 0);
    });
}

/// A stream on which the caller receives by settings of its own.
fn receiving(w: &mut World, policy: Policy, messages: u32) -> (u32, u32) {
    let (caller, task) = w.running();
    w.core(CHILD).started(task, Vec::new()).expect("once");
    w.core(CHILD).stream_open(task).expect("once");
    w.drive();
    let window = Window {
        messages,
        bytes: 1 << 20,
    };
    w.core(ROOT)
        .stream_open_with(caller, Some(Flow { policy, window }))
        .expect("once");
    w.drive();
    (caller, task)
}

/// As the library does: what the host refuses so is then brought about.
fn overrun(w: &mut World, actor: usize, key: u32) {
    let sent = w.core(actor).send_batch(key, &batch(&[b"too much"]));
    assert_eq!(sent, Err(Refusal::Overrun));
    w.core(actor).overrun(key);
}

#[test]
fn a_receivers_settings_reach_the_sender() {
    both(|mut w| {
        let (_, task) = receiving(&mut w, Policy::Buffer(3), 2);
        let told = w.actors[CHILD].log.iter().any(|event| {
            let window = Window {
                messages: 5,
                bytes: 5 << 19,
            };
            matches!(event, Event::Flow { context, policy: Policy::Buffer(3), window: w } if *context == task && *w == window)
        });
        assert!(told);
        w.core(CHILD)
            .send_batch(task, &batch(&[b"", b"", b"", b"", b""]))
            .expect("window and buffer");
        assert_eq!(w.core(CHILD).send_batch(task, &batch(&[b""])), Err(Refusal::Overrun));
    });
}

#[test]
fn what_was_sent_before_the_settings_came_counts_against_them() {
    for (policy, refusal) in [
        (Policy::Block, Refusal::NoCredit),
        (Policy::DropOldest, Refusal::NoCredit),
        (Policy::OverrunError, Refusal::Overrun),
    ] {
        both(|mut w| {
            let (caller, task) = w.running();
            w.core(CHILD).started(task, Vec::new()).expect("once");
            w.core(CHILD).stream_open(task).expect("once");
            w.core(CHILD)
                .send_batch(task, &batch(&[b"", b"", b""]))
                .expect("credit");
            w.drive();
            let window = Window { messages: 2, bytes: 9 };
            let flow = Flow { policy, window };
            w.core(ROOT).stream_open_with(caller, Some(flow)).expect("once");
            w.drive();
            w.core(ROOT).credit(caller, 1, 0).expect("known");
            w.drive();
            assert_eq!(w.core(CHILD).send_batch(task, &batch(&[b""])), Err(refusal));
            w.core(ROOT).credit(caller, 1, 0).expect("known");
            w.drive();
            w.core(CHILD)
                .send_batch(task, &batch(&[b""]))
                .expect("one is on its way, of two");
        });
    }
}

#[test]
fn a_callee_that_overruns_fails_at_both_ends_and_is_named() {
    both(|mut w| {
        let (caller, task) = receiving(&mut w, Policy::OverrunError, 1);
        w.core(CHILD).send_batch(task, &batch(&[b"1"])).expect("credit");
        overrun(&mut w, CHILD, task);
        w.drive();
        assert_eq!(
            w.asked(CHILD, task).expect("its task is cancelled").canceller,
            w.id(CHILD)
        );
        assert_eq!(w.outcome(ROOT, caller), None, "its task still runs");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        let error = w.failure(ROOT, caller);
        assert_eq!((error.kind, error.source), (ErrorKind::Overrun, w.id(CHILD)));
    });
}

#[test]
fn a_callee_that_overruns_and_returns_all_the_same_has_failed() {
    both(|mut w| {
        let (caller, task) = receiving(&mut w, Policy::OverrunError, 0);
        overrun(&mut w, CHILD, task);
        w.core(CHILD)
            .finish(task, Ending::Returned(Bytes::new()))
            .expect("once");
        w.drive();
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::Overrun);
    });
}

#[test]
fn a_callee_that_overruns_and_goes_on_is_interrupted_and_has_overrun() {
    both(|mut w| {
        let (caller, task) = receiving(&mut w, Policy::OverrunError, 0);
        w.actors[CHILD].guest = Guest::Traps;
        overrun(&mut w, CHILD, task);
        w.pass(Limits::DEFAULT.cancel_grace);
        assert_eq!(w.failure(ROOT, caller).kind, ErrorKind::Overrun);
    });
}

#[test]
fn a_caller_that_overruns_waits_for_the_callee_and_has_overrun() {
    both(|mut w| {
        let (caller, task) = w.running();
        w.core(CHILD).started(task, Vec::new()).expect("once");
        let window = Window { messages: 1, bytes: 9 };
        let policy = Policy::OverrunError;
        w.core(CHILD)
            .stream_open_with(task, Some(Flow { policy, window }))
            .expect("once");
        w.drive();
        w.core(ROOT).stream_open(caller).expect("once");
        w.core(ROOT).send_batch(caller, &batch(&[b"1"])).expect("credit");
        overrun(&mut w, ROOT, caller);
        overrun_again(&mut w, caller);
        w.drive();
        let error = w.failure(CHILD, task);
        assert_eq!((error.kind, error.source), (ErrorKind::Overrun, w.id(ROOT)));
        assert_eq!(w.outcome(ROOT, caller), None, "no scope ends before what it started");
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        assert_eq!(w.failure(ROOT, caller).source, w.id(ROOT));
        w.core(ROOT).release(caller);
        assert_eq!(w.core(ROOT).context_count() + w.core(CHILD).context_count(), 0);
    });
}

fn overrun_again(w: &mut World, caller: u32) {
    let sent = w.core(ROOT).send_batch(caller, &batch(&[b"2"]));
    assert_eq!(sent, Err(Refusal::Ended), "it is broken off already");
    w.core(ROOT).overrun(caller);
}

#[test]
fn a_callee_that_has_returned_is_not_failed_by_an_overrun_too_late() {
    both(|mut w| {
        let (caller, task) = w.running();
        w.core(CHILD).started(task, Vec::new()).expect("once");
        let window = Window { messages: 0, bytes: 9 };
        let policy = Policy::OverrunError;
        w.core(CHILD)
            .stream_open_with(task, Some(Flow { policy, window }))
            .expect("once");
        w.drive();
        w.core(ROOT).stream_open(caller).expect("once");
        w.core(CHILD)
            .finish(task, Ending::Returned(Bytes::new()))
            .expect("once");
        w.flush();
        overrun(&mut w, ROOT, caller);
        w.drive();
        assert_eq!(w.returned(ROOT, caller), b"", "the result stands");
    });
}

#[test]
fn a_buffer_no_host_would_hold_is_refused() {
    both(|mut w| {
        let (caller, task) = w.running();
        w.core(CHILD).started(task, Vec::new()).expect("once");
        w.drive();
        let flow = |policy| Flow {
            policy,
            window: Window::DEFAULT,
        };
        let too_much = flow(Policy::Buffer(u32::MAX));
        assert_eq!(
            w.core(ROOT).stream_open_with(caller, Some(too_much)),
            Err(Refusal::Limit)
        );
        let good = flow(Policy::Buffer(Limits::DEFAULT.window.messages - 64));
        w.core(ROOT)
            .stream_open_with(caller, Some(good))
            .expect("nothing was opened");
    });
}

#[test]
fn settings_come_once() {
    both(|mut w| {
        let (_, task) = receiving(&mut w, Policy::OverrunError, 1);
        let again = Frame::Flow {
            policy: Policy::Block,
            window: Window::DEFAULT,
        };
        let now = w.now;
        let core = &mut w.actors[CHILD].core;
        core.handle(&ROOT, Dest::Key(task), again, now);
        assert_eq!(core.dropped().unexpected, 1);
        assert_eq!(core.send_batch(task, &batch(&[b"", b""])), Err(Refusal::Overrun));
    });
}

#[test]
fn a_payload_that_cannot_be_read_is_relayed_to_who_sent_it() {
    both(|mut w| {
        let (caller, task) = w.streaming();
        w.core(ROOT).reject(caller, "not a number").expect("running");
        w.drive();
        assert_eq!(w.failure(CHILD, task).kind, ErrorKind::PayloadMismatch);
        w.core(CHILD).finish(task, Ending::Cancelled).expect("once");
        w.drive();
        let error = w.failure(ROOT, caller);
        assert_eq!(
            (error.kind, &*error.message),
            (ErrorKind::PayloadMismatch, "not a number")
        );
    });
    both(|mut w| {
        let (caller, task) = w.streaming();
        w.core(CHILD).reject(task, "not a number").expect("running");
        w.core(CHILD)
            .finish(task, Ending::Returned(Bytes::new()))
            .expect("once");
        w.drive();
        assert_eq!(w.failure(ROOT, caller).source, w.id(CHILD));
    });
}
