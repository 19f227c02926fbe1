//! An actor that uses what it was given: memory, children, time, random numbers.

use std::future::pending;
use std::hash::{BuildHasher as _, RandomState};
use std::hint::black_box;
use std::time::Instant;

use steading_guest::{Budget, Context, Nursery, Result, Spec, gather_calls, nursery, select};

struct Budgets;

/// Uses what it was given.
#[steading_guest::actor]
impl Budgets {
    /// Has so many children hold so many bytes each, all at once.
    async fn hoard(children: u32, bytes: u64) -> Result<()> {
        in_child(async |n| {
            let (first, rest) = (children > 0, children.saturating_sub(1));
            if !first {
                return Ok(());
            }
            let child = n.start_actor(Spec::this_component(format!("holder_{rest}"))).await?;
            let holding = async |_: Context<(), ()>, ()| child.call("hoard", &(rest, bytes)).await;
            child.open_context("hold", &bytes, holding).await
        })
        .await
    }

    /// Holds so many bytes for as long as it is not cancelled.
    async fn hold(ctx: Context<(), ()>, bytes: u64) -> Result<()> {
        let held = vec![1_u8; bytes as usize];
        ctx.started(()).await?;
        steading_guest::cancelled().await;
        drop(black_box(held));
        Ok(())
    }

    /// Starts so many children of its own kind, each with a budget of so many actors if it is not 0; then ends.
    async fn brood(children: u32, actors: u32) -> Result<()> {
        nursery(async |n| {
            for i in 0..children {
                n.start_actor(part(Spec::this_component(format!("child_{i}")), actors))
                    .await?;
            }
            n.cancel("all are there");
            Ok(())
        })
        .await
    }

    /// Starts a child that starts a child, down to so many; the last holds so many bytes, then all end.
    async fn chain(below: u32, bytes: u64) -> Result<()> {
        if below == 0 {
            drop(black_box(vec![1_u8; bytes as usize]));
            return Ok(());
        }
        in_child(async |n| {
            let child = n.start_actor(Spec::this_component(format!("level_{below}"))).await?;
            child.call("chain", &(below - 1, bytes)).await
        })
        .await
    }

    /// Has a child, that may run these components, start one of this name.
    async fn start_in_child(may_run: Option<Vec<String>>, component: String) -> Result<()> {
        in_child(async |n| {
            let spec = Spec::this_component("middle");
            let spec = may_run.into_iter().fold(spec, Spec::components);
            let middle = n.start_actor(spec).await?;
            middle.call("start", &component).await
        })
        .await
    }

    /// Starts a component, and ends it.
    async fn start(component: String) -> Result<()> {
        in_child(async |n| n.start_actor(Spec::component(component, "other")).await.map(drop)).await
    }

    /// Nanoseconds by which the clock moves when it moves, if it does within so many looks.
    async fn step(looks: u64) -> Result<Option<u64>> {
        let mut last = Instant::now();
        let mut least = None;
        for _ in 0..looks {
            let now = Instant::now();
            let step = now.duration_since(last).as_nanos() as u64;
            if step > 0 {
                least = Some(least.map_or(step, |least: u64| least.min(step)));
            }
            last = now;
        }
        Ok(least)
    }

    /// A number that the machine has to make up.
    async fn random() -> Result<u64> {
        Ok(RandomState::new().hash_one(0))
    }

    /// Random numbers: its own, and those of two children and all below them.
    async fn random_below(levels: u32) -> Result<Vec<u64>> {
        let mut numbers = vec![RandomState::new().hash_one(0)];
        if levels > 0 {
            let below = nursery(async |n: Nursery| {
                let mut below: Vec<u64> = Vec::new();
                for name in ["one", "other"] {
                    let child = n.start_actor(Spec::this_component(name)).await?;
                    below.extend(child.call::<Vec<u64>, _>("random_below", &(levels - 1)).await?);
                }
                n.cancel("done");
                Ok(below)
            });
            numbers.extend(below.await?);
        }
        Ok(numbers)
    }

    /// Calls a child, which naps for so long, a dozen times, and passes so many bytes each time.
    async fn call_who_naps(nap: u64, bytes: u64) -> Result<()> {
        // What it needs for itself, it has before.
        drop(black_box(vec![1_u8; 4 << 20]));
        nursery(async |n: Nursery| {
            let child = n.start_actor(Spec::this_component("child")).await?;
            let text = "x".repeat(bytes as usize);
            let calls = async {
                steading_guest::sleep(std::time::Duration::from_millis(50)).await?;
                gather_calls((0..12).map(async |_| child.call::<(), _>("take", &text).await)).await
            };
            let nap = async {
                child.call::<(), _>("nap", &nap).await?;
                pending::<Result<Vec<()>>>().await
            };
            select! { all = calls => all, never = nap => never }?;
            n.cancel("done");
            Ok(())
        })
        .await
    }

    /// Takes it.
    async fn take(text: String) -> Result<()> {
        black_box(text);
        Ok(())
    }

    /// Does nothing for a while, as a whole.
    async fn nap(milliseconds: u64) -> Result<()> {
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        Ok(())
    }

    /// Computes for ever, letting others run now and then.
    async fn spin(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        loop {
            for n in 0..100_000_u32 {
                black_box(n);
            }
            steading_guest::sleep(std::time::Duration::from_nanos(1)).await?;
        }
    }
}

fn part(spec: Spec, actors: u32) -> Spec {
    match actors {
        0 => spec,
        _ => spec.budget(Budget::default().actors(actors)),
    }
}

async fn in_child<T>(body: impl AsyncFnOnce(&Nursery) -> Result<T>) -> Result<T> {
    nursery(async |n| {
        let value = body(&n).await?;
        n.cancel("done");
        Ok(value)
    })
    .await
}

fn main() {}
