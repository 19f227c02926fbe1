//! The endpoints that scenarios call.

mod closing;
mod leaving;
mod payloads;
mod streams;
mod subject;
mod supervising;

use futures_util::TryStreamExt;
use steading_actor::{Context, Error, Result, sleep};

use crate::{Misuse, Taking, ensure_eq};

pub(crate) use closing::at_level;
pub use closing::{breaks_down, fails_after, generation, level, levels, rank};
pub use leaving::{HOOKS_HAVE_RUN, hooked, lingers};
pub use payloads::{
    Failure, Guarded, Hex, Kind, Loose, Refused, Track, Unknown, checks, delegate, fail, relay, says, talks, tracks,
};
pub use streams::{
    Unencodable, Wish, brief, cancels_first, consume, echo, fails_to_start, floods, never_opens, never_takes, numbers,
};
pub use subject::{Deed, Until, die, give_up, note, noted, notes, resign, subject};
pub use supervising::troubled;

/// Longer than any test takes.
pub(crate) const FOREVER: std::time::Duration = std::time::Duration::from_secs(3600);

/// 2W-1: answers each `ping` with a `pong` until the caller stops; returns how many there were.
///
/// # Errors
/// When something else than a `ping` comes.
pub async fn pong(ctx: Context<String, String, i64>, (taking, data): (Taking, i64)) -> Result<u32> {
    ctx.started(data + 1).await?;
    ctx.stream(async |stream| {
        let mut pings = 0;
        match taking {
            Taking::Next => {
                while let Some(message) = stream.next().await? {
                    ensure_eq("a message", message.as_str(), "ping")?;
                    stream.send("pong".to_owned()).await?;
                    pings += 1;
                }
                ensure_eq("asking again after the end", stream.next().await?, None)?;
            }
            Taking::Iteration => {
                let mut messages = std::pin::pin!(stream.messages());
                while let Some(message) = messages.try_next().await? {
                    ensure_eq("a message", message.as_str(), "ping")?;
                    stream.send("pong".to_owned()).await?;
                    pings += 1;
                }
            }
        }
        Ok(pings)
    })
    .await
}

/// CTX-1: uses the context in an order that is not allowed.
///
/// # Errors
/// Always, as the host refuses.
pub async fn misuse(ctx: Context<(), ()>, misuse: Misuse) -> Result<()> {
    match misuse {
        Misuse::StartedTwice => {
            ctx.started(()).await?;
            ctx.started(()).await
        }
        Misuse::StreamBeforeStarted => ctx.stream(async |_| Ok(())).await,
        Misuse::NeverStarted => Ok(()),
    }
}

/// CTX-3: says `data + 1`, then returns `yo` at once, or waits until it is cancelled.
///
/// # Errors
/// Its cancellation.
pub async fn yo(ctx: Context<(), (), i64>, (data, early): (i64, bool)) -> Result<String> {
    ctx.started(data + 1).await?;
    if !early {
        sleep(FOREVER).await?;
    }
    Ok("yo".to_owned())
}

/// SPN-2: one actor's line.
///
/// # Errors
/// None.
pub async fn line(role: String) -> Result<String> {
    match role.as_str() {
        "donny" => Ok("you're out of your element".to_owned()),
        "walter" => Ok("am I the only one around here who gives a damn about the rules".to_owned()),
        other => Err(Error::msg(format_args!("`{other}` is not in this film"))),
    }
}

/// SPN-3: gives back what it was given.
///
/// # Errors
/// None.
pub async fn word(value: Option<String>) -> Result<Option<String>> {
    Ok(value)
}

/// CAN-5: sends numbers for as long as anybody takes them.
///
/// # Errors
/// Its cancellation.
pub async fn infinite(ctx: Context<u64, ()>, (): ()) -> Result<()> {
    ctx.started(()).await?;
    ctx.stream(async |stream| {
        for number in 0.. {
            stream.send(number).await?;
        }
        Ok(())
    })
    .await
}
