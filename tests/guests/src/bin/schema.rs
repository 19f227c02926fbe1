//! Payload types with a schema, and one without.

use serde::{Deserialize, Serialize};
use steading_guest::{Context, Result, Spec, nursery};
use steading_test_scenarios::typed::{self, Hit, Mismatch, Opening};

/// Nobody has said what it looks like.
#[derive(Serialize, Deserialize)]
struct Opaque {
    text: String,
}

struct Schemas;

/// Both sides of the scenarios of payload types.
#[steading_guest::actor]
impl Schemas {
    /// Runs the caller's side against a child of this component.
    async fn run(mismatch: Mismatch, component: String) -> Result<()> {
        nursery(async |n| {
            let callee = n.start_actor(Spec::component(component, "callee")).await?;
            mismatch.run(&callee).await?;
            n.cancel("done");
            Ok(())
        })
        .await
    }

    /// Adds.
    async fn add(a: i64, b: i64) -> Result<i64> {
        typed::add((a, b)).await
    }

    /// Sends a hit for each number.
    async fn search(ctx: Context<Hit, u8, Opening>, path: String) -> Result<u32> {
        typed::search(ctx, path).await
    }

    /// What became of the last search.
    async fn last() -> Result<(String, u32)> {
        typed::last(()).await
    }

    /// Takes what has no schema, and so is not checked at the start.
    async fn opaque(value: Opaque) -> String {
        value.text
    }

    /// Has a child of this component add, by the constant that every endpoint has; what it would be told of
    /// an endpoint without a schema.
    async fn ask_child(a: i64, b: i64) -> Result<(i64, String, String)> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("child")).await?;
            let sum = Self::ADD.call(&child, &(a, b)).await?;
            let text = "anything".to_owned();
            let echo = Self::OPAQUE.call(&child, &Opaque { text }).await?;
            n.cancel("asked");
            Ok((sum, echo, Self::OPAQUE.to_string()))
        })
        .await
    }

    /// The hashes as they are counted in here.
    async fn hashes() -> [u64; 3] {
        typed::hashes()
    }
}

fn main() {}
