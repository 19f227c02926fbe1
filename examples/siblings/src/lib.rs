//! One child fails: its siblings are cancelled, all are awaited, and the error arrives whole.

use steading_guest::prelude::*;

struct Siblings;

#[steading_guest::actor]
impl Siblings {
    /// Starts three children in a nursery, of which one fails, and says how each of them ended.
    async fn main() -> Result<()> {
        let mut siblings = Vec::new();
        let end: Result<()> = nursery(async |n| {
            for name in ["ada", "ben"] {
                let sibling = n.start_actor(Spec::this_component(name)).await?;
                println!("{name} says: {}", sibling.call::<String, _>("hello", &()).await?);
                siblings.push(sibling);
            }
            // Neither of the two would end by itself, and this body would wait for ever.
            n.run_in_actor::<u32, _>(Spec::this_component("eve"), "share", &(12, 0));
            cancelled().await;
            checkpoint()
        })
        .await;
        for sibling in siblings {
            let end = sibling.closed().await?;
            println!("{} is dead: {:?}", sibling.id().name, end.rung);
        }
        if let Err(error) = end {
            println!("the nursery raised: {}", error.report());
        }
        Ok(())
    }

    /// Answers.
    async fn hello() -> String {
        format!("I am {}, and wait for work", current().id().name)
    }

    /// Divides, and fails if that makes no sense.
    async fn share(cake: u32, guests: u32) -> Result<u32> {
        cake.checked_div(guests)
            .ok_or_else(|| Error::msg(format_args!("cannot share {cake} among {guests}")))
    }
}
