//! `steading:actor/nursery`.

use steading_types::{self as ours, ActorId, ErrorKind};

use super::super::bindings::imports::nursery::{ActorSpec, Host, Supervision};
use super::super::bindings::imports::types::{BoxedError, Cause, Fate};
use super::super::view::State;
use super::super::{convert, limits, supervision};
use super::{Answer, answer};

impl Host for State {
    fn open(&mut self, parent: Option<u32>, rules: Supervision) -> Answer<u32> {
        self.count_call()?;
        answer(self.boundary.nursery_open(parent, supervision::rules(rules)))
    }

    fn spawn(&mut self, nursery: u32, spec: ActorSpec) -> wasmtime::Result<Result<u32, BoxedError>> {
        self.count_call()?;
        if spec.directories.len() > limits::DIRECTORIES {
            return Ok(Err(convert::give_error(too_many(
                self.boundary.self_id(),
                spec.directories.len(),
            ))));
        }
        let spawned = self.boundary.spawn(nursery, convert::spec(spec));
        Ok(spawned.map_err(convert::give_error))
    }

    fn cancel(&mut self, nursery: u32, reason: Option<String>, cause: Cause) -> wasmtime::Result<()> {
        self.count_call()?;
        self.boundary
            .nursery_cancel(nursery, reason, convert::take_cause(cause));
        Ok(())
    }

    fn close(&mut self, nursery: u32) -> wasmtime::Result<()> {
        self.count_call()?;
        self.boundary.nursery_close(nursery);
        Ok(())
    }

    fn child_done(&mut self, target: u32, failure: Option<BoxedError>) -> Answer<Fate> {
        self.count_call()?;
        let failure = failure.map(|error| Box::new(convert::take_error(error)));
        answer(self.boundary.child_done(target, failure).map(supervision::give_fate))
    }

    fn cancel_actor(&mut self, target: u32, reason: Option<String>) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.cancel_actor(target, reason))
    }

    fn kill_actor(&mut self, target: u32) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.kill_actor(target))
    }
}

/// They would be opened before anybody looks at the rest of the spec.
fn too_many(me: ActorId, directories: usize) -> ours::BoxedError {
    let most = limits::DIRECTORIES;
    let text = format!("cannot start an actor with {directories} directories; {most} are the most");
    ours::BoxedError::new(ErrorKind::Limit("directories".into()), me, text)
}
