//! Actors that are started, idle, cancelled and killed: what has no equal in native tokio.

use std::time::{Duration, Instant};

use steading::config::Workers;
use steading::{Code, Context, Error, Host, Portal, Restart, Result, Spec, nursery};

use crate::bench::{Bench, builder, with_nursery};
use crate::report::{Bound, Row, Samples, Unit};

/// Actors in the same nursery one after the other, before it is left.
const BATCH: u32 = 100;

/// From the order to start to the last of it: store, WASI, limits, a first call answered, the end.
pub(crate) async fn spawn(bench: &Bench) -> Result<Row> {
    let samples = cycles(bench, async |portal| {
        portal.call::<u64, _>("add", &(20u64, 22u64)).await.map(drop)
    })
    .await?;
    Ok(row("spawn, first call, end", &samples, 25.0, Some(60.0)))
}

/// The same without a call: no turn is taken.
pub(crate) async fn bare_spawn(bench: &Bench) -> Result<Row> {
    let samples = cycles(bench, async |_| Ok(())).await?;
    Ok(row("spawn, end", &samples, 25.0, None))
}

async fn cycles(bench: &Bench, body: impl AsyncFn(&Portal) -> Result<()>) -> Result<Samples> {
    let mut samples = Samples::default();
    for batch in 0..bench.options.scaled(20) {
        let times = with_nursery(&bench.host, async |nursery| {
            let mut times = Vec::new();
            for _ in 0..BATCH {
                let start = Instant::now();
                let portal = nursery.start_actor(bench.code.spec("actor")).await?;
                body(&portal).await?;
                portal.cancel_actor("").await?;
                times.push(start.elapsed());
            }
            Ok(times)
        })
        .await?;
        // The first batch warms up.
        times
            .into_iter()
            .filter(|_| batch > 0)
            .for_each(|time| samples.push(time.as_nanos() as f64));
    }
    Ok(samples)
}

/// What each of a thousand more actors adds to the resident memory, having answered a call.
pub(crate) async fn idle(bench: &Bench) -> Result<Row> {
    const ACTORS: u32 = 1_000;
    let host = builder().build()?;
    let code = host.load(&bench.component)?;
    let bytes = with_nursery(&host, async |nursery| {
        let crowd = async |count| {
            for _ in 0..count {
                let portal = nursery.start_actor(code.spec("actor")).await?;
                portal.call::<u64, _>("add", &(20u64, 22u64)).await?;
            }
            Ok::<_, Error>(resident())
        };
        // Before the first there are pools and arenas to fill.
        let before = crowd(200).await?;
        Ok(crowd(ACTORS).await? - before)
    })
    .await?;
    let value = bytes / f64::from(ACTORS) / 1024.0;
    let ours = format!("{ACTORS} actors: {:.1} MiB", bytes / f64::from(1 << 20));
    Ok(Row {
        name: "idle actor",
        value,
        unit: Unit::KiB,
        ours,
        native: String::new(),
        target: Bound::Most(40.0),
        demand: None,
    })
}

/// Bytes of this process in memory, as far as the kernel says.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok());
    kilobytes.unwrap_or(f64::NAN) * 1024.0
}

/// From the request to the answer of a task that waits.
pub(crate) async fn cancel(bench: &Bench) -> Result<Row> {
    let mut samples = Samples::default();
    bench
        .with_actor(async |portal| {
            for _ in 0..bench.options.scaled(4_000) {
                let time = cancelled_in(portal, "wait", Duration::ZERO).await?;
                samples.push(time.as_nanos() as f64);
            }
            Ok(())
        })
        .await?;
    Ok(tail("cancel, acknowledged", &samples, 1_000.0))
}

/// The same while small messages fill both directions of the task's stream, as many as are granted.
pub(crate) async fn cancel_in_flood(bench: &Bench) -> Result<Row> {
    let mut samples = Samples::default();
    let mut received = 0;
    bench
        .with_actor(async |portal| {
            for _ in 0..bench.options.scaled(1_000) {
                let (time, count) = cancelled_in_flood(portal).await?;
                samples.push(time.as_nanos() as f64);
                received += count;
            }
            Ok(())
        })
        .await?;
    if received < 64 * u64::from(bench.options.scaled(1_000)) {
        return Err(Error::msg("there was no flood"));
    }
    Ok(tail("cancel in a flood, acknowledged", &samples, 1_000.0))
}

/// How long it took, and how many messages came before.
async fn cancelled_in_flood(portal: &Portal) -> Result<(Duration, u64)> {
    let (mut time, mut received) = (Duration::MAX, 0);
    let flood = async |ctx: Context<u64, u64>, ()| {
        ctx.stream(async |numbers| {
            let send = async {
                for n in 0.. {
                    numbers.send(n).await?;
                }
                Ok::<_, Error>(())
            };
            let receive = async {
                while numbers.next().await?.is_some() {
                    received += 1;
                }
                Ok::<_, Error>(())
            };
            let cancel = async {
                steading::sleep(Duration::from_millis(2)).await?;
                let start = Instant::now();
                ctx.cancel("").await;
                ctx.ended().await?;
                time = start.elapsed();
                Ok(())
            };
            // What the cancel does to the messages is not what is measured.
            let (_, _, end) = futures_util::join!(send, receive, cancel);
            end
        })
        .await
    };
    let end: Result<()> = portal.open_context("flood", &(), flood).await;
    end.or_else(|error| if time < Duration::MAX { Ok(()) } else { Err(error) })?;
    Ok((time, received))
}

/// From the request to the death of a guest that computes without end, on a ladder without patience.
pub(crate) async fn kill(bench: &Bench) -> Result<Row> {
    let host = builder().cancel_grace(Duration::ZERO).build()?;
    let code = host.load(&bench.component)?;
    let mut samples = Samples::default();
    for _ in 0..bench.options.scaled(1_000) {
        let time = with_nursery(&host, async |_| spinner_dead(code.spec("spinner")).await).await?;
        samples.push(time.as_nanos() as f64);
    }
    Ok(tail("cancel, spinning guest dead", &samples, 2_000.0))
}

/// A nursery of its own, for the death of the actor is the failure of its nursery.
async fn spinner_dead(spec: Spec) -> Result<Duration> {
    let mut time = Duration::MAX;
    let end: Result<()> = nursery(async |nursery| {
        let portal = nursery.start_actor(spec).await?;
        let end = cancelled_in(&portal, "spin", Duration::from_millis(3)).await;
        time = end?;
        Ok(())
    })
    .await;
    end.or_else(|error| if time < Duration::MAX { Ok(()) } else { Err(error) })?;
    Ok(time)
}

/// Guests that compute without end beside what is measured, on as many threads as the machine has.
const CROWD: usize = 100;

/// Runs `body` beside the crowd.
async fn crowded<T>(bench: &Bench, body: impl AsyncFnOnce(&Code) -> Result<T>) -> Result<T> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let host = builder().workers(Workers::Dedicated(threads)).children(200);
    let host = host.cancel_grace(Duration::ZERO).build()?;
    let code = host.load(&bench.component)?;
    let mut value = None;
    let end: Result<()> = host
        .root(async |nursery| {
            for _ in 0..CROWD {
                drop(nursery.run_in_actor::<(), _>(code.spec("spinner"), "spin", &()));
            }
            steading::sleep(Duration::from_millis(500)).await?;
            let before = computed(&host);
            let start = Instant::now();
            value = Some(body(&code).await?);
            check_crowd(computed(&host).saturating_sub(before), start.elapsed())?;
            nursery.cancel("measured");
            Ok(())
        })
        .await;
    // The spinners were ended by force, which is how their calls failed.
    value.ok_or_else(|| end.err().unwrap_or_else(|| Error::msg("nothing was measured")))
}

/// Processor time of the crowd, if all of it is there.
fn computed(host: &Host) -> Duration {
    let actors = host.snapshot().actors;
    let crowd = actors.iter().filter(|actor| &*actor.id.name == "spinner");
    crowd.map(|spinner| spinner.cpu).sum()
}

/// What was measured beside a crowd that rests says nothing of one that computes.
fn check_crowd(computed: Duration, within: Duration) -> Result<()> {
    match computed > within / 2 {
        true => Ok(()),
        false => Err(Error::msg(format!(
            "the crowd has computed {computed:?} within {within:?}"
        ))),
    }
}

/// From a call to its answer, beside guests that compute without end.
pub(crate) async fn call_in_crowd(bench: &Bench) -> Result<Row> {
    let samples = crowded(bench, async |code| {
        nursery(async |nursery| {
            let portal = nursery.start_actor(code.spec("echo")).await?;
            let mut samples = Samples::default();
            for _ in 0..bench.options.scaled(400) {
                // Back to back, they would keep a thread to themselves.
                steading::sleep(Duration::from_millis(2)).await?;
                let start = Instant::now();
                portal.call::<u64, _>("add", &(20u64, 22u64)).await?;
                samples.push(start.elapsed().as_nanos() as f64);
            }
            nursery.cancel("measured");
            Ok(samples)
        })
        .await
    })
    .await?;
    Ok(tail("call beside 100 spinning guests", &samples, 20_000.0))
}

/// As [`kill`], beside others that do the same.
pub(crate) async fn kill_in_crowd(bench: &Bench) -> Result<Row> {
    let samples = crowded(bench, async |code| {
        let mut samples = Samples::default();
        for _ in 0..bench.options.scaled(1_000) {
            samples.push(spinner_dead(code.spec("spinner")).await?.as_nanos() as f64);
        }
        Ok(samples)
    })
    .await?;
    Ok(tail("cancel beside 100, spinning guest dead", &samples, 10_000.0))
}

/// Opens a context, cancels it after a while, and waits for its end.
async fn cancelled_in(portal: &Portal, endpoint: &str, after: Duration) -> Result<Duration> {
    let mut time = Duration::MAX;
    let end: Result<()> = portal
        .open_context(endpoint, &(), async |ctx: Context<(), ()>, ()| {
            if !after.is_zero() {
                steading::sleep(after).await?;
            }
            let start = Instant::now();
            ctx.cancel("").await;
            ctx.ended().await?;
            time = start.elapsed();
            Ok(())
        })
        .await;
    end.or_else(|error| if time < Duration::MAX { Ok(()) } else { Err(error) })?;
    Ok(time)
}

/// From the order to fail to the moment when the nursery has raised it.
pub(crate) async fn failure(bench: &Bench) -> Result<Row> {
    const CHILDREN: usize = 25;
    let mut samples = Samples::default();
    with_nursery(&bench.host, async |_| {
        for _ in 0..bench.options.scaled(200) {
            let mut start = Instant::now();
            let end: Result<()> = nursery(async |nursery| {
                let mut children = Vec::new();
                for _ in 0..CHILDREN {
                    let child = nursery.start_actor(bench.code.spec("child")).await?;
                    child.call::<u64, _>("add", &(20u64, 22u64)).await?;
                    children.push(child);
                }
                start = Instant::now();
                children[CHILDREN / 2].call("fail", &()).await
            })
            .await;
            let time = start.elapsed();
            match end {
                Err(error) if error.message() == "as ordered" => samples.push(time.as_nanos() as f64),
                Err(error) => return Err(error),
                Ok(()) => return Err(Error::msg("a nursery must raise what its child raised")),
            }
        }
        Ok(())
    })
    .await?;
    Ok(row(
        "one of 25 children fails, nursery has raised",
        &samples,
        1_000.0,
        None,
    ))
}

/// From the order to crash to the moment when the next in its place is up: when the crash is heard of, most of
/// that is done.
pub(crate) async fn restart(bench: &Bench) -> Result<Row> {
    let mut samples = Samples::default();
    let always = Restart::permanent()
        .intensity(u32::MAX, Duration::from_millis(1))
        .backoff(Duration::ZERO, Duration::ZERO);
    with_nursery(&bench.host, async |nursery| {
        let mut child = nursery.start_actor(bench.code.spec("phoenix").restart(always)).await?;
        for _ in 0..bench.options.scaled(500) {
            child.call::<u64, _>("add", &(20u64, 22u64)).await?;
            let start = Instant::now();
            let Err(error) = child.call::<(), _>("crash", &()).await else {
                return Err(Error::msg("a child that crashes cannot answer"));
            };
            child = child.successor().await.map_err(|_| error)?;
            samples.push(start.elapsed().as_nanos() as f64);
        }
        child.cancel_actor("").await.map(drop)
    })
    .await?;
    Ok(row("child crashes, the next one is up", &samples, 200.0, None))
}

/// From the request to the moment when nothing is left of a hundred chains of ten.
pub(crate) async fn tree(bench: &Bench) -> Result<Row> {
    const CHAINS: usize = 100;
    const DEPTH: usize = 10;
    let mut samples = Samples::default();
    for _ in 0..bench.options.rounds() {
        let mut start = Instant::now();
        let end: Result<()> = bench
            .host
            .root(async |nursery| {
                for _ in 0..CHAINS {
                    drop(nursery.run_in_actor::<(), _>(bench.code.spec("chain"), "chain", &(DEPTH - 1)));
                }
                while bench.host.snapshot().actors.len() <= CHAINS * DEPTH {
                    steading::sleep(Duration::from_millis(1)).await?;
                }
                start = Instant::now();
                nursery.cancel("enough");
                Ok(())
            })
            .await;
        samples.push(start.elapsed().as_nanos() as f64);
        end.or_else(|error| if error.is_cancelled() { Ok(()) } else { Err(error) })?;
    }
    let value = samples.median() / 1e6;
    let ours = samples.percentiles();
    let target = Bound::Most(80.0);
    Ok(Row {
        name: "1 000 actors, depth 10, cancelled",
        value,
        unit: Unit::Millis,
        ours,
        native: String::new(),
        target,
        demand: None,
    })
}

/// Loading a component that was compiled before.
pub(crate) fn load(bench: &Bench) -> Result<Row> {
    let mut samples = Samples::default();
    for _ in 0..bench.options.scaled(200) {
        let start = Instant::now();
        let code = bench.host.load(&bench.component)?;
        samples.push(start.elapsed().as_nanos() as f64);
        if !code.is_cached() {
            return Err(Error::msg("the component was not in the cache"));
        }
    }
    Ok(row("load from the compile cache", &samples, 500.0, None))
}

/// Judged by its median.
fn row(name: &'static str, samples: &Samples, target: f64, demand: Option<f64>) -> Row {
    Row {
        name,
        value: samples.median() / 1e3,
        unit: Unit::Micros,
        ours: samples.percentiles(),
        native: String::new(),
        target: Bound::Most(target),
        demand: demand.map(Bound::Most),
    }
}

/// Judged by its 99th percentile, of which twice the target is too much on any machine.
fn tail(name: &'static str, samples: &Samples, target: f64) -> Row {
    Row {
        value: samples.quantile(0.99) / 1e3,
        ..row(name, samples, target, Some(2.0 * target))
    }
}
