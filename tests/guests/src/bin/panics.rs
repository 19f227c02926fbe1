//! Endpoints that panic, and one that suffers from it.

use std::time::Duration;

use steading_guest::{Context, Result, sleep};

struct Panics;

/// Panics on demand.
#[steading_guest::actor]
impl Panics {
    /// Panics with this text, two functions deep.
    async fn now(text: String) -> Result<()> {
        outer_frame(&text);
        Ok(())
    }

    /// Waits until it is cancelled, or the actor dies.
    async fn wait(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        sleep(Duration::from_secs(3600)).await
    }
}

#[inline(never)]
fn outer_frame(text: &str) {
    inner_frame(std::hint::black_box(text));
    std::hint::black_box(());
}

#[inline(never)]
fn inner_frame(text: &str) {
    panic!("the guest said: {text}");
}

fn main() {}
