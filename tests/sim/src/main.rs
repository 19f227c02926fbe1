//! `sim`: runs the simulator for as long as one likes, replays a seed, or proves that it finds faults.

use std::process::ExitCode;
use std::time::Duration;

use steading_sim::run::{Order, Tally, examine, run};

const USAGE: &str =
    "sim [--minutes N] [--steps N] [--seeds N] [--from SEED] [--jobs N]   run seeds until one is used up
sim --seed SEED                                                       run one seed, and say all about it
  --mutant NAME   with a broken variant of the core (feature `mutants`)
  --prove         every broken variant in turn; fails if one is not found (feature `mutants`)
  --coverage      list the cells that were not reached, and fail if there are any; and the rarest that were";

/// How many rare cells are listed.
const SELDOM: usize = 12;

#[derive(Default)]
struct Args {
    order: Order,
    one: Option<u64>,
    prove: bool,
    coverage: bool,
}

fn parse() -> Result<Args, String> {
    let mut args = Args::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse::<f64>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--minutes" => args.order.time = Duration::from_secs_f64(60.0 * number(value()?)?),
            "--steps" => {
                args.order.steps = number(value()?)? as u64;
                args.order.time = Duration::MAX;
            }
            "--seeds" => args.order.seeds = number(value()?)? as u64,
            "--from" => args.order.seed = seed(&value()?)?,
            "--seed" => args.one = Some(seed(&value()?)?),
            "--jobs" => args.order.jobs = number(value()?)? as usize,
            "--mutant" => set_mutant(&mut args.order, &value()?)?,
            "--prove" => args.prove = true,
            "--coverage" => args.coverage = true,
            other => return Err(format!("what is {other}?")),
        }
    }
    Ok(args)
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no seed"))
}

#[cfg(not(feature = "mutants"))]
fn set_mutant(_: &mut Order, _: &str) -> Result<(), String> {
    Err("build with --features mutants".into())
}

#[cfg(feature = "mutants")]
fn set_mutant(order: &mut Order, name: &str) -> Result<(), String> {
    let all = steading_proto::mutant::Mutant::ALL;
    let found = all.iter().copied().find(|mutant| format!("{mutant:?}") == name);
    order.mutant = Some(found.ok_or_else(|| format!("there is no mutant {name}; there are {all:?}"))?);
    Ok(())
}

fn main() -> ExitCode {
    steading_sim::shrink::hush();
    match parse() {
        Err(error) => {
            println!("{error}\n\n{USAGE}");
            ExitCode::from(2)
        }
        Ok(args) if args.prove => prove(&args.order),
        Ok(args) => match args.one {
            Some(seed) => tell(&args.order, seed),
            None => go(&args),
        },
    }
}

fn tell(order: &Order, seed: u64) -> ExitCode {
    match examine(order, seed) {
        Some(find) => {
            println!("{find}");
            ExitCode::FAILURE
        }
        None => {
            println!("seed {seed} holds");
            ExitCode::SUCCESS
        }
    }
}

fn summary(tally: &Tally) -> String {
    let seconds = tally.time.as_secs_f64();
    let report = tally.coverage.report();
    format!(
        "{} steps of {} seeds in {seconds:.1} s: {:.2} M steps/s; {} of {} cells",
        tally.steps,
        tally.seeds,
        tally.steps as f64 / seconds / 1e6,
        report.reached,
        report.reachable
    )
}

fn go(args: &Args) -> ExitCode {
    let tally = run(&args.order);
    println!("{}", summary(&tally));
    let report = tally.coverage.report();
    if args.coverage {
        report.missing.iter().for_each(|cell| println!("missing     {cell}"));
        let rarest = report.rarest.iter().take(SELDOM);
        rarest.for_each(|(count, cell)| println!("{count:<11} {cell}"));
    }
    report.surprising.iter().for_each(|cell| println!("surprising  {cell}"));
    match tally.find {
        Some((seed, _)) => tell(&args.order, seed),
        None if !report.surprising.is_empty() => ExitCode::FAILURE,
        None if args.coverage && !report.missing.is_empty() => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

#[cfg(not(feature = "mutants"))]
fn prove(_: &Order) -> ExitCode {
    println!("build with --features mutants");
    ExitCode::from(2)
}

#[cfg(feature = "mutants")]
fn prove(order: &Order) -> ExitCode {
    let mut survivors = 0;
    for mutant in steading_proto::mutant::Mutant::ALL {
        let order = Order {
            mutant: Some(*mutant),
            time: order.time.min(Duration::from_secs(60)),
            ..order.clone()
        };
        let tally = run(&order);
        let name = format!("{mutant:?}");
        match tally.find {
            Some((seed, failure)) => {
                let seconds = tally.time.as_secs_f64();
                println!(
                    "{name:28} found in {seconds:6.2} s by {:12} seed {seed}, step {}",
                    failure.law, tally.steps
                );
            }
            None => {
                survivors += 1;
                println!("{name:28} SURVIVED {} steps", tally.steps);
            }
        }
    }
    if survivors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
