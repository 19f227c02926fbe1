//! Nurseries that start their children again (semantics 10).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use steading_actor::{Error, ErrorKind, FailureMatch, Portal, Restart, Result, Rung, Spec, Supervisor, sleep, timeout};

use crate::{ensure, ensure_eq, failure};

/// What is told of supervision; the strategy by the name of its constructor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Supervising {
    /// The second of three children dies.
    OneCancelsAll,
    /// As above.
    OneForOne,
    /// As above.
    OneForAll,
    /// As above.
    RestForOne,
    /// A child dies once more than it may.
    TooOften,
    /// A child dies once more than its nursery allows.
    TooOftenTogether,
    /// A child ends by itself, and is permanent, or only transient.
    EndsWell {
        /// Which of them.
        permanent: bool,
    },
    /// A child dies of something that its restart does not name.
    AnotherKind,
    /// A child that never starts again dies beside one that goes on.
    Unrepaired,
    /// The call that a child was started for fails, and is made again.
    CalledAgain,
    /// A child is cancelled while it waits for its next life.
    CancelledBetween,
    /// A supervisor below another gives up, and is started again itself.
    Escalates,
    /// The failure of another actor is made one's own.
    Linked,
}

impl Supervising {
    pub(crate) async fn run(self, component: &str) -> Result<()> {
        match self {
            Self::OneCancelsAll => concerned(Supervisor::one_cancels_all(), component, [false, true, false]).await,
            Self::OneForOne => concerned(Supervisor::one_for_one(), component, [false, true, false]).await,
            Self::OneForAll => concerned(Supervisor::one_for_all(), component, [true, true, true]).await,
            Self::RestForOne => concerned(Supervisor::rest_for_one(), component, [false, true, true]).await,
            Self::TooOften => too_often(component).await,
            Self::TooOftenTogether => too_often_together(component).await,
            Self::EndsWell { permanent } => ends_well(component, permanent).await,
            Self::AnotherKind => another_kind(component).await,
            Self::Unrepaired => unrepaired(component).await,
            Self::CalledAgain => called_again(component).await,
            Self::CancelledBetween => cancelled_between(component).await,
            Self::Escalates => escalates(component).await,
            Self::Linked => linked(component).await,
        }
    }
}

/// After failures, at once, and so often.
fn at_once(restarts: u32) -> Restart {
    Restart::transient()
        .intensity(restarts, Duration::from_secs(60))
        .backoff(Duration::ZERO, Duration::ZERO)
}

async fn dies(portal: &Portal) -> Result<Error> {
    failure("a call that is death", portal.call::<(), _>("die", &()).await)
}

async fn lives(portal: &Portal) -> Result<()> {
    let line: String = portal.call("line", "donny").await?;
    ensure(line.contains("element"), "it answers")
}

async fn concerned(supervisor: Supervisor, component: &str, concerned: [bool; 3]) -> Result<()> {
    supervisor
        .run(async |n| {
            let mut children = Vec::new();
            for name in ["first", "second", "third"] {
                children.push(
                    n.start_actor(Spec::component(component, name).restart(at_once(1)))
                        .await?,
                );
            }
            dies(&children[1]).await?;
            for (child, concerned) in children.iter().zip(concerned) {
                let now = if concerned {
                    renewed(child).await?
                } else {
                    child.clone()
                };
                lives(&now).await?;
                ensure_eq("how often it started again", now.restarts(), u32::from(concerned))?;
            }
            n.cancel("the scenario is over");
            Ok(())
        })
        .await
}

/// The one in its place, which has its name and nothing else of it.
async fn renewed(child: &Portal) -> Result<Portal> {
    let end = child.closed().await?;
    ensure_eq("the rung", end.rung, Rung::Acked)?;
    let next = child.successor().await?;
    ensure_eq("its name", &next.id().name, &child.id().name)?;
    ensure(next.id() != child.id(), "it is another actor")?;
    let error = failure(
        "a call to the one that ended",
        child.call::<String, _>("line", "donny").await,
    )?;
    ensure(
        !error.is_cancelled(),
        format_args!("the old portal leads nowhere: {error}"),
    )?;
    Ok(next)
}

async fn too_often(component: &str) -> Result<()> {
    let end = Supervisor::one_for_one()
        .run(async |n| {
            let mut child = n
                .start_actor(Spec::component(component, "mayfly").restart(at_once(2)))
                .await?;
            for _ in 0..2 {
                dies(&child).await?;
                child = child.successor().await?;
            }
            dies(&child).await?;
            sleep(Duration::from_secs(60)).await
        })
        .await;
    gave_up(end, "mayfly")
}

fn gave_up(end: Result<()>, name: &str) -> Result<()> {
    let error = failure("a nursery that gave up", end)?;
    ensure_eq("its kind", error.kind(), ErrorKind::Limit("restarts".into()))?;
    let text = error.to_string();
    let says = text.contains("gave up on") && text.contains(name);
    ensure(says, format_args!("it says on whom it gave up: {text}"))
}

async fn too_often_together(component: &str) -> Result<()> {
    let end = Supervisor::one_for_one()
        .intensity(1, Duration::from_secs(60))
        .run(async |n| {
            let one = n
                .start_actor(Spec::component(component, "one").restart(at_once(9)))
                .await?;
            let two = n
                .start_actor(Spec::component(component, "two").restart(at_once(9)))
                .await?;
            dies(&one).await?;
            one.successor().await?;
            dies(&two).await?;
            sleep(Duration::from_secs(60)).await
        })
        .await;
    gave_up(end, "two")
}

async fn ends_well(component: &str, permanent: bool) -> Result<()> {
    let restart = if permanent {
        Restart::permanent()
    } else {
        Restart::transient()
    };
    Supervisor::one_for_one()
        .run(async |n| {
            let child = n
                .start_actor(Spec::component(component, "guest").restart(restart))
                .await?;
            failure("a call that resigns", child.call::<(), _>("resign", &()).await)?;
            match (child.successor().await, permanent) {
                (Ok(next), true) => {
                    lives(&next).await?;
                    ensure_eq("the rung", next.cancel_actor("it was asked to").await?, Rung::Acked)?;
                    let error = failure("the way to a next one", next.successor().await)?;
                    ensure_eq("why there is none", error.kind(), ErrorKind::LinkClosed)
                }
                (Err(error), false) => ensure_eq("why there is none", error.kind(), ErrorKind::LinkClosed),
                (end, _) => ensure(false, format_args!("whether it started again: {end:?}")),
            }
        })
        .await
}

async fn another_kind(component: &str) -> Result<()> {
    let end: Result<()> = Supervisor::one_for_one()
        .run(async |n| {
            let picky = at_once(9).on(FailureMatch::Error).on(FailureMatch::Limit(None));
            let child = n
                .start_actor(Spec::component(component, "picky").restart(picky))
                .await?;
            dies(&child).await?;
            sleep(Duration::from_secs(60)).await
        })
        .await;
    let error = failure("a nursery with such a child", end)?;
    let died = matches!(error.kind(), ErrorKind::Panic | ErrorKind::Trap(_));
    ensure(died, format_args!("what it died of is raised: {error}"))
}

async fn unrepaired(component: &str) -> Result<()> {
    let mut seen = false;
    let end: Result<()> = Supervisor::one_for_one()
        .run(async |n| {
            let child = n.start_actor(Spec::component(component, "mortal")).await?;
            let sibling = n.start_actor(Spec::component(component, "sibling")).await?;
            dies(&child).await?;
            let end = child.closed().await?;
            ensure(end.error.is_some(), "its end says that it failed")?;
            lives(&sibling).await?;
            seen = true;
            n.cancel("the scenario is over");
            Ok(())
        })
        .await;
    ensure(seen, "the body went on to its end")?;
    let error = failure("a nursery with an unrepaired failure", end)?;
    ensure_eq("how many failures there are", error.members().len(), 1)
}

async fn called_again(component: &str) -> Result<()> {
    let end: Result<()> = Supervisor::one_for_one()
        .run(async |n| {
            let spec = Spec::component(component, "flaky").restart(at_once(2));
            let running = n.run_in_actor::<(), _>(spec, "die", &());
            let error = failure("its last call", running.result().await)?;
            Err(Error::msg(format_args!("its result is the last call's: {error}")))
        })
        .await;
    let error = failure("a nursery whose child failed too often", end)?;
    let kinds: Vec<_> = error.members().iter().map(Error::kind).collect();
    ensure(
        kinds.contains(&ErrorKind::Limit("restarts".into())),
        format_args!("it gave up: {error}"),
    )
}

async fn cancelled_between(component: &str) -> Result<()> {
    let slow = Restart::permanent().backoff(Duration::from_secs(600), Duration::from_secs(600));
    let block = Supervisor::one_for_one().run(async |n| {
        let first = n
            .start_actor(Spec::component(component, "sleeper").restart(slow))
            .await?;
        dies(&first).await?;
        let second = first.successor().await?;
        dies(&second).await?;
        second.closed().await?;
        ensure_eq("the rung", second.cancel_actor("no more").await?, Rung::AlreadyGone)
    });
    // Long before it would have started again, and not at all if the block did wait for that.
    timeout(Duration::from_secs(300), block).await
}

async fn escalates(component: &str) -> Result<()> {
    let end: Result<()> = Supervisor::one_for_one()
        .run(async |n| {
            let middle = Spec::component(component, "middle").restart(at_once(1));
            n.run_in_actor::<(), _>(middle, "troubled", component).result().await
        })
        .await;
    let error = failure("a tree that cannot be repaired", end)?;
    let text = error.to_string();
    ensure(
        text.contains("gave up on middle") && text.contains("gave up on below"),
        format_args!("both levels say so: {text}"),
    )
}

async fn linked(component: &str) -> Result<()> {
    let end = Supervisor::one_for_one()
        .run(async |n| {
            let peer = n.start_actor(Spec::component(component, "peer")).await?;
            let well = peer.link(lives(&peer)).await;
            well?;
            let end: Result<()> = peer
                .link(async {
                    dies(&peer).await?;
                    sleep(Duration::from_secs(60)).await
                })
                .await;
            let error = failure("a body linked to an actor that died", end)?;
            ensure(
                !error.is_cancelled(),
                format_args!("it is the other's failure: {error}"),
            )
        })
        .await;
    failure("the nursery of the one that died", end).map(drop)
}
