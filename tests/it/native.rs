//! Actors made of Rust functions are actors like any other.

use std::time::Duration;

use futures_util::future::{join, join_all};
use steading::{Context, Endpoint, Error, ErrorKind, NativeActor, Result, Spec, nursery, sleep};
use steading_tests::artifacts::{NURSERIES, VALUES};
use steading_tests::{failed, story, with_actor};

fn adder() -> NativeActor {
    NativeActor::new("native-adder").docs("Adds.").endpoint(
        Endpoint::plain("add", async |(a, b): (i64, i64)| Ok::<_, Error>(a + b)).docs("The sum of two numbers."),
    )
}

#[test]
fn a_guest_calls_a_native_actor() {
    story(async |host| {
        host.register_native(adder());
        with_actor(host, NURSERIES, async |guest| {
            assert_eq!(guest.call::<i64, _>("ask_other", &("native-adder", 40, 2)).await?, 42);
            Ok(())
        })
        .await
    });
}

#[test]
fn a_native_actor_calls_a_guest() {
    story(async |host| {
        host.load_as("values", VALUES)?;
        let boss = host.register_native(NativeActor::new("boss").endpoint(Endpoint::plain("delegate", delegate)));
        host.root(async |n| {
            let boss = n.start_actor(boss.spec("boss")).await?;
            assert_eq!(boss.call::<i64, _>("delegate", &(40, 2)).await?, 42);
            n.cancel("");
            Ok(())
        })
        .await
    });
}

async fn delegate((a, b): (i64, i64)) -> Result<i64> {
    nursery(async |n| {
        let worker = n.start_actor(Spec::component("values", "worker")).await?;
        let sum = worker.call("add", &(a, b)).await?;
        n.cancel("");
        Ok(sum)
    })
    .await
}

#[test]
fn a_native_endpoint_streams_both_ways() {
    story(async |host| {
        let doubler = Endpoint::context("double", async |ctx: Context<u64, u64>, (): ()| {
            ctx.started(()).await?;
            ctx.stream(async |stream| {
                while let Some(n) = stream.next().await? {
                    stream.send(2 * n).await?;
                }
                Ok(())
            })
            .await
        });
        let code = host.register_native(NativeActor::new("doubler").endpoint(doubler));
        host.root(async |n| {
            let doubler = n.start_actor(code.spec("doubler")).await?;
            let body = async |ctx: Context<u64, u64>, ()| {
                ctx.stream(async |stream| {
                    for number in 0..500 {
                        stream.send(number).await?;
                        assert_eq!(stream.next().await?, Some(2 * number));
                    }
                    Ok(())
                })
                .await
            };
            doubler.open_context("double", &(), body).await?;
            n.cancel("");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_native_panic_is_an_error_of_its_actor() {
    story(async |host| {
        let code = host.register_native(NativeActor::new("nervous").endpoint(Endpoint::plain("panic", panics)));
        let end: Result<()> = host
            .root(async |n| {
                let nervous = n.start_actor(code.spec("nervous")).await?;
                nervous.call("panic", &()).await
            })
            .await;
        for error in failed(end).members() {
            assert_eq!(error.kind(), ErrorKind::Panic, "{error}");
            assert!(error.message().contains("native and nervous"), "{error}");
        }
        Ok(())
    });
}

async fn panics((): ()) -> Result<()> {
    panic!("native and nervous")
}

/// Its other tasks are dropped, and must not be taken for cancelled.
#[test]
fn a_native_panic_is_what_every_caller_hears() {
    story(async |host| {
        let nervous = NativeActor::new("nervous")
            .endpoint(Endpoint::plain("panic", panics))
            .endpoint(Endpoint::plain("wait", async |(): ()| {
                sleep(Duration::from_secs(3600)).await
            }));
        let code = host.register_native(nervous);
        let end: Result<()> = host
            .root(async |n| {
                let nervous = n.start_actor(code.spec("nervous")).await?;
                let waits = (0..100).map(|_| nervous.call::<(), _>("wait", &()));
                let (ends, _) = join(join_all(waits), nervous.call::<(), _>("panic", &())).await;
                for end in ends {
                    assert_eq!(failed(end).kind(), ErrorKind::Panic);
                }
                Ok(())
            })
            .await;
        assert_eq!(failed(end).kind(), ErrorKind::Panic);
        Ok(())
    });
}
