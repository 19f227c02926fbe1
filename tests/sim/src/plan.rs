//! What one seed enables: a random subset of operations and faults, their weights, and the limits.
//!
//! This is swarm testing: a run in which everything happens hides what only shows when most things do
//! not. One seed has no deadlines and tiny windows, another cancels at every third step.

use steading_proto::Limits;
use steading_types::Window;

use crate::op::{KINDS, Kind};
use crate::rng::Rng;

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
    /// Windows that callers ask for are of this kind.
    pub windows: [Window; 2],
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
    /// Which endings tasks choose: only clean ones, or all.
    pub clean: bool,
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
        Kind::CancelActor | Kind::GiveUp => 4,
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
            | Kind::GiveUp
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

fn weights(rng: &mut Rng) -> [u32; KINDS.len()] {
    let faults = rng.below(4);
    KINDS.map(|kind| match is_fault(kind) {
        true if rng.below(4) > faults => 0,
        true => base(kind) * 64 * rng.pick(&[1, 1, 2, 6]),
        false if matches!(kind, Kind::Deliver | Kind::Take | Kind::Flush | Kind::Tick | Kind::Effect) => {
            base(kind) * 64 * rng.pick(&[1, 1, 2])
        }
        false => base(kind) * 64 / rng.pick(&[1, 1, 1, 2, 8]),
    })
}

/// Each kind as often as it weighs; at least once if it weighs anything and there is room.
fn table(rng: &mut Rng) -> [Kind; 256] {
    let weights = weights(rng);
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

fn limits(rng: &mut Rng) -> Limits {
    let tight = rng.one_in(3);
    let ms = |from: &[u64], rng: &mut Rng| rng.pick(from) * MS;
    Limits {
        contexts: if tight { rng.pick(&[1, 2, 4, 8]) } else { 256 },
        children: if tight { rng.pick(&[1, 2, 3]) } else { 64 },
        nurseries: if tight { rng.pick(&[1, 2, 3]) } else { 256 },
        window: rng.pick(&[Limits::DEFAULT.window, Window { messages: 5, bytes: 200 }]),
        payload: rng.pick(&[1 << 20, 4096, 64]),
        batch: rng.pick(&[128 << 10, 256]),
        start_timeout: ms(&[10_000, 700, 20], rng),
        cancel_grace: ms(&[500, 50], rng),
        trap_grace: ms(&[100, 10], rng),
        cancel_timeout: ms(&[1_000, 1_000, 30], rng),
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

impl Plan {
    /// The plan of this seed.
    pub fn new(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let window = |rng: &mut Rng| Window {
            messages: rng.pick(&[0, 1, 2, 3, 8, 64]),
            bytes: rng.pick(&[0, 16, 40, 300, 1 << 20, 1 << 20]),
        };
        Self {
            seed,
            steps: rng.pick(&[60, 200, 500, 1_000, 2_000]),
            encoded: rng.one_in(12),
            limits: limits(rng),
            parents: parents(rng),
            most_actors: 6 + rng.below(4),
            table: table(rng),
            lazy_flush: rng.pick(&[0, 0, 64, 200]),
            lazy_take: rng.pick(&[0, 0, 64, 200]),
            jump: rng.pick(&[1, 20, 200, 2_000]),
            windows: [window(rng), window(rng)],
            deadlines: rng.pick(&[0, 0, 2, 8]),
            owners: rng.pick(&[1, 2, 2, 8]),
            stale: rng.pick(&[8, 40, 1_000]),
            quiescence: rng.pick(&[
                Quiescence::Peace,
                Quiescence::Peace,
                Quiescence::Patience,
                Quiescence::Force,
            ]),
            guest: rng.pick(&[Guest::Traps, Guest::Spins]),
            clean: rng.one_in(2),
        }
    }
}
