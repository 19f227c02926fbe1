//! Time inside an actor: timers, time-outs, joining and selecting.

use std::time::Duration;

use steading::{Cause, Context, Endpoint, Error, NativeActor, Portal, Result, Spec, nursery, shield, sleep};
use steading_tests::artifacts::{TIMERS, VALUES};
use steading_tests::{failed, story, with_actor};

#[test]
fn a_sleep_takes_its_time() {
    story(async |host| {
        with_actor(host, TIMERS, async |guest| {
            assert!(guest.call::<u64, _>("nap", &20).await? >= 20);
            Ok(())
        })
        .await
    });
}

#[test]
fn a_timeout_ends_what_is_too_long_and_nothing_else() {
    story(async |host| {
        with_actor(host, TIMERS, async |guest| {
            assert_eq!(guest.call::<String, _>("too_long", &5).await?, "not done within 5ms");
            assert_eq!(guest.call::<u32, _>("in_time", &()).await?, 7);
            Ok(())
        })
        .await
    });
}

#[test]
fn tasks_of_one_endpoint_wait_side_by_side() {
    story(async |host| {
        with_actor(host, TIMERS, async |guest| {
            let took: u64 = guest.call("joined", &300).await?;
            assert!((300..600).contains(&took), "{took} ms");
            assert_eq!(guest.call::<String, _>("selected", &()).await?, "short");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_deadline_travels_with_the_call() {
    story(async |host| {
        with_actor(host, TIMERS, async |guest| {
            let error = failed(nap_with_deadline(guest).await);
            assert_eq!(
                error.cancellation().map(|c| c.cause.clone()),
                Some(Cause::Deadline),
                "{error}"
            );
            assert!(guest.call::<u64, _>("nap", &1).await? >= 1, "and the actor goes on");
            Ok(())
        })
        .await
    });
}

async fn nap_with_deadline(guest: &Portal) -> Result<u64> {
    let nap = guest
        .context("nap")
        .args(&3_600_000_u64)
        .deadline(Duration::from_millis(20));
    nap.open(async |ctx: Context<(), ()>, ()| ctx.wait_result().await).await
}

#[test]
fn the_root_has_timers_too() {
    story(async |host| {
        host.root(async |_| {
            let error = failed(steading::timeout(Duration::from_millis(5), sleep(Duration::from_secs(3600))).await);
            assert!(error.is_elapsed(), "{error}");
            Ok(())
        })
        .await
    });
}

#[test]
fn after_its_deadline_a_task_may_still_clean_up_with_another_actor() {
    story(async |host| {
        host.load_as("values", VALUES)?;
        let code = host.register_native(NativeActor::new("worker").endpoint(Endpoint::plain("work", work)));
        host.root(async |n| {
            let worker = n.start_actor(code.spec("worker")).await?;
            let work = worker.context("work").deadline(Duration::from_millis(200));
            let error = failed(
                work.open(async |ctx: Context<(), ()>, ()| ctx.wait_result::<()>().await)
                    .await,
            );
            assert_eq!(error.message(), "saved 3");
            n.cancel("");
            Ok(())
        })
        .await
    });
}

/// Works for ever; when that is over, saves.
async fn work((): ()) -> Result<()> {
    nursery(async |n| {
        let guest = n.start_actor(Spec::component("values", "guest")).await?;
        sleep(Duration::from_secs(3600)).await.ok();
        let saved: i64 = shield(guest.call("add", &(1, 2))).await?;
        Err(Error::msg(format_args!("saved {saved}")))
    })
    .await
}
