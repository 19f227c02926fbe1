//! What the shell around a core does: starts children, lets traps land, leaves, loses links.

use steading_proto::{Dest, Frame};
use steading_types::{BoxedError, Cancellation, Cause, ErrorKind, Rung};

use super::{Effect, Parcel, World, note};
use crate::check;
use crate::model::Stage;
use crate::plan::Guest;

impl World {
    /// A refusal that a task sees, and may hand on.
    pub(super) fn refused(&mut self, actor: usize, error: BoxedError) {
        self.core(actor).remember_refusal(&error);
        self.model.remember(actor, &error);
        self.see(actor, error);
    }

    /// Performs the next effect of an actor; `fails`: what it starts does not come up.
    pub(super) fn effect(&mut self, actor: usize, fails: bool) {
        let Some(effect) = self.actors[actor].effects.pop_front() else {
            return;
        };
        self.busy.set(actor, !self.actors[actor].effects.is_empty());
        match effect {
            Effect::Spawn(child) if fails => {
                self.launch(child);
                self.die(child, ErrorKind::SpawnFailed);
            }
            Effect::Spawn(child) => {
                self.launch(child);
                note!(self, "  {} is up", self.name(child));
                self.core(child).up();
                self.settle(child, true, false);
            }
            Effect::Respawn(child) => self.respawn(child, fails),
            Effect::Trap if self.plan.guest == Guest::Traps => self.die(actor, ErrorKind::Trap("interrupt".into())),
            Effect::Trap => {}
            Effect::Kill => self.die(actor, ErrorKind::Killed),
            Effect::Stopped { error, rung } => self.leave(actor, error, rung),
        }
    }

    /// From now on it takes frames.
    fn launch(&mut self, child: usize) {
        self.actors[child].launched = true;
        self.mark(child);
    }

    /// The code of an actor is gone.
    pub(super) fn die(&mut self, actor: usize, kind: ErrorKind) {
        note!(self, "  {} dies: {kind}", self.name(actor));
        let error = BoxedError::new(kind, self.actors[actor].id.clone(), "its code is gone");
        if !matches!(self.model.stage(actor), Stage::Dying { .. } | Stage::Stopped) {
            self.monitor.children.died(actor);
        }
        self.model.die(actor, &error);
        self.core(actor).die(error);
        self.settle(actor, true, true);
    }

    /// Takes no more frames, answers what came, and tells the parent.
    fn leave(&mut self, actor: usize, error: Option<Box<BoxedError>>, rung: Rung) {
        for child in self.actors[actor].children.iter().map(|child| &self.actors[*child]) {
            check!(
                child.left || child.cut,
                "I18",
                "{} leaves before its child {}",
                self.name(actor),
                child.id
            );
        }
        check!(!self.actors[actor].left, "I18", "{} leaves twice", self.name(actor));
        note!(self, "  {} leaves", self.name(actor));
        self.actors[actor].left = true;
        self.settle(actor, true, true);
        while let Some(parcel) = self.actors[actor].down.next() {
            self.arrive_last(self.actors[actor].parent, actor, parcel);
        }
        self.mark(actor);
        for at in 0..self.actors[actor].children.len() {
            let child = self.actors[actor].children[at];
            while let Some(parcel) = self.actors[child].up.next() {
                self.arrive_last(child, actor, parcel);
                self.mark(child);
            }
        }
        check!(
            self.actors[actor].core.is_quiescent(),
            "I25",
            "{} leaves and holds something",
            self.name(actor)
        );
        self.monitor.check_revoked(actor);
        for child in &self.actors[actor].children {
            let portal = self.actors[*child].portal;
            self.monitor.children.check_left(actor, portal);
        }
        self.core(actor).ended(error, rung);
        self.settle(actor, true, true);
    }

    fn arrive_last(&mut self, from: usize, to: usize, parcel: Parcel) {
        self.arrive(from, to, parcel);
        self.settle(to, true, true);
    }

    /// The link between a child and its parent is lost, with all that was on it. Whoever carries links
    /// tells both ends of every context, the parent that its child is gone, and the child to end.
    pub(super) fn cut(&mut self, child: usize) {
        let parent = self.actors[child].parent;
        note!(
            self,
            "  the link of {} and {} is cut",
            self.name(parent),
            self.name(child)
        );
        self.settle(parent, true, true);
        self.settle(child, true, true);
        self.actors[child].cut = true;
        (self.actors[child].down, self.actors[child].up) = Default::default();
        self.mark(child);
        for (actor, peer) in [(parent, child), (child, parent)] {
            let sides = self.model.live_of(actor).iter().copied();
            let mut broken: Vec<_> = sides.filter(|ci| self.model.peer(*ci) == peer).collect();
            broken.sort_unstable();
            for ci in broken {
                self.lose(actor, peer, ci);
            }
        }
        let lost = BoxedError::new(ErrorKind::LinkClosed, self.actors[parent].id.clone(), "link lost");
        let ended = Frame::ChildEnded {
            portal: self.actors[child].portal,
            error: Some(Box::new(lost)),
            rung: Rung::AlreadyGone,
        };
        self.arrive(child, parent, Parcel::Whole(Dest::Actor, ended));
        self.settle(parent, true, true);
        let cancellation = Cancellation {
            canceller: self.actors[parent].id.clone(),
            reason: None,
            cause: Cause::PeerLost,
        };
        self.arrive(
            parent,
            child,
            Parcel::Whole(Dest::Actor, Frame::CancelActor(cancellation)),
        );
        self.settle(child, true, true);
    }

    fn lose(&mut self, actor: usize, peer: usize, ci: u32) {
        if !self.model.is_live(ci) {
            return;
        }
        let fault = crate::coverage::Fault::LinkCut;
        self.model.fault(ci, fault);
        let error = BoxedError::new(ErrorKind::LinkClosed, self.actors[actor].id.clone(), "link lost");
        let dest = Dest::Key(self.model.place(ci).1);
        self.arrive(peer, actor, Parcel::Whole(dest, Frame::Error(Box::new(error))));
        self.settle(actor, true, true);
    }
}
