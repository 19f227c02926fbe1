//! What one actor remembers, and the doors for whoever drives it.
//!
//! The driver (a guest's executor, a native actor's task) delivers events, advances the clock and
//! flushes; tasks poll futures. Locks are short and ordered: a link's lock may be held while the state's
//! is taken, never the other way round, and both may be held during an operation of the boundary.
//! Therefore a boundary must never call back into its actor from within an operation, and a driver must
//! not hold the boundary's own lock while it delivers. Wakers are woken after all locks are released.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use steading_types::{
    ActorId, Boundary, BoxedError, Cancellation, Event, Key, OpenOptions, Outcome, PortalKey, Start, Window,
};

use crate::children::{Children, Incarnation, Line};
use crate::context::Side;
use crate::endpoint::Invocation;
use crate::error::{Error, Result};
use crate::exit::Hooks;
use crate::link::{Aftermath, Link};
use crate::lock;
use crate::portal::Portal;
use crate::resource::Resources;
use crate::timer::Timers;
use crate::waiters::Woken;

/// One actor: its contexts, children and timers over a boundary. A handle; clones are the same actor.
#[derive(Clone)]
pub struct Actor(Arc<Shared>);

struct Shared {
    me: ActorId,
    boundary: Arc<dyn Boundary>,
    state: Mutex<State>,
    /// Apart from the rest: keys of the user's are compared under this lock.
    resources: Mutex<Resources>,
    hooks: Mutex<Hooks>,
    on_dirty: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// Keys are small numbers the host chose, so one multiplication spreads them well enough.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u32(u32::from(*b)));
    }

    fn write_u32(&mut self, key: u32) {
        self.0 = (self.0 ^ u64::from(key))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }
}

pub(crate) type KeyMap<V> = HashMap<u32, V, BuildHasherDefault<KeyHasher>>;

#[derive(Default)]
struct State {
    links: KeyMap<Arc<Link>>,
    children: Children,
    timers: Timers,
    /// Links with something to send, in the order they got their first.
    dirty: Vec<Arc<Link>>,
}

impl Actor {
    /// An actor over this boundary.
    pub fn new(boundary: Arc<dyn Boundary>) -> Self {
        Self(Arc::new(Shared {
            me: boundary.self_id(),
            boundary,
            state: Mutex::default(),
            resources: Mutex::default(),
            hooks: Mutex::default(),
            on_dirty: OnceLock::new(),
        }))
    }

    /// Calls `hook` whenever there is something to [`flush`](Self::flush) after there was nothing. The
    /// hook must not call back into the actor. Only the first hook counts.
    pub fn on_dirty(&self, hook: impl Fn() + Send + Sync + 'static) {
        // A second driver would be a fault of the embedder's; the first goes on undisturbed.
        self.0.on_dirty.set(Box::new(hook)).ok();
    }

    /// Who this actor is.
    pub fn me(&self) -> &ActorId {
        &self.0.me
    }

    /// What this actor runs over.
    pub fn boundary(&self) -> &Arc<dyn Boundary> {
        &self.0.boundary
    }

    /// Nanoseconds on this actor's clock.
    pub fn now(&self) -> u64 {
        self.0.boundary.now()
    }

    /// A portal by a key the host gave out.
    pub fn portal(&self, key: PortalKey, id: ActorId) -> Portal {
        Portal::new(self.clone(), key, id)
    }

    /// A portal to a child of this actor's.
    pub(crate) fn portal_into(&self, line: Arc<Line>, it: Arc<Incarnation>, id: ActorId) -> Portal {
        Portal::into_line(self.clone(), line, it, id)
    }

    /// Takes in what happened. A `Start` comes back as the invocation of an endpoint, to be run.
    pub fn deliver(&self, event: Event) -> Option<Invocation> {
        let (invocation, after) = self.take_in(event);
        after.run();
        invocation
    }

    /// As [`deliver`](Self::deliver), for events that have happened together, where other threads may poll
    /// tasks meanwhile. An error of the caller's comes as a cancel and an outcome: a task that saw but the
    /// cancel would take it for all there is (semantics 7). So from a cancel on, everybody is told last.
    pub fn deliver_all(&self, events: Vec<Event>, mut start: impl FnMut(Invocation)) {
        let mut told_last: Option<Vec<Aftermath>> = None;
        for event in events {
            if matches!(event, Event::Cancel { .. }) {
                told_last.get_or_insert_default();
            }
            let (invocation, after) = self.take_in(event);
            match &mut told_last {
                Some(told_last) => told_last.push(after),
                None => after.run(),
            }
            invocation.into_iter().for_each(&mut start);
        }
        told_last.into_iter().flatten().for_each(Aftermath::run);
    }

    /// Changes what is known; what is left to do, without any lock, is handed out.
    fn take_in(&self, event: Event) -> (Option<Invocation>, Aftermath) {
        let after = match event {
            Event::Start(start) => return (Some(self.accept(start)), Aftermath::default()),
            Event::Started {
                context,
                value,
                peer,
                window,
            } => self.on_link(context, |link| link.on_started(value, peer, window)),
            Event::Data { context, batch } => self.on_link(context, |link| link.on_data(batch)),
            Event::Stop(context) => self.on_link(context, Link::on_stop),
            Event::Credit {
                context,
                messages,
                bytes,
            } => self.on_link(context, |link| link.on_credit(messages, bytes)),
            Event::Flow {
                context,
                policy,
                window,
            } => self.on_link(context, |link| link.on_flow(policy, window)),
            Event::Cancel { context, cancellation } => self.on_link(context, |link| link.on_cancel(cancellation)),
            Event::Ended { context, outcome } => self.on_link(context, |link| link.on_ended(outcome)),
            Event::ChildUp { child, id } => self.on_children(|children| children.on_up(child, id)),
            Event::ChildEnded {
                child,
                error,
                rung,
                fate,
            } => self.on_children(|children| children.on_ended(child, error, rung, fate)),
            Event::ChildRestarted(restarted) => self.on_children(|children| children.on_restarted(restarted)),
            Event::ChildFailed { child, error, fatal } => {
                self.on_children(|children| children.on_failed(child, *error, fatal))
            }
            Event::NurseryClosed(nursery) => self.on_children(|children| children.on_closed(nursery)),
            Event::Exit => {
                self.on_exit_asked();
                Aftermath::default()
            }
        };
        (None, after)
    }

    /// Takes in a batch of a stream: as [`deliver`](Self::deliver) with that event.
    pub fn deliver_data(&self, context: Key, batch: Bytes) {
        self.on_link(context, |link| link.on_data(batch)).run();
    }

    /// Fires the timers that are due.
    pub fn advance(&self, now: u64) {
        let mut woken = Woken::default();
        self.with_timers(|timers| timers.expire(now, &mut woken));
        woken.wake();
    }

    /// Sends what tasks have left in their buffers, and the credit they have gathered.
    pub fn flush(&self) {
        let mut dirty = std::mem::take(&mut lock(&self.0.state).dirty);
        if dirty.is_empty() {
            return;
        }
        for link in dirty.drain(..) {
            link.flush();
        }
        // The list keeps its capacity, unless somebody has begun a new one meanwhile.
        let mut state = lock(&self.0.state);
        if state.dirty.capacity() == 0 {
            state.dirty = dirty;
        }
    }

    /// Ends every context and every wait for a child with this error: the actor's boundary is gone.
    pub fn fail_all(&self, error: BoxedError) {
        let (links, after) = {
            let mut state = lock(&self.0.state);
            let after = state.children.fail_all(&error);
            (std::mem::take(&mut state.links), after)
        };
        after.run();
        self.drop_hooks();
        for link in links.into_values() {
            link.on_ended(Outcome::Failed(Box::new(error.clone()))).run();
        }
    }

    /// Asks for this whole actor to be cancelled.
    pub fn cancel_self(&self, reason: Option<String>) {
        self.0.boundary.cancel_self(reason);
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Opens a context and remembers it before any event for it can be delivered.
    pub(crate) fn open(&self, options: OpenOptions, args: Vec<u8>, peer: ActorId) -> Result<Arc<Link>> {
        let (endpoint, window) = (options.endpoint.clone(), options.window);
        let mut state = lock(&self.0.state);
        let key = self.0.boundary.open(options, args)?;
        let link = Link::new(self.clone(), key, Side::Caller, endpoint, peer, window);
        state.links.insert(key, link.clone());
        Ok(link)
    }

    fn accept(&self, start: Start) -> Invocation {
        let name = format!("#{}", start.endpoint);
        let link = Link::new(
            self.clone(),
            start.context,
            Side::Callee,
            name,
            start.caller,
            Window::DEFAULT,
        );
        link.begin_callee(start.window);
        lock(&self.0.state).links.insert(start.context, link.clone());
        Invocation::new(link, start.endpoint, start.args, start.deadline)
    }

    /// Forgets a context: late events for it find nothing.
    pub(crate) fn forget(&self, context: Key) {
        // Bound, so that the link is dropped after the lock.
        let _link = lock(&self.0.state).links.remove(&context);
    }

    pub(crate) fn mark_dirty(&self, link: &Arc<Link>) {
        let mut state = lock(&self.0.state);
        let first = state.dirty.is_empty();
        state.dirty.push(link.clone());
        drop(state);
        if let (true, Some(hook)) = (first, self.0.on_dirty.get()) {
            hook();
        }
    }

    pub(crate) fn with_timers<T>(&self, change: impl FnOnce(&mut Timers) -> T) -> T {
        let mut state = lock(&self.0.state);
        let value = change(&mut state.timers);
        if let Some(time) = state.timers.news() {
            self.0.boundary.wake_at(time);
        }
        value
    }

    pub(crate) fn with_children<T>(&self, change: impl FnOnce(&mut Children) -> T) -> T {
        change(&mut lock(&self.0.state).children)
    }

    /// The error as which a refused or impossible state is raised with this actor as its source.
    pub(crate) fn cancellation(&self, reason: &str, cause: steading_types::Cause) -> Cancellation {
        Cancellation {
            canceller: self.me().clone(),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            cause,
        }
    }

    pub(crate) fn with_hooks<T>(&self, change: impl FnOnce(&mut Hooks) -> T) -> T {
        change(&mut lock(&self.0.hooks))
    }

    pub(crate) fn with_resources<T>(&self, change: impl FnOnce(&mut Resources) -> T) -> T {
        change(&mut lock(&self.0.resources))
    }

    /// How many resources tasks of this actor [share](crate::shared()) now, those that open or close among
    /// them.
    pub fn shared_resources(&self) -> usize {
        self.with_resources(|resources| resources.len())
    }

    fn on_link(&self, context: Key, event: impl FnOnce(&Link) -> Aftermath) -> Aftermath {
        let link = lock(&self.0.state).links.get(&context).cloned();
        link.map(|link| event(&link)).unwrap_or_default()
    }

    fn on_children(&self, event: impl FnOnce(&mut Children) -> Aftermath) -> Aftermath {
        event(&mut lock(&self.0.state).children)
    }
}

/// The first value of a context whose callee never says one.
pub(crate) fn implied_unit() -> Bytes {
    Bytes::from_static(crate::codec::UNIT)
}

/// An outcome that is not a value, as an error.
pub(crate) fn failure(outcome: &Outcome) -> Option<Error> {
    match outcome {
        Outcome::Returned(_) => None,
        Outcome::Failed(error) => Some(Error::from((**error).clone())),
        Outcome::Cancelled(cancellation) => Some(Error::cancelled(cancellation.clone())),
    }
}
