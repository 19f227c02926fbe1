//! What a store has used of memory and tables.
//!
//! Wasmtime's own limiter looks at each memory alone; a guest may have several. A refusal is
//! remembered for the rest of the turn: what a guest does after `memory.grow` failed is usually to
//! abort, and the cause should then be named instead of the abort.

use wasmtime::ResourceLimiter;

use super::limits;

/// Counts and bounds all memories and tables of one store.
#[derive(Debug)]
pub(super) struct Budget {
    memory: Usage,
    table: Usage,
    refused: Option<&'static str>,
}

impl Budget {
    /// A budget of this many bytes and table elements.
    pub(super) fn new(memory: usize, table_elements: usize) -> Self {
        Self {
            memory: Usage::of(memory),
            table: Usage::of(table_elements),
            refused: None,
        }
    }

    /// Bytes of linear memory in use.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory.used
    }

    /// Forgets refusals: a new turn begins.
    pub(super) fn begin_turn(&mut self) {
        self.refused = None;
    }

    /// What was refused in this turn.
    pub(super) fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    fn note(&mut self, granted: bool, what: &'static str) -> wasmtime::Result<bool> {
        if !granted {
            self.refused = Some(what);
        }
        Ok(granted)
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.memory.grow(current, desired, maximum);
        self.note(granted, "memory")
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.table.grow(current, desired, maximum);
        self.note(granted, "table")
    }

    fn instances(&self) -> usize {
        limits::CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        limits::TABLES
    }

    fn memories(&self) -> usize {
        limits::MEMORIES
    }
}

#[derive(Debug)]
struct Usage {
    used: usize,
    limit: usize,
}

impl Usage {
    fn of(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    /// A growth that is granted here and fails in the kernel stays counted: rare, and on the safe side.
    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        let granted = wanted <= self.limit && maximum.is_none_or(|maximum| desired <= maximum);
        if granted {
            self.used = wanted;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_summed() {
        let mut budget = Budget::new(100, 10);
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(!budget.memory_growing(0, 60, None).unwrap());
        assert!(budget.memory_growing(60, 100, None).unwrap());
        assert_eq!(budget.memory_bytes(), 100);
    }

    #[test]
    fn a_refusal_is_remembered_until_the_next_turn() {
        let mut budget = Budget::new(100, 10);
        assert!(!budget.table_growing(0, 11, None).unwrap());
        assert_eq!(budget.refused(), Some("table"));
        budget.begin_turn();
        assert_eq!(budget.refused(), None);
    }
}
