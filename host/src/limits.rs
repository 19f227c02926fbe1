//! The bounds on actors as a table, for operators and `steading doctor`.
//!
//! Invents no number: each is read from where it is enforced, `backend::wasm::limits`, the core's or the runtime's.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use steading_proto::Limits;
use steading_types::{Budget, Directory, Window};

use crate::backend::wasm::{CompileBounds, limits as wasm};
use crate::runtime::Options;
use crate::runtime::children::{DEPTH, LONGEST_NAME};
use crate::runtime::disk;
use crate::runtime::inbox::INBOX_BYTES;
use crate::runtime::lent;
use crate::runtime::log;

/// Bytes of memory an actor can be given: from one page of WebAssembly.
pub const MEMORY: RangeInclusive<u64> = (64 << 10)..=(wasm::MEMORY_MAX as u64);
/// Bytes of memory an actor can be given at most under [`Profile::Density`](crate::config::Profile).
pub const DENSE_MEMORY: u64 = wasm::DENSE_MEMORY as u64;
/// Contexts an actor can be allowed.
pub const CONTEXTS: RangeInclusive<usize> = 1..=4096;
/// Children an actor can be allowed; 0 forbids them.
pub const CHILDREN: RangeInclusive<usize> = 0..=65_000;
/// Bytes that an actor can be allowed to have sent and nobody taken in: from one payload.
pub const UNREAD: RangeInclusive<usize> = steading_types::PAYLOAD..=(1 << 30);
/// Bytes a guest can be allowed to log in a second; 0 keeps nothing.
pub const LOG_RATE: RangeInclusive<u32> = 0..=(1 << 20);
/// Actors a host can be made for: what the kernel has mappings for is decided when it is built.
pub const ACTORS: RangeInclusive<u32> = 1..=1_000_000;

/// Bytes of memory that an actor and all below it can be given together.
pub const BUDGET_MEMORY: RangeInclusive<u64> = (64 << 10)..=(1 << 40);
/// Processor cores that an actor and all below it can be given together.
pub const CORES: RangeInclusive<f64> = 0.001..=1024.0;
/// Processor time that compiling a component can be allowed to take.
pub const COMPILE_TIME: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);
/// Bytes of address space that compiling a component can be allowed.
pub const COMPILE_MEMORY: RangeInclusive<u64> = (256 << 20)..=(64 << 30);

/// One bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// What is bounded.
    pub name: Cow<'static, str>,
    /// What holds now.
    pub value: Amount,
    /// What it can be raised to, if it can be raised.
    pub maximum: Option<Amount>,
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many.
    Count(u64),
    /// So many bytes.
    Bytes(u64),
    /// So long.
    Time(Duration),
    /// Processor cores, on average.
    Cores(f64),
}

/// The bounds of a host with these settings.
pub(crate) fn in_force(
    options: &Options,
    memory: (u64, u64),
    actors: u64,
    compile: Option<CompileBounds>,
) -> Vec<Limit> {
    let mut all = settable(&options.limits, memory);
    all.push(raisable(
        "unread messages and results per actor",
        Amount::Bytes(options.unread as u64),
        Amount::Bytes(*UNREAD.end() as u64),
    ));
    all.push(raisable(
        "guests at once",
        Amount::Count(actors),
        Amount::Count(u64::from(*ACTORS.end())),
    ));
    all.extend(of_budget("an actor and all below it", &options.guest_budget));
    all.extend(of_budget("all actors", &options.budget));
    all.extend(of_core(&options.limits));
    all.extend(of_instances());
    all.extend(of_lines(options.log_rate));
    all.extend(of_files());
    all.extend(compile.map(of_compiling).into_iter().flatten());
    all.extend(of_loading());
    all
}

fn raisable(name: &'static str, value: Amount, maximum: Amount) -> Limit {
    Limit {
        name: name.into(),
        value,
        maximum: Some(maximum),
    }
}

fn settable(limits: &Limits, (memory, most): (u64, u64)) -> Vec<Limit> {
    vec![
        raisable("memory per actor", Amount::Bytes(memory), Amount::Bytes(most)),
        raisable(
            "contexts per actor",
            Amount::Count(limits.contexts as u64),
            Amount::Count(*CONTEXTS.end() as u64),
        ),
        raisable(
            "children per actor",
            Amount::Count(limits.children as u64),
            Amount::Count(*CHILDREN.end() as u64),
        ),
    ]
}

/// What of a budget is bounded at all.
fn of_budget(whose: &str, budget: &Budget) -> Vec<Limit> {
    let cpu = budget
        .cpu
        .map(|thousandths| Amount::Cores(f64::from(thousandths) / 1000.0));
    let bounds = [
        ("memory", budget.memory.map(Amount::Bytes)),
        ("number", budget.actors.map(|actors| Amount::Count(u64::from(actors)))),
        ("processor", cpu),
    ];
    let named = bounds.into_iter().filter_map(|(what, value)| Some((what, value?)));
    let limit = |(what, value)| Limit {
        name: format!("{what} of {whose}").into(),
        value,
        maximum: None,
    };
    named.map(limit).collect()
}

fn of_core(limits: &Limits) -> Vec<Limit> {
    let time = |nanoseconds| Amount::Time(Duration::from_nanos(nanoseconds));
    fixed([
        ("depth of actors", Amount::Count(u64::from(DEPTH))),
        ("payload", Amount::Bytes(limits.payload as u64)),
        ("calls that wait to be served", Amount::Bytes(limits.waiting as u64)),
        ("batch of messages", Amount::Bytes(limits.batch as u64)),
        ("inbox, data", Amount::Bytes(INBOX_BYTES as u64)),
        ("inbox, calls that wait", Amount::Bytes(INBOX_BYTES as u64)),
        ("nurseries per actor", Amount::Count(limits.nurseries as u64)),
        ("restarts in a period", Amount::Count(u64::from(limits.restarts))),
        (
            "granted by an actor's contexts at once",
            Amount::Count(lent::MOST as u64),
        ),
        ("name of an actor", Amount::Bytes(LONGEST_NAME as u64)),
        (
            "stream window, messages",
            Amount::Count(u64::from(Window::DEFAULT.messages)),
        ),
        ("stream window, bytes", Amount::Bytes(u64::from(Window::DEFAULT.bytes))),
        ("wait for a callee to accept", time(limits.start_timeout)),
        ("grace of a cancelled task", time(limits.cancel_grace)),
        ("grace of an interrupted actor", time(limits.trap_grace)),
        ("wait for a cancel's answer", time(limits.cancel_timeout)),
    ])
}

fn of_instances() -> Vec<Limit> {
    fixed([
        ("memories", Amount::Count(wasm::MEMORIES as u64)),
        ("tables", Amount::Count(wasm::TABLES as u64)),
        ("core instances", Amount::Count(wasm::CORE_INSTANCES as u64)),
        ("table elements", Amount::Count(wasm::TABLE_ELEMENTS as u64)),
        ("wasm stack", Amount::Bytes(wasm::WASM_STACK as u64)),
        (
            "stack of a turn, host functions included",
            Amount::Bytes(wasm::TURN_STACK as u64),
        ),
        ("look at what runs, every", Amount::Time(wasm::TICK)),
        ("slice, before others get a chance", Amount::Time(wasm::SLICE)),
        ("turn without waiting", Amount::Time(wasm::TURN)),
        ("component handles", Amount::Count(wasm::COMPONENT_HANDLES as u64)),
        ("calls to the host in a turn", Amount::Count(u64::from(wasm::CALLS))),
        (
            "copied by a call, beside its payload",
            Amount::Bytes(wasm::HOSTCALL as u64),
        ),
        (
            "values of a foreign function's call",
            Amount::Count(wasm::VALUES as u64),
        ),
        ("frames of a backtrace", Amount::Count(wasm::BACKTRACE_FRAMES as u64)),
        ("panic or backtrace", Amount::Bytes(wasm::MESSAGE as u64)),
        ("arguments of calls in a turn", Amount::Bytes(wasm::OPENED as u64)),
        ("directories handed to a child", Amount::Count(wasm::DIRECTORIES as u64)),
        ("name in a directory with a quota", Amount::Bytes(Directory::ENTRY)),
        ("open files and streams", Amount::Count(wasm::RESOURCES as u64)),
        ("directories being read", Amount::Count(wasm::LISTINGS as u64)),
        ("file operations of an actor", Amount::Count(disk::OF_ACTOR as u64)),
        (
            "file operations of a guest with all below it",
            Amount::Count(disk::OF_TREE as u64),
        ),
        ("file operations of all", Amount::Count(disk::OF_HOST as u64)),
        ("random bytes per call", Amount::Bytes(wasm::RANDOM)),
        ("line of output", Amount::Bytes(wasm::LINE as u64)),
    ])
}

fn of_lines(rate: u32) -> Vec<Limit> {
    let mut all = fixed([
        ("line of log", Amount::Bytes(log::LINE_BYTES as u64)),
        ("log at once", Amount::Bytes(log::burst(rate))),
    ]);
    all.push(raisable(
        "log in a second",
        Amount::Bytes(u64::from(rate)),
        Amount::Bytes(u64::from(*LOG_RATE.end())),
    ));
    all
}

fn of_files() -> Vec<Limit> {
    fixed([
        ("component file", Amount::Bytes(wasm::FILE)),
        ("functions", Amount::Count(u64::from(wasm::FUNCTIONS))),
        ("locals of a function", Amount::Count(u64::from(wasm::LOCALS))),
        ("nested loops", Amount::Count(u64::from(wasm::LOOP_NEST))),
        ("time to say what it offers", Amount::Time(wasm::DESCRIBE_TIME)),
        (
            "memory to say what it offers",
            Amount::Bytes(wasm::DESCRIBE_MEMORY as u64),
        ),
    ])
}

/// What holds in a child process, and only there.
fn of_compiling(bounds: CompileBounds) -> Vec<Limit> {
    let mut all = vec![
        raisable(
            "time to compile",
            Amount::Time(bounds.time),
            Amount::Time(*COMPILE_TIME.end()),
        ),
        raisable(
            "memory to compile",
            Amount::Bytes(bounds.memory),
            Amount::Bytes(*COMPILE_MEMORY.end()),
        ),
    ];
    all.extend(fixed([
        (
            "time to compile, by the clock",
            Amount::Time(bounds.time * wasm::COMPILE_PATIENCE),
        ),
        ("compiled code", Amount::Bytes(wasm::COMPILED)),
        ("threads to compile", Amount::Count(wasm::COMPILE_THREADS as u64)),
    ]));
    all
}

fn of_loading() -> Vec<Limit> {
    fixed([
        ("components compiled at once", Amount::Count(1)),
        (
            "components waiting to be compiled",
            Amount::Count(wasm::COMPILES_WAITING as u64),
        ),
        ("cache, compiled code", Amount::Bytes(wasm::CACHE)),
        ("cache, refused components", Amount::Count(wasm::REFUSALS as u64)),
    ])
}

fn fixed<const N: usize>(limits: [(&'static str, Amount); N]) -> Vec<Limit> {
    limits
        .into_iter()
        .map(|(name, value)| Limit {
            name: name.into(),
            value,
            maximum: None,
        })
        .collect()
}
