//! BRD-*: one stream for many local tasks (semantics 8). Who is slow waits for a note instead of sleeping,
//! so that it lags whatever the machine is busy with.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde::{Deserialize, Serialize};
use steading_actor::{Context, Error, ErrorKind, OnLag, Result, Stream, Subscription, move_on_after};

use crate::{To, ensure, ensure_eq, failure, notes};

type Numbers = Stream<(), u32>;

/// The rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Broadcast {
    /// BRD-1.
    FanOut,
    /// BRD-2, the stream's own handle is slow.
    SlowParent,
    /// BRD-2, a subscription is slow.
    SlowSubscription,
    /// BRD-4.
    Closed,
    /// BRD-6.
    FirstReceiverCancelled,
    /// BRD-7.
    NoRaiseOnLag,
}

impl Broadcast {
    pub(crate) async fn run(self, portal: To<'_>) -> Result<()> {
        match self {
            Self::FanOut => reading(portal, 1000, fan_out).await,
            Self::SlowParent => reading(portal, 300, slow_parent).await,
            Self::SlowSubscription => reading(portal, 300, slow_subscription).await,
            Self::Closed => closed(portal).await,
            Self::FirstReceiverCancelled => first_receiver_cancelled(portal).await,
            Self::NoRaiseOnLag => no_raise_on_lag(portal).await,
        }
    }
}

/// A context whose callee sends `0..count`, with `body` on its stream.
async fn reading<T>(portal: To<'_>, count: u32, body: impl AsyncFnOnce(Numbers) -> Result<T>) -> Result<T> {
    let block = async |ctx: Context<(), u32>, ()| ctx.stream(body).await;
    portal.open_context("numbers", &count, block).await
}

/// What a reader saw: messages, and gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Message(u32),
    Lagged(u64),
}

/// One of the readers: the stream's own handle, or a subscription.
enum Reader<'a> {
    Handle(&'a Numbers),
    Subscription(&'a Subscription<(), u32>),
}

impl Reader<'_> {
    async fn next(&self) -> Result<Option<u32>> {
        match self {
            Self::Handle(stream) => stream.next().await,
            Self::Subscription(subscription) => subscription.next().await,
        }
    }
}

/// Everything until the end; whether others are done is none of its business.
async fn collect(reader: Reader<'_>) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    while let Some(number) = reader.next().await? {
        all.push(number);
    }
    notes::pin("the fast one is done");
    Ok(all)
}

/// One message; then nothing until the fast one is done; then the rest. A lag is survived `lags` times.
async fn read_late(reader: Reader<'_>, lags: u32) -> Result<Vec<Seen>> {
    let (mut seen, mut left) = (Vec::new(), lags);
    loop {
        match reader.next().await {
            Ok(None) => return Ok(seen),
            Ok(Some(number)) => seen.push(Seen::Message(number)),
            Err(error) => {
                seen.push(Seen::Lagged(error.lagged().ok_or(error)?));
                if left == 0 {
                    return Ok(seen);
                }
                left -= 1;
            }
        }
        notes::wait("the fast one is done").await?;
    }
}

async fn fan_out(stream: Numbers) -> Result<()> {
    let readers: Vec<_> = (0..10).map(|_| stream.subscribe()).collect::<Result<_>>()?;
    let others = readers.iter().map(|reader| collect(Reader::Subscription(reader)));
    let (own, others) = join(collect(Reader::Handle(&stream)), join_all(others)).await;
    let complete: Vec<u32> = (0..1000).collect();
    ensure(own? == complete, "the stream's own handle gets everything in order")?;
    for other in others {
        ensure(other? == complete, "every subscription gets everything in order")?;
    }
    Ok(())
}

async fn slow_parent(stream: Numbers) -> Result<()> {
    let fast = stream.subscribe()?;
    let fast = collect(Reader::Subscription(&fast));
    let (slow, fast) = join(read_late(Reader::Handle(&stream), 1), fast).await;
    ensure_eq("what the fast one gets", fast?.len(), 300)?;
    check_lag(&slow?)
}

/// One message, a gap that is told once, then what the ring still holds: the latest window, in order.
fn check_lag(seen: &[Seen]) -> Result<()> {
    let mut expected = vec![Seen::Message(0), Seen::Lagged(300 - 64 - 1)];
    expected.extend((300 - 64..300).map(Seen::Message));
    ensure_eq("what the slow one sees", seen, &expected[..])
}

async fn slow_subscription(stream: Numbers) -> Result<()> {
    let slow = stream.subscribe()?;
    let slow = read_late(Reader::Subscription(&slow), 0);
    let (slow, fast) = join(slow, collect(Reader::Handle(&stream))).await;
    ensure_eq("what the fast one gets", fast?.len(), 300)?;
    ensure_eq(
        "what ends the slow one",
        slow?.last(),
        Some(&Seen::Lagged(300 - 64 - 1)),
    )
}

async fn closed(portal: To<'_>) -> Result<()> {
    let left = reading(portal, 1, async |stream: Numbers| {
        let reader = stream.subscribe()?;
        let subscriptions = || stream.statistics().map(|all| all.subscriptions);
        ensure_eq("subscriptions", subscriptions(), Some(1))?;
        reader.close();
        reader.close();
        ensure_eq("subscriptions after the close", subscriptions(), Some(0))?;
        let next = failure("the next of a closed one", reader.next().await)?;
        ensure_eq("its kind", next.kind(), ErrorKind::InvalidOperation)?;
        let another = failure("a subscription of a closed one", reader.subscribe())?;
        ensure_eq("its kind", another.kind(), ErrorKind::InvalidOperation)?;
        Ok(stream)
    })
    .await?;
    let late = failure("a subscription after the stream was left", left.subscribe())?;
    ensure_eq("its kind", late.kind(), ErrorKind::InvalidOperation)
}

async fn first_receiver_cancelled(portal: To<'_>) -> Result<()> {
    let body = async |ctx: Context<String, String>, ()| {
        ctx.stream(async |stream| {
            let (first, second) = (stream.subscribe()?, stream.subscribe()?);
            let cancelled = async {
                let parked = move_on_after(Duration::from_millis(5), first.next()).await;
                stream.send("7".to_owned()).await?;
                parked
            };
            let (cancelled, got) = join(cancelled, second.next()).await;
            ensure_eq("the first, cancelled while it waits", cancelled?, None)?;
            ensure_eq("the other", got?.as_deref(), Some("7"))
        })
        .await
    };
    portal.open_context("echo", &(), body).await
}

/// No lag is raised, and none is forgotten; the only error is the test's own.
async fn no_raise_on_lag(portal: To<'_>) -> Result<()> {
    let end = reading(portal, 1000, async |stream: Numbers| {
        let slow = stream.subscribe_with(OnLag::Skip)?;
        let late = read_late(Reader::Subscription(&slow), 0);
        let (seen, fast) = join(late, collect(Reader::Handle(&stream))).await;
        ensure_eq("what the fast one gets", fast?.len(), 1000)?;
        let mut expected = vec![Seen::Message(0)];
        expected.extend((1000 - 64..1000).map(Seen::Message));
        ensure_eq("what the slow one sees", seen?, expected)?;
        ensure_eq("what it knows to have missed", slow.lost(), 1000 - 64 - 1)?;
        Err::<(), _>(Error::msg("the test's own"))
    })
    .await;
    let error = failure("a body that fails in the end", end)?;
    ensure_eq("what leaves", error.message().as_str(), "the test's own")
}
