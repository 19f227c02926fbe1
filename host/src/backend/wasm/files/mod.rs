//! Files of a guest: the engine's own implementation, with quotas around whatever makes a directory grow.
//!
//! A descriptor that stems from a directory with a quota is known by its number in the store's table. All others go
//! straight through. `descriptor.rs` has the operations, `stream.rs` what is written as a stream.

mod descriptor;
mod stream;

use std::collections::HashMap;
use std::sync::Arc;

use steading_types::ActorId;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;

use super::view::State;
use crate::runtime::quota::Quota;

/// Which descriptors of a store count for which quota.
#[derive(Debug)]
pub(super) struct Quotas {
    who: ActorId,
    /// Of the directories it was granted, in their order.
    granted: Vec<Option<Arc<Quota>>>,
    open: HashMap<u32, Arc<Quota>>,
    /// Operations run on the worker itself.
    inline: bool,
}

impl Quotas {
    pub(super) fn new(who: ActorId, granted: Vec<Option<Arc<Quota>>>, inline: bool) -> Self {
        Self {
            who,
            granted,
            open: HashMap::new(),
            inline,
        }
    }

    /// That of a descriptor, if it has one.
    fn of(&self, descriptor: &Resource<Descriptor>) -> Option<Arc<Quota>> {
        self.open.get(&descriptor.rep()).cloned()
    }
}

/// What the linker calls: the engine's view, and the quotas beside it.
pub(super) struct Files<'a> {
    inner: WasiFilesystemCtxView<'a>,
    quotas: &'a mut Quotas,
}

/// Hands [`Files`] to the bindings.
pub(super) struct WithQuotas;

impl HasData for WithQuotas {
    type Data<'a> = Files<'a>;
}

impl State {
    pub(super) fn files(&mut self) -> Files<'_> {
        Files {
            inner: WasiFilesystemCtxView {
                ctx: self.wasi.filesystem(),
                table: &mut self.table,
            },
            quotas: &mut self.quotas,
        }
    }
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let directories = preopens::Host::get_directories(&mut self.inner)?;
        for ((descriptor, _), quota) in directories.iter().zip(&self.quotas.granted) {
            if let Some(quota) = quota {
                self.quotas.open.insert(descriptor.rep(), quota.clone());
            }
        }
        Ok(directories)
    }
}
