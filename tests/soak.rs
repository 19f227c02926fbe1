//! A short share of the endurance run. The whole of it is `cargo run --release -p steading-tests --bin soak`.

use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use steading::config::Profile;
use steading_tests::soak::{Bounds, Plan, run};
use steading_tests::{crowd, host};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const PLAN: Plan = Plan {
    lives: 3_000,
    trees: 60,
    restarts: 1_200,
    children: 1_200,
};

/// The heap is exact, so that its bound is narrow also here: two bytes for each life. Pages are not, and what is
/// this run's share of a narrow bound is less than one of them: one that the kernel makes huge counts 2 MiB, once
/// (seen in one run of six).
const BOUNDS: Bounds = Bounds {
    heap: 2048.0,
    resident: 1024.0 * 1024.0,
    maps: 32,
};

/// One at a time, as they count what the process holds.
static ONE: Mutex<()> = Mutex::new(());

/// What admission reckons with: one that waits takes less than 128 KiB, and six mappings at most, of which two are
/// its stack's.
#[test]
fn a_thousand_that_wait_take_what_admission_reckons_with() {
    const ACTORS: u32 = 1_000;
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("threads can be had");
    for profile in [Profile::Latency, Profile::Density] {
        let crowd = runtime.block_on(crowd::run(profile, ACTORS, || MEMORY.current_usage()));
        let crowd = crowd.expect("the machine bears a thousand");
        println!("{crowd}");
        assert!(crowd.resident() < 128.0 * 1024.0, "{crowd}");
        assert!(crowd.mappings() < 6 * ACTORS as usize + 1_000, "{crowd}");
    }
}

#[test]
fn nothing_is_left_of_thousands_of_lives() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("threads can be had");
    let stages = runtime.block_on(async {
        // A pool so small that all of it has been used once when the warm-up is over.
        let host = host().max_actors(64).build().expect("tests have a host");
        run(&host, PLAN, || MEMORY.current_usage()).await
    });
    let mut faults = Vec::new();
    for stage in stages.expect("no actor fails") {
        println!("{stage}");
        faults.extend(stage.faults(&BOUNDS));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
