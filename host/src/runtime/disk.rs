//! Who may be at the disk: each file operation holds a thread for as long as the kernel takes, which may be for ever
//! (a FIFO, a network mount that is gone).
//!
//! Each needs a seat: one of its actor's, one of the tree's of guests that the embedder started, and one of the host's.
//! The seat is given back when the kernel has answered, however its actor has ended meanwhile. A tree is known by the
//! name that the embedder gave its first actor, not by the actor: what a guest left behind counts for the one that is
//! started in its place as well, and so does not add up. Who finds all seats taken waits as long as any of them is given
//! back, and is told that the disk is busy if none is.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use steading_types::ActorId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::{lock, log};

/// Operations of one actor that hold a thread.
pub(crate) const OF_ACTOR: usize = 4;
/// Those of a guest that an embedder's actor started, with all below it.
pub(crate) const OF_TREE: usize = 16;
/// Those of all actors of a host.
pub(crate) const OF_HOST: usize = 64;
/// How long no operation has to end before no more is waited for. A disk that is only slow ends one now and then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The seats of a host.
#[derive(Debug)]
pub(crate) struct Disk {
    row: Arc<Row>,
    trees: Mutex<HashMap<String, Weak<Row>>>,
}

/// Seats that are shared by some.
#[derive(Debug)]
struct Row {
    /// Whose they are, as the end of a sentence.
    whose: String,
    seats: usize,
    patience: Duration,
    free: Arc<Semaphore>,
    /// How many have been given back so far.
    given_back: AtomicU64,
    /// Whether the log has heard that they are all taken for long.
    told: AtomicBool,
}

/// The seats among which an actor's operations find theirs: the nearest row first.
#[derive(Clone, Debug)]
pub(crate) struct Seats(Vec<Arc<Row>>);

/// A place for one operation.
#[derive(Debug)]
pub(crate) struct Seat(Vec<Taken>);

#[derive(Debug)]
struct Taken {
    row: Arc<Row>,
    _permit: OwnedSemaphorePermit,
}

/// No seat is given back by anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many file operations are under way, and none ends")
    }
}

impl std::error::Error for Busy {}

impl Default for Disk {
    fn default() -> Self {
        Self {
            row: Row::new("this host".to_owned(), OF_HOST),
            trees: Mutex::default(),
        }
    }
}

impl Default for Seats {
    /// Those of a host that has nobody else.
    fn default() -> Self {
        Disk::default().seats()
    }
}

impl Disk {
    /// Those of the embedder's own actors, which hand them on to no guest as they are.
    pub(crate) fn seats(&self) -> Seats {
        Seats(vec![self.row.clone()])
    }

    /// Those of a guest of this name, that an embedder's actor starts, and of all below it.
    pub(crate) fn of_tree(&self, name: &str) -> Seats {
        let mut trees = lock(&self.trees);
        // Nobody has them any more who could take one or give one back.
        trees.retain(|_, row| row.strong_count() > 0);
        let known = trees.get(name).and_then(Weak::upgrade);
        let row = known.unwrap_or_else(|| {
            let row = Row::new(format!("{} with all below it", log::escape(name)), OF_TREE);
            trees.insert(name.to_owned(), Arc::downgrade(&row));
            row
        });
        Seats(vec![row, self.row.clone()])
    }
}

impl Row {
    fn new(whose: String, seats: usize) -> Arc<Self> {
        Self::with(whose, seats, PATIENCE)
    }

    fn with(whose: String, seats: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            whose,
            seats,
            patience,
            free: Arc::new(Semaphore::new(seats)),
            given_back: AtomicU64::new(0),
            told: AtomicBool::new(false),
        })
    }

    fn taken(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Taken {
        let row = self.clone();
        Taken { row, _permit: permit }
    }

    /// Waits for one, as long as any is given back in time.
    async fn take(self: &Arc<Self>, who: &ActorId) -> Result<Taken, Busy> {
        loop {
            let seen = self.given_back.load(Relaxed);
            match tokio::time::timeout(self.patience, self.free.clone().acquire_owned()).await {
                Ok(Ok(permit)) => return Ok(self.taken(permit)),
                // They are never closed.
                Ok(Err(_)) => return Err(Busy),
                Err(_) if self.given_back.load(Relaxed) != seen => {}
                Err(_) => {
                    self.tell(who);
                    return Err(Busy);
                }
            }
        }
    }

    /// Once: a guest may try as often as it likes.
    fn tell(&self, who: &ActorId) {
        if self.told.swap(true, Relaxed) {
            return;
        }
        let Self { whose, seats, .. } = self;
        let text =
            format!("{seats} file operations of {whose} do not end, as many as it may have: a FIFO, a dead mount?");
        log::quietly(|| tracing::warn!(target: "steading::files", actor = %who.name, id = %who.uuid, "{text}"));
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.row.given_back.fetch_add(1, Relaxed);
        self.row.told.store(false, Relaxed);
    }
}

impl Seats {
    /// Those of one actor among them.
    pub(crate) fn of_actor(&self, id: &ActorId) -> Self {
        let mut rows = vec![Row::new(id.to_string(), OF_ACTOR)];
        rows.extend(self.0.iter().cloned());
        Self(rows)
    }

    /// One that is free at once.
    pub(crate) fn try_take(&self) -> Option<Seat> {
        let take = |row: &Arc<Row>| match row.free.clone().try_acquire_owned() {
            Ok(permit) => Some(row.taken(permit)),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => None,
        };
        self.0.iter().map(take).collect::<Option<_>>().map(Seat)
    }

    /// Waits for one, in order. To be awaited by a task that always goes on: a seat that is given to who rests is
    /// nobody's.
    ///
    /// # Errors
    /// If none is given back in time.
    pub(crate) async fn take(&self, who: &ActorId) -> Result<Seat, Busy> {
        let mut seat = Seat(Vec::with_capacity(self.0.len()));
        for row in &self.0 {
            seat.0.push(row.take(who).await?);
        }
        Ok(seat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> ActorId {
        ActorId::new("me", steading_types::Uuid { high: 0, low: 1 })
    }

    fn all(seats: &Seats) -> Vec<Seat> {
        std::iter::from_fn(|| seats.try_take()).collect()
    }

    #[test]
    fn an_actor_has_its_seats_a_tree_its_own_and_a_host_all() {
        let disk = Disk::default();
        let tree = disk.of_tree("a");
        let actors: Vec<_> = (0..5).map(|_| tree.of_actor(&me())).collect();
        let held: Vec<_> = actors.iter().map(all).collect();
        let counts: Vec<_> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [4, 4, 4, 4, 0]);
        let neighbour = disk.of_tree("b").of_actor(&me());
        assert_eq!(all(&neighbour).len(), OF_ACTOR, "another tree has its own");
        drop(held);
        assert_eq!(all(&actors[4]).len(), OF_ACTOR);
        let many = (0..5).map(|n| disk.of_tree(&n.to_string()));
        let taken: usize = many
            .flat_map(|tree| (0..4).map(move |_| tree.of_actor(&me())))
            .map(|actor| {
                let held = all(&actor);
                let count = held.len();
                std::mem::forget(held);
                count
            })
            .sum();
        assert_eq!(taken, OF_HOST);
    }

    #[test]
    fn what_an_actor_left_counts_for_its_successor() {
        let disk = Disk::default();
        let mut left = Vec::new();
        for life in 0..6 {
            let actor = disk.of_tree("a").of_actor(&me());
            left.extend(all(&actor));
            assert_eq!(left.len(), OF_TREE.min((life + 1) * OF_ACTOR));
        }
        drop(left);
        assert!(
            lock(&disk.trees).values().all(|row| row.upgrade().is_none()),
            "nothing is kept of it"
        );
    }

    #[tokio::test]
    async fn who_waits_is_told_if_nobody_gives_one_back() {
        let seats = |patience| Seats(vec![Row::with("of me".to_owned(), 2, patience)]);
        let short = seats(Duration::from_millis(10));
        let _held = all(&short);
        assert_eq!(short.take(&me()).await.err(), Some(Busy));
        let long = seats(Duration::from_secs(600));
        let mut held = all(&long);
        let gives_back = async { drop(held.pop()) };
        let me = me();
        let (taken, ()) = tokio::join!(long.take(&me), gives_back);
        assert!(taken.is_ok());
    }
}
