//! One seed from birth to the last actor's end: a safety phase, then a quiescence phase.

use crate::check;
use crate::model::{Model, Stage};
use crate::op::{Kind, NONE, Op};
use crate::plan::{Plan, Quiescence};
use crate::rng::Rng;
use crate::world::World;

/// Operations of the quiescence phase that do nothing new: more than this, and something goes in circles.
const ENDLESS: usize = 200_000;

/// An episode: what happened can be seen even when it broke off.
#[derive(Debug)]
pub struct Episode {
    /// The world.
    pub world: World,
    /// What was done in the safety phase, by number.
    pub script: Vec<(u32, Op)>,
    rng: Rng,
    next: usize,
    budget: usize,
}

impl Episode {
    /// The episode of this plan, not begun.
    pub fn new(plan: Plan, model: Model, traced: bool) -> Self {
        let rng = Rng::new(plan.seed ^ 0x5eed);
        Self {
            world: World::new(plan, model, traced),
            script: Vec::new(),
            rng,
            next: 1,
            budget: ENDLESS,
        }
    }

    /// Runs it, writing the script.
    ///
    /// # Panics
    /// Where an invariant does not hold.
    pub fn run(&mut self) {
        self.script.reserve(self.world.plan.steps);
        for number in 1..=self.world.plan.steps {
            let op = self.world.choose(&mut self.rng);
            self.script.push((number as u32, op));
            self.world.perform(number, &op);
            if self.world.has_left(0) {
                break;
            }
        }
        self.end();
    }

    /// Runs a script that was written before, or what is left of it.
    ///
    /// # Panics
    /// As [`Episode::run`].
    pub fn replay(&mut self, script: &[(u32, Op)]) {
        for (number, op) in script {
            self.world.perform(*number as usize, op);
        }
        self.end();
    }

    /// Faults stop; everything must come to its end.
    fn end(&mut self) {
        // The same chances in every replay, whatever was left out before.
        self.rng = Rng::new(self.world.plan.seed ^ 0xe4d);
        self.next = self.world.plan.steps + 1;
        match self.world.plan.quiescence {
            Quiescence::Peace => self.end_in_peace(),
            Quiescence::Patience => self.end_with_patience(),
            Quiescence::Force => self.end_by_force(),
        }
        self.check_over();
    }

    fn step(&mut self, kind: Kind, who: u32, a: u32) {
        self.step_side(kind, false, who, a);
    }

    fn step_side(&mut self, kind: Kind, callee: bool, who: u32, a: u32) {
        let (b, c) = (1, 8);
        let op = Op {
            kind,
            callee,
            flush: true,
            take: true,
            who,
            a,
            b,
            c,
        };
        self.world.perform(self.next, &op);
        check!(self.budget > 0, "I2 I21", "it goes on and on");
        self.budget -= 1;
    }

    /// Everything on its way arrives, in some order, and every effect is performed. No time passes.
    fn drain(&mut self) {
        loop {
            let (links, busy) = (self.world.full_links(), self.world.busy());
            if links.len() + busy.len() == 0 {
                return;
            }
            let at = self.rng.below(links.len() + busy.len());
            let (kind, actor, a) = match links.get(at) {
                Some(link) => (Kind::Deliver, link / 2, link % 2),
                None => (Kind::Effect, busy[at - links.len()], 0),
            };
            let who = self.world.actor_tag(actor as usize);
            self.step(kind, who, a);
        }
    }

    /// Whatever waited to be performed or taken is.
    fn settle(&mut self) {
        for actor in 0..self.world.actor_count() {
            let who = self.world.actor_tag(actor);
            self.step(Kind::Flush, who, 0);
            self.step(Kind::Take, who, 0);
        }
        self.drain();
    }

    /// Time passes, with every timer at its time and everything delivered in between.
    fn pass(&mut self, duration: u64) {
        let end = self.world.now + duration;
        loop {
            self.drain();
            let all = 0..self.world.actor_count();
            let next = all.clone().filter_map(|actor| self.world.next_deadline(actor)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.world.now = self.world.now.max(next);
            for actor in all {
                if self.world.next_deadline(actor).is_some_and(|due| due <= self.world.now) {
                    self.step(Kind::Tick, self.world.actor_tag(actor), 0);
                }
            }
        }
        self.world.now = end;
    }

    /// Every task ends as it should, until none is left, and so do exit hooks; then every context has its
    /// outcome.
    fn finish_tasks(&mut self) {
        loop {
            self.drain();
            let hooks = (0..self.world.actor_count()).find(|actor| self.world.model.runs_hooks(*actor));
            if let Some(actor) = hooks {
                self.step(Kind::Exited, self.world.actor_tag(actor), 0);
                continue;
            }
            let tasks = self.world.open_tasks();
            let Some(ci) = tasks.iter().copied().find(|ci| self.world.model.runs(*ci)) else {
                break;
            };
            let how = if self.world.model.is_cancelled_ctx(ci) { 3 } else { 1 };
            let tag = self.world.model.tag(ci);
            self.step_side(Kind::Finish, true, tag, how);
        }
    }

    fn end_in_peace(&mut self) {
        self.settle();
        self.finish_tasks();
        self.world.model.check_outcomes();
        while let Some(ci) = self.world.open_callers().last().copied() {
            let tag = self.world.model.tag(ci);
            self.step_side(Kind::Release, false, tag, 0);
            self.drop_caller(ci);
        }
        for nursery in 0..self.world.nursery_count() {
            self.step(Kind::NurseryClose, self.world.nursery_tag(nursery), 0);
        }
        self.step(Kind::CancelSelf, self.world.actor_tag(0), 0);
        self.finish_tasks();
        if !(0..self.world.actor_count()).all(|actor| self.world.has_left(actor)) {
            // Interrupted actors whose code spins end when their stores are dropped.
            let ladder = self.ladder();
            self.pass(ladder);
        }
    }

    /// Callers of actors that have left are nobody's.
    fn drop_caller(&mut self, ci: u32) {
        self.world.forget_caller(ci);
    }

    fn end_with_patience(&mut self) {
        self.settle();
        for ci in self.world.open_callers().to_vec() {
            let tag = self.world.model.tag(ci);
            self.step_side(Kind::Cancel, false, tag, 0);
        }
        let limits = self.world.plan.limits;
        self.pass(limits.cancel_timeout.max(limits.start_timeout) + 1);
        self.world.model.check_outcomes();
        self.end_by_force();
    }

    fn end_by_force(&mut self) {
        self.settle();
        self.step(Kind::CancelSelf, self.world.actor_tag(0), 0);
        let ladder = self.ladder();
        self.pass(ladder);
    }

    /// I21: how long a tree may take whose actors do nothing.
    fn ladder(&self) -> u64 {
        let limits = self.world.plan.limits;
        let rung = 3 * limits.cancel_grace + limits.trap_grace + limits.cancel_timeout + limits.start_timeout;
        let depth = (0..self.world.actor_count()).map(|actor| self.world.depth(actor)).max();
        (depth.unwrap_or(0) as u64 + 2) * rung
    }

    fn check_over(&mut self) {
        for actor in 0..self.world.actor_count() {
            let stage = self.world.model.stage(actor);
            check!(
                self.world.has_left(actor),
                "I21",
                "{} lives, {stage:?}",
                self.world.actor_tag(actor)
            );
            check!(stage == Stage::Stopped, "I21", "it left and is {stage:?}");
            self.world.check_empty(actor);
        }
        debug_assert_ne!(self.next as u32, NONE);
    }
}
