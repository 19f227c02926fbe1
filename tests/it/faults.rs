//! The host fails on purpose, at every operation that a guest imports and wherever else one actor can make it: that
//! actor ends with the fault, all who have to do with it are told, and nobody else notices.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use steading::{ActorId, Code, Context, Error, ErrorKind, Fault, FaultPlan, Host, Nursery, Portal, Result, nursery};
use steading_tests::artifacts::{FAULTS, LOGS};
use steading_tests::{Lines, capture, episode, story, sweep};

/// What an actor does, or suffers, in which the host fails.
const POINTS: [&str; 31] = [
    "context.cancel",
    "context.finish",
    "context.open",
    "context.reject",
    "context.release",
    "context.started",
    "files.blocking",
    "files.operation",
    "instantiate",
    "log.enabled",
    "log.write",
    "nursery.cancel",
    "nursery.cancel-actor",
    "nursery.child-done",
    "nursery.close",
    "nursery.kill-actor",
    "nursery.open",
    "nursery.spawn",
    "runtime.cancel-self",
    "runtime.exited",
    "runtime.now",
    "runtime.on-exit",
    "runtime.parallelism",
    "runtime.self-id",
    "runtime.wake-at",
    "stream.credit",
    "stream.open",
    "stream.send-batch",
    "stream.stop",
    "stdio.write",
    "turn",
];

/// Where the host fails, once.
#[derive(Debug, Default)]
struct Plan(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    victim: &'static str,
    point: &'static str,
    /// Whether it fails again when the actor is to be buried.
    twice: bool,
    happened: bool,
    again: bool,
}

impl Plan {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, victim: &'static str, point: &'static str, twice: bool) {
        *self.lock() = State {
            victim,
            point,
            twice,
            ..State::default()
        };
    }
}

impl FaultPlan for Plan {
    fn before(&self, actor: &ActorId, frame: &'static str) -> Option<Fault> {
        let mut state = self.lock();
        let is_here = state.point == "core" && *actor.name == *state.victim && frame == "Start";
        (is_here && !std::mem::replace(&mut state.happened, true)).then_some(Fault::Panic)
    }

    fn panics(&self, actor: &ActorId, point: &'static str) -> bool {
        let mut state = self.lock();
        if *actor.name != *state.victim {
            return false;
        }
        if point == "bury" {
            return state.twice && !std::mem::replace(&mut state.again, true);
        }
        point == state.point && !std::mem::replace(&mut state.happened, true)
    }
}

/// A host that fails where it is told to, and its guest.
struct Scene<'a> {
    host: &'a Host,
    code: Code,
    plan: &'a Plan,
    lines: &'a Lines,
}

/// Plays scenes over both links. Nothing may be left of any: no actor, and no store.
fn scenes(play: impl AsyncFn(&Scene<'_>)) {
    let (plan, lines) = (Arc::new(Plan::default()), capture());
    let change = |builder: steading::HostBuilder| builder.faults(plan.clone());
    sweep(change, async |host, _| {
        let code = host.load(FAULTS).expect("the guest is fine");
        let scene = Scene {
            host,
            code,
            plan: &plan,
            lines: &lines,
        };
        play(&scene).await;
    });
}

impl Scene<'_> {
    /// A victim, with what is to be done with it, beside a neighbour who answers before and after.
    async fn play(&self, what: &str, with_victim: impl AsyncFnOnce(Nursery, Code) -> Result<()>) -> Result<()> {
        let end = episode(self.host, what, async {
            self.host
                .root(async |n| {
                    let neighbour = n.start_actor(self.code.spec("neighbour")).await?;
                    assert_eq!(neighbour.call::<u64, _>("answer", &1_u64).await?, 2);
                    let end = nursery(async |n| with_victim(n, self.code.clone()).await).await;
                    assert_eq!(neighbour.call::<u64, _>("answer", &2_u64).await?, 3, "after {what}");
                    neighbour.cancel_actor("it was well").await?;
                    Ok(end)
                })
                .await
        });
        let end = end.await.expect("only the victim fails");
        assert_eq!(self.host.lent(), Some(0), "after {what}");
        assert!(self.plan.lock().happened, "it never came to {what}");
        end
    }
}

/// Has everything done that can be, then ends it.
async fn everything(n: Nursery, code: Code) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().display().to_string();
    let victim = n.start_actor(code.spec("victim").dir_writable(path, "/data")).await?;
    let body = async |_: Context<(), ()>, ()| Ok(());
    victim.open_context("everything", &(), body).await?;
    leave(&n, &code, victim).await
}

async fn leave(n: &Nursery, code: &Code, victim: Portal) -> Result<()> {
    victim.cancel_actor("done").await?;
    let victim = n.start_actor(code.spec("victim")).await?;
    victim.call("leave", &()).await
}

/// The fault itself, whoever tells of it.
#[track_caller]
fn is_fault(error: &Error, point: &str) {
    let members = error.members();
    let all = if members.is_empty() {
        std::slice::from_ref(error)
    } else {
        members
    };
    let words = format!("host fault: on purpose, at {point}");
    let told = |error: &Error| error.kind() == ErrorKind::Internal && error.to_string().contains(&words);
    assert!(all.iter().any(told), "at {point}: {error:#}");
}

#[test]
fn a_fault_of_the_hosts_own_ends_the_actor_that_reached_it_and_no_other() {
    scenes(async |scene| {
        for point in POINTS {
            scene.plan.set("victim", point, false);
            let end = scene.play(point, everything).await;
            is_fault(&end.expect_err(point), point);
        }
    });
}

/// The core's lock is held meanwhile.
#[test]
fn a_fault_in_the_middle_of_a_change_poisons_nothing() {
    scenes(async |scene| {
        scene.plan.set("victim", "core", false);
        let end = scene.play("core", everything).await;
        is_fault(&end.expect_err("core"), "core");
    });
}

/// It has just said what its panic was; of both, the fault is what its actor dies of.
#[test]
fn a_fault_while_a_guest_says_why_it_panics_is_one_end_and_not_two() {
    scenes(async |scene| {
        scene.plan.set("victim", "runtime.panicked", false);
        let panics = async |n: Nursery, code: Code| {
            let victim = n.start_actor(code.spec("victim")).await?;
            victim.call::<(), _>("panics", &()).await
        };
        let end = scene.play("runtime.panicked", panics).await;
        is_fault(&end.expect_err("it panics"), "runtime.panicked");
    });
}

#[test]
fn a_fault_while_a_store_is_dropped_is_written_down_and_nothing_else() {
    scenes(async |scene| {
        scene.plan.set("victim", "drop", false);
        let alone = async |n: Nursery, code: Code| {
            let victim = n.start_actor(code.spec("victim")).await?;
            assert_eq!(victim.call::<u64, _>("answer", &1_u64).await?, 2);
            victim.cancel_actor("done").await.map(drop)
        };
        scene
            .play("drop", alone)
            .await
            .expect("it had ended as it was asked to");
        let line = scene.lines.find("host fault: on purpose, at drop");
        assert!(format!("{line:?}").contains("victim"), "{line:?}");
    });
}

/// Its children are ended by force, its callers are told, its parent hears that it is gone.
#[test]
fn who_cannot_even_be_buried_is_given_up() {
    scenes(async |scene| {
        for point in ["turn", "context.open", "nursery.close", "core"] {
            scene.plan.set("victim", point, true);
            let end = scene.play(point, everything).await;
            assert!(scene.plan.lock().again, "at {point}");
            is_fault(&end.expect_err(point), point);
        }
    });
}

/// Nothing of them was read, so its core knows nothing of them.
#[test]
fn calls_that_came_to_one_who_is_given_up_are_answered() {
    scenes(async |scene| {
        scene.plan.set("victim", "core", true);
        let heard = AtomicBool::new(false);
        let several = async |n: Nursery, code: Code| {
            let victim = n.start_actor(code.spec("victim")).await?;
            let [one, other, third] = [1, 2, 3_u64].map(|n| victim.call::<u64, _>("answer", &n));
            let (one, other, third) = tokio::join!(one, other, third);
            for end in [one, other, third] {
                is_fault(&end.expect_err("it is gone"), "core");
            }
            heard.store(true, Relaxed);
            Ok(())
        };
        let end = scene.play("calls to nobody", several).await;
        is_fault(&end.expect_err("its death is its nursery's"), "core");
        assert!(heard.load(Relaxed) && scene.plan.lock().again);
    });
}

/// Of several that wait for it, each is told.
#[test]
fn all_who_call_the_actor_hear_of_it() {
    scenes(async |scene| {
        scene.plan.set("victim", "runtime.cancel-self", false);
        let heard = AtomicBool::new(false);
        let several = async |n: Nursery, code: Code| {
            let victim = n.start_actor(code.spec("victim")).await?;
            let waits = [victim.call::<(), _>("wait", &()), victim.call::<(), _>("wait", &())];
            let leaves = victim.call::<(), _>("leave", &());
            let [one, other] = waits;
            let (one, other, leaves) = tokio::join!(one, other, leaves);
            for end in [one, other, leaves] {
                is_fault(&end.expect_err("it is over"), "runtime.cancel-self");
            }
            heard.store(true, Relaxed);
            Ok(())
        };
        let end = scene.play("several calls", several).await;
        is_fault(&end.expect_err("its death is its nursery's"), "runtime.cancel-self");
        assert!(heard.load(Relaxed));
    });
}

/// Whoever writes the log may fail as the host may: at what a guest says, and again where the host tells of it.
#[test]
fn a_log_that_fails_ends_whom_it_fails_at_and_loses_nobody() {
    story(async |host| {
        let lines = capture();
        let code = host.load(LOGS)?;
        let end = host.root(async |n| {
            let neighbour = n.start_actor(code.spec("neighbour")).await?;
            lines.panic_at("fatal");
            let end = nursery(async |n| {
                let victim = n.start_actor(code.spec("victim")).await?;
                let calls = [(); 2].map(|()| victim.call::<(), _>("say", &"fatal"));
                let [one, other] = calls;
                let (one, other) = tokio::join!(one, other);
                Ok::<_, Error>([one, other].map(|end| end.expect_err("its lines cannot be written")))
            });
            let end = end.await.expect_err("its death is its nursery's");
            neighbour.call::<(), _>("say", &"still here").await?;
            n.cancel("");
            Ok(end)
        });
        let end = end.await?;
        assert!(end.to_string().contains("cannot write `fatal`"), "{end:#}");
        lines.find("stdout says still here");
        Ok(())
    });
}
