//! A parallel, sandboxed text search: `grep -rn` as actors.
//!
//! The root actor ([`main`](Search::main)) is granted one directory, read-only. It walks it, starts
//! worker actors that are granted the same directory and nothing else, deals out paths, and prints what
//! they find in the order of the paths. `pattern.rs` says what a pattern is, `text.rs` what a binary file
//! is, `deal.rs` how root and workers talk, `ledger.rs` how hits come into order. All of it except the
//! talking is ordinary Rust and tested natively.

mod bracket;
mod deal;
mod ledger;
mod matcher;
mod options;
mod pattern;
mod screen;
mod text;
mod walk;
mod wire;
mod worker;

use steading_guest::{Context, Result};

pub use pattern::PatternError;
pub use wire::{Batch, Report, Skipped, Tally, Why};

/// The actor.
#[derive(Debug)]
pub struct Search;

/// Searches the text files below a directory, with as many workers as the machine has cores.
#[steading_guest::actor]
impl Search {
    /// Prints every line below DIR that matches PATTERN, a basic regular expression, as grep would.
    ///
    /// Arguments: PATTERN DIR [--workers N] [--no-progress] [--list-binary].
    pub async fn main(args: Vec<String>) -> Result<()> {
        deal::run(options::Options::parse(args)?).await
    }

    /// A worker: searches the files it is sent the paths of, and reports batch by batch.
    pub async fn scan(context: Context<Report, Batch>, pattern: String) -> Result<()> {
        worker::run(context, &pattern).await
    }
}
