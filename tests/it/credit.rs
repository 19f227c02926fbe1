//! Credit where it is short: none is kept back that a sender cannot do without (semantics 8).

use steading::{Context, Endpoint, NativeActor, Policy, Result, StreamOptions, Window};
use steading_tests::story;

type Bytes = Vec<u8>;

const KIB: usize = 1 << 10;

/// Sends less than half of a window to a caller that has left, then a message that needs nearly all of it.
async fn large(ctx: Context<Bytes, ()>, (): ()) -> Result<()> {
    ctx.started(()).await?;
    ctx.stream(async |stream| {
        while stream.next().await?.is_some() {}
        for _ in 0..7 {
            stream.send(vec![0; 64 * KIB]).await?;
        }
        stream.send(vec![0; 900 * KIB]).await
    })
    .await
}

#[test]
fn a_large_message_does_not_wait_for_a_receiver_that_has_left() {
    story(async |host| {
        let code = host.register_native(NativeActor::new("sender").endpoint(Endpoint::context("large", large)));
        host.root(async |n| {
            let sender = n.start_actor(code.spec("sender")).await?;
            let body = async |ctx: Context<(), Bytes>, ()| {
                ctx.stream(async |_| Ok(())).await?;
                ctx.wait_result::<()>().await
            };
            sender.open_context("large", &(), body).await?;
            n.cancel("");
            Ok(())
        })
        .await
    });
}

/// Sends three messages and, when these are taken, as many as `burst` at once.
async fn bursts(ctx: Context<u32, ()>, burst: u32) -> Result<()> {
    ctx.started(()).await?;
    ctx.stream(async |stream| {
        for n in 0..3 {
            stream.send(n).await?;
        }
        stream.next().await?;
        for n in 0..burst {
            stream.send(n).await?;
        }
        Ok(())
    })
    .await
}

const WINDOW: u32 = 8;
const BUFFER: u32 = 8;

/// Takes three messages, says so, and takes no more until the sender has sent them all.
async fn takes_three(ctx: Context<(), u32>, (): ()) -> Result<()> {
    let window = Window {
        messages: WINDOW,
        ..Window::DEFAULT
    };
    let options = StreamOptions::new().policy(Policy::Buffer(BUFFER)).window(window);
    ctx.stream_with(options, async |stream| {
        for n in 0..3 {
            assert_eq!(stream.next().await?, Some(n));
        }
        stream.send(()).await?;
        ctx.wait_result::<()>().await
    })
    .await
}

/// The boundary is exact, although a part of the window was used before.
#[test]
fn a_buffer_takes_in_all_that_it_promised_and_no_more() {
    story(async |host| {
        let code = host.register_native(NativeActor::new("sender").endpoint(Endpoint::context("bursts", bursts)));
        for (burst, overruns) in [(WINDOW + BUFFER, false), (WINDOW + BUFFER + 1, true)] {
            host.root(async |n| {
                let sender = n.start_actor(code.spec("sender")).await?;
                let end = sender.open_context("bursts", &burst, takes_three).await;
                assert_eq!(end.is_err(), overruns, "{burst} at once: {end:?}");
                n.cancel("");
                Ok(())
            })
            .await?;
        }
        Ok(())
    });
}
