//! Actors that wait for each other, for good or for a while.

use std::future::{pending, poll_fn};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use steading_guest::{Context, Nursery, Portal, Result, Spec, gather_contexts, nursery, select, sleep};

struct Deadlocks;

type Numbers = Context<u64, u64>;

/// Waits.
#[steading_guest::actor]
impl Deadlocks {
    /// It and its child each wait for what the other says first.
    async fn both_read() -> Result<()> {
        with_child(async |child| child.open_context("listen", &(), listening).await).await
    }

    /// Waits for what the caller says.
    async fn listen(ctx: Context<u64, u64>) -> Result<()> {
        ctx.started(()).await?;
        listening(ctx, ()).await
    }

    /// It and its child send, and neither takes anything.
    async fn both_write() -> Result<()> {
        with_child(async |child| child.open_context("tell", &(), telling).await).await
    }

    /// Sends without end.
    async fn tell(ctx: Context<u64, u64>) -> Result<()> {
        ctx.started(()).await?;
        telling(ctx, ()).await
    }

    /// As `both_read`, so many levels further down.
    async fn deep(levels: u32) -> Result<()> {
        with_child(async |child| match levels {
            0 => child.call("both_read", &()).await,
            _ => child.call("deep", &(levels - 1)).await,
        })
        .await
    }

    /// So many children in a ring, to whom it hands on what the one before has said; and nobody begins.
    async fn ring(members: u32) -> Result<()> {
        nursery(async |n: Nursery| {
            let mut contexts = Vec::new();
            for member in 0..members {
                let child = n.start_actor(Spec::this_component(format!("member_{member}"))).await?;
                contexts.push(child.context("listen"));
            }
            gather_contexts(contexts, async |members: Vec<(Numbers, ())>| {
                let mut said = None;
                for (ctx, ()) in members {
                    said = ctx
                        .stream(async |numbers| {
                            if let Some(number) = said {
                                numbers.send(number).await?;
                            }
                            numbers.next().await
                        })
                        .await?;
                }
                Ok(())
            })
            .await?;
            n.cancel("done");
            Ok(())
        })
        .await
    }

    /// Its child says something after so many milliseconds.
    async fn slowly(ms: u64) -> Result<u64> {
        with_child(async |child| {
            let first = async |ctx: Numbers, ()| ctx.stream(async |numbers| numbers.next().await).await;
            Ok(child.open_context("sleepy", &ms, first).await?.unwrap_or_default())
        })
        .await
    }

    /// Says 7 after a while.
    async fn sleepy(ctx: Context<u64, u64>, ms: u64) -> Result<()> {
        ctx.started(()).await?;
        ctx.stream(async |numbers| {
            sleep(Duration::from_millis(ms)).await?;
            numbers.send(7).await
        })
        .await
    }

    /// A service with a worker, which both wait for each other, and a client that comes after so many milliseconds.
    async fn visited(ms: u64) -> Result<u64> {
        with_child(async |service| {
            let visit = async {
                sleep(Duration::from_millis(ms)).await?;
                service.call::<(), _>("visit", &()).await?;
                pending::<Result<u64>>().await
            };
            select! {
                answer = service.call("both_wait_for_a_visit", &()) => answer,
                never = visit => never,
            }
        })
        .await
    }

    /// Ends with what its worker answers once somebody has visited.
    async fn both_wait_for_a_visit() -> Result<u64> {
        with_child(async |worker| {
            let body = async |ctx: Numbers, ()| {
                ctx.stream(async |numbers| {
                    let visited = async {
                        poll_fn(poll_visit).await;
                        numbers.send(1).await?;
                        pending::<Result<Option<u64>>>().await
                    };
                    let answer = select! {
                        answer = numbers.next() => answer,
                        never = visited => never,
                    };
                    Ok(answer?.unwrap_or_default())
                })
                .await
            };
            worker.open_context("answer", &(), body).await
        })
        .await
    }

    /// Sets the service free.
    async fn visit() -> Result<()> {
        VISITED.store(true, Relaxed);
        VISITOR
            .lock()
            .expect("nobody panics")
            .take()
            .into_iter()
            .for_each(Waker::wake);
        Ok(())
    }

    /// Answers one number with the next.
    async fn answer(ctx: Context<u64, u64>) -> Result<()> {
        ctx.started(()).await?;
        ctx.stream(async |numbers| match numbers.next().await? {
            Some(number) => numbers.send(number + 1).await,
            None => Ok(()),
        })
        .await
    }
}

static VISITED: AtomicBool = AtomicBool::new(false);
static VISITOR: Mutex<Option<Waker>> = Mutex::new(None);

/// Waits for what the host knows nothing of.
fn poll_visit(cx: &mut TaskContext<'_>) -> Poll<()> {
    *VISITOR.lock().expect("nobody panics") = Some(cx.waker().clone());
    if VISITED.load(Relaxed) {
        Poll::Ready(())
    } else {
        Poll::Pending
    }
}

async fn listening(ctx: Numbers, (): ()) -> Result<()> {
    ctx.stream(async |numbers| numbers.next().await.map(drop)).await
}

async fn telling(ctx: Numbers, (): ()) -> Result<()> {
    ctx.stream(async |numbers| {
        for number in 0.. {
            numbers.send(number).await?;
        }
        Ok(())
    })
    .await
}

async fn with_child<T>(body: impl AsyncFnOnce(&Portal) -> Result<T>) -> Result<T> {
    nursery(async |n: Nursery| {
        let child = n.start_actor(Spec::this_component("child")).await?;
        let value = body(&child).await?;
        n.cancel("done");
        Ok(value)
    })
    .await
}

fn main() {}
