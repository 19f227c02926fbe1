//! Two actors of one component: the first starts the second and plays with it over a duplex stream.

use steading_guest::prelude::*;

struct PingPong;

#[steading_guest::actor]
impl PingPong {
    /// Plays this many rounds against a child of its own; 3 unless it is said.
    async fn main(rounds: Vec<String>) -> Result<String> {
        let rounds = rounds.first().map_or(Ok(3), |rounds| rounds.parse())?;
        nursery(async |n| {
            let partner = n.start_actor(Spec::this_component("partner")).await?;
            let returned = Self::RETURNS
                .open_context(&partner, &(), async |game, ()| play(game, rounds).await)
                .await?;
            // A nursery waits for its children, and this one would wait for calls for ever.
            n.cancel("the game is over");
            Ok(format!("{returned} balls came back"))
        })
        .await
    }

    /// Sends every ball back until no more come, and says how many there were.
    async fn returns(game: Context<String, u32>) -> Result<u32> {
        game.started(()).await?;
        game.stream(async |balls| {
            let mut count = 0;
            while let Some(ball) = balls.next().await? {
                balls.send(format!("pong {ball}")).await?;
                count += 1;
            }
            Ok(count)
        })
        .await
    }
}

/// The caller's side: what it sends are numbers, what it receives is text.
async fn play(game: Context<u32, String>, rounds: u32) -> Result<u32> {
    game.stream(async |balls| {
        for ball in 1..=rounds {
            balls.send(ball).await?;
            let Some(answer) = balls.next().await? else { break };
            println!("ping {ball} -> {answer}");
        }
        Ok(())
    })
    .await?;
    game.wait_result().await
}
