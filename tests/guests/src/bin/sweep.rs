//! The parts of a scenario that is played again and again, each time with a fault at another point of it.
//!
//! Each callee logs how it saw its end, as far as it lives to see it.

use std::time::Duration;

use steading_guest::{Cause, Context, Error, Portal, Result, Spec, current, nursery};

/// Longer than a deadline, which is to be what passes when all time does.
const PATIENCE: Duration = Duration::from_secs(7200);

struct Sweep;

/// Talks, and breaks when its host makes it.
#[steading_guest::actor]
impl Sweep {
    /// Answers each number with the next, until there are no more; how many there were.
    async fn serve(ctx: Context<u64, u64>) -> Result<u64> {
        let end = serve(&ctx).await;
        log::info!("serve: {}", told(&end));
        end
    }

    /// As `serve`, by means of a child.
    async fn relay(ctx: Context<u64, u64>) -> Result<u64> {
        let end = relay(&ctx).await;
        log::info!("relay: {}", told(&end));
        end
    }

    /// Executes an instruction that must not be reached.
    async fn trap() -> Result<()> {
        std::process::abort()
    }

    /// Panics.
    async fn panic() -> Result<()> {
        panic!("on purpose")
    }
}

async fn serve(ctx: &Context<u64, u64>) -> Result<u64> {
    ctx.started(()).await?;
    ctx.stream(async |stream| {
        let mut count = 0;
        while let Some(number) = stream.next().await? {
            stream.send(number + 1).await?;
            count += 1;
        }
        Ok(count)
    })
    .await
}

async fn relay(above: &Context<u64, u64>) -> Result<u64> {
    above.started(()).await?;
    nursery(async |n| {
        let child = n.start_actor(Spec::this_component("grandchild")).await?;
        let count = through(above, &child).await?;
        n.cancel("relayed");
        Ok(count)
    })
    .await
}

async fn through(above: &Context<u64, u64>, child: &Portal) -> Result<u64> {
    let mut seen = None;
    let opened = child.context("serve").start_timeout(PATIENCE);
    let end = opened
        .open(async |below: Context<u64, u64>, ()| {
            seen = Some(below.clone());
            let both = below.stream(async |down| {
                above
                    .stream(async |up| {
                        while let Some(number) = up.next().await? {
                            down.send(number).await?;
                            let answer = down.next().await?.unwrap_or_default();
                            up.send(answer).await?;
                        }
                        Ok(())
                    })
                    .await
            });
            both.await?;
            below.wait_result().await
        })
        .await;
    let state = seen.map(|below| below.state().name());
    log::info!("below: {}", state.unwrap_or("-"));
    end
}

/// Who ended it, if somebody did; else the kind.
fn told(end: &Result<u64>) -> String {
    let Err(error) = end else { return "ok".to_owned() };
    let Some(cancellation) = error.cancellation() else {
        return failed(error);
    };
    let by = match &cancellation.canceller {
        me if *me == *current().id() => "itself",
        other => &*other.name,
    };
    match cancellation.cause {
        Cause::Deadline => format!("{by}'s deadline"),
        _ => format!("cancelled by {by}"),
    }
}

fn failed(error: &Error) -> String {
    let source = error.source_actor().map(|source| &*source.name);
    format!("{} of {}", error.kind(), source.unwrap_or("itself"))
}

fn main() {}
