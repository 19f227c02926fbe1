//! Why a guest crate could not be built: one line, and what the compiler said on request.

use std::io;
use std::path::PathBuf;

/// A build that made nothing. `Display` is one line; [`BuildError::detail`] has the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no `Cargo.toml` in the folder.
    #[error("{}: is not a crate folder (it has no Cargo.toml)", path.display())]
    NotACrate {
        /// The folder.
        path: PathBuf,
    },
    /// Cargo cannot make sense of the crate.
    #[error("{}: {summary}", path.display())]
    Manifest {
        /// The folder.
        path: PathBuf,
        /// In one line.
        summary: String,
        /// What cargo said.
        detail: String,
    },
    /// Nothing in the crate can become a component.
    #[error(
        "{}: has nothing to build into a component: it needs a src/main.rs, or `crate-type = [\"cdylib\"]` under [lib]",
        path.display()
    )]
    NoTarget {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing in the crate's manifest says that it is an actor's.
    #[error("{}: is not the crate of an actor (it does not depend on steading-guest)", path.display())]
    NotAnActor {
        /// The folder.
        path: PathBuf,
    },
    /// [`Stop`](crate::Stop) ended it.
    #[error("{}: the build was interrupted", path.display())]
    Stopped {
        /// The folder.
        path: PathBuf,
    },
    /// The code does not compile.
    #[error("{}: does not compile ({summary})", path.display())]
    Compile {
        /// The folder.
        path: PathBuf,
        /// The first error.
        summary: String,
        /// Everything the compiler said.
        detail: String,
    },
    /// Something needed for building is not installed.
    #[error("{what}; {mend}")]
    Toolchain {
        /// What is missing.
        what: String,
        /// How to get it.
        mend: String,
        /// What the attempt to get it said, if there was one.
        detail: String,
    },
    /// A program could not be run at all.
    #[error("cannot run {program}: {source}")]
    Run {
        /// Which.
        program: String,
        /// Why not.
        source: io::Error,
    },
}

impl BuildError {
    /// What the compiler or installer said; empty if the one line is all there is.
    pub fn detail(&self) -> &str {
        match self {
            Self::Manifest { detail, .. } | Self::Compile { detail, .. } | Self::Toolchain { detail, .. } => detail,
            _ => "",
        }
    }
}
