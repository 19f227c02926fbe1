//! Callees with payloads of types of their own: values that travel, values that do not, and errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use steading_actor::{Context, Error, Result, Spec, nursery, shield};

use crate::notes;

/// A number that travels as text, by hand-written hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{:x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        u64::from_str_radix(digits, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// A type with all sorts of parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// A name beyond ASCII.
    pub name: String,
    /// A type with hooks inside one that is derived.
    pub at: Hex,
    /// A map, and an option in it.
    pub tags: BTreeMap<String, Option<f64>>,
    /// A choice.
    pub kind: Kind,
}

/// What a track is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// Nothing more to say.
    Unit,
    /// With parts by position.
    Tuple(u8, char),
    /// With parts by name.
    Struct {
        /// One of them.
        depth: i64,
    },
}

/// MSG-1: gives back what it was given, in every place there is.
///
/// # Errors
/// Its cancellation.
pub async fn tracks(ctx: Context<Track, Track, Track>, track: Track) -> Result<Track> {
    ctx.started(track.clone()).await?;
    ctx.stream(async |stream| {
        while let Some(track) = stream.next().await? {
            stream.send(track).await?;
        }
        Ok(())
    })
    .await?;
    Ok(track)
}

/// Anything, as far as a sender is concerned: on the wire it is what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loose {
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
    /// No value.
    Nothing,
}

/// MSG-4: says and returns what it is told to. The board says how it ended.
///
/// # Errors
/// Its cancellation.
pub async fn says(ctx: Context<(), (), Loose>, (first, last): (Loose, Loose)) -> Result<Loose> {
    ctx.started(first).await?;
    let end = match last {
        // A caller that has no use for the first value is waited for.
        Loose::Number(_) => notes::wait("never").await.map(|()| last),
        _ => Ok(last),
    };
    notes::pin(if end.is_ok() { "returned" } else { "cancelled" });
    end
}

/// A value with a fault that only shows when it is encoded, or decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub enum Guarded {
    /// There is none.
    Good,
    /// It cannot be encoded.
    Unencodable,
    /// It cannot be decoded.
    Undecodable,
}

impl Serialize for Guarded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unencodable => Err(serde::ser::Error::custom("this value is not for others")),
            _ => serializer.serialize_u8(*self as u8),
        }
    }
}

impl TryFrom<u8> for Guarded {
    type Error = String;

    fn try_from(byte: u8) -> Result<Self, String> {
        match byte {
            0 => Ok(Self::Good),
            other => Err(format!("{other} is not good")),
        }
    }
}

/// MSG-4, a sender that checks itself: faults are named by number, so that they arrive.
///
/// # Errors
/// What its values have.
pub async fn checks(ctx: Context<(), (), Guarded>, (first, last): (u8, u8)) -> Result<Guarded> {
    ctx.started(guarded(first)).await?;
    Ok(guarded(last))
}

fn guarded(fault: u8) -> Guarded {
    match fault {
        0 => Guarded::Good,
        1 => Guarded::Unencodable,
        _ => Guarded::Undecodable,
    }
}

/// Sends texts and takes numbers; the board says what it was told when that ends badly.
///
/// # Errors
/// A message that is no number; its cancellation.
pub async fn talks(ctx: Context<String, u32>, (): ()) -> Result<u32> {
    ctx.started(()).await?;
    let end = ctx
        .stream(async |stream| {
            stream.send("not a number".to_owned()).await?;
            let mut sum = 0;
            while let Some(number) = stream.next().await? {
                sum += number;
            }
            Ok(sum)
        })
        .await;
    if end.is_err() {
        shield(ctx.ended()).await?;
        let told = ctx.remote_error().map(|error| error.to_string());
        notes::pin(&format!("told: {}", told.unwrap_or_default()));
    }
    end
}

/// One error of this program's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("refused with code {code}")]
pub struct Refused {
    /// Which.
    pub code: u32,
}

/// Another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("nobody called {name} is here")]
pub struct Unknown {
    /// Whom was asked for.
    pub name: String,
}

/// How to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// With a [`Refused`], as data.
    Refused,
    /// With an [`Unknown`], as data.
    Unknown,
    /// With an error of std's, of which nothing but its name and its text can travel.
    Foreign,
}

/// ERR: fails.
///
/// # Errors
/// As told.
pub async fn fail(failure: Failure) -> Result<()> {
    match failure {
        Failure::Refused => Err(Error::typed(Refused { code: 7 })),
        Failure::Unknown => Err(Error::typed(Unknown { name: "Bob".to_owned() })),
        Failure::Foreign => "twelve".parse::<i32>().map(drop).map_err(Error::from),
    }
}

/// ERR: has an actor of its own fail, behind as many more as there are on the way, and hands that on. The
/// route names the component of each.
///
/// # Errors
/// That one's.
pub async fn relay((mut route, failure): (Vec<String>, Failure)) -> Result<()> {
    nursery(async |n| {
        let component = route.remove(0);
        let end = if route.is_empty() {
            let source = n.start_actor(Spec::component(component, "source")).await?;
            source.call::<(), _>("fail", &failure).await
        } else {
            let hop = n.start_actor(Spec::component(component, "hop")).await?;
            hop.call::<(), _>("relay", &(route, failure)).await
        };
        n.cancel("it has failed");
        end
    })
    .await
}

/// ERR: has work done at the end of a route of actors, where all workers fail, each in a way of its own. Who
/// is last but one says what it was at.
///
/// # Errors
/// The group of what the workers failed with.
pub async fn delegate(route: Vec<String>) -> Result<()> {
    let Some((next, rest)) = route.split_first() else {
        return quarrel().await;
    };
    let end = nursery(async |n| {
        let next = n
            .start_actor(Spec::component(next, format!("hop-{}", rest.len())))
            .await?;
        next.call::<(), _>("delegate", rest).await
    })
    .await;
    match rest.is_empty() {
        true => end.map_err(|error| error.wrap("cannot delegate")),
        false => end,
    }
}

/// Has four actors of its own fail, one after the other, so that none is cancelled for another's sake.
async fn quarrel() -> Result<()> {
    let mut errors = Vec::new();
    for (name, failure) in [
        ("refuses", Some(Failure::Refused)),
        ("knows-not", Some(Failure::Unknown)),
        ("misreads", Some(Failure::Foreign)),
        ("dies", None),
    ] {
        let end = nursery(async |n| {
            let worker = n.start_actor(Spec::this_component(name)).await?;
            match failure {
                Some(failure) => worker.call::<(), _>("fail", &failure).await,
                None => worker.call("die", &()).await,
            }
        });
        errors.extend(end.await.err());
    }
    let last = errors.split_off(2);
    Err(Error::group(vec![Error::group(errors), Error::group(last)]))
}
