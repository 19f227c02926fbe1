//! Children as their parents see them (I17, I19, I20): what ended starts again or is over, what failed is
//! told, and restarts are counted by when the failures came, not by what the core or the model remember.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use steading_types::{BoxedError, Cause, Event, Fate, Intensity, Key, PortalKey, Refusal};

use crate::model::Mix;
use crate::{broken, check, digest};

/// Whether somebody lives in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Lives,
    BetweenTwo,
    Over,
}

/// Times of restarts, in order.
#[derive(Debug)]
struct Count {
    intensity: Intensity,
    times: Vec<u64>,
}

impl Count {
    fn of(intensity: Intensity) -> Self {
        let times = Vec::new();
        Self { intensity, times }
    }

    /// One more; news come late, so it need not be the latest.
    fn add(&mut self, at: u64, limit: u32) {
        let Intensity { restarts, period } = self.intensity;
        let place = self.times.partition_point(|time| *time <= at);
        self.times.insert(place, at);
        for (index, end) in self.times.iter().enumerate().skip(place) {
            let earlier = self.times[..=index].iter().rev();
            let within = earlier.take_while(|time| end - *time < period).count();
            check!(
                within <= restarts.min(limit) as usize,
                "I20",
                "{within} restarts within {period} ns, of {restarts}"
            );
        }
    }
}

/// A child.
#[derive(Debug)]
struct Child {
    /// It, and those that were in its place before.
    line: u32,
    life: Life,
    /// Its parent asked it to end with others; its restart is counted; when its end came.
    recalled: bool,
    counted: bool,
    ended_at: Option<u64>,
    /// When the shell said that it could not make the next one.
    missed_at: Option<u64>,
    /// The failure that was told last.
    failed: Option<u64>,
}

impl Child {
    fn of(line: u32) -> Self {
        Self {
            line,
            life: Life::Lives,
            recalled: false,
            counted: false,
            ended_at: None,
            missed_at: None,
            failed: None,
        }
    }
}

/// Children that took each other's place.
#[derive(Debug)]
struct Line {
    nursery: u64,
    count: Count,
}

#[derive(Debug)]
struct Scope {
    children: u32,
    count: Option<Count>,
}

type Table<V> = HashMap<u64, V, BuildHasherDefault<Mix>>;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Children {
    limit: u32,
    scopes: Table<Scope>,
    lines: Vec<Line>,
    children: Vec<Child>,
    by_portal: Table<u32>,
}

fn pair(actor: usize, key: Key) -> u64 {
    (actor as u64) << 32 | u64::from(key)
}

impl Children {
    /// Nobody has any, and a period never has more restarts than this.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// A nursery opens.
    pub fn opened(&mut self, actor: usize, key: Key, intensity: Option<Intensity>) {
        let count = intensity.map(Count::of);
        self.scopes.insert(pair(actor, key), Scope { children: 0, count });
    }

    /// A child is admitted to it.
    pub fn spawned(&mut self, actor: usize, nursery: Key, portal: PortalKey, intensity: Intensity) {
        let nursery = pair(actor, nursery);
        let count = Count::of(intensity);
        self.lines.push(Line { nursery, count });
        self.add(actor, portal, self.lines.len() as u32 - 1);
        if let Some(scope) = self.scopes.get_mut(&nursery) {
            scope.children += 1;
        }
    }

    /// Another takes its place.
    pub fn respawned(&mut self, actor: usize, ended: PortalKey, portal: PortalKey) {
        let line = self.child(actor, ended).line;
        self.add(actor, portal, line);
    }

    fn add(&mut self, actor: usize, portal: PortalKey, line: u32) {
        let known = self.by_portal.insert(pair(actor, portal), self.children.len() as u32);
        check!(
            known.is_none(),
            "I17",
            "one portal leads to two children, one after the other"
        );
        self.children.push(Child::of(line));
    }

    fn child(&mut self, actor: usize, portal: PortalKey) -> &mut Child {
        match self.by_portal.get(&pair(actor, portal)) {
            Some(child) => &mut self.children[*child as usize],
            None => broken!("I19", "actor {actor} hears of a child that it never had"),
        }
    }

    /// A parent sends a `CancelActor`.
    pub fn cancelled(&mut self, actor: usize, portal: PortalKey, cause: &Cause) {
        self.child(actor, portal).recalled |= *cause == Cause::ParentTeardown;
    }

    /// The end of a child comes to its parent.
    pub fn arrived(&mut self, actor: usize, portal: PortalKey, now: u64) {
        self.child(actor, portal).ended_at = Some(now);
    }

    /// `child_done` has answered.
    pub fn done(&mut self, actor: usize, portal: PortalKey, answer: Result<Fate, Refusal>, now: u64) {
        let child = self.child(actor, portal);
        let restarts = answer == Ok(Fate::Restarts) && child.ended_at.is_none();
        if restarts && !child.recalled && !child.counted {
            child.counted = true;
            self.count(actor, portal, now);
        }
    }

    /// The shell says that it cannot make the next one.
    pub fn missed(&mut self, actor: usize, portal: PortalKey, now: u64) {
        self.child(actor, portal).missed_at = Some(now);
    }

    /// The shell is asked for the next one.
    pub fn respawn(&mut self, actor: usize, portal: PortalKey) {
        if let Some(at) = self.child(actor, portal).missed_at.take() {
            self.count(actor, portal, at);
        }
    }

    fn count(&mut self, actor: usize, portal: PortalKey, at: u64) {
        let line = self.child(actor, portal).line as usize;
        let line = &mut self.lines[line];
        line.count.add(at, self.limit);
        let scope = self.scopes.get_mut(&line.nursery);
        if let Some(count) = scope.and_then(|scope| scope.count.as_mut()) {
            count.add(at, self.limit);
        }
    }

    /// A parent is told something.
    pub fn event(&mut self, actor: usize, event: &Event) {
        match event {
            Event::ChildEnded {
                child,
                fate: Fate::Restarts,
                ..
            } => self.returns(actor, *child),
            Event::ChildEnded { child, error, .. } => self.over(actor, *child, error.as_deref()),
            Event::ChildFailed { child, error, .. } => {
                let child = self.child(actor, *child);
                check!(child.life != Life::Over, "I19", "a child fails that is over");
                child.failed = Some(digest::whole_error(error));
            }
            Event::ChildRestarted(restarted) => {
                let ended = self.child(actor, restarted.ended);
                check!(
                    ended.life == Life::BetweenTwo,
                    "I17",
                    "a child starts again that is {:?}",
                    ended.life
                );
                ended.life = Life::Over;
                let line = ended.line;
                let same = self.child(actor, restarted.child).line == line;
                check!(same, "I17", "a child takes the place of another than it is said to");
            }
            Event::NurseryClosed(key) => {
                let scope = self.scopes.remove(&pair(actor, *key));
                let children = scope.map(|scope| scope.children);
                check!(
                    children == Some(0),
                    "I17",
                    "a nursery closes, twice or with children: {children:?}"
                );
            }
            _ => {}
        }
    }

    fn returns(&mut self, actor: usize, portal: PortalKey) {
        let child = self.child(actor, portal);
        check!(child.life == Life::Lives, "I1", "a child ended twice");
        child.life = Life::BetweenTwo;
        let Some(at) = child.ended_at else {
            broken!("I19", "a child ended, and nobody had said so")
        };
        if !child.recalled && !child.counted {
            self.count(actor, portal, at);
        }
    }

    fn over(&mut self, actor: usize, portal: PortalKey, error: Option<&BoxedError>) {
        let child = self.child(actor, portal);
        check!(child.life != Life::Over, "I1", "a child ended twice");
        child.life = Life::Over;
        let lost = error.filter(|error| child.failed != Some(digest::whole_error(error)));
        check!(lost.is_none(), "I19", "a failure is not told as one: {lost:?}");
        let line = child.line as usize;
        let nursery = self.lines[line].nursery;
        if let Some(scope) = self.scopes.get_mut(&nursery) {
            scope.children -= 1;
        }
    }

    /// Nobody of this actor is left to be told.
    pub fn died(&mut self, actor: usize) {
        self.scopes.retain(|key, _| key >> 32 != actor as u64);
        for child in &mut self.children {
            if self.lines[child.line as usize].nursery >> 32 == actor as u64 {
                child.life = Life::Over;
            }
        }
    }

    /// An actor leaves: this child is not between two lives.
    pub fn check_left(&mut self, actor: usize, portal: PortalKey) {
        let life = self.child(actor, portal).life;
        check!(
            life == Life::Over,
            "I17 I19",
            "a child neither starts again nor is over: {life:?}"
        );
    }
}
