//! A guest that never waits is a matter for the ladder, never a hang (semantics 10).

use std::time::Duration;

use steading::config::Workers;
use steading::{Context, ErrorKind, Host, HostBuilder, Result, Rung};
use steading_tests::artifacts::SPIN;
use steading_tests::{failed, story_with, with_actor};

const GRACE: Duration = Duration::from_millis(50);

fn shared(builder: HostBuilder) -> HostBuilder {
    builder.cancel_grace(GRACE)
}

fn dedicated(builder: HostBuilder) -> HostBuilder {
    builder.cancel_grace(GRACE).workers(Workers::Dedicated(1))
}

async fn cancel_the_actor(host: &Host) -> Result<()> {
    let end = with_actor(host, SPIN, async |guest| {
        let body = async |_: Context<(), ()>, ()| {
            assert_eq!(guest.cancel_actor("enough of that").await?, Rung::Trapped);
            Ok(())
        };
        guest.open_context("forever", &(), body).await
    })
    .await;
    let error = failed(end);
    assert!(error.is_cancelled() || error.kind() == ErrorKind::Killed, "{error}");
    Ok(())
}

async fn cancel_the_context(host: &Host) -> Result<()> {
    let end = with_actor(host, SPIN, async |guest| {
        let body = async |ctx: Context<(), ()>, ()| {
            ctx.cancel("enough of that").await;
            ctx.wait_result::<()>().await
        };
        guest.open_context("forever", &(), body).await
    })
    .await;
    let error = failed(end);
    assert!(!error.is_absorbed(), "it did not end because it was asked to: {error}");
    assert_eq!(error.kind(), ErrorKind::Killed, "{error}");
    Ok(())
}

#[test]
fn on_shared_workers_a_spinning_actor_is_trapped_after_its_grace() {
    story_with(shared, cancel_the_actor);
}

#[test]
fn on_dedicated_workers_a_spinning_actor_is_trapped_after_its_grace() {
    story_with(dedicated, cancel_the_actor);
}

#[test]
fn a_spinning_task_takes_its_actor_with_it() {
    story_with(shared, cancel_the_context);
}

#[test]
fn a_turn_without_waiting_has_a_limit_of_its_own() {
    story_with(shared, async |host| {
        let end: Result<()> = with_actor(host, SPIN, async |guest| guest.call("at_once", &()).await).await;
        assert_eq!(failed(end).kind(), ErrorKind::Limit("cpu".into()));
        Ok(())
    });
}
