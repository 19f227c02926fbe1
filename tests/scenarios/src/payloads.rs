//! MSG-* and ERR-*: values and errors of types of one's own, and values that are of another type.

use std::collections::HashSet;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use steading_actor::{Context, Error, ErrorKind, Outcome, Result, State};

use crate::callee::{Failure, Hex, Kind, Loose, Refused, Track, Unknown};
use crate::{GUEST, NATIVE, To, ensure, ensure_eq, failure};

/// MSG-3: what a caller expects of a callee that starts with a [`Track`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expects {
    /// Whatever comes.
    Anything,
    /// Just that.
    It,
    /// That, or nothing.
    MaybeIt,
    /// Something else.
    Another,
}

fn tracks() -> Vec<Track> {
    let kinds = [Kind::Unit, Kind::Tuple(255, 'ß'), Kind::Struct { depth: i64::MIN }];
    let track = |(number, kind): (usize, Kind)| Track {
        name: format!("Spur {number} ✓"),
        at: Hex(u64::MAX >> (8 * number)),
        tags: [("a".to_owned(), None), ("b".to_owned(), Some(0.5))]
            .into_iter()
            .take(number)
            .collect(),
        kind,
    };
    kinds.into_iter().enumerate().map(track).collect()
}

/// MSG-1. Without hooks, the row's other parameter, a type is none to send: that does not compile.
pub(crate) async fn custom_types(portal: To<'_>) -> Result<()> {
    for track in tracks() {
        let expected = track.clone();
        let body = async |ctx: Context<Track, Track, Track>, first: Track| {
            ensure_eq("the first value", &first, &expected)?;
            let echo = ctx.stream(async |stream| {
                stream.send(first).await?;
                stream.next().await
            });
            ensure_eq("the message", echo.await?.as_ref(), Some(&expected))?;
            ctx.wait_result::<Track>().await
        };
        let result = portal.open_context("tracks", &track, body).await?;
        ensure_eq("the result", &result, &expected)?;
    }
    Ok(())
}

/// MSG-3.
pub(crate) async fn expecting(portal: To<'_>, expects: Expects) -> Result<()> {
    match expects {
        Expects::Anything => first_as::<IgnoredAny>(portal).await.map(drop),
        Expects::It => ensure_eq("the first value", &first_as::<Track>(portal).await?, &tracks()[1]),
        Expects::MaybeIt => {
            let maybe = first_as::<Option<Track>>(portal).await?;
            ensure_eq("the first value", maybe.as_ref(), Some(&tracks()[1]))
        }
        Expects::Another => {
            let error = failure("a first value of another type", first_as::<u32>(portal).await.map(drop))?;
            check_mismatch(&error, &["first value", "u32", "map"])?;
            ensure(error.source_actor().is_none(), "it was found here")
        }
    }
}

async fn first_as<St: DeserializeOwned>(portal: To<'_>) -> Result<St> {
    let body = async |ctx: Context<Track, Track, St>, first: St| {
        // The callee echoes until this side stops.
        ctx.stream(async |_| Ok(())).await?;
        Ok(first)
    };
    portal.open_context("tracks", &tracks()[1], body).await
}

fn check_mismatch(error: &Error, words: &[&str]) -> Result<()> {
    ensure_eq("its kind", error.kind(), ErrorKind::PayloadMismatch)?;
    let text = error.to_string();
    let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
    ensure(missing.is_empty(), format_args!("`{text}` says {missing:?}"))
}

/// MSG-4, at the receiver: the caller expects a text first and nothing in the end.
pub(crate) async fn received(portal: To<'_>, first_is_good: bool, last_is_good: bool) -> Result<()> {
    let first = if first_is_good {
        Loose::Text("yo".to_owned())
    } else {
        Loose::Number(10)
    };
    let last = match (first_is_good, last_is_good) {
        // It is to be running when its first value is refused.
        (false, _) => Loose::Number(1),
        (true, true) => Loose::Nothing,
        (true, false) => Loose::Text("yo".to_owned()),
    };
    let mut kept = None;
    let body = async |ctx: Context<(), (), String>, first: String| {
        kept = Some(ctx.clone());
        ensure_eq("the first value", first.as_str(), "yo")?;
        ctx.wait_result::<()>().await
    };
    let end = portal.open_context("says", &(first, last), body).await;
    if !first_is_good {
        check_mismatch(&failure("a bad first value", end)?, &["first value", "10", "String"])?;
        ensure(kept.is_none(), "the block is not entered")?;
        // Semantics 3: the callee is cancelled.
        return portal.call::<(), _>("noted", "cancelled").await;
    }
    let ctx = kept.ok_or_else(|| Error::msg("the block was not entered"))?;
    // The callee has returned, so nothing of it is a remote error: what is wrong is found here.
    ensure_eq("how it stands", ctx.state(), State::Returned)?;
    ensure(ctx.remote_error().is_none(), "no remote error")?;
    if last_is_good {
        return end.and(ensure(ctx.maybe_error().is_none(), "no error is left"));
    }
    check_mismatch(&failure("a bad result", end)?, &["result", "yo", "()"])?;
    ensure(ctx.local_error().is_some(), "it was the body's to raise")
}

/// MSG-4, at the sender, who checks what it says and what it returns. The error is the callee's.
pub(crate) async fn sent(portal: To<'_>, first: u8, last: u8) -> Result<()> {
    let mut kept = None;
    let body = async |ctx: Context<(), (), u8>, first: u8| {
        kept = Some(ctx);
        ensure_eq("the first value", first, 0)
    };
    let end = portal.open_context("checks", &(first, last), body).await;
    if (first, last) == (0, 0) {
        return end;
    }
    let error = failure("a value that is not fit to be sent", end)?;
    check_mismatch(
        &error,
        &["Guarded", if first == 2 { "2 is not good" } else { "not for others" }],
    )?;
    ensure_eq("its source", error.source_actor(), Some(portal.id()))?;
    ensure_eq("hops", error.boxed().map(|error| error.relay_path.len()), Some(0))?;
    // A first value that came together with the failure is none to enter the block with.
    ensure(first == 0 || kept.is_none(), "nothing bad reaches the wire")?;
    let Some(ctx) = kept else { return Ok(()) };
    let text = Some(error.to_string());
    ensure_eq(
        "the remote error",
        ctx.remote_error().map(|error| error.to_string()),
        text.clone(),
    )?;
    ensure_eq("maybe_error", ctx.maybe_error().map(|error| error.to_string()), text)?;
    match ctx.outcome() {
        Some(Outcome::Failed(outcome)) => ensure_eq("the outcome", outcome.kind, ErrorKind::PayloadMismatch),
        other => ensure(false, format_args!("the outcome is that failure, got {other:?}")),
    }
}

/// A message of another type: raised where it is received, and told to its sender (semantics 8).
pub(crate) async fn bad_message(portal: To<'_>, by_caller: bool) -> Result<()> {
    match by_caller {
        true => {
            let body = async |ctx: Context<String, String>, ()| {
                ctx.stream(async |stream| {
                    stream.send("mine is none either".to_owned()).await?;
                    while stream.next().await?.is_some() {}
                    Ok(())
                })
                .await
            };
            let error = failure("a bad message", portal.open_context("talks", &(), body).await)?;
            check_mismatch(&error, &["message", "mine is none either", "u32"])?;
            ensure_eq("where it was found", error.source_actor(), Some(portal.id()))
        }
        false => {
            let body =
                async |ctx: Context<u32, u32>, ()| ctx.stream(async |stream| stream.next().await.map(drop)).await;
            let error = failure("a bad message", portal.open_context("talks", &(), body).await)?;
            check_mismatch(&error, &["message", "not a number", "u32"])?;
            ensure(error.source_actor().is_none(), "it was found here")?;
            let notes: Vec<String> = portal.call("notes", &()).await?;
            let told = notes
                .iter()
                .any(|note| note.starts_with("told: ") && note.contains("u32"));
            ensure(told, format_args!("the sender was told, got {notes:?}"))
        }
    }
}

/// ERR-7, ERR-8 and ERR-9, over one hop and over more, of both kinds.
pub(crate) async fn relayed(portal: To<'_>, how: Failure) -> Result<()> {
    let near = failure("a call that fails", portal.call::<(), _>("fail", &how).await)?;
    check_error(&near, how)?;
    ensure_eq("the source", near.source_actor(), Some(portal.id()))?;
    let routes: [&[&str]; 4] = [&[GUEST], &[NATIVE], &[NATIVE, GUEST, NATIVE], &[GUEST, NATIVE, GUEST]];
    for route in routes {
        let far = failure(
            "a call whose callee fails",
            portal.call::<(), _>("relay", &(route, how)).await,
        )?;
        check_error(&far, how)?;
        ensure_eq("the type's name", far.type_name(), near.type_name())?;
        ensure_eq("the source", far.source_actor().map(|id| &*id.name), Some("source"))?;
        let path = far.boxed().map(|error| error.relay_path.clone()).unwrap_or_default();
        ensure_eq("the last who handed it on", path.last(), Some(portal.id()))?;
        ensure_eq("the hops", path.len(), route.len())?;
        let passed: HashSet<_> = path.iter().chain(far.source_actor()).collect();
        ensure_eq("the actors it passed", passed.len(), route.len() + 1)?;
        ensure(
            far.to_string().contains(&format!("via {}", portal.id())),
            format_args!("the way is told, got {far}"),
        )?;
    }
    Ok(())
}

fn check_error(error: &Error, how: Failure) -> Result<()> {
    let (name, text) = match how {
        Failure::Refused => ("Refused", "refused with code 7"),
        Failure::Unknown => ("Unknown", "nobody called Bob is here"),
        Failure::Foreign => ("ParseIntError", "invalid digit found in string"),
    };
    ensure_eq("the kind", error.kind(), ErrorKind::EndpointError)?;
    ensure(
        error.type_name().ends_with(name),
        format_args!("{name} at the end of {}", error.type_name()),
    )?;
    ensure_eq("the text", error.message().as_str(), text)?;
    ensure(format!("{error:#}").contains(text), "the long form has it too")?;
    let refused = (how == Failure::Refused).then_some(Refused { code: 7 });
    ensure_eq("one type's data", error.payload::<Refused>(), refused)?;
    let unknown = (how == Failure::Unknown).then(|| Unknown { name: "Bob".to_owned() });
    ensure_eq("the other type's data", error.payload::<Unknown>(), unknown)
}
