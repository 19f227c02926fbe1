//! What tasks of one actor share, and who keeps it going.
//!
//! ```text
//!  opening ──hold──► open ──last user leaves──► closing ──► over     newcomers join the first two, wait for
//!     └───────────────┴────────── it fails ─────────────────► over     the third, and open anew after the last
//! ```
//! A resource is a future of its own, in no user's scope, and nobody is spawned to poll it: whichever user
//! is polled polls it too. So it has a waker of its own, the [`Bell`], which wakes all users; one of them
//! finds the work where the last left it. [`shared`](mod@crate::shared) is what users do with it.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use steading_types::ErrorKind;

use crate::entry::Door;
use crate::error::{Error, Result};
use crate::lock;
use crate::scope::Node;
use crate::waiters::{Slot, Waiters, Woken};

/// The resources of one actor: by the types of key and value, then by key.
#[derive(Default)]
pub(crate) struct Resources {
    tables: HashMap<TypeId, Box<dyn Any + Send>>,
    count: usize,
}

type Table<K, V> = HashMap<K, Arc<Resource<V>>>;

impl Resources {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    fn table<K, V>(&mut self) -> &mut Table<K, V>
    where
        K: Send + 'static,
        V: Send + 'static,
    {
        let types = TypeId::of::<Table<K, V>>();
        let table = self
            .tables
            .entry(types)
            .or_insert_with(|| Box::new(Table::<K, V>::new()));
        table.downcast_mut().expect("a table is found by its type")
    }

    /// The resource of this name. If there is none it is made, with one user, of `open`, which else is handed
    /// back.
    pub(crate) fn find<K, V, O>(
        &mut self,
        key: &K,
        open: O,
        make: impl FnOnce(O) -> Arc<Resource<V>>,
    ) -> (Arc<Resource<V>>, Option<O>)
    where
        K: Clone + Eq + Hash + Send + 'static,
        V: Send + 'static,
    {
        let table = self.table();
        if let Some(known) = table.get(key) {
            return (known.clone(), Some(open));
        }
        let made = make(open);
        table.insert(key.clone(), made.clone());
        self.count += 1;
        (made, None)
    }

    /// Is it the one to be found?
    pub(crate) fn has<K, V>(&mut self, key: &K, resource: &Arc<Resource<V>>) -> bool
    where
        K: Eq + Hash + Send + 'static,
        V: Send + 'static,
    {
        let known = self.table::<K, V>().get(key);
        known.is_some_and(|known| Arc::ptr_eq(known, resource))
    }

    /// It is over: the next to ask opens anew.
    pub(crate) fn forget<K, V>(&mut self, key: &K, resource: &Arc<Resource<V>>)
    where
        K: Eq + Hash + Send + 'static,
        V: Send + 'static,
    {
        if self.has(key, resource) {
            self.table::<K, V>().remove(key);
            self.count -= 1;
        }
    }
}

/// The future that opens it, holds it open, and closes it.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Something that several tasks share.
pub(crate) struct Resource<V> {
    /// The scope it runs in, which is nobody's.
    pub(crate) node: Arc<Node>,
    pub(crate) door: Arc<Door<V>>,
    bell: Arc<Bell>,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    users: usize,
    closing: bool,
    /// Nobody was given the value yet.
    fresh: bool,
}

enum Stage {
    Waiting(Work),
    /// A user is at it.
    Polled,
    Over(Result<()>),
}

/// How a user leaves.
pub(crate) enum Left {
    /// Others are there, or it is over.
    Nothing,
    /// It was the last, and is to close it.
    Close,
}

impl<V> Resource<V> {
    /// With one user: who makes it.
    pub(crate) fn new(node: Arc<Node>, door: Arc<Door<V>>, work: Work) -> Arc<Self> {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(true),
            waiters: Mutex::default(),
        });
        let state = Mutex::new(State {
            stage: Stage::Waiting(work),
            users: 1,
            closing: false,
            fresh: true,
        });
        Arc::new(Self {
            node,
            door,
            bell,
            state,
        })
    }

    /// One user more, unless it is on its way out.
    pub(crate) fn join(&self) -> bool {
        let mut state = lock(&self.state);
        let joins = !state.closing && !matches!(state.stage, Stage::Over(_));
        state.users += usize::from(joins);
        joins
    }

    /// A user is done with it. The last one stays a user until it is over.
    pub(crate) fn leave(&self) -> Left {
        let mut state = lock(&self.state);
        if state.users == 1 && !matches!(state.stage, Stage::Over(_)) {
            state.closing = true;
            return Left::Close;
        }
        state.users -= 1;
        Left::Nothing
    }

    /// A user is gone without a word. If it was the last, what is left of the work is to be dropped.
    pub(crate) fn desert(&self) -> Option<Work> {
        let mut state = lock(&self.state);
        state.users -= 1;
        if state.users > 0 || !matches!(state.stage, Stage::Waiting(_)) {
            return None;
        }
        match std::mem::replace(&mut state.stage, Stage::Over(Ok(()))) {
            Stage::Waiting(work) => Some(work),
            Stage::Polled | Stage::Over(_) => None,
        }
    }

    /// Is the caller the first to be given the value?
    pub(crate) fn is_first(&self) -> bool {
        std::mem::take(&mut lock(&self.state).fresh)
    }

    /// How it ended, if it has.
    pub(crate) fn over(&self) -> Option<Result<()>> {
        match &lock(&self.state).stage {
            Stage::Over(end) => Some(end.clone()),
            Stage::Waiting(_) | Stage::Polled => None,
        }
    }

    /// Wakes `waker` when something is to be done, or is over.
    pub(crate) fn register(&self, slot: &mut Slot, waker: &Waker) {
        let _replaced = lock(&self.bell.waiters).register(slot, waker);
    }

    pub(crate) fn unregister(&self, slot: &Slot) {
        // Bound, so that the waker is dropped after the lock.
        let _waker = lock(&self.bell.waiters).remove(slot);
    }

    /// Wakes all who have registered.
    pub(crate) fn tell(&self) {
        self.bell.wake_all();
    }

    /// Polls the work if it has been woken and nobody else is at it. `true` if that was its end.
    pub(crate) fn drive(&self) -> bool {
        while let Some(mut work) = self.take_work() {
            let waker = Waker::from(self.bell.clone());
            let poll = work.as_mut().poll(&mut Context::from_waker(&waker));
            match poll {
                Poll::Pending => lock(&self.state).stage = Stage::Waiting(work),
                Poll::Ready(end) => {
                    let end = end.and_then(|()| self.held());
                    lock(&self.state).stage = Stage::Over(end);
                    return true;
                }
            }
        }
        false
    }

    /// Looks at the bell under the lock under which the work is put back: who rings while it is away is
    /// heard by who brings it.
    fn take_work(&self) -> Option<Work> {
        let mut state = lock(&self.state);
        if !matches!(state.stage, Stage::Waiting(_)) || !self.bell.rung.swap(false, Ordering::AcqRel) {
            return None;
        }
        match std::mem::replace(&mut state.stage, Stage::Polled) {
            Stage::Waiting(work) => Some(work),
            Stage::Polled | Stage::Over(_) => None,
        }
    }

    fn held(&self) -> Result<()> {
        match self.door.is_opening() && !self.node.is_cancelled() {
            true => Err(Error::fault(
                ErrorKind::NotStarted,
                "a resource ended and has held nothing",
            )),
            false => Ok(()),
        }
    }
}

/// The waker of a resource's work: remembers that it was rung, and wakes all users.
struct Bell {
    rung: AtomicBool,
    waiters: Mutex<Waiters>,
}

impl Bell {
    fn wake_all(&self) {
        let mut woken = Woken::default();
        lock(&self.waiters).drain_into(&mut woken);
        woken.wake();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.wake_all();
    }
}
