//! Storage by key: an index in the low half, a generation in the high half.
//!
//! A key is never given out twice within 65 535 reuses of its slot, and slots are reused oldest
//! first, so that a late frame for something that ended finds nothing rather than something else.

use std::collections::VecDeque;

use steading_types::Key;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: VecDeque<u16>,
    live: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u16,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// Keys start at 1: `0` means "the actor itself" where portals are meant.
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![Slot {
                generation: 0,
                value: None,
            }],
            free: VecDeque::new(),
            live: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// `None` when all 65 535 slots are taken.
    /// The most there were at once: a slot is made only when none is free.
    pub(crate) fn most(&self) -> usize {
        self.slots.len() - 1
    }

    pub(crate) fn insert(&mut self, value: T) -> Option<Key> {
        let index = match self.free.pop_front() {
            Some(index) => index,
            None => {
                let index = u16::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot {
                    generation: 0,
                    value: None,
                });
                index
            }
        };
        let slot = &mut self.slots[usize::from(index)];
        slot.value = Some(value);
        self.live += 1;
        Some(u32::from(slot.generation) << 16 | u32::from(index))
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(index(key))?;
        (slot.generation == generation(key)).then_some(slot.value.as_ref())?
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(index(key))?;
        (slot.generation == generation(key)).then_some(slot.value.as_mut())?
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self
            .slots
            .get_mut(index(key))
            .filter(|slot| slot.generation == generation(key))?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push_back(key as u16);
        self.live -= 1;
        Some(value)
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.iter().map(|(key, _)| key).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let key = u32::from(slot.generation) << 16 | index as u32;
            slot.value.as_ref().map(|value| (key, value))
        })
    }
}

fn index(key: Key) -> usize {
    usize::from(key as u16)
}

fn generation(key: Key) -> u16 {
    (key >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab = Slab::new();
        let first = slab.insert('a').expect("room");
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b').expect("room");
        assert_ne!(first, second);
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn no_key_is_zero() {
        let mut slab = Slab::new();
        for _ in 0..200_000 {
            let key = slab.insert(()).expect("room");
            assert_ne!(key & 0xffff, 0);
            slab.remove(key);
        }
    }
}
