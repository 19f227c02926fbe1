//! The inside of an open scope, for code that stands outside it.
//!
//! Scopes are blocks here, and what a scope gives is had only inside its block. An [`Entry`] turns that
//! round: the innermost code of the block hands the value out and stays until it is told to leave, so that
//! somebody else decides how long the scope is open. [`gather`](crate::gather()) and
//! [`shared`](crate::shared()) are built on it.

use std::sync::Arc;

use crate::error::Result;
use crate::scope;
use crate::waiters::{Waited, Woken};

/// What stands between the inside of a scope and those who wait for what it gives.
pub(crate) struct Door<V>(Waited<Passage<V>>);

enum Passage<V> {
    /// The scope is being entered.
    Opening,
    Open(V),
    /// It is open, and its value has been taken.
    Taken,
    /// The scope is to be left.
    Closed,
}

impl<V> Door<V> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Waited::new(Passage::Opening)))
    }

    fn change(&self, change: impl FnOnce(&mut Passage<V>) -> Passage<V>) {
        let mut woken = Woken::default();
        // Bound, so that a value that is given up is dropped after the lock.
        let _before = self.0.change(&mut woken, |passage| {
            let next = change(passage);
            std::mem::replace(passage, next)
        });
        woken.wake();
    }

    fn open(&self, value: V) {
        self.change(|passage| match passage {
            Passage::Closed => Passage::Closed,
            _ => Passage::Open(value),
        });
    }

    /// Lets those inside leave.
    pub(crate) fn close(&self) {
        self.change(|_| Passage::Closed);
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.0.with(|passage| matches!(passage, Passage::Opening))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.with(|passage| matches!(passage, Passage::Closed))
    }

    /// Waits for the value, and takes it out. Waits for ever if the scope is never open.
    pub(crate) async fn take(&self) -> V {
        self.0
            .wait(|passage| match passage {
                Passage::Open(_) => match std::mem::replace(passage, Passage::Taken) {
                    Passage::Open(value) => Some(value),
                    _ => None,
                },
                _ => None,
            })
            .await
    }

    /// As [`take`](Self::take), and leaves it for others.
    pub(crate) async fn copy(&self) -> V
    where
        V: Clone,
    {
        self.0
            .wait(|passage| match passage {
                Passage::Open(value) => Some(value.clone()),
                _ => None,
            })
            .await
    }
}

/// The inside of a scope that is held open for somebody else: see [`gather`](crate::gather()) and
/// [`shared`](crate::shared()).
pub struct Entry<V>(Arc<Door<V>>);

impl<V> std::fmt::Debug for Entry<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_opening() { "entry" } else { "entry, in use" })
    }
}

impl<V> Entry<V> {
    pub(crate) fn new(door: &Arc<Door<V>>) -> Self {
        Self(door.clone())
    }

    /// The scope is open, and this is what it gives. Returns when the scope is to be left: what follows
    /// closes it. To be called once, as the last thing inside the scope but for what closes it.
    ///
    /// # Errors
    /// The cancellation of the current scope.
    pub async fn hold(self, value: V) -> Result<()> {
        scope::check()?;
        self.0.open(value);
        let door = &self.0;
        door.0
            .wait(|passage| match (scope::check(), passage) {
                (Err(cancelled), _) => Some(Err(cancelled)),
                (Ok(()), Passage::Closed) => Some(Ok(())),
                (Ok(()), _) => None,
            })
            .await
    }
}
