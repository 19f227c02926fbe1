//! Exit hooks, in every pairing of native and guest code, and those of a root.

use steading::{Cause, Error, ErrorKind, Rung, Spec, on_exit};
use steading_tests::scenarios::{Case, GUEST, Leaving, NATIVE};
use steading_tests::{failed, story};

use crate::pairings::{check, load};

#[test]
fn hooks_run_on_every_way_out_the_code_survives() {
    use Leaving::{ByItself, ByNursery, ByPortal, Dies, RunOnce};
    check([ByPortal, ByNursery, ByItself, RunOnce, Dies].map(Case::Leaving));
}

#[test]
fn a_hook_that_does_not_end_is_cut_short_and_told_of() {
    story(async |host| {
        load(host)?;
        for component in [GUEST, NATIVE] {
            let end = host
                .root(async |n| {
                    let actor = n.start_actor(Spec::component(component, "lingers")).await?;
                    actor.call::<(), _>("lingers", &()).await?;
                    assert_eq!(
                        actor.cancel_actor("enough").await?,
                        Rung::Acked,
                        "{component}: no force"
                    );
                    Ok(())
                })
                .await;
            assert_eq!(failed(end).kind(), ErrorKind::CancelTimeout, "{component}");
        }
        Ok(())
    });
}

#[test]
fn a_panic_in_a_hook_of_a_root_is_the_roots_failure() {
    story(async |host| {
        let end = host.root(async |_| {
            on_exit(async || panic!("in the hook"))?;
            Ok(())
        });
        let error = failed(end.await);
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert!(error.message().contains("in the hook"), "{error}");
        Ok(())
    });
}

#[test]
fn hooks_of_a_root_run_last_and_their_failure_is_the_roots() {
    story(async |host| {
        let error = Error::msg("could not save");
        let raised = error.clone();
        let end = host.root(async |_| {
            on_exit(|| async { Err(raised) })?;
            Ok("done")
        });
        assert!(failed(end.await).is_same(&error));
        let end = host.root(async |_| {
            on_exit(|| async { Err(Error::msg("second")) })?;
            Err::<(), _>(Error::msg("first"))
        });
        assert_eq!(failed(end.await).message(), "first", "the body's own comes first");
        let end = host.root(async |_| {
            on_exit(|| async { Ok(()) })?;
            host.interrupt();
            steading::cancelled().await;
            steading::checkpoint()
        });
        let cancellation = failed(end.await).cancellation().map(|c| c.cause.clone());
        assert_eq!(
            cancellation,
            Some(Cause::Interrupt),
            "a hook that ends well changes nothing"
        );
        Ok(())
    });
}
