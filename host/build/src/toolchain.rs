//! What is installed for building guests, what is missing, and how to mend it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{clean, first_line};
use crate::stop::Place;
use crate::{BuildError, TARGET};

/// Finds and mends the tools that build guests.
#[derive(Clone, Copy, Debug)]
pub struct Toolchain;

/// What [`Toolchain::detect`] found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// `rustc --version`.
    pub rustc: Option<String>,
    /// `cargo --version`.
    pub cargo: Option<String>,
    /// `rustup --version`.
    pub rustup: Option<String>,
    /// The compiler's folder.
    pub sysroot: Option<PathBuf>,
    /// Whether the standard library for [`TARGET`] is there.
    pub target_installed: bool,
    /// Whether Debian's packages can stand in for it.
    pub debian_fallback: bool,
    /// What stands in the way of building guests; empty if nothing does.
    pub problems: Vec<Problem>,
}

/// Something missing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// What.
    pub what: String,
    /// How to get it.
    pub mend: String,
}

/// What guests will be compiled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// The target was installed already.
    Present,
    /// It was missing, and rustup installed it.
    Installed,
    /// Debian's compiler, building the standard library from its source package.
    Debian,
}

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const DEBIAN_LIBC: &str = "/usr/lib/wasm32-wasi";
const DEBIAN_PACKAGES: &str = "rustc-web cargo-web rust-web-src wasi-libc";

impl Toolchain {
    /// Looks at what is installed. Changes nothing.
    pub fn detect() -> Report {
        let here = Place::default();
        let sysroot = sysroot(here);
        let mut report = Report {
            rustc: first_line("rustc", &["--version"], here),
            cargo: first_line("cargo", &["--version"], here),
            rustup: first_line("rustup", &["--version"], here),
            target_installed: sysroot.as_deref().is_some_and(has_target),
            debian_fallback: Debian::detect().is_some(),
            sysroot,
            problems: Vec::new(),
        };
        report.problems = problems(&report);
        report
    }

    /// Makes sure that guests can be built, installing the target if it is missing.
    pub fn ensure_target() -> Result<Ensured, BuildError> {
        Self::ensure_target_in(Place::default())
    }

    /// The same for the toolchain that is in force in a folder.
    pub(crate) fn ensure_target_in(place: Place<'_>) -> Result<Ensured, BuildError> {
        let Some(sysroot) = sysroot(place) else {
            return Err(no_rust());
        };
        if has_target(&sysroot) {
            return Ok(Ensured::Present);
        }
        match install_target(place) {
            Ok(()) => Ok(Ensured::Installed),
            Err(_) if Debian::detect().is_some() => Ok(Ensured::Debian),
            Err(detail) => Err(no_target(detail)),
        }
    }
}

fn sysroot(place: Place<'_>) -> Option<PathBuf> {
    first_line("rustc", &["--print", "sysroot"], place).map(PathBuf::from)
}

/// The folder alone says little: rustup leaves it behind, and linkers look into it.
fn has_target(sysroot: &Path) -> bool {
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let Ok(entries) = fs::read_dir(libraries) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

/// `Err` has what rustup said.
fn install_target(place: Place<'_>) -> Result<(), String> {
    match place.output(clean("rustup").args(["target", "add", TARGET])) {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn problems(report: &Report) -> Vec<Problem> {
    let missing_rust = report.rustc.is_none() || report.cargo.is_none();
    let missing_target = !missing_rust && !report.target_installed && !report.debian_fallback;
    let mut problems = Vec::new();
    if missing_rust {
        problems.push(problem_of(&no_rust()));
    }
    if missing_target {
        problems.push(problem_of(&no_target(String::new())));
    }
    problems
}

fn problem_of(error: &BuildError) -> Problem {
    match error {
        BuildError::Toolchain { what, mend, .. } => Problem {
            what: what.clone(),
            mend: mend.clone(),
        },
        other => Problem {
            what: other.to_string(),
            mend: String::new(),
        },
    }
}

fn no_rust() -> BuildError {
    BuildError::Toolchain {
        what: "Rust is not installed (rustc and cargo are not in PATH)".into(),
        mend: "install it from https://rustup.rs".into(),
        detail: String::new(),
    }
}

fn no_target(detail: String) -> BuildError {
    BuildError::Toolchain {
        what: format!("the Rust target {TARGET} is not installed"),
        mend: format!(
            "run `rustup target add {TARGET}`, or without access to rustup's server and on Debian: \
             `apt-get install {DEBIAN_PACKAGES}`"
        ),
        detail,
    }
}

/// Debian's compiler with its own source of the standard library, and the linker of rustup's
/// toolchain, which Debian does not package.
#[derive(Clone, Debug)]
pub(crate) struct Debian {
    linker: PathBuf,
    wasm_ld: PathBuf,
}

impl Debian {
    pub(crate) fn detect() -> Option<Self> {
        let installed = [DEBIAN_CARGO, DEBIAN_RUSTC, DEBIAN_SOURCE, DEBIAN_LIBC]
            .iter()
            .all(|path| Path::new(path).exists());
        installed
            .then(linkers)?
            .into_iter()
            .find(|each| each.linker.exists() && each.wasm_ld.exists())
    }

    /// Cargo, set up for building the standard library along with the guest.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = clean(DEBIAN_CARGO);
        let flags = format!(
            "-Clink-arg=--wasm-ld-path={} -Lnative={DEBIAN_LIBC}",
            self.wasm_ld.display()
        );
        command
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_WASIP2_LINKER", &self.linker)
            .env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", flags);
        command
    }

    /// What cargo needs to be told besides.
    pub(crate) const ARGS: [&'static str; 1] = ["-Zbuild-std=std,panic_abort"];
}

/// Where rustup's toolchains keep their linkers.
fn linkers() -> Vec<Debian> {
    let home = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".rustup")));
    let toolchains = home.and_then(|home| fs::read_dir(home.join("toolchains")).ok());
    let roots = toolchains.into_iter().flatten().flatten().map(|entry| entry.path());
    roots
        .flat_map(|root| fs::read_dir(root.join("lib/rustlib")).into_iter().flatten().flatten())
        .map(|entry| linker(&entry.path()))
        .collect()
}

fn linker(host: &Path) -> Debian {
    let bin = host.join("bin");
    Debian {
        linker: bin.join("wasm-component-ld"),
        wasm_ld: bin.join("gcc-ld/wasm-ld"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rustc: Option<&str>, target_installed: bool, debian_fallback: bool) -> Report {
        let rustc = rustc.map(str::to_string);
        Report {
            cargo: rustc.clone(),
            rustc,
            rustup: None,
            sysroot: None,
            target_installed,
            debian_fallback,
            problems: Vec::new(),
        }
    }

    #[test]
    fn each_missing_thing_says_how_to_mend_it() {
        let check = |report: Report, expected: &[&str]| {
            let problems = problems(&report);
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            for (problem, mend) in problems.iter().zip(expected) {
                assert!(problem.mend.contains(mend), "{problem:?}");
            }
        };
        check(report(None, false, false), &["rustup.rs"]);
        check(
            report(Some("rustc 1.95.0"), false, false),
            &["rustup target add wasm32-wasip2"],
        );
        check(report(Some("rustc 1.95.0"), false, true), &[]);
        check(report(Some("rustc 1.95.0"), true, false), &[]);
    }

    #[test]
    fn a_leftover_folder_is_not_an_installed_target() {
        let root = std::env::temp_dir().join(format!("steading-sysroot-{}", std::process::id()));
        let libraries = root.join("lib/rustlib").join(TARGET).join("lib");
        fs::create_dir_all(&libraries).unwrap();
        assert!(!has_target(&root));
        fs::write(libraries.join("libstd-0123.rlib"), "").unwrap();
        assert!(has_target(&root));
        fs::remove_dir_all(&root).unwrap();
    }
}
