//! `steading:actor/nursery`.

use super::super::bindings::imports::nursery::{ActorSpec, Host};
use super::super::bindings::imports::types::BoxedError;
use super::super::convert;
use super::super::view::State;
use super::{Answer, answer};

impl Host for State {
    fn open(&mut self, parent: Option<u32>) -> Answer<u32> {
        answer(self.boundary.nursery_open(parent))
    }

    fn spawn(&mut self, nursery: u32, spec: ActorSpec) -> wasmtime::Result<Result<u32, BoxedError>> {
        let spawned = self.boundary.spawn(nursery, convert::spec(spec));
        Ok(spawned.map_err(convert::give_error))
    }

    fn cancel(&mut self, nursery: u32, reason: Option<String>) -> wasmtime::Result<()> {
        self.boundary.nursery_cancel(nursery, reason);
        Ok(())
    }

    fn close(&mut self, nursery: u32) -> wasmtime::Result<()> {
        self.boundary.nursery_close(nursery);
        Ok(())
    }

    fn cancel_actor(&mut self, target: u32, reason: Option<String>) -> Answer<()> {
        answer(self.boundary.cancel_actor(target, reason))
    }
}
