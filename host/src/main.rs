//! The `steading` command: parse, run, exit code.

mod cli;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    steading::compile_child();
    match cli::Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(error) => cli::explain_usage(&error),
    }
}
