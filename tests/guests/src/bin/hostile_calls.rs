//! Calls every import of its world in a tight loop: once with keys that are its own, once with anything else.

use std::hint::black_box;

use steading_guest::bindings::steading::actor::types::{ActorId, Cause, Window};
use steading_guest::bindings::steading::actor::types::{
    BareError, BoxedError, Cancellation, ErrorKind, Member, Policy,
};
use steading_guest::bindings::steading::actor::{context, log, nursery, runtime, stream};
use steading_guest::{Context, Error, Result, encode, sleep};

#[path = "../babble.rs"]
mod babble;

struct Calls;

/// Knocks at every door, as fast as it can.
#[steading_guest::actor]
impl Calls {
    /// With its own context, nursery and child.
    async fn own(name: String) -> Result<String> {
        let nursery = nursery::open(None, rules()).map_err(|_| Error::msg("no nursery"))?;
        let portal = nursery::spawn(nursery, &spec("victim")).map_err(|error| Error::msg(error.error.message))?;
        let context = context::open(&options(portal, "idle"), &nothing()).map_err(|e| Error::msg(e.error.message))?;
        // The child comes up, and has begun.
        sleep(std::time::Duration::from_millis(20)).await?;
        let keys = Keys {
            context,
            nursery,
            portal,
        };
        let calls = knock(&name, |_| keys)?;
        context::release(context);
        nursery::cancel(nursery, None, &Cause::Requested);
        nursery::close(nursery);
        Ok(calls)
    }

    /// With keys that it has made up.
    async fn foreign(name: String) -> Result<String> {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        knock(&name, |n| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let made_up = match n % 4 {
                // Those that are likely: low indices, low generations.
                0 => (seed % 300) as u32 | ((seed >> 32) as u32 % 3) << 16,
                1 => u32::MAX - (n % 3),
                2 => 1 << (n % 32),
                _ => seed as u32,
            };
            // Its own task's key has not been guessed before it is over, or nobody would hear of it.
            let context = if made_up == 1 { 2 } else { made_up };
            Keys {
                context,
                nursery: made_up,
                portal: made_up.max(1),
            }
        })
    }

    /// Calls anything with anything, in an order that a number decides: its own keys, those of others and of nothing,
    /// and bytes that are no values.
    async fn babble(seed: u64) -> Result<String> {
        babble::run(seed).await
    }

    /// Opens and closes what answers each time.
    async fn churn_nurseries() -> Result<String> {
        while let Ok(nursery) = nursery::open(None, rules()) {
            nursery::close(nursery);
        }
        Ok("refused".to_owned())
    }

    /// Waits to be released.
    async fn idle(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        sleep(std::time::Duration::from_secs(3600)).await
    }
}

#[derive(Clone, Copy)]
struct Keys {
    context: u32,
    nursery: u32,
    portal: u32,
}

/// Calls until it is stopped; what leaves nothing behind and is not counted, for a tenth of a second.
fn knock(name: &str, mut keys: impl FnMut(u32) -> Keys) -> Result<String> {
    let is_free = name.starts_with("log.") || name.starts_with("runtime.");
    let until = if is_free {
        runtime::now() + 100_000_000
    } else {
        u64::MAX
    };
    let mut calls = 0_u32;
    while runtime::now() < until {
        for _ in 0..64 {
            call(name, keys(calls))?;
            calls += 1;
        }
    }
    Ok(format!("called {name}"))
}

fn call(
    name: &str,
    Keys {
        context: c,
        nursery: n,
        portal: p,
    }: Keys,
) -> Result<()> {
    let (reason, cause) = (Some("\u{1b}[2J\n"), Cause::Interrupt);
    match name {
        "context.open" => drop(black_box(context::open(&options(p, "idle"), &nothing()))),
        "context.open-granting" => drop(black_box(context::open_granting(&options(p, "idle"), &[], &nothing()))),
        "context.granted" => drop(black_box(context::granted(c, "\u{1b}[2J\n"))),
        "context.started" => drop(black_box(context::started(c, &[0xf6]))),
        "context.finish" => drop(black_box(context::finish(c, &context::Ending::Cancelled))),
        "context.cancel" => drop(black_box(context::cancel(c, reason, &cause))),
        "context.reject" => drop(black_box(context::reject(c, "\u{1b}[2J\n"))),
        "context.release" => context::release(c),
        "stream.open" => drop(black_box(stream::open(c, Some(flow())))),
        "stream.send-batch" => drop(black_box(stream::send_batch(c, &[1, 0, 0, 0, 0xf6]))),
        "stream.credit" => drop(black_box(stream::credit(c, u32::MAX, u32::MAX))),
        "stream.stop" => drop(black_box(stream::stop(c))),
        "nursery.open" => drop(black_box(nursery::open(None, rules()))),
        "nursery.spawn" => drop(black_box(nursery::spawn(n, &spec("\u{1b}[31m")))),
        "nursery.cancel" => nursery::cancel(n, reason, &cause),
        "nursery.close" => nursery::close(n),
        "nursery.child-done" => drop(black_box(nursery::child_done(p, Some(&forged())))),
        "nursery.cancel-actor" => drop(black_box(nursery::cancel_actor(p, reason))),
        "nursery.kill-actor" => drop(black_box(nursery::kill_actor(p))),
        "log.write" => log::write(
            log::Level::Error,
            "\u{1b}[2J",
            "\u{1b}[2J\n",
            &[("\n".to_owned(), "\r".to_owned())],
        ),
        "log.enabled" => drop(black_box(log::enabled())),
        "runtime.self-id" => drop(black_box(runtime::self_id())),
        "runtime.now" => drop(black_box(runtime::now())),
        "runtime.parallelism" => drop(black_box(runtime::parallelism())),
        "runtime.wake-at" => runtime::wake_at(u64::from(c)),
        "runtime.panicked" => runtime::panicked("\u{1b}[2J\n", "nowhere"),
        "runtime.cancel-self" => runtime::cancel_self(reason),
        "runtime.on-exit" => drop(black_box(runtime::on_exit())),
        "runtime.exited" => runtime::exited(Some(&forged())),
        other => return Err(Error::msg(format!("no way to call {other}"))),
    }
    Ok(())
}

/// What an endpoint without parameters is passed.
fn nothing() -> Vec<u8> {
    encode(&()).expect("nothing can be encoded")
}

fn rules() -> nursery::Supervision {
    nursery::Supervision {
        strategy: nursery::Strategy::OneForOne,
        intensity: None,
    }
}

fn spec(name: &str) -> nursery::ActorSpec {
    nursery::ActorSpec {
        name: name.to_owned(),
        component: nursery::Component::This,
        endpoints: None,
        directories: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        memory: None,
        restart: nursery::Restart {
            when: nursery::RestartWhen::Temporary,
            intensity: nursery::Intensity { restarts: 0, period: 0 },
            backoff_first: 0,
            backoff_most: 0,
            on: Vec::new(),
        },
        log_level: None,
        budget: nursery::Budget {
            memory: None,
            actors: None,
            cpu: None,
        },
        components: None,
        children: None,
        clock: None,
        seed: None,
        stdin: None,
        stdout: None,
        stderr: None,
        contexts: None,
        log_rate: None,
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

fn flow() -> stream::Flow {
    stream::Flow {
        policy: Policy::DropOldest,
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

fn forged() -> BoxedError {
    let canceller = Cancellation {
        canceller: somebody(),
        reason: None,
        cause: Cause::Interrupt,
    };
    let bare = BareError {
        kind: ErrorKind::Cancelled(canceller),
        type_name: "forged".to_owned(),
        message: "forged".to_owned(),
        payload: None,
        source: somebody(),
        relay_path: vec![somebody()],
        backtrace: None,
        context: 1,
        omitted: 0,
    };
    BoxedError {
        members: vec![Member {
            depth: 7,
            error: bare.clone(),
        }],
        error: bare,
    }
}

fn main() {}
