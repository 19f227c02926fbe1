//! The embedder's door: builds a host, loads code into it, opens roots. The one place that names
//! adapters.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use steading_actor::{Endpoint, Nursery, Result};
use steading_proto::Limits;
use steading_types::{Budget, Clock, Description, Spec};

use crate::backend::wasm::{Engine, EngineConfig, WasmCode};
use crate::capability::Want;
use crate::config::{Compile, Deadlocks, Profile, Stdio, Streams, Workers};
use crate::runtime::faults::FaultPlan;
use crate::runtime::native::{NativeCode, SharedNative};
use crate::runtime::{Executor, Launch, Options, Runtime, Snapshot, root};

pub use crate::backend::wasm::{Allocation, LoadError, Report};

/// Makes this program its own compiler: to be called first in `main`, before threads, files or a runtime.
///
/// Where a host compiles in a child process ([`config::Compile`](crate::config::Compile)), that child is this program
/// again, told by its environment what it is for. There, this compiles and ends the process. Everywhere else it
/// returns at once, and lets hosts built afterwards compile so by default.
///
/// ```no_run
/// fn main() -> steading::Result<()> {
///     steading::compile_child();
///     let runtime = tokio::runtime::Runtime::new()?;
///     runtime.block_on(async {
///         let host = steading::Host::builder().build()?;
///         let code = host.load("from-somebody.wasm")?;
///         // …
///         # drop(code);
///         Ok(())
///     })
/// }
/// ```
pub fn compile_child() {
    crate::backend::wasm::serve_if_asked();
}

/// Bytes that a guest may have sent and nobody taken in, by default: sixteen default windows.
const UNREAD: usize = 16 << 20;

/// What a host is to be like. [`Host::builder`] makes one; everything has a default.
#[derive(Clone, Debug)]
pub struct HostBuilder {
    workers: Workers,
    stdio: Streams,
    memory: u64,
    budget: Budget,
    total: Budget,
    clock: Clock,
    deadlocks: Deadlocks,
    limits: Limits,
    log_rate: u32,
    encode_frames: bool,
    inline_files: bool,
    drive_terminals: bool,
    unread: usize,
    history: usize,
    faults: Option<Arc<dyn FaultPlan>>,
    engine: EngineConfig,
}

impl Default for HostBuilder {
    fn default() -> Self {
        Self {
            workers: Workers::default(),
            stdio: Streams::default(),
            memory: crate::backend::wasm::limits::MEMORY as u64,
            budget: Budget::default()
                .memory(crate::backend::wasm::limits::BUDGET_MEMORY)
                .actors(crate::backend::wasm::limits::BUDGET_ACTORS),
            total: Budget::default(),
            clock: Clock::default(),
            deadlocks: Deadlocks::default(),
            limits: Limits::DEFAULT,
            log_rate: crate::runtime::log::BYTES_PER_SECOND,
            encode_frames: false,
            inline_files: false,
            drive_terminals: false,
            unread: UNREAD,
            history: 0,
            faults: None,
            engine: EngineConfig::default(),
        }
    }
}

impl HostBuilder {
    /// Where actors run. Default: on the runtime that builds the host.
    pub fn workers(mut self, workers: Workers) -> Self {
        self.workers = workers;
        self
    }

    /// What becomes of guests' standard streams, unless their [`Spec`] says otherwise. Default: output and error go to
    /// `tracing`, and there is nothing to read.
    pub fn stdio(mut self, stdio: impl Into<Stdio>) -> Self {
        self.stdio = Streams::from(stdio.into());
        self
    }

    /// What becomes of guests' standard input alone.
    pub fn stdin(mut self, stdio: impl Into<Stdio>) -> Self {
        self.stdio.stdin = stdio.into();
        self
    }

    /// What becomes of guests' standard output alone.
    pub fn stdout(mut self, stdio: impl Into<Stdio>) -> Self {
        self.stdio.stdout = stdio.into();
        self
    }

    /// What becomes of guests' standard error alone.
    pub fn stderr(mut self, stdio: impl Into<Stdio>) -> Self {
        self.stdio.stderr = stdio.into();
        self
    }

    /// Bytes of linear memory an actor may have, over all its memories. Default 64 MiB, which is the most under
    /// [`Profile::Density`]; beyond [`limits::MEMORY`](crate::limits::MEMORY), the nearest in it.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = clamped(bytes, &crate::limits::MEMORY);
        self
    }

    /// What a guest that the embedder starts may use together with all that it starts, unless its [`Spec`] says
    /// otherwise. Default: 256 MiB of memory, 1 000 actors, and as much processor time as there is.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// What all actors of the host may use together. Default: nothing but the machine bounds it.
    pub fn total(mut self, budget: Budget) -> Self {
        self.total = budget;
        self
    }

    /// How well guests can tell the time, unless their [`Spec`] says otherwise. Default: to the millisecond.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What is done about guests' tasks that wait for each other in a circle. Default: nothing. See [`Deadlocks`] for
    /// when to switch it on.
    pub fn deadlocks(mut self, deadlocks: Deadlocks) -> Self {
        self.deadlocks = deadlocks;
        self
    }

    /// Contexts an actor may have alive at once, opened and served together, unless its [`Spec`] says otherwise.
    /// Default 256; beyond [`limits::CONTEXTS`](crate::limits::CONTEXTS), the nearest in it.
    pub fn contexts(mut self, contexts: usize) -> Self {
        self.limits.contexts = clamped(contexts, &crate::limits::CONTEXTS);
        self
    }

    /// Bytes a guest may log in a second, unless its [`Spec`] says otherwise; what is beyond is dropped, counted and
    /// told. Default 64 KiB; beyond [`limits::LOG_RATE`](crate::limits::LOG_RATE), the nearest in it.
    pub fn log_rate(mut self, bytes_per_second: u32) -> Self {
        self.log_rate = clamped(bytes_per_second, &crate::limits::LOG_RATE);
        self
    }

    /// Children an actor may have alive at once. Default 64; beyond
    /// [`limits::CHILDREN`](crate::limits::CHILDREN), the nearest in it.
    pub fn children(mut self, children: usize) -> Self {
        self.limits.children = clamped(children, &crate::limits::CHILDREN);
        self
    }

    /// Bytes of messages, first values and results that a guest may have sent and nobody taken in, over all its
    /// contexts. Who has reached it waits with its next message, as for credit; a result for which there is no room
    /// fails its call, with `Limit("unread")`. Those who read are sent to meanwhile. Default 16 MiB; beyond [`limits::UNREAD`](crate::limits::UNREAD), the
    /// nearest in it.
    pub fn unread(mut self, bytes: usize) -> Self {
        self.unread = clamped(bytes, &crate::limits::UNREAD);
        self
    }

    /// How long a cancelled task may take before its actor is interrupted. Default 500 ms.
    pub fn cancel_grace(mut self, grace: std::time::Duration) -> Self {
        let grace = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX / 4);
        self.limits.cancel_grace = grace;
        self.limits.cancel_timeout = self.limits.cancel_timeout.max(grace.saturating_mul(2));
        self
    }

    /// What the host is laid out for. Default: [`Profile::Latency`].
    pub fn profile(mut self, profile: Profile) -> Self {
        self.engine.profile = profile;
        self
    }

    /// Guests alive at once; memory for this many is reserved (not used) up front. Default 10 000; beyond
    /// [`limits::ACTORS`](crate::limits::ACTORS), the nearest in it. Those that the machine cannot bear are refused
    /// as well, with `Limit("capacity")`, which says what ran out and how there is more of it.
    pub fn max_actors(mut self, actors: u32) -> Self {
        self.engine.max_actors = Some(clamped(actors, &crate::limits::ACTORS));
        self
    }

    /// Where compiled code is kept. Default: `STEADING_CACHE_DIR`, else `steading` in the user's cache
    /// directory.
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.engine.cache_dir = Some(dir.into());
        self
    }

    /// Where components are compiled that are not in the cache. Default: in a child process, if `main` begins with
    /// [`compile_child`]; else in this one, without bounds.
    pub fn compile(mut self, place: Compile) -> Self {
        self.engine.compile = place;
        self
    }

    /// Processor time a child process may take to compile a component; by the clock it may take six times as long,
    /// for a machine that is busy. Default 10 s; beyond [`limits::COMPILE_TIME`](crate::limits::COMPILE_TIME), the
    /// nearest in it. One that took longer is refused at once the next time, unless it is given more.
    pub fn compile_time(mut self, limit: std::time::Duration) -> Self {
        self.engine.compile_bounds.time = clamped(limit, &crate::limits::COMPILE_TIME);
        self
    }

    /// Bytes of address space a child process may have to compile a component, its own program included.
    /// Default 1 GiB; beyond [`limits::COMPILE_MEMORY`](crate::limits::COMPILE_MEMORY), the nearest in it.
    pub fn compile_memory(mut self, bytes: u64) -> Self {
        self.engine.compile_bounds.memory = clamped(bytes, &crate::limits::COMPILE_MEMORY);
        self
    }

    /// Runs guests' file operations on the worker itself instead of on a pool of blocking threads: two to
    /// three times faster for many small files, but a slow disk or a FIFO then holds up every actor of
    /// that worker. Default: off.
    pub fn inline_files(mut self, inline: bool) -> Self {
        self.inline_files = inline;
        self
    }

    /// Lets guests that inherit a standard stream drive the terminal behind it, with colours, titles and whatever else it
    /// obeys. Default: off; what they write is shown with all that is no text escaped, and they are told that there is no
    /// terminal. What is not a terminal gets the bytes as they are.
    pub fn drive_terminals(mut self, drive: bool) -> Self {
        self.drive_terminals = drive;
        self
    }

    /// How many actors that have ended a [`Snapshot`] still tells of; what earlier ones used is summed up by
    /// name. Each takes some hundred bytes. Default: 0, which sums up nothing either.
    pub fn history(mut self, actors: usize) -> Self {
        self.history = actors;
        self
    }

    /// Encodes and decodes every frame, as a link that leaves the process would. For tests.
    pub fn encode_frames(mut self, encode: bool) -> Self {
        self.encode_frames = encode;
        self
    }

    /// What is to go wrong, and where. For tests.
    #[doc(hidden)]
    pub fn faults(mut self, plan: Arc<dyn FaultPlan>) -> Self {
        self.faults = Some(plan);
        self
    }

    /// Builds the host.
    ///
    /// # Errors
    /// When the engine cannot be made on this machine, worker threads cannot be started, or a child process is to
    /// compile ([`compile`](Self::compile)) of a program that does not begin with [`compile_child`].
    ///
    /// # Panics
    /// With shared workers (the default), outside a tokio runtime.
    pub fn build(self) -> Result<Host> {
        let engine = Engine::new(&self.engine)?;
        let executor = match self.workers {
            Workers::Shared => Executor::Shared(tokio::runtime::Handle::current()),
            Workers::Dedicated(threads) => Executor::Dedicated(Some(dedicated(threads)?)),
        };
        // An embedder's own actors are trusted to bound themselves; what bounds them here is memory.
        let native_limits = Limits {
            contexts: 65_000,
            children: 65_000,
            ..self.limits
        };
        let options = Options {
            budget: self.total,
            guest_budget: self.budget,
            guest_clock: self.clock,
            deadlocks: self.deadlocks,
            limits: self.limits,
            log_rate: self.log_rate,
            native_limits,
            encode_frames: self.encode_frames,
            inline_files: self.inline_files,
            drive_terminals: self.drive_terminals,
            unread: self.unread,
        };
        let runtime = Runtime::new(executor, options, self.faults, self.history);
        Ok(Host {
            runtime,
            memory: self.memory.min(engine.largest_memory()),
            engine,
            stdio: self.stdio,
        })
    }
}

fn clamped<N: Ord + Copy>(value: N, range: &std::ops::RangeInclusive<N>) -> N {
    value.clamp(*range.start(), *range.end())
}

/// Threads that may block beside those of file operations: of what else guests and the runtime itself have to wait for.
const SPARE: usize = 16;

fn dedicated(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(threads.max(1))
        .thread_name("steading-guest")
        .max_blocking_threads(crate::runtime::disk::OF_HOST + SPARE)
        .enable_time()
        .build()
}

/// A host of actors. A handle; clones are the same host.
#[derive(Clone)]
pub struct Host {
    runtime: Arc<Runtime>,
    engine: Engine,
    stdio: Streams,
    memory: u64,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host({} actors)", self.runtime.alive())
    }
}

impl Host {
    /// A host with every default.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Loads a component file, out of the cache if it was compiled before.
    ///
    /// Blocks its thread: for milliseconds if the component is in the cache or is refused, else for as long as it
    /// takes to compile it and to ask it what it offers (10 s at most). In a child process a compilation ends within
    /// [`HostBuilder::compile_time`], on a busy machine within six times that; in this one within no certain time. A
    /// host compiles one component at a time: as many as are compiled before this one, so many times it waits. Within
    /// asynchronous code, that is a matter for `tokio::task::spawn_blocking`, where nothing else is to wait meanwhile.
    ///
    /// # Errors
    /// [`LoadError`], naming the path: missing, unreadable, not a component, unknown imports, too large,
    /// not an actor, beyond what compiling may take. What the compiler refused is refused at once the next time,
    /// as long as the cache remembers it.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Code, LoadError> {
        let component = self.engine.load_file(path.as_ref())?;
        let name = format!("{}-{}", component.name(), &component.digest()[..16]);
        Ok(self.register_component(&name, component))
    }

    /// As [`Host::load`], and lets guests start it as a child by this name.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn load_as(&self, name: &str, path: impl AsRef<Path>) -> Result<Code, LoadError> {
        let component = self.engine.load_file(path.as_ref())?;
        Ok(self.register_component(name, component))
    }

    /// Loads a component from memory, by this name.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Code, LoadError> {
        let component = self.engine.load_bytes(name, bytes)?;
        Ok(self.register_component(name, component))
    }

    /// Looks at a component without making it available: it may ask for what this host does not offer
    /// ([`Code::unknown_imports`]). A spec of it starts nothing.
    ///
    /// # Errors
    /// As [`Host::load`], unknown imports apart.
    pub fn inspect(&self, path: impl AsRef<Path>) -> Result<Code, LoadError> {
        let component = self.engine.inspect_file(path.as_ref())?;
        Ok(Code::of(component.name(), &component))
    }

    fn register_component(&self, name: &str, component: crate::backend::wasm::Component) -> Code {
        let code = Code::of(name, &component);
        self.register(name, Arc::new(WasmCode::new(self.engine.clone(), component)));
        code
    }

    /// Adds a native actor, which can then be started like any other. Endpoints that hold this very host keep it
    /// alive for ever: they are a part of it.
    pub fn register_native(&self, actor: NativeActor) -> Code {
        let code = NativeCode::new(&actor.name, &actor.docs, actor.endpoints);
        let code = SharedNative(Arc::new(code));
        let described = Code {
            name: actor.name.clone(),
            description: code.description().clone(),
            imports: Vec::new(),
            unknown_imports: Vec::new(),
            wants: Vec::new(),
            size: 0,
            digest: String::new(),
            is_cached: false,
        };
        self.register(&actor.name, Arc::new(code));
        described
    }

    fn register(&self, name: &str, code: Arc<dyn Launch>) {
        self.runtime.register(name, code);
    }

    /// Runs `body` as the main task of a new root actor; its nursery owns every actor below. Returns
    /// when nothing of the tree is left (semantics 10).
    ///
    /// # Errors
    /// What left the body, or what ended the tree: semantics 5 and 7. `InvalidOperation` within an actor, be it a
    /// root or an endpoint: a scope does not end before what it has started (semantics 1), and another tree
    /// would not end with it. Children are what [`nursery`](crate::nursery) is for; a tree of its own is begun
    /// outside, by a task of the embedder's runtime.
    ///
    /// # Cancel safety
    /// Dropped, the tree is cancelled and torn down in the background; [`Host::wait_quiescent`] waits.
    pub async fn root<T, F>(&self, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Nursery) -> Result<T>,
    {
        root::run(&self.runtime, "root", self.stdio.clone(), self.memory, body).await
    }

    /// Asks every root to end, with cause `Interrupt` (semantics 10).
    pub fn interrupt(&self) {
        self.runtime.interrupt();
    }

    /// Ends every actor by force, now: its code is trapped, its tasks are dropped.
    pub fn kill(&self) {
        self.runtime.kill();
    }

    /// What is alive now. Takes time in proportion to the actors and their contexts, and each actor's lock for
    /// a moment; a guest that spins does not delay it.
    pub fn snapshot(&self) -> Snapshot {
        self.runtime.snapshot()
    }

    /// The tree of actors with every task, and what each waits for, as text: for when something hangs.
    /// Costs what a [`snapshot`](Self::snapshot) does.
    pub fn dump(&self) -> String {
        format!("{:#}", self.snapshot())
    }

    /// Waits until an actor has come or gone, counted from `seen`: what this gave the last time, or 0.
    /// Cancel-safe.
    pub async fn wait_change(&self, seen: u64) -> u64 {
        self.runtime.wait_change(seen).await
    }

    /// Fails unless nothing is alive: to be called where every root has ended, most of all at the end of a test.
    /// A root that has returned has left nothing; one that was dropped is torn down in the background, which
    /// [`wait_quiescent`](Self::wait_quiescent) waits for.
    ///
    /// # Panics
    /// When an actor is alive, with the tree of all that are, their tasks, and what these wait for.
    #[track_caller]
    pub fn assert_quiescent(&self) {
        // Counted apart from the list: an actor is in both for as long as anything of it is left.
        let (alive, snapshot) = (self.runtime.alive(), self.snapshot());
        assert!(
            alive == 0 && snapshot.is_quiescent(),
            "{alive} actors are alive where none should be:\n{snapshot:#}"
        );
    }

    /// Waits until no actor is left. Cancel-safe.
    pub async fn wait_quiescent(&self) {
        self.runtime.wait_idle().await;
    }

    /// How the engine was set up on this machine, for `doctor`.
    pub fn engine_report(&self) -> &Report {
        self.engine.report()
    }

    /// Instances and memories that the engine's pool has given out and not got back; `None` without a pool. For
    /// tests: what no actor holds is held by a leak.
    #[doc(hidden)]
    pub fn lent(&self) -> Option<u64> {
        self.engine.lent()
    }

    /// Bytes that the guest with the most of them has sent and nobody has taken in. For tests.
    #[doc(hidden)]
    pub fn most_unread(&self) -> usize {
        self.runtime.most_unread()
    }

    /// What the compile cache holds; `None` without one.
    pub fn cache_report(&self) -> Option<CacheReport> {
        let cache = self.engine.cache()?;
        Some(CacheReport {
            dir: cache.dir().to_owned(),
            entries: cache.entries(),
            refused: cache.refused(),
            bytes: cache.total_size(),
        })
    }

    /// Every bound that holds on this host.
    pub fn limits(&self) -> Vec<crate::limits::Limit> {
        let compile = self.engine.compile_bounds();
        let actors = self.engine.capacity().places();
        crate::limits::in_force(
            &self.runtime.options,
            (self.memory, self.engine.largest_memory()),
            actors,
            compile,
        )
    }

    /// Empties the compile cache; how many entries went.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn clear_cache(&self) -> std::io::Result<usize> {
        self.engine.cache().map_or(Ok(0), |cache| cache.clear())
    }
}

/// The compile cache at one moment.
#[derive(Clone, Debug)]
pub struct CacheReport {
    /// Where it is.
    pub dir: PathBuf,
    /// Components in it.
    pub entries: usize,
    /// Components of which it remembers why they were refused.
    pub refused: usize,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Code that a host has loaded: what `inspect` shows, and the [`Spec`]s to start it with.
#[derive(Clone, Debug)]
pub struct Code {
    name: String,
    description: Description,
    imports: Vec<String>,
    unknown_imports: Vec<String>,
    wants: Vec<Want>,
    size: usize,
    digest: String,
    is_cached: bool,
}

impl Code {
    fn of(name: &str, component: &crate::backend::wasm::Component) -> Self {
        Self {
            name: name.to_owned(),
            description: component.description().clone(),
            imports: component.imports(),
            unknown_imports: component.unknown_imports(),
            wants: component.wants(),
            size: component.size(),
            digest: component.digest().to_owned(),
            is_cached: component.is_cached(),
        }
    }

    /// What to start an actor of this code with; nothing is granted.
    pub fn spec(&self, actor: &str) -> Spec {
        Spec::component(&self.name, actor)
    }

    /// The name under which the host knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its endpoints.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The WIT interfaces it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Those of them that this host does not offer; none of code that can be started.
    pub fn unknown_imports(&self) -> &[String] {
        &self.unknown_imports
    }

    /// What of the machine it could make use of if it is granted, and the imports by which it says so.
    pub fn wants(&self) -> &[Want] {
        &self.wants
    }

    /// Bytes of the component file; 0 for native code.
    pub fn size(&self) -> usize {
        self.size
    }

    /// BLAKE3 of the component file, in hexadecimal; empty for native code.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it had been compiled before.
    pub fn is_cached(&self) -> bool {
        self.is_cached
    }
}

/// An actor whose endpoints are Rust functions of the embedder.
#[derive(Debug)]
pub struct NativeActor {
    name: String,
    docs: String,
    endpoints: Vec<Endpoint>,
}

impl NativeActor {
    /// An actor without endpoints.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            docs: String::new(),
            endpoints: Vec::new(),
        }
    }

    /// Says what it is for.
    pub fn docs(mut self, docs: &str) -> Self {
        docs.clone_into(&mut self.docs);
        self
    }

    /// Adds an endpoint.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }
}
