//! A worker that fails is started again, until that happens too often; a sibling does not notice.

use steading_guest::prelude::*;

struct Shop;

#[steading_guest::actor]
impl Shop {
    /// Runs a flaky worker beside a steady one, and says how it went.
    async fn main() -> Result<()> {
        let end = Supervisor::one_for_one().run(Self::serve).await;
        if let Err(error) = end {
            println!("the supervisor raised: {error}");
        }
        Ok(())
    }

    /// Bakes a cake, if the oven lets it.
    async fn bake() -> String {
        panic!("the oven is on fire")
    }

    /// Says that all is well.
    async fn greet() -> String {
        format!("{}: good morning", current().id().name)
    }
}

impl Shop {
    /// As often as there is a baker, asks for a cake.
    async fn serve(n: Nursery) -> Result<()> {
        let restart = Restart::transient()
            .intensity(3, Duration::from_secs(5))
            .backoff(Duration::from_millis(1), Duration::from_millis(100));
        let clerk = n.start_actor(Spec::this_component("clerk")).await?;
        let mut baker = n.start_actor(Spec::this_component("baker").restart(restart)).await?;
        loop {
            let failure = baker.call::<String, _>("bake", &()).await;
            println!("baker number {}: {}", baker.restarts() + 1, failure.unwrap_err().kind());
            baker = baker.successor().await?;
            println!("{}", clerk.call::<String, _>("greet", &()).await?);
        }
    }
}
