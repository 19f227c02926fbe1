//! A law for the compiler: futures of this library can be spawned on any runtime, as deep as they nest.

use std::time::Duration;

use steading_actor::{
    Context, Endpoint, Entry, Error, Portal, Result, Spec, Stream, cluster, gather, gather_calls, gather_contexts,
    nursery, shared, shield, sleep, timeout,
};

fn assert_send<T: Send>(future: T) -> T {
    future
}

async fn dialogue(portal: Portal) -> Result<u64> {
    nursery(async |n| {
        let child = n.start_actor(Spec::this_component("child")).await?;
        let once = n.run_in_actor::<u32, _>(Spec::component("other", "once"), "work", &(1, "two"));
        let sum = child
            .open_context("scan", &"pattern", async |ctx: Context<String, u64, u32>, first| {
                let sent = ctx
                    .stream(async |s| {
                        s.send(String::from("path")).await?;
                        let mut sum = 0u64;
                        while let Some(n) = s.next().await? {
                            sum += n;
                        }
                        timeout(Duration::from_secs(1), sleep(Duration::from_secs(2))).await?;
                        Ok(sum)
                    })
                    .await?;
                let inner = portal
                    .context("deeper")
                    .args(&first)
                    .open(async |ctx: Context<(), (), ()>, ()| ctx.wait_result::<u64>().await)
                    .await?;
                ctx.cancel("enough").await;
                Ok(sent + inner)
            })
            .await?;
        child.cancel_actor("done").await?;
        Ok(sum + u64::from(once.result().await?))
    })
    .await
}

async fn together(portals: Vec<Portal>) -> Result<u64> {
    let contexts = portals.iter().map(|portal| portal.context("scan").args("pattern"));
    let first = gather_contexts(
        contexts,
        async |scans: Vec<(Context<(), u64, u64>, u64)>| Ok(scans[0].1),
    )
    .await?;
    let blocks = portals.iter().map(|portal| {
        async move |entry: Entry<Stream<String, u64>>| {
            let body = async |ctx: Context<String, u64>, ()| ctx.stream(async |s| entry.hold(s).await).await;
            portal.open_context("scan", "pattern", body).await
        }
    });
    let gathered = gather(blocks, async |streams: Vec<Stream<String, u64>>| {
        streams[0].next().await
    })
    .await?;
    let calls: Vec<u64> = gather_calls(portals.iter().map(|portal| portal.call("count", &()))).await?;
    let portal = portals[0].clone();
    let open = |entry: Entry<Stream<(), u64>>| async move {
        let body = async |ctx: Context<(), u64>, ()| ctx.stream(async |s| entry.hold(s).await).await;
        portal.open_context("ticks", &(), body).await
    };
    let ticks = shared("ticks", open, async |ticks| ticks.subscribe()?.next().await).await?;
    let workers = cluster(3, Spec::this_component(""), async |portals| Ok(portals.len())).await?;
    Ok(first + gathered.unwrap_or(0) + calls.len() as u64 + ticks.unwrap_or(0) + workers as u64)
}

#[test]
fn what_is_gathered_and_shared_can_be_spawned_too() {
    let _: fn(Vec<Portal>) -> tokio::task::JoinHandle<Result<u64>> = |portals| tokio::spawn(together(portals));
}

#[test]
fn nested_blocks_can_be_spawned_on_a_threaded_runtime() {
    fn spawn(portal: Portal) -> tokio::task::JoinHandle<Result<u64>> {
        tokio::spawn(assert_send(shield(dialogue(portal))))
    }
    // The compiler has checked it; nothing needs to run.
    let _: fn(Portal) -> tokio::task::JoinHandle<Result<u64>> = spawn;
}

#[test]
fn native_functions_are_endpoints() {
    async fn add((a, b): (u32, u32)) -> Result<u32> {
        Ok(a + b)
    }
    async fn echo(ctx: Context<String, String>, times: u32) -> Result<u32> {
        ctx.started(()).await?;
        ctx.stream(async |s: Stream<String, String>| {
            for _ in 0..times {
                let line = s.next().await?.ok_or_else(|| Error::msg("too early"))?;
                s.send(line).await?;
            }
            Ok(times)
        })
        .await
    }
    assert_eq!(Endpoint::plain("add", add).info().name, "add");
    assert_eq!(
        Endpoint::context("echo", echo).docs("Echoes.").info().sends,
        "alloc::string::String"
    );
}
