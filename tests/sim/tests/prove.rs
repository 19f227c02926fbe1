//! The detector is proven: every deliberately broken variant of the core is found, soon, and the seed that
//! found it finds it again with fewer operations.

use std::time::Duration;

use steading_proto::mutant::Mutant;
use steading_sim::run::{Order, examine, run};
use steading_sim::shrink::hush;

/// Semantics: each within a minute. They take seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn every_broken_variant_is_found() {
    hush();
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        let order = Order {
            mutant: Some(*mutant),
            time: PATIENCE,
            ..Order::default()
        };
        let find = run(&order).find.and_then(|(seed, _)| examine(&order, seed));
        match find {
            Some(find) if find.sizes.1 <= find.sizes.0 && !find.trace.is_empty() => {}
            found => survivors.push(format!("{mutant:?}: {found:?}")),
        }
    }
    assert!(Mutant::ALL.len() >= 25, "only {} variants", Mutant::ALL.len());
    assert!(survivors.is_empty(), "not found:\n  {}", survivors.join("\n  "));
}
