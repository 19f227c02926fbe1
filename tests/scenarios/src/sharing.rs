//! MOC-*: one resource for many tasks of an actor. The resources here note their life on the caller's board,
//! and those that are gated close when a note allows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use steading_actor::{
    AbsorbedExt, CancelScope, Context, Entry, Error, Lease, OnLag, Portal, Result, Stream, checkpoint, current,
    move_on_after, scope, shared, sleep,
};

use crate::{To, ensure, ensure_eq, failure, notes};

/// The rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sharing {
    /// MOC-1.
    OnlyOnce {
        /// The key is a name; otherwise, it is what the resource is opened with.
        named: bool,
    },
    /// MOC-2.
    LastWaits,
    /// MOC-3.
    CloseError,
    /// MOC-4.
    CancelledWaits,
    /// MOC-5.
    CloseErrorMasks,
    /// MOC-6.
    AllCancelled,
    /// MOC-7.
    LocalSubscriptions,
    /// MOC-8.
    FastCancel {
        /// How long the first waits, in milliseconds.
        delay: u64,
        /// Whether a scope is cancelled, or its time is over.
        by_scope: bool,
    },
    /// MOC-9.
    PerKey,
    /// MOC-10.
    Reentry,
}

impl Sharing {
    pub(crate) async fn run(self, portal: To<'_>) -> Result<()> {
        match self {
            Self::OnlyOnce { named: true } => only_once("the resource").await,
            Self::OnlyOnce { named: false } => only_once((7_u32, "argument".to_owned())).await,
            Self::LastWaits => last_waits().await,
            Self::CloseError => close_error(false).await,
            Self::CancelledWaits => cancelled_waits().await,
            Self::CloseErrorMasks => close_error(true).await,
            Self::AllCancelled => all_cancelled().await,
            Self::LocalSubscriptions => local_subscriptions(portal).await,
            Self::FastCancel { delay, by_scope } => fast_cancel(Duration::from_millis(delay), by_scope).await,
            Self::PerKey => per_key().await,
            Self::Reentry => reentry().await,
        }?;
        ensure_eq("resources that are left", current().actor().shared_resources(), 0)
    }
}

/// A resource that tells of its life.
#[derive(Clone)]
struct Told {
    name: &'static str,
    gated: bool,
    end: Result<()>,
}

impl Told {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            gated: false,
            end: Ok(()),
        }
    }

    fn gated(name: &'static str) -> Self {
        let gated = true;
        Self {
            gated,
            ..Self::new(name)
        }
    }

    /// Runs `body` with it, by its name.
    async fn used<T>(self, body: impl AsyncFnOnce(Lease<u32>) -> Result<T>) -> Result<T> {
        shared(self.name, move |entry| self.open(entry), body).await
    }

    async fn open(self, entry: Entry<u32>) -> Result<()> {
        let Self { name, gated, end } = self;
        notes::pin(&format!("{name} opens"));
        entry.hold(1).await?;
        notes::pin(&format!("{name} closes"));
        if gated {
            notes::wait(&format!("{name} may close")).await?;
        }
        notes::pin(&format!("{name} is closed"));
        end
    }
}

fn times(note: &str) -> usize {
    notes::all().iter().filter(|known| *known == note).count()
}

/// Where a note stands on the board.
fn position(note: &str) -> Option<usize> {
    notes::all().iter().position(|known| known == note)
}

fn ensure_order(notes: &[&str]) -> Result<()> {
    let positions: Vec<_> = notes.iter().map(|note| position(note)).collect();
    let ordered = positions.iter().all(Option::is_some) && positions.is_sorted();
    ensure(
        ordered,
        format_args!("{notes:?} in this order among {:?}", notes::all()),
    )
}

async fn only_once<K>(key: K) -> Result<()>
where
    K: Clone + Eq + std::hash::Hash + Send + 'static,
{
    const USERS: usize = 10;
    let firsts = scope(async |tasks| {
        let users = (0..USERS).map(|n| {
            let key = key.clone();
            tasks.spawn(async move {
                let body = async |value: Lease<u32>| {
                    ensure_eq("the value", *value, 1)?;
                    notes::pin(&format!("{n} has it"));
                    for other in 0..USERS {
                        notes::wait(&format!("{other} has it")).await?;
                    }
                    Ok(value.is_first())
                };
                shared(key, |entry| Told::new("it").open(entry), body).await
            })
        });
        let mut firsts = 0;
        for user in users.collect::<Vec<_>>() {
            firsts += usize::from(user.await?);
        }
        Ok(firsts)
    })
    .await?;
    ensure_eq("users that were the first", firsts, 1)?;
    ensure_eq("openings, closings", (times("it opens"), times("it is closed")), (1, 1))
}

async fn last_waits() -> Result<()> {
    scope(async |tasks| {
        let user = tasks.spawn(async {
            Told::gated("it").used(async |_| Ok(())).await?;
            notes::pin("the user is done");
            Ok(())
        });
        notes::wait("it closes").await?;
        ensure_eq("done before it is closed", times("the user is done"), 0)?;
        notes::pin("it may close");
        user.await
    })
    .await?;
    ensure_order(&["it closes", "it is closed", "the user is done"])
}

/// The very error that closing raises is what the last user gets, cancelled or not; another user is spared.
async fn close_error(cancelled: bool) -> Result<()> {
    let own = Error::msg("would not close");
    let resource = Told {
        end: Err(own.clone()),
        ..Told::new("it")
    };
    let around = CancelScope::inside();
    let last = around.run(resource.clone().used(async |_| {
        resource.used(async |_| Ok(())).await?;
        if cancelled {
            around.cancel_with("enough");
        }
        checkpoint()
    }));
    let error = failure("the last user", last.await.and_then(|end| end))?;
    ensure(error.is_same(&own), format_args!("{own} leaves, got {error}"))
}

async fn cancelled_waits() -> Result<()> {
    scope(async |tasks| {
        let user = tasks.spawn(async {
            let around = CancelScope::inside();
            let body = async |_| {
                around.cancel_with("enough");
                notes::wait("never").await
            };
            let end = around.run(Told::gated("it").used(body)).await.and_then(|end| end);
            notes::pin("the cancel is caught");
            Ok(end)
        });
        notes::wait("it closes").await?;
        ensure_eq("caught before it is closed", times("the cancel is caught"), 0)?;
        notes::pin("it may close");
        let error = failure("a user that cancels itself", user.await?)?;
        ensure_eq("its canceller", error.canceller(), Some(current().id()))
    })
    .await?;
    ensure_order(&["it closes", "it is closed", "the cancel is caught"])
}

async fn all_cancelled() -> Result<()> {
    let end = scope(async |tasks| {
        for n in 0..3 {
            _ = tasks.spawn(Told::new("it").used(async move |_| {
                notes::pin(&format!("{n} has it"));
                notes::wait("never").await
            }));
        }
        for n in 0..3 {
            notes::wait(&format!("{n} has it")).await?;
        }
        tasks.cancel("all of you");
        notes::wait("never").await
    })
    .await;
    ensure_eq("a clean exit", end.absorbed()?, None)?;
    ensure_order(&["it opens", "it closes", "it is closed"])
}

type Numbers = Stream<(), u64>;

/// Runs `body` with a stream that never ends by itself, which all share.
async fn with_numbers<T>(portal: &Portal, body: impl AsyncFnOnce(Lease<Numbers>) -> Result<T>) -> Result<T> {
    let portal = portal.clone();
    let open = |entry: Entry<Numbers>| async move {
        let block = async |ctx: Context<(), u64>, ()| {
            ctx.stream(async |numbers| entry.hold(numbers).await).await?;
            ctx.cancel("nobody listens").await;
            Ok(())
        };
        portal.open_context("infinite", &(), block).await
    };
    shared("numbers", open, body).await
}

/// The first of ten tasks reads the stream, the others subscribe to it: each sees numbers in order.
async fn local_subscriptions(portal: To<'_>) -> Result<()> {
    let firsts = scope(async |tasks| {
        let listeners = (0..10).map(|n| {
            let portal = portal.clone();
            tasks.spawn(async move { with_numbers(&portal, async |numbers| listen(&numbers, n).await).await })
        });
        let mut firsts = 0;
        for listener in listeners.collect::<Vec<_>>() {
            firsts += usize::from(listener.await?);
        }
        Ok(firsts)
    })
    .await?;
    ensure_eq("tasks that read the stream itself", firsts, 1)
}

async fn listen(numbers: &Lease<Numbers>, n: usize) -> Result<bool> {
    let mut last = None;
    if numbers.is_first() {
        while last < Some(20) {
            match numbers.next().await {
                Err(error) if error.lagged().is_some() => {}
                next => last = after(last, next?)?,
            }
        }
        for other in (0..10).filter(|other| *other != n) {
            notes::wait(&format!("{other} has heard enough")).await?;
        }
        let left = numbers.statistics().map_or(0, |broadcast| broadcast.subscriptions);
        ensure_eq("subscriptions that are left", left, 0)?;
    } else {
        let subscription = numbers.subscribe_with(OnLag::Skip)?;
        for _ in 0..20 {
            last = after(last, subscription.next().await?)?;
        }
        drop(subscription);
    }
    notes::pin(&format!("{n} has heard enough"));
    Ok(numbers.is_first())
}

fn after(last: Option<u64>, number: Option<u64>) -> Result<Option<u64>> {
    ensure(number > last, format_args!("{number:?} comes after {last:?}"))?;
    Ok(number)
}

/// The first user is cancelled while it opens; whoever comes after that gets it all the same.
async fn fast_cancel(delay: Duration, by_scope: bool) -> Result<()> {
    let open = |entry: Entry<u32>| async move {
        notes::pin("it opens");
        notes::wait("the first has left").await?;
        entry.hold(1).await
    };
    let used = move || shared("it", open, async |value: Lease<u32>| Ok(*value));
    scope(async |tasks| {
        let first = tasks.spawn(async move {
            let given_up = match by_scope {
                true => {
                    let around = CancelScope::inside();
                    let (end, slept) = futures_util::join!(around.run(used()), async {
                        notes::wait("it opens").await?;
                        let slept = sleep(delay).await;
                        around.cancel_with("too slow");
                        slept
                    });
                    slept?;
                    end.and_then(|end| end).is_err_and(|error| error.is_cancelled())
                }
                false => move_on_after(delay, used()).await?.is_none(),
            };
            notes::pin("the first has left");
            ensure(given_up, "the first has given up")
        });
        notes::wait("it opens").await?;
        ensure_eq("what the second gets", used().await?, 1)?;
        first.await?;
        ensure_eq("what the third gets", used().await?, 1)
    })
    .await
}

async fn per_key() -> Result<()> {
    let (one, other) = (Told::new("one"), Told::new("other"));
    other
        .used(async |_| {
            one.clone()
                .used(async |value| ensure(value.is_first(), "a miss"))
                .await?;
            ensure_eq("closings", (times("one is closed"), times("other is closed")), (1, 0))?;
            one.used(async |value| ensure(value.is_first(), "a miss again")).await?;
            ensure_eq("openings", (times("one opens"), times("other opens")), (2, 1))
        })
        .await?;
    ensure_eq("closings", (times("one is closed"), times("other is closed")), (2, 1))
}

async fn reentry() -> Result<()> {
    scope(async |tasks| {
        let first = tasks.spawn(async {
            Told::gated("it").used(async |_| Ok(())).await?;
            notes::pin("the first is done");
            Ok(())
        });
        notes::wait("it closes").await?;
        let second = tasks.spawn(async {
            notes::pin("the second asks");
            Told::gated("it")
                .used(async |value| {
                    ensure_order(&["it is closed", "the first is done"])?;
                    ensure(value.is_first(), "a fresh one")
                })
                .await
        });
        notes::wait("the second asks").await?;
        ensure_eq("openings while it closes", times("it opens"), 1)?;
        notes::pin("it may close");
        first.await?;
        second.await
    })
    .await?;
    ensure_eq("openings", times("it opens"), 2)
}
