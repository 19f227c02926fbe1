//! How nurseries end: by a deadline, with children of one name, while somebody starts one more; and what of the
//! host's an actor has handed on to its children.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use steading_actor::{
    Error, ErrorKind, Level, Nursery, Portal, Result, Rung, Spec, current, fail_after, move_on_after, nursery, scope,
};

use crate::callee::{at_level, generation, rank};
use crate::{ensure, ensure_eq, failure, notes};

/// What is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closing {
    /// MPR-4: so many children of one name are cancelled.
    SameName(usize),
    /// A child is started when the body is over and another child is not.
    OneMore,
    /// The time of a nursery is up.
    Deadline {
        /// And that is an error.
        fails: bool,
        /// The child it had fails when it is told.
        breaks: bool,
    },
    /// What cannot be started is told by its kind, and the nursery is as good as before.
    NotStarted,
    /// CAN-8: a child that serves, and a body that waits.
    Daemon,
    /// CAN-9: three children for one call each, started by another task.
    ByAnotherTask,
    /// CAN-11: a child that serves, and a body that has forgotten it.
    Forgotten,
    /// SPN-1: a child runs the same function.
    SameFunction,
    /// SPN-4: the log level, by its rank.
    LogLevel(u8),
}

impl Closing {
    pub(crate) async fn run(self, nursery: &Nursery, component: &str) -> Result<()> {
        match self {
            Self::SameName(n) => same_name(component, n).await,
            Self::OneMore => one_more(component).await,
            Self::Deadline { fails, breaks } => deadline(component, fails, breaks).await,
            Self::NotStarted => not_started(nursery, component).await,
            Self::Daemon => daemon(nursery, component).await,
            Self::ByAnotherTask => by_another_task(nursery, component).await,
            Self::Forgotten => forgotten(component).await,
            Self::SameFunction => same_function(component).await,
            Self::LogLevel(rank) => log_level(component, rank).await,
        }
    }
}

async fn same_name(component: &str, n: usize) -> Result<()> {
    let mut all: Vec<Portal> = Vec::new();
    nursery(async |nursery| {
        for _ in 0..n {
            all.push(nursery.start_actor(Spec::component(component, "doggy")).await?);
        }
        nursery.cancel("all of you");
        Ok(())
    })
    .await?;
    for (i, portal) in all.iter().enumerate() {
        ensure(
            all[..i].iter().all(|other| other.id() != portal.id()),
            "they are told apart",
        )?;
        let end = portal.closed().await?;
        ensure_eq("how it ended", (end.rung, end.error.is_some()), (Rung::Acked, false))?;
        let again = portal.closed().await?;
        ensure_eq("how it ended, asked again", again.rung, end.rung)?;
        failure("a call to it", portal.call::<String, _>("line", "donny").await)?;
    }
    Ok(())
}

/// It is refused, or joined: in both cases nothing of it is left when the block ends.
async fn one_more(component: &str) -> Result<()> {
    scope(async |tasks| {
        let mut other = None;
        nursery(async |n| {
            let daemon = n.start_actor(Spec::component(component, "daemon")).await?;
            let late = late(n.clone(), daemon, Spec::component(component, "late"));
            other = Some(tasks.spawn(late));
            notes::pin("the body is over");
            Ok(())
        })
        .await?;
        notes::pin("the block is over");
        match other {
            Some(other) => other.await,
            None => ensure(false, "the body was run"),
        }
    })
    .await
}

async fn late(n: Nursery, daemon: Portal, spec: Spec) -> Result<()> {
    notes::wait("the body is over").await?;
    let started = n.start_actor(spec.clone()).await;
    ensure(
        !notes::all().contains(&"the block is over".to_owned()),
        "it waits for the daemon",
    )?;
    if let Ok(late) = &started {
        late.call::<String, _>("line", "donny").await?;
    }
    daemon.cancel_actor("now").await?;
    match started {
        Ok(late) => ensure_eq("how it was ended", late.cancel_actor("you too").await?, Rung::Acked)?,
        Err(error) => ensure_eq("how it was refused", error.kind(), ErrorKind::SpawnFailed)?,
    }
    notes::wait("the block is over").await?;
    failure("one after the end", n.start_actor(spec).await).map(drop)
}

/// As much time as it takes for the child to be at work when the time is up.
async fn deadline(component: &str, fails: bool, breaks: bool) -> Result<()> {
    for time in [200, 2_000, 20_000].map(Duration::from_millis) {
        let mut child = None;
        let work = nursery(async |n| at_work(&n, component, breaks, &mut child).await);
        let end = match fails {
            true => fail_after(time, work).await.map(Some),
            false => move_on_after(time, work).await,
        };
        if let Some(child) = child {
            check_deadline(end, fails, breaks)?;
            return ensure_eq("how the child ended", child.closed().await?.rung, Rung::Acked);
        }
    }
    ensure(false, "the child is at work in time")
}

async fn at_work(n: &Nursery, component: &str, breaks: bool, at_work: &mut Option<Portal>) -> Result<()> {
    let child = n.start_actor(Spec::component(component, "child")).await?;
    let call = async {
        match breaks {
            true => child.call::<String, _>("breaks_down", &()).await.map(drop),
            false => child.call::<(), _>("noted", "never").await,
        }
    };
    let told = async {
        if breaks {
            child.call::<(), _>("noted", "waiting").await?;
        }
        *at_work = Some(child.clone());
        Ok::<_, Error>(())
    };
    let (end, told) = futures_util::join!(call, told);
    end.and(told)
}

fn check_deadline(end: Result<Option<()>>, fails: bool, breaks: bool) -> Result<()> {
    match (end, breaks) {
        (Err(error), true) => ensure_eq(
            "what the child failed with",
            error.message().as_str(),
            "cannot clean up after Deadline",
        ),
        (Err(error), false) if fails => ensure(error.is_elapsed(), format_args!("the time is up, got {error}")),
        (Ok(None), false) if !fails => Ok(()),
        (end, _) => ensure(false, format_args!("it ends by its deadline, got {end:?}")),
    }
}

async fn not_started(n: &Nursery, component: &str) -> Result<()> {
    let error = failure(
        "code nobody knows",
        n.start_actor(Spec::component("nonesuch", "lost")).await,
    )?;
    ensure_eq("the kind", error.kind(), ErrorKind::SpawnFailed)?;
    ensure(
        error.message().contains("`nonesuch`"),
        format_args!("it names what is missing: {error}"),
    )?;
    let granted = Spec::component(component, "lost").endpoints(["nonesuch"]);
    let error = failure("an endpoint nobody has", n.start_actor(granted).await)?;
    ensure_eq("the kind", error.kind(), ErrorKind::SpawnFailed)?;
    let dir = Spec::component(component, "lost").dir("/nonesuch", "/data");
    let error = failure("a folder nobody has", n.start_actor(dir).await)?;
    ensure_eq("the kind", error.kind(), ErrorKind::SpawnFailed)?;
    let end = nursery(async |n| {
        let running = n.run_in_actor::<(), _>(Spec::component("nonesuch", "lost"), "note", "");
        failure("its result", running.result().await).map(drop)
    })
    .await;
    let error = failure("a nursery whose child cannot be run", end)?;
    ensure_eq("the kind", error.kind(), ErrorKind::SpawnFailed)?;
    let child = n.start_actor(Spec::component(component, "found")).await?;
    let line: String = child.call("line", "donny").await?;
    ensure(line.contains("element"), "one that can be started is")?;
    n.cancel("the scenario is over");
    Ok(())
}

async fn daemon(n: &Nursery, component: &str) -> Result<()> {
    let daemon = n.start_actor(Spec::component(component, "daemon")).await?;
    let nothing: Option<String> = daemon.call("word", &None::<String>).await?;
    ensure_eq("the answer", nothing, None)?;
    notes::pin("running");
    notes::wait("never").await
}

async fn by_another_task(n: &Nursery, component: &str) -> Result<()> {
    let (n, component) = (n.clone(), component.to_owned());
    scope(async |tasks| {
        tasks
            .spawn(async move {
                for i in 0..3 {
                    let spec = Spec::component(&component, format!("sleeper-{i}"));
                    _ = n.run_in_actor::<(), _>(spec, "noted", "never");
                }
                notes::pin("running");
                Ok(())
            })
            .await?;
        notes::wait("never").await
    })
    .await
}

async fn forgotten(component: &str) -> Result<()> {
    nursery(async |n| {
        n.start_actor(Spec::component(component, "forgotten")).await?;
        notes::pin("running");
        Ok(())
    })
    .await
}

async fn same_function(component: &str) -> Result<()> {
    let here = current().id().to_string();
    let ten = generation((component.to_owned(), Vec::new())).await?;
    ensure_eq("the result", ten.0, 10)?;
    ensure_eq("where it ran, oldest first", ten.1.first(), Some(&here))?;
    ensure(ten.1.len() == 2 && ten.1[0] != ten.1[1], "the child is another actor")
}

/// The child has the level, its own children have it too, and no more, whatever they are promised.
async fn log_level(component: &str, wanted: u8) -> Result<()> {
    let ranks: Vec<_> = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace]
        .map(|level| rank(Some(level)))
        .to_vec();
    for below in [None].into_iter().chain(ranks.into_iter().map(Some)) {
        let levels = nursery(async |n| {
            let spec = at_level(component, wanted);
            let levels: Vec<u8> = n.run_in_actor(spec, "levels", &(component, below)).result().await?;
            Ok(levels)
        })
        .await?;
        let expected = below.map_or(wanted, |below| below.min(wanted));
        ensure_eq("the child's, and its child's", levels, vec![wanted, expected])?;
    }
    Ok(())
}
