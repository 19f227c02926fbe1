//! One stream for many local tasks (semantics 8), with the rows BRD of the conformance list.

use std::time::Duration;

use futures_util::future::{join, join_all};
use steading_actor::*;

use crate::harness::*;

type Ctx = Context<u32, u32>;

/// A context whose stream is open, running `body` in it.
fn streaming<T: 'static>(w: &World, body: impl AsyncFnOnce(Stream<u32, u32>) -> Result<T> + 'static) -> Task<T> {
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async |c: Ctx, ()| c.stream(body).await),
    );
    w.enter(&mut task, 1, &());
    task
}

/// Feeds `0..count` as the peer would: what there is credit for, then a turn.
fn feed<T>(w: &World, task: &mut Task<T>, count: u32) {
    let all: Vec<u32> = (0..count).collect();
    for batch in all.chunks(64) {
        w.data(1, batch);
        task.waits();
    }
    w.stop(1);
    w.returned(1, &());
}

async fn collect(reader: Subscription<u32, u32>) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    while let Some(n) = reader.next().await? {
        all.push(n);
    }
    Ok(all)
}

/// What a reader saw: messages, and gaps.
#[derive(Debug, PartialEq)]
enum Seen {
    Message(u32),
    Lagged(u64),
}

/// Reads slowly; a lag is written down and survived.
async fn read_slowly(reader: &Subscription<u32, u32>, delay: Duration) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    loop {
        match reader.next().await {
            Ok(None) => return Ok(seen),
            Ok(Some(n)) => seen.push(Seen::Message(n)),
            Err(error) => seen.push(Seen::Lagged(error.lagged().ok_or(error)?)),
        }
        sleep(delay).await?;
    }
}

/// The numbers rise, and every gap is told: with what was seen, they are complete.
fn check_gaps(seen: &[Seen], count: u32) -> u64 {
    let (mut next, mut missed) = (0, 0);
    for each in seen {
        match each {
            Seen::Lagged(n) => {
                missed += n;
                next += *n as u32;
            }
            Seen::Message(n) => {
                assert_eq!(*n, next, "out of order, or a gap that nobody was told of");
                next += 1;
            }
        }
    }
    assert_eq!(next, count);
    missed
}

#[test]
fn brd_1_stream_fan_out_to_local_subscriptions() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let readers: Vec<_> = (0..10).map(|_| s.subscribe()).collect::<Result<_>>()?;
        let own = async {
            let mut all = Vec::new();
            while let Some(n) = s.next().await? {
                all.push(n);
            }
            Ok::<_, Error>(all)
        };
        let (own, others) = join(own, join_all(readers.into_iter().map(collect))).await;
        Ok((own?, others.into_iter().collect::<Result<Vec<_>>>()?))
    });
    feed(&w, &mut task, 1000);
    let (own, others) = task.ends().unwrap();
    let complete: Vec<u32> = (0..1000).collect();
    assert_eq!(own, complete);
    assert_eq!(others, vec![complete; 10]);
}

#[test]
fn brd_2_consumer_and_parent_maybe_lag_slow_parent() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let fast = s.subscribe()?;
        let slow = async {
            let mut seen = Vec::new();
            loop {
                match s.next().await {
                    Ok(None) => return Ok::<_, Error>(seen),
                    Ok(Some(n)) => seen.push(Seen::Message(n)),
                    Err(error) => seen.push(Seen::Lagged(error.lagged().ok_or(error)?)),
                }
                sleep(Duration::from_millis(1)).await?;
            }
        };
        let (fast, slow) = join(collect(fast), slow).await;
        Ok((fast?, slow?))
    });
    feed(&w, &mut task, 300);
    let end = loop {
        match task.run() {
            Some(end) => break end,
            None => w.pass(1),
        }
    };
    let (fast, slow) = end.unwrap();
    assert_eq!(fast, (0..300).collect::<Vec<_>>());
    assert!(check_gaps(&slow, 300) > 0, "it has lagged, and resumed in order");
}

#[test]
fn brd_2_consumer_and_parent_maybe_lag_slow_sub() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let slow = s.subscribe()?;
        let slow = async {
            loop {
                match slow.next().await {
                    Ok(_) => sleep(Duration::from_millis(1)).await?,
                    Err(error) => return Ok::<_, Error>(error.lagged()),
                }
            }
        };
        let fast = async {
            let mut all = Vec::new();
            while let Some(n) = s.next().await? {
                all.push(n);
            }
            Ok::<_, Error>(all)
        };
        let (fast, slow) = join(fast, slow).await;
        Ok((fast?, slow?))
    });
    feed(&w, &mut task, 300);
    let end = loop {
        match task.run() {
            Some(end) => break end,
            None => w.pass(1),
        }
    };
    let (fast, slow) = end.unwrap();
    assert_eq!(fast, (0..300).collect::<Vec<_>>());
    assert!(slow.is_some_and(|missed| missed > 0), "the lag ends the slow one");
}

#[test]
fn brd_4_subscribe_errors_after_close() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let reader = s.subscribe()?;
        assert_eq!(s.statistics().map(|all| all.subscriptions), Some(1));
        reader.close();
        reader.close();
        assert_eq!(s.statistics().map(|all| all.subscriptions), Some(0));
        assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::InvalidOperation);
        assert_eq!(reader.subscribe().unwrap_err().kind(), ErrorKind::InvalidOperation);
        Ok(s)
    });
    w.returned(1, &());
    let left = task.ends().unwrap();
    let error = left.subscribe().unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::InvalidOperation,
        "the stream was left: {error}"
    );
}

#[test]
fn brd_6_first_recver_is_cancelled() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let (first, second) = (s.subscribe()?, s.subscribe()?);
        let parked = move_on_after(Duration::from_millis(500), first.next());
        let (cancelled, got) = join(parked, second.next()).await;
        Ok((cancelled?, got?))
    });
    w.pass(500);
    task.waits();
    w.data(1, &[7]);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), (None, Some(7)));
}

#[test]
fn a_puller_dropped_after_it_was_woken_leaves_the_message_to_others() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let (first, second) = (s.subscribe()?, s.subscribe()?);
        let mut first = Box::pin(first.next());
        let mut second = Box::pin(second.next());
        std::future::poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            assert!(second.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(first);
        second.await
    });
    w.data(1, &[7]);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), Some(7));
}

#[test]
fn brd_7_no_raise_on_lag() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let slow = s.subscribe_with(OnLag::Skip)?;
        let reading = read_slowly(&slow, Duration::from_millis(1));
        let fast = async {
            while s.next().await?.is_some() {}
            Ok::<_, Error>(())
        };
        let (fast, seen) = join(fast, reading).await;
        fast?;
        Ok((seen?, slow.lost()))
    });
    feed(&w, &mut task, 1000);
    let end = loop {
        match task.run() {
            Some(end) => break end,
            None => w.pass(1),
        }
    };
    let (seen, lost) = end.unwrap();
    assert!(
        seen.iter().all(|each| matches!(each, Seen::Message(_))),
        "no lag is raised"
    );
    assert_eq!(lost + seen.len() as u64, 1000, "and none is forgotten");
    assert!(lost > 0);
}

#[test]
fn a_subscription_gets_what_comes_after_it() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let first = s.next().await?;
        let reader = s.subscribe()?;
        let second = s.next().await?;
        let third = s.subscribe()?;
        Ok((
            first,
            second,
            reader.next().await?,
            s.next().await?,
            third.next().await?,
        ))
    });
    w.data(1, &[1, 2, 3]);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), (Some(1), Some(2), Some(2), Some(3), Some(3)));
}

#[test]
fn who_waits_on_the_stream_when_it_becomes_a_broadcast_reads_on() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let waiting = s.next();
        let reader = async { s.subscribe()?.next().await };
        let (waiting, reader) = join(waiting, reader).await;
        Ok((waiting?, reader?))
    });
    w.data(1, &[5]);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), (Some(5), Some(5)));
}

#[test]
fn the_end_wakes_every_reader_again_and_again() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let (a, b) = (s.subscribe()?, s.subscribe()?);
        let ends = join(a.next(), b.next()).await;
        assert_eq!(a.next().await?, None);
        Ok((ends.0?, ends.1?, s.next().await?))
    });
    w.stop(1);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), (None, None, None));
}

#[test]
fn a_failure_reaches_every_reader() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let (a, b) = (s.subscribe()?, s.subscribe()?);
        let (a, b) = join(a.next(), b.next()).await;
        Ok((a.unwrap_err().message(), b.unwrap_err().message()))
    });
    w.failed(1, "theirs");
    // Both were told; that the block fails as well is another story.
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
}

#[test]
fn statistics_say_how_it_stands() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        assert_eq!(s.statistics(), None);
        let reader = s.subscribe()?;
        s.next().await?;
        let statistics = s.statistics();
        assert_eq!(Some(reader.statistics()), statistics);
        Ok(statistics)
    });
    w.data(1, &[1, 2]);
    task.waits();
    w.returned(1, &());
    let expected = BroadcastStatistics {
        subscriptions: 1,
        capacity: 64,
        buffered: 1,
        pulled: 1,
        waiting: 0,
    };
    assert_eq!(task.ends().unwrap(), Some(expected));
}

#[test]
fn a_reader_that_never_reads_holds_nobody_up() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let idle = s.subscribe()?;
        let mut count = 0;
        while s.next().await?.is_some() {
            count += 1;
        }
        Ok((count, idle.next().await.unwrap_err().lagged(), idle.next().await?))
    });
    feed(&w, &mut task, 300);
    assert_eq!(task.ends().unwrap(), (300, Some(236), Some(236)));
}

#[test]
fn the_handle_and_its_subscriptions_still_send() {
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let reader = s.subscribe()?;
        s.send(1).await?;
        reader.send(2).await?;
        assert_eq!(reader.try_send(&3)?, TrySend::Sent);
        reader.next().await
    });
    w.actor.flush();
    assert_eq!(w.asked().last().map(String::as_str), Some("send c1 [1, 1, 1]"));
    w.data(1, &[9]);
    task.waits();
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), Some(9));
}

#[test]
fn messages_of_a_subscription_are_a_stream_of_futures() {
    use futures_util::TryStreamExt;
    let w = World::new();
    let mut task = streaming(&w, async |s| {
        let reader = s.subscribe()?;
        reader.messages().try_collect::<Vec<_>>().await
    });
    feed(&w, &mut task, 3);
    assert_eq!(task.ends().unwrap(), [0, 1, 2]);
}
