//! What one seed enables: a random subset of operations and faults, their weights, and the limits.
//!
//! This is swarm testing: a run in which everything happens hides what only shows when most things do
//! not. One seed has no deadlines and tiny windows, another cancels at every third step.

use std::time::Duration;

use steading_proto::Limits;
use steading_types::{FailureMatch, Intensity, Restart, Strategy, Supervision, Window};

use crate::op::{KINDS, Kind};
use crate::rng::Rng;

/// How many actors are below one another in a crowd.
const DEPTH: usize = 6;

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;

/// What an actor's code does when it is told to trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// It traps.
    Traps,
    /// It goes on until its store is dropped.
    Spins,
}

/// How an episode comes to its end, once faults stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiescence {
    /// Every task does what it was asked to; every context gets its outcome; then the root is cancelled.
    Peace,
    /// No task does anything; every caller cancels, and gets its outcome in time; then as `Force`.
    Patience,
    /// No task does anything; the root is cancelled, and the ladders do it.
    Force,
}

/// One seed's world.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where everything else comes from.
    pub seed: u64,
    /// Steps of the safety phase.
    pub steps: usize,
    /// Frames travel as bytes.
    pub encoded: bool,
    /// Limits of every core.
    pub limits: Limits,
    /// Parents of the actors there are at first: the root is number 0.
    pub parents: Vec<usize>,
    /// How many actors there may be.
    pub most_actors: usize,
    /// Each kind of operation by its share in 256.
    pub table: [Kind; 256],
    /// Outputs wait for a `Flush` so often, of 256.
    pub lazy_flush: u64,
    /// Events wait for a `Take` so often, of 256.
    pub lazy_take: u64,
    /// How far time jumps, in milliseconds.
    pub jump: u64,
    /// Windows that are asked for, by callers and by receivers.
    pub windows: [Window; 2],
    /// A receiver has settings of its own once in so many; 0: never.
    pub flows: usize,
    /// A call has a deadline once in so many; 0: never.
    pub deadlines: usize,
    /// A call belongs to a task once in so many.
    pub owners: usize,
    /// A command hits something that is over once in so many.
    pub stale: usize,
    /// How it ends.
    pub quiescence: Quiescence,
    /// Whether code traps or spins.
    pub guest: Guest,
    /// Tasks of actors without children seldom end by themselves.
    pub slow_leaves: bool,
    /// Which endings tasks choose: only clean ones, or all.
    pub clean: bool,
    /// Children fail often, and start again.
    pub supervised: bool,
    /// Rules that nurseries have.
    pub rules: [Supervision; 3],
    /// When children start again.
    pub restarts: [Restart; 4],
    /// The broken variant of the core that runs, if any.
    #[cfg(feature = "mutants")]
    pub mutant: Option<steading_proto::mutant::Mutant>,
}

fn base(kind: Kind) -> u32 {
    match kind {
        Kind::Deliver => 300,
        Kind::DeliverBatch => 40,
        Kind::Take => 60,
        Kind::Flush => 40,
        Kind::Pass | Kind::Tick => 30,
        Kind::Effect => 40,
        Kind::Open => 90,
        Kind::Started => 80,
        Kind::Finish => 50,
        Kind::StreamOpen => 70,
        Kind::Send => 150,
        Kind::Credit => 90,
        Kind::Stop | Kind::Cancel | Kind::Release => 24,
        Kind::NurseryOpen => 14,
        Kind::NurseryClose | Kind::NurseryCancel => 4,
        Kind::Spawn => 14,
        Kind::Reject => 16,
        Kind::OnExit => 6,
        Kind::Exited => 30,
        Kind::CancelActor => 4,
        Kind::ChildDone => 3,
        Kind::KillActor => 1,
        Kind::CancelSelf | Kind::BeginMain => 2,
        Kind::Interrupt | Kind::Force | Kind::Cut => 1,
        Kind::Die => 2,
        Kind::Overload => 4,
    }
}

/// Whether a seed may leave it out.
fn is_fault(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Cancel
            | Kind::Release
            | Kind::NurseryCancel
            | Kind::NurseryClose
            | Kind::CancelActor
            | Kind::ChildDone
            | Kind::KillActor
            | Kind::Reject
            | Kind::CancelSelf
            | Kind::Interrupt
            | Kind::Die
            | Kind::Force
            | Kind::Cut
            | Kind::Overload
            | Kind::BeginMain
            | Kind::Pass
    )
}

fn weights(rng: &mut Rng, sluggish: bool) -> [u32; KINDS.len()] {
    let faults = rng.below(4);
    // One in five has tasks that are cancelled and do not end, so that patience runs out while they talk.
    let stubborn = rng.one_in(5);
    KINDS.map(|kind| {
        let weight = match is_fault(kind) {
            true if rng.below(4) > faults => 0,
            true => base(kind) * 64 * rng.pick(&[1, 1, 2, 6]),
            false if is_clockwork(kind) => base(kind) * 64 * rng.pick(&[1, 1, 2]),
            false => base(kind) * 64 / rng.pick(&[1, 1, 1, 2, 8]),
        };
        match kind {
            Kind::Deliver if sluggish => base(kind) * 64 / 4,
            // An error overtakes data that is still on its way to a task that waits for what it owns: seldom.
            Kind::Reject if sluggish => base(kind) * 64 * 6,
            Kind::Finish if stubborn => base(kind) * 64 / 32,
            Kind::Cancel | Kind::Pass if stubborn => base(kind) * 64 * 2,
            _ => weight,
        }
    })
}

/// What the world does by itself.
fn is_clockwork(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Deliver | Kind::Take | Kind::Flush | Kind::Tick | Kind::Effect
    )
}

/// Each kind as often as it weighs; at least once if it weighs anything and there is room.
fn table(rng: &mut Rng, lazy: [u64; 2], supervised: bool, sluggish: bool) -> [Kind; 256] {
    let mut weights = weights(rng, sluggish);
    if supervised {
        for kind in [Kind::Die, Kind::ChildDone, Kind::CancelSelf, Kind::Spawn] {
            weights[kind as usize] += base(kind) * 64 * rng.pick(&[0, 2, 8]) as u32;
        }
    }
    for (kind, lazy) in [Kind::Flush, Kind::Take].into_iter().zip(lazy) {
        if lazy == 0 {
            weights[kind as usize] = 0;
        }
    }
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let mut table = [Kind::Deliver; 256];
    let mut at = 0;
    for (kind, weight) in KINDS.iter().zip(weights).filter(|(_, weight)| *weight > 0) {
        let share = (u64::from(weight) * 240 / total).max(1) as usize;
        let end = (at + share).min(table.len());
        table[at..end].fill(*kind);
        at = end;
    }
    table
}

fn limits(rng: &mut Rng, crowded: bool, sluggish: bool) -> Limits {
    let tight = rng.one_in(3) && !crowded;
    let ms = |from: &[u64], rng: &mut Rng| rng.pick(from) * MS;
    Limits {
        contexts: if tight { rng.pick(&[1, 2, 4, 8]) } else { 256 },
        children: if tight { rng.pick(&[1, 2, 3]) } else { 64 },
        nurseries: if tight { rng.pick(&[1, 2, 3]) } else { 256 },
        restarts: rng.pick(&[Limits::DEFAULT.restarts, Limits::DEFAULT.restarts, 1]),
        window: rng.pick(&[
            Limits::DEFAULT.window,
            Window {
                messages: 5,
                bytes: 200,
            },
        ]),
        waiting: Limits::DEFAULT.waiting,
        payload: rng.pick(&[1 << 20, 4096, 64]),
        batch: rng.pick(&[128 << 10, 256]),
        start_timeout: ms(if sluggish { &[700, 20, 2] } else { &[10_000, 700, 20] }, rng),
        cancel_grace: ms(&[500, 50], rng),
        trap_grace: ms(&[100, 10], rng),
        cancel_timeout: ms(&[1_000, 1_000, 30], rng),
    }
}

fn rules(rng: &mut Rng) -> Supervision {
    use Strategy::{OneCancelsAll, OneForAll, OneForOne, RestForOne};
    let within = |restarts, ms: u64| Intensity {
        restarts,
        period: ms * MS,
    };
    Supervision {
        strategy: rng.pick(&[OneCancelsAll, OneForOne, OneForAll, OneForAll, RestForOne, RestForOne]),
        intensity: rng.pick(&[None, None, Some(within(1, 50)), Some(within(3, 2_000))]),
    }
}

fn restart(rng: &mut Rng) -> Restart {
    let ms = Duration::from_millis;
    let when = match rng.below(7) {
        0 => Restart::temporary(),
        1..4 => Restart::transient(),
        _ => Restart::permanent(),
    };
    let (restarts, period) = rng.pick(&[(0, 100), (1, 20), (2, 500), (3, 5_000), (100, 1_000)]);
    let (first, most) = rng.pick(&[(0, 0), (1, 3), (10, 1_000), (100, 100)]);
    let restart = when.intensity(restarts, ms(period)).backoff(ms(first), ms(most));
    match rng.below(8) {
        0 => restart.on(FailureMatch::Panic),
        1 => restart.on(FailureMatch::Killed).on(FailureMatch::Trap(None)),
        2 => restart.on(FailureMatch::Error).on(FailureMatch::SpawnFailed),
        _ => restart,
    }
}

/// The root has at least one child; chains, stars, and what is between.
fn parents(rng: &mut Rng) -> Vec<usize> {
    let mut parents = vec![0, 0];
    for actor in 2..2 + rng.below(4) {
        parents.push(match rng.below(3) {
            0 => actor - 1,
            1 => 0,
            _ => rng.below(actor),
        });
    }
    parents
}

/// Up to hundreds of actors, no more than six below one another.
fn crowd(rng: &mut Rng) -> Vec<usize> {
    let mut parents = vec![0];
    let mut depths = vec![0];
    for _ in 0..rng.pick(&[40, 100, 300]) {
        let mut parent = rng.below(parents.len());
        // Half of them near the root, so that there are large nurseries.
        if depths[parent] >= DEPTH || rng.one_in(2) {
            parent = rng.below(parents.len().min(8));
        }
        if depths[parent] < DEPTH {
            depths.push(depths[parent] + 1);
            parents.push(parent);
        }
    }
    parents
}

impl Plan {
    /// The plan of this seed.
    pub fn new(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let window = |rng: &mut Rng| Window {
            messages: rng.pick(&[0, 1, 2, 3, 8, 64]),
            bytes: rng.pick(&[0, 16, 40, 300, 1 << 20, 1 << 20]),
        };
        let lazy = [rng.pick(&[0, 0, 64, 200]), rng.pick(&[0, 0, 64, 200])];
        let supervised = rng.one_in(3);
        // In one of six frames are slow, so that timers ring before answers come.
        let sluggish = rng.one_in(6);
        let crowded = rng.one_in(256);
        let parents = if crowded { crowd(rng) } else { parents(rng) };
        Self {
            seed,
            steps: rng.pick(&[60, 200, 500, 1_000, 2_000]),
            encoded: rng.one_in(12),
            limits: limits(rng, crowded, sluggish),
            most_actors: parents.len().max(6) + rng.below(4),
            parents,
            table: table(rng, lazy, supervised, sluggish),
            lazy_flush: lazy[0],
            lazy_take: lazy[1],
            jump: rng.pick(&[1, 20, 200, 2_000]),
            windows: [window(rng), window(rng)],
            flows: rng.pick(&[0, 1, 3]),
            deadlines: rng.pick(&[0, 0, 2, 8]),
            owners: rng.pick(&[1, 2, 2, 8]),
            stale: rng.pick(&[4, 12, 60, 1_000]),
            quiescence: rng.pick(&[
                Quiescence::Peace,
                Quiescence::Peace,
                Quiescence::Patience,
                Quiescence::Force,
            ]),
            guest: rng.pick(&[Guest::Traps, Guest::Spins]),
            slow_leaves: rng.one_in(3),
            clean: rng.one_in(2),
            supervised,
            rules: [0; 3].map(|_| if supervised { rules(rng) } else { Supervision::default() }),
            restarts: [0; 4].map(|_| if supervised { restart(rng) } else { Restart::temporary() }),
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }
}
