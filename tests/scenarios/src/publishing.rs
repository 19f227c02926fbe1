//! STR-1 and STR-3: several streams at once, torn down by whatever the user raises.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steading_actor::{
    Context, Either, Error, Nursery, Portal, Result, Spec, Stream, TaskGroup, fail_after, nursery, race, scope,
};

use crate::callee::Wish;
use crate::{ensure, ensure_eq, failure, notes};

/// What ends a scenario that would go on for ever. Each finds `running` on the caller's board first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Raise {
    /// The operator interrupts the host, which is not the scenario's to do.
    Interrupt,
    /// A time-out in the body.
    Timeout,
    /// An error of the body.
    Error,
}

impl Raise {
    async fn raise(self) -> Result<()> {
        notes::pin("running");
        match self {
            Self::Interrupt => notes::wait("never").await,
            Self::Timeout => fail_after(Duration::from_millis(5), notes::wait("never")).await,
            Self::Error => Err(Error::msg("the user's")),
        }
    }

    /// That, and nothing else, is what leaves.
    fn check(self, end: Result<()>) -> Result<()> {
        let error = match self {
            Self::Interrupt => return end,
            _ => failure("a body that raises", end)?,
        };
        ensure_eq("how many errors leave", error.members().len(), 1)?;
        match self {
            Self::Error => ensure_eq("what leaves", error.message().as_str(), "the user's"),
            _ => ensure(error.is_elapsed(), format_args!("the time-out leaves, got {error}")),
        }
    }
}

/// STR-1: two consumers from the start and one that joins, each with its own topics. Contexts lead from
/// parent to child, so the publisher is the caller, and the consumers send it their wishes.
pub(crate) async fn dynamic_pub_sub(component: &str, raise: Raise) -> Result<()> {
    let end = nursery(async |n| {
        scope(async |tasks| {
            let first = publish_to(&n, &tasks, component, "first").await?;
            let second = publish_to(&n, &tasks, component, "second").await?;
            first.call::<(), _>("noted", "fed").await?;
            second.call::<(), _>("noted", "fed").await?;
            let third = publish_to(&n, &tasks, component, "third").await?;
            third.call::<(), _>("noted", "fed").await?;
            raise.raise().await
        })
        .await
    })
    .await;
    raise.check(end)
}

/// Starts a consumer, and a task that publishes to it.
async fn publish_to(n: &Nursery, tasks: &TaskGroup, component: &str, name: &str) -> Result<Portal> {
    let consumer = n.start_actor(Spec::component(component, name)).await?;
    let topics = (format!("{name} topic"), "common topic".to_owned());
    let portal = consumer.clone();
    _ = tasks.spawn(async move {
        let body = async |ctx: Context<(String, u64), Wish>, ()| ctx.stream(publish).await;
        portal.open_context("consume", &topics, body).await
    });
    Ok(consumer)
}

/// Publishes on every topic that is wished for, until the consumer leaves.
async fn publish(stream: Stream<(String, u64), Wish>) -> Result<()> {
    let mut topics = BTreeSet::new();
    for number in 0_u64.. {
        let topic = topics.iter().nth(number as usize % topics.len().max(1)).cloned();
        let wish = match topic {
            None => stream.next().await?,
            Some(topic) => match race(stream.next(), stream.send((topic, number))).await {
                Either::Left(wish) => wish?,
                Either::Right(sent) => {
                    sent?;
                    continue;
                }
            },
        };
        if !listen(&mut topics, wish) {
            break;
        }
    }
    Ok(())
}

/// `false`: the consumer wishes for nothing more.
fn listen(topics: &mut BTreeSet<String>, wish: Option<Wish>) -> bool {
    match wish {
        Some(Wish::Subscribe(topic)) => _ = topics.insert(topic),
        Some(Wish::Unsubscribe(topic)) => _ = topics.remove(&topic),
        None => return false,
    }
    true
}

/// STR-3: a duplex stream and a one-way stream side by side with one actor.
pub(crate) async fn both_stream_types(component: &str, raise: Raise) -> Result<()> {
    let end = nursery(async |n| {
        let peer = n.start_actor(Spec::component(component, "peer")).await?;
        let duplex = async |duplex: Context<String, String>, ()| {
            duplex
                .stream(async |duplex| {
                    let one_way = async |one_way: Context<(), u64>, ()| {
                        one_way.stream(async |s| both(duplex, s, raise).await).await
                    };
                    peer.open_context("infinite", &(), one_way).await
                })
                .await
        };
        peer.open_context("echo", &(), duplex).await
    })
    .await;
    raise.check(end)
}

async fn both(duplex: Stream<String, String>, one_way: Stream<(), u64>, raise: Raise) -> Result<()> {
    for number in 0..100 {
        duplex.send(number.to_string()).await?;
        ensure_eq("the echo", duplex.next().await?, Some(number.to_string()))?;
        ensure_eq("the one-way stream", one_way.next().await?, Some(number))?;
    }
    raise.raise().await
}
