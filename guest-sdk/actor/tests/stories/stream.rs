//! Messages, batches and credit (semantics 8).

use steading_actor::*;
use steading_types::Refusal;

use crate::harness::*;

type Ctx = Context<Vec<u8>, u32>;

/// A context whose stream is open, running `body` in it.
fn streaming<T: 'static>(w: &World, body: impl AsyncFnOnce(Stream<Vec<u8>, u32>) -> Result<T> + 'static) -> Task<T> {
    streaming_with(w, Window::DEFAULT, body)
}

fn streaming_with<T: 'static>(
    w: &World,
    window: Window,
    body: impl AsyncFnOnce(Stream<Vec<u8>, u32>) -> Result<T> + 'static,
) -> Task<T> {
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async |c: Ctx, ()| c.stream(body).await),
    );
    task.waits();
    w.started_with(1, &(), window);
    w.asked();
    task
}

#[test]
fn messages_leave_in_one_batch_at_the_end_of_the_turn() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        for _ in 0..3 {
            s.send(vec![0; 2]).await?;
        }
        s.next().await
    });
    task.waits();
    assert_eq!(w.asked(), ["stream c1"]);
    w.actor.flush();
    assert_eq!(w.asked(), ["send c1 [3, 3, 3]"]);
    w.actor.flush();
    assert!(w.asked().is_empty());
}

#[test]
fn leaving_the_stream_sends_what_is_buffered_then_the_stop() {
    let w = World::new();
    let mut task = streaming(&w, async |s| s.send(vec![]).await);
    task.waits();
    assert_eq!(w.asked(), ["stream c1", "send c1 [1]", "stop c1"]);
    w.actor.flush();
    w.returned(1, &());
    task.ends().unwrap();
}

#[test]
fn the_driver_is_told_once_that_there_is_something_to_send() {
    let w = World::new();
    let (give, told) = std::sync::mpsc::channel();
    w.actor.on_dirty(move || give.send(()).unwrap());
    let mut task = streaming(&w, async |s| {
        s.send(vec![]).await?;
        s.send(vec![]).await?;
        s.next().await
    });
    task.waits();
    assert_eq!(told.try_iter().count(), 1);
}

#[test]
fn a_full_buffer_is_sent_at_once_and_a_large_message_alone() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        s.send(vec![0; 30_000]).await?;
        s.send(vec![0; 40_000]).await?;
        s.send(vec![0; 1]).await?;
        s.send(vec![0; 100_000]).await?;
        s.next().await
    });
    task.waits();
    assert_eq!(
        w.asked(),
        ["stream c1", "send c1 [30003, 40003]", "send c1 [2]", "send c1 [100005]"]
    );
}

#[test]
fn a_sender_waits_for_credit_and_is_woken_by_it() {
    let w = World::new();
    let window = Window {
        messages: 2,
        bytes: 100,
    };
    let mut task = streaming_with(&w, window, async |s| {
        s.send(vec![]).await?;
        s.send(vec![]).await?;
        assert_eq!(s.try_send(&vec![])?, TrySend::WouldBlock);
        s.send(vec![]).await?;
        s.next().await
    });
    task.waits();
    w.actor.flush();
    assert_eq!(w.asked(), ["stream c1", "send c1 [1, 1]"]);
    w.credit(1, 1, 1);
    task.waits();
    w.actor.flush();
    assert_eq!(w.asked(), ["send c1 [1]"]);
}

#[test]
fn a_message_larger_than_the_window_goes_when_the_window_is_free() {
    let w = World::new();
    let window = Window {
        messages: 9,
        bytes: 100,
    };
    let mut task = streaming_with(&w, window, async |s| {
        s.send(vec![0; 20]).await?;
        s.send(vec![0; 500]).await?;
        s.next().await
    });
    task.waits();
    w.actor.flush();
    assert_eq!(w.asked(), ["stream c1", "send c1 [21]"]);
    w.credit(1, 1, 21);
    task.waits();
    w.actor.flush();
    assert_eq!(w.asked(), ["send c1 [503]"]);
}

#[test]
fn credit_goes_back_together_once_half_of_the_window_is_taken() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        for _ in 0..40 {
            s.next().await?;
        }
        s.next().await
    });
    w.data(1, &[1u32; 40]);
    assert!(w.asked().is_empty(), "arriving is not taking");
    task.waits();
    assert_eq!(w.asked(), ["stream c1", "credit c1 40 40"]);
}

#[test]
fn messages_arrive_in_order_then_the_end_again_and_again() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let mut all = Vec::new();
        while let Some(n) = s.next().await? {
            all.push(n);
        }
        assert_eq!(s.next().await?, None);
        Ok(all)
    });
    task.waits();
    w.data(1, &[1, 2]);
    task.waits();
    w.data(1, &[3]);
    w.stop(1);
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), [1, 2, 3]);
}

#[test]
fn a_failure_overtakes_what_is_queued() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        s.next().await?;
        s.next().await
    });
    w.data(1, &[1, 2]);
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
}

#[test]
fn a_message_of_the_wrong_type_is_named() {
    let w = World::new();
    let mut task = streaming(&w, async |s| s.next().await);
    w.data(1, &["text"]);
    task.waits();
    w.cancelled(1, me());
    let error = task.ends().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PayloadMismatch);
    assert!(error.message().contains("expected a u32"), "{error}");
}

#[test]
fn late_messages_are_discarded_and_their_credit_goes_back() {
    let w = World::new();
    let mut task = streaming(&w, async |_| Ok(()));
    task.waits();
    w.asked();
    w.data(1, &[1u32; 64]);
    assert_eq!(w.asked(), ["credit c1 64 64"]);
    w.returned(1, &());
    task.ends().unwrap();
}

#[test]
fn a_stream_opens_once() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Ctx, ()| {
        c.stream(async |_| Ok(())).await?;
        c.stream(async |_| Ok(())).await
    }));
    w.enter(&mut task, 1, &());
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::InvalidOperation);
}

#[test]
fn two_tasks_share_a_stream() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let other = s.clone();
        let (a, b) = futures_util::join!(s.next(), other.next());
        Ok((a?, b?))
    });
    task.waits();
    w.data(1, &[1, 2]);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), (Some(1), Some(2)));
}

#[test]
fn sending_to_a_peer_that_has_returned_fails() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        while s.next().await?.is_some() {}
        s.send(vec![]).await
    });
    w.returned(1, &());
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::InvalidOperation);
}

#[test]
fn an_end_that_was_told_is_told_again_after_our_cancel() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Context<(), u32>, ()| {
        c.stream(async |s| {
            assert_eq!(s.next().await?, None);
            c.cancel("").await;
            s.next().await
        })
        .await
    }));
    task.waits();
    w.started(1, &());
    w.stop(1);
    task.waits();
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap(), None);
}

/// Less than half of a window kept back would be for ever: nobody takes anything here any more.
#[test]
fn what_comes_after_leaving_leaves_room_for_a_large_message() {
    let w = World::new();
    let mut task = streaming(&w, async |_| Ok(()));
    task.waits();
    w.asked();
    let sixteenth = vec![0u8; 1 << 16];
    w.data(1, &[&sixteenth]);
    assert_eq!(w.asked().len(), 1, "a sixteenth of the window goes back at once");
    w.returned(1, &());
    task.ends().unwrap();
}

#[test]
fn a_stream_that_was_left_says_so_again_and_again() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Context<u32, u32>, ()| {
        let left = c.stream(async |s| Ok(s)).await?;
        for _ in 0..2 {
            assert_eq!(left.next().await.unwrap_err().kind(), ErrorKind::InvalidOperation);
            assert_eq!(left.try_send(&1).unwrap_err().kind(), ErrorKind::InvalidOperation);
        }
        Ok(())
    }));
    task.waits();
    w.started(1, &());
    w.data(1, &[1u32]);
    task.waits();
    w.returned(1, &());
    task.ends().unwrap();
}

#[test]
fn the_end_wakes_every_task_that_receives() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let other = s.clone();
        futures_util::try_join!(s.next(), other.next())
    });
    task.waits();
    w.stop(1);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), (None, None));
}

#[test]
fn a_send_after_a_remote_error_raises_it_and_waiting_ones_too() {
    let w = World::new();
    let window = Window {
        messages: 1,
        bytes: 100,
    };
    let mut task = streaming_with(&w, window, async |s| {
        s.send(vec![]).await?;
        let waiting = s.send(vec![]).await.unwrap_err();
        let later = s.try_send(&vec![]).unwrap_err();
        Err::<(), _>(Error::msg(format!("{}, {}", waiting.message(), later.message())))
    });
    task.waits();
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs, theirs");
}

#[test]
fn a_stream_opened_when_the_callee_has_returned_sends_nothing_and_blames_nobody() {
    let w = World::new();
    let (give, take) = std::sync::mpsc::channel();
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async move |c: Context<u32, u32>, ()| {
                give.send(c.clone()).unwrap();
                c.stream(async |s| {
                    s.send(1).await?;
                    s.next().await
                })
                .await
            }),
    );
    task.waits();
    // The host knows already that the callee has returned.
    w.refuse_opening(Some(Refusal::Ended));
    w.refuse_messages(Some(Refusal::StreamNotOpen));
    w.started(1, &());
    task.waits();
    w.actor.flush();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), None);
    let context: Context<u32, u32> = take.try_recv().unwrap();
    assert!(context.local_error().is_none());
    assert!(!w.asked().iter().any(|line| line.starts_with("log")));
}

/// Accepted is accepted: that it could not be sent after all is an error of who sent it.
#[test]
fn messages_that_could_not_be_sent_fail_the_block_that_leaves_them() {
    let w = World::new();
    let mut task = streaming(&w, async |s| s.send(vec![1]).await);
    w.refuse_messages(Some(Refusal::NoCredit));
    task.waits();
    w.cancelled(1, me());
    let error = task.ends().unwrap_err();
    assert!(
        error.message().contains("1 messages to peer@00000002 were not sent"),
        "{error}"
    );
}

/// The host has no room for more of what this actor has sent: it keeps what it has, takes no more from its task, and
/// the stop goes when all has gone.
#[test]
fn what_the_host_has_no_room_for_waits_and_the_stop_goes_after_it() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        s.send(vec![0; 2]).await?;
        s.next().await?;
        s.send(vec![0; 5]).await
    });
    task.waits();
    assert_eq!(w.asked(), ["stream c1"]);
    w.refuse_messages(Some(Refusal::Limit));
    w.actor.flush();
    w.data(1, &[7_u32]);
    task.waits();
    assert!(w.asked().is_empty(), "the second message is not taken");
    w.refuse_messages(None);
    w.credit(1, 0, 0);
    task.waits();
    assert_eq!(w.asked(), ["send c1 [3]", "send c1 [6]", "stop c1", "credit c1 1 1"]);
    w.returned(1, &());
    task.ends().unwrap();
}

#[test]
fn leaving_a_stream_waits_until_what_it_has_sent_could_go() {
    let w = World::new();
    let (left, seen) = std::sync::mpsc::channel();
    let mut task = w.task(w.portal().open_context("scan", &(), async move |c: Ctx, ()| {
        c.stream(async |s| s.send(vec![0; 2]).await).await?;
        left.send(()).unwrap();
        Ok(())
    }));
    task.waits();
    w.refuse_messages(Some(Refusal::Limit));
    w.started_with(1, &(), Window::DEFAULT);
    w.asked();
    task.waits();
    assert_eq!(w.asked(), ["stream c1"], "no stop yet");
    assert!(seen.try_recv().is_err());
    w.refuse_messages(None);
    w.credit(1, 0, 0);
    task.waits();
    assert_eq!(w.asked(), ["send c1 [3]", "stop c1"]);
    seen.try_recv().unwrap();
    w.returned(1, &());
    task.ends().unwrap();
}
