//! Actors whose code is Rust of the embedder.
//!
//! They run the same library as guests do, over the same core; only who polls the tasks differs: each
//! context's task is a tokio task, owned by the actor and gone with it. A panic in one of them is the
//! end of the actor, as a trap is for a guest.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use steading_actor::{Actor, Endpoint, Invocation};
use steading_types::{Boundary, Description, ErrorKind, Event};
use tokio::task::JoinSet;

use super::cell::Cell;
use super::driver::{Body, Interrupt, Stopped, drive, panic_message};
use super::{Launch, lock};

/// A native actor's code: its endpoints.
#[derive(Debug)]
pub(crate) struct NativeCode {
    name: String,
    description: Description,
    endpoints: Vec<Endpoint>,
}

impl NativeCode {
    pub(crate) fn new(name: &str, docs: &str, endpoints: Vec<Endpoint>) -> Self {
        let infos = endpoints.iter().map(|endpoint| endpoint.info().clone()).collect();
        let sdk = concat!("steading ", env!("CARGO_PKG_VERSION"), ", native").to_owned();
        Self {
            name: name.to_owned(),
            description: Description {
                sdk,
                docs: docs.to_owned(),
                endpoints: infos,
            },
            endpoints,
        }
    }
}

/// Code that is shared by all its actors.
#[derive(Debug)]
pub(crate) struct SharedNative(pub(crate) Arc<NativeCode>);

impl Launch for SharedNative {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn description(&self) -> &Description {
        &self.0.description
    }

    fn is_native(&self) -> bool {
        true
    }

    fn launch(&self, cell: Arc<Cell>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let body = NativeBody::new(&cell, Some(self.0.clone()));
        let interrupter = body.interrupter();
        Box::pin(drive(cell, interrupter, async move { Ok(body) }))
    }
}

/// The running code of one native actor.
pub(crate) struct NativeBody {
    actor: Actor,
    code: Option<Arc<NativeCode>>,
    cell: Arc<Cell>,
    tasks: Arc<Tasks>,
}

/// The tasks of one native actor; dropped, all of them are aborted.
#[derive(Default)]
struct Tasks {
    running: Mutex<JoinSet<()>>,
    panic: Mutex<Option<String>>,
}

impl NativeBody {
    pub(crate) fn new(cell: &Arc<Cell>, code: Option<Arc<NativeCode>>) -> Self {
        let actor = Actor::new(cell.clone() as Arc<dyn Boundary>);
        let inbox = cell.inbox.clone();
        actor.on_dirty(move || inbox.nudge());
        Self {
            actor,
            code,
            cell: cell.clone(),
            tasks: Arc::default(),
        }
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Starts the task of an endpoint.
    fn start(&self, invocation: Invocation) {
        let Some(code) = &self.code else { return };
        // The core has checked the index against this very list.
        let Some(endpoint) = code.endpoints.get(invocation.endpoint() as usize) else {
            return;
        };
        self.run(endpoint.run(invocation));
    }

    fn run(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let (tasks, inbox) = (Arc::downgrade(&self.tasks), self.cell.inbox.clone());
        lock(&self.tasks.running).spawn(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await
                && let Some(tasks) = tasks.upgrade()
            {
                *lock(&tasks.panic) = Some(panic_message(&*panic));
                inbox.nudge();
            }
        });
    }

    /// Forgets tasks that are over. They report through their contexts, so there is nothing to read.
    fn reap(&self) {
        while lock(&self.tasks.running).try_join_next().is_some() {}
    }
}

impl Body for NativeBody {
    const EVERY_WAKE: bool = true;

    async fn turn(&mut self, now: u64, events: Vec<Event>) -> Result<bool, Stopped> {
        let told = !events.is_empty();
        self.actor.deliver_all(events, |invocation| self.start(invocation));
        if told && let Some(hooks) = self.actor.exit_task() {
            self.run(hooks);
        }
        self.actor.advance(now);
        self.actor.flush();
        self.reap();
        match lock(&self.tasks.panic).take() {
            Some(message) => Err(Stopped::new(ErrorKind::Panic, message)),
            None => Ok(false),
        }
    }

    fn interrupter(&self) -> Arc<dyn Interrupt> {
        Arc::new(NoInterrupt)
    }
}

impl Drop for NativeBody {
    fn drop(&mut self) {
        lock(&self.tasks.running).abort_all();
        let error =
            steading_types::BoxedError::new(ErrorKind::LinkClosed, self.actor.me().clone(), "this actor has ended");
        self.actor.fail_all(error);
    }
}

/// Native code cannot be interrupted between its awaits; its tasks are dropped instead.
struct NoInterrupt;

impl Interrupt for NoInterrupt {
    fn interrupt(&self) {}
}
