//! The adversary: chooses the next operation of a world, by the weights of its plan.

use crate::op::{Kind, NONE, Op};
use crate::plan::MS;
use crate::rng::Rng;
use crate::world::World;

/// How often another kind is tried before time passes instead.
const TRIES: usize = 8;

impl World {
    /// The next operation of the safety phase.
    pub fn choose(&self, rng: &mut Rng) -> Op {
        let bits = rng.bits();
        let mut op = Op {
            kind: Kind::Pass,
            callee: bits & 1 == 1,
            flush: bits >> 8 & 0xff >= self.plan.lazy_flush,
            take: bits >> 16 & 0xff >= self.plan.lazy_take,
            who: NONE,
            a: (bits >> 32) as u32,
            b: rng.bits() as u32,
            c: rng.bits() as u32,
        };
        for _ in 0..TRIES {
            op.kind = self.plan.table[rng.below(self.plan.table.len())];
            if self.fill(rng, &mut op) {
                return op;
            }
        }
        op.kind = Kind::Pass;
        op.a = self.jump(rng);
        op
    }

    /// A jump in time: to the next timer, a little before, or anywhere.
    fn jump(&self, rng: &mut Rng) -> u32 {
        let far = rng.below((self.plan.jump * MS) as usize) as u64;
        let next = (0..self.actor_count())
            .filter_map(|actor| self.next_deadline(actor))
            .min();
        let jump = match next.map(|next| next.saturating_sub(self.now)) {
            Some(left) if rng.one_in(2) => left.saturating_sub(rng.below(2) as u64),
            _ if rng.one_in(2) => far / 64,
            _ => far,
        };
        u32::try_from(jump).unwrap_or(u32::MAX)
    }

    /// Chooses what the operation is about; `false` if there is nothing.
    fn fill(&self, rng: &mut Rng, op: &mut Op) -> bool {
        match op.kind {
            Kind::Pass => op.a = self.jump(rng),
            Kind::Deliver | Kind::DeliverBatch => return self.choose_link(rng, op),
            Kind::Effect => return self.choose_effect(rng, op),
            Kind::Tick => return self.choose_timer(rng, op),
            Kind::Open => return self.choose_call(rng, op),
            Kind::NurseryOpen => {
                let actor = self.choose_actor(rng);
                op.who = self.actor_tag(actor);
                op.a = self.choose_owner(rng, actor);
            }
            Kind::CancelActor | Kind::KillActor | Kind::ChildDone => return self.choose_child(rng, op),
            Kind::NurseryCancel | Kind::NurseryClose | Kind::Spawn => return self.choose_nursery(rng, op),
            Kind::Started | Kind::Finish => {
                op.callee = !rng.one_in(self.plan.stale);
                return self.choose_side(rng, op) && !(op.kind == Kind::Finish && self.is_slow(rng, op));
            }
            Kind::Release => {
                op.callee = rng.one_in(self.plan.stale);
                return if op.callee && !rng.one_in(2) {
                    self.choose_any_tag(rng, op)
                } else {
                    self.choose_side(rng, op)
                };
            }
            Kind::Credit => {
                op.a = rng.pick(&[0, 1, 1, 2, 4, 64]);
                op.b = rng.pick(&[0, 5, 20, 60, 1 << 20]);
                return self.choose_side(rng, op);
            }
            Kind::Cancel => {
                op.a = rng.below(4) as u32;
                return self.choose_side(rng, op);
            }
            Kind::StreamOpen | Kind::Send | Kind::Stop | Kind::Reject => {
                return self.choose_side(rng, op);
            }
            Kind::Die => {
                op.who = self.actor_tag(self.choose_victim(rng));
                op.a = rng.below(4) as u32;
            }
            Kind::Exited => return self.choose_hooks(rng, op),
            Kind::CancelSelf | Kind::Interrupt | Kind::Force | Kind::Cut | Kind::BeginMain | Kind::OnExit => {
                op.who = self.actor_tag(self.choose_victim(rng));
            }
            _ => op.who = self.actor_tag(self.choose_actor(rng)),
        }
        true
    }

    fn choose_actor(&self, rng: &mut Rng) -> usize {
        rng.below(self.actor_count())
    }

    /// Seldom the root: its end is everybody's.
    fn choose_victim(&self, rng: &mut Rng) -> usize {
        match self.choose_actor(rng) {
            0 if !rng.one_in(6) => self.actor_count() - 1,
            actor => actor,
        }
    }

    /// One whose exit hooks run; seldom one that nobody has asked.
    fn choose_hooks(&self, rng: &mut Rng, op: &mut Op) -> bool {
        let running = (0..self.actor_count()).find(|actor| self.model.runs_hooks(*actor));
        let actor = match running {
            Some(actor) => actor,
            None if rng.one_in(8 * self.plan.stale) => self.choose_actor(rng),
            None => return false,
        };
        op.who = self.actor_tag(actor);
        op.a = u32::from(rng.one_in(4));
        true
    }

    fn choose_link(&self, rng: &mut Rng, op: &mut Op) -> bool {
        let full = self.full_links();
        if full.is_empty() {
            return false;
        }
        let link = rng.pick(full);
        (op.who, op.a) = (self.actor_tag(link as usize / 2), link % 2);
        true
    }

    fn choose_effect(&self, rng: &mut Rng, op: &mut Op) -> bool {
        let busy = self.busy();
        if busy.is_empty() {
            return false;
        }
        let fails = self.plan.table.contains(&Kind::Die) && rng.one_in(10);
        (op.who, op.a) = (self.actor_tag(rng.pick(busy) as usize), u32::from(fails));
        true
    }

    fn choose_timer(&self, rng: &mut Rng, op: &mut Op) -> bool {
        let start = self.choose_actor(rng);
        let mut all = (start..self.actor_count()).chain(0..start);
        let due = |actor: &usize| self.next_deadline(*actor).is_some_and(|due| due <= self.now);
        let found = if self.may_ring() { all.find(due) } else { None };
        match found {
            Some(actor) => op.who = self.actor_tag(actor),
            None if rng.one_in(8) => op.who = self.actor_tag(start),
            None => return false,
        }
        true
    }

    fn choose_call(&self, rng: &mut Rng, op: &mut Op) -> bool {
        let target = rng.below(self.actor_count());
        let actor = if rng.one_in(100) { target } else { self.parent(target) };
        op.who = self.actor_tag(actor);
        op.a = self.actor_tag(target);
        op.b = if rng.one_in(self.plan.owners) {
            self.choose_owner(rng, actor)
        } else {
            NONE
        };
        target != actor || rng.one_in(100)
    }

    fn choose_owner(&self, rng: &mut Rng, actor: usize) -> u32 {
        let tasks = self.open_tasks();
        if rng.one_in(4 * self.plan.stale) && !self.opened().is_empty() {
            return rng.pick(self.opened());
        }
        if tasks.is_empty() {
            return NONE;
        }
        let start = rng.below(tasks.len());
        let mut all = tasks[start..].iter().chain(&tasks[..start]);
        all.find(|ci| self.model.place(**ci).0 == actor)
            .map_or(NONE, |ci| self.model.tag(*ci))
    }

    fn choose_child(&self, rng: &mut Rng, op: &mut Op) -> bool {
        if self.actor_count() < 2 {
            return false;
        }
        let mut child = 1 + rng.below(self.actor_count() - 1);
        if self.plan.supervised && rng.one_in(3) {
            // One that is asked to end, or between two lives: few ever are.
            let mut all = (child..self.actor_count()).chain(1..child);
            child = all.find(|child| self.model.is_unsettled(*child)).unwrap_or(child);
        }
        op.who = self.actor_tag(self.parent(child));
        op.a = self.actor_tag(child);
        true
    }

    fn choose_nursery(&self, rng: &mut Rng, op: &mut Op) -> bool {
        let Some(count) = Some(self.nursery_count()).filter(|count| *count > 0) else {
            return false;
        };
        op.who = self.nursery_tag(rng.below(count));
        if op.kind == Kind::NurseryCancel {
            op.a = rng.below(4) as u32;
        }
        true
    }

    /// Where leaves are slow, their tasks mostly do not end, and those above them wait.
    fn is_slow(&self, rng: &mut Rng, op: &Op) -> bool {
        let actor = self.actor_of(op.who);
        let is_leaf = !self.has_children(actor);
        self.plan.slow_leaves && is_leaf && !rng.one_in(16)
    }

    /// Whatever was opened at some time: what is over, too. Mostly of late.
    fn choose_any_tag(&self, rng: &mut Rng, op: &mut Op) -> bool {
        let opened = self.opened();
        if opened.is_empty() {
            return false;
        }
        let among = if rng.one_in(4) {
            opened.len()
        } else {
            opened.len().min(6)
        };
        op.who = opened[opened.len() - 1 - rng.below(among)];
        true
    }

    /// A context whose callee is in a state that few ever come to: there, everything is to be tried.
    fn rare_pair(&self) -> Option<u32> {
        let youngest = self.open_tasks().iter().rev().take(12);
        let mut rare = youngest.filter(|ci| self.model.is_rare(**ci));
        rare.next().map(|ci| self.model.tag(*ci))
    }

    fn choose_side(&self, rng: &mut Rng, op: &mut Op) -> bool {
        if rng.one_in(self.plan.stale) {
            return self.choose_any_tag(rng, op);
        }
        // Not to end what is seldom: it is there to be met.
        let often = if op.kind == Kind::Finish { 16 } else { 2 };
        if rng.one_in(often)
            && let Some(tag) = self.rare_pair()
        {
            op.who = tag;
            return true;
        }
        let sides = if op.callee {
            self.open_tasks()
        } else {
            self.open_callers()
        };
        if sides.is_empty() {
            return false;
        }
        // Mostly one of the youngest: of two sides that talk, both are then hit.
        let among = if rng.one_in(3) { sides.len() } else { sides.len().min(4) };
        let ci = sides[sides.len() - 1 - rng.below(among)];
        op.who = self.model.tag(ci);
        true
    }
}
