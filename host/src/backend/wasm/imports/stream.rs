//! `steading:actor/stream`.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList};

use super::super::bindings::imports::stream::{Flow, Host};
use super::super::bindings::imports::types::Refusal;
use super::super::convert;
use super::super::view::State;
use super::{Answer, answer};

impl Host for State {
    fn open(&mut self, context: u32, flow: Option<Flow>) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.stream_open(context, flow.map(convert::flow)))
    }

    /// Never called: [`add_send_batch`] takes its place. The generated trait demands it.
    fn send_batch(&mut self, context: u32, batch: Vec<u8>) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.send_batch(context, &batch))
    }

    fn credit(&mut self, context: u32, messages: u32, bytes: u32) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.credit(context, messages, bytes))
    }

    fn stop(&mut self, context: u32) -> Answer<()> {
        self.count_call()?;
        answer(self.boundary.stop(context))
    }
}

/// The one operation that carries bulk: its list stays in the guest's memory until the boundary
/// copies it. The generated function would copy it once more.
pub(super) fn add_send_batch(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut instance = linker.instance("steading:actor/stream@0.1.0")?;
    instance.func_wrap("send-batch", |mut store, arguments| {
        store.data_mut().count_call()?;
        Ok((send_batch(&store, arguments),))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

fn send_batch(store: &StoreContextMut<'_, State>, (context, batch): (u32, WasmList<u8>)) -> Result<(), Refusal> {
    let boundary = Arc::clone(&store.data().boundary);
    let sent = boundary.send_batch(context, batch.as_le_slice(store));
    sent.map_err(convert::refusal)
}
