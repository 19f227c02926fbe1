//! Actors as WebAssembly components: the only part of the house that knows wasmtime.
//!
//! An [`Engine`] compiles files into [`Component`]s (through the [`Cache`], and what is not there in a child
//! process: `compile`); a component makes
//! [`Instance`]s, each with a store of its own; an instance takes turns. This folder enforces what a
//! guest may use (`limits`, `budget`, `ticker`) and translates what it says (`convert`, `imports`). It
//! never decides what an operation of an actor means: that is the [`steading_types::Boundary`]'s.

mod access;
mod bindings;
mod budget;
mod cache;
mod clocks;
mod compile;
mod component;
mod convert;
mod description;
mod engine;
mod error;
mod files;
mod foreign;
mod imports;
mod instance;
mod launch;
pub(crate) mod limits;
mod linker;
mod meter;
mod nobody;
mod pool;
mod scan;
mod stdio;
mod stopped;
mod supervision;
mod ticker;
mod view;

#[cfg(test)]
mod noise;
#[cfg(test)]
mod tests;

#[expect(
    unused_imports,
    reason = "the whole door of this folder; its users take what they need"
)]
pub(crate) use self::{
    access::{Access, PreopenedDir},
    cache::{Cache, CacheError},
    compile::{Bounds as CompileBounds, serve_if_asked},
    component::Component,
    engine::{Engine, EngineConfig},
    instance::{Instance, InstanceLimits},
    launch::WasmCode,
    stopped::KillSwitch,
};

pub use self::{engine::Report, error::LoadError, pool::Allocation};
