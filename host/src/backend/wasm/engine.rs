//! One engine per host: how code is compiled, where its memories come from, what it may import.

use std::fmt;
use std::fs;
use std::hash::{Hash as _, Hasher};
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{Config, OptLevel, WasmBacktraceDetails};
use wasmtime_wasi::filesystem::Dir;

use super::cache::{self, Cache};
use super::compile::{Bounds, Compiler};
use super::component::{Component, Unknown};
use super::error::LoadError;
use super::pool::{Allocation, Layout, Plan};
use super::ticker::Ticker;
use super::view::State;
use super::{files, limits, linker, pool};
use crate::capacity::{Bound, Capacity};
use crate::config::{Compile, Profile};
use crate::machine::Machine;

/// How to set up an engine.
#[derive(Clone, Debug)]
pub(crate) struct EngineConfig {
    /// Where compiled components are kept; `None` keeps none.
    pub(crate) cache_dir: Option<PathBuf>,
    /// Whether memories and stacks come from a pool set up at the start.
    pub(crate) pooling: bool,
    /// How many actors there shall be room for; [`limits::ACTORS`] if `None`.
    pub(crate) max_actors: Option<u32>,
    /// What it is laid out for.
    pub(crate) profile: Profile,
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
            profile: Profile::default(),
            compile: Compile::Auto,
            compile_bounds: Bounds {
                time: limits::COMPILE_TIME,
                memory: limits::COMPILE_MEMORY,
            },
        }
    }
}

/// What `steading doctor` shows of an engine.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it was laid out for.
    pub profile: Profile,
    /// Where memory comes from.
    pub allocation: Allocation,
    /// Mappings the kernel allows this process (`vm.max_map_count`).
    pub max_map_count: u32,
    /// Why there is no compile cache, if one was asked for.
    pub cache_problem: Option<String>,
    /// Where components are compiled; never [`Compile::Auto`].
    pub compile: Compile,
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
    layout: Layout,
    capacity: Arc<Capacity>,
    /// Where guests find what their contexts are granted.
    nothing: Option<Dir>,
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
        let max_map_count = Machine::default().max_map_count();
        let allocated = allocate(config, max_map_count).map_err(|error| failed(&error))?;
        let wasmtime = allocated.engine;
        let linker = linker::linker(&wasmtime).map_err(|error| failed(&format!("{error:#}")))?;
        let ticker = Ticker::start(wasmtime.clone()).map_err(|error| failed(&error))?;
        let (cache, cache_problem) = open_cache(config.cache_dir.as_deref());
        let fingerprint = fingerprint(&wasmtime);
        let report = Report {
            profile: config.profile,
            allocation: allocated.allocation,
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
            layout: allocated.layout,
            capacity: allocated.capacity,
            nothing: files::nothing(),
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

    /// How memories are laid out, which code has to fit.
    pub(super) fn layout(&self) -> Layout {
        self.0.layout
    }

    /// Bytes of linear memory that an instance can have here at most.
    pub(crate) fn largest_memory(&self) -> u64 {
        match self.0.layout.narrow {
            true => limits::DENSE_MEMORY as u64,
            false => limits::MEMORY_MAX as u64,
        }
    }

    /// Who can be let in.
    pub(crate) fn capacity(&self) -> &Arc<Capacity> {
        &self.0.capacity
    }

    /// How it was set up.
    pub(crate) fn report(&self) -> &Report {
        &self.0.report
    }

    /// A directory in which nothing is, if it can be had.
    pub(super) fn nothing(&self) -> Option<&Dir> {
        self.0.nothing.as_ref()
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

/// An engine that compiles for memories that are laid out so, and runs nothing.
pub(super) fn for_compiling(layout: Layout) -> wasmtime::Result<wasmtime::Engine> {
    let mut config = base();
    layout.apply(&mut config);
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

/// An engine, what it allocates from, and who can be let in.
struct Allocated {
    engine: wasmtime::Engine,
    allocation: Allocation,
    layout: Layout,
    capacity: Arc<Capacity>,
}

fn allocate(config: &EngineConfig, max_map_count: u32) -> wasmtime::Result<Allocated> {
    let wanted = config.max_actors.unwrap_or(limits::ACTORS);
    if !config.pooling {
        return on_demand(wanted, "switched off".into());
    }
    let plan = Plan::of(config.profile, wanted, max_map_count);
    let mut settings = base();
    plan.apply(&mut settings);
    match wasmtime::Engine::new(&settings) {
        Ok(engine) => Ok(Allocated {
            engine,
            allocation: plan.allocation(),
            layout: plan.layout,
            capacity: Capacity::new(Machine::default(), plan.slots, plan.bound, plan.need()),
        }),
        Err(error) => {
            let why = format!(
                "a pool of {} slots is not to be had: {}",
                plan.slots,
                error.root_cause()
            );
            tracing::warn!(%why, "memory is allocated on demand");
            on_demand(wanted, why)
        }
    }
}

fn on_demand(wanted: u32, why: String) -> wasmtime::Result<Allocated> {
    let mut settings = base();
    Layout::ON_DEMAND.apply(&mut settings);
    Ok(Allocated {
        engine: wasmtime::Engine::new(&settings)?,
        allocation: Allocation::OnDemand { why },
        layout: Layout::ON_DEMAND,
        capacity: Capacity::new(Machine::default(), wanted, Bound::Configured, pool::need_on_demand()),
    })
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
