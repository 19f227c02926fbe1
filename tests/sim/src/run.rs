//! Many seeds on several threads, until time or steps are used up or something breaks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::coverage::Coverage;
use crate::episode::Episode;
use crate::model::Model;
use crate::plan::Plan;
use crate::shrink::{Failure, attempt, replay, shrink};

/// Every so many seeds, one runs twice (I27).
const TWICE: u64 = 64;

/// Lines of a trace that are shown.
const LONGEST: usize = 400;

/// What to run.
#[derive(Clone, Debug)]
pub struct Order {
    /// The first seed; the others follow.
    pub seed: u64,
    /// No seed is begun after this long.
    pub time: Duration,
    /// No seed is begun after so many steps.
    pub steps: u64,
    /// How many seeds at most.
    pub seeds: u64,
    /// How many threads.
    pub jobs: usize,
    /// Which broken variant, if any.
    #[cfg(feature = "mutants")]
    pub mutant: Option<steading_proto::mutant::Mutant>,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            seed: 0,
            time: Duration::from_secs(60),
            steps: u64::MAX,
            seeds: u64::MAX,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }
}

impl Order {
    /// The plan of one of its seeds.
    pub fn plan(&self, seed: u64) -> Plan {
        #[cfg(feature = "mutants")]
        return Plan {
            mutant: self.mutant,
            ..Plan::new(seed)
        };
        #[cfg(not(feature = "mutants"))]
        Plan::new(seed)
    }

    fn variant(&self) -> String {
        #[cfg(feature = "mutants")]
        if let Some(mutant) = self.mutant {
            return format!(" --mutant {mutant:?}");
        }
        String::new()
    }
}

/// A seed that broke.
#[derive(Debug)]
pub struct Find {
    /// Which.
    pub seed: u64,
    /// How.
    pub failure: Failure,
    /// Operations before and after shrinking.
    pub sizes: (usize, usize),
    /// What happened, line by line.
    pub trace: Vec<String>,
    /// One command that does it again.
    pub command: String,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Seeds run.
    pub seeds: u64,
    /// Inputs given to cores.
    pub steps: u64,
    /// How long it took.
    pub time: Duration,
    /// What was reached.
    pub coverage: Coverage,
    /// The first seed that broke.
    pub find: Option<(u64, Failure)>,
}

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    steps: AtomicU64,
    stop: AtomicBool,
}

/// Runs seeds until the order is filled, or one breaks.
pub fn run(order: &Order) -> Tally {
    let shared = Shared::default();
    let started = Instant::now();
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..order.jobs)
            .map(|_| scope.spawn(|| work(order, &shared, started)))
            .collect();
        for worker in workers {
            let part = worker.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
            tally.seeds += part.seeds;
            tally.steps += part.steps;
            tally.coverage.add(&part.coverage);
            let earlier = |find: &(u64, Failure)| tally.find.as_ref().is_none_or(|known| find.0 < known.0);
            if part.find.as_ref().is_some_and(earlier) {
                tally.find = part.find;
            }
        }
    });
    tally.time = started.elapsed();
    tally
}

fn work(order: &Order, shared: &Shared, started: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut model = Model::default();
    while !shared.stop.load(Ordering::Relaxed) {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let spent = started.elapsed() >= order.time || shared.steps.load(Ordering::Relaxed) >= order.steps;
        if number >= order.seeds || spent {
            break;
        }
        let seed = order.seed.wrapping_add(number);
        let mut episode = Episode::new(order.plan(seed), model, false);
        let failure = attempt(|| episode.run()).or_else(|| again(order, seed, &episode));
        tally.seeds += 1;
        tally.steps += episode.world.steps;
        shared.steps.fetch_add(episode.world.steps, Ordering::Relaxed);
        model = episode.world.model;
        if let Some(failure) = failure {
            tally.find = Some((seed, failure));
            shared.stop.store(true, Ordering::Relaxed);
        }
    }
    tally.coverage.add(&model.coverage);
    tally
}

/// I27: the same seed, the same trace.
fn again(order: &Order, seed: u64, first: &Episode) -> Option<Failure> {
    if !seed.is_multiple_of(TWICE) {
        return None;
    }
    let mut second = Episode::new(order.plan(seed), Model::default(), false);
    attempt(|| second.run()).or_else(|| {
        (second.world.hash != first.world.hash).then(|| Failure {
            law: "I27".into(),
            text: "the same seed took another way".into(),
        })
    })
}

/// Runs one seed with everything that can be said about it.
pub fn examine(order: &Order, seed: u64) -> Option<Find> {
    let plan = order.plan(seed);
    let mut episode = Episode::new(plan.clone(), Model::default(), false);
    let failure = attempt(|| episode.run())?;
    let before = episode.script.len();
    let script = shrink(&plan, episode.script, &failure.law);
    let (again, shrunk) = replay(&plan, &script, true);
    Some(Find {
        seed,
        failure: shrunk.unwrap_or(failure),
        sizes: (before, script.len()),
        trace: again.world.trace.unwrap_or_default(),
        command: format!(
            "cargo run --release -p steading-sim{} -- --seed {seed}{}",
            if cfg!(feature = "mutants") {
                " --features mutants"
            } else {
                ""
            },
            order.variant()
        ),
    })
}

impl std::fmt::Display for Find {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let skipped = self.trace.len().saturating_sub(LONGEST);
        if skipped > 0 {
            writeln!(f, "({skipped} lines before)")?;
        }
        for line in &self.trace[skipped..] {
            writeln!(f, "{line}")?;
        }
        let (before, after) = self.sizes;
        writeln!(
            f,
            "seed {} breaks {}: {}",
            self.seed, self.failure.law, self.failure.text
        )?;
        writeln!(f, "{before} operations, {after} after shrinking; again:")?;
        write!(f, "  {}", self.command)
    }
}
