//! The callee's side: how a task comes to its end (semantics 3).

use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};

use futures_util::FutureExt;
use steading_actor::*;
use steading_types::{Event, Refusal};

use crate::harness::*;

fn run(endpoint: Endpoint, w: &World) -> Task<()> {
    let future = endpoint.run(w.invoke(1));
    Task::new(Box::pin(async move {
        future.await;
        Ok(())
    }))
}

#[test]
fn a_plain_endpoint_returns() {
    let w = World::new();
    run(Endpoint::plain("double", async |n: u32| Ok(n * 2)), &w)
        .ends()
        .unwrap();
    assert_eq!(w.asked(), ["finish c1 returned [e]"]);
}

#[test]
fn an_endpoint_that_fails_ships_its_error() {
    let w = World::new();
    run(
        Endpoint::plain("fail", async |_: u32| Err::<(), _>(Error::msg("no"))),
        &w,
    )
    .ends()
    .unwrap();
    assert_eq!(w.asked(), ["finish c1 failed endpoint error: no"]);
}

#[test]
fn arguments_of_the_wrong_type_never_reach_the_function() {
    let w = World::new();
    let endpoint = Endpoint::plain("fail", async |_: String| -> Result<()> { unreachable!() });
    run(endpoint, &w).ends().unwrap();
    let [line] = &w.asked()[..] else { panic!() };
    assert!(
        line.starts_with("finish c1 failed payload mismatch: arguments: expected a "),
        "{line}"
    );
}

async fn echo(ctx: Context<u32, u32, String>, _: u32) -> Result<u32> {
    ctx.started("ready".to_owned()).await?;
    ctx.stream(async |s| {
        let mut n = 0;
        while let Some(value) = s.next().await? {
            s.send(value + 1).await?;
            n += 1;
        }
        Ok(n)
    })
    .await
}

#[test]
fn a_context_endpoint_starts_streams_and_returns_in_order() {
    let w = World::new();
    let mut task = run(Endpoint::context("echo", echo), &w);
    task.waits();
    w.data(1, &[1, 2]);
    w.stop(1);
    task.ends().unwrap();
    let asked = w.asked();
    assert_eq!(
        asked[1..],
        ["stream c1", "send c1 [1, 1]", "stop c1", "finish c1 returned [2]"]
    );
}

#[test]
fn a_cancel_ends_the_task_and_is_its_ending() {
    let w = World::new();
    let mut task = run(Endpoint::context("echo", echo), &w);
    task.waits();
    w.asked();
    w.cancel_task(1, peer());
    task.ends().unwrap();
    assert_eq!(w.asked(), ["stop c1", "finish c1 cancelled"]);
}

#[test]
fn a_task_can_be_cancelled_before_it_ran() {
    let w = World::new();
    let mut task = run(Endpoint::context("echo", echo), &w);
    w.cancel_task(1, peer());
    task.ends().unwrap();
    assert_eq!(w.asked(), ["finish c1 cancelled"]);
}

#[test]
fn returning_although_cancelled_is_cancelled() {
    let w = World::new();
    let endpoint = Endpoint::plain("deaf", async |_: u32| {
        cancelled().await;
        Ok(1)
    });
    let mut task = run(endpoint, &w);
    task.waits();
    w.cancel_task(1, peer());
    task.ends().unwrap();
    assert_eq!(w.asked(), ["finish c1 cancelled"]);
}

#[test]
fn an_error_while_cleaning_up_is_shipped_instead_of_the_cancellation() {
    let w = World::new();
    let endpoint = Endpoint::plain("messy", async |_: u32| {
        cancelled().await;
        Err::<(), _>(Error::msg("mess"))
    });
    let mut task = run(endpoint, &w);
    task.waits();
    w.cancel_task(1, peer());
    task.ends().unwrap();
    assert_eq!(w.asked(), ["finish c1 failed endpoint error: mess"]);
}

#[test]
fn a_callee_can_cancel_itself() {
    let w = World::new();
    let endpoint = Endpoint::context("tired", async |c: Context<(), ()>, _: u32| {
        c.cancel("tired").await;
        std::future::pending::<Result<()>>().await
    });
    run(endpoint, &w).ends().unwrap();
    assert_eq!(w.asked(), ["cancel c1 (tired)", "finish c1 cancelled"]);
}

#[test]
fn a_lost_caller_ends_the_task() {
    let w = World::new();
    let mut task = run(
        Endpoint::plain("wait", async |_: u32| std::future::pending::<Result<()>>().await),
        &w,
    );
    task.waits();
    w.failed(1, "link lost");
    task.ends().unwrap();
    assert_eq!(w.asked(), ["finish c1 cancelled"]);
}

#[test]
fn what_a_task_opens_is_opened_in_its_name() {
    let w = World::new();
    let portal = w.portal();
    let endpoint = Endpoint::plain("relay", move |_: u32| portal.call::<u32, _>("deeper", &()));
    let mut task = run(endpoint, &w);
    task.waits();
    assert_eq!(w.asked(), ["open c1 deeper in c1"]);
}

#[test]
fn an_invocation_nobody_runs_is_finished() {
    let w = World::new();
    drop(w.invoke(1));
    assert_eq!(w.asked(), ["finish c1 cancelled"]);
}

#[derive(Debug, serde::Serialize, thiserror::Error)]
#[error("no hit for {pattern}")]
struct NoHit {
    pattern: String,
}

#[test]
fn a_typed_error_travels_as_data() {
    let boxed = Error::typed(NoHit { pattern: "x".into() }).to_boxed(&me());
    assert_eq!(boxed.message, "no hit for x");
    assert!(boxed.type_name.ends_with("NoHit"));
    let there = Error::from(boxed);
    assert_eq!(
        there.payload::<std::collections::BTreeMap<String, String>>().unwrap()["pattern"],
        "x"
    );
}

/// A waker that is another thread, which polls at once: it looks whether the caller's error is known.
#[derive(Default)]
struct Onlooker {
    context: Mutex<Option<Context<u32, u32>>>,
    saw_error: Mutex<Vec<bool>>,
}

impl Wake for Onlooker {
    fn wake(self: Arc<Self>) {
        let context = self.context.lock().unwrap();
        let error = context.as_ref().and_then(Context::remote_error);
        self.saw_error.lock().unwrap().push(error.is_some());
    }
}

#[test]
fn an_error_of_the_callers_is_known_before_its_cancel_is_felt() {
    let w = World::new();
    let onlooker = Arc::new(Onlooker::default());
    let kept = onlooker.clone();
    let endpoint = Endpoint::context("scan", move |ctx: Context<u32, u32>, _: u32| {
        *kept.context.lock().unwrap() = Some(ctx.clone());
        async move {
            ctx.started(()).await?;
            ctx.stream(async |s| s.next().await).await
        }
    });
    let mut task = endpoint.run(w.invoke(1));
    let waker = Waker::from(onlooker.clone());
    let mut poll = || task.as_mut().poll(&mut std::task::Context::from_waker(&waker));
    assert_eq!(poll(), Poll::Pending);
    let cancel = Event::Cancel {
        context: 1,
        cancellation: cancelled_by(peer()),
    };
    let ended = Event::Ended {
        context: 1,
        outcome: Outcome::Failed(failure("not a number")),
    };
    w.actor.deliver_all(vec![cancel, ended], |_| unreachable!());
    assert_eq!(poll(), Poll::Ready(()));
    let saw = onlooker.saw_error.lock().unwrap();
    assert!(!saw.is_empty() && saw.iter().all(|saw| *saw), "{saw:?}");
    let asked = w.asked();
    assert!(asked.iter().any(|line| line.ends_with("not a number")), "{asked:?}");
}

/// Accepted is accepted: a task that returns in the belief that its messages are on their way has failed.
#[test]
fn a_task_whose_messages_could_not_be_sent_has_not_returned() {
    let w = World::new();
    let sends = async |c: Context<u32, ()>, _: u32| {
        c.started(()).await?;
        let block = c.stream(async |s| {
            s.send(1).await?;
            std::future::pending::<Result<()>>().await
        });
        // Dropped where it waits, so that nobody is told.
        assert!(block.now_or_never().is_none());
        Ok(0u32)
    };
    let mut task = run(Endpoint::context("scan", sends), &w);
    w.refuse_messages(Some(Refusal::NoCredit));
    task.ends().unwrap();
    let asked = w.asked();
    let last = asked.last().unwrap();
    assert!(
        last.starts_with("finish c1 failed") && last.contains("were not sent"),
        "{asked:?}"
    );
}
