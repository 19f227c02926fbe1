//! What stories begin with: nurseries, actors below the pair, and calls that are on their way.

use steading_types::{Cause, Key, OpenOptions, Supervision};

use super::{CHILD, ROOT, World};

impl World {
    /// A nursery of this actor, of no task.
    pub(crate) fn nursery_of(&mut self, actor: usize) -> Key {
        self.core(actor)
            .nursery_open(None, Supervision::default())
            .expect("serving")
    }

    /// A nursery of a task of this actor.
    pub(crate) fn nursery_in(&mut self, actor: usize, task: Key) -> Key {
        self.core(actor)
            .nursery_open(Some(task), Supervision::default())
            .expect("running")
    }

    /// A child of this actor, in a nursery of no task.
    pub(crate) fn below(&mut self, actor: usize) -> usize {
        let nursery = self.nursery_of(actor);
        self.spawn(actor, nursery, "below").expect("admitted")
    }

    /// Asks the task of a context to end.
    pub(crate) fn cancel(&mut self, actor: usize, context: Key, reason: Option<&str>) {
        let reason = reason.map(str::to_owned);
        self.core(actor)
            .cancel(context, reason, Cause::Requested)
            .expect("known");
    }

    /// Asks the children of a nursery to end.
    pub(crate) fn nursery_cancel(&mut self, actor: usize, nursery: Key, reason: Option<&str>) {
        let reason = reason.map(str::to_owned);
        self.core(actor).nursery_cancel(nursery, reason, Cause::Requested);
    }

    /// Asks a child to end.
    pub(crate) fn cancel_actor(&mut self, parent: usize, child: usize, reason: Option<&str>) {
        let portal = self.portal(parent, child);
        let reason = reason.map(str::to_owned);
        self.core(parent).cancel_actor(portal, reason).expect("alive");
    }

    /// Opens a context that has so much time.
    pub(crate) fn open_within(&mut self, time: u64, caller: usize, callee: usize, endpoint: &str) -> Key {
        let options = OpenOptions {
            deadline: Some(time),
            ..self.options(caller, callee, endpoint)
        };
        self.open_with(caller, options)
    }

    /// What a task of the caller opens, and owns, with.
    pub(crate) fn options_in(&self, task: Key, caller: usize, callee: usize, endpoint: &str) -> OpenOptions {
        OpenOptions {
            parent: Some(task),
            ..self.options(caller, callee, endpoint)
        }
    }

    /// Opens a context that a task of the caller owns.
    pub(crate) fn open_in(&mut self, task: Key, caller: usize, callee: usize, endpoint: &str) -> Key {
        let options = self.options_in(task, caller, callee, endpoint);
        self.open_with(caller, options)
    }

    /// A context of these two, its task running: the caller's key and the callee's.
    pub(crate) fn running_at(&mut self, caller: usize, callee: usize) -> (Key, Key) {
        let key = self.open(caller, callee, "scan");
        self.drive();
        (key, self.newest_task(callee))
    }

    /// A context of root and child, its task running: the caller's key and the callee's.
    pub(crate) fn running(&mut self) -> (Key, Key) {
        self.running_at(ROOT, CHILD)
    }

    /// A plain call of root to child, its task running: the caller's key and the callee's.
    pub(crate) fn called(&mut self) -> (Key, Key) {
        let caller = self.open(ROOT, CHILD, "plain");
        self.drive();
        (caller, self.newest_task(CHILD))
    }

    /// A context of root and child, with `started` behind it: both keys.
    pub(crate) fn started(&mut self) -> (Key, Key) {
        let (caller, callee) = self.running();
        self.core(CHILD).started(callee, b"hello".to_vec()).expect("first");
        self.drive();
        (caller, callee)
    }

    /// The same, and the stream open on both sides.
    pub(crate) fn streaming(&mut self) -> (Key, Key) {
        let (caller, callee) = self.started();
        self.core(ROOT).stream_open(caller).expect("first");
        self.core(CHILD).stream_open(callee).expect("first");
        (caller, callee)
    }
}
