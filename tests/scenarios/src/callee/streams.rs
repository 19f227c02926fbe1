//! Callees that stream: well, badly, without end, or not at all.

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize, Serializer};
use steading_actor::{Context, Error, Policy, Result, Spec, StreamOptions, TrySend, nursery, shield};

use super::FOREVER;
use crate::{failure, notes};

/// CTX-4: opens its stream, closes it, and is done.
///
/// # Errors
/// None.
pub async fn brief(ctx: Context<u32, u32>, (): ()) -> Result<()> {
    ctx.started(()).await?;
    ctx.stream(async |_| Ok(())).await
}

/// Sends back what it gets. The board says when it runs, and when it is over.
///
/// # Errors
/// Its cancellation.
pub async fn echo(ctx: Context<String, String>, (): ()) -> Result<()> {
    notes::pin("echo runs");
    ctx.started(()).await?;
    let end = ctx
        .stream(async |stream| {
            let mut messages = std::pin::pin!(stream.messages());
            while let Some(message) = messages.try_next().await? {
                stream.send(message).await?;
            }
            Ok(())
        })
        .await;
    notes::pin("echo is over");
    end
}

/// CTX-7: cancels its own context before anything else. The board has what it met afterwards.
///
/// # Errors
/// Its cancellation.
pub async fn cancels_first(ctx: Context<(), ()>, (): ()) -> Result<()> {
    ctx.cancel("changed my mind").await;
    let refused = failure("a stream after the cancel", ctx.stream(async |_| Ok(())).await)?;
    notes::pin(&format!("stream: {}", refused.kind()));
    let end = steading_actor::sleep(FOREVER).await;
    let cancelled = end.as_ref().is_err_and(Error::is_cancelled);
    notes::pin(&format!(
        "sleep: {}",
        if cancelled { "cancelled" } else { "not cancelled" }
    ));
    end
}

/// CTX-8: starts, and never opens its stream; returns when it is told to `go`.
///
/// # Errors
/// Its cancellation.
pub async fn never_opens(ctx: Context<(), u32>, (): ()) -> Result<()> {
    ctx.started(()).await?;
    notes::wait("go").await
}

/// CTX-8: opens its stream and takes nothing; whoever sends more than its window is at fault.
///
/// # Errors
/// The overrun, as it is told to a callee.
pub async fn never_takes(ctx: Context<(), u32>, (): ()) -> Result<()> {
    ctx.started(()).await?;
    let strict = StreamOptions::new().policy(Policy::OverrunError);
    let end = ctx.stream_with(strict, async |_| notes::wait("never").await).await;
    // The cancel comes first; that it was an overrun comes right behind it.
    shield(ctx.ended()).await?;
    let told = ctx.remote_error().map(|error| error.kind().to_string());
    notes::pin(&format!("told: {}", told.unwrap_or_default()));
    end
}

/// CTX-8: sends for ever; the board says where it had to wait first.
///
/// # Errors
/// Its cancellation; the overrun, if the receiver does not wait.
pub async fn floods(ctx: Context<u32, ()>, (): ()) -> Result<()> {
    ctx.started(()).await?;
    ctx.stream(async |stream| {
        for number in 0.. {
            if stream.try_send(&number)? == TrySend::WouldBlock {
                notes::pin(&format!("blocked at {number}"));
                stream.send(number).await?;
            }
        }
        Ok(())
    })
    .await
}

/// Sends `0..count`, and returns.
///
/// # Errors
/// Its cancellation.
pub async fn numbers(ctx: Context<u32, ()>, count: u32) -> Result<()> {
    ctx.started(()).await?;
    ctx.stream(async |stream| {
        for number in 0..count {
            stream.send(number).await?;
        }
        Ok(())
    })
    .await
}

/// A first value that cannot be encoded.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Unencodable;

impl Serialize for Unencodable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this value is not for others"))
    }
}

/// IPC-1: opens a context and its stream with an actor of its own, then fails to start.
///
/// # Errors
/// That its first value cannot be encoded.
pub async fn fails_to_start(ctx: Context<(), (), Unencodable>, component: String) -> Result<()> {
    nursery(async |n| {
        let sleeper = n.start_actor(Spec::component(component, "sleeper")).await?;
        let inside = async |peer: Context<(), u64>, ()| {
            peer.stream(async |stream| {
                stream.next().await?;
                ctx.started(Unencodable).await
            })
            .await
        };
        sleeper.open_context("infinite", &(), inside).await
    })
    .await
}

/// STR-1: what a consumer wants of its publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// This topic, from now on.
    Subscribe(String),
    /// No more of this one.
    Unsubscribe(String),
}

/// STR-1: subscribes to a topic, takes some of it, then changes to another, of which it takes all there is.
///
/// # Errors
/// Its cancellation; a message of a topic it never asked for.
pub async fn consume(ctx: Context<Wish, (String, u64)>, (first, second): (String, String)) -> Result<()> {
    ctx.started(()).await?;
    ctx.stream(async |stream| {
        stream.send(Wish::Subscribe(first.clone())).await?;
        take_some(&stream, &[&first], &first).await?;
        stream.send(Wish::Subscribe(second.clone())).await?;
        take_some(&stream, &[&first, &second], &second).await?;
        stream.send(Wish::Unsubscribe(first.clone())).await?;
        notes::pin("fed");
        while stream.next().await?.is_some() {}
        Ok(())
    })
    .await
}

type Consumer = steading_actor::Stream<Wish, (String, u64)>;

/// Takes messages of these topics until there were five of `wanted`.
async fn take_some(stream: &Consumer, topics: &[&String], wanted: &String) -> Result<()> {
    let mut taken = 0;
    while taken < 5 {
        let Some((topic, _)) = stream.next().await? else {
            return Err(Error::msg("a publisher does not stop"));
        };
        crate::ensure(topics.contains(&&topic), format_args!("no message about {topic}"))?;
        taken += u32::from(topic == *wanted);
    }
    Ok(())
}
