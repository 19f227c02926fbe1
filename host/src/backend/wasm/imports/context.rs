//! `steading:actor/context`.

use steading_types::{self as ours, ActorId, ErrorKind};

use super::super::bindings::imports::context::{Ending, Host, OpenOptions};
use super::super::bindings::imports::grants::Grant;
use super::super::bindings::imports::types::{BoxedError, Cause};
use super::super::view::State;
use super::super::{convert, limits};
use super::{Answer, answer};

impl Host for State {
    fn open(&mut self, options: OpenOptions, args: Vec<u8>) -> wasmtime::Result<Result<u32, BoxedError>> {
        self.open_granting(options, Vec::new(), args)
    }

    fn open_granting(
        &mut self,
        options: OpenOptions,
        grants: Vec<Grant>,
        args: Vec<u8>,
    ) -> wasmtime::Result<Result<u32, BoxedError>> {
        self.count_call()?;
        self.opened = self.opened.saturating_add(args.len());
        if self.opened > limits::OPENED {
            return Ok(Err(convert::give_error(too_much(self.boundary.self_id()))));
        }
        let opened = self.boundary.open(convert::open_options(options, grants), args);
        Ok(opened.map_err(convert::give_error))
    }

    fn granted(&mut self, context: u32, name: String) -> wasmtime::Result<Result<String, BoxedError>> {
        self.count_call()?;
        Ok(self.boundary.granted(context, &name).map_err(convert::give_error))
    }

    fn started(&mut self, context: u32, value: Vec<u8>) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.started(context, value))
    }

    fn finish(&mut self, context: u32, ending: Ending) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.finish(context, convert::ending(ending)))
    }

    fn cancel(&mut self, context: u32, reason: Option<String>, cause: Cause) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.cancel(context, reason, convert::take_cause(cause)))
    }

    fn reject(&mut self, context: u32, message: String) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.reject(context, &message))
    }

    fn release(&mut self, context: u32) -> wasmtime::Result<()> {
        self.count_call()?;
        self.boundary.release(context);
        Ok(())
    }
}

fn too_much(me: ActorId) -> ours::BoxedError {
    let text = format!(
        "the arguments of all calls of one turn have more than {} bytes",
        limits::OPENED
    );
    ours::BoxedError::new(ErrorKind::Limit("turn".into()), me, text)
}
