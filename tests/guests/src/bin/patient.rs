//! Says that it is ready and then ends only when it is made to: for the tests of interrupts.

use std::time::Duration;

use steading_guest::{Context, Result, Spec, nursery, scope, shield, sleep};

struct Patient;

/// Waits.
#[steading_guest::actor]
impl Patient {
    /// Waits politely, together with a child.
    async fn main() -> Result<()> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("child")).await?;
            child
                .open_context("child", &(), async |_: Context<(), ()>, ()| wait().await)
                .await
        })
        .await
    }

    /// Waits until it is cancelled.
    async fn child(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        sleep(Duration::from_secs(3600)).await
    }

    /// Cancels its own task.
    async fn gives_up(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        ctx.cancel("no more of this").await;
        sleep(Duration::from_secs(3600)).await
    }

    /// Ends, but for a child that nobody cancels.
    async fn daemon() -> Result<()> {
        nursery(async |n| {
            n.start_actor(Spec::this_component("forgotten")).await?;
            println!("ready");
            Ok(())
        })
        .await
    }

    /// Three children for one call each, started by another task than the one that waits.
    async fn sleepers() -> Result<()> {
        nursery(async |n| {
            scope(async |tasks| {
                let started = tasks.spawn(async move {
                    for i in 0..3 {
                        _ = n.run_in_actor::<(), _>(Spec::this_component(format!("sleeper-{i}")), "child", &());
                    }
                    Ok(())
                });
                started.await?;
                wait().await
            })
            .await
        })
        .await
    }

    /// Hears that it is asked to end, and goes on.
    async fn deaf() -> Result<()> {
        let asked = wait().await;
        println!("asked");
        while shield(sleep(Duration::from_secs(3600))).await.is_err() {}
        asked
    }

    /// Opens a pipe that nobody writes to, which waits in the middle of a turn.
    async fn stuck(pipe: Vec<String>) -> Result<()> {
        println!("ready");
        std::fs::File::open(pipe.concat())?;
        Ok(())
    }

    /// Does not wait at all, for ever.
    async fn stubborn() -> Result<()> {
        println!("ready");
        // The line leaves before the next turn, which never ends.
        sleep(Duration::from_millis(1)).await?;
        let mut n = 0_u64;
        loop {
            n = std::hint::black_box(n.wrapping_add(1));
        }
    }
}

async fn wait() -> Result<()> {
    println!("ready");
    sleep(Duration::from_secs(3600)).await
}

fn main() {}
