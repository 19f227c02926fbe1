//! What a parent is told of its children, and what its shell is to do for them: each must be owed.

use steading_types::{BoxedError, ErrorKind, Event, Fate, Rung};

use super::{Failure, Model, actor};
use crate::coverage::ChildInput;
use crate::{broken, check, digest};

const LIMIT: u8 = 13;

/// What a parent is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    Up {
        child: usize,
    },
    Ended {
        child: usize,
        failure: Option<Failure>,
        rung: u8,
        fate: Fate,
    },
    Failed {
        child: usize,
        failure: Failure,
        fatal: bool,
    },
    Restarted {
        ended: usize,
        child: usize,
    },
}

impl Model {
    pub(super) fn owe_news(&mut self, pi: u32, news: News) {
        let place = &mut self.places[pi as usize];
        let parent = &mut self.actors[self.nurseries[place.nursery as usize].actor];
        if parent.stage.tells() {
            place.news.push_back(news);
            parent.owed_events += 1;
        }
    }

    pub(super) fn owe_ended(&mut self, pi: u32, failure: Option<Failure>, rung: Rung, fate: Fate) {
        let child = self.places[pi as usize].actor;
        let rung = actor::rung(rung);
        let news = News::Ended {
            child,
            failure,
            rung,
            fate,
        };
        self.owe_news(pi, news);
    }

    /// A parent hears that this child runs.
    pub(super) fn child_up(&mut self, child: usize) {
        let pi = self.actors[child].place;
        if self.cover_news(child, ChildInput::Up) {
            self.owe_news(pi, News::Up { child });
        }
    }

    /// Nobody is left who could be told.
    pub(super) fn forget_news(&mut self, actor: usize) {
        for nursery in self.nurseries.iter_mut().filter(|nursery| nursery.actor == actor) {
            nursery.closed_owed = false;
        }
        for place in &mut self.places {
            if self.nurseries[place.nursery as usize].actor == actor {
                place.news.clear();
            }
        }
    }

    /// A parent is told something of this child.
    pub fn told_of_child(&mut self, parent: usize, child: usize, event: &Event) {
        let foreign = child == 0 || self.actors[child].parent != parent;
        check!(
            !foreign,
            "I16",
            "actor {parent} is told of {child}, who is somebody else's"
        );
        let place = &mut self.places[self.actors[child].place as usize];
        let Some(news) = place.news.pop_front() else {
            broken!("I19", "news of child {child} that nothing called for: {event:?}")
        };
        self.actors[parent].owed_events -= 1;
        self.check_news(parent, child, news, event);
        if let Event::ChildFailed { error, .. } | Event::ChildEnded { error: Some(error), .. } = event {
            self.remember(parent, error);
        }
    }

    fn check_news(&self, parent: usize, about: usize, news: News, event: &Event) {
        let fits = match (news, event) {
            (News::Up { child }, Event::ChildUp { id, .. }) => child == about && super::who(id.uuid) == child as u64,
            (News::Failed { child, failure, fatal }, Event::ChildFailed { error, fatal: told, .. }) => {
                child == about && fatal == *told && self.is_failure(parent, failure, error)
            }
            (
                News::Ended {
                    child,
                    failure,
                    rung,
                    fate,
                },
                Event::ChildEnded {
                    error,
                    rung: told,
                    fate: found,
                    ..
                },
            ) => {
                let same = match (failure, error) {
                    (Some(failure), Some(error)) => self.is_failure(parent, failure, error),
                    (None, None) => true,
                    _ => false,
                };
                child == about && rung == actor::rung(*told) && fate == *found && same
            }
            (News::Restarted { ended, child }, Event::ChildRestarted(restarted)) => {
                ended == about && super::who(restarted.id.uuid) == child as u64
            }
            _ => false,
        };
        check!(
            fits,
            "I19",
            "actor {parent} is told {event:?} of {about}, and {news:?} is due"
        );
    }

    /// Whether this error is the failure that is owed.
    pub(super) fn is_failure(&self, parent: usize, owed: Failure, error: &BoxedError) -> bool {
        let own = super::who(error.source.uuid) == parent as u64 && error.relay_path.is_empty();
        match owed {
            Failure::Exactly(owed) => digest::whole_error(error) == owed,
            Failure::GaveUp => own && digest::kind(&error.kind) == LIMIT,
            Failure::Vouched { whole, text } => {
                let known = self.actors[parent].known_errors.contains(&whole);
                let stamped = own && digest::bytes(0, error.message.as_bytes()) == text;
                let forged = matches!(error.kind, ErrorKind::Cancelled(_));
                (stamped && !forged) || (known && digest::whole_error(error) == whole)
            }
        }
    }

    /// The shell is asked for the next one of this child.
    pub fn respawn(&mut self, parent: usize, ended: usize, restarts: u32, cause: Option<&BoxedError>) {
        let pi = self.actors[ended].place;
        let place = &self.places[pi as usize];
        let owed = self.nurseries[place.nursery as usize].respawns_owed.pop_front();
        check!(
            owed == Some(pi) && place.actor == ended,
            "I17 I20",
            "child {ended} is to start again, and place {owed:?} is due"
        );
        check!(
            restarts == place.restarts + 1,
            "I20",
            "it is called restart {restarts}, and {} were before",
            place.restarts
        );
        let same = match (place.cause, cause) {
            (Some(owed), Some(found)) => self.is_failure(parent, owed, found),
            (None, None) => true,
            _ => false,
        };
        check!(
            same,
            "I19",
            "child {ended} starts again for {cause:?}, {:?} is due",
            place.cause
        );
        self.actors[parent].owed_frames -= 1;
    }
}
