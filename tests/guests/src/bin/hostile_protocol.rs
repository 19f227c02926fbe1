//! Says what is not so, does what it may not, and does it too often.

use std::hint::black_box;
use std::time::Duration;

use steading_guest::bindings::steading::actor::types::{
    ActorId, BareError, BoxedError, Cancellation, Cause, ErrorKind, Member, Window,
};
use steading_guest::bindings::steading::actor::{context, runtime, stream, types};
use steading_guest::{
    AbsorbedExt, Context, Error, Portal, Restart, Result, Spec, TrySend, encode, join, join_all, nursery, sleep,
};

struct Protocol;

/// Breaks the rules of contexts, streams and children.
#[steading_guest::actor]
impl Protocol {
    /// Opens contexts until it is refused; how many, and with what word.
    async fn contexts() -> Result<String> {
        with_peer(async |peer| {
            let mut opened = Vec::new();
            let word = loop {
                match context::open(&options(peer.key(), "idle"), &nothing()) {
                    Ok(key) => opened.push(key),
                    Err(error) => break word_of(&error),
                }
                if opened.len() > 100_000 {
                    break "no end".to_owned();
                }
            };
            opened.iter().for_each(|key| context::release(*key));
            Ok(format!("{} and then {word}", opened.len()))
        })
        .await
    }

    /// Opens contexts and gives them up at once, turn by turn.
    async fn open_and_cancel() -> Result<String> {
        with_peer(async |peer| {
            let until = runtime::now() + 150_000_000;
            let mut refused = 0_u32;
            while runtime::now() < until {
                for _ in 0..300 {
                    match context::open(&options(peer.key(), "idle"), &nothing()) {
                        Ok(key) => context::release(key),
                        Err(_) => refused += 1,
                    }
                }
                sleep(Duration::ZERO).await?;
            }
            Ok(format!("refused {}", if refused > 0 { "at times" } else { "never" }))
        })
        .await
    }

    /// Opens contexts with the largest arguments that there may be, in one turn.
    async fn large_arguments() -> Result<String> {
        with_peer(async |peer| {
            let args = vec![0_u8; 1 << 20];
            let mut opened = Vec::new();
            let word = loop {
                match context::open(&options(peer.key(), "idle"), &args) {
                    Ok(key) => opened.push(key),
                    Err(error) => break word_of(&error),
                }
            };
            sleep(Duration::from_millis(1)).await?;
            opened.iter().for_each(|key| context::release(*key));
            Ok(format!("{} and then {word}", opened.len()))
        })
        .await
    }

    /// Large calls, turn by turn, to somebody who naps; how many were refused, and how many of them like the first.
    async fn hoard(milliseconds: u64) -> Result<String> {
        const CALLS: u64 = 120;
        with_peer(async |peer| {
            let large = "x".repeat(1_000_000);
            let nap = peer.call::<(), _>("nap", &milliseconds);
            let call = async |n: u64| {
                sleep(Duration::from_millis(20 + n * 5)).await?;
                peer.call::<u64, _>("swallow", &large).await
            };
            let (nap, ends) = join!(nap, join_all((0..CALLS).map(call)));
            nap?;
            let refused: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
            let same = refused.iter().filter(|error| error.kind() == refused[0].kind()).count();
            let first = refused.first().map_or_else(String::new, Error::to_string);
            Ok(format!("{} of {CALLS} refused, {same} with {first}", refused.len()))
        })
        .await
    }

    /// As a whole it does nothing for a while, not even between turns.
    async fn nap(milliseconds: u64) -> Result<()> {
        std::thread::sleep(Duration::from_millis(milliseconds));
        Ok(())
    }

    /// How many bytes there were.
    async fn swallow(text: String) -> Result<u64> {
        Ok(text.len() as u64)
    }

    /// One byte more than a payload may have, and far more.
    async fn oversized(bytes: u64) -> Result<String> {
        with_peer(async |peer| {
            let args = vec![0_u8; bytes as usize];
            match context::open(&options(peer.key(), "idle"), &args) {
                Ok(_) => Err(Error::msg("was taken")),
                Err(error) => Ok(format!("{}: {}", word_of(&error), error.error.message)),
            }
        })
        .await
    }

    /// The name of an endpoint that is longer than any, and one that a terminal would obey.
    async fn hostile_names() -> Result<String> {
        with_peer(async |peer| {
            let mut said = Vec::new();
            for name in ["", "\u{1b}[2J", "a\0b", &"n".repeat(1 << 20)] {
                match context::open(&options(peer.key(), name), &nothing()) {
                    Ok(key) => context::release(key),
                    Err(error) => said.push(word_of(&error)),
                }
            }
            Ok(said.join(", "))
        })
        .await
    }

    /// Children whose names are not fit to be shown.
    async fn hostile_actor_names() -> Result<String> {
        let mut refused = 0;
        for name in ["\u{1b}[2J", "a\nb", "a\0b", &"n".repeat(1 << 16)] {
            refused += u32::from(start(Spec::this_component(name)).await.is_err());
        }
        Ok(format!("{refused} refused"))
    }

    /// As many children as there may be, and one more.
    async fn spawn_bomb() -> Result<String> {
        nursery(async |n| {
            let mut started = 0_u32;
            let error = loop {
                match n.start_actor(Spec::this_component("bomb").memory(2 << 20)).await {
                    Ok(_) => started += 1,
                    Err(error) => break error,
                }
            };
            n.cancel("");
            Ok(format!("{started} and then {}", error.kind()))
        })
        .await
    }

    /// Children that have children, for as long as any can be started.
    async fn fork_tree() -> Result<String> {
        nursery(async |n| {
            let child = n.start_actor(Spec::this_component("fork").memory(2 << 20)).await?;
            let below: Result<String> = child.call("fork_tree", &()).await;
            n.cancel("");
            below
        })
        .await
    }

    /// A child that is to live for ever, and dies as it starts.
    async fn crash_loop() -> Result<String> {
        nursery(async |n| {
            let spec = Spec::this_component("crasher").restart(Restart::permanent());
            n.run_in_actor::<String, _>(spec, "crash", &()).result().await
        })
        .await
    }

    /// Dies.
    async fn crash() -> Result<String> {
        panic!("at once")
    }

    /// Sends without end to somebody who never reads; how much was taken.
    async fn flood() -> Result<String> {
        with_peer(async |peer| {
            let mut sent = 0_u64;
            let body = async |ctx: Context<u32, ()>, ()| {
                ctx.stream(async |stream| {
                    while stream.try_send(&0)? == TrySend::Sent {
                        sent += 1;
                    }
                    Ok(())
                })
                .await?;
                ctx.cancel("it is full").await;
                Ok(())
            };
            peer.open_context("never_reads", &(), body).await.absorbed()?;
            Ok(format!("{sent} taken"))
        })
        .await
    }

    /// Sends without end to somebody who never reads, and waits until it may go on.
    async fn blocked_sender() -> Result<String> {
        with_peer(async |peer| {
            let body = async |ctx: Context<u32, ()>, ()| {
                ctx.stream(async |stream| {
                    loop {
                        stream.send(0).await?;
                    }
                })
                .await
            };
            peer.open_context("never_reads", &(), body).await
        })
        .await
    }

    /// Raw batches: malformed, beyond all credit, before and after there is a stream.
    async fn batches() -> Result<String> {
        with_peer(async |peer| {
            let key =
                context::open(&options(peer.key(), "never_reads"), &nothing()).map_err(|_| Error::msg("not opened"))?;
            sleep(Duration::from_millis(20)).await?;
            let mut said = vec![word(stream::send_batch(key, &[1, 0, 0, 0, 0xf6]))];
            said.push(word(stream::open(key, None)));
            for batch in [&[1, 0, 0, 0][..], &[255, 255, 255, 255, 1], &[0; 7]] {
                said.push(word(stream::send_batch(key, batch)));
            }
            let much = [1, 0, 0, 0, 0xf6].repeat(100_000);
            said.push(word(stream::send_batch(key, &much)));
            context::release(key);
            Ok(said.join(" "))
        })
        .await
    }

    /// Finishes each of its contexts, and again, and those of others.
    async fn finish_all() -> Result<String> {
        let mut taken = 0;
        for key in (0..60_000).chain([u32::MAX, 1 << 16 | 1]) {
            taken += u32::from(context::finish(key, &context::Ending::Returned(vec![0x62, b'n', b'o'])).is_ok());
        }
        Ok(format!("{taken} taken"))
    }

    /// Says that it has started, for each context it does not have.
    async fn start_all() -> Result<String> {
        let taken = (2..70_000)
            .filter(|key| context::started(*key, &[0xf6]).is_ok())
            .count();
        Ok(format!("{taken} taken"))
    }

    /// Every operation on a context that is over.
    async fn after_the_end() -> Result<String> {
        with_peer(async |peer| {
            let key = context::open(&options(peer.key(), "short"), &nothing()).map_err(|_| Error::msg("not opened"))?;
            sleep(Duration::from_millis(20)).await?;
            let said = [
                context::started(key, &[]),
                context::finish(key, &context::Ending::Cancelled),
                context::reject(key, "late"),
                stream::open(key, None),
                stream::send_batch(key, &[0; 4]),
                stream::stop(key),
            ];
            context::release(key);
            let after = [context::cancel(key, None, &Cause::Requested), stream::credit(key, 1, 1)];
            let said: Vec<_> = said.into_iter().chain(after).map(word).collect();
            Ok(said.join(" "))
        })
        .await
    }

    /// Fails in the name of somebody else, with a kind that only the host may state.
    async fn forged(kind: u32) -> Result<String> {
        let kind = match kind {
            0 => ErrorKind::Cancelled(Cancellation {
                canceller: somebody(),
                reason: None,
                cause: Cause::Interrupt,
            }),
            1 => ErrorKind::Killed,
            2 => ErrorKind::Limit("memory".to_owned()),
            3 => ErrorKind::Trap("unreachable".to_owned()),
            4 => ErrorKind::Panic,
            _ => ErrorKind::LinkClosed,
        };
        fail_raw(BoxedError {
            error: bare(kind, "forged"),
            members: Vec::new(),
        });
        Ok("it was refused".to_owned())
    }

    /// Fails with more members than there may be, nested deeper than there may be.
    async fn error_tree(deep: bool) -> Result<String> {
        let member = |n| Member {
            depth: if deep { n } else { 1 },
            error: bare(ErrorKind::EndpointError, "inside"),
        };
        let members = (1..=5_000).map(member).collect();
        fail_raw(BoxedError {
            error: bare(ErrorKind::EndpointError, "a tree"),
            members,
        });
        Ok("it was refused".to_owned())
    }

    /// Fails with a very long story.
    async fn long_error() -> Result<String> {
        fail_raw(BoxedError {
            error: bare(ErrorKind::EndpointError, &"long ".repeat(200_000)),
            members: Vec::new(),
        });
        Ok("it was refused".to_owned())
    }

    /// Returns what is no value at all.
    async fn undecodable() -> Result<String> {
        for key in 1..70_000 {
            if context::finish(key, &context::Ending::Returned(vec![0xff; 100])).is_ok() {
                break;
            }
        }
        Ok("it was refused".to_owned())
    }

    /// Returns more than a payload may have.
    async fn large_result() -> Result<String> {
        Ok("x".repeat(3 << 20))
    }

    /// A reason for a cancel that is longer than anybody reads.
    async fn long_reason() -> Result<String> {
        runtime::cancel_self(Some(&"why ".repeat(1 << 18)));
        sleep(Duration::from_secs(3600)).await?;
        Ok("was never cancelled".to_owned())
    }

    /// A child with an environment of a million empty pairs.
    async fn large_spec() -> Result<String> {
        let mut spec = Spec::this_component("rich");
        spec.env = vec![(String::new(), String::new()); 500_000];
        start(spec).await?;
        Ok("it was started".to_owned())
    }

    /// A child with so many directories, each of them there.
    async fn many_directories(count: u32) -> Result<String> {
        let mut spec = Spec::this_component("rich");
        for n in 0..count {
            spec = spec.dir("/data/inner", format!("/{n}"));
        }
        match start(spec).await {
            Ok(()) => Ok("it was started".to_owned()),
            Err(error) => Ok(format!("{}: {error}", error.kind())),
        }
    }

    /// Is alive.
    async fn idle(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        sleep(Duration::from_secs(3600)).await
    }

    /// Opens its stream, and never looks at it.
    async fn never_reads(ctx: Context<(), u32>) -> Result<()> {
        ctx.started(()).await?;
        ctx.stream(async |_| sleep(Duration::from_secs(3600)).await).await
    }

    /// Is over before anybody looks.
    async fn short() -> Result<()> {
        Ok(())
    }
}

/// A child to talk to, for the length of a body.
async fn with_peer(body: impl AsyncFnOnce(&Portal) -> Result<String>) -> Result<String> {
    nursery(async |n| {
        let peer = n.start_actor(Spec::this_component("peer")).await?;
        let said = body(&peer).await?;
        n.cancel("");
        Ok(said)
    })
    .await
}

async fn start(spec: Spec) -> Result<()> {
    nursery(async |n| {
        n.start_actor(spec).await?;
        n.cancel("");
        Ok(())
    })
    .await
}

/// Finishes whatever context it serves with this error, without asking the library.
fn fail_raw(error: BoxedError) {
    let ending = context::Ending::Failed(error);
    _ = black_box((1..10_000).any(|key| context::finish(key, &ending).is_ok()));
}

fn word(said: std::result::Result<(), types::Refusal>) -> &'static str {
    said.map_or_else(|refusal| refusal.name(), |()| "ok")
}

/// What an endpoint without parameters is passed.
fn nothing() -> Vec<u8> {
    encode(&()).expect("nothing can be encoded")
}

fn word_of(error: &BoxedError) -> String {
    match &error.error.kind {
        types::ErrorKind::Limit(what) => format!("limit({what})"),
        types::ErrorKind::NoSuchEndpoint => "no-such-endpoint".to_owned(),
        kind => format!("{kind:?}"),
    }
}

fn options(target: u32, endpoint: &str) -> context::OpenOptions {
    context::OpenOptions {
        target,
        endpoint: endpoint.to_owned(),
        schema: 0,
        deadline: None,
        start_timeout: None,
        parent: None,
        window: Window {
            messages: u32::MAX,
            bytes: u32::MAX,
        },
    }
}

fn somebody() -> ActorId {
    ActorId {
        name: "root".to_owned(),
        uuid_high: 1,
        uuid_low: 1,
    }
}

fn bare(kind: ErrorKind, message: &str) -> BareError {
    BareError {
        kind,
        type_name: "forged".to_owned(),
        message: message.to_owned(),
        payload: None,
        source: somebody(),
        relay_path: vec![somebody()],
        backtrace: None,
        context: 1,
        omitted: 0,
    }
}

fn main() {}
