//! The conformance scenarios in a guest: its endpoints are the callee's side, `run` is the caller's.

use steading_guest::{Context, Result, nursery};
use steading_test_scenarios::callee::{self, Deed, Failure, Guarded, Loose, Track, Unencodable, Until, Wish};
use steading_test_scenarios::{Case, Misuse, Taking};

struct Conformance;

/// Both sides of every scenario.
#[steading_guest::actor]
impl Conformance {
    /// Runs a case against a child of this component, or of another one with the same endpoints.
    async fn run(case: Case, callee: String) -> Result<()> {
        nursery(async |n| case.run(&n, &callee).await).await
    }

    /// 2W-1.
    async fn pong(ctx: Context<String, String, i64>, taking: Taking, data: i64) -> Result<u32> {
        callee::pong(ctx, (taking, data)).await
    }

    /// CTX-1.
    async fn misuse(ctx: Context<(), ()>, misuse: Misuse) -> Result<()> {
        callee::misuse(ctx, misuse).await
    }

    /// CTX-3.
    async fn yo(ctx: Context<(), (), i64>, data: i64, early: bool) -> Result<String> {
        callee::yo(ctx, (data, early)).await
    }

    /// SPN-2.
    async fn line(role: String) -> Result<String> {
        callee::line(role).await
    }

    /// SPN-3 and CAN-4.
    async fn word(value: Option<String>) -> Result<Option<String>> {
        callee::word(value).await
    }

    /// CAN-5.
    async fn infinite(ctx: Context<u64, ()>) -> Result<()> {
        callee::infinite(ctx, ()).await
    }

    /// CTX-4.
    async fn brief(ctx: Context<u32, u32>) -> Result<()> {
        callee::brief(ctx, ()).await
    }

    /// Sends back what it gets.
    async fn echo(ctx: Context<String, String>) -> Result<()> {
        callee::echo(ctx, ()).await
    }

    /// CTX-7.
    async fn cancels_first(ctx: Context<(), ()>) -> Result<()> {
        callee::cancels_first(ctx, ()).await
    }

    /// CTX-8.
    async fn never_opens(ctx: Context<(), u32>) -> Result<()> {
        callee::never_opens(ctx, ()).await
    }

    /// CTX-8.
    async fn never_takes(ctx: Context<(), u32>) -> Result<()> {
        callee::never_takes(ctx, ()).await
    }

    /// CTX-8.
    async fn floods(ctx: Context<u32, ()>) -> Result<()> {
        callee::floods(ctx, ()).await
    }

    /// Sends numbers.
    async fn numbers(ctx: Context<u32, ()>, count: u32) -> Result<()> {
        callee::numbers(ctx, count).await
    }

    /// IPC-1.
    async fn fails_to_start(ctx: Context<(), (), Unencodable>, component: String) -> Result<()> {
        callee::fails_to_start(ctx, component).await
    }

    /// STR-1.
    async fn consume(ctx: Context<Wish, (String, u64)>, first: String, second: String) -> Result<()> {
        callee::consume(ctx, (first, second)).await
    }

    /// MSG-1.
    async fn tracks(ctx: Context<Track, Track, Track>, track: Track) -> Result<Track> {
        callee::tracks(ctx, track).await
    }

    /// MSG-4.
    async fn says(ctx: Context<(), (), Loose>, first: Loose, last: Loose) -> Result<Loose> {
        callee::says(ctx, (first, last)).await
    }

    /// MSG-4.
    async fn checks(ctx: Context<(), (), Guarded>, first: u8, last: u8) -> Result<Guarded> {
        callee::checks(ctx, (first, last)).await
    }

    /// Messages of another type.
    async fn talks(ctx: Context<String, u32>) -> Result<u32> {
        callee::talks(ctx, ()).await
    }

    /// ERR-7 and following.
    async fn fail(failure: Failure) -> Result<()> {
        callee::fail(failure).await
    }

    /// The same over as many hops as the route has actors.
    async fn relay(route: Vec<String>, failure: Failure) -> Result<()> {
        callee::relay((route, failure)).await
    }

    /// The matrix of semantics 6.
    async fn subject(ctx: Context<(), (), ()>, until: Until, deed: Deed) -> Result<u32> {
        callee::subject(ctx, (until, deed)).await
    }

    /// Cancels its own task.
    async fn give_up(ctx: Context<(), (), ()>) -> Result<u32> {
        callee::give_up(ctx, ()).await
    }

    /// Fails with what others failed with, at the end of a route of actors.
    async fn delegate(route: Vec<String>) -> Result<()> {
        callee::delegate(route).await
    }

    /// Traps.
    async fn die() -> Result<()> {
        callee::die(()).await
    }

    /// Has a child that dies as often as it is started.
    async fn troubled(component: String) -> Result<()> {
        callee::troubled(component).await
    }

    /// Has its whole actor cancelled.
    async fn resign() -> Result<()> {
        callee::resign(()).await
    }

    /// CAN.
    async fn fails_after(delay: u64) -> Result<()> {
        callee::fails_after(delay).await
    }

    /// Fails once it is cancelled.
    async fn breaks_down() -> Result<String> {
        callee::breaks_down(()).await
    }

    /// SPN-1.
    async fn generation(component: String, above: Vec<String>) -> Result<(u32, Vec<String>)> {
        callee::generation((component, above)).await
    }

    /// SPN-4.
    async fn levels(component: String, promised: Option<u8>) -> Result<Vec<u8>> {
        callee::levels((component, promised)).await
    }

    /// SPN-4.
    async fn level() -> Result<u8> {
        callee::level(()).await
    }

    /// Registers exit hooks.
    async fn hooked() -> Result<()> {
        callee::hooked(()).await
    }

    /// Registers an exit hook that does not end.
    async fn lingers() -> Result<()> {
        callee::lingers(()).await
    }

    /// Pins a note to the actor's board.
    async fn note(text: String) -> Result<()> {
        callee::note(text).await
    }

    /// Waits for a note.
    async fn noted(text: String) -> Result<()> {
        callee::noted(text).await
    }

    /// All notes.
    async fn notes() -> Result<Vec<String>> {
        callee::notes(()).await
    }
}

fn main() {}
