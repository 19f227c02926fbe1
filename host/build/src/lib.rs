//! Builds guest crates into components.
//!
//! [`Toolchain`] says what is installed and what is missing, and mends what it can; [`Build`] runs
//! cargo on one crate for `wasm32-wasip2` and answers with the components it made. Used by the
//! command line and by build scripts, so it depends on next to nothing and can run inside another
//! cargo: it hides the outer build's environment and locks from the inner one.
//!
//! ```no_run
//! let artifacts = steading_build::Build::new("examples/hello").run(|_| {})?;
//! println!("{}", artifacts[0].path.display());
//! # Ok::<(), steading_build::BuildError>(())
//! ```

mod build;
mod command;
mod error;
mod manifest;
mod messages;
mod stop;
mod toolchain;

#[cfg(test)]
mod tests;

pub use build::{Artifact, Build, Progress};
pub use error::BuildError;
pub use stop::Stop;
pub use toolchain::{Ensured, Problem, Report, Toolchain};

/// What guests are compiled for.
pub const TARGET: &str = "wasm32-wasip2";
