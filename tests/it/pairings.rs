//! Runs conformance cases in every pairing of native and guest code.
//!
//! Who calls is a native root, a native actor, or a guest; who is called is a guest, or a native actor
//! with the same functions. Everything is told over both kinds of link, and nothing may be left behind.

use std::time::{Duration, Instant};

use futures_util::future::join;
use steading::{Cause, Endpoint, Error, Host, HostBuilder, NativeActor, Result, Spec, nursery};
use steading_tests::artifacts::CONFORMANCE;
use steading_tests::scenarios::{Case, GUEST, NATIVE, callee};
use steading_tests::story_with;

/// What is told here is who ends what. That a busy machine is late must not bring the ladder into it.
const GRACE: Duration = Duration::from_secs(10);

fn patient(builder: HostBuilder) -> HostBuilder {
    builder.cancel_grace(GRACE)
}

/// Runs every case in every pairing, over both kinds of link, and tells of all that failed.
pub(crate) fn check(cases: impl IntoIterator<Item = Case>) {
    let cases: Vec<_> = cases.into_iter().collect();
    story_with(patient, async |host| {
        load(host)?;
        let mut missed = Vec::new();
        for case in &cases {
            for callee in [GUEST, NATIVE] {
                let mut told = |caller: &str, end: Result<()>| match end {
                    Ok(()) => {}
                    Err(error) => missed.push(format!("{caller} → {callee}: {case:?}: {error:#}")),
                };
                told("root", from_root(host, case, callee).await);
                for caller in [GUEST, NATIVE] {
                    told(caller, inside(host, case, caller, callee).await);
                }
            }
        }
        match missed.is_empty() {
            true => Ok(()),
            false => Err(Error::msg(missed.join("\n"))),
        }
    });
}

/// Runs a case that never ends by itself in every pairing; the operator interrupts it once it is running,
/// and that is what leaves the root.
pub(crate) fn check_interrupted(case: &Case) {
    story_with(patient, async |host| {
        load(host)?;
        let begun = Instant::now();
        for callee in [GUEST, NATIVE] {
            interrupted(case, callee, interrupted_root(host, case, callee).await)?;
            for caller in [GUEST, NATIVE] {
                interrupted(case, callee, interrupted_inside(host, case, caller, callee).await)?;
            }
        }
        assert!(begun.elapsed() < GRACE, "nobody had to be ended by force");
        Ok(())
    });
}

async fn interrupted_root(host: &Host, case: &Case, callee: &str) -> Result<()> {
    host.root(async |n| {
        let interrupt = async {
            callee::noted("running".to_owned()).await?;
            host.interrupt();
            Ok::<_, Error>(())
        };
        join(case.run(&n, callee), interrupt).await.0
    })
    .await
}

async fn interrupted_inside(host: &Host, case: &Case, caller: &str, callee: &str) -> Result<()> {
    host.root(async |n| {
        let caller = n.start_actor(Spec::component(caller, "caller")).await?;
        let interrupt = async {
            caller.call::<(), _>("noted", "running").await?;
            host.interrupt();
            Ok::<_, Error>(())
        };
        join(caller.call("run", &(case, callee)), interrupt).await.0
    })
    .await
}

fn interrupted(case: &Case, callee: &str, end: Result<()>) -> Result<()> {
    match end {
        Err(error) if error.cancellation().is_some_and(|c| c.cause == Cause::Interrupt) => Ok(()),
        end => Err(Error::msg(format_args!(
            "{case:?} with {callee}: the interrupt leaves, got {end:?}"
        ))),
    }
}

/// Makes both kinds of actor known to the host.
pub(crate) fn load(host: &Host) -> Result<()> {
    host.load_as(GUEST, CONFORMANCE)?;
    host.register_native(native());
    Ok(())
}

/// A native root is the caller.
async fn from_root(host: &Host, case: &Case, callee: &str) -> Result<()> {
    host.root(async |n| case.run(&n, callee).await).await
}

/// An actor is the caller.
async fn inside(host: &Host, case: &Case, caller: &str, callee: &str) -> Result<()> {
    host.root(async |n| {
        let caller = n.start_actor(Spec::component(caller, "caller")).await?;
        caller.call::<(), _>("run", &(case, callee)).await?;
        n.cancel("the case is over");
        Ok(())
    })
    .await
}

/// The guest `conformance`, natively.
fn native() -> NativeActor {
    NativeActor::new(NATIVE)
        .endpoint(Endpoint::plain("run", run))
        .endpoint(Endpoint::context("pong", callee::pong))
        .endpoint(Endpoint::context("misuse", callee::misuse))
        .endpoint(Endpoint::context("yo", callee::yo))
        .endpoint(Endpoint::plain("line", callee::line))
        .endpoint(Endpoint::plain("word", callee::word))
        .endpoint(Endpoint::context("infinite", callee::infinite))
        .endpoint(Endpoint::context("brief", callee::brief))
        .endpoint(Endpoint::context("echo", callee::echo))
        .endpoint(Endpoint::context("cancels_first", callee::cancels_first))
        .endpoint(Endpoint::context("never_opens", callee::never_opens))
        .endpoint(Endpoint::context("never_takes", callee::never_takes))
        .endpoint(Endpoint::context("floods", callee::floods))
        .endpoint(Endpoint::context("numbers", callee::numbers))
        .endpoint(Endpoint::context("fails_to_start", callee::fails_to_start))
        .endpoint(Endpoint::context("consume", callee::consume))
        .endpoint(Endpoint::context("tracks", callee::tracks))
        .endpoint(Endpoint::context("says", callee::says))
        .endpoint(Endpoint::context("checks", callee::checks))
        .endpoint(Endpoint::context("talks", callee::talks))
        .endpoint(Endpoint::plain("fail", callee::fail))
        .endpoint(Endpoint::plain("relay", callee::relay))
        .endpoint(Endpoint::plain("delegate", callee::delegate))
        .endpoint(Endpoint::context("subject", callee::subject))
        .endpoint(Endpoint::context("give_up", callee::give_up))
        .endpoint(Endpoint::plain("die", callee::die))
        .endpoint(Endpoint::plain("troubled", callee::troubled))
        .endpoint(Endpoint::plain("resign", callee::resign))
        .endpoint(Endpoint::plain("fails_after", callee::fails_after))
        .endpoint(Endpoint::plain("breaks_down", callee::breaks_down))
        .endpoint(Endpoint::plain("generation", callee::generation))
        .endpoint(Endpoint::plain("levels", callee::levels))
        .endpoint(Endpoint::plain("level", callee::level))
        .endpoint(Endpoint::plain("hooked", callee::hooked))
        .endpoint(Endpoint::plain("lingers", callee::lingers))
        .endpoint(Endpoint::plain("note", callee::note))
        .endpoint(Endpoint::plain("noted", callee::noted))
        .endpoint(Endpoint::plain("notes", callee::notes))
}

async fn run((case, callee): (Case, String)) -> Result<()> {
    nursery(async |n| case.run(&n, &callee).await).await
}
