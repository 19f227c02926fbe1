//! 2W-1: a simple exchange over a duplex stream.

use std::pin::pin;

use futures_util::TryStreamExt;
use steading_actor::{Context, Result, Stream};

use crate::{Taking, To, ensure_eq};

/// Ten pings, ten pongs; the iterating client leaves with one reply still on its way.
pub(crate) async fn run(portal: To<'_>, server: Taking, client: Taking) -> Result<()> {
    let pings = portal
        .open_context(
            "pong",
            &(server, 10_i64),
            async |ctx: Context<String, String, i64>, first: i64| {
                ensure_eq("the first value", first, 11)?;
                ctx.stream(async |stream| match client {
                    Taking::Next => receive(&stream).await,
                    Taking::Iteration => iterate(&stream).await,
                })
                .await?;
                ctx.wait_result::<u32>().await
            },
        )
        .await?;
    ensure_eq("the number of pings the callee saw", pings, 10)
}

async fn receive(stream: &Stream<String, String>) -> Result<()> {
    for _ in 0..10 {
        stream.send("ping".to_owned()).await?;
        ensure_eq("the reply", stream.next().await?.as_deref(), Some("pong"))?;
    }
    Ok(())
}

async fn iterate(stream: &Stream<String, String>) -> Result<()> {
    stream.send("ping".to_owned()).await?;
    let mut replies = 0;
    let mut messages = pin!(stream.messages());
    while let Some(reply) = messages.try_next().await? {
        ensure_eq("the reply", reply.as_str(), "pong")?;
        stream.send("ping".to_owned()).await?;
        replies += 1;
        if replies == 9 {
            return Ok(());
        }
    }
    ensure_eq("the number of replies", replies, 9)
}
