//! What the host sees of actors: the tree, and what every task waits for, whatever its guest does.

use steading::config::Workers;
use steading::{ActorStatus, Context, Either, Host, Result, Snapshot, TaskStatus, Wait, race};
use steading_tests::artifacts::{CONFORMANCE, NURSERIES, SPIN};
use steading_tests::{story, story_with, with_actor};

/// Looks until it is so.
async fn eventually<T>(host: &Host, look: impl Fn(&Snapshot) -> Option<T>) -> T {
    loop {
        if let Some(seen) = look(&host.snapshot()) {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

fn actor<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a ActorStatus> {
    snapshot.actors.iter().find(|actor| &*actor.id.name == name)
}

/// The one task of this actor.
fn task<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a TaskStatus> {
    match &actor(snapshot, name)?.tasks[..] {
        [task] => Some(task),
        _ => None,
    }
}

/// Waits until the task of this actor waits for just this.
async fn waits_for(host: &Host, name: &str, expected: &[Wait]) {
    eventually(host, |snapshot| (task(snapshot, name)?.waits == expected).then_some(())).await;
}

#[test]
fn a_task_that_sleeps_waits_for_a_timer() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let wait = guest.open_context("wait", &(), async |ctx: Context<(), ()>, ()| {
                let due = eventually(host, |snapshot| match task(snapshot, "guest")?.waits[..] {
                    [Wait::Timer(due)] => Some(due),
                    _ => None,
                });
                assert!(due.await.as_secs() > 3500, "an hour from its call");
                ctx.cancel("seen").await;
                Ok(())
            });
            wait.await
        })
        .await
    });
}

#[test]
fn a_task_that_receives_waits_for_a_message() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let count = guest.open_context("increment", &(), async |ctx: Context<u64, u64>, ()| {
                let root = eventually(host, |snapshot| Some(actor(snapshot, "root")?.id.clone())).await;
                waits_for(host, "guest", &[Wait::Message { actor: root }]).await;
                ctx.stream(async |stream| {
                    stream.stop();
                    Ok(())
                })
                .await?;
                ctx.wait_result::<u64>().await
            });
            assert_eq!(count.await?, 0);
            Ok(())
        })
        .await
    });
}

#[test]
fn a_task_that_may_not_send_waits_for_credit() {
    story(async |host| {
        with_actor(host, CONFORMANCE, async |guest| {
            let body = async |ctx: Context<(), u64>, ()| {
                let root = eventually(host, |snapshot| Some(actor(snapshot, "root")?.id.clone())).await;
                waits_for(host, "guest", &[Wait::Credit { actor: root }]).await;
                let snapshot = host.snapshot();
                let sender = actor(&snapshot, "guest").expect("it is alive").contexts[0].clone();
                assert_eq!((sender.state, sender.credit), ("streaming", 0));
                let tree = snapshot.tree().with_tasks().to_string();
                let stream = |of: &str, figures: &str| {
                    let line = tree
                        .lines()
                        .find(|line| line.contains(of))
                        .unwrap_or_else(|| panic!("{tree}"));
                    assert!(line.ends_with(figures), "{line}");
                };
                stream(
                    "stream of `infinite` with root",
                    ": may send 0 messages, 1023 KiB; 0 not read, 0 B",
                );
                stream(
                    "stream of `infinite` with guest",
                    ": may send 64 messages, 1024 KiB; 64 not read, 104 B",
                );
                ctx.cancel("seen").await;
                Ok(())
            };
            guest.open_context("infinite", &(), body).await
        })
        .await
    });
}

#[test]
fn tasks_of_a_tree_wait_for_results_and_for_their_children() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let body = async |ctx: Context<(), ()>, ()| {
                let snapshot = eventually(host, |snapshot| {
                    let sleeps = matches!(task(snapshot, "level-1")?.waits[..], [Wait::Timer(_)]);
                    sleeps.then(|| snapshot.clone())
                });
                let snapshot = snapshot.await;
                for (name, below) in [("guest", "level-2"), ("level-2", "level-1")] {
                    let below = actor(&snapshot, below).expect("it is alive").id.clone();
                    let result = Wait::Result {
                        endpoint: Some("nested_wait".into()),
                        actor: below.clone(),
                    };
                    let task = task(&snapshot, name).expect("one task");
                    assert_eq!(task.waits, [result, Wait::Children(vec![below])], "{snapshot:#}");
                }
                check_tree(&snapshot);
                ctx.cancel("seen").await;
                Ok(())
            };
            guest.open_context("nested_wait", &2, body).await
        })
        .await
    });
}

/// Four actors, one below the other.
fn check_tree(snapshot: &Snapshot) {
    let names: Vec<_> = snapshot.actors.iter().map(|actor| &*actor.id.name).collect();
    assert_eq!(names, ["root", "guest", "level-2", "level-1"]);
    for pair in snapshot.actors.windows(2) {
        assert_eq!(pair[1].parent.as_ref(), Some(&pair[0].id));
        assert_eq!(pair[0].children, [pair[1].id.clone()]);
        assert_eq!(pair[1].depth, pair[0].depth + 1);
        assert!(pair[1].age <= pair[0].age);
        assert!(pair[1].turns > 0 && !pair[1].cpu.is_zero(), "{snapshot}");
        assert!((1..=pair[1].memory_limit).contains(&pair[1].memory), "{snapshot}");
        assert!(pair[1].endpoints.iter().any(|name| name == "nested_wait"));
    }
    let text = snapshot.to_string();
    let stems: Vec<_> = text
        .lines()
        .map(|line| line.split('@').next().unwrap_or_default())
        .collect();
    assert_eq!(stems, ["root", "└─ guest", "   └─ level-2", "      └─ level-1"]);
}

#[test]
fn a_guest_that_spins_is_seen_to_run_and_calls_of_it_to_wait() {
    let dedicated = |builder: steading::HostBuilder| builder.workers(Workers::Dedicated(1));
    story_with(dedicated, async |host| {
        let end: Result<()> = with_actor(host, SPIN, async |guest| {
            let body = async |_: Context<(), ()>, ()| {
                eventually(host, |snapshot| actor(snapshot, "guest")?.running).await;
                let call = guest.call::<(), _>("at_once", &());
                let seen = eventually(host, |snapshot| {
                    let waits = &task(snapshot, "root")?.waits;
                    let endpoint = Some("at_once".to_owned());
                    let accepts = |wait: &Wait| matches!(wait, Wait::Acceptance { endpoint: e, .. } if *e == endpoint);
                    let spins =
                        actor(snapshot, "guest")?.running.is_some() && task(snapshot, "guest")?.waits.is_empty();
                    (spins && waits.iter().any(accepts)).then(|| snapshot.clone())
                });
                let Either::Right(snapshot) = race(call, seen).await else {
                    panic!("a guest that spins answers nobody")
                };
                assert!(
                    format!("{snapshot:#}").contains("task `forever`, called by root@"),
                    "{snapshot:#}"
                );
                assert!(format!("{snapshot:#}").contains(": may be what runs"), "{snapshot:#}");
                guest.cancel_actor("seen").await.map(drop)
            };
            guest.open_context("forever", &(), body).await
        })
        .await;
        assert!(end.is_err(), "it was ended by force");
        Ok(())
    });
}

#[test]
fn ended_actors_are_remembered_as_far_as_the_host_was_asked_to() {
    story_with(
        |builder| builder.history(2),
        async |host| {
            with_actor(host, NURSERIES, async |guest| guest.call::<u32, _>("nested", &3).await).await?;
            let snapshot = host.snapshot();
            let ended: Vec<_> = snapshot.ended.iter().map(|actor| &*actor.id.name).collect();
            assert_eq!(ended, ["guest", "root"], "children end before their parents");
            let totals = snapshot.totals();
            let names: Vec<_> = totals.iter().map(|totals| &*totals.name).collect();
            assert_eq!(
                names,
                ["guest", "level-1", "level-2", "level-3", "root"],
                "none is lost from the sums"
            );
            assert!(
                totals
                    .iter()
                    .all(|totals| totals.actors == 1 && totals.alive == 0 && totals.turns > 0)
            );
            assert!(snapshot.is_quiescent() && snapshot.tree().with_ended().to_string().contains("└─ guest@"));
            Ok(())
        },
    );
}
