//! How children are supervised: which failures end what, and what is started again (semantics 10).
//!
//! Pure data. The host's core decides by it, guests write it into specs and nurseries.

use crate::{ErrorKind, Key};

/// Whom a failure in a nursery concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// A child that fails and is not restarted takes everybody along: its siblings and the nursery's body.
    #[default]
    OneCancelsAll,
    /// Siblings do not notice.
    OneForOne,
    /// When one is restarted, all are.
    OneForAll,
    /// When one is restarted, so are those that were started after it.
    RestForOne,
}

/// At most so many restarts within a time; one more, and the nursery fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// How many.
    pub restarts: u32,
    /// Nanoseconds; less than a millisecond counts as one.
    pub period: u64,
}

impl Intensity {
    /// Three within five seconds.
    pub const DEFAULT: Self = Self {
        restarts: 3,
        period: 5_000_000_000,
    };
}

impl Default for Intensity {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a nursery does when its children fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supervision {
    /// Whom it concerns.
    pub strategy: Strategy,
    /// Over all its children; `None`: only what each child has of its own.
    pub intensity: Option<Intensity>,
}

/// Which ends of a child are followed by a new start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartWhen {
    /// None.
    #[default]
    Temporary,
    /// Failures.
    Transient,
    /// All that nobody asked for.
    Permanent,
}

/// A failure, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureMatch {
    /// A panic.
    Panic,
    /// A trap; of this code, if one is named.
    Trap(Option<String>),
    /// A limit was reached; this one, if one is named.
    Limit(Option<String>),
    /// The endpoint it was started for returned an error.
    Error,
    /// Its store was dropped by force.
    Killed,
    /// It could not be started.
    SpawnFailed,
}

impl FailureMatch {
    /// Whether a failure of this kind is meant.
    pub fn matches(&self, kind: &ErrorKind) -> bool {
        match (self, kind) {
            (Self::Panic, ErrorKind::Panic)
            | (Self::Error, ErrorKind::EndpointError | ErrorKind::PayloadMismatch)
            | (Self::Killed, ErrorKind::Killed)
            | (Self::SpawnFailed, ErrorKind::SpawnFailed) => true,
            (Self::Trap(wanted), ErrorKind::Trap(what)) | (Self::Limit(wanted), ErrorKind::Limit(what)) => {
                wanted.as_ref().is_none_or(|wanted| wanted == what)
            }
            _ => false,
        }
    }
}

/// How long a restart waits: not at all the first time, then `first`, then twice that, and so on up to
/// `most`, for restarts that follow one another within the child's period. Each wait is shortened by up to
/// half, so that children who failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Nanoseconds.
    pub first: u64,
    /// Nanoseconds.
    pub most: u64,
}

impl Backoff {
    /// From 10 milliseconds to 10 seconds.
    pub const DEFAULT: Self = Self {
        first: 10_000_000,
        most: 10_000_000_000,
    };

    /// The wait before the restart that follows `earlier` others; `seed` decides by how much it is shortened.
    pub fn delay(&self, earlier: u32, seed: u64) -> u64 {
        let Some(doublings) = earlier.checked_sub(1) else {
            return 0;
        };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        let full = self.first.saturating_mul(factor).min(self.most);
        let shortening = full / 2;
        full - seed.checked_rem(shortening.saturating_add(1)).unwrap_or(0)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// When, how often and how soon a child is started again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    /// After which ends.
    pub when: RestartWhen,
    /// How often, before the nursery fails instead.
    pub intensity: Intensity,
    /// How soon.
    pub backoff: Backoff,
    /// Which failures; all if empty. One of another kind fails the nursery.
    pub on: Vec<FailureMatch>,
}

impl Restart {
    /// Never: what a child without a `Restart` has.
    pub fn temporary() -> Self {
        Self::of(RestartWhen::Temporary)
    }

    /// After failures.
    pub fn transient() -> Self {
        Self::of(RestartWhen::Transient)
    }

    /// After every end that nobody asked for.
    pub fn permanent() -> Self {
        Self::of(RestartWhen::Permanent)
    }

    fn of(when: RestartWhen) -> Self {
        Self {
            when,
            ..Self::default()
        }
    }

    /// At most so many within this time. Default: [`Intensity::DEFAULT`].
    pub fn intensity(mut self, restarts: u32, period: std::time::Duration) -> Self {
        self.intensity = Intensity {
            restarts,
            period: nanoseconds(period),
        };
        self
    }

    /// The waits between restarts, from `first` to `most`. Default: [`Backoff::DEFAULT`].
    pub fn backoff(mut self, first: std::time::Duration, most: std::time::Duration) -> Self {
        self.backoff = Backoff {
            first: nanoseconds(first),
            most: nanoseconds(most),
        };
        self
    }

    /// Only after failures of this kind, and others that are named likewise.
    pub fn on(mut self, failure: FailureMatch) -> Self {
        self.on.push(failure);
        self
    }

    /// Whether a child that ended like this is started again; `None` is an end without a failure.
    pub fn wants(&self, failure: Option<&ErrorKind>) -> bool {
        match (self.when, failure) {
            (RestartWhen::Temporary, _) | (RestartWhen::Transient, None) => false,
            (RestartWhen::Permanent, None) => true,
            (_, Some(kind)) => self.on.is_empty() || self.on.iter().any(|wanted| wanted.matches(kind)),
        }
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What becomes of a child that has ended, or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is over. If it failed, the nursery raises that when its block ends.
    Over,
    /// It is started again.
    Restarts,
    /// It is over, and the nursery has failed: everybody in it is cancelled.
    Fatal,
}

/// A child starts again: from now on another key leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarted {
    /// The portal of the one that ended.
    pub ended: Key,
    /// The portal of the one that is started in its place.
    pub child: Key,
    /// Who that is: the same name, another uuid.
    pub id: crate::ActorId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_are_shortened_by_half_at_most() {
        let backoff = Backoff { first: 10, most: 65 };
        assert_eq!(backoff.delay(0, 12345), 0, "the first restart does not wait");
        for (earlier, full) in [(1, 10), (2, 20), (3, 40), (4, 65), (5, 65), (80, 65)] {
            assert_eq!(backoff.delay(earlier, 0), full);
            for seed in 0..200 {
                let delay = backoff.delay(earlier, seed);
                assert!(full - full / 2 <= delay && delay <= full, "{delay} of {full}");
            }
        }
        assert_eq!(Backoff { first: 0, most: 0 }.delay(3, 9), 0);
        let huge = Backoff {
            first: u64::MAX,
            most: u64::MAX,
        };
        assert!(huge.delay(70, u64::MAX) >= u64::MAX / 2);
    }

    #[test]
    fn a_restart_is_wanted_by_policy_and_by_kind() {
        let error = ErrorKind::EndpointError;
        assert!(!Restart::temporary().wants(Some(&error)));
        assert!(!Restart::transient().wants(None));
        assert!(Restart::transient().wants(Some(&error)));
        assert!(Restart::permanent().wants(None));
        let picky = Restart::permanent()
            .on(FailureMatch::Panic)
            .on(FailureMatch::Trap(Some("out of fuel".into())))
            .on(FailureMatch::Limit(None));
        assert!(picky.wants(Some(&ErrorKind::Panic)));
        assert!(!picky.wants(Some(&error)));
        assert!(picky.wants(Some(&ErrorKind::Trap("out of fuel".into()))));
        assert!(!picky.wants(Some(&ErrorKind::Trap("unreachable".into()))));
        assert!(picky.wants(Some(&ErrorKind::Limit("memory".into()))));
    }
}
