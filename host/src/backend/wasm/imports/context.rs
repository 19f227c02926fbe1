//! `steading:actor/context`.

use super::super::bindings::imports::context::{Ending, Host, OpenOptions};
use super::super::bindings::imports::types::{BoxedError, Cause};
use super::super::convert;
use super::super::view::State;
use super::{Answer, answer};

impl Host for State {
    fn open(&mut self, options: OpenOptions, args: Vec<u8>) -> wasmtime::Result<Result<u32, BoxedError>> {
        self.count_call()?;
        let opened = self.boundary.open(convert::open_options(options), args);
        Ok(opened.map_err(convert::give_error))
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
