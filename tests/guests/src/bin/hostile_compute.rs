//! Computes where it should not, for longer than it may, or ends where nobody expects an end.
#![allow(unconditional_recursion)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use steading_guest::{Context, Result, on_exit, shield, sleep};
use steading_test_guests::wasi::clocks::monotonic_clock;
use steading_test_guests::wasi::io::poll::poll;

struct Compute;

/// Takes the processor and does not give it back.
#[steading_guest::actor]
impl Compute {
    /// In the body of an endpoint.
    async fn body() -> Result<String> {
        spin()
    }

    /// In a destructor.
    async fn destructor() -> Result<String> {
        let _spins = SpinsWhenDropped;
        Ok("the drop comes now".to_owned())
    }

    /// In the clean-up after a cancel.
    async fn cleanup() -> Result<String> {
        let end = sleep(Duration::from_secs(3600)).await;
        if end.is_err() {
            spin()
        }
        Ok("was never cancelled".to_owned())
    }

    /// Hears a cancel, and waits on.
    async fn deaf() -> Result<String> {
        while shield(sleep(Duration::from_secs(3600))).await.is_err() {}
        Ok("was never cancelled".to_owned())
    }

    /// Hears each cancel at each await, and tries again.
    async fn stubborn() -> Result<String> {
        loop {
            if sleep(Duration::from_millis(1)).await.is_err() {
                shield(sleep(Duration::from_millis(1))).await?;
            }
        }
    }

    /// In a hook of its exit.
    async fn hook() -> Result<String> {
        on_exit(|| async { spin() })?;
        sleep(Duration::from_secs(3600)).await?;
        Ok("was never cancelled".to_owned())
    }

    /// A hook of its exit that waits for ever.
    async fn waiting_hook() -> Result<String> {
        on_exit(|| async { shield(sleep(Duration::from_secs(3600))).await })?;
        sleep(Duration::from_secs(3600)).await?;
        Ok("was never cancelled".to_owned())
    }

    /// A hook of its exit that panics.
    async fn panicking_hook() -> Result<String> {
        on_exit(|| async { panic!("at the very end") })?;
        sleep(Duration::from_secs(3600)).await?;
        Ok("was never cancelled".to_owned())
    }

    /// Computes for nearly as long as a turn may, waits a little in the middle of it, and computes again.
    async fn dodge() -> Result<String> {
        loop {
            compute(Duration::from_millis(600));
            nap(1);
        }
    }

    /// Waits all the time, for what has come already.
    async fn empty_waits() -> Result<String> {
        loop {
            nap(0);
        }
    }

    /// Ends each turn before it is looked at, and asks for the next one at once.
    async fn short_turns() -> Result<String> {
        loop {
            compute(Duration::from_micros(4500));
            sleep(Duration::ZERO).await?;
        }
    }

    /// Asks what time it is, and nothing else.
    async fn clocks() -> Result<String> {
        let begun = Instant::now();
        let mut looks = 0_u64;
        while begun.elapsed() < Duration::from_millis(100) {
            looks += 1;
        }
        Ok(format!("looked {}", if looks > 100 { "often" } else { "seldom" }))
    }

    /// Takes all the machine's stack.
    async fn recursion() -> Result<String> {
        Ok(deeper(black_box(1)).to_string())
    }

    /// Ends its process with this code.
    async fn exit(code: i32) -> Result<String> {
        std::process::exit(code)
    }

    /// Ends its process in a destructor.
    async fn abort_in_drop() -> Result<String> {
        let _aborts = AbortsWhenDropped;
        Ok("the drop comes now".to_owned())
    }

    /// Panics while it panics.
    async fn panic_in_panic() -> Result<String> {
        panic!("{}", PanicsWhenShown)
    }

    /// Panics with more than anybody wants to know.
    async fn long_panic() -> Result<String> {
        panic!("{}", "no, ".repeat(256 << 10))
    }

    /// Panics with what a terminal would obey.
    async fn panic_with_escapes() -> Result<String> {
        panic!("\u{1b}[2J\u{1b}]0;owned\u{7}\r\nforged")
    }

    /// Panics in a destructor.
    async fn panic_in_drop() -> Result<String> {
        let _panics = PanicsWhenDropped;
        Ok("the drop comes now".to_owned())
    }

    /// Spins after it said that it has started.
    async fn started(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        shield(sleep(Duration::from_millis(1))).await?;
        spin()
    }
}

struct SpinsWhenDropped;
struct AbortsWhenDropped;
struct PanicsWhenDropped;
struct PanicsWhenShown;

impl Drop for SpinsWhenDropped {
    fn drop(&mut self) {
        spin()
    }
}

impl Drop for AbortsWhenDropped {
    fn drop(&mut self) {
        std::process::abort()
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("while it was dropped")
    }
}

impl std::fmt::Display for PanicsWhenShown {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("while it was shown")
    }
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn compute(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        black_box(0);
    }
}

/// Waits in the middle of a turn.
fn nap(milliseconds: u64) {
    let alarm = monotonic_clock::subscribe_duration(milliseconds * 1_000_000);
    poll(&[&alarm]);
}

#[inline(never)]
fn deeper(n: u64) -> u64 {
    deeper(black_box(n + 1)).rotate_left(1) ^ n
}

fn main() {}
