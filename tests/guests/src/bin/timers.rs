//! Timers, and several tasks in one endpoint.

use std::time::Duration;

use futures_util::future::{Either, select, try_join};
use futures_util::pin_mut;
use steading_guest::{Result, current, sleep, timeout};

const LONG: Duration = Duration::from_secs(3600);

struct Timers;

/// Waits in many ways.
#[steading_guest::actor]
impl Timers {
    /// Sleeps for so many milliseconds; how many it took.
    async fn nap(ms: u64) -> Result<u64> {
        let before = current().actor().now();
        sleep(Duration::from_millis(ms)).await?;
        Ok((current().actor().now() - before) / 1_000_000)
    }

    /// What a time-out around a long sleep says.
    async fn too_long(ms: u64) -> Result<String> {
        match timeout(Duration::from_millis(ms), sleep(LONG)).await {
            Err(error) if error.is_elapsed() => Ok(error.to_string()),
            other => other.map(|()| "it was not too long".to_owned()),
        }
    }

    /// What is left of a time-out around something quick.
    async fn in_time() -> Result<u32> {
        timeout(LONG, async { Ok(7) }).await
    }

    /// Two sleeps at the same time; how many milliseconds both took.
    async fn joined(ms: u64) -> Result<u64> {
        let before = current().actor().now();
        try_join(sleep(Duration::from_millis(ms)), sleep(Duration::from_millis(ms))).await?;
        Ok((current().actor().now() - before) / 1_000_000)
    }

    /// Which of two sleeps ends first; the other is dropped.
    async fn selected() -> Result<String> {
        let (short, long) = (sleep(Duration::from_millis(1)), sleep(LONG));
        pin_mut!(short, long);
        match select(long, short).await {
            Either::Left((end, _)) => end.map(|()| "long".to_owned()),
            Either::Right((end, _)) => end.map(|()| "short".to_owned()),
        }
    }
}

fn main() {}
