//! Who is let in: how many guests the machine can bear, and what is said to one that it cannot.
//!
//! A guest takes a place before anything of it is made, and gives it back when nothing of it is left. One that is made of
//! more than most takes several. There are as many places as the engine has room for. Beside them, the machine is looked at: seldom, as a look takes some
//! tens of microseconds, but before each of the last ones. What is refused here would otherwise be the engine's
//! error, the kernel's, or the end of the process, whose allocator cannot fail.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::machine::{Machine, Supply};

/// Guests that one look at the machine lets in, at most: by then it looks again.
const AT_ONCE: u64 = 64;
/// How long a look is believed: others use the machine too.
const BELIEVED: Duration = Duration::from_secs(1);
/// How long a refusal is believed: who asks again and again is not to make the host look each time.
const REFUSED: Duration = Duration::from_millis(10);
/// Guests that come between two counts of mappings.
const UNCOUNTED: u64 = 512;
/// What part of the memory that there is stays for what guests grow by, and for the rest of the process.
const RESERVE: u64 = 32;
/// And how much of it at least.
const RESERVE_LEAST: u64 = 64 << 20;
/// Mappings that stay for the rest of the process: threads, arenas, files.
const MAPPINGS_RESERVE: u64 = 1_024;

/// What a guest takes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Bytes of memory of one that waits, all told.
    pub(crate) memory: u64,
    /// Bytes of address space that are not taken yet.
    pub(crate) address_space: u64,
    /// Mappings that are not made yet.
    pub(crate) mappings: u64,
}

/// Why there are no more places than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The embedder wanted no more.
    Configured,
    /// The kernel allows no more mappings (`vm.max_map_count`).
    Mappings,
}

/// The places of one engine.
#[derive(Debug)]
pub(crate) struct Capacity {
    machine: Machine,
    places: u64,
    bound: Bound,
    need: Need,
    taken: AtomicU64,
    /// Of these, those of guests that are yet to be made: what they need is not taken from the machine yet.
    pending: AtomicU64,
    /// Up to how many places may be taken before the machine is looked at again.
    clear: AtomicU64,
    look: Mutex<Look>,
}

/// What was seen last.
#[derive(Debug)]
struct Look {
    at: Option<Instant>,
    refused: Option<Shortage>,
    /// Mappings left when they were counted, and places that were taken then.
    mappings: Option<(Supply, u64)>,
}

/// A guest that is not let in, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// The kind of limit: `actors` if the embedder chose it, else `capacity`.
    pub(crate) kind: &'static str,
    text: String,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Shortage {
    fn of_machine(text: String) -> Self {
        let kind = "capacity";
        Self { kind, text }
    }
}

/// A guest's place, or places, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Place {
    capacity: Arc<Capacity>,
    places: u64,
    is_pending: AtomicBool,
}

impl Place {
    /// The guest is made: what it needs can be seen by who looks at the machine.
    pub(crate) fn settle(&self) {
        if self.is_pending.swap(false, Relaxed) {
            self.capacity.pending.fetch_sub(self.places, Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.settle();
        self.capacity.taken.fetch_sub(self.places, Relaxed);
    }
}

impl Capacity {
    pub(crate) fn new(machine: Machine, places: u32, bound: Bound, need: Need) -> Arc<Self> {
        let look = Look {
            at: None,
            refused: None,
            mappings: None,
        };
        Arc::new(Self {
            machine,
            places: u64::from(places),
            bound,
            need,
            taken: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            clear: AtomicU64::new(0),
            look: Mutex::new(look),
        })
    }

    /// How many guests there can be at most, whatever the machine has left.
    pub(crate) fn places(&self) -> u64 {
        self.places
    }

    /// Lets one more in, which takes so many places.
    pub(crate) fn admit(self: &Arc<Self>, places: u32) -> Result<Place, Shortage> {
        let places = u64::from(places);
        let taken = self.taken.fetch_add(places, Relaxed) + places;
        self.pending.fetch_add(places, Relaxed);
        // Given back if it is refused.
        let place = Place {
            capacity: self.clone(),
            places,
            is_pending: AtomicBool::new(true),
        };
        if taken > self.places {
            return Err(self.full(places));
        }
        self.consider(taken, places, Instant::now())?;
        Ok(place)
    }

    fn consider(&self, taken: u64, places: u64, now: Instant) -> Result<(), Shortage> {
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let age = look.at.map_or(Duration::MAX, |at| now.duration_since(at));
        match &look.refused {
            Some(shortage) if age < REFUSED => return Err(shortage.clone()),
            None if age < BELIEVED && taken <= self.clear.load(Relaxed) => return Ok(()),
            _ => {}
        }
        let room = self.room(&mut look.mappings, taken, places);
        // When it was over: where there are many mappings, a look takes longer than a refusal is believed.
        look.at = Some(Instant::now());
        look.refused = room.as_ref().err().cloned();
        let room = room?.min(AT_ONCE);
        self.clear.store(taken + room, Relaxed);
        Ok(())
    }

    /// For how many places the machine has room now, beyond those of the one that asks.
    fn room(&self, counted: &mut Option<(Supply, u64)>, taken: u64, places: u64) -> Result<u64, Shortage> {
        let memory = self.machine.memory().map(|supply| (supply, reserve(supply)));
        let memory = self.fit(memory, self.need.memory, places, no_memory)?;
        let space = self.machine.address_space().map(|supply| (supply, 0));
        let space = self.fit(space, self.need.address_space, places, no_address_space)?;
        let mappings = self.count(counted, taken).map(|supply| (supply, MAPPINGS_RESERVE));
        let mappings = self.fit(mappings, self.need.mappings, places, no_mappings)?;
        Ok(memory.min(space).min(mappings))
    }

    /// How many times `need` there is, beyond what stays in reserve, what others are about to take, and these places.
    fn fit(
        &self,
        supply: Option<(Supply, u64)>,
        need: u64,
        places: u64,
        refuse: fn(Supply) -> String,
    ) -> Result<u64, Shortage> {
        let Some((supply, reserve)) = supply else {
            return Ok(u64::MAX);
        };
        // The one that asks is among these.
        let pending = self.pending.load(Relaxed).max(places);
        match supply.left.saturating_sub(reserve).checked_div(need) {
            None => Ok(u64::MAX),
            Some(room) if room < pending => Err(Shortage::of_machine(refuse(supply))),
            Some(room) => Ok(room - pending),
        }
    }

    /// Counts the mappings of this process, or reckons with those that guests made since they were counted.
    fn count(&self, counted: &mut Option<(Supply, u64)>, taken: u64) -> Option<Supply> {
        let since = |at: u64| taken.saturating_sub(at);
        let is_near = |left: u64| left < MAPPINGS_RESERVE + UNCOUNTED * self.need.mappings;
        match *counted {
            Some((supply, at)) if since(at) < UNCOUNTED && !is_near(supply.left) => {
                let left = supply.left.saturating_sub(since(at) * self.need.mappings);
                Some(Supply { left, ..supply })
            }
            _ => {
                let supply = self.machine.mappings()?;
                *counted = Some((supply, taken));
                Some(supply)
            }
        }
    }

    fn full(&self, wanted: u64) -> Shortage {
        let mut shortage = self.no_place();
        if wanted > 1 {
            let more = format!("; this one takes the places of {wanted}, for its memories or tables");
            shortage.text.push_str(&more);
        }
        shortage
    }

    fn no_place(&self) -> Shortage {
        let places = self.places;
        match self.bound {
            Bound::Configured => Shortage {
                kind: "actors",
                text: format!("this host was made for {places} guests at once (`max_actors`)"),
            },
            Bound::Mappings => Shortage::of_machine(format!(
                "{places} guests are as many as vm.max_map_count lets this host have ({}); \
                 `sysctl -w vm.max_map_count=…` raises it, for hosts that are made afterwards",
                self.machine.max_map_count()
            )),
        }
    }
}

fn reserve(supply: Supply) -> u64 {
    (supply.total / RESERVE).max(RESERVE_LEAST)
}

fn no_memory(supply: Supply) -> String {
    format!(
        "the machine has {} MiB of memory left for this process, of {} in all, and {} stay in reserve; \
         fewer actors, or a wider limit of its control group, leave more",
        supply.left >> 20,
        supply.total >> 20,
        reserve(supply) >> 20,
    )
}

fn no_address_space(supply: Supply) -> String {
    format!(
        "this process has {} MiB of address space left, of {} in all; `ulimit -v unlimited` raises it",
        supply.left >> 20,
        supply.total >> 20,
    )
}

fn no_mappings(supply: Supply) -> String {
    format!(
        "this process has {} mappings of memory, and may have {} (vm.max_map_count); \
         `sysctl -w vm.max_map_count=…` raises it",
        supply.total - supply.left,
        supply.total,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    const NEED: Need = Need {
        memory: 128 << 10,
        address_space: 0,
        mappings: 6,
    };

    fn refused(capacity: &Arc<Capacity>) -> Shortage {
        capacity.admit(1).expect_err("there is no room")
    }

    #[test]
    fn places_are_given_back() {
        let capacity = Capacity::new(Machine::default(), 2, Bound::Configured, NEED);
        let (first, second) = (capacity.admit(1), capacity.admit(1));
        assert!(first.is_ok() && second.is_ok());
        let shortage = refused(&capacity);
        assert_eq!(shortage.kind, "actors");
        assert!(shortage.to_string().contains("2 guests"), "{shortage}");
        drop(first);
        assert!(capacity.admit(1).is_ok());
    }

    #[test]
    fn who_is_made_of_more_takes_more_places() {
        let capacity = Capacity::new(Machine::default(), 4, Bound::Configured, NEED);
        let large = capacity.admit(3).expect("there is room");
        let shortage = capacity.admit(2).expect_err("one place is left");
        let text = shortage.to_string();
        assert!(
            text.contains("4 guests") && text.contains("takes the places of 2"),
            "{text}"
        );
        drop(capacity.admit(1).expect("for which there is room"));
        drop(large);
        capacity.admit(4).expect("all are free again");
        assert_eq!((capacity.taken.load(Relaxed), capacity.pending.load(Relaxed)), (0, 0));
    }

    #[test]
    fn who_is_refused_for_the_sake_of_mappings_is_told_the_setting() {
        let capacity = Capacity::new(Machine::default(), 1, Bound::Mappings, NEED);
        let _first = capacity.admit(1).expect("it is the first");
        let shortage = refused(&capacity);
        assert_eq!(shortage.kind, "capacity");
        assert!(
            shortage.to_string().contains("sysctl -w vm.max_map_count"),
            "{shortage}"
        );
    }

    #[test]
    fn memory_is_kept_in_reserve() {
        let (_dir, machine) = machine(&[
            ("proc/self/cgroup", "0::/a\n"),
            ("groups/a/memory.max", "1073741824\n"),
            ("groups/a/memory.current", "1006632960\n"),
        ]);
        let capacity = Capacity::new(machine, 10, Bound::Configured, NEED);
        let shortage = refused(&capacity);
        assert_eq!(shortage.kind, "capacity");
        assert!(
            shortage
                .to_string()
                .starts_with("the machine has 64 MiB of memory left for this process, of 1024"),
            "{shortage}"
        );
    }

    /// Two are let in before the first of them has taken what it needs.
    #[test]
    fn what_others_are_about_to_take_is_not_given_twice() {
        let most = (100 + MAPPINGS_RESERVE + NEED.mappings).to_string();
        let maps = "a mapping\n".repeat(100);
        let (_dir, machine) = machine(&[("proc/self/maps", &maps), ("proc/sys/vm/max_map_count", &most)]);
        let capacity = Capacity::new(machine, 10, Bound::Configured, NEED);
        let first = capacity.admit(1).expect("there is room for one");
        assert_eq!(refused(&capacity).kind, "capacity");
        first.settle();
        first.settle();
        assert_eq!(capacity.pending.load(Relaxed), 0, "none is counted twice");
    }

    #[test]
    fn the_machine_is_looked_at_again_when_as_many_came_as_were_seen_to_fit() {
        let maps = "a mapping\n".repeat(100);
        let most = 100 + MAPPINGS_RESERVE + 3 * NEED.mappings;
        let (dir, machine) = machine(&[
            ("proc/self/maps", &maps),
            ("proc/sys/vm/max_map_count", &most.to_string()),
        ]);
        let capacity = Capacity::new(machine, 10, Bound::Configured, NEED);
        let admitted = [capacity.admit(1), capacity.admit(1), capacity.admit(1)];
        assert!(admitted.iter().all(Result::is_ok), "{admitted:?}");
        admitted.iter().flatten().for_each(Place::settle);
        std::fs::write(dir.path().join("proc/self/maps"), "a mapping\n".repeat(118)).expect("it can be written");
        let shortage = refused(&capacity);
        assert_eq!(shortage.kind, "capacity");
        assert!(
            shortage.to_string().starts_with("this process has 118 mappings"),
            "{shortage}"
        );
    }
}
