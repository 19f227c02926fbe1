//! Duplex streams: echo, counting, and a receiver in no hurry.

use steading_guest::{Context, Result, TrySend};

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

fn main() {}
