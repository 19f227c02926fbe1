//! The middle of a tree that cannot be repaired.

use std::time::Duration;

use steading_actor::{Restart, Result, Spec, Supervisor};

/// Has a child that dies as often as it is started.
///
/// # Errors
/// That it gave up on it.
pub async fn troubled(component: String) -> Result<()> {
    Supervisor::one_for_one()
        .run(async |n| {
            let restart = Restart::transient()
                .intensity(1, Duration::from_secs(60))
                .backoff(Duration::ZERO, Duration::ZERO);
            let below = Spec::component(component, "below").restart(restart);
            n.run_in_actor::<(), _>(below, "die", &()).result().await
        })
        .await
}
