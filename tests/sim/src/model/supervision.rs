//! What becomes of a child that ended, and when the next one takes its place (semantics 10).
//!
//! A *place* outlives the actors in it: each is another actor, under another portal. The core's drawing
//! (`supervision.rs` there) is one of places. Here it is said again, without keys and without outputs.

use std::collections::VecDeque;

use steading_types::{
    BoxedError, ErrorKind, FailureMatch, Fate, Intensity, Refusal, Restart, RestartWhen, Rung, Strategy,
};

use super::news::News;
use super::{Cancel, Model, NEVER, REQUESTED, TEARDOWN};
use crate::coverage::{ActorInput, ChildInput, ChildState, Verdict};
use crate::digest;
use crate::op::NONE;

/// Where the child in a place is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Running,
    Ending,
    Recalled,
    Done(Fate),
    Waiting,
    Starting,
    /// The place is nobody's.
    Gone,
}

impl Standing {
    /// Whether it lives, and was asked to end.
    fn was_asked(self) -> bool {
        matches!(self, Self::Ending | Self::Recalled | Self::Done(_))
    }
}

/// Times of restarts.
#[derive(Debug, Default)]
pub(super) struct History(Vec<u64>);

impl History {
    /// How many there were within the period that ends now.
    fn count(&self, intensity: Intensity, now: u64) -> u32 {
        self.0.iter().filter(|then| now - **then < intensity.period).count() as u32
    }
}

/// What is known of an error that is owed.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// This one.
    Exactly(u64),
    /// What a task gave for a failure: as it is if the actor was given it, else as the actor's own.
    Vouched {
        /// Of all of it.
        whole: u64,
        /// Of its text.
        text: u64,
    },
    /// The parent restarts no more.
    GaveUp,
}

impl Failure {
    /// Of an error that is not changed on its way.
    pub fn exactly(error: &BoxedError) -> Self {
        Self::Exactly(digest::whole_error(error))
    }

    /// Of an error that a task hands in.
    pub fn vouched(error: &BoxedError) -> Self {
        Self::Vouched {
            whole: digest::whole_error(error),
            text: digest::bytes(0, error.message.as_bytes()),
        }
    }
}

/// A place in a nursery.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) nursery: u32,
    /// Who is in it, or was last.
    pub(super) actor: usize,
    pub(super) standing: Standing,
    restart: Restart,
    recent: History,
    /// How often somebody took the place of another.
    pub(super) restarts: u32,
    due: u64,
    /// What the next one is made for.
    pub(super) cause: Option<Failure>,
    /// What the parent is to be told, in this order.
    pub(super) news: VecDeque<News>,
}

impl Place {
    pub(super) fn new(nursery: u32, actor: usize, restart: Restart) -> Self {
        Self {
            nursery,
            actor,
            standing: Standing::Running,
            restart,
            recent: History::default(),
            restarts: 0,
            due: NEVER,
            cause: None,
            news: VecDeque::new(),
        }
    }
}

/// Whether a child that ended so is to be followed by another.
fn is_wanted(restart: &Restart, failure: Option<&ErrorKind>) -> bool {
    let of_kind = |kind| restart.on.is_empty() || restart.on.iter().any(|filter: &FailureMatch| filter.matches(kind));
    match restart.when {
        RestartWhen::Temporary => false,
        RestartWhen::Transient => failure.is_some_and(of_kind),
        RestartWhen::Permanent => failure.is_none_or(of_kind),
    }
}

impl Model {
    /// Whether the parent's portal of this very actor leads anywhere.
    pub fn has_portal(&self, child: usize) -> bool {
        let pi = self.actors[child].place;
        pi != NONE && {
            let place = &self.places[pi as usize];
            place.actor == child && place.standing != Standing::Gone
        }
    }

    /// Whether a child is anywhere but running.
    pub fn is_unsettled(&self, child: usize) -> bool {
        self.has_portal(child) && self.places[self.actors[child].place as usize].standing != Standing::Running
    }

    pub(super) fn stand(&mut self, pi: u32, standing: Standing) {
        let place = &mut self.places[pi as usize];
        let before = std::mem::replace(&mut place.standing, standing);
        let waiting = &mut self.actors[self.nurseries[place.nursery as usize].actor].waiting;
        *waiting += u32::from(standing == Standing::Waiting);
        *waiting -= u32::from(before == Standing::Waiting);
    }

    pub(super) fn cover_child(&mut self, pi: u32, input: ChildInput) {
        let state = ChildState::of(self.places[pi as usize].standing);
        self.coverage.child(state, input);
    }

    fn cover_verdict(&mut self, ni: u32, verdict: Verdict) {
        let strategy = self.nurseries[ni as usize].rules.strategy;
        self.coverage.verdict(strategy, verdict);
    }

    /// A parent hears that a child is dead.
    pub(super) fn child_ended(&mut self, parent: usize, child: usize, error: Option<&BoxedError>, rung: Rung) {
        let pi = self.actors[child].place;
        let input = if error.is_some() {
            ChildInput::Failed
        } else {
            ChildInput::Ended
        };
        if !self.cover_news(child, input) {
            return;
        }
        let ni = self.places[pi as usize].nursery;
        self.cover_nursery(ni, ActorInput::ChildEnded);
        if let Some(error) = error {
            self.remember(parent, error);
        }
        let failure = error.map(|error| (&error.kind, Failure::exactly(error)));
        let (fate, failure) = self.fate_at_end(pi, failure);
        if fate == Fate::Restarts {
            self.owe_ended(pi, failure, rung, fate);
            self.stand(pi, Standing::Waiting);
        } else {
            self.conclude(pi, failure, rung, fate);
        }
        self.start_due(parent);
    }

    fn fate_at_end(&mut self, pi: u32, failure: Option<(&ErrorKind, Failure)>) -> (Fate, Option<Failure>) {
        let place = &self.places[pi as usize];
        let (ni, failed) = (place.nursery, failure.is_some());
        let as_it_is = failure.map(|failure| failure.1);
        match place.standing {
            Standing::Running => self.decide(pi, failure),
            Standing::Recalled | Standing::Done(Fate::Restarts) => (Fate::Restarts, as_it_is),
            Standing::Done(Fate::Fatal) => (Fate::Fatal, as_it_is),
            _ => (self.fate_of_ending(ni, failed), as_it_is),
        }
    }

    /// Who was asked to end does not come back; what it failed with still counts.
    fn fate_of_ending(&mut self, ni: u32, failed: bool) -> Fate {
        match (failed, self.nurseries[ni as usize].rules.strategy) {
            (true, Strategy::OneCancelsAll) => {
                self.cover_verdict(ni, Verdict::FailedForAll);
                Fate::Fatal
            }
            (true, _) => {
                self.cover_verdict(ni, Verdict::FailedAlone);
                Fate::Over
            }
            (false, _) => {
                self.cover_verdict(ni, Verdict::Over);
                Fate::Over
            }
        }
    }

    /// Decides on an end that nobody asked for.
    fn decide(&mut self, pi: u32, failure: Option<(&ErrorKind, Failure)>) -> (Fate, Option<Failure>) {
        let (now, limit) = (self.now, self.limits.restarts);
        let place = &self.places[pi as usize];
        let (ni, as_it_is) = (place.nursery, failure.map(|failure| failure.1));
        if place.restart.when == RestartWhen::Temporary {
            return (self.fate_of_ending(ni, failure.is_some()), as_it_is);
        }
        if !is_wanted(&place.restart, failure.map(|failure| failure.0)) {
            if failure.is_none() {
                return (self.fate_of_ending(ni, false), None);
            }
            self.cover_verdict(ni, Verdict::Unwanted);
            return (Fate::Fatal, as_it_is);
        }
        let nursery = &self.nurseries[ni as usize];
        crate::check!(
            nursery.cancel.is_none(),
            "I17",
            "a child runs on in a cancelled nursery"
        );
        let own = place.restart.intensity;
        let earlier = place.recent.count(own, now);
        let all = nursery.rules.intensity;
        let by_all = all.is_some_and(|all| nursery.recent.count(all, now) >= all.restarts.min(limit));
        if earlier >= own.restarts.min(limit) || by_all {
            let own = earlier >= own.restarts.min(limit);
            self.cover_verdict(ni, if own { Verdict::GaveUp } else { Verdict::NurseryGaveUp });
            return (Fate::Fatal, Some(Failure::GaveUp));
        }
        let salt = u64::from(place.restarts).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let due = now + place.restart.backoff.delay(earlier, place.actor as u64 ^ salt);
        let place = &mut self.places[pi as usize];
        place.recent.0.push(now);
        (place.due, place.cause) = (due, as_it_is);
        self.nurseries[ni as usize].recent.0.push(now);
        self.cover_verdict(ni, Verdict::Restarts);
        self.recall(pi, due);
        (Fate::Restarts, as_it_is)
    }

    /// Those whom the strategy has restart with this one.
    fn recall(&mut self, failed: u32, due: u64) {
        let nursery = &self.nurseries[self.places[failed as usize].nursery as usize];
        let first = match nursery.rules.strategy {
            Strategy::OneCancelsAll | Strategy::OneForOne => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne => failed,
        };
        let cancel = Cancel::by(nursery.actor, TEARDOWN);
        for pi in nursery.places.clone() {
            if pi < first || pi == failed {
                continue;
            }
            self.cover_child(pi, ChildInput::SiblingRestarts);
            let place = &mut self.places[pi as usize];
            if place.standing != Standing::Running {
                continue;
            }
            if place.restart.when == RestartWhen::Temporary {
                self.stand(pi, Standing::Ending);
            } else {
                (place.due, place.cause) = (due, None);
                self.stand(pi, Standing::Recalled);
            }
            self.ask_child(pi, cancel);
        }
    }

    /// A child is over, and so may be its nursery.
    fn conclude(&mut self, pi: u32, failure: Option<Failure>, rung: Rung, fate: Fate) {
        self.stand(pi, Standing::Done(fate));
        self.report(pi, failure, fate);
        self.vacate(pi, failure, rung, fate);
    }

    /// A failure that no restart repairs is told, and is everybody's if it is fatal.
    fn report(&mut self, pi: u32, failure: Option<Failure>, fate: Fate) {
        let Some(failure) = failure.filter(|_| fate != Fate::Restarts) else {
            return;
        };
        let (actor, ni) = (self.places[pi as usize].actor, self.places[pi as usize].nursery);
        let fatal = fate == Fate::Fatal;
        self.owe_news(
            pi,
            News::Failed {
                child: actor,
                failure,
                fatal,
            },
        );
        if fatal {
            let parent = self.nurseries[ni as usize].actor;
            self.cancel_nursery(ni, Cancel::by(parent, TEARDOWN));
        }
    }

    /// What a child was started for is over.
    pub fn child_done(
        &mut self,
        parent: usize,
        child: usize,
        failure: Option<(&ErrorKind, Failure)>,
    ) -> Result<Fate, Refusal> {
        self.cover_actor(parent, ActorInput::ChildDone);
        let input = if failure.is_some() {
            ChildInput::DoneFailed
        } else {
            ChildInput::Done
        };
        if !self.has_portal(child) {
            self.coverage.child(ChildState::Gone, input);
            return Err(Refusal::UnknownKey);
        }
        let pi = self.actors[child].place;
        self.cover_child(pi, input);
        let (fate, failure) = match self.places[pi as usize].standing {
            Standing::Done(fate) => return Ok(fate),
            Standing::Running => {
                let decided = self.decide(pi, failure);
                self.ask_child(pi, Cancel::by(parent, REQUESTED));
                decided
            }
            Standing::Ending => {
                let ni = self.places[pi as usize].nursery;
                (
                    self.fate_of_ending(ni, failure.is_some()),
                    failure.map(|failure| failure.1),
                )
            }
            _ => return Ok(Fate::Restarts),
        };
        self.stand(pi, Standing::Done(fate));
        self.report(pi, failure, fate);
        Ok(fate)
    }

    fn is_together(&self, ni: u32) -> bool {
        matches!(
            self.nurseries[ni as usize].rules.strategy,
            Strategy::OneForAll | Strategy::RestForOne
        )
    }

    /// Whether the children of this nursery wait for one that was asked to end and lives.
    fn is_held_up(&self, ni: u32) -> bool {
        let mut places = self.nurseries[ni as usize].places.iter();
        self.is_together(ni) && places.any(|pi| self.places[*pi as usize].standing.was_asked())
    }

    /// Those whose time has come, and whose group is dead, are to be made again.
    pub(super) fn start_due(&mut self, actor: usize) {
        if self.actors[actor].waiting == 0 {
            return;
        }
        for ni in self.actors[actor].nurseries.clone() {
            if self.is_held_up(ni) {
                continue;
            }
            for pi in self.nurseries[ni as usize].places.clone() {
                let place = &self.places[pi as usize];
                if place.standing == Standing::Waiting && place.due <= self.now {
                    self.cover_child(pi, ChildInput::Time);
                    self.stand(pi, Standing::Starting);
                    self.nurseries[ni as usize].respawns_owed.push_back(pi);
                    self.actors[actor].owed_frames += 1;
                }
            }
        }
    }

    /// When the actor must look at its children at the latest.
    pub(super) fn next_restart(&self, actor: usize) -> u64 {
        if self.actors[actor].waiting == 0 {
            return NEVER;
        }
        let mut next = NEVER;
        for ni in self.actors[actor].nurseries.iter().filter(|ni| !self.is_held_up(**ni)) {
            let places = self.nurseries[*ni as usize]
                .places
                .iter()
                .map(|pi| &self.places[*pi as usize]);
            let waiting = places.filter(|place| place.standing == Standing::Waiting);
            next = next.min(waiting.map(|place| place.due).min().unwrap_or(NEVER));
        }
        next
    }

    /// The shell has the next one; whether it is still wanted. It is the newest actor then.
    pub fn respawned(&mut self, ended: usize) -> bool {
        let pi = self.actors[ended].place;
        if !self.cover_start(ended, ChildInput::Respawned) {
            return false;
        }
        let child = self.actors.len();
        self.stand(pi, Standing::Running);
        self.owe_news(pi, News::Restarted { ended, child });
        let place = &mut self.places[pi as usize];
        (place.actor, place.restarts) = (child, place.restarts + 1);
        self.born(self.actors[ended].parent, pi);
        true
    }

    /// The shell cannot make the next one.
    pub fn respawn_failed(&mut self, ended: usize, error: &BoxedError) {
        if !self.cover_start(ended, ChildInput::RespawnFailed) {
            return;
        }
        let (pi, parent) = (self.actors[ended].place, self.actors[ended].parent);
        match self.decide(pi, Some((&error.kind, Failure::exactly(error)))) {
            (Fate::Restarts, _) => {
                self.stand(pi, Standing::Waiting);
                self.start_due(parent);
            }
            (fate, failure) => self.conclude(pi, failure, Rung::AlreadyGone, fate),
        }
    }

    /// Whether a child that says something can have meant it: the dead are not heard.
    pub(super) fn cover_news(&mut self, child: usize, input: ChildInput) -> bool {
        let standing = self.places[self.actors[child].place as usize].standing;
        let known = self.has_portal(child);
        let state = if known {
            ChildState::of(standing)
        } else {
            ChildState::Gone
        };
        self.coverage.child(state, input);
        known && !matches!(standing, Standing::Waiting | Standing::Starting)
    }

    fn cover_start(&mut self, ended: usize, input: ChildInput) -> bool {
        let known = self.has_portal(ended);
        let standing = self.places[self.actors[ended].place as usize].standing;
        let state = if known {
            ChildState::of(standing)
        } else {
            ChildState::Gone
        };
        self.coverage.child(state, input);
        known && standing == Standing::Starting
    }
}
