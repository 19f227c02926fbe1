//! What becomes of a child that ended, and when it starts again (semantics 10).
//!
//! ```text
//!            failed, or done          dead               its time, and that of its group
//! Running ───────────────────► Done ────────► Waiting ──────────────────► Starting ──► Running
//!    │ a sibling restarts, and it too             ▲                          (another portal)
//!    ├──────────────────────► Recalled ───────────┘
//!    └─ asked to end ───────► Ending ───────► over
//! ```
//! A failure is decided on once, when it is known: it is repaired by a restart, or it ends the child
//! alone, or it fails the nursery. The nursery's strategy says whom a restart concerns.

use std::collections::VecDeque;

use steading_types::{
    BoxedError, Cause, ErrorKind, Event, Fate, Intensity, Key, PortalKey, Refusal, RestartWhen, Restarted, Rung, Spec,
    Strategy, Supervision,
};

use super::children::Portal;
use super::{Core, NEVER, Output};
use crate::frame::{Dest, Frame};
use steading_types::ActorId;

/// Where a child is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Running,
    /// Asked to end, for good.
    Ending,
    /// Asked to end so that it can start again with its group.
    Recalled,
    /// What it was started for is over, and it was asked to end; decided already.
    Done(Fate),
    /// Dead; starts again when `Line::due` has come.
    Waiting,
    /// Dead; the shell is making the next one.
    Starting,
}

impl Standing {
    /// Whether it was asked to end, and lives.
    fn is_leaving(self) -> bool {
        matches!(self, Self::Ending | Self::Recalled | Self::Done(_))
    }

    /// Whether nothing of it is alive.
    pub(super) fn is_dead(self) -> bool {
        matches!(self, Self::Waiting | Self::Starting)
    }
}

/// What a child that may start again has in common with those that were before it.
#[derive(Debug)]
pub(crate) struct Line {
    spec: Box<Spec>,
    recent: History,
    /// How often it was started again, in all.
    restarts: u32,
    due: u64,
    /// Of what the latest one died.
    cause: Option<Box<BoxedError>>,
}

impl Line {
    pub(super) fn of(spec: &Spec) -> Option<Box<Self>> {
        (spec.restart.when != RestartWhen::Temporary).then(|| {
            Box::new(Self {
                spec: Box::new(spec.clone()),
                recent: History::default(),
                restarts: 0,
                due: 0,
                cause: None,
            })
        })
    }
}

/// Of a period, in nanoseconds: in none at all, nothing would ever count, and what cannot be started would be
/// tried again without time passing.
const SHORTEST_PERIOD: u64 = 1_000_000;

/// When restarts were, as far back as they count.
#[derive(Debug, Default)]
struct History(VecDeque<u64>);

impl History {
    /// How many count now, or `None` if there must not be another.
    fn room(&mut self, intensity: Intensity, now: u64) -> Option<u32> {
        let period = intensity.period.max(SHORTEST_PERIOD);
        while self.0.front().is_some_and(|then| now.saturating_sub(*then) >= period) {
            self.0.pop_front();
        }
        let recent = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        (recent < intensity.restarts).then_some(recent)
    }

    fn add(&mut self, now: u64) {
        self.0.push_back(now);
    }
}

/// A nursery's rules, and what they count.
#[derive(Debug)]
pub(crate) struct Supervisor {
    rules: Supervision,
    recent: History,
}

impl Supervisor {
    pub(super) fn new(rules: Supervision) -> Self {
        Self {
            rules,
            recent: History::default(),
        }
    }
}

impl<P: Clone> Core<P> {
    /// What a child was started for is done, or has failed. It is asked to end, and this counts as how it
    /// ended. Answers what becomes of it.
    ///
    /// # Errors
    /// `UnknownKey` if it is over already.
    pub fn child_done(&mut self, child: PortalKey, failure: Option<Box<BoxedError>>) -> Result<Fate, Refusal> {
        let portal = self.portals.get(child).ok_or(Refusal::UnknownKey)?;
        let failure = failure.map(|error| Box::new(self.relays.vouch(*error, &self.me)));
        match portal.standing {
            Standing::Running => {}
            Standing::Ending => {
                let fate = self.fate_of_ending(portal.nursery, failure.is_some());
                if let Some(portal) = self.portals.get_mut(child) {
                    portal.standing = Standing::Done(fate);
                }
                self.report(child, failure, fate);
                return Ok(fate);
            }
            Standing::Done(fate) if !mutant!(self, DoneAgainAndAgain) => return Ok(fate),
            Standing::Done(_) => {}
            Standing::Recalled | Standing::Waiting | Standing::Starting => return Ok(Fate::Restarts),
        }
        let (fate, failure) = self.decide(child, failure);
        if let Some(portal) = self.portals.get_mut(child) {
            portal.standing = Standing::Done(fate);
            let (peer, cancellation) = (portal.peer.clone(), self.cancellation(None, Cause::Requested));
            self.send(peer, Dest::Actor, Frame::CancelActor(cancellation), 0);
        }
        self.report(child, failure, fate);
        Ok(fate)
    }

    /// A child is dead: what becomes of it, and its failure as it is raised.
    pub(super) fn fate_at_end(
        &mut self,
        child: PortalKey,
        error: Option<Box<BoxedError>>,
    ) -> (Fate, Option<Box<BoxedError>>) {
        let Some(portal) = self.portals.get(child) else {
            return (Fate::Over, error);
        };
        match portal.standing {
            Standing::Running => self.decide(child, error),
            Standing::Done(Fate::Over) if error.is_some() => (self.fate_of_ending(portal.nursery, true), error),
            Standing::Done(fate) => (fate, error),
            Standing::Recalled | Standing::Waiting | Standing::Starting => (Fate::Restarts, error),
            Standing::Ending if mutant!(self, RestartedThoughCancelled) && portal.line.is_some() => {
                (Fate::Restarts, error)
            }
            Standing::Ending => (self.fate_of_ending(portal.nursery, error.is_some()), error),
        }
    }

    /// Who was asked to end is not restarted; what it failed with on the way out still counts.
    fn fate_of_ending(&self, nursery: Key, failed: bool) -> Fate {
        let strategy = self
            .nurseries
            .get(nursery)
            .map(|nursery| nursery.supervisor.rules.strategy);
        match (failed, strategy) {
            (true, Some(Strategy::OneCancelsAll)) => Fate::Fatal,
            _ => Fate::Over,
        }
    }

    /// Decides on an end that nobody asked for. A restart is counted here, and its siblings are recalled.
    fn decide(&mut self, child: PortalKey, failure: Option<Box<BoxedError>>) -> (Fate, Option<Box<BoxedError>>) {
        let Some(Portal { nursery, line, id, .. }) = self.portals.get(child) else {
            return (Fate::Over, failure);
        };
        let (nursery, kind) = (*nursery, failure.as_ref().map(|error| &error.kind));
        let Some(line) = line.as_ref() else {
            return (self.fate_of_ending(nursery, failure.is_some()), failure);
        };
        let any = mutant!(self, AnyFailureRestarts) && kind.is_some();
        if !line.spec.restart.wants(kind) && !any {
            let fate = if failure.is_some() { Fate::Fatal } else { Fate::Over };
            return (fate, failure);
        }
        if self
            .nurseries
            .get(nursery)
            .is_none_or(|nursery| nursery.cancel.is_some())
        {
            return (self.fate_of_ending(nursery, failure.is_some()), failure);
        }
        let id = id.clone();
        match self.count_restart(child, nursery) {
            Ok(earlier) => {
                let due = self.put_off(child, earlier, failure.clone());
                self.recall(nursery, child, due);
                (Fate::Restarts, failure)
            }
            Err(_) if mutant!(self, GaveUpSilently) => (Fate::Fatal, None),
            Err(limit) => {
                let error = gave_up(self.me.clone(), &id, limit, failure);
                (Fate::Fatal, Some(Box::new(error)))
            }
        }
    }

    /// Counts one more restart and answers how many of the child's own came before it and count still, or
    /// else which limit there is no room in.
    fn count_restart(&mut self, child: PortalKey, nursery: Key) -> Result<u32, Intensity> {
        let (now, most) = (self.now, self.limits.restarts);
        let (unlimited, own_only) = (
            mutant!(self, RestartsWithoutEnd),
            mutant!(self, NurseryIntensityIgnored),
        );
        let clamp = |intensity: Intensity| Intensity {
            restarts: intensity.restarts.min(most),
            ..intensity
        };
        let line = self.portals.get_mut(child).and_then(|portal| portal.line.as_mut());
        let (Some(line), Some(nursery)) = (line, self.nurseries.get_mut(nursery)) else {
            return Ok(0);
        };
        let own = clamp(line.spec.restart.intensity);
        let earlier = line.recent.room(own, now).or(unlimited.then_some(0)).ok_or(own)?;
        let supervisor = &mut nursery.supervisor;
        if let Some(all) = supervisor.rules.intensity.map(clamp) {
            let room = supervisor.recent.room(all, now).is_some();
            (room || unlimited || own_only).then_some(()).ok_or(all)?;
        }
        line.recent.add(now);
        // Nobody forgets what nobody counts.
        if supervisor.rules.intensity.is_some() {
            supervisor.recent.add(now);
        }
        Ok(earlier)
    }

    /// Settles when a child starts again at the earliest.
    fn put_off(&mut self, child: PortalKey, earlier: u32, cause: Option<Box<BoxedError>>) -> u64 {
        let (now, at_once) = (self.now, mutant!(self, BackoffIgnored));
        let Some(Portal {
            id, line: Some(line), ..
        }) = self.portals.get_mut(child)
        else {
            return now;
        };
        let seed = id.uuid.low ^ u64::from(line.restarts).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let wait = line.spec.restart.backoff.delay(earlier, seed);
        line.due = if at_once { now } else { now.saturating_add(wait) };
        line.cause = cause;
        line.due
    }

    /// One child restarts: by strategy, others restart with it.
    fn recall(&mut self, nursery: Key, failed: PortalKey, due: u64) {
        let (Some(scope), Some(portal)) = (self.nurseries.get(nursery), self.portals.get(failed)) else {
            return;
        };
        let from = match scope.supervisor.rules.strategy {
            Strategy::OneCancelsAll | Strategy::OneForOne => return,
            _ if mutant!(self, GroupLeftAlone) => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne if mutant!(self, RestForOneTakesAll) => 0,
            Strategy::RestForOne => portal.order,
        };
        let reason = Some(format!("sibling {} restarts", portal.id));
        let group: Vec<_> = scope.children.range(from..).map(|(_, key)| *key).collect();
        let cancellation = self.cancellation(reason, Cause::ParentTeardown);
        for key in group.into_iter().filter(|key| *key != failed) {
            let Some(portal) = self.portals.get_mut(key) else {
                continue;
            };
            if portal.standing != Standing::Running {
                continue;
            }
            portal.standing = match &mut portal.line {
                Some(line) => {
                    line.due = due;
                    line.cause = None;
                    Standing::Recalled
                }
                None => Standing::Ending,
            };
            let peer = portal.peer.clone();
            self.send(peer, Dest::Actor, Frame::CancelActor(cancellation.clone()), 0);
        }
    }

    /// Says what the nursery will raise, and, if its failure is everybody's, sees to that.
    pub(super) fn report(&mut self, child: PortalKey, failure: Option<Box<BoxedError>>, fate: Fate) {
        let (Some(error), Some(portal)) = (failure, self.portals.get(child)) else {
            return;
        };
        if fate == Fate::Restarts {
            return;
        }
        let (nursery, fatal) = (portal.nursery, fate == Fate::Fatal);
        let reason = Some(format!("sibling {} failed", portal.id));
        self.relays.remember(&error);
        if mutant!(self, ChildFailedTwice) && !fatal {
            let error = error.clone();
            self.tell(Event::ChildFailed { child, error, fatal });
        }
        self.tell(Event::ChildFailed { child, error, fatal });
        if fatal && !mutant!(self, SiblingsLiveOn) {
            let cancellation = self.cancellation(reason, Cause::ParentTeardown);
            self.cancel_nursery(nursery, &cancellation);
        }
    }

    /// A child that is to start again is dead.
    pub(super) fn wait_for_restart(&mut self, child: PortalKey) {
        let Some(portal) = self.portals.get_mut(child) else {
            return;
        };
        portal.standing = Standing::Waiting;
        if !mutant!(self, RestartForgotten) {
            self.start_due();
        }
    }

    /// Starts again whose time has come, in the order in which they were started first.
    pub(super) fn start_due(&mut self) {
        self.next_restart = NEVER;
        for key in self.nurseries.keys() {
            let Some(nursery) = self.nurseries.get(key) else {
                continue;
            };
            let mut children: Vec<_> = nursery.children.values().copied().collect();
            if mutant!(self, GroupStartsBackwards) {
                children.reverse();
            }
            let together = matches!(
                nursery.supervisor.rules.strategy,
                Strategy::OneForAll | Strategy::RestForOne
            );
            let leaving = |key: &PortalKey| self.portals.get(*key).is_some_and(|p| p.standing.is_leaving());
            if together && children.iter().any(leaving) && !mutant!(self, GroupStartsEarly) {
                // The new ones must not meet the old, those who are over for good included. The last of them
                // will find that it is.
                continue;
            }
            for child in children {
                self.start_if_due(child);
            }
        }
    }

    fn start_if_due(&mut self, child: PortalKey) {
        let now = self.now;
        let Some(Portal {
            standing,
            line: Some(line),
            ..
        }) = self.portals.get_mut(child)
        else {
            return;
        };
        if *standing != Standing::Waiting {
            return;
        }
        if line.due > now {
            self.next_restart = self.next_restart.min(line.due);
            return;
        }
        *standing = Standing::Starting;
        self.outputs.push_back(Output::Respawn {
            ended: child,
            spec: line.spec.clone(),
            cause: line.cause.take(),
            restarts: line.restarts.saturating_add(1),
        });
    }

    /// The shell has made the next one ready: its id and the way to it. Answers its portal; `None` if it is
    /// not wanted any more.
    pub fn respawned(&mut self, ended: PortalKey, id: ActorId, peer: P) -> Option<PortalKey> {
        self.portals
            .get(ended)
            .filter(|portal| portal.standing == Standing::Starting)?;
        let mut portal = self.portals.remove(ended)?;
        portal.peer = peer.clone();
        portal.id = id.clone();
        portal.standing = Standing::Running;
        let (nursery, order) = (portal.nursery, portal.order);
        let line = portal.line.as_mut()?;
        line.restarts = line.restarts.saturating_add(1);
        let spec = line.spec.clone();
        // One was removed just now, so there is room for one.
        let child = self.portals.insert(portal)?;
        if let Some(nursery) = self.nurseries.get_mut(nursery) {
            nursery.children.insert(order, child);
        }
        self.outputs.push_back(Output::Spawn {
            portal: child,
            child: peer,
            spec,
        });
        self.tell(Event::ChildRestarted(Restarted { ended, child, id }));
        Some(child)
    }

    /// The shell cannot make the next one: one more failure of this child.
    pub fn respawn_failed(&mut self, ended: PortalKey, error: BoxedError) {
        let Some(portal) = self.portals.get_mut(ended) else {
            return;
        };
        if portal.standing != Standing::Starting {
            return;
        }
        match self.decide(ended, Some(Box::new(error))) {
            (Fate::Restarts, _) => self.wait_for_restart(ended),
            (fate, failure) => self.conclude(ended, failure, Rung::AlreadyGone, fate),
        }
    }

    /// How often this child was started again.
    pub fn restarts(&self, child: PortalKey) -> u32 {
        let portal = self.portals.get(child);
        portal
            .and_then(|portal| portal.line.as_ref())
            .map_or(0, |line| line.restarts)
    }
}

/// The error that a nursery of `me` fails with when it restarts a child no more.
fn gave_up(me: ActorId, child: &ActorId, limit: Intensity, failure: Option<Box<BoxedError>>) -> BoxedError {
    let text = format!(
        "gave up on {child} after {} restarts within {} ms",
        limit.restarts,
        limit.period / 1_000_000
    );
    let mut error = BoxedError::new(ErrorKind::Limit("restarts".into()), me, text);
    error.members.extend(failure.map(|failure| *failure));
    error.cut();
    error
}
