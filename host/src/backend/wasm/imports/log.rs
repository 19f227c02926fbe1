//! `steading:actor/log`.

use tracing::level_filters::LevelFilter;

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
        Ok(kept(LevelFilter::current()))
    }
}

fn kept(filter: LevelFilter) -> Option<Level> {
    let levels = [
        (LevelFilter::ERROR, Level::Error),
        (LevelFilter::WARN, Level::Warn),
        (LevelFilter::INFO, Level::Info),
        (LevelFilter::DEBUG, Level::Debug),
        (LevelFilter::TRACE, Level::Trace),
    ];
    levels
        .into_iter()
        .find_map(|(each, level)| (each == filter).then_some(level))
}
