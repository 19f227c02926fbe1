//! How nurseries end, and actors that do not want to (semantics 10).

use std::collections::HashMap;
use std::time::Duration;

use steading::{
    Cause, Context, Error, ErrorKind, Host, HostBuilder, Nursery, Portal, Result, Rung, Spec, Supervisor, cancelled,
    move_on_after, nursery, shield, sleep,
};
use steading_tests::artifacts::{NURSERIES, SPIN, VALUES};
use steading_tests::scenarios::{Case, Closing, Failing, GUEST, NATIVE};
use steading_tests::{alive, failed, story, story_with, with_actor};

use crate::pairings::{check, load};

#[test]
fn a_child_that_is_started_while_its_nursery_closes_is_refused_or_joined() {
    check([Case::Closing(Closing::OneMore)]);
}

#[test]
fn a_cancelled_child_that_fails_while_it_cleans_up_is_heard() {
    check([Case::Failing(Failing::InCleanup)]);
}

#[test]
fn a_deadline_ends_a_nursery_and_its_children_are_told_of_it() {
    let mut cases = Vec::new();
    for fails in [false, true] {
        cases.extend([false, true].map(|breaks| Case::Closing(Closing::Deadline { fails, breaks })));
    }
    check(cases);
}

#[test]
fn what_cannot_be_started_is_typed_and_leaves_no_state() {
    check([Case::Closing(Closing::NotStarted)]);
}

/// A component that the host knows and that cannot be made an instance: it needs more memory than it may have.
/// That is found when its parent has it as a child already, and is this child's failure: as any, it ends the
/// nursery, unless its strategy says otherwise.
#[test]
fn what_cannot_be_instantiated_is_typed_and_leaves_no_state() {
    story(async |host| {
        let code = host.load(VALUES)?;
        let end: Result<()> = host
            .root(async |n| {
                let end = n.start_actor(code.spec("small").memory(1 << 16)).await;
                Err(failed(end))
            })
            .await;
        let error = failed(end);
        assert_eq!(error.members().len(), 1, "told once: {error}");
        assert_eq!(error.kind(), ErrorKind::Limit("memory".into()), "{error}");
        host.assert_quiescent();
        Ok(())
    });
}

/// Names are written to terminals and logs.
#[test]
fn names_that_could_drive_a_terminal_are_refused_and_shown_without_doing_so() {
    story(async |host| {
        let code = host.load(VALUES)?;
        host.root(async |n| {
            for (name, why) in [("x\n\u{1b}[2J", "control characters"), (&*"n".repeat(300), "300 bytes")] {
                let error = failed(n.start_actor(code.spec(name)).await);
                assert_eq!(error.kind(), ErrorKind::SpawnFailed);
                let text = error.to_string();
                assert!(text.contains(why) && !text.contains(char::is_control), "{text:?}");
                assert!(text.len() < 500, "{} bytes", text.len());
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn actors_have_a_limit_that_is_named() {
    story_with(
        |builder| builder.max_actors(2),
        async |host| {
            let code = host.load(VALUES)?;
            let block = async |n: Nursery| {
                for name in ["first", "second"] {
                    n.start_actor(code.spec(name)).await?;
                }
                let error = failed(n.start_actor(code.spec("third")).await);
                assert_eq!(error.kind(), ErrorKind::Limit("actors".into()), "{error}");
                assert!(error.to_string().contains("made for 2 guests at once"), "{error}");
                assert_eq!(alive(host), ["root", "first", "second"]);
                n.cancel("");
                Ok(())
            };
            host.root(async |_| Supervisor::one_for_one().run(block).await).await
        },
    );
}

/// Sixteen levels of eight, of which one has the next level.
#[test]
fn a_deep_tree_is_torn_down_children_first() {
    const LEVELS: u32 = 16;
    const FAN: u32 = 8;
    story_with(
        |builder| builder.history(256).cancel_grace(Duration::from_secs(20)),
        async |host| {
            let code = host.load(NURSERIES)?;
            let end: Result<()> = host
                .root(async |n| {
                    for leaf in 1..FAN {
                        n.start_actor(code.spec(&format!("leaf-{leaf}"))).await?;
                    }
                    let top = n.start_actor(code.spec("top")).await?;
                    let body = async |_: Context<(), ()>, ()| {
                        assert_eq!(host.snapshot().actors.len() as u32, 1 + LEVELS * FAN);
                        host.interrupt();
                        sleep(Duration::from_secs(3600)).await
                    };
                    top.open_context("bushy", &(LEVELS - 1, FAN), body).await
                })
                .await;
            assert_eq!(
                failed(end).cancellation().map(|c| c.cause.clone()),
                Some(Cause::Interrupt)
            );
            host.assert_quiescent();
            let ended = host.snapshot().ended;
            let place: HashMap<_, _> = ended.iter().enumerate().map(|(i, actor)| (&actor.id, i)).collect();
            let below: Vec<_> = ended
                .iter()
                .filter_map(|actor| Some((&actor.id, actor.parent.as_ref()?)))
                .collect();
            assert_eq!(below.len() as u32, LEVELS * FAN, "all are remembered");
            for (child, parent) in below {
                assert!(place[child] < place[parent], "{child} ends before {parent}");
            }
            assert!(
                ended.iter().all(|actor| actor.end.as_deref() == Some("acked")),
                "nobody was forced"
            );
            Ok(())
        },
    );
}

fn slow(builder: HostBuilder) -> HostBuilder {
    builder.cancel_grace(Duration::from_secs(600))
}

#[test]
fn a_spinning_actor_that_is_given_a_time_is_trapped_when_it_is_over() {
    story_with(slow, async |host| {
        let end = with_actor(host, SPIN, async |guest| {
            let body = async |_: Context<(), ()>, ()| {
                let rung = guest.cancel_actor_within("enough", Duration::from_millis(20)).await?;
                assert_eq!(rung, Rung::Trapped);
                Ok(())
            };
            guest.open_context("forever", &(), body).await
        });
        failed(end.await);
        Ok(())
    });
}

/// Plays a body with an actor that does not end when it is asked to, as a guest and as a native; how its root ends.
async fn each_lingering(host: &Host, body: impl AsyncFn(&str, &Portal) -> Result<()>) -> Result<Vec<Result<()>>> {
    load(host)?;
    let mut ends = Vec::new();
    for component in [GUEST, NATIVE] {
        let end = host.root(async |n| {
            let actor = n.start_actor(Spec::component(component, "lingers")).await?;
            actor.call::<(), _>("lingers", &()).await?;
            body(component, &actor).await
        });
        ends.push(end.await);
        host.assert_quiescent();
    }
    Ok(ends)
}

/// It waits, so there is nothing to interrupt: its store is dropped, or it is trapped when it is told.
#[test]
fn an_idle_actor_that_does_not_end_in_its_time_is_ended_by_force() {
    story_with(slow, async |host| {
        let ends = each_lingering(host, async |component, actor| {
            let rung = actor.cancel_actor_within("enough", Duration::from_millis(20)).await?;
            assert!(matches!(rung, Rung::Trapped | Rung::Killed), "{component}: {rung:?}");
            let end = actor.closed().await?;
            assert_eq!(end.rung, rung, "{component}: asked again");
            Ok(())
        });
        // Whether an end by force is a failure too is not what is told here.
        ends.await.map(drop)
    });
}

/// The second Ctrl-C: what was asked is not waited for any more.
#[test]
fn force_after_an_interrupt_does_not_wait_for_the_grace() {
    story_with(slow, async |host| {
        let ends = each_lingering(host, async |_, _| {
            host.interrupt();
            // Once more is heard as one.
            host.interrupt();
            assert_eq!(cancelled().await.cause, Cause::Interrupt);
            host.kill();
            sleep(Duration::from_secs(3600)).await
        });
        for end in ends.await? {
            failed(end);
        }
        Ok(())
    });
}

/// A task that was cancelled from outside has its children told by whom: only the host knows.
#[test]
fn children_are_told_who_cancelled_the_task_of_their_nursery() {
    story(async |host| {
        let code = host.load(NURSERIES)?;
        let mut told = None;
        let end: Result<()> = host
            .root(async |n| {
                let child = n.start_actor(code.spec("guest")).await?;
                let body = async |ctx: Context<(), ()>, ()| {
                    host.interrupt();
                    let end = shield(ctx.wait_result::<()>()).await;
                    told = end.as_ref().err().and_then(Error::cancellation).cloned();
                    end
                };
                child.open_context("nested_wait", &0, body).await
            })
            .await;
        assert_eq!(
            failed(end).cancellation().map(|c| c.cause.clone()),
            Some(Cause::Interrupt)
        );
        assert_eq!(told.map(|c| c.cause), Some(Cause::Interrupt));
        Ok(())
    });
}

/// Nothing but daemons, which would wait for ever: the time of the nursery is theirs as well.
#[test]
fn a_nursery_of_daemons_ends_by_its_deadline() {
    story(async |host| {
        let code = host.load(NURSERIES)?;
        host.root(async |_| {
            let block = nursery(async |n| {
                for child in 0..3 {
                    n.start_actor(code.spec(&format!("daemon-{child}"))).await?;
                }
                Ok(())
            });
            assert_eq!(move_on_after(Duration::from_millis(50), block).await?, None);
            assert_eq!(alive(host), ["root"]);
            Ok(())
        })
        .await
    });
}
