//! The command line: what can be asked for, and who answers.
//!
//! A user of the library's public interface like any other. A file per command; `session.rs` has what
//! `run` and `call` share (a host with one actor on it), `grants.rs` reads what may be granted,
//! `values.rs` turns JSON into payloads and back, `failure.rs` knows the exit codes. Nothing outside
//! this folder prints.

mod app;
mod build;
mod call;
mod capabilities;
mod doctor;
mod endpoints;
mod failure;
mod grants;
mod hints;
mod inspect;
mod manifest;
mod new;
#[cfg(test)]
mod noise;
mod output;
mod plan;
mod run;
mod session;
mod signals;
mod stderr;
mod stdio;
mod telemetry;
mod tree;
mod values;
mod wave;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use failure::{Exit, Failure, Result};
use grants::{Bound, CallGrant, ClockChoice, Dir, NamedComponent, ProfileChoice, Variable, WorkersChoice};
use output::Output;
use signals::Interrupts;
use stdio::StdioChoice;

const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  the endpoint failed; or `doctor` found something missing
    2  bad input: usage, JSON, an unknown endpoint, a value of the wrong type
    3  a component could not be built, loaded or started
    4  cancelled
    5  the actor died: panic, trap, a limit
  130  interrupted
  141  nobody reads the output any more

Ctrl-C (or SIGTERM) ends a build, or asks every actor to end; the second one ends them by force; the third ends
this process. The exit code is 130 for either signal.

SIGUSR1 has the tree of actors written to standard error while it runs, with every task and what it waits for.";

/// Runs WebAssembly components as actors.
#[derive(Debug, Parser)]
#[command(name = "steading", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
struct Global {
    /// Write results as JSON on standard output, and the error if there is one.
    ///
    /// One object a line: {"result": …} is the last of `run` and `call`, {"error": …} that of any command
    /// that fails, with `kind` and `message`, and for what comes from an actor `code`, `type`, `source`,
    /// `relay_path`, `context`, `backtrace`, `data`, then `cause`, or `errors` if there are several, each with
    /// the same fields, and `omitted` if there were too many of them.
    #[arg(long, global = true)]
    json: bool,
    /// What to log on standard error: error, warn, info, debug, trace, off, or filters such as
    /// `steading::guest=info`. Default: $STEADING_LOG, else warn.
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// When to use colour; `auto` respects $NO_COLOR.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    color: Color,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(RunArgs),
    Call(CallArgs),
    Build(BuildArgs),
    New(NewArgs),
    Inspect(InspectArgs),
    Doctor(DoctorArgs),
}

/// Start an actor and run one of its endpoints.
///
/// Standard input, output and error are the actor's. Nothing else is granted unless an option says so.
/// The result is printed at the end, unless it is nothing. An endpoint with a context is sent nothing,
/// and what it sends is dropped; use `call` to talk to it.
#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    actor: ActorArgs,
    /// Which endpoint to run.
    #[arg(short, long, value_name = "NAME", default_value = "main")]
    endpoint: String,
    /// Arguments: the actor's command line, and the endpoint's parameters. A single parameter of type
    /// Vec<String> takes them all as they are; any others are read as JSON, like those of `call`.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// Call an endpoint, with JSON in and JSON out.
///
/// Each argument is one JSON value: text needs its quotes, as in '"text"'. The result is printed as JSON
/// on standard output.
///
/// To an endpoint with a context, each line of standard input is sent as one message, and each message
/// received is printed as one line. The first value and the result then go to standard error; with
/// `--json` everything is on standard output, as {"started": …}, {"message": …} and {"result": …}, a line each.
#[derive(Debug, Args)]
struct CallArgs {
    #[command(flatten)]
    actor: ActorArgs,
    /// Which endpoint to call; or the whole call in WAVE: 'greet("bob")'.
    endpoint: String,
    /// Its arguments, unless they are in the call.
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    args: Vec<String>,
}

/// Build a guest crate into components.
#[derive(Debug, Args)]
struct BuildArgs {
    /// The folder of the crate.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Build without optimisation.
    #[arg(long)]
    debug: bool,
    /// Build optimised; the default.
    #[arg(long, conflicts_with = "debug")]
    release: bool,
}

/// Write a new guest crate that builds and runs.
#[derive(Debug, Args)]
struct NewArgs {
    /// The folder to make; its last part is the crate's name.
    path: PathBuf,
}

/// Show what a component offers and what it needs, and by which option or line of a manifest it is granted.
///
/// Of a manifest: what each of its actors is given, and what its component asks for beyond that.
#[derive(Debug, Args)]
struct InspectArgs {
    /// A component, the folder of a guest crate, or a manifest (`steading.toml`).
    path: PathBuf,
}

/// Check what is needed to build and run actors, and show the limits.
#[derive(Debug, Args)]
struct DoctorArgs {
    /// Empty the cache of compiled components.
    #[arg(long)]
    clear_cache: bool,
    /// Show what holds with these, as `run` and `call` take them.
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    limit: Vec<Bound>,
    /// Show what a host of this profile would be like: `latency` or `density`.
    #[arg(long, value_name = "PROFILE")]
    profile: Option<ProfileChoice>,
}

/// Which actor to start, and what to give it.
#[derive(Debug, Args)]
struct ActorArgs {
    /// A component; or the folder of a guest crate, which is built first; or, for `run`, a manifest
    /// (`steading.toml`), which says all else.
    path: PathBuf,
    /// Grant a directory, as HOST[:GUEST][:ro|:rw][,quota=BYTES][,open=N]; read-only by default, seen by the actor
    /// under the path given. With a quota, what the actor adds to it is bounded (each file counts as 1 KiB more);
    /// `open` bounds the files in it that may be open at once.
    #[arg(short, long, value_name = "DIR")]
    dir: Vec<Dir>,
    /// Grant a directory to the call alone, as HOST[:NAME] and on the terms of --dir: the endpoint asks for it by its
    /// name (`granted("NAME")`; a component that was not made for steading finds it at /granted/NAME), and has it
    /// until the call is over.
    #[arg(long, value_name = "DIR")]
    grant: Vec<CallGrant>,
    /// Set a variable (K=V), or hand on one of yours (K).
    #[arg(long, value_name = "K=V")]
    env: Vec<Variable>,
    /// Set limits; the defaults are memory=64MiB, contexts=256, children=64, unread=16MiB, log-rate=64KiB (of each
    /// actor; the last is of log in a second), actors=1024 (of all), budget-memory=256MiB, budget-actors=1000 (of the
    /// actor and all it starts; also cores=0.5, which are as many as there are by default), compile-time=10 (seconds)
    /// and compile-memory=1GiB (of each component that is not in the cache).
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    limit: Vec<Bound>,
    /// What becomes of the actor's standard streams, of one or of all: `inherit` (yours), `log` (line by line, as
    /// --log-level says), `null`, or `capture`: the last 64 KiB are kept, and their end is shown if the actor fails;
    /// with --json, all of it, as {"captured": …} before the result. Default: inherit; log for `call --json`. What a component
    /// that was not built here writes to a terminal is shown without control characters, unless `inherit` is asked for.
    #[arg(long, value_name = "[STREAM=]POLICY")]
    stdio: Vec<StdioChoice>,
    /// How well actors can tell the time: `real`, `coarse` (to the millisecond, the default), or `frozen` while
    /// they compute.
    #[arg(long, value_name = "CLOCK")]
    clock: Option<ClockChoice>,
    /// Have the actor's random numbers begin here, so that they are the same each time.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Let actors start this component as a child by this name.
    #[arg(long, value_name = "NAME=PATH")]
    component: Vec<NamedComponent>,
    /// Where actors run: `shared` with the command itself, or on N threads of their own. Default: shared
    /// for crates built here, own threads for components from elsewhere.
    #[arg(long, value_name = "shared|N")]
    workers: Option<WorkersChoice>,
    /// What to lay memory out for: `latency` (the default), or `density`, for as many actors as possible, of 64 MiB
    /// at most, which run slower.
    #[arg(long, value_name = "PROFILE")]
    profile: Option<ProfileChoice>,
    /// Write the tree of actors to standard error whenever some have come or gone, ten times a second at most,
    /// and at the end that of all actors there were.
    #[arg(long)]
    tree: bool,
    /// Write a table to standard error at the end: what actors have used of what they may, by name. `memory` is the
    /// most that one of them has had; `in all` and `memory in all` are actors and memory of one with all below it, if
    /// it has a budget of its own.
    #[arg(long)]
    stats: bool,
    /// How many milliseconds a cancelled task may take before it is ended by force. Default: 500.
    #[arg(long, value_name = "MS")]
    grace: Option<u64>,
}

impl Cli {
    /// Does what was asked, and says how it went.
    pub(crate) fn run(self) -> ExitCode {
        let output = Output::new(&self.global);
        let done = telemetry::start(self.global.log_level.as_deref(), output)
            .and_then(|()| signals::watch(output))
            .and_then(|interrupts| self.command.run(output, interrupts));
        let exit = done.unwrap_or_else(|failure| {
            output.failure(&failure);
            failure.exit
        });
        stderr::flush();
        ExitCode::from(exit as u8)
    }
}

/// Says what is wrong with the command line, or shows the help that was asked for.
pub(crate) fn explain_usage(error: &clap::Error) -> ExitCode {
    let before_dashes = |arg: &std::ffi::OsString| arg != "--";
    let json = std::env::args_os().take_while(before_dashes).any(|arg| arg == "--json");
    if json && error.use_stderr() {
        Output::early(json).failure(&Failure::from(error));
    } else {
        // Where nobody listens, the exit code still says it.
        error.print().ok();
    }
    ExitCode::from(if error.use_stderr() { Exit::Usage } else { Exit::Ok } as u8)
}

impl Command {
    fn run(self, output: Output, interrupts: Interrupts) -> Result<Exit> {
        match self {
            Self::Run(args) => run::run(args, output, interrupts),
            Self::Call(args) => call::run(args, output, interrupts),
            Self::Build(args) => build::run(&args, output, &interrupts),
            Self::New(args) => new::run(&args, output),
            Self::Inspect(args) => inspect::run(&args, output, &interrupts),
            Self::Doctor(args) => doctor::run(&args, output),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_the_dashes_is_the_actors() {
        let cli = Cli::try_parse_from(["steading", "run", "x", "--dir", ".", "--json", "--", "--dir", "a"]).unwrap();
        let Command::Run(args) = cli.command else {
            panic!("run was asked for")
        };
        assert_eq!(args.args, ["--dir", "a"]);
        assert!(cli.global.json);
    }

    #[test]
    fn negative_numbers_are_arguments_and_options_are_not() {
        let cli = Cli::try_parse_from(["steading", "call", "x", "add", "-1", "2", "--dir", "."]).unwrap();
        let Command::Call(args) = cli.command else {
            panic!("call was asked for")
        };
        assert_eq!(
            (args.args, args.actor.dir.len()),
            (vec!["-1".to_owned(), "2".to_owned()], 1)
        );
    }

    #[test]
    fn every_exit_code_is_documented() {
        let codes = [
            Exit::Ok,
            Exit::Endpoint,
            Exit::Usage,
            Exit::Load,
            Exit::Cancelled,
            Exit::Died,
            Exit::Interrupted,
            Exit::ClosedOutput,
        ];
        for code in codes {
            let number = format!("{:>5}  ", code as u8);
            assert!(EXIT_CODES.lines().any(|line| line.starts_with(&number)), "{code:?}");
        }
    }
}
