//! What a store holds: everything a host function of this backend can reach, and nothing else.

use std::fmt;
use std::sync::Arc;

use steading_types::Boundary;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::budget::Budget;
use super::clocks::Clocks;
use super::files::Quotas;
use super::limits;
use super::meter::Stopwatch;
use super::stopped::TooManyCalls;

/// The data of one store.
pub(super) struct State {
    pub(super) boundary: Arc<dyn Boundary>,
    pub(super) budget: Budget,
    /// Operations of this turn that leave something for its end.
    pub(super) calls: u32,
    /// Bytes of arguments of what this turn has opened.
    pub(super) opened: usize,
    /// What the guest said before it trapped.
    pub(super) panic: Option<Panicked>,
    pub(super) stopwatch: Stopwatch,
    pub(super) clocks: Clocks,
    pub(super) wasi: WasiCtx,
    pub(super) quotas: Quotas,
    pub(super) table: ResourceTable,
}

impl State {
    /// Counts an operation that leaves something for the end of the turn.
    pub(super) fn count_call(&mut self) -> wasmtime::Result<()> {
        self.calls += 1;
        match self.calls > limits::CALLS {
            true => Err(TooManyCalls.into()),
            false => Ok(()),
        }
    }
}

/// A panic as the guest reported it.
#[derive(Clone, Debug)]
pub(super) struct Panicked {
    pub(super) message: String,
    pub(super) location: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location.as_str() {
            "" => f.write_str(&self.message),
            location => write!(f, "{}, at {location}", self.message),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// Hands the whole state to the generated bindings.
pub(super) struct Whole;

impl HasData for Whole {
    type Data<'a> = &'a mut State;
}
