//! The four receive policies (semantics 8).

use steading_actor::*;
use steading_types::Refusal;

use crate::harness::*;

type Ctx = Context<u32, u32>;

/// A context whose stream is opened with these options, running `body` in it.
fn receiving<T: 'static>(
    w: &World,
    options: StreamOptions,
    body: impl AsyncFnOnce(Stream<u32, u32>) -> Result<T> + 'static,
) -> Task<T> {
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async move |c: Ctx, ()| c.stream_with(options, body).await),
    );
    task.waits();
    w.started(1, &());
    w.asked();
    task
}

/// The same with a peer that has settings of its own for what it receives.
fn sending<T: 'static>(
    w: &World,
    policy: Policy,
    messages: u32,
    body: impl AsyncFnOnce(Stream<u32, u32>) -> Result<T> + 'static,
) -> Task<T> {
    let task = receiving(w, StreamOptions::new(), body);
    w.flow(1, policy, messages);
    task
}

async fn all(stream: &Stream<u32, u32>) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    while let Some(n) = stream.next().await? {
        all.push(n);
    }
    Ok(all)
}

#[test]
fn without_options_the_host_is_told_nothing() {
    let w = World::new();
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async |c: Ctx, ()| c.stream(async |s| s.next().await).await),
    );
    w.enter(&mut task, 1, &());
    assert_eq!(w.asked()[1..], ["stream c1"]);
}

#[test]
fn the_receivers_choice_goes_with_the_opening() {
    for (policy, told) in [
        (Policy::Block, "stream c1 Block 7"),
        (Policy::OverrunError, "stream c1 OverrunError 7"),
        (Policy::Buffer(3), "stream c1 Buffer(3) 7"),
        (Policy::DropOldest, "stream c1 DropOldest 7"),
    ] {
        let w = World::new();
        let options = StreamOptions::new().policy(policy).messages(7);
        let mut task = receiving(&w, options, async |s| s.next().await);
        task.waits();
        assert_eq!(w.asked(), [told]);
    }
}

#[test]
fn credit_goes_back_by_halves_of_the_chosen_window() {
    let w = World::new();
    let mut task = receiving(&w, StreamOptions::new().messages(4), async |s| {
        s.next().await?;
        s.next().await?;
        s.next().await
    });
    w.data(1, &[1, 2]);
    task.waits();
    w.actor.flush();
    assert_eq!(w.asked()[1..], ["credit c1 2 2"]);
}

#[test]
fn a_window_wider_than_any_host_grants_still_gives_credit_back() {
    let w = World::new();
    let mut task = receiving(&w, StreamOptions::new().messages(u32::MAX), async |s| all(&s).await);
    w.data(1, &[1u32; 64]);
    task.waits();
    w.actor.flush();
    assert_eq!(w.asked()[1..], ["credit c1 64 64"]);
}

#[test]
fn a_sender_waits_for_a_receiver_that_blocks_whatever_its_window() {
    for policy in [Policy::Block, Policy::DropOldest] {
        let w = World::new();
        let mut task = sending(&w, policy, 1, async |s| {
            s.send(1).await?;
            s.send(2).await?;
            s.next().await
        });
        task.waits();
        w.actor.flush();
        w.credit(1, 1, 1);
        task.waits();
        w.actor.flush();
        assert_eq!(w.asked(), ["stream c1 Block 64", "send c1 [1]", "send c1 [1]"]);
    }
}

#[test]
fn a_sender_that_waits_goes_on_when_the_window_widens() {
    let w = World::new();
    let mut task = receiving(&w, StreamOptions::new(), async |s| {
        for n in 0..65 {
            s.send(n).await?;
        }
        s.next().await
    });
    task.waits();
    w.flow(1, Policy::Buffer(1), 65);
    task.waits();
    w.actor.flush();
    let sent = w.asked().iter().filter(|line| line.starts_with("send")).count();
    assert_eq!(sent, 1, "all 65 in one batch");
}

#[test]
fn a_sender_without_credit_overruns_a_receiver_that_does_not_wait() {
    for policy in [Policy::OverrunError, Policy::Buffer(1)] {
        let w = World::new();
        let mut task = sending(&w, policy, 2, async |s| {
            s.send(1).await?;
            s.send(2).await?;
            assert_eq!(s.try_send(&3)?, TrySend::WouldBlock, "asking is not overrunning");
            s.send(3).await
        });
        w.refuse_messages(Some(Refusal::Overrun));
        task.waits();
        assert_eq!(w.asked()[1..3], ["stop c1", "cancel c1"]);
        let boxed = BoxedError::new(ErrorKind::Overrun, me(), "as the host says");
        w.ended(1, Outcome::Failed(Box::new(boxed)));
        let error = task.ends().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overrun);
        assert_eq!(error.source_actor(), Some(&me()), "the sender is named");
        assert_eq!(error.type_name(), "StreamOverrun");
    }
}

#[test]
fn the_host_knows_of_credit_before_the_task_does() {
    let w = World::new();
    let mut task = sending(&w, Policy::OverrunError, 1, async |s| {
        s.send(1).await?;
        s.send(2).await?;
        assert_eq!(s.try_send(&3)?, TrySend::WouldBlock);
        s.next().await
    });
    task.waits();
    w.actor.flush();
    assert_eq!(w.asked()[1..], ["send c1 [1]", "send c1 [1]"]);
    w.credit(1, 1, 1);
    task.waits();
}

#[test]
fn after_an_overrun_every_send_says_so() {
    let w = World::new();
    let mut task = sending(&w, Policy::OverrunError, 0, async |s| {
        w_refusing(&s).await;
        s.try_send(&2)
    });
    w.refuse_messages(Some(Refusal::Overrun));
    task.waits();
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::Overrun);
}

async fn w_refusing(stream: &Stream<u32, u32>) {
    assert_eq!(stream.send(1).await.unwrap_err().kind(), ErrorKind::Overrun);
}

#[test]
fn a_peer_that_overran_fails_the_receiver() {
    let w = World::new();
    let options = StreamOptions::new().policy(Policy::OverrunError);
    let mut task = receiving(&w, options, async |s| all(&s).await);
    task.waits();
    w.ended(1, Outcome::Failed(Box::new(BoxedError::overrun(peer(), &me()))));
    let error = task.ends().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overrun);
    assert_eq!(error.source_actor(), Some(&peer()));
    assert!(error.message().contains("sent more than"), "{error}");
}

#[test]
fn messages_that_wait_here_when_the_window_narrows_go_when_they_may() {
    let w = World::new();
    let mut task = receiving(&w, StreamOptions::new(), async |s| {
        for n in 0..3 {
            s.send(n).await?;
        }
        s.next().await
    });
    task.waits();
    w.refuse_messages(Some(Refusal::NoCredit));
    w.actor.flush();
    w.refuse_messages(None);
    w.flow(1, Policy::Block, 3);
    task.waits();
    assert_eq!(w.asked(), ["stream c1 Block 64", "send c1 [1, 1, 1]"]);
}

const LATEST: StreamOptions = StreamOptions::new().policy(Policy::DropOldest).messages(3);

#[test]
fn drop_oldest_keeps_the_latest_window_and_counts_the_others() {
    let w = World::new();
    let mut task = receiving(&w, LATEST, async |s| {
        sleep(std::time::Duration::from_secs(1)).await?;
        Ok((s.lost(), all(&s).await?, s.lost()))
    });
    task.waits();
    w.data(1, &[1, 2]);
    w.data(1, &[3, 4, 5, 6, 7]);
    w.stop(1);
    w.returned(1, &());
    task.waits();
    w.pass(1000);
    assert_eq!(task.ends().unwrap(), (4, vec![5, 6, 7], 4));
}

#[test]
fn drop_oldest_gives_credit_back_when_messages_arrive() {
    let w = World::new();
    let mut task = receiving(&w, LATEST, async |_| {
        std::future::pending::<()>().await;
        Ok(())
    });
    task.waits();
    w.asked();
    w.data(1, &[1, 2, 3]);
    assert_eq!(w.asked(), ["credit c1 3 3"], "no task has taken any");
    w.data(1, &[4, 5, 6, 7]);
    assert_eq!(w.asked(), ["credit c1 4 4"]);
}

#[test]
fn drop_oldest_counts_what_came_before_it_was_chosen() {
    let w = World::new();
    let task = w.portal().open_context("scan", &(), async |c: Ctx, ()| {
        c.stream_with(LATEST, async |s| Ok((all(&s).await?, s.lost()))).await
    });
    let mut task = w.task(task);
    task.waits();
    w.started(1, &());
    w.data(1, &[1, 2, 3, 4, 5]);
    w.stop(1);
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), (vec![3, 4, 5], 2));
}

#[test]
fn drop_oldest_loses_nothing_while_the_task_keeps_up() {
    let w = World::new();
    let mut task = receiving(&w, LATEST, async |s| Ok((all(&s).await?, s.lost())));
    for n in 0..100u32 {
        w.data(1, &[n]);
        task.waits();
    }
    w.stop(1);
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), ((0..100).collect(), 0));
}

#[test]
fn a_single_message_longer_than_the_window_is_kept() {
    let w = World::new();
    let window = Window { messages: 3, bytes: 10 };
    let options = StreamOptions::new().policy(Policy::DropOldest).window(window);
    let task = w
        .portal()
        .open_context("scan", &(), async move |c: Context<(), Vec<u32>>, ()| {
            c.stream_with(options, async |s| Ok((s.next().await?, s.lost()))).await
        });
    let mut task = w.task(task);
    task.waits();
    w.started(1, &());
    w.data(1, &[vec![1u32], vec![7; 100]]);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), (Some(vec![7; 100]), 1));
}

/// Or an overrun would be declared although the receiver has taken everything.
#[test]
fn credit_goes_back_at_once_to_a_sender_that_may_not_wait() {
    for policy in [Policy::OverrunError, Policy::Buffer(8)] {
        let w = World::new();
        let mut task = receiving(&w, StreamOptions::new().policy(policy), async |s| {
            s.next().await?;
            sleep(std::time::Duration::from_secs(1)).await?;
            s.next().await
        });
        w.data(1, &[1, 2]);
        task.waits();
        w.actor.flush();
        let asked = w.asked();
        assert!(
            asked.contains(&"credit c1 1 1".to_owned()),
            "{policy:?}: one is taken, one is not: {asked:?}"
        );
    }
}

#[test]
fn a_broadcast_of_a_stream_that_may_overrun_has_a_ring_of_its_window() {
    let w = World::new();
    let options = StreamOptions::new().policy(Policy::OverrunError).messages(5);
    let mut task = receiving(&w, options, async |s| {
        let reader = s.subscribe()?;
        let capacity = reader.statistics().capacity;
        reader.next().await?;
        Ok(capacity)
    });
    task.waits();
    w.stop(1);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), 5);
}
