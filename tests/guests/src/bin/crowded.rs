//! One of many who each take what they can get of a host, and end when they are asked to.

use std::hint::black_box;
use std::time::Duration;

use steading_guest::{Context, Result, Spec, nursery, sleep};

struct Crowded;

/// Takes what it can get.
#[steading_guest::actor]
impl Crowded {
    /// Computes, and lets others run as seldom as it may.
    async fn spin() -> Result<()> {
        loop {
            compute();
            sleep(Duration::ZERO).await?;
        }
    }

    /// Says that it has begun, and computes for ever.
    async fn spin_for_good(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        // What it said leaves at the end of the turn.
        sleep(Duration::from_millis(1)).await?;
        loop {
            compute();
        }
    }

    /// Takes memory piece by piece, writes to it, and gives it back.
    async fn allocate() -> Result<()> {
        loop {
            let mut pieces = Vec::new();
            for n in 0..64_u8 {
                pieces.push(black_box(vec![n; 128 << 10]));
                sleep(Duration::ZERO).await?;
            }
        }
    }

    /// Sends to a child as fast as that reads.
    async fn flood() -> Result<()> {
        nursery(async |n| {
            let sink = n.start_actor(Spec::this_component("sink")).await?;
            let pour = async |ctx: Context<u64, ()>, ()| {
                ctx.stream(async |numbers| {
                    for number in 0.. {
                        numbers.send(number).await?;
                    }
                    Ok(())
                })
                .await
            };
            sink.open_context("sink", &(), pour).await
        })
        .await
    }

    /// Takes whatever comes.
    async fn sink(ctx: Context<(), u64>) -> Result<()> {
        ctx.started(()).await?;
        ctx.stream(async |numbers| {
            while numbers.next().await?.is_some() {}
            Ok(())
        })
        .await
    }

    /// Talks without end.
    async fn talk() -> Result<()> {
        loop {
            for n in 0..100 {
                log::info!("{n} and so on, and so on, and so on, and so on, and so on, and so on");
            }
            sleep(Duration::ZERO).await?;
        }
    }

    /// Answers.
    async fn echo(question: u64) -> Result<u64> {
        Ok(question)
    }
}

/// Some tens of milliseconds.
fn compute() {
    for n in 0..20_000_000_u64 {
        black_box(n);
    }
}

fn main() {}
