//! The receive policies and the broadcast of semantics 8, over the whole host: native actors, both kinds
//! of link. The rules themselves are told by the stories of `steading-actor` and of the core.

use steading::{
    Context, Endpoint, ErrorKind, Host, NativeActor, Policy, Portal, Result, StreamOptions, move_on_after, scope,
};

type ToCallee = Context<u32, ()>;

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

fn actor() -> NativeActor {
    NativeActor::new("actor")
        .endpoint(Endpoint::context(
            "count",
            |ctx: Context<u32, ()>, to: u32| async move {
                ctx.started(()).await?;
                ctx.stream(async |s| {
                    for n in 0..to {
                        s.send(n).await?;
                    }
                    Ok(())
                })
                .await
            },
        ))
        .endpoint(Endpoint::context(
            "strict",
            |ctx: Context<(), u32>, (): ()| async move {
                ctx.started(()).await?;
                let strict = StreamOptions::new().policy(Policy::OverrunError).messages(2);
                ctx.stream_with(strict, async |_| {
                    std::future::pending::<()>().await;
                    Ok(())
                })
                .await
            },
        ))
}

/// Tells a story with a child, over both kinds of link.
async fn story(body: impl AsyncFn(Portal) -> Result<()>) {
    for encode in [false, true] {
        let host = Host::builder().encode_frames(encode).build().unwrap();
        let code = host.register_native(actor());
        let end = host.root(async |nursery| {
            let portal = nursery.start_actor(code.spec("child")).await?;
            let end = body(portal).await;
            nursery.cancel("the story is over");
            end
        });
        end.await.unwrap();
        host.assert_quiescent();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_that_overruns_fails_its_caller() {
    story(async |portal| {
        let options = StreamOptions::new().policy(Policy::Buffer(3)).messages(2);
        let count = portal.open_context("count", &1000, async |ctx: Context<(), u32>, ()| {
            ctx.stream_with(options, async |_| {
                std::future::pending::<()>().await;
                Ok(())
            })
            .await
        });
        let error = count.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overrun, "{error}");
        assert_eq!(error.source_actor(), Some(portal.id()));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_overruns_fails_and_its_callee_is_gone() {
    story(async |portal| {
        let strict = portal.open_context("strict", &(), async |ctx: ToCallee, ()| {
            ctx.stream(async |s| {
                for n in 0..1000 {
                    s.send(n).await?;
                }
                // Within the default window until the callee's settings arrive: they count then.
                move_on_after(SECOND, ctx.ended()).await?;
                s.send(1000).await
            })
            .await
        });
        assert_eq!(strict.await.unwrap_err().kind(), ErrorKind::Overrun);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_receiver_that_drops_the_oldest_gets_the_latest() {
    story(async |portal| {
        let latest = StreamOptions::new().policy(Policy::DropOldest).messages(4);
        let count = portal.open_context("count", &1000, async |ctx: Context<(), u32>, ()| {
            ctx.stream_with(latest, async |s| {
                ctx.wait_result::<()>().await?;
                let mut all = Vec::new();
                while let Some(n) = s.next().await? {
                    all.push(n);
                }
                Ok((s.lost(), all))
            })
            .await
        });
        assert_eq!(count.await?, (996, vec![996, 997, 998, 999]));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_reaches_every_task_of_a_scope() {
    story(async |portal| {
        let sums = portal.open_context("count", &1000, async |ctx: Context<(), u32>, ()| {
            ctx.stream(async |s| {
                scope(async |tasks| {
                    let mut sums = Vec::new();
                    for _ in 0..10 {
                        let reader = s.subscribe()?;
                        sums.push(tasks.spawn(async move {
                            let (mut sum, mut lost) = (0, 0);
                            loop {
                                match reader.next().await {
                                    Ok(Some(_)) => sum += 1,
                                    Ok(None) => return Ok(sum + lost),
                                    Err(error) => lost += error.lagged().ok_or(error)?,
                                }
                            }
                        }));
                    }
                    let mut all = Vec::new();
                    for sum in sums {
                        all.push(sum.await?);
                    }
                    Ok(all)
                })
                .await
            })
            .await
        });
        assert_eq!(sums.await?, [1000; 10], "every message is read, or told as missed");
        Ok(())
    })
    .await;
}
