//! Stories of native actors alone: the same protocol as for guests, without a guest.

use steading::{Context, Endpoint, Error, Host, NativeActor, Result};

fn echo() -> NativeActor {
    NativeActor::new("echo")
        .endpoint(Endpoint::plain("double", |n: i64| async move { Ok(n * 2) }))
        .endpoint(Endpoint::plain("fail", |text: String| async move {
            Err::<(), _>(Error::msg(text))
        }))
        .endpoint(Endpoint::plain("panic", |(): ()| async move {
            if true {
                panic!("boom");
            }
            Ok(())
        }))
        .endpoint(Endpoint::context("echo", |ctx: Context<i64, i64>, (): ()| async move {
            ctx.started(()).await?;
            ctx.stream(async |s| {
                let mut n = 0u32;
                while let Some(v) = s.next().await? {
                    s.send(v).await?;
                    n += 1;
                }
                Ok(n)
            })
            .await
        }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_actor_is_called_streamed_with_and_cancelled() {
    for encode in [false, true] {
        let host = Host::builder().encode_frames(encode).build().unwrap();
        let echo = host.register_native(echo());
        let n = host
            .root(async |nursery| {
                let portal = nursery.start_actor(echo.spec("echo")).await?;
                assert_eq!(portal.call::<i64, _>("double", &21).await?, 42);
                let error = portal.call::<(), _>("fail", "sad").await.unwrap_err();
                assert!(error.message().contains("sad"), "{error}");
                let n: u32 = portal
                    .open_context("echo", &(), async |ctx: Context<i64, i64>, ()| {
                        ctx.stream(async |s| {
                            for i in 0..1000 {
                                s.send(i).await?;
                                assert_eq!(s.next().await?, Some(i));
                            }
                            Ok(())
                        })
                        .await?;
                        ctx.wait_result().await
                    })
                    .await?;
                portal.cancel_actor("done").await?;
                Ok(n)
            })
            .await
            .unwrap();
        assert_eq!(n, 1000);
        host.wait_quiescent().await;
        host.assert_quiescent();
    }
}

#[tokio::test]
async fn a_panic_is_the_end_of_its_actor_and_raised_in_the_nursery() {
    let host = Host::builder().build().unwrap();
    let echo = host.register_native(echo());
    let result: Result<()> = host
        .root(async |nursery| {
            let portal = nursery.start_actor(echo.spec("echo")).await?;
            portal.call::<(), _>("panic", &()).await
        })
        .await;
    let error = result.unwrap_err();
    assert!(error.message().contains("boom"), "{error:#}");
    host.wait_quiescent().await;
}

#[tokio::test]
async fn an_interrupt_ends_the_tree() {
    let host = Host::builder().build().unwrap();
    let echo = host.register_native(echo());
    let interrupter = host.clone();
    let result: Result<()> = host
        .root(async |nursery| {
            let portal = nursery.start_actor(echo.spec("echo")).await?;
            portal
                .open_context("echo", &(), async |ctx: Context<i64, i64>, ()| {
                    interrupter.interrupt();
                    ctx.wait_result::<u32>().await.map(|_| ())
                })
                .await
        })
        .await;
    assert!(result.unwrap_err().is_cancelled());
    host.wait_quiescent().await;
}
