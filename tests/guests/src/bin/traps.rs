//! Endpoints that break the rules of the machine they run on.
#![allow(unconditional_recursion)]

use std::sync::atomic::{AtomicU64, Ordering};

use steading_guest::Result;

struct Traps;

/// Traps on demand.
#[steading_guest::actor]
impl Traps {
    /// Executes an instruction that must not be reached.
    async fn unreachable() -> Result<()> {
        std::process::abort()
    }

    /// Reads where there is no memory.
    async fn out_of_bounds() -> Result<u8> {
        Ok(read_beyond())
    }

    /// Recurses without an end.
    async fn stack_overflow() -> Result<u64> {
        Ok(deeper(1))
    }

    /// Asks for more memory than it may have.
    async fn memory() -> Result<usize> {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            hoard.push(std::hint::black_box(vec![1; 1 << 20]));
        }
    }

    /// Ends the process it thinks it is.
    async fn exit(code: i32) -> Result<()> {
        std::process::exit(code)
    }

    /// Is well.
    async fn fine() -> Result<u32> {
        Ok(42)
    }
}

static SEED: AtomicU64 = AtomicU64::new(1);

/// Needs no memory of its own, so that it is the machine's stack that ends, not the guest's.
#[inline(never)]
fn deeper(n: u64) -> u64 {
    deeper(n + SEED.load(Ordering::Relaxed)).rotate_left(1) ^ n
}

/// The one thing no safe code can do.
#[allow(unsafe_code)]
fn read_beyond() -> u8 {
    // Safety: it traps; that is the point.
    unsafe { std::ptr::read_volatile(0xffff_fff0_usize as *const u8) }
}

fn main() {}
