//! Endpoints that fail in every way that is not a fault.

use serde::{Deserialize, Serialize};
use steading_guest::{Context, Error, Result};

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("refused with code {code}: {why}")]
struct Refused {
    code: u32,
    why: String,
}

struct Errors;

/// Fails on demand.
#[steading_guest::actor]
impl Errors {
    /// Fails with a sentence.
    async fn sentence(text: String) -> Result<()> {
        Err(Error::msg(text))
    }

    /// Fails with an error that crosses as data too.
    async fn typed(code: u32) -> Result<(), Refused> {
        Err(Refused {
            code,
            why: "as asked".to_owned(),
        })
    }

    /// Fails with an error of the standard library.
    async fn parse(number: String) -> Result<i32> {
        Ok(number.parse()?)
    }

    /// Fails in the middle of a stream, after this many messages.
    async fn midway(ctx: Context<u32, ()>, after: u32) -> Result<()> {
        ctx.started(()).await?;
        ctx.stream(async |stream| {
            for number in 0..after {
                stream.send(number).await?;
            }
            Err(Error::typed(Refused {
                code: after,
                why: "in the middle".to_owned(),
            }))
        })
        .await
    }
}

fn main() {}
