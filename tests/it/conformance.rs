//! The conformance rows about contexts, spawning and cancelling, each with every combination of its
//! parameters, in every pairing of native and guest code.

use steading::Cause;
use steading_tests::artifacts::{CONFORMANCE, NURSERIES};
use steading_tests::scenarios::{CancelBy, Case, Misuse, NotOpened, Raise, Taking};
use steading_tests::{failed, story};

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
        assert!(host.snapshot().is_quiescent());
        Ok(())
    });
}
