//! Payload types that fit, and that do not: what is told before anything runs, and what at the receiver.
//!
//! The signatures are what both ends agree on. [`search`] is the callee's side of every scenario; a
//! [`Mismatch`] is the caller's. The callee remembers what became of it, so that the caller can ask.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use steading_actor::{Context, Error, ErrorKind, Portal, Result, Schema, Signature};

use crate::{ensure, ensure_eq, failure};

/// A message of the callee's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// Where.
    pub path: String,
    /// In which line: few enough lines for a number of the wrong width to be noticed.
    pub line_number: u8,
}

/// What the callee tells first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Opening {
    /// So many files.
    Files(u32),
    /// Nothing is there.
    Nothing,
}

/// The callee's end of the context.
pub type Search = Context<Hit, u8, Opening>;

/// An endpoint without a context.
pub static ADD: Signature<(i64, i64), i64> = Signature::new("add");
/// One with a context: the callee sends a hit for each number it gets, and returns their count.
pub static SEARCH: Signature<String, u32, Search> = Signature::new("search");
/// What became of the last search, and how many there were.
pub static LAST: Signature<(), (String, u32)> = Signature::new("last");

static RUNS: AtomicU32 = AtomicU32::new(0);
static ENDED: Mutex<String> = Mutex::new(String::new());

/// Adds.
///
/// # Errors
/// None.
pub async fn add((a, b): (i64, i64)) -> Result<i64> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    Ok(a + b)
}

/// Sends a hit for each number.
///
/// # Errors
/// Those of the context.
pub async fn search(ctx: Search, path: String) -> Result<u32> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    let end = hits(ctx, path).await;
    let text = end
        .as_ref()
        .map_or_else(|error| error.kind().to_string(), u32::to_string);
    *ENDED.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = text;
    end
}

async fn hits(ctx: Search, path: String) -> Result<u32> {
    ctx.started(Opening::Files(1)).await?;
    ctx.stream(async |stream| {
        let mut count = 0;
        while let Some(line_number) = stream.next().await? {
            let path = path.clone();
            stream.send(Hit { path, line_number }).await?;
            count += 1;
        }
        Ok(count)
    })
    .await
}

/// What became of the last search, and how many tasks there were since this was asked before.
///
/// # Errors
/// None.
pub async fn last((): ()) -> Result<(String, u32)> {
    let ended = std::mem::take(&mut *ENDED.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    Ok((ended, RUNS.swap(0, Ordering::Relaxed)))
}

/// The hashes of all signatures.
pub fn hashes() -> [u64; 3] {
    [ADD.schema(), SEARCH.schema(), LAST.schema()].map(|schema| schema.hash())
}

/// Which payload does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mismatch {
    /// All do.
    None,
    /// A part of the signature, which is noticed at `Start`.
    Signature(Part),
    /// The first value, at the caller.
    Started,
    /// A message, at the callee.
    AtCallee,
    /// A message whose type fits and whose value does not.
    Width,
    /// A message, at the caller.
    AtCaller,
}

/// A part of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Part {
    Args,
    Returns,
    Started,
    Sends,
    Receives,
    Context,
}

impl Mismatch {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::Signature(Part::Args),
        Self::Signature(Part::Returns),
        Self::Signature(Part::Started),
        Self::Signature(Part::Sends),
        Self::Signature(Part::Receives),
        Self::Signature(Part::Context),
        Self::Started,
        Self::AtCallee,
        Self::Width,
        Self::AtCaller,
    ];

    /// The caller's side, against an actor that has all of the endpoints.
    ///
    /// # Errors
    /// What was missed.
    pub async fn run(self, portal: &Portal) -> Result<()> {
        LAST.call(portal, &()).await?;
        match self {
            Self::None => fits(portal).await,
            Self::Signature(part) => part.run(portal).await,
            Self::Started => first_value(portal).await,
            Self::AtCallee => at_callee(portal, "seven".to_owned()).await,
            Self::Width => at_callee(portal, 256_u32).await,
            Self::AtCaller => at_caller(portal).await,
        }
    }
}

/// Types that agree, also where they are not the same.
async fn fits(portal: &Portal) -> Result<()> {
    static NARROW: Signature<(u8, u8), u32> = Signature::new("add");
    same(ADD.call(portal, &(40, 2)).await?, 42)?;
    same(NARROW.call(portal, &(40, 2)).await?, 42)?;
    same(portal.call::<f64, _>("add", &(40, 2)).await?, 42.0)?;
    let search = SEARCH.open_context(portal, &"a".to_owned(), async |ctx, first| {
        same(first, Opening::Files(1))?;
        ctx.stream(async |stream| {
            stream.send(7).await?;
            let hit = Hit {
                path: "a".to_owned(),
                line_number: 7,
            };
            same(stream.next().await?, Some(hit))
        })
        .await?;
        ctx.wait_result::<u32>().await
    });
    same(search.await?, 1)?;
    same(LAST.call(portal, &()).await?, ("1".to_owned(), 4))
}

impl Part {
    async fn run(self, portal: &Portal) -> Result<()> {
        static ARGS: Signature<(i64, String), i64> = Signature::new("add");
        static RETURNS: Signature<(i64, i64), Option<i64>> = Signature::new("add");
        static STARTED: Signature<String, u32, Context<Hit, u8>> = Signature::new("search");
        static SENDS: Signature<String, u32, Context<Opening, u8, Opening>> = Signature::new("search");
        static RECEIVES: Signature<String, u32, Context<Hit, char, Opening>> = Signature::new("search");
        static CONTEXT: Signature<String, u32> = Signature::new("search");
        let path = "a".to_owned();
        let (end, expected) = match self {
            Self::Args => (ARGS.call(portal, &(1, path)).await.map(drop), ARGS.schema()),
            Self::Returns => (RETURNS.call(portal, &(1, 2)).await.map(drop), RETURNS.schema()),
            Self::Started => {
                let open = STARTED.open_context(portal, &path, async |_, ()| entered());
                (open.await, STARTED.schema())
            }
            Self::Sends => {
                let open = SENDS.open_context(portal, &path, async |_, _| entered());
                (open.await, SENDS.schema())
            }
            Self::Receives => {
                let open = RECEIVES.open_context(portal, &path, async |_, _| entered());
                (open.await, RECEIVES.schema())
            }
            Self::Context => (CONTEXT.call(portal, &path).await.map(drop), CONTEXT.schema()),
        };
        let own = match self {
            Self::Args | Self::Returns => ADD.schema(),
            _ => SEARCH.schema(),
        };
        let error = failure("a mismatch", end)?;
        same(error.kind(), ErrorKind::PayloadMismatch)?;
        same(error.source_actor().cloned(), Some(portal.id().clone()))?;
        for part in [expected.hash(), own.hash()].map(|hash| format!("{hash:016x}")) {
            contains(&error, &part)?;
        }
        contains(&error, &own.to_string())?;
        // And nothing has run for it.
        same(LAST.call(portal, &()).await?, (String::new(), 0))
    }
}

fn entered() -> Result<()> {
    Err(Error::msg("the block was entered"))
}

/// Semantics 3: raised from entry, and the callee is cancelled.
async fn first_value(portal: &Portal) -> Result<()> {
    let open = portal.open_context("search", "a", async |_: Context<u8, Hit, u32>, _| entered());
    let error = failure("a mismatch", open.await)?;
    same(error.kind(), ErrorKind::PayloadMismatch)?;
    contains(&error, "u32")?;
    let (ended, runs) = LAST.call(portal, &()).await?;
    same((ended.starts_with("cancelled"), runs), (true, 1))
}

/// Semantics 8: raised at the receiver, and relayed to this side, which sent it.
async fn at_callee<S: Serialize + Clone>(portal: &Portal, message: S) -> Result<()> {
    let open = portal.open_context("search", "a", async |ctx: Context<S, Hit, Opening>, _| {
        ctx.stream(async |stream| {
            stream.send(message.clone()).await?;
            stream.next().await
        })
        .await
        .map(drop)
    });
    let error = failure("a mismatch", open.await)?;
    same(error.kind(), ErrorKind::PayloadMismatch)?;
    same(error.source_actor().cloned(), Some(portal.id().clone()))?;
    contains(&error, "u8")?;
    same(
        LAST.call(portal, &()).await?,
        (ErrorKind::PayloadMismatch.to_string(), 1),
    )
}

/// The same, the other way round.
async fn at_caller(portal: &Portal) -> Result<()> {
    let open = portal.open_context("search", "a", async |ctx: Context<u8, String, Opening>, _| {
        ctx.stream(async |stream| {
            stream.send(1).await?;
            stream.next().await
        })
        .await
        .map(drop)
    });
    let error = failure("a mismatch", open.await)?;
    same(error.kind(), ErrorKind::PayloadMismatch)?;
    contains(&error, "String")?;
    let (ended, runs) = LAST.call(portal, &()).await?;
    same(
        (ended.as_str(), runs),
        (ErrorKind::PayloadMismatch.to_string().as_str(), 1),
    )
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, expected: T) -> Result<()> {
    ensure_eq("what came", got, expected)
}

fn contains(error: &Error, part: &str) -> Result<()> {
    ensure(error.message().contains(part), format!("`{part}` in: {error}"))
}
