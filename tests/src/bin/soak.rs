//! The endurance run as a command: `cargo run --release -p steading-tests --bin soak -- [--lives N] [--trees N]
//! [--restarts N] [--children N]`. Prints the figures, and fails when a bound is broken.
//!
//! With `--crowd N [--profile latency|density]` it starts so many actors at once instead, and prints what each takes.

use std::process::ExitCode;

use peak_alloc::PeakAlloc;
use steading::config::Profile;
use steading::{Error, Result};
use steading_tests::crowd;
use steading_tests::host;
use steading_tests::soak::{Bounds, Plan, run};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A byte for each life, and the mappings that an allocator may split.
const BOUNDS: Bounds = Bounds {
    heap: 1024.0,
    resident: 1024.0,
    maps: 16,
};

fn main() -> ExitCode {
    match soak() {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn soak() -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    if let Some((actors, profile)) = crowd_of(&std::env::args().skip(1).collect::<Vec<_>>())? {
        let crowd = runtime.block_on(crowd::run(profile, actors, || MEMORY.current_usage()))?;
        println!("{crowd}");
        return Ok(Vec::new());
    }
    let plan = plan(std::env::args().skip(1))?;
    // A pool so small that all of it has been used when the warm-up is over: its slots keep their pages.
    let host = || host().max_actors(64).build();
    let stages = runtime.block_on(async { run(&host()?, plan, || MEMORY.current_usage()).await })?;
    stages.iter().for_each(|stage| println!("{stage}"));
    Ok(stages.iter().flat_map(|stage| stage.faults(&BOUNDS)).collect())
}

/// How large a crowd is asked for, if one is.
fn crowd_of(args: &[String]) -> Result<Option<(u32, Profile)>> {
    let profile = |name: &str| match name {
        "latency" => Ok(Profile::Latency),
        "density" => Ok(Profile::Density),
        other => Err(Error::msg(format!("no such profile: {other}"))),
    };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Ok(match *args.as_slice() {
        ["--crowd", actors] => Some((actors.parse()?, Profile::default())),
        ["--crowd", actors, "--profile", name] => Some((actors.parse()?, profile(name)?)),
        _ => None,
    })
}

fn plan(mut args: impl Iterator<Item = String>) -> Result<Plan> {
    let mut plan = Plan {
        lives: 100_000,
        trees: 1_000,
        restarts: 20_000,
        children: 20_000,
    };
    while let Some(option) = args.next() {
        let count = match option.as_str() {
            "--lives" => &mut plan.lives,
            "--trees" => &mut plan.trees,
            "--restarts" => &mut plan.restarts,
            "--children" => &mut plan.children,
            other => return Err(Error::msg(format!("no such option: {other}"))),
        };
        let value = args
            .next()
            .ok_or_else(|| Error::msg(format!("{option} wants a number")))?;
        *count = value.parse()?;
    }
    Ok(plan)
}
