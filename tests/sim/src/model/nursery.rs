//! Nurseries and the children in them (semantics 10). What becomes of a child is in `supervision.rs`.

use std::collections::VecDeque;

use steading_types::{Cause, Fate, Refusal, Restart, Rung, Supervision};

use super::supervision::{History, Place, Standing};
use super::{Cancel, Model, REQUESTED, Stage, TEARDOWN, stated};
use crate::coverage::{ActorInput, ChildInput};
use crate::op::NONE;

const CANCELLED: u8 = 4;
const LIMIT: u8 = 13;
const SPAWN_FAILED: u8 = 14;

/// A nursery.
#[derive(Debug)]
pub(super) struct Nursery {
    pub(super) actor: usize,
    owner: u32,
    /// The places that are taken, in the order in which they were taken first.
    pub(super) places: Vec<u32>,
    pub(super) cancel: Option<Cancel>,
    closing: bool,
    abandoned: bool,
    live: bool,
    pub(super) closed_owed: bool,
    pub(super) rules: Supervision,
    pub(super) recent: History,
    /// Who is to be made again, in this order.
    pub(super) respawns_owed: VecDeque<u32>,
}

impl Model {
    /// A nursery of a task, or of the actor.
    pub fn nursery_open(&mut self, actor: usize, owner: u32, rules: Supervision) -> Result<(), Refusal> {
        self.cover_actor(actor, ActorInput::NurseryOpen);
        if owner == NONE && self.actors[actor].stage != Stage::Serving {
            return Err(Refusal::Closing);
        }
        if owner != NONE {
            self.live_command(owner, crate::coverage::Input::NurseryUnder);
            if !self.ctx(owner).can_adopt() {
                return Err(Refusal::UnknownKey);
            }
        }
        if self.actors[actor].nurseries.len() >= self.limits.nurseries {
            return Err(Refusal::Limit);
        }
        self.actors[actor].nurseries.push(self.nurseries.len() as u32);
        self.nurseries.push(Nursery {
            actor,
            owner,
            places: Vec::new(),
            cancel: None,
            closing: false,
            abandoned: false,
            live: true,
            closed_owed: false,
            rules,
            recent: History::default(),
            respawns_owed: VecDeque::new(),
        });
        self.adopt(owner);
        Ok(())
    }

    /// Whether a child may be started. If not, the kind of error, and the cancellation that it is.
    pub fn may_spawn(&mut self, ni: u32) -> Result<(), (u8, Option<Cancel>)> {
        let actor = self.nurseries[ni as usize].actor;
        self.cover_actor(actor, ActorInput::Spawn);
        self.cover_nursery(ni, ActorInput::Spawn);
        let nursery = &self.nurseries[ni as usize];
        if let Some(asked) = self.ending(actor).or(nursery.cancel.filter(|_| nursery.live)) {
            return Err((CANCELLED, Some(asked)));
        }
        if self.actors[actor].stage != Stage::Serving || !nursery.live || nursery.closing {
            return Err((SPAWN_FAILED, None));
        }
        if self.actors[actor].children as usize >= self.limits.children {
            return Err((LIMIT, None));
        }
        Ok(())
    }

    /// It was; its place.
    pub fn spawned(&mut self, ni: u32, restart: Restart) -> u32 {
        let pi = self.places.len() as u32;
        let nursery = &mut self.nurseries[ni as usize];
        nursery.places.push(pi);
        let parent = nursery.actor;
        self.actors[parent].children += 1;
        self.places.push(Place::new(ni, self.actors.len(), restart));
        self.born(parent, pi);
        pi
    }

    pub(super) fn cover_nursery(&mut self, ni: u32, input: ActorInput) {
        let nursery = &self.nurseries[ni as usize];
        let state = match () {
            () if !nursery.live => 5,
            () if nursery.abandoned => 4,
            () if nursery.closing && nursery.cancel.is_some() => 3,
            () if nursery.closing => 2,
            () if nursery.cancel.is_some() => 1,
            () => 0,
        };
        self.coverage.nursery(state, input);
    }

    /// Every child is asked to end; unless on request, in the name of who cancelled the block's task.
    pub fn nursery_cancel(&mut self, ni: u32, claimed: &Cause) {
        let actor = self.nurseries[ni as usize].actor;
        self.cover_nursery(ni, ActorInput::NurseryCancel);
        self.cover_actor(actor, ActorInput::NurseryCancel);
        let owner = self.nurseries[ni as usize].owner;
        let above = match owner {
            NONE => None,
            owner => self.ctx(owner).cancel,
        };
        let above = above.or(self.ending(actor)).filter(|_| *claimed != Cause::Requested);
        self.cancel_nursery(ni, above.unwrap_or(Cancel::by(actor, stated(claimed))));
    }

    /// Why an actor is to end, while it does.
    fn ending(&self, actor: usize) -> Option<Cancel> {
        let actor = &self.actors[actor];
        actor.stage_cancel.filter(|_| actor.stage != Stage::Stopped)
    }

    pub(super) fn cancel_nursery(&mut self, ni: u32, cancel: Cancel) {
        let nursery = &mut self.nurseries[ni as usize];
        if !nursery.live || nursery.cancel.is_some() {
            return;
        }
        nursery.cancel = Some(cancel);
        for pi in nursery.places.clone() {
            self.cover_child(pi, ChildInput::NurseryCancel);
            self.end_place(pi, cancel);
        }
    }

    /// A child is asked to end, for good. One that does not live is over at once.
    fn end_place(&mut self, pi: u32, cancel: Cancel) {
        match self.places[pi as usize].standing {
            Standing::Running => {
                self.stand(pi, Standing::Ending);
                self.ask_child(pi, cancel);
            }
            Standing::Recalled => self.stand(pi, Standing::Ending),
            Standing::Done(Fate::Restarts) => self.stand(pi, Standing::Done(Fate::Over)),
            Standing::Waiting | Standing::Starting => self.vacate(pi, None, Rung::AlreadyGone, Fate::Over),
            Standing::Ending | Standing::Done(_) | Standing::Gone => {}
        }
    }

    /// The child in this place is sent a `CancelActor`.
    pub(super) fn ask_child(&mut self, pi: u32, cancel: Cancel) {
        let actor = &mut self.actors[self.places[pi as usize].actor];
        crate::check!(actor.cancelled.is_none(), "I15", "the model asks a child to end twice");
        (actor.cancelled, actor.cancel_owed) = (Some(cancel), true);
        let parent = actor.parent;
        self.actors[parent].owed_frames += 1;
    }

    /// A parent asks one child to end.
    pub fn cancel_child(&mut self, parent: usize, child: usize) -> Result<(), Refusal> {
        self.cover_actor(parent, ActorInput::CancelChild);
        let pi = self.actors[child].place;
        if !self.has_portal(child) {
            self.coverage
                .child(crate::coverage::ChildState::Gone, ChildInput::CancelChild);
            return Err(Refusal::UnknownKey);
        }
        self.cover_child(pi, ChildInput::CancelChild);
        self.end_place(pi, Cancel::by(parent, REQUESTED));
        Ok(())
    }

    /// A parent gives one child no more time.
    pub fn kill_child(&mut self, parent: usize, child: usize) -> Result<(), Refusal> {
        self.cancel_child(parent, child)?;
        if self.has_portal(child) {
            self.actors[child].force_owed += 1;
            self.actors[parent].owed_frames += 1;
        }
        Ok(())
    }

    /// Nothing leads to this child any more, and nobody takes its place.
    pub(super) fn vacate(&mut self, pi: u32, error: Option<super::Failure>, rung: Rung, fate: Fate) {
        if self.places[pi as usize].standing == Standing::Gone {
            return;
        }
        self.stand(pi, Standing::Gone);
        self.owe_ended(pi, error, rung, fate);
        let ni = self.places[pi as usize].nursery;
        let nursery = &mut self.nurseries[ni as usize];
        nursery.places.retain(|other| *other != pi);
        let parent = nursery.actor;
        self.actors[parent].children -= 1;
        self.close_if_empty(ni);
        self.stop_if_done(parent);
    }

    /// No more children.
    pub fn nursery_close(&mut self, ni: u32) {
        let actor = self.nurseries[ni as usize].actor;
        self.cover_nursery(ni, ActorInput::NurseryClose);
        self.cover_actor(actor, ActorInput::NurseryClose);
        self.shut(ni);
        self.stop_if_done(actor);
    }

    fn shut(&mut self, ni: u32) {
        self.nurseries[ni as usize].closing = true;
        self.close_if_empty(ni);
    }

    fn close_if_empty(&mut self, ni: u32) {
        let nursery = &mut self.nurseries[ni as usize];
        if !nursery.live || !nursery.closing || !nursery.places.is_empty() {
            return;
        }
        nursery.live = false;
        let (actor, owner, told) = (nursery.actor, nursery.owner, !nursery.abandoned);
        self.actors[actor].nurseries.retain(|other| *other != ni);
        if told && self.actors[actor].stage.tells() {
            self.nurseries[ni as usize].closed_owed = true;
            self.actors[actor].owed_events += 1;
        }
        self.disown(owner);
    }

    /// The nurseries of a task that is over, or of the actor itself.
    pub(super) fn abandon_nurseries(&mut self, actor: usize, owner: u32) {
        if self.actors[actor].nurseries.is_empty() {
            return;
        }
        let cancel = self.actors[actor].stage_cancel.unwrap_or(Cancel::by(actor, TEARDOWN));
        for ni in self.actors[actor].nurseries.clone() {
            if self.nurseries[ni as usize].owner == owner {
                self.cancel_nursery(ni, cancel);
                self.nurseries[ni as usize].abandoned = true;
                self.shut(ni);
            }
        }
    }

    pub(super) fn close_nurseries_of(&mut self, owner: u32, cancel: Cancel) {
        for ni in self.actors[self.ctx(owner).actor].nurseries.clone() {
            if self.nurseries[ni as usize].owner == owner {
                self.cancel_nursery(ni, cancel);
                self.shut(ni);
            }
        }
    }

    /// Every nursery, whoever owns it: the actor itself is going.
    pub(super) fn abandon_all_nurseries(&mut self, actor: usize, cancel: Cancel) {
        for ni in self.actors[actor].nurseries.clone() {
            self.cancel_nursery(ni, cancel);
            (self.nurseries[ni as usize].abandoned, self.nurseries[ni as usize].owner) = (true, NONE);
            self.shut(ni);
        }
    }

    /// Whether the task has a nursery whose children were asked to end and have not yet.
    pub(super) fn nurseries_ending(&self, owner: u32) -> bool {
        let of_actor = &self.actors[self.ctx(owner).actor].nurseries;
        let mut all = of_actor.iter().map(|ni| &self.nurseries[*ni as usize]);
        all.any(|nursery| nursery.owner == owner && nursery.cancel.is_some() && !nursery.places.is_empty())
    }
}
