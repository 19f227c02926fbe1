//! CAN-1, CAN-2, CAN-3 and CAN-6: children that fail, alone, in numbers, and beside others.
//!
//! In the rows all siblings have failed before any is cancelled. Here the first failure cancels them at once
//! (semantics 10), so how many fail is a race, and the law is: what failed is raised, all of it and nothing else.

use serde::{Deserialize, Serialize};
use steading_actor::{Error, ErrorKind, Portal, Restart, Result, Rung, Running, Spec, Supervisor, nursery};

use crate::callee::Failure;
use crate::{ensure, ensure_eq, failure};

/// What is told of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failing {
    /// CAN-1: the one call of a child fails.
    Alone {
        /// Because it is called with what it does not take.
        arguments: bool,
    },
    /// CAN-2: two fail, and the second is waited for.
    Two,
    /// CAN-3: 25 fail.
    Fast {
        /// After so many milliseconds.
        delay: u64,
        /// Whether nobody is cancelled for another's sake.
        each_for_itself: bool,
    },
    /// CAN-6.
    Some(Mix),
    /// A child that is cancelled fails while it cleans up.
    InCleanup,
}

/// CAN-6: so many children for one call each, and as many that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// How many.
    pub each: usize,
    /// What those for one call do.
    pub once: Deeds,
    /// What those that serve are called for, one after the other, if they are.
    pub serving: Option<Deeds>,
}

/// What a child is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deeds {
    /// It returns.
    Nothing,
    /// It waits for ever.
    Waits,
    /// It fails.
    Fails {
        /// After so many milliseconds.
        delay: u64,
    },
}

impl Failing {
    pub(crate) async fn run(self, component: &str) -> Result<()> {
        match self {
            Self::Alone { arguments } => alone(component, arguments).await,
            Self::Two => two(component).await,
            Self::Fast { delay, each_for_itself } => fast(component, delay, each_for_itself).await,
            Self::Some(mix) => some(component, mix).await,
            Self::InCleanup => in_cleanup(component).await,
        }
    }
}

impl Deeds {
    fn run_in(self, n: &steading_actor::Nursery, spec: Spec) -> Running<()> {
        match self {
            Self::Nothing => n.run_in_actor(spec, "note", "done"),
            Self::Waits => n.run_in_actor(spec, "noted", "never"),
            Self::Fails { delay } => n.run_in_actor(spec, "fails_after", &delay),
        }
    }

    async fn ask(self, child: &Portal) -> Result<()> {
        match self {
            Self::Nothing => child.call("note", "done").await,
            Self::Waits => child.call("noted", "never").await,
            Self::Fails { delay } => child.call("fails_after", &delay).await,
        }
    }
}

async fn alone(component: &str, arguments: bool) -> Result<()> {
    let end = nursery(async |n| {
        let spec = Spec::component(component, "failing");
        let running = match arguments {
            true => n.run_in_actor::<(), _>(spec, "fails_after", "not a number"),
            false => n.run_in_actor::<(), _>(spec, "fail", &Failure::Refused),
        };
        let error = failure("its result", running.result().await)?;
        check_kind(&error, arguments)?;
        Err::<(), _>(error)
    })
    .await;
    let error = failure("the nursery", end)?;
    ensure_eq("how many failures there are", error.members().len(), 1)?;
    check_kind(&error, arguments)
}

fn check_kind(error: &Error, arguments: bool) -> Result<()> {
    match arguments {
        true => ensure_eq("the kind", error.kind(), ErrorKind::PayloadMismatch),
        false => is_refused(error),
    }
}

fn is_refused(error: &Error) -> Result<()> {
    ensure_eq("the kind", error.kind(), ErrorKind::EndpointError)?;
    let name = error.type_name();
    ensure(name.ends_with("Refused"), format_args!("its type's name ends {name}"))
}

async fn two(component: &str) -> Result<()> {
    let mut all = Vec::new();
    let end = nursery(async |n| {
        for name in ["first", "second"] {
            all.push(n.run_in_actor::<(), _>(Spec::component(component, name), "fails_after", &0));
        }
        all[1].result().await
    })
    .await;
    what_failed_is_raised(&failure("the nursery", end)?, &all)
        .await
        .map(drop)
}

async fn fast(component: &str, delay: u64, each_for_itself: bool) -> Result<()> {
    let supervisor = match each_for_itself {
        true => Supervisor::one_for_one(),
        false => Supervisor::one_cancels_all(),
    };
    let mut all = Vec::new();
    let end = supervisor
        .run(async |n| {
            let spec = |i| Spec::component(component, format!("child-{i}")).restart(Restart::temporary());
            all.extend((0..25).map(|i| n.run_in_actor::<(), _>(spec(i), "fails_after", &delay)));
            Ok(())
        })
        .await;
    let failed = what_failed_is_raised(&failure("the nursery", end)?, &all).await?;
    match each_for_itself {
        true => ensure_eq("how many failed", failed, 25),
        false => ensure(failed >= 1, "the first is not lost"),
    }
}

/// I19: the error is the group of all that failed. How many that were.
async fn what_failed_is_raised(error: &Error, all: &[Running<()>]) -> Result<usize> {
    let mut failed = Vec::new();
    for running in all {
        match running.result().await {
            Err(error) if error.is_cancelled() => {}
            Err(error) if error.kind() == ErrorKind::EndpointError => failed.push(error),
            // Its child was cancelled before it was called.
            Err(error) if error.kind() == ErrorKind::LinkClosed => {}
            end => ensure(false, format_args!("each fails, or is cancelled, got {end:?}"))?,
        }
    }
    for member in error.members() {
        is_refused(member)?;
    }
    ensure_eq("how many are raised", error.members().len(), failed.len())?;
    Ok(failed.len())
}

async fn some(component: &str, mix: Mix) -> Result<()> {
    let (mut serving, mut once) = (Vec::new(), Vec::new());
    let end = nursery(async |n| {
        for i in 0..mix.each {
            serving.push(n.start_actor(Spec::component(component, format!("daemon-{i}"))).await?);
        }
        once.extend((0..mix.each).map(|i| mix.once.run_in(&n, Spec::component(component, format!("actor-{i}")))));
        for child in &serving {
            if let Some(deed) = mix.serving {
                deed.ask(child).await.inspect_err(|error| drop(is_refused(error)))?;
            }
        }
        Ok(())
    })
    .await;
    let error = failure("the nursery", end)?;
    match mix.serving {
        Some(Deeds::Fails { .. }) => {
            is_refused(&error)?;
            ensure_eq(
                "how many are raised: only the first was called",
                error.members().len(),
                1,
            )?;
        }
        _ => _ = what_failed_is_raised(&error, &once).await?,
    }
    for child in &serving {
        let end = child.closed().await?;
        ensure_eq("how it ended", (end.rung, end.error.is_some()), (Rung::Acked, false))?;
    }
    Ok(())
}

/// Cancelled for the failure of a sibling, it fails as well, and both are told.
async fn in_cleanup(component: &str) -> Result<()> {
    let end: Result<()> = nursery(async |n| {
        let child = n.start_actor(Spec::component(component, "child")).await?;
        let breaks = child.call::<String, _>("breaks_down", &());
        let sibling = async {
            child.call::<(), _>("noted", "waiting").await?;
            _ = n.run_in_actor::<(), _>(Spec::component(component, "sibling"), "fails_after", &0);
            Ok::<_, Error>(())
        };
        let (broken, told) = futures_util::join!(breaks, sibling);
        told?;
        broken.map(drop)
    })
    .await;
    let error = failure("the nursery", end)?;
    let texts: Vec<_> = error.members().iter().map(Error::message).collect();
    let expected = ["cannot clean up after ParentTeardown", "refused with code 7"];
    ensure_eq("what is raised", texts, expected.map(str::to_owned).to_vec())?;
    let cancelled = nursery(async |n| {
        let child = n.start_actor(Spec::component(component, "child")).await?;
        let breaks = child.call::<String, _>("breaks_down", &());
        let cancel = async {
            child.call::<(), _>("noted", "waiting").await?;
            n.cancel("enough");
            Ok::<_, Error>(())
        };
        let (broken, told) = futures_util::join!(breaks, cancel);
        told?;
        broken
    });
    let error = failure("a call that is cancelled and fails", cancelled.await)?;
    ensure_eq(
        "what is raised",
        error.message().as_str(),
        "cannot clean up after Requested",
    )
}
