//! Work that may block: where it is done, and what it is done with.
//!
//! The engine's own operations are used, but not from the store's table and not by its own tasks: a [`Job`] holds copies
//! of the few descriptors it is about, and is taken whole to a thread that may block, with its seat
//! ([`runtime::disk`](crate::runtime::disk)) and, there, the gate of its quota. So nothing that others wait for is held by
//! a turn, which may have to rest; what was begun is brought to its end, and counted, whether its turn lives or not; and
//! the seat is taken for exactly as long as the thread is.

use std::future::Future;
use std::io;
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt as _;
use steading_types::ActorId;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, File, WasiFilesystemCtx, WasiFilesystemCtxView, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, FsResult};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn, spawn_blocking};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::{Fd, Files, Terms};
use crate::runtime::disk::{Busy, Seats};
use crate::runtime::faults::FaultPlan;
use crate::runtime::faulty::panic_at;
use crate::runtime::quota::Quota;

/// Where an actor's operations run.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) who: ActorId,
    pub(super) seats: Seats,
    /// On the worker itself.
    pub(super) inline: bool,
    /// What is to go wrong: in tests.
    pub(super) faults: Option<Arc<dyn FaultPlan>>,
}

/// Work that runs. Dropped, it goes on if it has begun.
pub(super) type Running<T> = AbortOnDropJoinHandle<Result<T, Busy>>;

impl Place {
    /// Does it on the worker, if that is where it is done; else hands it back.
    pub(super) fn at_once<T, W: FnOnce() -> T>(&self, work: W) -> Result<T, W> {
        self.fail_at("files.operation");
        if self.inline { Ok(work()) } else { Err(work) }
    }

    /// Begins it on another thread, as soon as there is a seat.
    pub(super) fn begin<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Running<T> {
        let place = self.clone();
        let work = move |seat| {
            let _seat = seat;
            place.fail_at("files.blocking");
            work()
        };
        if let Some(seat) = self.seats.try_take() {
            return spawn_blocking(|| Ok(work(seat)));
        }
        let (seats, who) = (self.seats.clone(), self.who.clone());
        // By a task of its own: the actor may have to rest when a seat is free, and nobody else would have that meanwhile.
        spawn(async move {
            let seat = seats.take(&who).await?;
            end_of(&mut spawn_blocking(|| Ok(work(seat)))).await
        })
    }

    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        match self.at_once(work) {
            Ok(done) => Ok(done),
            Err(work) => end_of(&mut self.begin(work)).await,
        }
    }

    pub(super) fn fail_at(&self, point: &'static str) {
        if let Some(plan) = &self.faults {
            panic_at(&**plan, &self.who, point);
        }
    }
}

/// Waits for its end. A panic goes on where it is waited for; of work that the end of its runtime has overtaken, nobody
/// will know more.
pub(super) async fn end_of<T>(running: &mut Running<T>) -> Result<T, Busy> {
    match (&mut **running).await {
        Ok(end) => end,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Busy),
    }
}

pub(super) fn busy(_: Busy) -> io::Error {
    // By its number: the engine knows few errors by their kind, and would say that the disk is broken.
    rustix::io::Errno::BUSY.into()
}

/// Copies of descriptors, and on which terms the first of them may be used.
pub(super) struct Job {
    table: ResourceTable,
    wasi: WasiFilesystemCtx,
    terms: Option<Terms>,
    pub(super) who: ActorId,
}

/// What makes the engine's operations run where they are called.
fn inline() -> WasiFilesystemCtx {
    struct Empty(WasiCtx, ResourceTable);
    impl WasiView for Empty {
        fn ctx(&mut self) -> WasiCtxView<'_> {
            WasiCtxView {
                ctx: &mut self.0,
                table: &mut self.1,
            }
        }
    }
    static INLINE: LazyLock<WasiFilesystemCtx> = LazyLock::new(|| {
        let wasi = WasiCtxBuilder::new().allow_blocking_current_thread(true).build();
        Empty(wasi, ResourceTable::new()).filesystem().ctx.clone()
    });
    INLINE.clone()
}

impl Job {
    fn new(who: ActorId, terms: Option<Terms>) -> Self {
        Self {
            table: ResourceTable::new(),
            wasi: inline(),
            terms,
            who,
        }
    }

    pub(super) fn add(&mut self, descriptor: Descriptor) -> FsResult<Fd> {
        Ok(self.table.push(descriptor)?)
    }

    pub(super) fn view(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }

    pub(super) fn quota(&self) -> Option<Arc<Quota>> {
        self.terms.as_ref().map(|terms| terms.quota.clone())
    }

    /// The file, if it may be written.
    pub(super) fn file(&self, fd: &Fd) -> FsResult<File> {
        writable(self.table.get(fd)?)
    }

    pub(super) fn descriptor(&self, fd: &Fd) -> FsResult<&Descriptor> {
        Ok(self.table.get(fd)?)
    }

    /// Gives up what it has opened, for the store's own table.
    pub(super) fn take(&mut self, fd: Fd) -> FsResult<Descriptor> {
        Ok(self.table.delete(fd)?)
    }
}

/// The file, if it may be written.
pub(super) fn writable(descriptor: &Descriptor) -> FsResult<File> {
    match descriptor {
        Descriptor::File(file) if file.perms.write_not_permitted() => Err(ErrorCode::NotPermitted.into()),
        Descriptor::File(file) => Ok(file.clone()),
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
    }
}

/// A borrowed look at the same descriptor: the engine's operations take theirs.
pub(super) fn again(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

/// The end of an operation of the engine's that does not wait.
pub(super) fn now<T>(operation: impl Future<Output = FsResult<T>>) -> FsResult<T> {
    let waits = || {
        Err(FsError::trap(wasmtime::format_err!(
            "a file operation waits where it was to block"
        )))
    };
    operation.now_or_never().unwrap_or_else(waits)
}

impl Files<'_> {
    /// Does something with a copy of a descriptor, where it may block.
    ///
    /// # Errors
    /// Those of `work`; if its time is over, before or after it has waited; `Busy` if the disk is.
    pub(super) async fn apart<T: Send + 'static>(
        &mut self,
        fd: &Fd,
        work: impl FnOnce(&mut Job, Fd) -> FsResult<T> + Send + 'static,
    ) -> FsResult<T> {
        let terms = self.quotas.of(fd)?;
        self.apart_on(terms, fd, work).await
    }

    /// The same, whether its time is over or not: nothing is done with it.
    pub(super) async fn apart_from_terms<T: Send + 'static>(
        &mut self,
        fd: &Fd,
        work: impl FnOnce(&mut Job, Fd) -> FsResult<T> + Send + 'static,
    ) -> FsResult<T> {
        self.apart_on(None, fd, work).await
    }

    async fn apart_on<T: Send + 'static>(
        &mut self,
        terms: Option<Terms>,
        fd: &Fd,
        work: impl FnOnce(&mut Job, Fd) -> FsResult<T> + Send + 'static,
    ) -> FsResult<T> {
        let mut job = Job::new(self.quotas.place.who.clone(), terms);
        let fd = job.add(self.inner.table.get(fd)?.clone())?;
        self.perform(job, move |job| work(job, fd)).await
    }

    /// The same with two, the quota of which is the same.
    pub(super) async fn apart_both<T: Send + 'static>(
        &mut self,
        (one, other): (&Fd, &Fd),
        work: impl FnOnce(&mut Job, Fd, Fd) -> FsResult<T> + Send + 'static,
    ) -> FsResult<T> {
        let terms = self.quotas.common(one, other)?;
        let mut job = Job::new(self.quotas.place.who.clone(), terms);
        let one = job.add(self.inner.table.get(one)?.clone())?;
        let other = job.add(self.inner.table.get(other)?.clone())?;
        self.perform(job, move |job| work(job, one, other)).await
    }

    async fn perform<T: Send + 'static>(
        &mut self,
        mut job: Job,
        work: impl FnOnce(&mut Job) -> FsResult<T> + Send + 'static,
    ) -> FsResult<T> {
        let work = move || match &job.terms {
            Some(terms) if terms.until.is_over() => Err(ErrorCode::Access.into()),
            _ => work(&mut job),
        };
        self.quotas.place.run(work).await.map_err(busy)?
    }
}
