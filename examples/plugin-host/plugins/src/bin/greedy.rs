//! A plugin that takes all the memory there is, of children too.

use steading_guest::prelude::*;

struct Greedy;

/// Wants more.
#[steading_guest::actor]
impl Greedy {
    /// Has a child that has a child, and so on, each with all the memory it can get.
    async fn transform(text: String) -> Result<String> {
        let hoard = vec![1_u8; 8 << 20];
        let text = nursery(async |n| {
            let child = n.start_actor(Spec::this_component("greedy")).await?;
            child.call("transform", &text).await
        })
        .await;
        drop(std::hint::black_box(hoard));
        text
    }
}

fn main() {}
