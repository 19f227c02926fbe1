//! The matrix of semantics 6, who cancels × when, over real actors in every pairing and both link modes.
//!
//! A cell reads: where it was raised → what left the block; how the context stands, with `cc` for
//! cancel_called, `ca` for cancel_acked, `caught` for cancelled_caught, and the canceller it names; what
//! the callee saw, where it was the caller who ended it. In the first column nothing but the entry
//! raises, and no handle is there to ask. `–` is a cell that cannot be.

use steading_tests::scenarios::{ActorEnd, Case, When, Who};

use crate::pairings::check;

const COLUMNS: [When; 5] = [
    When::BeforeStarted,
    When::OnStream,
    When::Elsewhere,
    When::ForResult,
    When::AfterReturn,
];

/// In the order of [`COLUMNS`]. Two rows of the specification are told differently within one process:
///
/// * "A third cancels the callee's actor": only a parent can cancel an actor, and within one process the
///   caller is the callee's parent. So the third is either met by the callee, which hands its cancellation
///   on, or the actor is cancelled at its own request. That the requester's name stays whoever asks is
///   a law of the simulated worlds.
/// * "Link lost" has no analog: within one process there is no link to lose. The simulator proves it.
#[rustfmt::skip]
const TABLE: [(Who, [&str; 5]); 12] = [
    (Who::CallerInBlock, [
        "–",
        "cancelled by me → absorbed; self-cancelled cc ca by me; callee cancelled by me",
        "ok → ok; self-cancelled cc ca by me; callee cancelled by me",
        "absorbed → ok; self-cancelled cc ca by me; callee cancelled by me",
        "ok → ok; returned 7 cc; callee returned",
    ]),
    (Who::CallerElsewhere, [
        "–",
        "cancelled by me → absorbed; self-cancelled cc ca by me; callee cancelled by me",
        "cancelled by me → absorbed; self-cancelled cc ca caught by me; callee cancelled by me",
        "absorbed → ok; self-cancelled cc ca by me; callee cancelled by me",
        "ok → ok; returned 7 cc; callee returned",
    ]),
    (Who::Callee, [
        "→ cancelled by peer",
        "cancelled by peer → cancelled by peer; peer-cancelled by peer",
        "cancelled by peer → cancelled by peer; peer-cancelled caught by peer",
        "cancelled by peer → cancelled by peer; peer-cancelled by peer",
        "–",
    ]),
    (Who::Third, [
        "→ cancelled by third",
        "cancelled by third → cancelled by third; actor-cancelled by peer",
        "cancelled by third → cancelled by third; actor-cancelled caught by peer",
        "cancelled by third → cancelled by third; actor-cancelled by peer",
        "–",
    ]),
    (Who::CalleeActor, [
        "→ cancelled by peer",
        "cancelled by peer → cancelled by peer; peer-cancelled by peer",
        "cancelled by peer → cancelled by peer; peer-cancelled caught by peer",
        "cancelled by peer → cancelled by peer; peer-cancelled by peer",
        "ok → ok; returned 7",
    ]),
    (Who::ActorByCaller, [
        "→ cancelled by me",
        "cancelled by me → cancelled by me; actor-cancelled by me",
        "cancelled by me → cancelled by me; actor-cancelled caught by me",
        "cancelled by me → cancelled by me; actor-cancelled by me",
        "ok → ok; returned 7",
    ]),
    (Who::EnclosingScope, [
        "→ cancelled by me; callee cancelled by me",
        "cancelled by me → cancelled by me; self-cancelled cc ca by me; callee cancelled by me",
        "cancelled by me → cancelled by me; self-cancelled cc ca by me; callee cancelled by me",
        "cancelled by me → cancelled by me; self-cancelled cc ca by me; callee cancelled by me",
        "cancelled by me → cancelled by me; returned 7; callee returned",
    ]),
    (Who::Deadline, [
        "→ the time is up; callee cancelled by me (deadline passed)",
        "cancelled by me (deadline passed) → the time is up; self-cancelled cc ca by me; \
         callee cancelled by me (deadline passed)",
        "cancelled by me (deadline passed) → the time is up; self-cancelled cc ca by me; \
         callee cancelled by me (deadline passed)",
        "cancelled by me (deadline passed) → the time is up; self-cancelled cc ca by me; \
         callee cancelled by me (deadline passed)",
        "cancelled by me (deadline passed) → the time is up; returned 7; callee returned",
    ]),
    // "A stored foreign error wins."
    (Who::EnclosingScopeAndCallee, [
        "→ remote Y; callee Y",
        "cancelled by me → remote Y; failed cc; callee Y",
        "cancelled by me → remote Y; failed cc; callee Y",
        "cancelled by me → remote Y; failed cc; callee Y",
        "–",
    ]),
    (Who::Body, [
        "–",
        "X → X; self-cancelled cc ca by me; callee cancelled by me",
        "X → X; self-cancelled cc ca by me; callee cancelled by me",
        "–",
        "X → X; returned 7; callee returned",
    ]),
    (Who::CalleeFails, [
        "→ remote X",
        "remote X → remote X; failed",
        "cancelled by peer → remote X; failed caught",
        "remote X → remote X; failed",
        "–",
    ]),
    // A guest traps, a native actor panics.
    (Who::CalleeDies, [
        "→ died",
        "died → died; failed",
        "cancelled by peer → died; failed caught",
        "died → died; failed",
        "ok → ok; returned 7",
    ]),
];

#[test]
fn who_cancels_when() {
    for (who, cells) in TABLE {
        let cells = COLUMNS.into_iter().zip(cells).filter(|(_, expected)| *expected != "–");
        check(cells.map(|(when, expected)| Case::Cell {
            who,
            when,
            expected: expected.to_owned(),
        }));
    }
}

#[test]
fn every_context_with_an_actor_that_ends_is_told_the_same_and_no_other() {
    check([ActorEnd::Cancelled, ActorEnd::Resigned, ActorEnd::Died].map(Case::ActorEnds));
}

#[test]
fn a_cancellation_that_bubbles_through_a_block_cancels_its_callee_unasked() {
    check([Case::Bubbling]);
}
