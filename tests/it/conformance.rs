//! The conformance rows about contexts, spawning and cancelling, each with every combination of its
//! parameters, in every pairing of native and guest code.

use std::time::Duration;

use futures_util::FutureExt as _;
use steading::{
    Cause, Context, Endpoint, ErrorKind, Host, NativeActor, Result, Rung, current, nursery, sleep, try_current,
};
use steading_tests::artifacts::{CONFORMANCE, NURSERIES, SPIN};
use steading_tests::scenarios::{CancelBy, Case, Closing, Deeds, Failing, Misuse, Mix, NotOpened, Raise, Taking};
use steading_tests::{alive, capture, failed, story, story_with};

use crate::pairings::{check, check_interrupted};

#[test]
fn two_way_1_simple_rpc() {
    let ways = [Taking::Next, Taking::Iteration];
    check(
        ways.into_iter()
            .flat_map(|server| ways.map(|client| Case::TwoWay { server, client })),
    );
}

#[test]
fn ctx_1_started_misuse() {
    let misuses = [Misuse::StartedTwice, Misuse::StreamBeforeStarted, Misuse::NeverStarted];
    check(misuses.map(Case::StartedMisuse));
}

#[test]
fn ctx_3_parent_cancels() {
    let mut cases = Vec::new();
    for by in [CancelBy::Context, CancelBy::Portal] {
        for inside in [true, false] {
            for early in [true, false] {
                cases.push(Case::ParentCancels { by, inside, early });
            }
        }
    }
    check(cases);
}

#[test]
fn ctx_4_child_exits_ctx_after_stream_open() {
    check([false, true].map(|sends_first| Case::ChildExits { sends_first }));
}

#[test]
fn ctx_6_multitask_parent_cancels_from_nonroot_task() {
    check([Case::CancelFromAnotherTask]);
}

#[test]
fn ctx_7_child_cancels_before_started() {
    check([Case::ChildCancelsBeforeStarted]);
}

/// With the default policy a sender waits (semantics 8), so that the row's overruns are cases of their own.
#[test]
fn ctx_8_one_end_stream_not_opened() {
    use NotOpened::{ByCallee, ByCaller, CalleeOverruns, CallerOverruns};
    check([ByCallee, ByCaller, CallerOverruns, CalleeOverruns].map(Case::OneEndNotOpened));
}

#[test]
fn ctx_10_ctx_with_self_actor() {
    check([Case::SelfContext]);
}

#[test]
fn spn_2_movie_theatre_convo() {
    check([Case::MovieTheatre]);
}

#[test]
fn spn_3_most_beautiful_word() {
    check([
        Case::BeautifulWord(Some("cellar door".to_owned())),
        Case::BeautifulWord(None),
    ]);
}

#[test]
fn ipc_1_do_not_swallow_error_before_started() {
    check([Case::ErrorBeforeStarted]);
}

#[test]
fn str_1_dynamic_pub_sub() {
    check([Raise::Timeout, Raise::Error].map(Case::DynamicPubSub));
}

#[test]
fn str_1_dynamic_pub_sub_interrupted() {
    check_interrupted(&Case::DynamicPubSub(Raise::Interrupt));
}

#[test]
fn str_3_both_stream_types() {
    check([Raise::Timeout, Raise::Error].map(Case::BothStreamTypes));
}

#[test]
fn str_3_sigint_both_stream_types() {
    check_interrupted(&Case::BothStreamTypes(Raise::Interrupt));
}

#[test]
fn can_4_cancel_single_subactor_by_its_nursery() {
    check([Case::CancelSingle]);
}

/// CAN-4, the other parameter: the operator interrupts, and that is what leaves the root.
#[test]
fn can_4_cancel_single_subactor_by_an_interrupt() {
    story(async |host| {
        let guest = host.load(CONFORMANCE)?;
        let end = host
            .root(async |n| {
                let portal = n.start_actor(guest.spec("callee")).await?;
                let nothing: Option<String> = portal.call("word", &None::<String>).await?;
                assert_eq!(nothing, None);
                host.interrupt();
                Ok(())
            })
            .await;
        let error = failed(end);
        assert_eq!(
            error.cancellation().map(|c| c.cause.clone()),
            Some(Cause::Interrupt),
            "{error}"
        );
        Ok(())
    });
}

#[test]
fn can_5_cancel_infinite_streamer() {
    check([Case::InfiniteStreamer]);
}

/// RPC-1, the analog. The row lets a function whose caller is gone run to its end; semantics 1 (no scope
/// ends before what it started is dead) and 3 (a block that is left cancels its callee) win. What is left
/// of the row: the callee is accounted for while it runs, and afterwards nothing of it is there.
#[test]
fn rpc_1_rpc_whose_caller_is_gone_leaves_nothing() {
    story(async |host| {
        let code = host.load(NURSERIES)?;
        host.root(async |n| {
            let guest = n.start_actor(code.spec("guest")).await?;
            let call = guest.open_context("wait", &(), async |_: steading::Context<(), ()>, ()| Ok(()));
            // Polled once, the call is on its way; then its caller lets go before any answer can come.
            assert!(futures_util::poll!(std::pin::pin!(call)).is_pending());
            assert_eq!(
                guest.call::<String, _>("who", &()).await?,
                "guest",
                "the actor serves on"
            );
            n.cancel("");
            Ok(())
        })
        .await?;
        host.assert_quiescent();
        Ok(())
    });
}

#[test]
fn can_1_remote_error() {
    check([false, true].map(|arguments| Case::Failing(Failing::Alone { arguments })));
}

#[test]
fn can_2_multierror() {
    check([Case::Failing(Failing::Two)]);
}

/// CAN-3, also where nobody is cancelled for another's sake, so that it is all 25 that are raised.
#[test]
fn can_3_multierror_fast_nursery() {
    check([0, 50].into_iter().flat_map(|delay| {
        [false, true].map(|each_for_itself| Case::Failing(Failing::Fast { delay, each_for_itself }))
    }));
}

#[test]
fn can_6_some_cancels_all() {
    let fails = |delay| Deeds::Fails { delay };
    let mix = |each, once, serving| Case::Failing(Failing::Some(Mix { each, once, serving }));
    check([
        mix(1, fails(0), None),
        mix(2, fails(0), None),
        mix(3, fails(0), None),
        mix(3, Deeds::Waits, Some(fails(0))),
        mix(3, Deeds::Nothing, Some(fails(20))),
        mix(3, fails(20), Some(Deeds::Nothing)),
    ]);
}

/// `tests/cli` has the signal itself.
#[test]
fn can_8_cancel_via_sigint() {
    check_interrupted(&Case::Closing(Closing::Daemon));
}

#[test]
fn can_9_cancel_via_sigint_other_task() {
    check_interrupted(&Case::Closing(Closing::ByAnotherTask));
}

#[test]
fn can_11_fast_graceful_cancel_while_a_daemon_is_waited_for() {
    check_interrupted(&Case::Closing(Closing::Forgotten));
}

/// SPN-1. There is no registrar yet, so what is left to tell apart are the two actors. Of SPN-5 and SPN-6 there
/// is no analog: a child has nothing of its parent's main module to inherit, or to go without.
#[test]
fn spn_1_run_in_actor_same_func_in_child() {
    check([Case::Closing(Closing::SameFunction)]);
}

/// SPN-1, the part that only a host sees: the child is the one child of its parent.
#[test]
fn spn_1_the_child_is_the_one_in_its_parents_table() {
    story(async |host| {
        let code = host.load(CONFORMANCE)?;
        host.root(async |n| {
            let child = n.start_actor(code.spec("sub")).await?;
            let snapshot = host.snapshot();
            let root = snapshot.actors.first().expect("we are in it");
            assert_eq!(root.children, [child.id().clone()]);
            assert_eq!(snapshot.actors[1].parent.as_ref(), Some(&root.id));
            n.cancel("");
            Ok(())
        })
        .await
    });
}

/// SPN-4; `logs.rs` has the lines.
#[test]
fn spn_4_loglevel_propagated_to_subactor() {
    // A host that nobody listens to keeps nothing.
    let _lines = capture();
    check((1..=5).map(|rank| Case::Closing(Closing::LogLevel(rank))));
}

#[test]
fn mpr_4_dup_name_cancel_cascade() {
    check([2, 4, 8].map(|n| Case::Closing(Closing::SameName(n))));
}

#[test]
fn mpr_4_dup_name_cancel_cascade_escalates_to_hard_kill() {
    let impatient = |builder: steading::HostBuilder| builder.cancel_grace(Duration::from_millis(50));
    story_with(impatient, async |host| {
        for n in [2, 4, 8] {
            all_spin(host, n).await?;
            host.assert_quiescent();
        }
        Ok(())
    });
}

async fn all_spin(host: &Host, n: usize) -> Result<()> {
    let code = host.load(SPIN)?;
    let (mut all, mut spinning) = (Vec::new(), 0);
    let end: Result<()> = host
        .root(async |nursery| {
            for _ in 0..n {
                all.push(nursery.start_actor(code.spec("doggy")).await?);
            }
            let spinning = std::sync::Mutex::new(&mut spinning);
            let spin = |portal: &steading::Portal| {
                let (nursery, spinning) = (&nursery, &spinning);
                let body = async move |_: Context<(), ()>, ()| {
                    let all_spin = {
                        let mut spinning = spinning.lock().expect("nobody panics with it");
                        **spinning += 1;
                        **spinning == n
                    };
                    if all_spin {
                        nursery.cancel("all of you");
                    }
                    sleep(Duration::from_secs(3600)).await
                };
                portal.open_context("forever", &(), body).map(drop)
            };
            futures_util::future::join_all(all.iter().map(spin)).await;
            for portal in &all {
                let end = portal.closed().await?;
                assert!(matches!(end.rung, Rung::Trapped | Rung::Killed), "{end:?}");
                failed(portal.call::<(), _>("at_once", &()).await);
            }
            Ok(())
        })
        .await;
    assert_eq!(spinning, n, "all were at it, and then: {end:?}");
    Ok(())
}

/// ROOT-1: in an actor there is no other root, be the actor a root itself, or below one. Beside it there is.
#[test]
fn root_1_only_one_root_actor() {
    story(async |host| {
        let refused = async |host: &Host| {
            let error = failed(host.root(async |_| Ok(())).await);
            assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
            assert!(error.message().contains("a root within an actor"), "{error}");
            assert_eq!(
                error.source_actor(),
                Some(current().id()),
                "it names the actor around it"
            );
        };
        // Taken when it is called: an endpoint that held its host would keep it alive.
        let inner = std::sync::Arc::new(std::sync::Mutex::new(Some(host.clone())));
        let sub = NativeActor::new("sub").endpoint(Endpoint::plain("open_root", move |(): ()| {
            let inner = inner.lock().expect("nobody panics with it").take();
            async move { inner.expect("called once").root(async |_| Ok(())).await }
        }));
        let sub = host.register_native(sub);
        host.root(async |n| {
            refused(host).await;
            let portal = n.start_actor(sub.spec("sub")).await?;
            let error = failed(portal.call::<(), _>("open_root", &()).await);
            assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
            assert_eq!(alive(host), ["root", "sub"], "nothing of it is there");
            let beside = host.clone();
            let beside = tokio::spawn(async move { beside.root(async |_| Ok(current().id().clone())).await });
            let beside = beside.await.expect("it does not panic")?;
            assert_ne!(&beside, current().id(), "a task of the embedder's own may");
            n.cancel("");
            Ok(())
        })
        .await
    });
}

/// ROOT-2: nothing has to be set up before the first nursery. It is always the host's; there is no global one.
#[test]
fn root_2_implicit_root_via_first_nursery() {
    story(async |host| {
        host.root(async |n| {
            assert_eq!(&*current().id().name, "root");
            assert!(format!("{n:?}").contains("root"), "it is the root's nursery: {n:?}");
            assert_eq!(host.snapshot().actors[0].depth, 0);
            Ok(())
        })
        .await
    });
}

/// ROOT-3. The debug flag has no analog yet; what is set and unset is the current actor.
#[test]
fn root_3_runtime_vars_unset() {
    story(async |host| {
        assert!(try_current().is_none());
        host.root(async |_| {
            assert!(try_current().is_some());
            Ok(())
        })
        .await?;
        assert!(try_current().is_none());
        Ok(())
    });
}

/// LOC-1. There is no registrar to ask yet; what cannot be had without a runtime is the current actor.
#[test]
fn loc_1_no_runtime() {
    story(async |_| {
        let here = |call: &dyn Fn()| {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("no actor is here");
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            assert!(
                text.as_deref().is_some_and(|text| text.contains("no actor is here")),
                "{text:?}"
            );
        };
        assert!(try_current().is_none());
        here(&|| drop(current()));
        here(&|| drop(nursery(async |_| Ok(())).now_or_never()));
        here(&|| drop(sleep(Duration::ZERO).now_or_never()));
        Ok(())
    });
}

/// LOC-2 and LOC-3, the part that needs no registrar: a root is called `root`, the host lists it at once, and it
/// has a portal to itself.
#[test]
fn loc_2_and_3_self_is_listed() {
    story(async |host| {
        host.root(async |_| {
            assert_eq!(alive(host), ["root"]);
            let me = current();
            assert_eq!(me.portal().id(), me.id());
            assert_eq!(&host.snapshot().actors[0].id, me.id());
            Ok(())
        })
        .await
    });
}

/// LOC-4: a root is a place to work in, with no child at all.
#[test]
fn loc_4_local_actor_async_func() {
    story(async |host| {
        let numbers = host.root(async |_| {
            let mut numbers = Vec::new();
            for number in 0..10 {
                sleep(Duration::from_millis(1)).await?;
                numbers.push(number);
            }
            Ok(numbers)
        });
        assert_eq!(numbers.await?, (0..10).collect::<Vec<_>>());
        Ok(())
    });
}
