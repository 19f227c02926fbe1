//! Commands that are run as if from a fresh shell.
//!
//! Inside a build script or under `cargo run`, the environment speaks of the outer build: its flags
//! are for another target, its compiler wrapper may be a linter, its target directory is locked. The
//! inner cargo must see none of it.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use crate::BuildError;
use crate::stop::Place;

/// Settings of the user's rather than of the outer build.
const KEPT: &[&str] = &[
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
];

/// What cargo tells compilers and build scripts.
const REMOVED_PREFIXES: &[&str] = &["CARGO", "__CARGO", "RUSTC", "RUSTDOC", "CLIPPY", "DEP_"];
const REMOVED: &[&str] = &[
    "RUSTFLAGS",
    "OUT_DIR",
    "TARGET",
    "HOST",
    "NUM_JOBS",
    "OPT_LEVEL",
    "PROFILE",
    "DEBUG",
    "MAKEFLAGS",
];

/// A command that knows nothing of an outer build.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_foreign(name)) {
        command.env_remove(name);
    }
    command
}

/// A program that could not be started.
pub(crate) fn run_error(command: &Command, source: std::io::Error) -> BuildError {
    BuildError::Run {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    }
}

/// The first line such a command prints; `None` if it is not installed or fails.
pub(crate) fn first_line(program: impl AsRef<OsStr>, args: &[&str], place: Place<'_>) -> Option<String> {
    let output = place.output(clean(program).args(args)).ok();
    let output = output.filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .map(str::to_string)
}

fn is_foreign(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    REMOVED.contains(&&*name) || (starts(REMOVED_PREFIXES) && !starts(KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outer_build_is_hidden_and_the_users_settings_are_kept() {
        let foreign = |name: &str| is_foreign(&name.into());
        for name in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
            "OUT_DIR",
            "CARGO_MAKEFLAGS",
            "RUSTC",
            "CLIPPY_ARGS",
            "CARGO_PROFILE_RELEASE_LTO",
        ] {
            assert!(foreign(name), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "CARGO_NET_OFFLINE",
        ] {
            assert!(!foreign(name), "{name}");
        }
    }
}
