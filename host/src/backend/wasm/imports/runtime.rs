//! `steading:actor/runtime`.

use super::super::bindings::imports::runtime::Host;
use super::super::bindings::imports::types::{ActorId, BoxedError};
use super::super::convert;
use super::super::stopped::bounded;
use super::super::view::{Panicked, State};
use super::{Answer, answer};

impl Host for State {
    fn self_id(&mut self) -> wasmtime::Result<ActorId> {
        Ok(convert::give_id(&self.boundary.self_id()))
    }

    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clocks.host(self.boundary.now()))
    }

    fn parallelism(&mut self) -> wasmtime::Result<u32> {
        Ok(self.boundary.parallelism())
    }

    fn wake_at(&mut self, time: u64) -> wasmtime::Result<()> {
        self.boundary.wake_at(time);
        Ok(())
    }

    fn panicked(&mut self, message: String, location: String) -> wasmtime::Result<()> {
        self.fail_at("runtime.panicked");
        self.panic = Some(Panicked {
            message: bounded(&message),
            location: bounded(&location),
        });
        Ok(())
    }

    fn cancel_self(&mut self, reason: Option<String>) -> wasmtime::Result<()> {
        self.boundary.cancel_self(reason);
        Ok(())
    }

    fn on_exit(&mut self) -> Answer<()> {
        answer(self.boundary.on_exit())
    }

    fn exited(&mut self, error: Option<BoxedError>) -> wasmtime::Result<()> {
        self.boundary
            .exited(error.map(|error| Box::new(convert::take_error(error))));
        Ok(())
    }
}
