//! The operations of `wit/` as host functions: each translates, calls the boundary, and translates
//! back. No policy lives here.

mod context;
mod log;
mod nursery;
mod runtime;
mod stream;

use steading_types::Refusal;
use wasmtime::component::Linker;

use super::bindings::{exports, imports};
use super::convert;
use super::view::{State, Whole};

/// Adds every interface of ours.
pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports::Requests::add_to_linker::<_, Whole>(linker, |state| state)?;
    stream::add_send_batch(linker)?;
    exports::events::add_to_linker::<_, Whole>(linker, |state| state)
}

impl imports::types::Host for State {}
impl imports::grants::Host for State {}
impl exports::events::Host for State {}

type Answer<T> = wasmtime::Result<Result<T, imports::types::Refusal>>;

/// A refusal is an answer; nothing of ours makes a guest trap.
fn answer<T>(result: Result<T, Refusal>) -> Answer<T> {
    Ok(result.map_err(convert::refusal))
}
