//! The speed of steading, next to native tokio on the same machine in the same minute.
//!
//! Prints the table of the design, section 6. Every row that native tokio has an equal for alternates
//! with it in rounds, and its figure is the median of the ratios of neighbouring rounds: a machine that
//! others use is slower for both. See `native.rs` for what exactly it is compared with.

mod bench;
mod lifecycle;
mod messages;
mod native;
mod options;
mod report;

use std::pin::Pin;
use std::process::ExitCode;

use bench::Bench;
use options::Options;
use report::Row;
use steading::Result;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    let check = options.check;
    match runtime(options.threads).and_then(|runtime| run(options, &runtime)) {
        Ok(rows) if check && !rows.iter().all(Row::is_met) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    Ok(builder.worker_threads(threads.max(1)).enable_time().build()?)
}

fn run(options: Options, runtime: &tokio::runtime::Runtime) -> Result<Vec<Row>> {
    let component = bench::build_guest()?;
    runtime.block_on(async {
        let bench = Bench::new(component, options)?;
        let rows = measure(&bench).await?;
        if bench.options.json {
            println!("{}", report::json(&rows));
        }
        bench.host.wait_quiescent().await;
        Ok(rows)
    })
}

type Measurement<'a> = Pin<Box<dyn Future<Output = Result<Row>> + 'a>>;

async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let all: [(&str, Measurement<'_>); 21] = [
        ("round trip", Box::pin(messages::round_trip(bench))),
        ("one way 32 B", Box::pin(messages::small(bench, 64))),
        ("one way 32 B, window 256", Box::pin(messages::small(bench, 256))),
        ("one way 1 KiB", Box::pin(messages::kilobyte(bench))),
        ("one way 64 KiB", Box::pin(messages::large(bench))),
        ("open 1", Box::pin(messages::contexts(bench, 1))),
        ("open 64", Box::pin(messages::contexts(bench, 64))),
        ("call 1", Box::pin(messages::calls(bench, 1))),
        ("call 64", Box::pin(messages::calls(bench, 64))),
        ("spawn and call", Box::pin(lifecycle::spawn(bench))),
        ("spawn", Box::pin(lifecycle::bare_spawn(bench))),
        ("idle", Box::pin(lifecycle::idle(bench))),
        ("cancel", Box::pin(lifecycle::cancel(bench))),
        ("cancel in a flood", Box::pin(lifecycle::cancel_in_flood(bench))),
        ("kill", Box::pin(lifecycle::kill(bench))),
        ("kill in a crowd", Box::pin(lifecycle::kill_in_crowd(bench))),
        ("call in a crowd", Box::pin(lifecycle::call_in_crowd(bench))),
        ("failure", Box::pin(lifecycle::failure(bench))),
        ("restart", Box::pin(lifecycle::restart(bench))),
        ("tree", Box::pin(lifecycle::tree(bench))),
        ("load", Box::pin(async { lifecycle::load(bench) })),
    ];
    if !bench.options.json {
        println!("{}", report::HEAD);
    }
    let mut rows = Vec::new();
    for (_, measurement) in all.into_iter().filter(|(name, _)| bench.options.wants(name)) {
        let row = measurement.await?;
        if !bench.options.json {
            println!("{}", row.markdown());
        }
        rows.push(row);
    }
    Ok(rows)
}
