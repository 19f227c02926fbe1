//! One step: an operation, done to the core and told to the model.

use bytes::Bytes;
use steading_proto::{Dest, Frame};
use steading_types::{
    ActorId, BoxedError, Cancellation, Cause, Ending, ErrorKind, Flow, Grant, OpenOptions, Policy, Refusal, Uuid,
};

use super::{Parcel, World, note};
use crate::model::{Ended, Opening};
use crate::op::{Kind, NONE, Op};
use crate::plan::MS;
use crate::{broken, check, digest};

impl World {
    /// Performs one operation; one whose subject does not exist does nothing.
    pub fn perform(&mut self, number: usize, op: &Op) {
        self.model.now = self.now;
        if self.by_tag.len() <= number {
            self.by_tag.resize(number + 1, NONE);
        }
        note!(
            self,
            "step {number} at {} ms: {}",
            self.now as f64 / MS as f64,
            self.describe(op)
        );
        match op.kind {
            Kind::Pass => self.now += u64::from(op.a),
            Kind::Deliver | Kind::DeliverBatch => self.deliver(op),
            _ => match self.subject(op) {
                Some(Subject::Actor(actor)) => self.of_actor(number as u32, actor, op),
                Some(Subject::Side(ci)) => self.of_side(ci, op),
                Some(Subject::Nursery(ni)) => self.of_nursery(number as u32, ni, op),
                None => {}
            },
        }
    }

    fn describe(&self, op: &Op) -> String {
        let who = match self.subject(op) {
            Some(Subject::Actor(actor)) => format!("{}", self.actors[actor].id),
            Some(Subject::Side(ci)) => {
                let (actor, key) = self.model.place(ci);
                let side = if self.model.is_callee(ci) { "callee" } else { "caller" };
                format!("c{} at its {side} {} ({key:x})", self.model.tag(ci), self.name(actor))
            }
            Some(Subject::Nursery(ni)) => format!("nursery {ni} of {}", self.name(self.nurseries[ni].actor)),
            None => "nobody".into(),
        };
        format!("{:?} {who} ({:x}, {:x}, {:x})", op.kind, op.a, op.b, op.c)
    }

    fn subject(&self, op: &Op) -> Option<Subject> {
        match op.kind {
            Kind::Started | Kind::Finish | Kind::Cancel | Kind::Release | Kind::StreamOpen => self.side(op),
            Kind::Send | Kind::Credit | Kind::Stop | Kind::Reject => self.side(op),
            Kind::NurseryCancel | Kind::NurseryClose | Kind::Spawn => self
                .nurseries
                .iter()
                .position(|nursery| nursery.tag == op.who)
                .map(Subject::Nursery),
            _ => self.actor_by_tag.get(&op.who).copied().map(Subject::Actor),
        }
    }

    fn side(&self, op: &Op) -> Option<Subject> {
        let ci = self.by_tag.get(op.who as usize).copied().filter(|ci| *ci != NONE)?;
        let ci = if op.callee { self.model.callee_of(ci) } else { ci };
        (ci != NONE && self.model.place(ci).1 != 0).then_some(Subject::Side(ci))
    }

    fn deliver(&mut self, op: &Op) {
        let Some(child) = self.actor_by_tag.get(&op.who).copied() else {
            return;
        };
        for _ in 0..if op.kind == Kind::Deliver { 1 } else { 2 + op.b % 6 } {
            let parent = self.actors[child].parent;
            let (from, to, link) = match op.a {
                0 => (parent, child, &mut self.actors[child].down),
                _ => (child, parent, &mut self.actors[child].up),
            };
            let Some(parcel) = link.next() else { break };
            self.mark(child);
            self.arrive(from, to, parcel);
            self.settle(to, true, op.take);
        }
    }

    fn of_actor(&mut self, number: u32, actor: usize, op: &Op) {
        if self.actors[actor].left {
            return;
        }
        match op.kind {
            Kind::Take => return self.settle(actor, false, true),
            Kind::Flush => return self.settle(actor, true, false),
            Kind::Tick => self.tick(actor),
            Kind::Effect => return self.effect(actor, op.a == 1),
            Kind::Open => self.open(number, actor, op),
            Kind::NurseryOpen => {
                let owner = self.owner(actor, op.a);
                if self.open_nursery(actor, owner, number, op.b as usize).is_none() {
                    note!(self, "    refused");
                }
            }
            Kind::CancelActor => self.cancel_actor(actor, op.a, false),
            Kind::KillActor => self.cancel_actor(actor, op.a, true),
            Kind::ChildDone => self.child_done(actor, op),
            Kind::CancelSelf => {
                self.model.cancel_self(actor);
                self.core(actor).cancel_self(None);
            }
            Kind::OnExit => {
                let due = self.model.on_exit(actor);
                let found = self.core(actor).on_exit();
                self.agree("on_exit()", found, due);
            }
            Kind::Exited => self.exited(actor, op.a == 1),
            Kind::Interrupt => self.interrupt(actor),
            Kind::BeginMain => self.begin_main(number, actor),
            Kind::Die => {
                let kinds = [
                    ErrorKind::Panic,
                    ErrorKind::Killed,
                    ErrorKind::Trap("unreachable".into()),
                    ErrorKind::Limit("memory".into()),
                ];
                return self.die(actor, kinds[op.a as usize % kinds.len()].clone());
            }
            Kind::Force => {
                self.model.force(actor);
                self.core(actor).force();
            }
            Kind::Cut if actor > 0 && self.actors[actor].launched && !self.actors[actor].cut => self.cut(actor),
            Kind::Overload => self.actors[actor].overload = true,
            _ => {}
        }
        self.settle(actor, op.flush, op.take);
    }

    fn exited(&mut self, actor: usize, fails: bool) {
        let error = BoxedError::new(ErrorKind::EndpointError, self.actors[actor].id.clone(), "a hook failed");
        self.model.exited(actor, fails);
        self.core(actor).exited(fails.then(|| Box::new(error)));
    }

    fn interrupt(&mut self, actor: usize) {
        let cancellation = Cancellation {
            canceller: self.actors[actor].id.clone(),
            reason: Some("interrupted".into()),
            cause: Cause::Interrupt,
        };
        self.arrive(
            actor,
            actor,
            Parcel::Whole(Dest::Actor, Frame::CancelActor(cancellation)),
        );
    }

    fn begin_main(&mut self, number: u32, actor: usize) {
        let due = self.model.may_begin_main(actor);
        let found = self.core(actor).begin_main();
        check!(
            found.map(|_| ()) == due,
            "I10",
            "begin_main() answers {found:?} and must {due:?}"
        );
        if let Ok(key) = found {
            let ci = self.model.began_main(actor, key, number);
            self.by_tag[number as usize] = ci;
            self.opened.push(number);
            self.tasks.push(ci);
        }
    }

    fn tick(&mut self, actor: usize) {
        let now = self.now;
        let mut rounds = 0;
        loop {
            self.model.timeout(actor);
            self.core(actor).handle_timeout(now);
            // What one context's end gave another is looked at in a second round; a third would be a circle.
            rounds += 1;
            if self.actors[actor].core.next_deadline().is_none_or(|next| next > now) {
                return;
            }
            check!(rounds < 3, "I26", "{} has a timer that is never done", self.name(actor));
        }
    }

    /// The task that this tag means, if it is one of the actor's.
    fn owner(&self, actor: usize, tag: u32) -> u32 {
        let ci = self.by_tag.get(tag as usize).copied().filter(|ci| *ci != NONE);
        let ci = ci.map_or(NONE, |ci| self.model.callee_of(ci));
        let fits = ci != NONE && self.model.place(ci).0 == actor && self.model.place(ci).1 != 0;
        if fits { ci } else { NONE }
    }

    fn open(&mut self, number: u32, actor: usize, op: &Op) {
        let Some(target) = self.actor_by_tag.get(&op.a).copied() else {
            return;
        };
        if target != actor && (target == 0 || self.actors[target].parent != actor) {
            return;
        }
        let bits = op.c;
        let endpoint = ["scan", "scan", "scan", "scan", "plain", "hidden", "missing", "typed"][bits as usize % 8];
        let time = |bits: u32| u64::from(bits & 0xfff) * self.plan.jump * MS / 1024;
        let deadlines = self.plan.deadlines;
        let call = Opening {
            actor,
            target,
            plain: endpoint == "plain" || endpoint == "typed",
            owner: self.owner(actor, op.b),
            deadline: (deadlines > 0 && ((bits >> 4) as usize).is_multiple_of(deadlines)).then(|| time(bits >> 8)),
            start_timeout: (bits >> 6).is_multiple_of(8).then(|| time(bits >> 16)),
            args: if (bits >> 9).is_multiple_of(64) {
                self.too_long()
            } else {
                4
            },
            window: self.plan.windows[(bits >> 5) as usize % 2],
            tag: number,
        };
        // Every other one: what is granted changes nothing else.
        let grants = match number.is_multiple_of(2) {
            true => vec![Grant::component("c")],
            false => Vec::new(),
        };
        let is_lending = !grants.is_empty();
        let options = OpenOptions {
            target: if target == actor { 0 } else { self.actors[target].portal },
            endpoint: endpoint.into(),
            schema: if endpoint == "typed" {
                u64::from(7 + (bits >> 3) % 2)
            } else {
                0
            },
            deadline: call.deadline,
            start_timeout: call.start_timeout,
            parent: (call.owner != NONE).then(|| self.model.place(call.owner).1),
            window: call.window,
            grants,
        };
        let due = self.model.may_open(&call);
        let found = self.core(actor).open(options, vec![0; call.args]);
        match (found, due) {
            (Ok(key), Ok(())) => {
                let ci = self.model.opened(&call, key);
                if is_lending {
                    self.monitor.lent(actor, key);
                }
                self.by_tag[number as usize] = ci;
                self.opened.push(number);
                self.callers.push(ci);
            }
            (Err(error), Err(kind)) if digest::kind(&error.kind) == kind => self.refused(actor, error),
            (found, due) => broken!("I10", "open() answers {found:?} and must {due:?}"),
        }
    }

    fn of_nursery(&mut self, number: u32, ni: usize, op: &Op) {
        let super::Nursery { actor, key, .. } = self.nurseries[ni];
        if self.actors[actor].left {
            return;
        }
        match op.kind {
            Kind::NurseryCancel => {
                let claimed = claim(op.a);
                self.model.nursery_cancel(ni as u32, &claimed);
                self.core(actor).nursery_cancel(key, None, claimed);
            }
            Kind::NurseryClose => {
                self.model.nursery_close(ni as u32);
                self.core(actor).nursery_close(key);
            }
            _ if self.actors.len() < self.plan.most_actors => self.spawn(ni, number, op.c as usize),
            _ => return,
        }
        self.settle(actor, op.flush, op.take);
    }

    fn of_side(&mut self, ci: u32, op: &Op) {
        let (actor, key) = self.model.place(ci);
        if self.actors[actor].left {
            return;
        }
        match op.kind {
            Kind::Started => self.started(ci, op),
            Kind::Finish => self.finish(ci, op),
            Kind::Send => self.send_messages(ci, op),
            Kind::Reject => {
                let due = self.model.reject(ci);
                let found = self.core(actor).reject(key, "not what it should be");
                self.agree("reject()", found, due);
            }
            Kind::Release => {
                self.callers.retain(|other| *other != ci);
                self.model.release(ci);
                self.core(actor).release(key);
            }
            Kind::Cancel => {
                let claimed = claim(op.a);
                let due = self.model.cancel(ci, &claimed);
                let found = self.core(actor).cancel(key, None, claimed);
                self.agree("cancel()", found, due);
            }
            Kind::StreamOpen => {
                let flow = self.flow(op);
                let due = self.model.stream_open(ci, flow);
                let found = self.core(actor).stream_open_with(key, flow);
                self.agree("stream_open()", found, due);
            }
            Kind::Stop => {
                let due = self.model.stop(ci);
                let found = self.core(actor).stop(key);
                self.agree("stop()", found, due);
            }
            _ => {
                let (messages, bytes) = (op.a, op.b);
                let due = self.model.credit(ci, messages, bytes);
                let found = self.core(actor).credit(key, messages, bytes);
                self.agree("credit()", found, due);
            }
        }
        self.settle(actor, op.flush, op.take);
    }

    fn agree(&mut self, command: &str, found: Result<(), Refusal>, due: Result<(), Refusal>) {
        note!(self, "    {command}: {found:?}");
        check!(found == due, "refusals", "{command} answers {found:?} and must {due:?}");
    }

    fn started(&mut self, ci: u32, op: &Op) {
        let (actor, key) = self.model.place(ci);
        let len = if op.a == 0 { self.too_long() } else { 3 };
        let due = self.model.started(ci, len);
        let found = self.core(actor).started(key, vec![1; len]);
        self.agree("started()", found, due);
    }

    fn finish(&mut self, ci: u32, op: &Op) {
        let (actor, key) = self.model.place(ci);
        let how = if self.plan.clean { op.a % 6 } else { op.a % 12 };
        let value = || {
            let len = if op.a.is_multiple_of(61) { self.too_long() } else { 4 };
            let mut value = self.model.tag(ci).to_le_bytes().to_vec();
            value.resize(len, 2);
            value
        };
        let (ending, ended) = match how {
            0..=2 => {
                let value = value();
                let ended = Ended::Returned(value.len(), digest::bytes(3, &value));
                (Ending::Returned(Bytes::from(value)), ended)
            }
            3 | 4 => (Ending::Cancelled, Ended::Cancelled),
            _ => {
                let error = self.failure(actor, op);
                let claims = matches!(error.kind, ErrorKind::Cancelled(_));
                (Ending::Failed(Box::new(error)), Ended::Failed(claims))
            }
        };
        let due = self.model.finish(ci, ended);
        let found = self.core(actor).finish(key, ending);
        self.agree("finish()", found, due);
    }

    /// What a task may return as its error: its own, what it was told, or forgeries of all kinds.
    pub(super) fn failure(&self, actor: usize, op: &Op) -> BoxedError {
        let id = |number: usize| self.actors[number % self.actors.len()].id.clone();
        let nobody = ActorId::new("nobody", Uuid { high: 1, low: 1 });
        let seen = &self.actors[actor].seen;
        let cancelled_by = |canceller: ActorId| Cancellation {
            canceller,
            reason: None,
            cause: Cause::Requested,
        };
        let somebody = id(op.b as usize);
        let own = |message| BoxedError::new(ErrorKind::EndpointError, self.actors[actor].id.clone(), message);
        let seen_by_chance = |chance: u32| match seen.len() {
            0 => own("nothing seen"),
            count => seen[chance as usize % count].clone(),
        };
        match op.c % 13 {
            0..=2 if !seen.is_empty() => seen[op.b as usize % seen.len()].clone(),
            3 => BoxedError::new(ErrorKind::EndpointError, nobody, "forged"),
            4 => BoxedError::cancelled(cancelled_by(nobody.clone()), nobody),
            5 => BoxedError::cancelled(cancelled_by(somebody.clone()), somebody),
            6 => BoxedError::new(ErrorKind::Killed, somebody, "forged"),
            7 => BoxedError {
                relay_path: vec![id(op.b as usize + 1), id(op.b as usize)],
                ..BoxedError::new(ErrorKind::PayloadMismatch, somebody, "forged")
            },
            8 => BoxedError {
                members: vec![seen_by_chance(op.b), own("its own"), seen_by_chance(op.a)],
                ..own("a group")
            },
            9 => BoxedError {
                members: vec![seen_by_chance(op.a)],
                ..seen_by_chance(op.b)
            },
            10 => BoxedError {
                members: vec![BoxedError::new(ErrorKind::Killed, somebody, "forged")],
                ..own("a wrapper")
            },
            11 => {
                let seen = seen_by_chance(op.b);
                seen.members.first().cloned().unwrap_or(seen)
            }
            _ => own("its own"),
        }
    }

    /// The settings with which a receiver opens its half.
    fn flow(&self, op: &Op) -> Option<Flow> {
        let chosen = self.plan.flows > 0 && (op.a as usize).is_multiple_of(self.plan.flows);
        let policy = match op.b % 5 {
            0 => Policy::Block,
            1 => Policy::DropOldest,
            2 | 3 => Policy::OverrunError,
            _ => Policy::Buffer(op.c % 9 * (op.c % 5)),
        };
        let window = self.plan.windows[op.c as usize % 2];
        chosen.then_some(Flow { policy, window })
    }

    /// A payload over the limit, where that is not too much to make.
    fn too_long(&self) -> usize {
        match self.plan.limits.payload {
            limit @ ..=4096 => limit + 1,
            _ => 8,
        }
    }

    fn send_messages(&mut self, ci: u32, op: &Op) {
        let (actor, key) = self.model.place(ci);
        let mut batch = std::mem::take(&mut self.buffer);
        batch.clear();
        let count = match op.c % 32 {
            0 => 0,
            1..=27 => 1 + op.c / 32 % 3,
            _ => op.c / 32 % 40,
        };
        for message in 0..count {
            let bits = (op.a >> (message % 4 * 8)) as usize & 0xff;
            let len = match bits {
                0..200 => bits % 20,
                200..250 => bits - 160,
                _ => self.plan.limits.payload.min(4096) + bits - 253,
            };
            self.sequence = self.sequence.wrapping_add(1);
            // Its length, and then its bytes: none of them is prepared for the longest there can be.
            batch.extend_from_slice(&(len as u32).to_le_bytes());
            batch.resize(batch.len() + len, self.sequence);
        }
        if op.b.is_multiple_of(50) && !batch.is_empty() {
            batch.pop();
        }
        let due = self.model.send(ci, &batch);
        let found = self.core(actor).send_batch(key, &batch);
        self.buffer = batch;
        self.agree("send_batch()", found, due);
        if due == Err(Refusal::Overrun) {
            self.model.overrun(ci);
            self.core(actor).overrun(key);
        }
    }
}

/// What an operation is about.
enum Subject {
    Actor(usize),
    Side(u32),
    Nursery(usize),
}

/// The ground on which an actor says that it cancels; the last is not its to state.
fn claim(bits: u32) -> Cause {
    match bits % 4 {
        0 => Cause::Requested,
        1 => Cause::Deadline,
        2 => Cause::ParentTeardown,
        _ => Cause::Interrupt,
    }
}
