//! The actors that the table measures: one component, whose instances play both sides.
//!
//! The endpoints in the plural conduct a measurement: they start a partner, and for each number they
//! are sent they do that many of the thing and answer. The clock is the host's. The other endpoints are
//! the partner's side, or what is started, cancelled and killed.

mod payload;

use std::hint::black_box;

use payload::{Large, Small};
use steading_guest::prelude::*;

struct Bench;

#[steading_guest::actor]
impl Bench {
    /// Round trips of 32 B on one stream.
    async fn round_trips(orders: Context<(), u32>) -> Result<()> {
        conduct(orders, async |partner, orders| {
            let play =
                async |game: Context<Small, Small>, ()| game.stream(async |balls| play(&orders, &balls).await).await;
            partner.open_context("echo", &(), play).await
        })
        .await
    }

    /// Messages of 32 B, one way, so many on their way at most.
    async fn small_messages(orders: Context<(), u32>, window: u32) -> Result<()> {
        conduct(orders, async |partner, orders| {
            while let Some(count) = orders.next().await? {
                let sink = async |ctx: Context<Small, ()>, ()| {
                    ctx.stream(async |out| {
                        for n in 0..count {
                            out.send(Small::of(n)).await?;
                        }
                        Ok(())
                    })
                    .await?;
                    received(ctx.wait_result().await?, count)
                };
                partner.open_context("small_sink", &window, sink).await?;
                orders.send(()).await?;
            }
            Ok(())
        })
        .await
    }

    /// Messages of this many bytes, one way.
    async fn large_messages(orders: Context<(), u32>, size: u32) -> Result<()> {
        conduct(orders, async |partner, orders| {
            let message = Large(vec![7; size as usize].into());
            while let Some(count) = orders.next().await? {
                let sink = async |ctx: Context<Large, ()>, ()| {
                    ctx.stream(async |out| {
                        for _ in 0..count {
                            out.send(message.clone()).await?;
                        }
                        Ok(())
                    })
                    .await?;
                    received(ctx.wait_result().await?, count)
                };
                partner.open_context("large_sink", &(), sink).await?;
                orders.send(()).await?;
            }
            Ok(())
        })
        .await
    }

    /// Plain calls, so many at a time.
    async fn calls(orders: Context<(), u32>, window: u32) -> Result<()> {
        conduct(orders, async |partner, orders| {
            repeat(&orders, window, async || {
                let sum: u64 = partner.call("add", &(20u64, 22u64)).await?;
                black_box(sum);
                Ok(())
            })
            .await
        })
        .await
    }

    /// Contexts with a first value and a result, so many at a time.
    async fn contexts(orders: Context<(), u32>, window: u32) -> Result<()> {
        conduct(orders, async |partner, orders| {
            repeat(&orders, window, async || {
                let sum = partner
                    .open_context("answer", &20u64, async |ctx: Context<(), (), u64>, first| {
                        Ok(first + ctx.wait_result::<u64>().await?)
                    })
                    .await?;
                black_box(sum);
                Ok(())
            })
            .await
        })
        .await
    }

    /// Sends everything back.
    async fn echo(game: Context<Small, Small>) -> Result<()> {
        game.started(()).await?;
        game.stream(async |balls| {
            while let Some(ball) = balls.next().await? {
                balls.send(ball).await?;
            }
            Ok(())
        })
        .await
    }

    /// Counts what comes.
    async fn small_sink(ctx: Context<(), Small>, window: u32) -> Result<u32> {
        ctx.started(()).await?;
        ctx.stream_with(StreamOptions::new().messages(window), async |messages| {
            let mut count = 0;
            while let Some(message) = messages.next().await? {
                black_box(message);
                count += 1;
            }
            Ok(count)
        })
        .await
    }

    /// Counts what comes.
    async fn large_sink(ctx: Context<(), Large>) -> Result<u32> {
        ctx.started(()).await?;
        ctx.stream(async |messages| {
            let mut count = 0;
            while let Some(message) = messages.next().await? {
                black_box(message);
                count += 1;
            }
            Ok(count)
        })
        .await
    }

    /// Sends and receives as fast as it may, until it is cancelled.
    async fn flood(ctx: Context<u64, u64>) -> Result<()> {
        ctx.started(()).await?;
        ctx.stream(async |numbers| {
            let send = async {
                for n in 0.. {
                    numbers.send(n).await?;
                }
                Ok(())
            };
            let receive = async {
                while let Some(n) = numbers.next().await? {
                    black_box(n);
                }
                Ok(())
            };
            try_join!(send, receive).map(drop)
        })
        .await
    }

    /// A call as short as can be.
    async fn add(a: u64, b: u64) -> u64 {
        a + b
    }

    /// A context as short as can be.
    async fn answer(ctx: Context<(), (), u64>, value: u64) -> Result<u64> {
        ctx.started(value).await?;
        Ok(value + 2)
    }

    /// Waits until it is cancelled.
    async fn wait(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        cancelled().await;
        Ok(())
    }

    /// Computes without end.
    async fn spin(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        sleep(Duration::from_micros(100)).await?;
        loop {
            black_box(());
        }
    }

    /// Fails.
    async fn fail() -> Result<()> {
        Err(Error::msg("as ordered"))
    }

    /// Traps.
    async fn crash() {
        std::process::abort();
    }

    /// A chain of this many actors below this one, which all wait.
    async fn chain(below: u32) -> Result<()> {
        nursery(async |n| {
            if below == 0 {
                cancelled().await;
                return Ok(());
            }
            let child = n.start_actor(Spec::this_component("link")).await?;
            child.call("chain", &(below - 1)).await
        })
        .await
    }
}

async fn conduct<F>(orders: Context<(), u32>, work: F) -> Result<()>
where
    F: AsyncFnOnce(Portal, Stream<(), u32>) -> Result<()>,
{
    nursery(async |n| {
        let partner = n.start_actor(Spec::this_component("partner")).await?;
        orders.started(()).await?;
        orders.stream(async |orders| work(partner, orders).await).await?;
        n.cancel("measured");
        Ok(())
    })
    .await
}

async fn play(orders: &Stream<(), u32>, balls: &Stream<Small, Small>) -> Result<()> {
    while let Some(count) = orders.next().await? {
        for n in 0..count {
            balls.send(Small::of(n)).await?;
            black_box(balls.next().await?);
        }
        orders.send(()).await?;
    }
    Ok(())
}

/// Does the thing as often as ordered, `window` at a time.
async fn repeat(orders: &Stream<(), u32>, window: u32, thing: impl AsyncFn() -> Result<()>) -> Result<()> {
    while let Some(count) = orders.next().await? {
        let one = async || {
            for _ in 0..count / window {
                thing().await?;
            }
            Ok::<_, Error>(())
        };
        try_join_all((0..window).map(|_| one())).await?;
        orders.send(()).await?;
    }
    Ok(())
}

fn received(count: u32, sent: u32) -> Result<()> {
    match count == sent {
        true => Ok(()),
        false => Err(Error::msg(format!("{count} of {sent} messages came"))),
    }
}
