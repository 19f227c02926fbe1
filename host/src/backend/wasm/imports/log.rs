//! `steading:actor/log`.

use super::super::bindings::imports::log::{Host, Level};
use super::super::convert;
use super::super::view::State;

impl Host for State {
    fn write(
        &mut self,
        level: Level,
        target: String,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.boundary.log(convert::level(level), &target, &message, &fields);
        Ok(())
    }

    fn enabled(&mut self) -> wasmtime::Result<Option<Level>> {
        Ok(self.boundary.log_level().map(convert::give_level))
    }
}
