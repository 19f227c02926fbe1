//! Calls every import of an actor once at least, each in a way that its host has to answer: for a host that fails there.

use std::time::Duration;

use steading_guest::{
    AbsorbedExt as _, Context, Portal, Result, Spec, Stream, cancel_self, cluster, current, nursery, on_exit, sleep,
};

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

struct Faults;

/// Does everything that an actor can ask of its host.
#[steading_guest::actor]
impl Faults {
    /// All of it but the end of an actor.
    async fn everything(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        log::info!("begins");
        files()?;
        println!("it has files");
        on_exit(|| async { Ok(()) })?;
        sleep(SHORT).await?;
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("child")).await?;
            dialogue(&child).await?;
            cancelled(&child).await?;
            unread(&child).await;
            let _: u64 = n
                .run_in_actor(Spec::this_component("once"), "answer", &1_u64)
                .result()
                .await?;
            child.cancel_actor_within("", Duration::ZERO).await?;
            n.cancel("done");
            Ok(())
        })
        .await?;
        let workers = current().parallelism().min(1);
        cluster(workers, Spec::this_component("worker"), async |_| Ok(())).await
    }

    /// Panics.
    async fn panics() -> Result<()> {
        panic!("it had to be");
    }

    /// So many numbers, then what comes back.
    async fn count(ctx: Context<u64, u64, u64>, numbers: u64) -> Result<u64> {
        ctx.started(numbers).await?;
        ctx.stream(async |stream: Stream<u64, u64>| {
            for number in 0..numbers {
                stream.send(number).await?;
            }
            stream.stop();
            let mut heard = 0;
            while stream.next().await?.is_some() {
                heard += 1;
            }
            Ok(heard)
        })
        .await
    }

    /// One more.
    async fn answer(question: u64) -> Result<u64> {
        Ok(question + 1)
    }

    /// Ends by itself.
    async fn leave() -> Result<()> {
        on_exit(|| async { Ok(()) })?;
        cancel_self("enough");
        sleep(LONG).await
    }

    /// Waits for ever.
    async fn wait() -> Result<()> {
        sleep(LONG).await
    }
}

/// Everything that goes to a disk another way.
fn files() -> Result<()> {
    std::fs::write("/data/note", "a note")?;
    let note = std::fs::read_to_string("/data/note")?;
    assert_eq!((note.as_str(), std::fs::read_dir("/data")?.count()), ("a note", 1));
    Ok(std::fs::remove_file("/data/note")?)
}

/// More messages than half a window, each way.
async fn dialogue(child: &Portal) -> Result<()> {
    let body = async |ctx: Context<u64, u64, u64>, _: u64| {
        ctx.stream(async |stream| {
            while let Some(number) = stream.next().await? {
                stream.send(number).await?;
            }
            Ok(())
        })
        .await
    };
    child.open_context("count", &100_u64, body).await
}

async fn cancelled(child: &Portal) -> Result<()> {
    let body = async |ctx: Context<u64, u64, u64>, _: u64| {
        ctx.cancel("no more").await;
        Ok(())
    };
    child.open_context("count", &1_u64, body).await.absorbed().map(drop)
}

/// Its messages are numbers, which are read as texts.
async fn unread(child: &Portal) {
    let body = async |ctx: Context<String, String, u64>, _: u64| ctx.stream(async |stream| stream.next().await).await;
    let end: Result<Option<String>> = child.open_context("count", &1_u64, body).await;
    assert!(end.is_err(), "a number is no text");
}

fn main() {}
