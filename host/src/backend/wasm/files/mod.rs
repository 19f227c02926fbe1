//! Files of a guest: the engine's own implementation, with quotas around whatever makes a directory grow, and an end
//! for what may be used for a time.
//!
//! A descriptor that stems from a directory on terms is known by its number in the store's table. `descriptor.rs` has
//! the operations, `work.rs` where they are performed, `growth.rs` those that are charged, `listing.rs` the names in a
//! directory, `stream.rs` what is read and written as a stream, `granted.rs` the place where a guest finds what its
//! contexts were granted.

mod descriptor;
mod granted;
mod growth;
mod listing;
mod stream;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use steading_types::{ActorId, GRANTED, Key};
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::access::{Access, Loans, PreopenedDir};
use super::view::State;
use crate::runtime::lent::Until;
use crate::runtime::quota::Quota;
use work::Place;

pub(super) use granted::nothing;

type Fd = Resource<Descriptor>;

/// On which terms a descriptor may be used. What may be used for a time has a quota, be it one without bounds, so that
/// whatever stems from it is known as well.
#[derive(Clone, Debug)]
struct Terms {
    quota: Arc<Quota>,
    until: Until,
}

impl Terms {
    fn of(directory: &PreopenedDir) -> Option<Self> {
        let until = directory.until.clone();
        directory.quota.clone().map(|quota| Self { quota, until })
    }
}

/// Which descriptors of a store may be used on which terms.
#[derive(Debug)]
pub(super) struct Quotas {
    place: Place,
    /// Of the directories it was granted, in their order.
    granted: Vec<Option<Terms>>,
    open: HashMap<u32, Terms>,
    /// Directories that are being read.
    listings: usize,
    loans: Loans,
    /// Descriptors that stand for the place where it finds what its contexts were granted.
    places: Vec<u32>,
    /// The directories it has looked for there, which the guest itself does not hold.
    roots: HashMap<(Key, String), u32>,
    /// The one call that runs, of a component that cannot be told what its context is called.
    only_call: Option<Key>,
}

impl Quotas {
    pub(super) fn new(who: ActorId, access: &Access) -> Self {
        Self {
            place: Place {
                seats: access.seats.of_actor(&who),
                who,
                inline: access.inline_files,
                faults: access.faults.clone(),
            },
            granted: access.directories.iter().map(Terms::of).collect(),
            open: HashMap::new(),
            listings: 0,
            loans: access.loans.clone(),
            places: Vec::new(),
            roots: HashMap::new(),
            only_call: None,
        }
    }

    /// Those of a descriptor, if it has any.
    ///
    /// # Errors
    /// If its time is over.
    fn of(&self, descriptor: &Fd) -> Result<Option<Terms>, ErrorCode> {
        match self.open.get(&descriptor.rep()) {
            Some(terms) if terms.until.is_over() => Err(ErrorCode::Access),
            terms => Ok(terms.cloned()),
        }
    }

    /// Those of both, if they have the same; what has others is another disk.
    fn common(&self, one: &Fd, other: &Fd) -> Result<Option<Terms>, ErrorCode> {
        match (self.of(one)?, self.of(other)?) {
            (None, None) => Ok(None),
            (Some(one), Some(other)) if Arc::ptr_eq(&one.quota, &other.quota) => Ok(Some(one)),
            _ => Err(ErrorCode::CrossDevice),
        }
    }

    /// The guest has let go of it.
    fn forget(&mut self, descriptor: &Fd) {
        let number = descriptor.rep();
        self.open.remove(&number);
        self.places.retain(|place| *place != number);
    }

    /// From now on, what was granted is what was granted to this call.
    pub(super) fn begin_call(&mut self, context: Option<Key>) {
        self.only_call = context;
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

    /// Fails here, if the host is to: in tests.
    pub(super) fn fail_at(&self, point: &'static str) {
        self.quotas.place.fail_at(point);
    }

    /// Closes what it may not use any more.
    pub(super) fn close_what_is_over(&mut self) {
        if !self.quotas.roots.is_empty() {
            self.files().close_what_is_over();
        }
    }
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mut directories = preopens::Host::get_directories(&mut self.inner)?;
        for ((descriptor, _), terms) in directories.iter().zip(&self.quotas.granted) {
            if let Some(terms) = terms {
                self.quotas.open.insert(descriptor.rep(), terms.clone());
            }
        }
        if let Some(place) = self.place()? {
            directories.push((place, GRANTED.to_owned()));
        }
        Ok(directories)
    }
}
