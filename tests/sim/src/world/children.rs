//! Children: how they are started, started again, and asked to end.

use steading_types::{BoxedError, ErrorKind, Key, Restart, Spec};

use super::{LIVES, Nursery, World, note};
use crate::model::{Cancel, Failure};
use crate::op::{NONE, Op};
use crate::{broken, check, digest};

impl World {
    /// Opens a nursery; its number, if it was admitted.
    pub(super) fn open_nursery(&mut self, actor: usize, owner: u32, tag: u32, rules: usize) -> Option<usize> {
        let rules = self.plan.rules[rules % self.plan.rules.len()];
        let due = self.model.nursery_open(actor, owner, rules);
        let parent = (owner != NONE).then(|| self.model.place(owner).1);
        let found = self.core(actor).nursery_open(parent, rules);
        check!(
            found.map(|_| ()) == due,
            "I17",
            "nursery_open() answers {found:?} and must {due:?}"
        );
        let key: Key = found.ok()?;
        self.monitor.children.opened(actor, key, rules.intensity);
        self.nurseries.push(Nursery { actor, key, tag });
        Some(self.nurseries.len() - 1)
    }

    fn way(&self, way: usize) -> Restart {
        self.plan.restarts[way % self.plan.restarts.len()].clone()
    }

    /// Starts a child in a nursery.
    pub(super) fn spawn(&mut self, ni: usize, tag: u32, way: usize) {
        let (Nursery { actor, key, .. }, child) = (self.nurseries[ni], self.actors.len());
        let due = self.model.may_spawn(ni as u32);
        let restart = self.way(way);
        let spec = Spec::this_component("more").restart(restart.clone());
        let id = Self::identity(child, tag as usize);
        let found = self.core(actor).spawn(key, spec, id, child);
        match (found, due) {
            (Ok(portal), Ok(())) => {
                self.monitor.children.spawned(actor, key, portal, restart.intensity);
                self.model.spawned(ni as u32, restart);
                self.add(actor, portal, tag, way);
            }
            (Err(error), Err((kind, asked))) if digest::kind(&error.kind) == kind => {
                if let ErrorKind::Cancelled(by) = &error.kind {
                    self.model.check_cancel("I11", asked, Some(Cancel::of(by)));
                }
                self.refused(actor, error);
            }
            (found, due) => broken!("I17 I22", "spawn() answers {found:?} and must {due:?}"),
        }
    }

    /// Makes the next one of a child that has ended, if it is still wanted.
    pub(super) fn respawn(&mut self, ended: usize, fails: bool) {
        let (actor, portal) = (self.actors[ended].parent, self.actors[ended].portal);
        if fails {
            let error = BoxedError::new(ErrorKind::SpawnFailed, self.actors[actor].id.clone(), "no luck");
            note!(self, "  {} cannot be made again", self.name(ended));
            self.model.respawn_failed(ended, &error);
            self.monitor.children.missed(actor, portal, self.now);
            self.core(actor).respawn_failed(portal, error);
            return self.settle(actor, true, true);
        }
        let (child, tag) = (self.actors.len(), self.actors[ended].tag + LIVES);
        let way = self.actors[ended].way;
        let id = Self::identity(child, (tag & (LIVES - 1)) as usize);
        let due = self.model.respawned(ended);
        let found = self.core(actor).respawned(portal, id, child);
        check!(
            found.is_some() == due,
            "I17 I20",
            "respawned() answers {found:?}, and {due} is due"
        );
        note!(self, "  {} is made again: {found:?}", self.name(ended));
        if let Some(next) = found {
            self.monitor.children.respawned(actor, portal, next);
            self.add(actor, next, tag, way);
        }
        self.settle(actor, true, false);
    }

    /// The child that an operation of its parent's means.
    fn child_of(&self, actor: usize, tag: u32) -> Option<usize> {
        let child = *self.actor_by_tag.get(&tag)?;
        (child != 0 && self.actors[child].parent == actor).then_some(child)
    }

    pub(super) fn cancel_actor(&mut self, actor: usize, child: u32, kill: bool) {
        let Some(child) = self.child_of(actor, child) else {
            return;
        };
        let portal = self.actors[child].portal;
        let (due, found) = match kill {
            true => (self.model.kill_child(actor, child), self.core(actor).kill_actor(portal)),
            false => (
                self.model.cancel_child(actor, child),
                self.core(actor).cancel_actor(portal, None),
            ),
        };
        check!(found == due, "I16", "cancel_actor() answers {found:?} and must {due:?}");
    }

    /// What a child was started for is over, well or not.
    pub(super) fn child_done(&mut self, actor: usize, op: &Op) {
        let Some(child) = self.child_of(actor, op.a) else {
            return;
        };
        // Who was recalled is known to have been: it is counted by what was sent.
        self.flush(actor);
        let portal = self.actors[child].portal;
        let failure = self.failure_of_child(actor, child, op);
        let known = failure.as_ref().map(|error| (&error.kind, Failure::vouched(error)));
        let due = self.model.child_done(actor, child, known);
        let found = self.core(actor).child_done(portal, failure.map(Box::new));
        note!(self, "    child_done(): {found:?}");
        check!(found == due, "I19", "child_done() answers {found:?} and must {due:?}");
        self.monitor.children.done(actor, portal, found, self.now);
    }

    /// Where restarts depend on the kind, only kinds that no task can forge.
    fn failure_of_child(&self, actor: usize, child: usize, op: &Op) -> Option<BoxedError> {
        let error = match op.b % 4 {
            0 => return None,
            1 => None,
            _ => Some(self.failure(actor, op)),
        };
        let any = self.way(self.actors[child].way).on.is_empty();
        let usable = |error: &BoxedError| match error.kind {
            ErrorKind::Cancelled(_) => false,
            ErrorKind::EndpointError | ErrorKind::PayloadMismatch | ErrorKind::SpawnFailed => true,
            _ => any,
        };
        let own = || BoxedError::new(ErrorKind::EndpointError, self.actors[actor].id.clone(), "its own");
        Some(error.filter(usable).unwrap_or_else(own))
    }
}
