//! Between the nouns of supervision in `wit/` and those of steading-types (semantics 10).

use steading_types::{FailureMatch, Fate, Intensity, Restart, RestartWhen, Strategy, Supervision};

use crate::bindings::steading::actor::{nursery, types};

pub(crate) fn rules(rules: Supervision) -> nursery::Supervision {
    nursery::Supervision {
        strategy: match rules.strategy {
            Strategy::OneCancelsAll => nursery::Strategy::OneCancelsAll,
            Strategy::OneForOne => nursery::Strategy::OneForOne,
            Strategy::OneForAll => nursery::Strategy::OneForAll,
            Strategy::RestForOne => nursery::Strategy::RestForOne,
        },
        intensity: rules.intensity.map(intensity),
    }
}

fn intensity(intensity: Intensity) -> nursery::Intensity {
    nursery::Intensity {
        restarts: intensity.restarts,
        period: intensity.period,
    }
}

pub(crate) fn restart(restart: Restart) -> nursery::Restart {
    nursery::Restart {
        when: match restart.when {
            RestartWhen::Temporary => nursery::RestartWhen::Temporary,
            RestartWhen::Transient => nursery::RestartWhen::Transient,
            RestartWhen::Permanent => nursery::RestartWhen::Permanent,
        },
        intensity: intensity(restart.intensity),
        backoff_first: restart.backoff.first,
        backoff_most: restart.backoff.most,
        on: restart.on.into_iter().map(failure).collect(),
    }
}

fn failure(failure: FailureMatch) -> nursery::FailureMatch {
    match failure {
        FailureMatch::Panic => nursery::FailureMatch::Panic,
        FailureMatch::Trap(code) => nursery::FailureMatch::Trap(code),
        FailureMatch::Limit(name) => nursery::FailureMatch::Limit(name),
        FailureMatch::Error => nursery::FailureMatch::Error,
        FailureMatch::Killed => nursery::FailureMatch::Killed,
        FailureMatch::SpawnFailed => nursery::FailureMatch::SpawnFailed,
    }
}

pub(crate) fn fate(fate: types::Fate) -> Fate {
    match fate {
        types::Fate::Over => Fate::Over,
        types::Fate::Restarts => Fate::Restarts,
        types::Fate::Fatal => Fate::Fatal,
    }
}
