//! What the host runs: actors, each with a cell, an inbox and a driver.
//!
//! Performs what `steading-proto` decides, and decides nothing itself. Knows no wasmtime: an actor's
//! code is whatever implements [`Launch`]. `cell.rs` is an actor as others see it, `driver.rs` the
//! loop that runs it, `inbox.rs` the way to it, `children.rs` how a child is made, `native.rs` an
//! actor whose code is Rust of the embedder, `story.rs` what is told of all this to those who listen,
//! `snapshot.rs` what is seen of it by those who look.

mod abandon;
pub(crate) mod account;
pub(crate) mod cell;
pub(crate) mod children;
mod deadlock;
pub(crate) mod disk;
pub(crate) mod driver;
pub(crate) mod faults;
pub(crate) mod faulty;
pub(crate) mod history;
pub(crate) mod inbox;
pub(crate) mod lent;
pub(crate) mod log;
pub(crate) mod native;
pub(crate) mod outlet;
pub(crate) mod quota;
pub(crate) mod root;
mod snapshot;
mod story;
mod tree;
mod unread;
pub(crate) mod usage;
mod waits;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use steading_proto::Limits;
use steading_types::{Budget, Cause, Description, Uuid};

use crate::capacity::{Capacity, Place};
use crate::clock::Clock;
use crate::config::Deadlocks;
use account::{Account, Admission, Exceeded};
pub use account::{BudgetStatus, Use};
use cell::Cell;
pub use history::Totals;
use inbox::Delivery;
pub use snapshot::{ActorStatus, ContextStatus, Snapshot, TaskStatus};
use tokio::sync::Semaphore;
pub use tree::Tree;
pub use waits::Wait;

/// Code that an actor can run.
pub(crate) trait Launch: Send + Sync + fmt::Debug {
    /// What it is called in messages.
    fn name(&self) -> &str;
    /// Its endpoints.
    fn description(&self) -> &Description;
    /// Whether it is Rust of the embedder, running outside turns.
    fn is_native(&self) -> bool;
    /// Where its actors need places, and how many each; `None` if they take nothing of the machine worth counting.
    fn capacity(&self) -> Option<(&Arc<Capacity>, u32)> {
        None
    }
    /// Whether it runs one task at a time, each of which says when it begins.
    fn runs_one_by_one(&self) -> bool {
        false
    }
    /// Drives an actor with this code from its first moment to its last.
    fn launch(&self, cell: Arc<Cell>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Everything the actors of one host share.
pub(crate) struct Runtime {
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    /// What all actors together may use.
    pub(crate) account: Arc<Account>,
    /// A permit for each thread, for turns that compute for long.
    pub(crate) heavy: Arc<Semaphore>,
    /// A place for each file operation that holds a thread.
    pub(crate) disk: disk::Disk,
    /// What is to go wrong on purpose: in tests.
    pub(crate) faults: Option<Arc<dyn faults::FaultPlan>>,
    executor: Executor,
    components: Mutex<BTreeMap<String, Arc<dyn Launch>>>,
    /// For snapshots and interrupts; never in the way of a message.
    cells: Mutex<HashMap<Uuid, Weak<Cell>>>,
    living: AtomicUsize,
    idle: tokio::sync::Notify,
    pub(crate) history: history::History,
    watch: deadlock::Watch,
    /// Counts actors that came or went.
    changes: AtomicU64,
    changed: tokio::sync::Notify,
}

/// What the embedder decided for every actor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// What all actors together may use.
    pub(crate) budget: Budget,
    /// What a guest that an embedder's actor starts may use, with all below it, unless its spec says otherwise.
    pub(crate) guest_budget: Budget,
    /// How well guests can tell the time at best.
    pub(crate) guest_clock: steading_types::Clock,
    /// Of actors that are guests.
    pub(crate) limits: Limits,
    /// Of actors that are Rust of the embedder.
    pub(crate) native_limits: Limits,
    /// Bytes a guest may log in a second, unless its spec says otherwise.
    pub(crate) log_rate: u32,
    /// What is done about tasks that wait in a circle.
    pub(crate) deadlocks: Deadlocks,
    /// Encode and decode every frame.
    pub(crate) encode_frames: bool,
    /// Bytes that a guest may have sent and nobody taken in.
    pub(crate) unread: usize,
    /// File operations of guests run on the worker itself.
    pub(crate) inline_files: bool,
    /// What guests write to a terminal is left as it is.
    pub(crate) drive_terminals: bool,
}

/// Where actors run (design 1).
pub(crate) enum Executor {
    /// On the embedder's runtime.
    Shared(tokio::runtime::Handle),
    /// On workers of their own.
    Dedicated(Option<tokio::runtime::Runtime>),
}

impl Executor {
    fn handle(&self) -> Option<&tokio::runtime::Handle> {
        match self {
            Self::Shared(handle) => Some(handle),
            Self::Dedicated(runtime) => runtime.as_ref().map(tokio::runtime::Runtime::handle),
        }
    }
}

impl Executor {
    fn threads(&self) -> usize {
        self.handle().map_or(1, |handle| handle.metrics().num_workers().max(1))
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Self::Dedicated(runtime) = self
            && let Some(runtime) = runtime.take()
        {
            // Dropping it here would block, which an async context must not.
            runtime.shutdown_background();
        }
    }
}

impl Runtime {
    /// `history` is how many ended actors are remembered.
    pub(crate) fn new(
        executor: Executor,
        options: Options,
        faults: Option<Arc<dyn faults::FaultPlan>>,
        history: usize,
    ) -> Arc<Self> {
        let heavy = Arc::new(Semaphore::new(executor.threads()));
        Arc::new(Self {
            heavy,
            disk: disk::Disk::default(),
            clock: Clock::start(),
            account: Account::new(None, "this host".to_owned(), options.budget),
            options,
            faults,
            executor,
            components: Mutex::default(),
            cells: Mutex::default(),
            living: AtomicUsize::new(0),
            idle: tokio::sync::Notify::new(),
            history: history::History::new(history),
            watch: deadlock::Watch::default(),
            changes: AtomicU64::new(0),
            changed: tokio::sync::Notify::new(),
        })
    }

    fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// Waits until the number of changes is another one than `seen`; which.
    pub(crate) async fn wait_change(&self, seen: u64) -> u64 {
        loop {
            let notified = self.changed.notified();
            let changes = self.changes.load(Ordering::Acquire);
            if changes != seen {
                return changes;
            }
            notified.await;
        }
    }

    /// Makes code available by a name; the name's former code is forgotten.
    pub(crate) fn register(&self, name: &str, code: Arc<dyn Launch>) {
        lock(&self.components).insert(name.to_owned(), code);
    }

    pub(crate) fn component(&self, name: &str) -> Option<Arc<dyn Launch>> {
        lock(&self.components).get(name).cloned()
    }

    pub(crate) fn component_names(&self) -> Vec<String> {
        lock(&self.components).keys().cloned().collect()
    }

    /// Runs the driver of an actor. The only place that starts a task which is an actor; its end is
    /// heard by the parent, and counted here.
    pub(crate) fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        let Some(handle) = self.executor.handle() else { return };
        handle.spawn(driver);
    }

    pub(crate) fn enlist(&self, cell: &Arc<Cell>) {
        lock(&self.cells).insert(cell.inbox.id().uuid, Arc::downgrade(cell));
        self.note_change();
    }

    pub(crate) fn discharge(&self, uuid: Uuid) {
        if lock(&self.cells).remove(&uuid).is_some() {
            self.note_change();
        }
    }

    /// The actors alive now.
    pub(crate) fn live_cells(&self) -> Vec<Arc<Cell>> {
        lock(&self.cells).values().filter_map(Weak::upgrade).collect()
    }

    /// In words, what an account had no room for, with those who use it; where that is the host's own, its log has
    /// them.
    pub(crate) fn tell_exceeded(&self, exceeded: &Exceeded) -> String {
        let cells = self.live_cells();
        let users = cells.iter().filter(|cell| cell.depth > 0);
        let users = users.filter(|cell| cell.grants.account.is_within(&exceeded.account));
        let used = |cell: &Arc<Cell>| (cell.inbox.id().to_string(), cell.usage.memory());
        let text = exceeded.text(users.map(used).collect());
        if !exceeded.is_of_all() {
            return text;
        }
        log::quietly(|| tracing::warn!(target: "steading::budget", "{text}"));
        exceeded.text(Vec::new())
    }

    /// Actors that can run at the same moment.
    pub(crate) fn parallelism(&self) -> u32 {
        u32::try_from(self.executor.threads()).unwrap_or(u32::MAX)
    }

    /// Asks every root to end.
    pub(crate) fn interrupt(&self) {
        for cell in self.live_cells().into_iter().filter(|cell| cell.depth == 0) {
            let frame = root::cancel_frame(cell.inbox.id().clone(), "interrupted", Cause::Interrupt);
            let delivery = Delivery {
                from: cell.inbox.clone(),
                dest: steading_proto::Dest::Actor,
                frame,
            };
            if cell.inbox.push(delivery).is_err() {
                tracing::debug!(actor = %cell.inbox.id().name, "interrupted when it was gone already");
            }
        }
    }

    /// Ends every actor by force, without asking: the second interrupt (semantics 10).
    pub(crate) fn kill(&self) {
        for cell in self.live_cells() {
            cell.force();
        }
    }

    /// Bytes that the guest with the most has sent and nobody has taken in.
    pub(crate) fn most_unread(&self) -> usize {
        self.live_cells().iter().map(|cell| cell.unread()).max().unwrap_or(0)
    }

    /// Actors that have not left yet.
    pub(crate) fn alive(&self) -> usize {
        self.living.load(Ordering::Acquire)
    }

    /// Waits until no actor is left.
    pub(crate) async fn wait_idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.alive() == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// Counts an actor for as long as it lives.
pub(crate) struct Counted {
    runtime: Arc<Runtime>,
    /// Given back with it: when the parent hears of the end, there is room for the next.
    admitted: Option<Admitted>,
}

/// That an actor was let in: by the budgets it is under, and by the machine.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) _by_budgets: Admission,
    pub(crate) by_machine: Option<Place>,
}

impl Counted {
    pub(crate) fn new(runtime: Arc<Runtime>, admitted: Option<Admitted>) -> Self {
        runtime.living.fetch_add(1, Ordering::AcqRel);
        Self { runtime, admitted }
    }
}

impl Counted {
    /// Its code is made.
    pub(crate) fn settle(&self) {
        let admitted = self.admitted.as_ref();
        if let Some(place) = admitted.and_then(|admitted| admitted.by_machine.as_ref()) {
            place.settle();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.runtime.living.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.runtime.idle.notify_waiters();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128 random bits.
///
/// # Panics
/// If the machine has no source of randomness, without which no two actors can be told apart.
pub(crate) fn mint_uuid() -> Uuid {
    let high = getrandom::u64().expect("the machine has a source of randomness");
    let low = getrandom::u64().expect("the machine has a source of randomness");
    Uuid { high, low }
}
