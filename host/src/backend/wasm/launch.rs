//! A component as code that the runtime can launch: the glue between this folder and the port.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use steading_types::{ActorId, Boundary, Description, Event};

use super::access::{Access, Loans, PreopenedDir};
use super::component::{Component, Shape};
use super::engine::Engine;
use super::foreign::ForeignBody;
use super::instance::{Instance, InstanceLimits, Linked};
use super::stopped::KillSwitch;
use crate::capacity::Capacity;
use crate::runtime::Launch;
use crate::runtime::cell::Cell;
use crate::runtime::children::{GrantedDir, Grants};
use crate::runtime::driver::{Body, Interrupt, Stopped, drive};
use crate::runtime::faults::FaultPlan;
use crate::runtime::faulty::{Faulty, panic_at};

/// A component and the engine that runs it.
#[derive(Debug)]
pub(crate) struct WasmCode {
    engine: Engine,
    component: Component,
}

impl WasmCode {
    pub(crate) fn new(engine: Engine, component: Component) -> Self {
        Self { engine, component }
    }
}

impl Launch for WasmCode {
    fn name(&self) -> &str {
        self.component.name()
    }

    fn description(&self) -> &Description {
        self.component.description()
    }

    fn is_native(&self) -> bool {
        false
    }

    fn capacity(&self) -> Option<(&Arc<Capacity>, u32)> {
        Some((self.engine.capacity(), self.component.places()))
    }

    fn runs_one_by_one(&self) -> bool {
        matches!(self.component.shape(), Shape::Foreign(_))
    }

    fn launch(&self, cell: Arc<Cell>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let kill = Arc::new(KillSwitch::default());
        let interrupter = Arc::new(Interrupter {
            engine: self.engine.clone(),
            kill: kill.clone(),
        });
        let start = Start {
            engine: self.component.engine().clone(),
            cell: cell.clone(),
            kill,
            interrupter: interrupter.clone(),
        };
        // Boxed, as it is over when the actor begins to live, and its room would be kept in the driver's for all that time.
        match self.component.shape().clone() {
            Shape::Actor(pre) => {
                let body = start.body(pre, |instance, _| instance);
                Box::pin(drive(cell, interrupter, Box::pin(body)))
            }
            Shape::Foreign(foreign) => {
                let host = cell.clone();
                let body = |instance, boundary| ForeignBody::new(instance, foreign.functions, (host, boundary));
                Box::pin(drive(cell, interrupter, Box::pin(start.body(foreign.pre, body))))
            }
        }
    }
}

/// What the code of an actor is made with.
struct Start {
    engine: Engine,
    cell: Arc<Cell>,
    kill: Arc<KillSwitch>,
    interrupter: Arc<Interrupter>,
}

impl Start {
    async fn body<P: Linked, T>(
        self,
        pre: P,
        turns: impl FnOnce(Instance<P::Exports>, Arc<dyn Boundary>) -> T,
    ) -> Result<WasmBody<T>, Stopped> {
        let cell = self.cell;
        let limits = InstanceLimits {
            memory: cell.grants.memory as usize,
            account: Some(cell.grants.account.clone()),
            ..InstanceLimits::default()
        };
        let access = Access {
            inline_files: cell.runtime.options.inline_files,
            drives_terminals: cell.runtime.options.drive_terminals,
            loans: Loans::of(cell.clone(), self.engine.nothing()),
            seats: cell.grants.seats.clone(),
            faults: cell.runtime.faults.clone(),
            ..access(&cell.grants)
        };
        let faults = cell.runtime.faults.clone();
        let id = cell.inbox.id().clone();
        let mut boundary = cell as Arc<dyn Boundary>;
        if let Some(plan) = &faults {
            panic_at(&**plan, &id, "instantiate");
            boundary = Arc::new(Faulty::new(boundary, plan.clone()));
        }
        let instance = Instance::start(&self.engine, &pre, boundary.clone(), &access, &limits, self.kill).await?;
        Ok(WasmBody {
            code: turns(instance, boundary),
            interrupter: self.interrupter,
            faults: faults.map(|plan| (plan, id)),
        })
    }
}

fn access(grants: &Grants) -> Access {
    Access {
        directories: grants.directories.iter().map(preopen).collect(),
        args: grants.args.clone(),
        env: grants.env.clone(),
        stdio: grants.stdio.clone(),
        clock: grants.clock,
        seed: grants.seed,
        ..Access::default()
    }
}

fn preopen(granted: &GrantedDir) -> PreopenedDir {
    PreopenedDir {
        source: granted.dir.clone(),
        guest_path: granted.path.clone(),
        writable: granted.writable,
        quota: granted.quota.clone(),
        until: granted.until.clone(),
    }
}

struct WasmBody<T> {
    code: T,
    interrupter: Arc<Interrupter>,
    /// What is to go wrong, and with whom: in tests.
    faults: Option<(Arc<dyn FaultPlan>, ActorId)>,
}

/// An instance, or what takes turns on behalf of one.
trait Turns: Send {
    fn turn(&mut self, now: u64, events: Vec<Event>) -> impl Future<Output = Result<bool, Stopped>> + Send;
    fn memory_bytes(&self) -> usize;
}

impl Turns for Instance {
    fn turn(&mut self, now: u64, events: Vec<Event>) -> impl Future<Output = Result<bool, Stopped>> + Send {
        Self::turn(self, now, events)
    }

    fn memory_bytes(&self) -> usize {
        Self::memory_bytes(self)
    }
}

impl Turns for ForeignBody {
    fn turn(&mut self, now: u64, events: Vec<Event>) -> impl Future<Output = Result<bool, Stopped>> + Send {
        Self::turn(self, now, events)
    }

    fn memory_bytes(&self) -> usize {
        Self::memory_bytes(self)
    }
}

impl<T: Turns> Body for WasmBody<T> {
    async fn turn(&mut self, now: u64, events: Vec<Event>) -> Result<bool, Stopped> {
        if let Some((plan, id)) = &self.faults {
            panic_at(&**plan, id, "turn");
        }
        self.code.turn(now, events).await
    }

    fn memory(&self) -> u64 {
        self.code.memory_bytes() as u64
    }

    fn interrupter(&self) -> Arc<dyn Interrupt> {
        self.interrupter.clone()
    }
}

struct Interrupter {
    engine: Engine,
    kill: Arc<KillSwitch>,
}

impl Interrupt for Interrupter {
    fn interrupt(&self) {
        self.kill.set();
        self.engine.interrupt();
    }
}
