//! Between the nouns of supervision in `wit/` and those of `steading-types` (semantics 10).

use steading_types as ours;

use super::bindings::exports::types as lent;
use super::bindings::imports::{nursery, types as owned};

/// What a nursery does when its children fail.
pub(super) fn rules(rules: nursery::Supervision) -> ours::Supervision {
    ours::Supervision {
        strategy: match rules.strategy {
            nursery::Strategy::OneCancelsAll => ours::Strategy::OneCancelsAll,
            nursery::Strategy::OneForOne => ours::Strategy::OneForOne,
            nursery::Strategy::OneForAll => ours::Strategy::OneForAll,
            nursery::Strategy::RestForOne => ours::Strategy::RestForOne,
        },
        intensity: rules.intensity.map(intensity),
    }
}

fn intensity(intensity: nursery::Intensity) -> ours::Intensity {
    ours::Intensity {
        restarts: intensity.restarts,
        period: intensity.period,
    }
}

/// When a child is started again.
pub(super) fn restart(restart: nursery::Restart) -> ours::Restart {
    ours::Restart {
        when: match restart.when {
            nursery::RestartWhen::Temporary => ours::RestartWhen::Temporary,
            nursery::RestartWhen::Transient => ours::RestartWhen::Transient,
            nursery::RestartWhen::Permanent => ours::RestartWhen::Permanent,
        },
        intensity: intensity(restart.intensity),
        backoff: ours::Backoff {
            first: restart.backoff_first,
            most: restart.backoff_most,
        },
        on: restart.on.into_iter().map(failure).collect(),
    }
}

fn failure(failure: nursery::FailureMatch) -> ours::FailureMatch {
    match failure {
        nursery::FailureMatch::Panic => ours::FailureMatch::Panic,
        nursery::FailureMatch::Trap(code) => ours::FailureMatch::Trap(code),
        nursery::FailureMatch::Limit(name) => ours::FailureMatch::Limit(name),
        nursery::FailureMatch::Error => ours::FailureMatch::Error,
        nursery::FailureMatch::Killed => ours::FailureMatch::Killed,
        nursery::FailureMatch::SpawnFailed => ours::FailureMatch::SpawnFailed,
    }
}

/// What becomes of a child, as an event says it.
pub(super) fn lend_fate(fate: ours::Fate) -> lent::Fate {
    match fate {
        ours::Fate::Over => lent::Fate::Over,
        ours::Fate::Restarts => lent::Fate::Restarts,
        ours::Fate::Fatal => lent::Fate::Fatal,
    }
}

/// The same, as an import answers it.
pub(super) fn give_fate(fate: ours::Fate) -> owned::Fate {
    match fate {
        ours::Fate::Over => owned::Fate::Over,
        ours::Fate::Restarts => owned::Fate::Restarts,
        ours::Fate::Fatal => owned::Fate::Fatal,
    }
}
