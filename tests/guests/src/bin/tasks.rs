//! Several tasks inside one endpoint: structured, joined, raced, failing together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use steading_guest::{Either, Error, Result, join_all, race, scope, select, sleep};

const LONG: Duration = Duration::from_secs(3600);

/// An actor has but one thread: its tasks need not be `Send`.
#[cfg(target_arch = "wasm32")]
const _: fn(&steading_guest::TaskGroup, std::rc::Rc<()>) = |tasks, rc| {
    _ = tasks.spawn(async move {
        drop(rc);
        Ok(())
    });
};

struct Tasks;

/// Runs tasks.
#[steading_guest::actor]
impl Tasks {
    /// The sum of what so many tasks return.
    async fn spawned(count: u64) -> Result<u64> {
        scope(async |tasks| {
            let handles = (0..count).map(|n| {
                tasks.spawn(async move {
                    sleep(Duration::from_millis(n % 3)).await?;
                    Ok(n)
                })
            });
            let mut sum = 0;
            for result in join_all(handles.collect::<Vec<_>>()).await {
                sum += result?;
            }
            Ok(sum)
        })
        .await
    }

    /// A block ends only when its tasks have: how many had, out of those nobody waited for.
    async fn left_alone(count: u32) -> Result<u32> {
        let done = Arc::new(AtomicU32::new(0));
        scope(async |tasks| {
            for _ in 0..count {
                let done = done.clone();
                _ = tasks.spawn(async move {
                    sleep(Duration::from_millis(2)).await?;
                    done.fetch_add(1, Relaxed);
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(done.load(Relaxed))
    }

    /// One task fails; the body and the other would wait for ever.
    async fn one_fails() -> Result<()> {
        scope(async |tasks| {
            _ = tasks.spawn(sleep(LONG));
            _ = tasks.spawn(async { Err::<(), _>(Error::msg("one of us failed")) });
            sleep(LONG).await
        })
        .await
    }

    /// What wins: the short one, by both ways to ask.
    async fn raced() -> Result<(String, String)> {
        let raced = match race(sleep(LONG), sleep(Duration::from_millis(1))).await {
            Either::Left(_) => "long",
            Either::Right(_) => "short",
        };
        let selected = select! {
            _ = sleep(LONG) => "long",
            _ = sleep(Duration::from_millis(1)) => "short",
            _ = sleep(LONG) => "longer",
        };
        Ok((raced.to_owned(), selected.to_owned()))
    }
}

fn main() {}
