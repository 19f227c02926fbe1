//! A running guest: one store, one instance, one turn at a time.
//!
//! An instance that trapped, or whose turn was dropped half-way, is over: its store is in no state to
//! be entered again. Who holds it drops it.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use steading_types::{Boundary, Description, ErrorKind, Event};
use wasmtime::Store;
use wasmtime::component::{InstancePre, ResourceTable};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

use super::access::{Access, PreopenedDir};
use super::bindings::exports::{Guest, GuestPre};
use super::budget::Budget;
use super::clocks::Clocks;
use super::convert::{self, Paths};
use super::engine::Engine;
use super::files::Quotas;
use super::meter::{Meter, Stopwatch};
use super::stopped::KillSwitch;
use super::view::State;
use super::{description, limits, stdio};
use crate::runtime::account::Account;
use crate::runtime::driver::Stopped;

/// What an instance may use.
#[derive(Clone, Debug)]
pub(crate) struct InstanceLimits {
    /// Bytes of linear memory over all memories; at most [`limits::MEMORY_MAX`] counts.
    pub(crate) memory: usize,
    /// Table elements over all tables.
    pub(crate) table_elements: usize,
    /// Largest payload that leaves it in one call.
    pub(crate) payload: usize,
    /// What its memory is charged to, besides.
    pub(crate) account: Option<Arc<Account>>,
}

impl Default for InstanceLimits {
    fn default() -> Self {
        Self {
            memory: limits::MEMORY,
            table_elements: limits::TABLE_ELEMENTS,
            payload: limits::PAYLOAD,
            account: None,
        }
    }
}

/// One guest with a store of its own, and what it exports.
pub(crate) struct Instance<E = Guest> {
    pub(super) store: Held,
    pub(super) exports: E,
    pub(super) engine: Engine,
    pub(super) meter: Arc<Meter>,
    pub(super) ended: bool,
}

/// A store whose data goes last. Should the end of what it holds fail, its instance and memory are back in their pool:
/// a store that is dropped as it is would lose them then.
pub(super) struct Held(Option<Store<State>>);

/// Why there is a store: it is taken by `drop`, after which nobody has this.
const HELD: &str = "a store is there until it is dropped";

impl Deref for Held {
    type Target = Store<State>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect(HELD)
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0.as_mut().expect(HELD)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.take().map(Store::into_data));
    }
}

/// Code that has got all it imports, of which instances are made.
pub(super) trait Linked: Sync {
    /// What an instance of it is called by.
    type Exports: Send;
    /// How much more of the host's memory one call may fill than a payload takes, in bytes.
    const FUEL: usize;
    /// Makes an instance within this store.
    fn instantiate(&self, store: &mut Store<State>) -> impl Future<Output = wasmtime::Result<Self::Exports>> + Send;
}

impl Linked for GuestPre<State> {
    type Exports = Guest;
    const FUEL: usize = limits::HOSTCALL;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Guest> {
        self.instantiate_async(store).await
    }
}

impl Linked for InstancePre<State> {
    type Exports = wasmtime::component::Instance;
    // Each of its functions has its own while it runs.
    const FUEL: usize = limits::HOSTCALL;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Self::Exports> {
        self.instantiate_async(store).await
    }
}

impl<E: Send> fmt::Debug for Instance<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("ended", &self.ended)
            .field("memory", &self.memory_bytes())
            .finish()
    }
}

impl<E: Send> Instance<E> {
    pub(super) async fn start<P: Linked<Exports = E>>(
        engine: &Engine,
        pre: &P,
        boundary: Arc<dyn Boundary>,
        access: &Access,
        limits: &InstanceLimits,
        kill: Arc<KillSwitch>,
    ) -> Result<Self, Stopped> {
        let meter = Arc::new(Meter::default());
        let mut store = Held(Some(store(engine, boundary, access, limits)?));
        store.set_hostcall_fuel(limits.payload.saturating_add(P::FUEL));
        watch(&mut store, &meter, kill);
        let _busy = engine.ticker().busy();
        let started = meter.watch(pin!(pre.instantiate(&mut store))).await;
        match started {
            Ok(exports) => Ok(Self {
                store,
                exports,
                engine: engine.clone(),
                meter,
                ended: false,
            }),
            Err(error) => Err(Stopped::of(&error, store.data())),
        }
    }

    /// Bytes of linear memory in use.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().budget.memory_bytes()
    }

    /// Counts as ended until the turn has come back whole.
    pub(super) fn begin(&mut self) -> Result<(), Stopped> {
        if std::mem::replace(&mut self.ended, true) {
            return Err(Stopped::already());
        }
        self.store.set_epoch_deadline(1);
        let state = self.store.data_mut();
        state.budget.begin_turn();
        state.stopwatch.begin_turn();
        state.close_what_is_over();
        (state.calls, state.opened) = (0, 0);
        Ok(())
    }
}

impl Instance {
    /// Hands over what happened and runs the guest until all its tasks wait. The answer is whether
    /// more is ready to run at once. Not cancel-safe: dropping it half-way ends the instance.
    pub(crate) async fn turn(&mut self, now: u64, events: Vec<Event>) -> Result<bool, Stopped> {
        self.begin()?;
        let now = self.store.data().clocks.begin_turn(now);
        let _busy = self.engine.ticker().busy();
        let turned = match &*events {
            [Event::Data { context, batch }] => {
                let turn = pin!(self.exports.call_turn_on_data(&mut *self.store, now, *context, batch));
                self.meter.watch(turn).await
            }
            events => {
                let paths = Paths::of(events);
                let errors = paths.errors();
                let events = errors.events();
                let turn = pin!(self.exports.call_turn(&mut *self.store, now, &events));
                self.meter.watch(turn).await
            }
        };
        turned
            .inspect(|_| self.ended = false)
            .map_err(|error| Stopped::of(&error, self.store.data()))
    }

    /// Asks what it offers.
    pub(super) async fn describe(&mut self) -> Result<Description, Stopped> {
        self.begin()?;
        let _busy = self.engine.ticker().busy();
        let described = {
            let describe = pin!(self.exports.call_describe(&mut *self.store));
            self.meter.watch(describe).await
        };
        let described = described.map_err(|error| Stopped::of(&error, self.store.data()))?;
        description::presentable(convert::description(described))
            .map_err(|why| Stopped::new(ErrorKind::InvalidOperation, why))
    }
}

fn store(
    engine: &Engine,
    boundary: Arc<dyn Boundary>,
    access: &Access,
    limits: &InstanceLimits,
) -> Result<Store<State>, Stopped> {
    let clocks = Clocks::new(access.clock);
    let wasi = wasi(access, &boundary, &clocks)?;
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits::RESOURCES);
    let budget = Budget::new(
        limits.memory.min(limits::MEMORY_MAX),
        limits.table_elements,
        limits.account.clone(),
    );
    let quotas = Quotas::new(boundary.self_id(), access);
    let state = State {
        boundary,
        budget,
        calls: 0,
        opened: 0,
        panic: None,
        stopwatch: Stopwatch::default(),
        clocks,
        wasi,
        quotas,
        table,
    };
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| &mut state.budget);
    store.set_max_component_handles(limits::COMPONENT_HANDLES);
    Ok(store)
}

/// Set up before the guest's first instruction: a start function may spin as well as a turn.
fn watch(store: &mut Store<State>, meter: &Arc<Meter>, kill: Arc<KillSwitch>) {
    let meter = Arc::clone(meter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| store.data_mut().stopwatch.check(&meter, &kill));
}

fn wasi(access: &Access, boundary: &Arc<dyn Boundary>, clocks: &Clocks) -> Result<WasiCtx, Stopped> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&access.args)
        .envs(&access.env)
        .max_random_size(limits::RANDOM)
        .monotonic_clock(clocks.clone())
        .wall_clock(clocks.clone());
    if let Some(seed) = access.seed {
        randomness(&mut wasi, seed);
    }
    // Where they are called: `files` calls them where they may block.
    wasi.allow_blocking_current_thread(true);
    stdio::connect(&mut wasi, access, boundary);
    for directory in &access.directories {
        preopen(&mut wasi, directory)?;
    }
    Ok(wasi.build())
}

/// Every source of randomness from one seed: none of them is a secret then.
fn randomness(wasi: &mut WasiCtxBuilder, seed: u64) {
    let mut numbers = StdRng::seed_from_u64(seed);
    wasi.insecure_random_seed(numbers.random())
        .insecure_random(StdRng::from_rng(&mut numbers))
        .secure_random(numbers);
}

fn preopen(wasi: &mut WasiCtxBuilder, directory: &PreopenedDir) -> Result<(), Stopped> {
    let perms = if directory.writable {
        FsPerms::ReadWrite
    } else {
        FsPerms::ReadOnly
    };
    let path = path_of(&directory.source);
    let opened = wasi.preopened_dir(&path, &directory.guest_path, perms);
    opened.map(drop).map_err(|error| {
        let message = format!("directory {}: {}", path.display(), error.root_cause());
        Stopped::new(ErrorKind::SpawnFailed, message)
    })
}

/// An open directory is handed on by its descriptor: the kernel resolves this name to the very
/// directory, wherever its path leads by now.
fn path_of(source: &cap_std::fs::Dir) -> std::path::PathBuf {
    use std::os::fd::AsRawFd as _;
    format!("/proc/self/fd/{}", source.as_raw_fd()).into()
}
