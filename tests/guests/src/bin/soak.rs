//! Lives and trees by the thousand: what an endurance run starts again and again.

use std::time::Duration;

use steading_guest::{Context, Result, Spec, gather_contexts, nursery, sleep};

const LONG: Duration = Duration::from_secs(3600);

struct Soak;

/// Lives, and has children.
#[steading_guest::actor]
impl Soak {
    /// Does next to nothing.
    async fn answer(question: u64) -> Result<u64> {
        Ok(question + 1)
    }

    /// Dies.
    async fn die() -> Result<()> {
        std::process::abort()
    }

    /// Children and theirs, so many on each level; how many actors that are, once all are up. Ends
    /// by a cancel.
    async fn tree(ctx: Context<(), (), u64>, levels: Vec<u32>) -> Result<()> {
        let Some((width, below)) = levels.split_first() else {
            ctx.started(1).await?;
            return sleep(LONG).await;
        };
        nursery(async |n| {
            let mut trees = Vec::new();
            for child in 0..*width {
                let portal = n.start_actor(Spec::this_component(format!("child-{child}"))).await?;
                trees.push(portal.context("tree").args(&below.to_vec()));
            }
            gather_contexts(trees, async |trees: Vec<(Context<(), (), u64>, u64)>| {
                let count: u64 = trees.iter().map(|(_, count)| count).sum();
                ctx.started(count + 1).await?;
                sleep(LONG).await
            })
            .await?;
            n.cancel("felled");
            Ok(())
        })
        .await
    }

    /// Children in one nursery, one after the other: as many as each message says; then the bytes of this
    /// actor's memory.
    async fn children(ctx: Context<u64, u64>) -> Result<()> {
        ctx.started(()).await?;
        nursery(async |n| {
            ctx.stream(async |stream| {
                while let Some(count) = stream.next().await? {
                    for child in 0..count {
                        let portal = n.start_actor(Spec::this_component("child")).await?;
                        let _: u64 = portal.call("answer", &child).await?;
                        portal.cancel_actor("answered").await?;
                    }
                    stream.send(memory()).await?;
                }
                Ok(())
            })
            .await
        })
        .await
    }
}

/// Bytes of linear memory, which never shrinks.
#[cfg(target_arch = "wasm32")]
fn memory() -> u64 {
    core::arch::wasm32::memory_size(0) as u64 * 65536
}

/// Elsewhere it is only compiled, to be linted.
#[cfg(not(target_arch = "wasm32"))]
fn memory() -> u64 {
    0
}

fn main() {}
