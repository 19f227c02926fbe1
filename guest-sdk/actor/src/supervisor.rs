//! Nurseries that repair: strategies, and how often (semantics 10).

use std::time::Duration;

use steading_types::{Intensity, Strategy, Supervision};

use crate::error::Result;
use crate::nursery::{self, Nursery};
use crate::runtime::Actor;
use crate::scope;

/// What a nursery does when its children fail; [`run`](Self::run) opens one that does it.
///
/// A child says itself whether it starts again: [`Spec::restart`](crate::Spec::restart). The strategy says whom
/// that concerns, and whom a failure that nothing repairs:
///
/// | Strategy | A child starts again | A child without `restart` fails | A child that should start again cannot |
/// |---|---|---|---|
/// | one cancels all | alone | all are cancelled, the block raises it | all are cancelled, the block raises it |
/// | one for one | alone | the block raises it at its end | as above |
/// | one for all | with all that may | the block raises it at its end | as above |
/// | rest for one | with those started after it that may | the block raises it at its end | as above |
///
/// "Cannot" is a failure of a kind its `restart` does not name, or one more than its intensity, or the
/// nursery's, admits; the latter is raised as `Limit("restarts")`. A child that is cancelled by
/// [`Portal::cancel_actor`](crate::Portal::cancel_actor) or with its nursery does not start again.
///
/// ```ignore
/// Supervisor::one_for_one().intensity(10, Duration::from_secs(60)).run(async |nursery| {
///     let worker = Spec::this_component("worker").restart(Restart::transient());
///     nursery.run_in_actor::<(), _>(worker, "serve", &());
///     Ok(())
/// }).await
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a supervisor opens its nursery by `run`"]
pub struct Supervisor(Supervision);

impl Supervisor {
    /// As [`nursery`](crate::nursery()): a failure that no restart repairs is everybody's.
    pub fn one_cancels_all() -> Self {
        Self::of(Strategy::OneCancelsAll)
    }

    /// Children do not notice one another's failures.
    pub fn one_for_one() -> Self {
        Self::of(Strategy::OneForOne)
    }

    /// When one starts again, all do.
    pub fn one_for_all() -> Self {
        Self::of(Strategy::OneForAll)
    }

    /// When one starts again, those that were started after it do too.
    pub fn rest_for_one() -> Self {
        Self::of(Strategy::RestForOne)
    }

    fn of(strategy: Strategy) -> Self {
        Self(Supervision {
            strategy,
            intensity: None,
        })
    }

    /// At most so many restarts within this time, over all children; those of a group count once. Without it,
    /// only each child's own intensity counts.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        self.0.intensity = Some(Intensity { restarts, period });
        self
    }

    /// Runs `body` with a nursery of the current actor, as [`nursery`](crate::nursery()) does.
    ///
    /// # Errors
    /// The body's error, failures of children that nothing repaired, or a group of them; the cancellation of the
    /// enclosing scope.
    ///
    /// # Panics
    /// Outside a task of an actor. [`run_in`](Self::run_in) works there too.
    pub async fn run<T, F>(self, body: F) -> Result<T>
    where
        F: AsyncFnOnce(Nursery) -> Result<T>,
    {
        nursery::run(scope::current().actor().clone(), self.0, body).await
    }

    /// As [`run`](Self::run), for code outside the actor's own tasks.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_in<T, F>(self, actor: &Actor, body: F) -> impl Future<Output = Result<T>> + use<T, F>
    where
        F: AsyncFnOnce(Nursery) -> Result<T>,
    {
        nursery::run(actor.clone(), self.0, body)
    }
}
