//! An actor that computes without ever waiting.

use std::time::Duration;

use steading_guest::{Context, Result, shield, sleep};

struct Spin;

/// Spins.
#[steading_guest::actor]
impl Spin {
    /// Says that it has begun, and computes for ever.
    async fn forever(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        // `started` leaves at the end of this turn, so a turn must end once; a cancel must not end the task.
        shield(sleep(Duration::from_millis(1))).await?;
        let mut n = 0_u64;
        loop {
            n = std::hint::black_box(n.wrapping_add(1));
        }
    }

    /// Computes for ever at once.
    async fn at_once() -> Result<()> {
        let mut n = 0_u64;
        loop {
            n = std::hint::black_box(n.wrapping_add(1));
        }
    }
}

fn main() {}
