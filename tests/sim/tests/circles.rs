//! T19: graphs of waiting tasks from a seed, with circles of 2 to 64 among them. Each true circle is found, and none that
//! is not one; who can still be set free is in none.
//!
//! What is right is told by a second way, on a plain list of who waits for whom: who is stuck, by spreading from those
//! who are free; whether there is a circle, by taking away whoever waits for nobody.

use std::collections::{BTreeMap, BTreeSet};

use steading_proto::circle::{Link, Still, Task, circle, other_end, retain_stuck};
use steading_proto::{ContextStatus, Part};
use steading_sim::rng::Rng;
use steading_types::{ActorId, EndpointKind, Key, Uuid};

const SEEDS: u64 = 4_000;

fn uuid(actor: usize) -> Uuid {
    Uuid {
        high: 7,
        low: actor as u64 + 1,
    }
}

fn context(key: Key, part: Part, peer: usize, state: &'static str) -> ContextStatus {
    ContextStatus {
        key,
        remote: None,
        part,
        peer: ActorId::new("peer", uuid(peer)),
        state,
        born: u64::from(key),
        owner: None,
        canceller: None,
        queued_messages: 0,
        queued_bytes: 0,
        credit_messages: 1,
        credit_bytes: 1,
        is_blocked: false,
        is_peer_done: true,
    }
}

/// A task waits for another, by this context of the first one's actor.
#[derive(Clone, Copy, Debug)]
struct Wait {
    from: (usize, Key),
    by: Key,
    to: (usize, Key),
}

/// Actors, what they say of themselves, and who waits for whom.
#[derive(Debug, Default)]
struct Graph {
    contexts: Vec<Vec<ContextStatus>>,
    others: Vec<Vec<usize>>,
    is_still: Vec<bool>,
    waits: Vec<Wait>,
    /// Waits of no task: they are in no circle, but who is waited for can set the actor free.
    loose: Vec<(usize, usize)>,
    tasks: Vec<(usize, Key)>,
    keys: Key,
}

impl Graph {
    fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut graph = Self::default();
        let actors = 2 + rng.below(71);
        for actor in 0..actors {
            graph.contexts.push(Vec::new());
            graph.others.push(Vec::new());
            graph.is_still.push(!rng.one_in(40));
            for _ in 0..=rng.below(3) {
                graph.task(&mut rng, actor);
            }
        }
        for _ in 0..rng.below(actors) {
            let (from, to) = (rng.pick(&graph.tasks), rng.pick(&graph.tasks));
            match rng.below(6) {
                0 => graph.listen(from, to),
                1 => graph.over(from, to),
                2 => graph.loosely(from.0, to.0),
                3 if rng.one_in(4) => graph.others[from.0].push(to.0),
                _ => graph.call(from, to),
            }
        }
        if !rng.one_in(3) {
            graph.plant(&mut rng);
        }
        graph
    }

    fn key(&mut self) -> Key {
        self.keys += 1;
        self.keys
    }

    /// A task that waits for nothing.
    fn task(&mut self, rng: &mut Rng, actor: usize) {
        let key = self.key();
        let endpoint = Part::Callee {
            endpoint: "wait".to_owned(),
            kind: EndpointKind::Plain,
        };
        let part = if rng.one_in(4) { Part::Main } else { endpoint };
        let state = if rng.one_in(2) { "started" } else { "streaming" };
        self.contexts[actor].push(context(key, part, actor, state));
        self.tasks.push((actor, key));
    }

    fn caller(&mut self, from: (usize, Key), to: (usize, Key), state: &'static str) -> Key {
        let key = self.key();
        let mut caller = context(key, Part::Caller, to.0, state);
        (caller.owner, caller.remote) = (Some(from.1), Some(to.1));
        self.contexts[from.0].push(caller);
        key
    }

    /// A task waits for the result of another.
    fn call(&mut self, from: (usize, Key), to: (usize, Key)) {
        let by = self.caller(from, to, "syncing");
        self.waits.push(Wait { from, by, to });
    }

    /// What is over is waited for by nobody.
    fn over(&mut self, from: (usize, Key), to: (usize, Key)) {
        self.caller(from, to, "ended");
    }

    /// A task has called another, and waits for it; that one waits for messages of the first, or for credit.
    fn listen(&mut self, from: (usize, Key), to: (usize, Key)) {
        let key = self.key();
        let by = self.caller(from, (to.0, key), "streaming");
        let endpoint = "listen".to_owned();
        let kind = EndpointKind::Context;
        let mut callee = context(key, Part::Callee { endpoint, kind }, from.0, "streaming");
        callee.remote = Some(by);
        let (is_blocked, is_peer_done) = (key.is_multiple_of(2), (key / 2).is_multiple_of(2));
        (callee.is_blocked, callee.is_peer_done) = (is_blocked, is_peer_done);
        self.contexts[to.0].push(callee);
        let to = (to.0, key);
        self.tasks.push(to);
        self.waits.push(Wait { from, by, to });
        let back = Wait {
            from: to,
            by: key,
            to: from,
        };
        if is_blocked || !is_peer_done {
            self.waits.push(back);
        }
    }

    /// A context that no task has opened.
    fn loosely(&mut self, from: usize, to: usize) {
        let key = self.key();
        self.contexts[from].push(context(key, Part::Caller, to, "started"));
        self.loose.push((from, to));
    }

    /// A circle of 2 to 64.
    fn plant(&mut self, rng: &mut Rng) {
        let length = 2 + rng.below(63);
        let mut left: BTreeSet<_> = self.tasks.iter().copied().collect();
        let mut links = Vec::new();
        while links.len() < length && !left.is_empty() {
            let all: Vec<_> = left.iter().copied().collect();
            let task = rng.pick(&all);
            left.remove(&task);
            links.push(task);
        }
        for (i, from) in links.iter().enumerate() {
            self.call(*from, links[(i + 1) % links.len()]);
        }
    }

    fn still(&self) -> BTreeMap<Uuid, Still<'_>> {
        let actors = (0..self.contexts.len()).filter(|actor| self.is_still[*actor]);
        let still = |actor: usize| Still {
            contexts: &self.contexts[actor],
            others: self.others[actor].iter().map(|other| uuid(*other)).collect(),
        };
        actors.map(|actor| (uuid(actor), still(actor))).collect()
    }

    /// Spreads from those who are free to whoever they can set free.
    fn stuck(&self) -> BTreeSet<usize> {
        let mut waits: Vec<(usize, usize)> = self.loose.clone();
        waits.extend(self.waits.iter().map(|wait| (wait.from.0, wait.to.0)));
        for (actor, others) in self.others.iter().enumerate() {
            waits.extend(others.iter().map(|other| (actor, *other)));
        }
        let mut free: Vec<usize> = (0..self.is_still.len())
            .filter(|actor| !self.is_still[*actor])
            .collect();
        let mut stuck: BTreeSet<usize> = (0..self.is_still.len()).filter(|actor| self.is_still[*actor]).collect();
        while let Some(freed) = free.pop() {
            for (from, _) in waits.iter().filter(|(_, to)| *to == freed) {
                if stuck.remove(from) {
                    free.push(*from);
                }
            }
        }
        stuck
    }

    /// Takes away tasks that wait for nobody who is left, until there are none such: whether any are left.
    fn has_circle(&self, stuck: &BTreeSet<usize>) -> bool {
        let among = |wait: &&Wait| stuck.contains(&wait.from.0) && stuck.contains(&wait.to.0);
        let waits: Vec<_> = self.waits.iter().filter(among).collect();
        let mut left: BTreeMap<(usize, Key), usize> = BTreeMap::new();
        for wait in &waits {
            *left.entry(wait.from).or_default() += 1;
            left.entry(wait.to).or_default();
        }
        while let Some(task) = left.iter().find(|(_, count)| **count == 0).map(|(task, _)| *task) {
            left.remove(&task);
            for wait in waits.iter().filter(|wait| wait.to == task) {
                if let Some(count) = left.get_mut(&wait.from) {
                    *count -= 1;
                }
            }
        }
        !left.is_empty()
    }

    /// Nobody waits by this context any more.
    fn end(&mut self, actor: usize, key: Key) {
        self.waits.retain(|wait| (wait.from.0, wait.by) != (actor, key));
        let context = self.contexts[actor].iter_mut().find(|context| context.key == key);
        let context = context.expect("it was in the circle");
        match context.part {
            Part::Caller => context.state = "ended",
            _ => context.state = "started",
        }
    }
}

/// Finds all circles, one after the other, and breaks each; their lengths.
fn all_circles(seed: u64) -> Vec<usize> {
    let mut graph = Graph::of(seed);
    let expected = graph.stuck();
    let mut lengths = Vec::new();
    loop {
        let mut stuck = graph.still();
        if lengths.is_empty() {
            retain_stuck(&mut stuck);
            let found: BTreeSet<_> = stuck.keys().map(|uuid| uuid.low as usize - 1).collect();
            assert_eq!(found, expected, "seed {seed}: who is stuck");
        } else {
            // Whom the break has set free stays, so that every circle there was is looked for.
            stuck.retain(|uuid, _| expected.contains(&(uuid.low as usize - 1)));
        }
        let Some(links) = circle(&stuck, |_| true) else { break };
        let tasks: Vec<Task> = links
            .iter()
            .map(|(actor, context)| (*actor, context.task().expect("a task waits by it")))
            .collect();
        let distinct: BTreeSet<_> = tasks.iter().collect();
        assert_eq!(distinct.len(), tasks.len(), "seed {seed}: a task comes twice");
        for (i, (actor, context)) in links.iter().enumerate() {
            let next = tasks[(i + 1) % tasks.len()];
            assert!(context.is_awaited(), "seed {seed}: nobody waits for {context:?}");
            assert_eq!(
                other_end(&stuck, *actor, context),
                Some(next),
                "seed {seed}: it leads elsewhere"
            );
        }
        lengths.push(links.len());
        let youngest = links.iter().max_by_key(|(_, context)| context.born);
        let (actor, key) = youngest
            .map(|(actor, context)| (actor.low as usize - 1, context.key))
            .expect("it has links");
        assert!(graph.has_circle(&expected), "seed {seed}: there is none");
        graph.end(actor, key);
    }
    assert!(!graph.has_circle(&expected), "seed {seed}: one was not found");
    lengths
}

/// Whom it was told of is not told again, and hides nobody.
#[test]
fn a_circle_beside_one_that_is_known_is_found() {
    for order in [[0, 2], [2, 0]] {
        let mut graph = Graph::default();
        let mut rng = Rng::new(1);
        for actor in 0..3 {
            graph.contexts.push(Vec::new());
            graph.others.push(Vec::new());
            graph.is_still.push(true);
            graph.task(&mut rng, actor);
        }
        let tasks = graph.tasks.clone();
        for end in order {
            graph.call(tasks[1], tasks[end]);
            graph.call(tasks[end], tasks[1]);
        }
        let stuck = graph.still();
        for end in order {
            let is_wanted = |links: &[Link<'_>]| links.iter().any(|(actor, _)| *actor == uuid(end));
            let links = circle(&stuck, is_wanted).expect("there is one with each of them");
            assert_eq!(links.len(), 2, "{links:?}");
        }
        assert!(circle(&stuck, |_| false).is_none(), "it comes to an end");
    }
}

#[test]
fn every_circle_is_found_and_none_that_is_none() {
    let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
    let mut without = 0;
    for seed in 0..SEEDS {
        let found = all_circles(seed);
        without += usize::from(found.is_empty());
        for length in found {
            *lengths.entry(length).or_default() += 1;
        }
    }
    let (shortest, longest) = (lengths.keys().next(), lengths.keys().next_back());
    // One who waits for itself is refused when it calls; here it is the shortest circle there is.
    assert!(
        shortest.is_some_and(|length| *length <= 2) && longest >= Some(&64),
        "{lengths:?}"
    );
    assert!(lengths.len() >= 60, "each length comes: {lengths:?}");
    assert!(without > SEEDS as usize / 10, "{without} graphs have none");
}
