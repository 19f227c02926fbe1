//! One engine per host: how code is compiled, where its memories come from, what it may import.

use std::fmt;
use std::fs;
use std::hash::{Hash as _, Hasher};
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails};

use super::cache::{self, Cache};
use super::compile::{Bounds, Compiler};
use super::component::{Component, Unknown};
use super::error::LoadError;
use super::ticker::Ticker;
use super::view::State;
use super::{limits, linker};
use crate::config::Compile;

/// How to set up an engine.
#[derive(Clone, Debug)]
pub(crate) struct EngineConfig {
    /// Where compiled components are kept; `None` keeps none.
    pub(crate) cache_dir: Option<PathBuf>,
    /// Whether memories and stacks come from a pool set up at the start.
    pub(crate) pooling: bool,
    /// How many actors the pool shall have room for; [`limits::ACTORS`] if `None`.
    pub(crate) max_actors: Option<u32>,
    /// Where components are compiled.
    pub(crate) compile: Compile,
    /// What that may take in a child.
    pub(crate) compile_bounds: Bounds,
}

impl Default for EngineConfig {
    /// The user's cache directory, and a pool.
    fn default() -> Self {
        Self {
            cache_dir: cache::default_dir(),
            pooling: true,
            max_actors: None,
            compile: Compile::Auto,
            compile_bounds: Bounds {
                time: limits::COMPILE_TIME,
                memory: limits::COMPILE_MEMORY,
            },
        }
    }
}

/// Where instances get their memory from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool of this many slots.
    Pooled {
        /// How many actors can live at once.
        slots: u32,
        /// Whether memories begin as views of the component's image: cheaper to start, and two more
        /// mappings each.
        copy_on_write: bool,
    },
    /// From the kernel, one by one.
    OnDemand {
        /// Why there is no pool.
        why: String,
    },
}

/// What `steading doctor` shows of an engine.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where memory comes from.
    pub allocation: Allocation,
    /// Mappings the kernel allows this process (`vm.max_map_count`).
    pub max_map_count: u32,
    /// Why there is no compile cache, if one was asked for.
    pub cache_problem: Option<String>,
    /// Where components are compiled; never [`Compile::Auto`].
    pub compile: Compile,
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pooled {
                slots,
                copy_on_write: true,
            } => write!(f, "pool of {slots} actors, copy-on-write memories"),
            Self::Pooled {
                slots,
                copy_on_write: false,
            } => write!(f, "pool of {slots} actors, copied memories"),
            Self::OnDemand { why } => write!(f, "on demand ({why})"),
        }
    }
}

/// Compiles and loads components. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    ticker: Ticker,
    cache: Option<Cache>,
    compiler: Compiler,
    report: Report,
    /// All that shapes compiled code besides the component.
    fingerprint: blake3::Hash,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.0.report).finish()
    }
}

impl Engine {
    /// Instances and memories that the pool has given out and not got back; `None` without a pool.
    pub(crate) fn lent(&self) -> Option<u64> {
        let metrics = self.0.wasmtime.pooling_allocator_metrics()?;
        Some(metrics.component_instances() + metrics.memories() as u64)
    }

    /// Starts an engine. A pool or a cache that cannot be had is reported, not an error.
    pub(crate) fn new(config: &EngineConfig) -> Result<Self, LoadError> {
        let failed = |error: &dyn fmt::Display| LoadError::Engine {
            detail: error.to_string(),
        };
        let compiler = Compiler::new(&config.compile, config.compile_bounds)?;
        let max_map_count = max_map_count();
        let (wasmtime, allocation) = allocate(config, max_map_count).map_err(|error| failed(&error))?;
        let linker = linker::linker(&wasmtime).map_err(|error| failed(&format!("{error:#}")))?;
        let ticker = Ticker::start(wasmtime.clone()).map_err(|error| failed(&error))?;
        let (cache, cache_problem) = open_cache(config.cache_dir.as_deref());
        let fingerprint = fingerprint(&wasmtime);
        let report = Report {
            allocation,
            max_map_count,
            cache_problem,
            compile: compiler.place(),
        };
        Ok(Self(Arc::new(Inner {
            wasmtime,
            linker,
            ticker,
            cache,
            compiler,
            report,
            fingerprint,
        })))
    }

    /// Loads a component from a file. Takes as long as compiling does, if it is not cached.
    pub(crate) fn load_file(&self, path: &Path) -> Result<Component, LoadError> {
        self.load_path(path, Unknown::Refused)
    }

    /// As [`load_file`](Self::load_file), to be looked at and never run: what it asks for need not be there.
    pub(crate) fn inspect_file(&self, path: &Path) -> Result<Component, LoadError> {
        self.load_path(path, Unknown::Trapped)
    }

    fn load_path(&self, path: &Path, unknown: Unknown) -> Result<Component, LoadError> {
        let bytes = read(path)?;
        let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        Component::load(self, &path.display().to_string(), &stem, &bytes, unknown)
    }

    /// Loads a component that is in memory. `name` names it in errors.
    pub(crate) fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::load(self, name, name, bytes, Unknown::Refused)
    }

    /// Makes every guest that runs look at its kill switch now.
    pub(crate) fn interrupt(&self) {
        self.0.wasmtime.increment_epoch();
    }

    /// The compile cache, if there is one.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    /// What bounds compilation, if anything does.
    pub(crate) fn compile_bounds(&self) -> Option<Bounds> {
        self.0.compiler.bounds()
    }

    pub(super) fn compiler(&self) -> &Compiler {
        &self.0.compiler
    }

    /// Whether memories begin as views of their images, for which code is laid out differently.
    pub(super) fn copy_on_write(&self) -> bool {
        match self.0.report.allocation {
            Allocation::Pooled { copy_on_write, .. } => copy_on_write,
            Allocation::OnDemand { .. } => true,
        }
    }

    /// How it was set up.
    pub(crate) fn report(&self) -> &Report {
        &self.0.report
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.0.linker
    }

    pub(super) fn ticker(&self) -> &Ticker {
        &self.0.ticker
    }

    pub(super) fn fingerprint(&self) -> &blake3::Hash {
        &self.0.fingerprint
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| match source {
        source if std::io::Error::kind(&source) == ErrorKind::NotFound => LoadError::Missing { path: path.into() },
        source => LoadError::Unreadable {
            path: path.into(),
            source,
        },
    };
    let actual = fs::metadata(path).map_err(unreadable)?.len();
    if actual > limits::FILE {
        return Err(LoadError::Oversized {
            name: path.display().to_string(),
            what: "bytes",
            actual,
            limit: limits::FILE,
        });
    }
    fs::read(path).map_err(unreadable)
}

fn open_cache(dir: Option<&Path>) -> (Option<Cache>, Option<String>) {
    let Some(dir) = dir else { return (None, None) };
    match Cache::open(dir) {
        Ok(cache) => (Some(cache), None),
        Err(error) => {
            tracing::warn!(%error, "no compile cache; components are compiled at every start");
            (None, Some(error.to_string()))
        }
    }
}

/// An engine that compiles as one whose memories begin so, and runs nothing.
pub(super) fn for_compiling(copy_on_write: bool) -> wasmtime::Result<wasmtime::Engine> {
    let mut config = base();
    config.memory_init_cow(copy_on_write);
    wasmtime::Engine::new(&config)
}

/// All that shapes what this engine compiles.
pub(super) fn fingerprint(engine: &wasmtime::Engine) -> blake3::Hash {
    let mut collector = Collector(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut collector);
    super::description::FORMAT.hash(&mut collector);
    env!("CARGO_PKG_VERSION").hash(&mut collector);
    collector.0.finalize()
}

/// Feeds what is hashed to blake3; 64 bits would be too few to name code by.
struct Collector(blake3::Hasher);

impl Hasher for Collector {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The kernel's default where the machine does not say.
fn max_map_count() -> u32 {
    let text = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    text.trim().parse().unwrap_or(65_530)
}

fn allocate(config: &EngineConfig, max_map_count: u32) -> wasmtime::Result<(wasmtime::Engine, Allocation)> {
    if !config.pooling {
        return on_demand("switched off".into());
    }
    let plan = Plan::of(config.max_actors.unwrap_or(limits::ACTORS), max_map_count);
    match wasmtime::Engine::new(&plan.config()) {
        Ok(engine) => Ok((
            engine,
            Allocation::Pooled {
                slots: plan.slots,
                copy_on_write: plan.copy_on_write,
            },
        )),
        Err(error) => {
            let why = format!(
                "a pool of {} slots is not to be had: {}",
                plan.slots,
                error.root_cause()
            );
            tracing::warn!(%why, "memory is allocated on demand");
            on_demand(why)
        }
    }
}

fn on_demand(why: String) -> wasmtime::Result<(wasmtime::Engine, Allocation)> {
    Ok((wasmtime::Engine::new(&base())?, Allocation::OnDemand { why }))
}

/// How many slots a pool gets, given the mappings of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    slots: u32,
    copy_on_write: bool,
}

/// Mappings per actor: two for its stack and its guard page, and two for its memory.
const MAPS: u32 = 4;
/// A memory that begins as a view of its image needs up to two more.
const MAPS_COPY_ON_WRITE: u32 = 6;

impl Plan {
    fn of(wanted: u32, max_map_count: u32) -> Self {
        let available = max_map_count.saturating_sub(limits::MAPS_RESERVED);
        let copy_on_write = wanted <= available / MAPS_COPY_ON_WRITE;
        Self {
            slots: wanted.min(available / MAPS).max(1),
            copy_on_write,
        }
    }

    fn config(self) -> Config {
        let mut config = base();
        config.memory_init_cow(self.copy_on_write);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
        config
    }

    /// Counts that cost nothing but address space are generous: a component is several core instances.
    fn pool(self) -> PoolingAllocationConfig {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(self.slots)
            .total_core_instances(self.slots.saturating_mul(4))
            .total_memories(self.slots)
            .total_tables(self.slots.saturating_mul(2))
            .total_stacks(self.slots)
            .max_core_instances_per_component(limits::CORE_INSTANCES as u32)
            .max_memories_per_component(limits::MEMORIES as u32)
            .max_tables_per_component(limits::TABLES as u32)
            .max_memory_size(limits::MEMORY_MAX)
            .table_elements(limits::TABLE_ELEMENTS)
            .max_unused_warm_slots(limits::WARM_SLOTS)
            .table_keep_resident(limits::TABLE_KEEP_RESIDENT);
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.pagemap_scan(Enabled::Yes)
                .linear_memory_keep_resident(limits::MEMORY_KEEP_RESIDENT);
        }
        pool
    }
}

fn base() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits::WASM_STACK)
        .async_stack_size(limits::TURN_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(limits::BACKTRACE_FRAMES));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_actors_fit_the_kernels_default() {
        assert_eq!(
            Plan::of(10_000, 65_530),
            Plan {
                slots: 10_000,
                copy_on_write: true
            }
        );
    }

    #[test]
    fn copy_on_write_is_given_up_before_slots_are() {
        assert_eq!(
            Plan::of(15_000, 65_530),
            Plan {
                slots: 15_000,
                copy_on_write: false
            }
        );
        assert_eq!(Plan::of(100_000, 65_530).slots, 15_358);
    }
}
