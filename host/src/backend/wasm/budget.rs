//! What a store has used of memory and tables.
//!
//! Wasmtime's own limiter looks at each memory alone; a guest may have several. A refusal is
//! remembered for the rest of the turn: what a guest does after `memory.grow` failed is usually to
//! abort, and the cause should then be named instead of the abort.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::limits;
use crate::runtime::account::{Account, Exceeded};

/// Counts and bounds all memories and tables of one store.
#[derive(Debug)]
pub(super) struct Budget {
    memory: Usage,
    table: Usage,
    /// Memory is charged to it as well, as long as the store lives.
    account: Option<Arc<Account>>,
    refused: Option<Refused>,
}

/// What was not granted.
#[derive(Clone, Debug)]
pub(super) enum Refused {
    /// More of this than the store may have.
    Own(Own),
    /// More than a budget above it has left.
    Shared(Exceeded),
}

/// What there is a bound on for the store alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// So many bytes of linear memory were in use, and so many are the most.
    Memory { used: usize, limit: usize },
    /// So many table elements, likewise.
    Table { used: usize, limit: usize },
}

impl Budget {
    /// A budget of this many bytes and table elements.
    pub(super) fn new(memory: usize, table_elements: usize, account: Option<Arc<Account>>) -> Self {
        Self {
            memory: Usage::of(memory),
            table: Usage::of(table_elements),
            account,
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
    pub(super) fn refused(&self) -> Option<&Refused> {
        self.refused.as_ref()
    }

    /// Whether the budgets above have room for these bytes too.
    fn charge(&mut self, bytes: usize) -> bool {
        let charged = self.account.as_ref().map(|account| account.take_memory(bytes as u64));
        match charged {
            None | Some(Ok(())) => true,
            Some(Err(exceeded)) => {
                self.refused = Some(Refused::Shared(exceeded));
                false
            }
        }
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        if let Some(account) = &self.account {
            account.give_memory(self.memory.used as u64);
        }
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.memory.used;
        if !self.memory.grow(current, desired, maximum) {
            let limit = self.memory.limit;
            self.refused = Some(Refused::Own(Own::Memory { used, limit }));
            return Ok(false);
        }
        if !self.charge(self.memory.used - used) {
            self.memory.used = used;
            return Ok(false);
        }
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let (used, limit) = (self.table.used, self.table.limit);
        let granted = self.table.grow(current, desired, maximum);
        if !granted {
            self.refused = Some(Refused::Own(Own::Table { used, limit }));
        }
        Ok(granted)
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
        let mut budget = Budget::new(100, 10, None);
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(!budget.memory_growing(0, 60, None).unwrap());
        assert!(budget.memory_growing(60, 100, None).unwrap());
        assert_eq!(budget.memory_bytes(), 100);
    }

    #[test]
    fn memory_is_charged_to_the_account_for_as_long_as_the_store_lives() {
        let account = Account::new(None, "it".to_owned(), steading_types::Budget::default().memory(100));
        let mut one = Budget::new(80, 10, Some(account.clone()));
        let mut other = Budget::new(80, 10, Some(account.clone()));
        assert!(one.memory_growing(0, 80, None).unwrap());
        assert!(!other.memory_growing(0, 40, None).unwrap());
        assert!(matches!(other.refused(), Some(Refused::Shared(_))));
        assert_eq!(other.memory_bytes(), 0);
        drop(one);
        assert!(other.memory_growing(0, 40, None).unwrap());
    }

    #[test]
    fn a_refusal_is_remembered_until_the_next_turn() {
        let mut budget = Budget::new(100, 10, None);
        assert!(!budget.table_growing(0, 11, None).unwrap());
        assert!(matches!(
            budget.refused(),
            Some(Refused::Own(Own::Table { used: 0, limit: 10 }))
        ));
        budget.begin_turn();
        assert!(budget.refused().is_none());
    }
}
