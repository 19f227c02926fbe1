//! An actor that computes without ever waiting.

use steading_guest::{Context, Result};

/// Spins.
struct Spin;

#[steading_guest::actor]
impl Spin {
    /// Says that it has begun, and computes for ever.
    async fn forever(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        // `started` leaves with the flush at the end of this turn, so a turn must end once.
        steading_guest::sleep(std::time::Duration::from_millis(1)).await?;
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
