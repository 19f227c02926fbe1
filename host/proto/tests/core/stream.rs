//! Semantics 8: messages, credit and stops.

use bytes::Bytes;
use steading_proto::{Dest, Frame, Limits};
use steading_types::{Ending, OpenOptions, Refusal, Window};

use crate::world::{CHILD, ROOT, World, batch, both};

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
