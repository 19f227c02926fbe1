//! Children: of this component, of others, several levels down, and how they end.

use std::time::Duration;

use steading_guest::{Context, Error, Nursery, Result, Rung, Spec, current, nursery, sleep};

const LONG: Duration = Duration::from_secs(3600);

struct Nurseries;

/// Has children.
#[steading_guest::actor]
impl Nurseries {
    /// Says who it is.
    async fn who() -> Result<String> {
        Ok(current().id().name.to_string())
    }

    /// Waits until it is cancelled.
    async fn wait(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        sleep(LONG).await
    }

    /// Fails, with this text.
    async fn fail(text: String) -> Result<()> {
        Err(Error::msg(text))
    }

    /// Echoes numbers, one more each.
    async fn increment(ctx: Context<u64, u64>) -> Result<u64> {
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

    /// Asks a child of this component for its name.
    async fn ask_child(name: String) -> Result<String> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component(name)).await?;
            let who = child.call("who", &()).await?;
            n.cancel("asked");
            Ok(who)
        })
        .await
    }

    /// Has a child of another component add two numbers.
    async fn ask_other(component: String, a: i64, b: i64) -> Result<i64> {
        nursery(async |n| {
            let child = n.start_actor(Spec::component(component, "other")).await?;
            let sum = child.call("add", &(a, b)).await?;
            n.cancel("asked");
            Ok(sum)
        })
        .await
    }

    /// Sends numbers to a child and takes them back; their sum, and how many the child saw.
    async fn both_ways(count: u64) -> Result<(u64, u64)> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("incrementer")).await?;
            let both = child.open_context("increment", &(), async |ctx: Context<u64, u64>, ()| {
                exchange(ctx, count).await
            });
            let sums = both.await?;
            n.cancel("done");
            Ok(sums)
        })
        .await
    }

    /// As many levels of nurseries; how many actors answered.
    async fn nested(levels: u32) -> Result<u32> {
        if levels == 0 {
            return Ok(1);
        }
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component(format!("level-{levels}"))).await?;
            let below: u32 = child.call("nested", &(levels - 1)).await?;
            n.cancel("counted");
            Ok(below + 1)
        })
        .await
    }

    /// As many levels of nurseries, which then wait until they are cancelled from above.
    async fn nested_wait(ctx: Context<(), ()>, levels: u32) -> Result<()> {
        if levels == 0 {
            ctx.started(()).await?;
            return sleep(LONG).await;
        }
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component(format!("level-{levels}"))).await?;
            let below = async |_: Context<(), ()>, ()| {
                ctx.started(()).await?;
                sleep(LONG).await
            };
            child.open_context("nested_wait", &(levels - 1), below).await
        })
        .await
    }

    /// Levels of so many children each, one of which has the next level; waits until it is cancelled from above.
    async fn bushy(ctx: Context<(), ()>, levels: u32, fan: u32) -> Result<()> {
        if levels == 0 {
            ctx.started(()).await?;
            return sleep(LONG).await;
        }
        nursery(async |n| {
            start_all(&n, fan - 1).await?;
            let child = n.start_actor(Spec::this_component(format!("level-{levels}"))).await?;
            let below = async |_: Context<(), ()>, ()| {
                ctx.started(()).await?;
                sleep(LONG).await
            };
            child.open_context("bushy", &(levels - 1, fan), below).await
        })
        .await
    }

    /// A body that fails beside children that would wait for ever.
    async fn body_fails(children: u32) -> Result<()> {
        nursery(async |n| {
            start_all(&n, children).await?;
            Err(Error::msg("the body gave up"))
        })
        .await
    }

    /// Run-once children that all fail.
    async fn children_fail(children: u32) -> Result<()> {
        nursery(async |n| {
            for child in 0..children {
                let text = format!("child {child} failed");
                _ = n.run_in_actor::<(), _>(Spec::this_component(format!("child-{child}")), "fail", &text);
            }
            sleep(LONG).await
        })
        .await
    }

    /// Cancels a context, then the actor; what came of both.
    async fn cancel_both() -> Result<(bool, String)> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("waiting")).await?;
            let absorbed = child
                .open_context("wait", &(), async |ctx: Context<(), ()>, ()| {
                    ctx.cancel("enough").await;
                    Ok(ctx.wait_result::<()>().await.is_err_and(|error| error.is_absorbed()))
                })
                .await?;
            let rung = match child.cancel_actor("enough").await? {
                Rung::Acked => "acked",
                Rung::Trapped => "trapped",
                Rung::Killed => "killed",
                Rung::AlreadyGone => "already gone",
            };
            Ok((absorbed, rung.to_owned()))
        })
        .await
    }

    /// Starts so many children at once, and lets them go.
    async fn many(children: u32) -> Result<u32> {
        nursery(async |n| {
            start_all(&n, children).await?;
            n.cancel("counted");
            Ok(children)
        })
        .await
    }

    /// Starts a child of a component; the kind and the text of the failure.
    async fn start_failure(component: String) -> Result<(String, String)> {
        let end = nursery(async |n| {
            n.start_actor(Spec::component(component, "impossible")).await?;
            n.cancel("");
            Ok(())
        })
        .await;
        Ok(described(end))
    }

    /// Starts a child in a nursery that has ended.
    async fn start_too_late() -> Result<(String, String)> {
        let late = nursery(async |n| Ok(n)).await?;
        let end = late.start_actor(Spec::this_component("late")).await;
        Ok(described(end.map(|_| ())))
    }

    /// Calls an endpoint of a child that was granted `who` only.
    async fn ungranted() -> Result<(String, String)> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("closed").endpoints(["who"])).await?;
            let _: String = child.call("who", &()).await?;
            let end = child.call::<(), _>("fail", "unheard").await;
            n.cancel("");
            Ok(described(end))
        })
        .await
    }

    /// Opens a context with a child and dies in the middle of it.
    async fn die_over_child() -> Result<()> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("orphan")).await?;
            child
                .open_context("wait", &(), async |_: Context<(), ()>, ()| -> Result<()> {
                    panic!("died over its child")
                })
                .await
        })
        .await
    }
}

async fn exchange(ctx: Context<u64, u64>, count: u64) -> Result<(u64, u64)> {
    let mut sum = 0;
    ctx.stream(async |stream| {
        for number in 0..count {
            stream.send(number).await?;
            sum += stream.next().await?.unwrap_or_default();
        }
        Ok(())
    })
    .await?;
    Ok((sum, ctx.wait_result().await?))
}

async fn start_all(n: &Nursery, children: u32) -> Result<()> {
    for child in 0..children {
        n.start_actor(Spec::this_component(format!("child-{child}"))).await?;
    }
    Ok(())
}

fn described(end: Result<()>) -> (String, String) {
    match end {
        Ok(()) => ("no failure".to_owned(), String::new()),
        Err(error) => (error.kind().to_string(), error.message()),
    }
}

fn main() {}
