//! The embedder's door: roots, interrupts, and what is left when a root is dropped.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use steading::{Cause, Context, Error, Host, Result, sleep};
use steading_tests::artifacts::{NURSERIES, VALUES};
use steading_tests::{alive, failed, story};

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_root_returns_what_its_body_returns() {
    story(async |host| {
        assert_eq!(host.root(async |_| Ok(42)).await?, 42);
        assert_eq!(
            failed(host.root(async |_| Err::<(), _>(Error::msg("no"))).await).message(),
            "no"
        );
        Ok(())
    });
}

#[test]
fn roots_run_side_by_side() {
    story(async |host| {
        let code = host.load(VALUES)?;
        let add = async |a: i64| {
            host.root(async |n| {
                let guest = n.start_actor(code.spec("guest")).await?;
                let sum: i64 = guest.call("add", &(a, 1)).await?;
                n.cancel("");
                Ok(sum)
            })
            .await
        };
        let (one, two, three) = futures_util::try_join!(add(1), add(2), add(3))?;
        assert_eq!((one, two, three), (2, 3, 4));
        Ok(())
    });
}

/// A tree of nine actors under a root; `ripe` is called when all are up.
async fn tree(host: &Host, ripe: impl AsyncFnOnce()) -> Result<()> {
    let code = host.load(NURSERIES)?;
    host.root(async |n| {
        let guest = n.start_actor(code.spec("guest")).await?;
        let body = async |_: Context<(), ()>, ()| {
            assert_eq!(alive(host).len(), 10, "{:?}", alive(host));
            ripe().await;
            sleep(LONG).await
        };
        guest.open_context("nested_wait", &8, body).await
    })
    .await
}

#[test]
fn an_interrupt_cancels_the_tree_and_names_its_cause() {
    story(async |host| {
        let error = failed(tree(host, async || host.interrupt()).await);
        assert_eq!(
            error.cancellation().map(|c| c.cause.clone()),
            Some(Cause::Interrupt),
            "{error}"
        );
        host.assert_quiescent();
        Ok(())
    });
}

#[test]
fn what_is_alive_where_nothing_should_be_is_named() {
    story(async |host| {
        host.assert_quiescent();
        let end = tree(host, async || {
            let found = std::panic::catch_unwind(AssertUnwindSafe(|| host.assert_quiescent()));
            let text = *found
                .expect_err("ten are alive")
                .downcast::<String>()
                .expect("it is text");
            assert!(text.contains("10 actors are alive"), "{text}");
            assert!(
                text.contains("level-8") && text.contains("task `nested_wait`"),
                "{text}"
            );
            host.interrupt();
        });
        failed(end.await);
        host.assert_quiescent();
        Ok(())
    });
}

#[test]
fn a_kill_ends_the_tree_at_once() {
    story(async |host| {
        failed(tree(host, async || host.kill()).await);
        host.assert_quiescent();
        Ok(())
    });
}

#[test]
fn a_dropped_root_is_torn_down_in_the_background() {
    story(async |host| {
        let (ripe, is_ripe) = tokio::sync::oneshot::channel();
        let tree = tree(host, async || ripe.send(()).unwrap_or_default());
        futures_util::select! {
            end = std::pin::pin!(tree.fuse()) => panic!("it waits for ever, and ended: {end:?}"),
            // Dropping `tree` is what the story is about.
            _ = is_ripe.fuse() => {}
        }
        host.wait_quiescent().await;
        host.assert_quiescent();
        Ok(())
    });
}

#[test]
fn a_root_whose_body_panics_is_torn_down_all_the_same() {
    story(async |host| {
        let tree = tree(host, async || panic!("the embedder's own"));
        assert!(AssertUnwindSafe(tree).catch_unwind().await.is_err());
        host.wait_quiescent().await;
        host.assert_quiescent();
        Ok(())
    });
}
