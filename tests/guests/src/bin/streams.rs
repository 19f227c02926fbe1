//! Duplex streams: echo, counting, and a receiver in no hurry.

use std::cell::Cell;
use std::time::{Duration, Instant};

use steading_guest::{Context, Portal, Result, Spec, TrySend, gather_contexts, join, join_all, nursery, sleep};

struct Streams;

/// Sends and receives.
#[steading_guest::actor]
impl Streams {
    /// Sends back whatever comes; how many there were.
    async fn echo(ctx: Context<Vec<u8>, Vec<u8>>) -> Result<u64> {
        ctx.started(()).await?;
        ctx.stream(async |stream| {
            let mut count = 0;
            while let Some(message) = stream.next().await? {
                stream.send(message).await?;
                count += 1;
            }
            Ok(count)
        })
        .await
    }

    /// Sends the numbers up to `end`.
    async fn count(ctx: Context<u64, ()>, end: u64) -> Result<()> {
        ctx.started(()).await?;
        ctx.stream(async |stream| {
            for number in 0..end {
                stream.send(number).await?;
            }
            Ok(())
        })
        .await
    }

    /// How many messages go out before the receiver, which takes none, has to grant more.
    async fn fill(ctx: Context<u64, (), u64>) -> Result<u64> {
        ctx.started(0).await?;
        ctx.stream(async |stream| {
            let mut sent = 0;
            while stream.try_send(&sent)? == TrySend::Sent {
                sent += 1;
            }
            Ok(sent)
        })
        .await
    }

    /// Opens its stream and leaves it without taking anything.
    async fn deaf(ctx: Context<(), u64>) -> Result<String> {
        ctx.started(()).await?;
        ctx.stream(async |_| Ok(())).await?;
        Ok("gone".to_owned())
    }

    /// How many bytes of text come.
    async fn drink(ctx: Context<(), String>) -> Result<u64> {
        ctx.started(()).await?;
        ctx.stream(async |stream| {
            let mut bytes = 0;
            while let Some(message) = stream.next().await? {
                bytes += message.len() as u64;
            }
            Ok(bytes)
        })
        .await
    }

    /// Takes nothing in for a while: this actor as a whole sleeps.
    async fn nap(milliseconds: u64) -> Result<()> {
        std::thread::sleep(Duration::from_millis(milliseconds));
        Ok(())
    }

    /// Sends 1 MiB on each of so many contexts with a child that sleeps meanwhile; how much of it arrives.
    async fn pour(contexts: u32) -> Result<u64> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("sleeper")).await?;
            let poured = pour_into(&child, contexts, async { Ok(()) }).await?;
            n.cancel("poured");
            Ok(poured)
        })
        .await
    }

    /// As `pour`, and talks to another child meanwhile; whether that one had heard all before the first one woke up.
    async fn pour_beside(contexts: u32) -> Result<bool> {
        nursery(async |n| {
            let sleeper = n.start_actor(Spec::this_component("sleeper")).await?;
            let listener = n.start_actor(Spec::this_component("listener")).await?;
            let ended = Cell::new(None);
            let talk = async {
                // By then the sleeper's inbox is full, and everything that may wait for it waits.
                sleep(Duration::from_millis(150)).await?;
                listener
                    .open_context("drink", &(), async |ctx, ()| pour_one(&ctx).await)
                    .await?;
                ended.set(Some(Instant::now()));
                Ok(())
            };
            let begun = Instant::now();
            pour_into(&sleeper, contexts, talk).await?;
            n.cancel("poured");
            Ok(ended.get().is_some_and(|ended| ended - begun < NAP))
        })
        .await
    }

    /// A text of so many bytes.
    async fn text(bytes: u32) -> Result<String> {
        Ok("x".repeat(bytes as usize))
    }

    /// The sum of what comes.
    async fn sum(ctx: Context<(), u64>) -> Result<u64> {
        ctx.started(()).await?;
        ctx.stream(async |stream| {
            let mut sum = 0;
            while let Some(number) = stream.next().await? {
                sum += number;
            }
            Ok(sum)
        })
        .await
    }
}

/// How long a child sleeps while it is poured into.
const NAP: Duration = Duration::from_millis(500);

async fn pour_into(child: &Portal, contexts: u32, meanwhile: impl Future<Output = Result<()>>) -> Result<u64> {
    let drinks: Vec<_> = (0..contexts).map(|_| child.context("drink")).collect();
    gather_contexts(drinks, async |drinks: Vec<(Context<String, ()>, ())>| {
        let nap = child.call::<(), _>("nap", &(NAP.as_millis() as u64));
        let pours = join_all(drinks.iter().map(|(ctx, ())| pour_one(ctx)));
        let (nap, poured, meanwhile) = join!(nap, pours, meanwhile);
        meanwhile.and(nap)?;
        poured.into_iter().sum()
    })
    .await
}

async fn pour_one(ctx: &Context<String, ()>) -> Result<u64> {
    let pour = async |stream: steading_guest::Stream<String, ()>| {
        for _ in 0..16 {
            stream.send("x".repeat(65_000)).await?;
        }
        Ok(())
    };
    ctx.stream(pour).await?;
    ctx.wait_result().await
}

fn main() {}
