//! A bounded run of the simulator: every invariant holds, and every cell that can be reached is.
//!
//! `cargo run --release -p steading-sim -- --minutes N` runs for longer.

use std::time::Duration;

use steading_sim::run::{Order, Tally, examine, run};
use steading_sim::shrink::hush;

/// Fewer steps than this, and a rare cell may be missed by chance.
const ENOUGH: u64 = 60_000_000;

fn hold(order: &Order) -> Tally {
    hush();
    let tally = run(order);
    let find = tally.find.as_ref().and_then(|(seed, _)| examine(order, *seed));
    if let Some(find) = find {
        panic!("{find}");
    }
    assert!(
        tally.find.is_none(),
        "broke once, and holds the second time: {:?}",
        tally.find
    );
    tally
}

#[test]
fn every_invariant_holds_and_every_cell_is_reached() {
    let order = Order {
        time: Duration::from_secs(170),
        steps: ENOUGH,
        ..Order::default()
    };
    let tally = hold(&order);
    let report = tally.coverage.report();
    assert!(
        report.surprising.is_empty(),
        "said to be out of reach:\n  {}",
        report.surprising.join("\n  ")
    );
    // On a slow machine time runs out first; then only what is seldom may be missing.
    let most = if tally.steps >= ENOUGH {
        0
    } else {
        report.reachable / 50
    };
    let missing = report.missing.join("\n  ");
    assert!(
        report.missing.len() <= most,
        "not reached in {} steps:\n  {missing}",
        tally.steps
    );
}

#[test]
fn the_same_seed_takes_the_same_way() {
    for seed in 0..200 {
        let order = Order {
            seed,
            seeds: 1,
            jobs: 1,
            ..Order::default()
        };
        let (first, second) = (hold(&order), hold(&order));
        assert_eq!(first.steps, second.steps, "seed {seed}");
    }
}
