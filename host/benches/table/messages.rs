//! Messages on streams, and calls: what has an equal in native tokio.

use steading::Result;

use crate::bench::Bench;
use crate::native;
use crate::report::{Bound, Rounds, Row, Unit, time};

pub(crate) async fn round_trip(bench: &Bench) -> Result<Row> {
    let rounds = bench.conduct("round_trips", &(), 20_000, native::round_trips).await?;
    Ok(row("round trip 32 B", &rounds, 7.0, Some(10.0)))
}

/// Both sides have the same window.
pub(crate) async fn small(bench: &Bench, window: u32) -> Result<Row> {
    let rounds = bench
        .conduct("small_messages", &window, 400_000, |count| {
            native::small_messages(window, count)
        })
        .await?;
    let (name, demand) = match window {
        native::WINDOW => ("one way 32 B", Some(1.5)),
        _ => ("one way 32 B, window 256", None),
    };
    Ok(Row {
        ours: rate(rounds.ours.median()),
        native: rate(rounds.native.median()),
        ..row(name, &rounds, 0.5, demand)
    })
}

pub(crate) async fn kilobyte(bench: &Bench) -> Result<Row> {
    let rounds = bench
        .conduct("large_messages", &1024, 200_000, |count| {
            native::large_messages(1024, count)
        })
        .await?;
    Ok(Row {
        ours: throughput(1024, rounds.ours.median()),
        native: throughput(1024, rounds.native.median()),
        ..row("one way 1 KiB", &rounds, 1.0, None)
    })
}

pub(crate) async fn large(bench: &Bench) -> Result<Row> {
    const SIZE: usize = 64 << 10;
    let rounds = bench
        .conduct("large_messages", &SIZE, 10_000, |count| {
            native::large_messages(SIZE, count)
        })
        .await?;
    Ok(Row {
        name: "one way 64 KiB",
        value: SIZE as f64 / rounds.ours.median(),
        unit: Unit::GigabytesPerSecond,
        ours: format!("{} ({})", throughput(SIZE, rounds.ours.median()), rounds.spread()),
        native: throughput(SIZE, rounds.native.median()),
        target: Bound::Least(15.0),
        demand: None,
    })
}

pub(crate) async fn calls(bench: &Bench, window: u32) -> Result<Row> {
    let rounds = bench
        .conduct("calls", &window, 20_480, |count| native::calls(window, count))
        .await?;
    let (name, target) = match window {
        1 => ("call, window 1", 2.5),
        _ => ("call, window 64", 1.5),
    };
    Ok(row(name, &rounds, target, None))
}

pub(crate) async fn contexts(bench: &Bench, window: u32) -> Result<Row> {
    let rounds = bench
        .conduct("contexts", &window, 20_480, |count| native::calls(window, count))
        .await?;
    let (name, target) = match window {
        1 => ("open, started, return, window 1", 2.5),
        _ => ("open, started, return, window 64", 1.5),
    };
    Ok(row(name, &rounds, target, None))
}

fn row(name: &'static str, rounds: &Rounds, target: f64, demand: Option<f64>) -> Row {
    Row {
        name,
        value: rounds.ratio.median(),
        unit: Unit::Ratio,
        ours: format!("{} ({})", time(rounds.ours.median()), rounds.spread()),
        native: time(rounds.native.median()),
        target: Bound::Most(target),
        demand: demand.map(Bound::Most),
    }
}

fn rate(nanoseconds: f64) -> String {
    format!("{:.1} M msg/s", 1e3 / nanoseconds)
}

fn throughput(size: usize, nanoseconds: f64) -> String {
    format!(
        "{:.2} M msg/s, {:.2} GB/s",
        1e3 / nanoseconds,
        size as f64 / nanoseconds
    )
}
