//! A deterministic, adversarial simulator of the core of steading.
//!
//! One seed is one world: a tree of actor cores, links between them, a clock, and a swarm of operations and
//! faults ([`plan`]). A scheduler reorders whatever may be reordered: frames between links and lanes, timers
//! (rung late, one actor's before another's), what tasks were told, and what the shell performs. First comes
//! a *safety phase* of random steps, then a *quiescence phase* in which faults stop and everything must end.
//! Two oracles watch every step: the [`model`] says what the core owes, the [`monitor`] what may be seen.
//!
//! | Invariant | Where, and how |
//! |---|---|
//! | I1 one outcome | monitor: one terminal frame, one `Ended` a side; model: none that is not owed |
//! | I2 every side gets one | model: owed `Ended`s are told; episode: after quiescence, within virtual time; deadlines exact |
//! | I3 nothing after it | monitor, at each event |
//! | I4 I5 I6 once, in order, equal | monitor: what is told is the next of what was sent, by fingerprint |
//! | I7 complete, outcomes agree | monitor: nothing missing at `Stop` and `Returned`; model: told = sent |
//! | I8 `Started` once and first | monitor and model |
//! | I9 nothing after `Stop` | monitor, sent and told |
//! | I10 refused opens leave nothing | world: the core's counts equal the model's after every input |
//! | I11 canceller set and right | model: each cancellation is the one that was asked for; monitor: the id exists |
//! | I12 never from guest bytes | tasks forge sources, paths and cancellers; model: only what was told is relayed |
//! | I13 absorb | the library's; here: an outcome names whoever was first, never the echo of a later cancel |
//! | I14 acked or escalated | model: acks owed and after terminals; ladders within two graces; callers' time-outs |
//! | I15 idempotent | monitor: one `Cancel` frame and event a side |
//! | I16 only its subtree | model: no cancel that nobody asked for |
//! | I17 nurseries close last | monitor: nobody of it lives or is between two lives; model: when, and once |
//! | I18 parents end last | world: whoever leaves has no child that has not; model: `Stopped` is owed then, once |
//! | I19 no failure is lost | model: told, or what the next one starts for; monitor: told before the end, or no end |
//! | I20 restarts ≤ intensity | monitor: by when failures came, by child and nursery; model: who, when, with whom |
//! | I21 I25 empty in the end | episode: everybody has left within a bound of depth, every counter is 0 |
//! | I22 grants of contexts | world and model: revoked once, when the context is over; monitor: all, when an actor leaves |
//! | I23 I24 credit | monitor: what is out ≤ window; model: admission and give-back exact |
//! | I26 bounded work | world: outputs and events of one input ≤ a multiple of what the actor holds |
//! | I27 determinism | runner: every 64th seed runs twice, with equal fingerprints |
//! | I28 one event with its chain | model: one `Ended`, equal to what was sent; relays grow by one hop |
//!
//! That tasks which wait for each other in a circle are found is shown beside, on graphs (`tests/circles.rs`).
//!
//! Of I22, the core knows only when a context's grants end: capabilities are the shell's.

pub mod choose;
pub mod coverage;
pub mod digest;
pub mod episode;
pub mod model;
pub mod monitor;
pub mod op;
pub mod plan;
pub mod rng;
pub mod run;
pub mod shrink;
mod unreachable;
pub mod world;

/// Between a law and what was seen, in the text of a panic.
pub(crate) const MARK: &str = " does not hold: ";

/// Stops an episode: this law does not hold.
///
/// # Panics
/// Always.
#[cold]
pub fn break_with(law: &'static str, text: &str) -> ! {
    panic!("{law}{MARK}{text}")
}

/// Stops an episode: a law, and what was seen.
#[macro_export]
macro_rules! broken {
    ($law:expr, $($text:tt)*) => { $crate::break_with($law, &format!($($text)*)) };
}

/// Stops an episode unless the condition holds. Nothing is formatted while it does.
#[macro_export]
macro_rules! check {
    ($holds:expr, $law:expr, $($text:tt)*) => {
        if !$holds {
            $crate::broken!($law, $($text)*)
        }
    };
}
