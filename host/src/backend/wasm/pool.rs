//! Where instances get their memory from: a pool that is laid out for the machine and the profile, or the kernel.

use std::fmt;

use wasmtime::component::Component;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::limits;
use crate::capacity::{Bound, Need};
use crate::config::Profile;

/// Where instances get their memory from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool of this many slots.
    Pooled {
        /// How many actors can live at once.
        slots: u32,
        /// Whether memories begin as views of the component's image: cheaper to start, and two more
        /// mappings each.
        copy_on_write: bool,
    },
    /// From the kernel, one by one.
    OnDemand {
        /// Why there is no pool.
        why: String,
    },
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pooled {
                slots,
                copy_on_write: true,
            } => write!(f, "pool of {slots} actors, copy-on-write memories"),
            Self::Pooled {
                slots,
                copy_on_write: false,
            } => write!(f, "pool of {slots} actors, copied memories"),
            Self::OnDemand { why } => write!(f, "on demand ({why})"),
        }
    }
}

/// What of an engine's settings shapes the code that it compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Memories begin as views of their images.
    pub(super) copy_on_write: bool,
    /// Memories lie side by side, with room for no more than they may have: their bounds are checked by code,
    /// not by the kernel.
    pub(super) narrow: bool,
}

impl Layout {
    /// That of memories which come from the kernel one by one.
    pub(super) const ON_DEMAND: Self = Self {
        copy_on_write: true,
        narrow: false,
    };

    pub(super) fn apply(self, config: &mut Config) {
        config.memory_init_cow(self.copy_on_write);
        if self.narrow {
            config
                .memory_reservation(limits::DENSE_MEMORY as u64)
                .memory_guard_size(limits::DENSE_GUARD)
                .guard_before_linear_memory(false);
        }
    }

    /// As a number, for the process that compiles.
    pub(super) fn code(self) -> u64 {
        u64::from(self.copy_on_write) | u64::from(self.narrow) << 1
    }

    /// `None` for a number that is none's.
    pub(super) fn of_code(code: u64) -> Option<Self> {
        (code < 4).then_some(Self {
            copy_on_write: code & 1 == 1,
            narrow: code & 2 == 2,
        })
    }
}

/// How many slots a pool gets, given the mappings of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) slots: u32,
    pub(super) layout: Layout,
    /// Why there are no more.
    pub(super) bound: Bound,
}

/// Mappings of a stack: itself and its guard page. A pool makes them all at once.
const MAPS_STACK: u32 = 2;
/// Mappings of a memory.
const MAPS_MEMORY: u32 = 2;
/// A memory that begins as a view of its image needs up to two more.
const MAPS_IMAGE: u32 = 2;

impl Plan {
    pub(super) fn of(profile: Profile, wanted: u32, max_map_count: u32) -> Self {
        let available = max_map_count.saturating_sub(limits::MAPS_RESERVED);
        let fit = available / (MAPS_STACK + MAPS_MEMORY);
        let with_images = available / (MAPS_STACK + MAPS_MEMORY + MAPS_IMAGE);
        Self {
            slots: wanted.min(fit).max(1),
            layout: Layout {
                // Under both: a copy is five pages more for each.
                copy_on_write: wanted <= with_images,
                narrow: profile == Profile::Density,
            },
            bound: if wanted <= fit {
                Bound::Configured
            } else {
                Bound::Mappings
            },
        }
    }

    /// Adds the pool to an engine's settings.
    pub(super) fn apply(self, config: &mut Config) {
        self.layout.apply(config);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
    }

    pub(super) fn allocation(self) -> Allocation {
        Allocation::Pooled {
            slots: self.slots,
            copy_on_write: self.layout.copy_on_write,
        }
    }

    /// What one more guest takes, of a pool whose stacks are there already.
    pub(super) fn need(self) -> Need {
        let images = if self.layout.copy_on_write { MAPS_IMAGE } else { 0 };
        Need {
            memory: limits::ACTOR_MEMORY,
            address_space: 0,
            mappings: u64::from(MAPS_MEMORY + images),
        }
    }

    /// A count of core instances costs nothing, so there are as many as all could have; tables and memories take address
    /// space, and who has more of them than most takes more places. Beside the slots of actors there are some for
    /// components that are asked what they offer.
    fn pool(self) -> PoolingAllocationConfig {
        let slots = self.slots.saturating_add(limits::DESCRIBED_AT_ONCE);
        let (memory, warm) = match self.layout.narrow {
            true => (limits::DENSE_MEMORY, limits::DENSE_WARM_SLOTS),
            false => (limits::MEMORY_MAX, limits::WARM_SLOTS),
        };
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(slots)
            .total_core_instances(slots.saturating_mul(limits::CORE_INSTANCES as u32))
            .total_memories(slots)
            .total_tables(slots.saturating_mul(TABLES_A_PLACE))
            .total_stacks(slots)
            .max_core_instances_per_component(limits::CORE_INSTANCES as u32)
            .max_memories_per_component(limits::MEMORIES as u32)
            .max_tables_per_component(limits::TABLES as u32)
            .max_memory_size(memory)
            .table_elements(limits::TABLE_ELEMENTS)
            .max_unused_warm_slots(warm)
            .table_keep_resident(limits::TABLE_KEEP_RESIDENT);
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.pagemap_scan(Enabled::Yes)
                .linear_memory_keep_resident(limits::MEMORY_KEEP_RESIDENT);
        }
        pool
    }
}

/// Tables that a place has: that of a module, and that of the imports which are lowered for it.
const TABLES_A_PLACE: u32 = 2;

/// How many places an instance of this takes. A place has one memory.
pub(super) fn places(component: &Component) -> u32 {
    match component.resources_required() {
        Some(needs) => places_for(needs.num_memories, needs.num_tables),
        // What it instantiates is passed to it, and no host here passes any.
        None => limits::MEMORIES as u32,
    }
}

fn places_for(memories: u32, tables: u32) -> u32 {
    memories.max(tables.div_ceil(TABLES_A_PLACE)).max(1)
}

/// What a guest takes whose memory and stack come from the kernel one by one: what is reserved for a memory, with
/// guards on both sides.
pub(super) fn need_on_demand() -> Need {
    Need {
        memory: limits::ACTOR_MEMORY,
        address_space: (4 << 30) + (64 << 20) + limits::TURN_STACK as u64,
        mappings: u64::from(MAPS_STACK + MAPS_MEMORY + MAPS_IMAGE + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_actors_fit_the_kernels_default() {
        let plan = Plan::of(Profile::Latency, 10_000, 65_530);
        assert_eq!((plan.slots, plan.bound), (10_000, Bound::Configured));
        assert!(plan.layout.copy_on_write);
    }

    #[test]
    fn a_component_takes_as_many_places_as_hold_what_it_is_made_of() {
        assert_eq!(places_for(1, 2), 1, "what toolchains make");
        assert_eq!([places_for(0, 0), places_for(4, 2), places_for(1, 16)], [1, 4, 8]);
        let engine = wasmtime::Engine::default();
        let component = |instances: usize| {
            let text = format!(
                "(component (core module $m (memory 1) (table 1 funcref)) {})",
                "(core instance (instantiate $m))".repeat(instances)
            );
            Component::new(&engine, text).expect("it is valid")
        };
        assert_eq!([1, 3].map(|instances| places(&component(instances))), [1, 3]);
    }

    #[test]
    fn copy_on_write_is_given_up_before_slots_are() {
        let plan = Plan::of(Profile::Latency, 15_000, 65_530);
        assert_eq!((plan.slots, plan.layout.copy_on_write), (15_000, false));
        let plan = Plan::of(Profile::Latency, 100_000, 65_530);
        assert_eq!((plan.slots, plan.bound), (15_358, Bound::Mappings));
    }

    #[test]
    fn a_dense_pool_is_narrow_and_has_images_where_there_are_mappings_for_them() {
        let dense = |wanted| Plan::of(Profile::Density, wanted, 65_530);
        let layout = |copy_on_write| Layout {
            copy_on_write,
            narrow: true,
        };
        assert_eq!((dense(10_000).slots, dense(10_000).layout), (10_000, layout(true)));
        assert_eq!((dense(15_000).slots, dense(15_000).layout), (15_000, layout(false)));
    }

    #[test]
    fn a_layout_survives_the_way_to_the_compiler() {
        for code in 0..4 {
            assert_eq!(Layout::of_code(code).map(Layout::code), Some(code));
        }
        assert_eq!(Layout::of_code(4), None);
    }
}
