//! Laws: what holds in every world, whatever its actors ask and in whatever order frames arrive.
//!
//! Each case is a list of operations over three to six actors. The world's monitor checks the
//! invariants of semantics 11 at every step (I1, I3 to I6, I7 for returns, I8, I9, I11, I12, I15, I18,
//! I23, I24); in the end everything is taken down, within a bound of time, and nothing may be left (I2,
//! I10, I21, I25). A failure prints the operations, shrunk, and the seed that made them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use steading_proto::{Event, Limits};
use steading_types::{
    ActorId, BoxedError, Cancellation, Cause, Ending, ErrorKind, Key, OpenOptions, Supervision, Uuid, Window,
};

use crate::world::{Guest, MS, ROOT, Wire, World, batch};

/// Who, and which of what it has: indexes are taken modulo.
type Pick = (u8, u8);

#[derive(Clone, Debug)]
enum Op {
    Open {
        who: Pick,
        endpoint: u8,
        parent: u8,
        deadline: Option<u16>,
        window: (u8, u16),
    },
    Started(Pick),
    Finish(Pick, u8),
    Cancel(Pick, bool),
    Release(Pick),
    StreamOpen(Pick, bool),
    Send(Pick, bool, Vec<u16>),
    Credit(Pick, bool, u8, u16),
    Stop(Pick, bool),
    NurseryOpen(Pick),
    NurseryCancel(Pick),
    NurseryClose(Pick),
    Spawn(Pick),
    CancelActor(Pick),
    CancelSelf(u8),
    Die(u8),
    Deliver(u8),
    Drive,
    Pass(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let pick = || (any::<u8>(), any::<u8>());
    let window = (0u8..8, prop_oneof![Just(0u16), Just(40), Just(u16::MAX)]);
    let sizes = prop::collection::vec(prop_oneof![4 => 0u16..20, 1 => Just(3000)], 0..4);
    prop_oneof![
        12 => (pick(), any::<u8>(), any::<u8>(), prop::option::weighted(0.2, any::<u16>()), window)
            .prop_map(|(who, endpoint, parent, deadline, window)| Op::Open { who, endpoint, parent, deadline, window }),
        10 => pick().prop_map(Op::Started),
        6 => (pick(), any::<u8>()).prop_map(|(who, how)| Op::Finish(who, how)),
        4 => (pick(), any::<bool>()).prop_map(|(who, caller)| Op::Cancel(who, caller)),
        3 => pick().prop_map(Op::Release),
        8 => (pick(), any::<bool>()).prop_map(|(who, caller)| Op::StreamOpen(who, caller)),
        14 => (pick(), any::<bool>(), sizes).prop_map(|(who, caller, sizes)| Op::Send(who, caller, sizes)),
        8 => (pick(), any::<bool>(), any::<u8>(), any::<u16>()).prop_map(|(who, caller, m, b)| Op::Credit(who, caller, m, b)),
        2 => (pick(), any::<bool>()).prop_map(|(who, caller)| Op::Stop(who, caller)),
        3 => pick().prop_map(Op::NurseryOpen),
        1 => pick().prop_map(Op::NurseryCancel),
        1 => pick().prop_map(Op::NurseryClose),
        3 => pick().prop_map(Op::Spawn),
        1 => pick().prop_map(Op::CancelActor),
        1 => any::<u8>().prop_map(Op::CancelSelf),
        1 => any::<u8>().prop_map(Op::Die),
        30 => any::<u8>().prop_map(Op::Deliver),
        5 => Just(Op::Drive),
        3 => any::<u16>().prop_map(Op::Pass),
    ]
}

/// A world and what its actors remember.
struct Play {
    world: World,
    /// Contexts opened, and not released.
    callers: Vec<(usize, Key)>,
    /// The tasks that own them: a context goes with its task.
    owners: BTreeMap<(usize, Key), Key>,
    /// Tasks started, and not finished.
    tasks: Vec<(usize, Key)>,
    nurseries: Vec<(usize, Key)>,
    read: Vec<usize>,
}

/// More actors than this only make cases slower.
const MOST_ACTORS: usize = 6;

fn nth<T: Copy>(from: &[T], index: u8) -> Option<T> {
    from.get(usize::from(index) % from.len().max(1)).copied()
}

/// A refusal is fine: it has no effect, and everything after checks that.
fn tried<T, E>(_: Result<T, E>) {}

impl Play {
    fn new(wire: Wire, guest: Guest) -> Self {
        let mut world = World::new(wire, Limits::DEFAULT);
        world.guest = guest;
        world.actors[ROOT].guest = guest;
        let nursery = world.nursery_of(ROOT);
        world.spawn(ROOT, nursery, "one").expect("admitted");
        let two = world.spawn(ROOT, nursery, "two").expect("admitted");
        let inner = world.nursery_of(two);
        world.spawn(two, inner, "three").expect("admitted");
        world.drive();
        Self {
            world,
            callers: Vec::new(),
            owners: BTreeMap::new(),
            tasks: Vec::new(),
            nurseries: vec![(ROOT, nursery), (two, inner)],
            read: Vec::new(),
        }
    }

    /// Takes note of the tasks that were started since.
    fn read_events(&mut self) {
        self.read.resize(self.world.actors.len(), 0);
        for (actor, read) in self.read.iter_mut().enumerate() {
            let log = &self.world.actors[actor].log;
            let starts = log[*read..].iter().filter_map(|event| match event {
                Event::Start(start) => Some((actor, start.context)),
                _ => None,
            });
            self.tasks.extend(starts);
            *read = log.len();
        }
    }

    fn actor(&self, index: u8) -> usize {
        usize::from(index) % self.world.actors.len()
    }

    fn side(&self, pick: u8, caller: bool) -> Option<(usize, Key)> {
        nth(if caller { &self.callers } else { &self.tasks }, pick)
    }

    fn step(&mut self, op: &Op) {
        self.perform(op);
        self.world.flush();
        self.read_events();
    }

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Open {
                who,
                endpoint,
                parent,
                deadline,
                window,
            } => self.open(*who, *endpoint, *parent, *deadline, *window),
            Op::Started((_, task)) => {
                if let Some((actor, key)) = nth(&self.tasks, *task) {
                    tried(self.world.core(actor).started(key, b"up".to_vec()));
                }
            }
            Op::Finish((_, task), how) => self.finish(*task, *how),
            Op::Cancel((_, key), caller) => {
                if let Some((actor, key)) = self.side(*key, *caller) {
                    tried(self.world.core(actor).cancel(key, None, Cause::Requested));
                }
            }
            Op::Release((_, key)) => {
                if let Some((actor, key)) = nth(&self.callers, *key) {
                    self.release(actor, key);
                }
            }
            Op::StreamOpen((_, key), caller) => {
                if let Some((actor, key)) = self.side(*key, *caller) {
                    tried(self.world.core(actor).stream_open(key));
                }
            }
            Op::Send((_, key), caller, sizes) => self.send(*key, *caller, sizes),
            Op::Credit((_, key), caller, messages, bytes) => {
                if let Some((actor, key)) = self.side(*key, *caller) {
                    let (messages, bytes) = (u32::from(*messages % 5), u32::from(*bytes));
                    tried(self.world.core(actor).credit(key, messages, bytes));
                }
            }
            Op::Stop((_, key), caller) => {
                if let Some((actor, key)) = self.side(*key, *caller) {
                    tried(self.world.core(actor).stop(key));
                }
            }
            _ => self.supervise(op),
        }
    }

    fn supervise(&mut self, op: &Op) {
        match op {
            Op::NurseryOpen((actor, task)) => self.nursery_open(*actor, *task),
            Op::NurseryCancel((_, nursery)) => {
                if let Some((actor, key)) = nth(&self.nurseries, *nursery) {
                    self.world.nursery_cancel(actor, key, None);
                }
            }
            Op::NurseryClose((_, nursery)) => {
                if let Some((actor, key)) = nth(&self.nurseries, *nursery) {
                    self.world.core(actor).nursery_close(key);
                }
            }
            Op::Spawn((_, nursery)) => {
                if let Some((actor, key)) =
                    nth(&self.nurseries, *nursery).filter(|_| self.world.actors.len() < MOST_ACTORS)
                {
                    tried(self.world.spawn(actor, key, "more"));
                }
            }
            Op::CancelActor((actor, child)) => {
                let actor = self.actor(*actor);
                if let Some(child) = nth(&self.world.actors[actor].children, *child) {
                    let portal = self.world.portal(actor, child);
                    tried(self.world.core(actor).cancel_actor(portal, None));
                }
            }
            Op::CancelSelf(actor) => {
                let actor = self.actor(*actor);
                self.world.core(actor).cancel_self(None);
            }
            Op::Die(actor) => {
                let actor = self.actor(*actor);
                self.world.die(actor, ErrorKind::Panic);
            }
            Op::Deliver(which) => {
                if let Some((from, to, lane)) = nth(&self.world.deliverable(), *which) {
                    self.world.deliver(from, to, lane);
                }
            }
            Op::Drive => self.world.drive(),
            Op::Pass(duration) => {
                let to = self.world.now + u64::from(*duration) * MS / 50;
                self.world.jump(to);
            }
            _ => unreachable!("handled by perform"),
        }
    }

    fn open(&mut self, who: Pick, endpoint: u8, parent: u8, deadline: Option<u16>, window: (u8, u16)) {
        let actor = self.actor(who.0);
        let Some(child) = nth(&self.world.actors[actor].children, who.1) else {
            return;
        };
        let endpoint = ["scan", "scan", "scan", "plain", "hidden", "missing"][usize::from(endpoint % 6)];
        let own: Vec<_> = self.tasks.iter().filter(|(at, _)| *at == actor).collect();
        let options = OpenOptions {
            parent: nth(&own, parent)
                .filter(|_| parent.is_multiple_of(2))
                .map(|(_, key)| *key),
            deadline: deadline.map(|deadline| u64::from(deadline) * MS / 100),
            window: Window {
                messages: u32::from(window.0),
                bytes: u32::from(window.1),
            },
            ..self.world.options(actor, child, endpoint)
        };
        let owner = options.parent;
        if let Ok(key) = self.world.core(actor).open(options, vec![1; 8]) {
            self.callers.push((actor, key));
            self.owners.extend(owner.map(|owner| ((actor, key), owner)));
        }
    }

    fn finish(&mut self, task: u8, how: u8) {
        let Some((actor, key)) = nth(&self.tasks, task) else {
            return;
        };
        let nobody = ActorId::new("nobody", Uuid { high: 1, low: 1 });
        let forged = Cancellation {
            canceller: nobody.clone(),
            reason: None,
            cause: Cause::Interrupt,
        };
        let ending = match how % 5 {
            0 | 1 => Ending::Returned(b"value".as_slice().into()),
            2 => Ending::Cancelled,
            3 => Ending::Failed(Box::new(BoxedError::new(ErrorKind::EndpointError, nobody, "forged"))),
            _ => Ending::Failed(Box::new(BoxedError::cancelled(forged, nobody))),
        };
        tried(self.world.core(actor).finish(key, ending));
        self.tasks.retain(|task| *task != (actor, key));
        let owners = &self.owners;
        self.callers
            .retain(|caller| caller.0 != actor || owners.get(caller) != Some(&key));
    }

    fn send(&mut self, key: u8, caller: bool, sizes: &[u16]) {
        let Some((actor, key)) = self.side(key, caller) else {
            return;
        };
        let payloads: Vec<_> = sizes.iter().map(|size| vec![key as u8; usize::from(*size)]).collect();
        let messages: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        tried(self.world.core(actor).send_batch(key, &batch(&messages)));
    }

    fn release(&mut self, actor: usize, key: Key) {
        self.world.core(actor).release(key);
        self.callers.retain(|caller| *caller != (actor, key));
    }

    fn nursery_open(&mut self, actor: u8, task: u8) {
        let (actor, parent) = match nth(&self.tasks, task).filter(|_| task.is_multiple_of(2)) {
            Some((actor, key)) => (actor, Some(key)),
            None => (self.actor(actor), None),
        };
        if let Ok(key) = self.world.core(actor).nursery_open(parent, Supervision::default()) {
            self.nurseries.push((actor, key));
        }
    }

    /// Every actor does what it was asked to, until nothing is left to do.
    fn end_in_peace(&mut self) {
        while let Some((actor, key)) = self.callers.last().copied() {
            self.release(actor, key);
        }
        for (actor, key) in self.nurseries.clone() {
            self.world.core(actor).nursery_close(key);
        }
        self.world.core(ROOT).cancel_self(None);
        self.world.drive();
        self.read_events();
        while let Some((actor, key)) = self.tasks.pop() {
            tried(self.world.core(actor).finish(key, Ending::Cancelled));
            self.world.drive();
            self.read_events();
        }
    }

    /// Every actor ignores what it was asked to; the ladders do it.
    fn end_by_force(&mut self) {
        self.world.core(ROOT).cancel_self(None);
        let ladder = self.world.limits.cancel_grace + self.world.limits.trap_grace;
        self.world.pass(3 * MOST_ACTORS as u64 * ladder);
    }

    fn assert_over(&self) {
        for (index, actor) in self.world.actors.iter().enumerate() {
            assert!(
                actor.left.is_some(),
                "I21: actor {index} lives, {}",
                actor.core.stage().name()
            );
        }
        self.world.assert_quiescent();
    }
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        // More if the environment asks for more.
        // An interpreter of undefined behaviour takes a second for each.
        cases: if cfg!(miri) { 4 } else { default.cases.max(1_000) },
        max_shrink_iters: 4_000,
        ..default
    }
}

fn wire() -> impl Strategy<Value = Wire> {
    prop_oneof![Just(Wire::Direct), Just(Wire::Encoded)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_a_tree_that_cooperates_ends_without_a_trace(
        wire in wire(),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut play = Play::new(wire, Guest::Traps);
        ops.iter().for_each(|op| play.step(op));
        play.end_in_peace();
        play.assert_over();
    }

    #[test]
    fn whatever_happens_a_tree_that_resists_ends_within_its_ladders(
        wire in wire(),
        spins in any::<bool>(),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut play = Play::new(wire, if spins { Guest::Spins } else { Guest::Traps });
        ops.iter().for_each(|op| play.step(op));
        play.end_by_force();
        play.assert_over();
    }

    #[test]
    fn every_context_of_a_living_actor_gets_its_outcome(
        wire in wire(),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut play = Play::new(wire, Guest::Spins);
        // The root is never told to end, so that it sees every outcome.
        let ops = ops.iter().filter(|op| !matches!(op, Op::CancelSelf(_) | Op::Die(_)));
        ops.for_each(|op| play.step(op));
        for (actor, key) in play.callers.clone() {
            tried(play.world.core(actor).cancel(key, None, Cause::Requested));
        }
        play.world.pass(10_000 * MS);
        for (actor, key) in play.callers.clone() {
            if !play.world.has_left(actor) && play.world.actors[actor].traps == 0 {
                prop_assert!(play.world.outcome(actor, key).is_some(), "I2: context {} of actor {}", key, actor);
            }
        }
    }

    #[test]
    fn same_operations_same_trace(ops in prop::collection::vec(op(), 0..60)) {
        let trace = || {
            let mut play = Play::new(Wire::Direct, Guest::Traps);
            ops.iter().for_each(|op| play.step(op));
            play.end_by_force();
            let logs: Vec<_> = play.world.actors.iter().map(|actor| format!("{:?}", actor.log)).collect();
            logs
        };
        prop_assert_eq!(trace(), trace());
    }
}
