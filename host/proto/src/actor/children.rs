//! Nurseries and the children in them (semantics 10).

use std::collections::BTreeMap;

use steading_types::{
    ActorId, BoxedError, Cancellation, Cause, ErrorKind, Event, Fate, Key, PortalKey, Refusal, Rung, Spec, Supervision,
};

use super::supervision::{Line, Standing, Supervisor};
use super::{Core, Output, relay};
use crate::frame::{Dest, Frame};

/// A scope that owns child actors.
#[derive(Debug)]
pub(crate) struct Nursery {
    /// The task whose block it is, or the actor itself.
    owner: Option<Key>,
    /// In the order in which they were first started.
    pub(super) children: BTreeMap<u64, PortalKey>,
    /// How many there ever were.
    started: u64,
    /// Set once: asked to end, by whom and why.
    pub(super) cancel: Option<Cancellation>,
    closing: bool,
    /// The block is gone: nobody waits for `NurseryClosed`.
    abandoned: bool,
    pub(super) supervisor: Supervisor,
}

/// The way to a child.
#[derive(Debug)]
pub(crate) struct Portal<P> {
    pub(crate) peer: P,
    pub(crate) id: ActorId,
    pub(super) nursery: Key,
    /// Its place among its siblings.
    pub(super) order: u64,
    pub(super) standing: Standing,
    /// Of a child that may start again.
    pub(super) line: Option<Box<Line>>,
}

impl<P: Clone> Core<P> {
    /// Opens a nursery owned by the task of `parent`, or by the actor.
    ///
    /// # Errors
    /// `Closing` while the actor ends, `UnknownKey` for a parent that is no running task, `Limit` for too
    /// many nurseries.
    pub fn nursery_open(&mut self, parent: Option<Key>, rules: Supervision) -> Result<Key, Refusal> {
        if self.stage.is_ending() && parent.is_none() {
            return Err(Refusal::Closing);
        }
        if parent.is_some_and(|parent| !self.can_adopt(parent)) {
            return Err(Refusal::UnknownKey);
        }
        if self.nurseries.len() >= self.limits.nurseries {
            return Err(Refusal::Limit);
        }
        let nursery = Nursery {
            owner: parent,
            children: BTreeMap::new(),
            started: 0,
            cancel: None,
            closing: false,
            abandoned: false,
            supervisor: Supervisor::new(rules),
        };
        let key = self.nurseries.insert(nursery).ok_or(Refusal::Limit)?;
        if let Some(parent) = parent {
            self.adopt(parent);
        }
        Ok(key)
    }

    /// Adds a child that the shell has made ready: its id and the way to it.
    ///
    /// # Errors
    /// The cancellation, when the nursery or this actor has been cancelled; `SpawnFailed` when the nursery is closing
    /// or unknown, or this actor is ending; `Limit` for too many children. A child refused here was never started, so
    /// it cannot be lost.
    pub fn spawn(&mut self, nursery: Key, spec: Spec, id: ActorId, peer: P) -> Result<PortalKey, BoxedError> {
        self.check_spawn(nursery, &spec.name)?;
        let order = self.next_order(nursery);
        let portal = Portal {
            peer: peer.clone(),
            id,
            nursery,
            order,
            standing: Standing::Running,
            line: Line::of(&spec),
        };
        let Some(key) = self.portals.insert(portal) else {
            return Err(self.error(ErrorKind::Limit("children".into()), "no key is free"));
        };
        if let Some(scope) = self
            .nurseries
            .get_mut(nursery)
            .filter(|_| !mutant!(self, ChildForgotten))
        {
            scope.children.insert(order, key);
        }
        self.outputs.push_back(Output::Spawn {
            portal: key,
            child: peer,
            spec: Box::new(spec),
        });
        Ok(key)
    }

    /// The task whose block this nursery is; `None` if it is the actor's own, or over.
    pub fn owner_of(&self, nursery: Key) -> Option<Key> {
        self.nurseries.get(nursery)?.owner
    }

    /// The nursery of a child.
    pub fn nursery_of(&self, portal: PortalKey) -> Option<Key> {
        Some(self.portals.get(portal)?.nursery)
    }

    fn next_order(&mut self, nursery: Key) -> u64 {
        let Some(nursery) = self.nurseries.get_mut(nursery) else {
            return 0;
        };
        nursery.started += 1;
        nursery.started
    }

    fn check_spawn(&self, nursery: Key, name: &str) -> Result<(), BoxedError> {
        let scope = self.nurseries.get(nursery);
        let of_nursery = scope.and_then(|scope| scope.cancel.as_ref());
        let of_nursery = of_nursery.filter(|_| !mutant!(self, SpawnWhileClosing));
        // That it came too late is the noise of a cancel, and no failure of its own (semantics 7).
        if let Some(cancellation) = self.stage.cancellation().or(of_nursery) {
            return Err(BoxedError::cancelled(cancellation.clone(), self.me.clone()));
        }
        let why = match scope {
            _ if self.stage.is_ending() => format!("actor {} is {}", self.me, self.stage.name()),
            None => "its nursery has ended".into(),
            Some(scope) if scope.closing && !mutant!(self, SpawnWhileClosing) => "its nursery is closing".into(),
            Some(_) if self.portals.len() >= self.limits.children => {
                let text = format!(
                    "cannot start `{name}`: actor {} has {} children, its limit",
                    self.me, self.limits.children
                );
                return Err(self.error(ErrorKind::Limit("children".into()), text));
            }
            Some(_) => return Ok(()),
        };
        Err(self.error(ErrorKind::SpawnFailed, format!("cannot start `{name}`: {why}")))
    }

    pub(super) fn handle_child_up(&mut self, child: PortalKey) {
        let Some(portal) = self.portals.get(child).filter(|portal| !portal.standing.is_dead()) else {
            self.dropped.unknown += 1;
            return;
        };
        self.tell(Event::ChildUp {
            child,
            id: portal.id.clone(),
        });
    }

    pub(super) fn handle_child_ended(&mut self, child: PortalKey, error: Option<Box<BoxedError>>, rung: Rung) {
        if self.portals.get(child).is_none_or(|portal| portal.standing.is_dead()) {
            self.dropped.unknown += 1;
            return;
        }
        let (fate, error) = self.fate_at_end(child, error);
        if let Some(error) = &error {
            self.relays.remember(error);
        }
        if fate == Fate::Restarts {
            self.tell(Event::ChildEnded {
                child,
                error,
                rung,
                fate,
            });
            return self.wait_for_restart(child);
        }
        self.conclude(child, error, rung, fate);
        // It may have been the one its group waited for.
        self.start_due();
    }

    /// A child is over, and its nursery hears what that means.
    pub(super) fn conclude(&mut self, child: PortalKey, error: Option<Box<BoxedError>>, rung: Rung, fate: Fate) {
        if let Some(portal) = self.portals.get_mut(child) {
            // Not to be asked to end, whoever else is.
            portal.standing = Standing::Done(fate);
        }
        self.report(child, error.clone(), fate);
        self.end_child(child, error, rung, fate);
    }

    /// A child is over: nothing leads to it any more.
    fn end_child(&mut self, child: PortalKey, error: Option<Box<BoxedError>>, rung: Rung, fate: Fate) {
        let Some(portal) = self.portals.remove(child) else {
            return;
        };
        self.tell(Event::ChildEnded {
            child,
            error,
            rung,
            fate,
        });
        if let Some(nursery) = self.nurseries.get_mut(portal.nursery) {
            nursery.children.remove(&portal.order);
        }
        self.close_if_empty(portal.nursery);
        self.stop_if_done();
    }

    /// Asks every child of a nursery to end, on this ground. Idempotent. Unless it is a request, the block of the
    /// nursery is torn down; if that is because its task was cancelled, the children are told by whom and why:
    /// only the host knows.
    pub fn nursery_cancel(&mut self, nursery: Key, reason: Option<String>, cause: Cause) {
        let told = match cause {
            Cause::Requested => None,
            _ if mutant!(self, TornDownInOwnName) => None,
            _ => self.cancellation_above(nursery),
        };
        let cancellation = told.unwrap_or_else(|| self.cancellation(reason, relay::stated(cause)));
        self.cancel_nursery(nursery, &cancellation);
    }

    /// How the task of a nursery was cancelled, or its actor.
    fn cancellation_above(&self, nursery: Key) -> Option<Cancellation> {
        let owner = self.nurseries.get(nursery)?.owner;
        let of_task = owner.and_then(|owner| self.contexts.get(owner)?.cancel.as_ref());
        of_task.or_else(|| self.stage.cancellation()).cloned()
    }

    pub(super) fn cancel_nursery(&mut self, nursery: Key, cancellation: &Cancellation) {
        let Some(scope) = self.nurseries.get_mut(nursery) else {
            return;
        };
        if scope.cancel.is_some() {
            return;
        }
        scope.cancel = Some(cancellation.clone());
        let children: Vec<_> = scope.children.values().copied().collect();
        for child in children {
            self.cancel_child(child, cancellation);
        }
    }

    fn cancel_child(&mut self, child: PortalKey, cancellation: &Cancellation) {
        let Some(portal) = self.portals.get_mut(child) else {
            return;
        };
        match portal.standing {
            Standing::Running => {}
            Standing::Recalled => portal.standing = Standing::Ending,
            Standing::Done(Fate::Restarts) => portal.standing = Standing::Done(Fate::Over),
            Standing::Waiting if mutant!(self, WaitsThoughCancelled) => {}
            Standing::Waiting | Standing::Starting => {
                return self.end_child(child, None, Rung::AlreadyGone, Fate::Over);
            }
            Standing::Ending | Standing::Done(_) => {}
        }
        let asked = portal.standing != Standing::Running;
        if asked && !mutant!(self, ChildCancelledTwice) {
            return;
        }
        portal.standing = Standing::Ending;
        let peer = portal.peer.clone();
        self.send(peer, Dest::Actor, Frame::CancelActor(cancellation.clone()), 0);
    }

    /// Admits no more children; `NurseryClosed` comes when all are dead.
    pub fn nursery_close(&mut self, nursery: Key) {
        self.shut(nursery);
        self.stop_if_done();
    }

    fn shut(&mut self, nursery: Key) {
        if let Some(scope) = self.nurseries.get_mut(nursery) {
            scope.closing = true;
        }
        self.close_if_empty(nursery);
    }

    fn close_if_empty(&mut self, key: Key) {
        let done = self.nurseries.get(key).is_some_and(|nursery| {
            nursery.closing && (nursery.children.is_empty() || mutant!(self, NurseryClosesEarly))
        });
        let Some(nursery) = done.then(|| self.nurseries.remove(key)).flatten() else {
            return;
        };
        if !nursery.abandoned {
            self.tell(Event::NurseryClosed(key));
        }
        self.disown(nursery.owner);
    }

    /// Cancels and closes the nurseries of a task that is over, or of the actor itself.
    pub(super) fn abandon_nurseries(&mut self, owner: Option<Key>) {
        let cancellation = self.stage.cancellation().cloned();
        let cancellation = cancellation.unwrap_or_else(|| self.cancellation(None, Cause::ParentTeardown));
        for key in self.nurseries.keys() {
            if self.nurseries.get(key).is_some_and(|nursery| nursery.owner == owner) {
                self.cancel_nursery(key, &cancellation);
                if let Some(nursery) = self.nurseries.get_mut(key) {
                    nursery.abandoned = true;
                }
                self.shut(key);
            }
        }
    }

    /// Cancels and closes the nurseries of a task that has used up its patience.
    pub(super) fn close_nurseries_of(&mut self, owner: Key, cancellation: &Cancellation) {
        for key in self.nurseries.keys() {
            if self
                .nurseries
                .get(key)
                .is_some_and(|nursery| nursery.owner == Some(owner))
            {
                self.cancel_nursery(key, cancellation);
                self.shut(key);
            }
        }
    }

    /// Whether the task has a nursery whose children were asked to end and have not yet.
    pub(super) fn nurseries_are_ending(&self, owner: Key) -> bool {
        let mut owned = self
            .nurseries
            .iter()
            .filter(|(_, nursery)| nursery.owner == Some(owner));
        owned.any(|(_, nursery)| nursery.cancel.is_some() && !nursery.children.is_empty())
    }

    /// Every nursery, whoever owns it: the actor itself is going.
    pub(super) fn abandon_all_nurseries(&mut self, cancellation: &Cancellation) {
        for key in self.nurseries.keys() {
            self.cancel_nursery(key, cancellation);
            if let Some(nursery) = self.nurseries.get_mut(key) {
                nursery.abandoned = true;
                nursery.owner = None;
            }
            self.shut(key);
        }
    }

    pub(super) fn has_nurseries(&self) -> bool {
        self.nurseries.len() > 0
    }

    /// Asks one child to end, with everything that runs in it. One that was to start again does not.
    ///
    /// # Errors
    /// `UnknownKey` if it is dead already.
    pub fn cancel_actor(&mut self, target: PortalKey, reason: Option<String>) -> Result<(), Refusal> {
        if self.portals.get(target).is_none() {
            return Err(Refusal::UnknownKey);
        }
        let cancellation = self.cancellation(reason, Cause::Requested);
        self.cancel_child(target, &cancellation);
        Ok(())
    }

    /// One child has had the time it was given: it is asked, if it was not yet, and interrupted at once. What
    /// lives below it has its own time to end.
    ///
    /// # Errors
    /// `UnknownKey` if it is dead already.
    pub fn kill_actor(&mut self, target: PortalKey) -> Result<(), Refusal> {
        self.cancel_actor(target, None)?;
        if let Some(portal) = self.portals.get(target) {
            let peer = portal.peer.clone();
            self.send(peer, Dest::Actor, Frame::Force, 0);
        }
        Ok(())
    }
}

impl Nursery {
    /// The task whose block it is, or none.
    pub(super) fn owner(&self) -> Option<Key> {
        self.owner
    }

    /// Those that are not dead yet.
    pub(super) fn children(&self) -> impl Iterator<Item = PortalKey> {
        self.children.values().copied()
    }
}
