//! One run of cargo on one guest crate.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::command::{clean, run_error};
use crate::manifest::{self, Manifest, first_error};
use crate::messages::Message;
use crate::stop::{Place, Stop};
use crate::toolchain::{Debian, Ensured, Toolchain};
use crate::{BuildError, TARGET};

/// How a release guest is compiled, whatever its `Cargo.toml` says. The names of functions stay in:
/// the backtrace of a panic needs them.
const RELEASE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];

/// Bytes of the compiler's output that are kept for an error.
const DETAIL: usize = 256 << 10;

/// A component that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The name of its target in `Cargo.toml`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// What happens during a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The target for guests was missing; it is installed now.
    TargetInstalled,
    /// A crate is built.
    Compiled {
        /// Which.
        name: &'a str,
        /// Whether there was nothing to do.
        fresh: bool,
    },
}

/// A guest crate to build, and how.
#[derive(Clone, Debug)]
pub struct Build {
    dir: PathBuf,
    release: bool,
    lto: bool,
    target_dir: Option<PathBuf>,
    only: Vec<OsString>,
    actor: bool,
    stop: Option<Stop>,
}

impl Build {
    /// Builds the crate in this folder: optimised, and every target that becomes a component.
    pub fn new(crate_dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: crate_dir.into(),
            release: true,
            lto: true,
            target_dir: None,
            only: Vec::new(),
            actor: false,
            stop: None,
        }
    }

    /// Optimised (the default), or quick to build and with line numbers in backtraces.
    pub fn release(mut self, release: bool) -> Self {
        self.release = release;
        self
    }

    /// Whether an optimised build spends extra time on smaller and faster code; it does by default.
    pub fn lto(mut self, lto: bool) -> Self {
        self.lto = lto;
        self
    }

    /// Where to build; by default the folder `steading` in the crate's own target directory, whose
    /// lock an outer cargo does not hold.
    pub fn target_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.target_dir = Some(dir.into());
        self
    }

    /// Builds only what is named: this binary.
    pub fn bin(self, name: &str) -> Self {
        self.only("--bin").only(name)
    }

    /// Builds only what is named: all binaries.
    pub fn bins(self) -> Self {
        self.only("--bins")
    }

    /// Builds only what is named: this example.
    pub fn example(self, name: &str) -> Self {
        self.only("--example").only(name)
    }

    /// Builds only what is named: all examples.
    pub fn examples(self) -> Self {
        self.only("--examples")
    }

    /// Refuses a crate that cannot be an actor's before anything is compiled: one that depends neither on
    /// steading-guest nor on a crate that could hand it on.
    pub fn actor(mut self) -> Self {
        self.actor = true;
        self
    }

    /// Can be ended from outside, with all it has started.
    pub fn until(mut self, stop: &Stop) -> Self {
        self.stop = Some(stop.clone());
        self
    }

    fn only(mut self, argument: &str) -> Self {
        self.only.push(argument.into());
        self
    }

    /// Builds. Installs the target first if it is missing.
    ///
    /// # Errors
    /// [`BuildError`], with all that the compiler said in its detail.
    pub fn run(&self, mut progress: impl FnMut(Progress<'_>)) -> Result<Vec<Artifact>, BuildError> {
        let built = self.run_to_its_end(&mut progress);
        // What a program complained of that was ended is not what went wrong.
        match self.stop.as_ref().is_some_and(Stop::is_asked) {
            true => Err(BuildError::Stopped { path: self.dir.clone() }),
            false => built,
        }
    }

    fn run_to_its_end(&self, progress: &mut impl FnMut(Progress<'_>)) -> Result<Vec<Artifact>, BuildError> {
        let path = manifest::locate(&self.dir)?;
        let ensured = Toolchain::ensure_target_in(self.place())?;
        if ensured == Ensured::Installed {
            progress(Progress::TargetInstalled);
        }
        let manifest = manifest::read(&self.dir, path, self.stop.as_ref())?;
        if self.actor && !manifest.may_be_actor() {
            return Err(BuildError::NotAnActor { path: self.dir.clone() });
        }
        let mut command = self.command(&manifest, &ensured);
        let child = self.place().spawn(&mut command)?;
        self.follow(child, &command, &manifest, progress)
    }

    fn place(&self) -> Place<'_> {
        Place {
            dir: Some(&self.dir),
            stop: self.stop.as_ref(),
        }
    }

    fn command(&self, manifest: &Manifest, ensured: &Ensured) -> Command {
        let mut command = cargo(ensured);
        command.args([
            "build",
            "--message-format=json-render-diagnostics",
            "--target",
            TARGET,
            "--manifest-path",
        ]);
        command
            .arg(&manifest.path)
            .arg("--target-dir")
            .arg(self.directory(manifest))
            .args(self.selection(manifest));
        if self.release {
            command.arg("--release").envs(RELEASE.iter().copied());
            command.env("CARGO_PROFILE_RELEASE_LTO", if self.lto { "fat" } else { "off" });
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn directory(&self, manifest: &Manifest) -> PathBuf {
        match &self.target_dir {
            // Cargo runs in the crate's folder; the caller named a path as seen from its own.
            Some(dir) => std::path::absolute(dir).unwrap_or_else(|_| dir.clone()),
            None => manifest.target_dir.join("steading"),
        }
    }

    /// Examples are built only on request: they are somebody's documentation.
    fn selection(&self, manifest: &Manifest) -> Vec<OsString> {
        if !self.only.is_empty() {
            return self.only.clone();
        }
        let has = |kind: &str| {
            manifest
                .targets
                .iter()
                .any(|target| target.kind.iter().any(|each| each == kind))
        };
        let wanted = [("cdylib", "--lib"), ("bin", "--bins")];
        wanted
            .iter()
            .filter(|(kind, _)| has(kind))
            .map(|(_, argument)| argument.into())
            .collect()
    }

    /// Reads both outputs to their ends, or cargo would wait for us.
    fn follow(
        &self,
        mut child: Child,
        command: &Command,
        manifest: &Manifest,
        progress: &mut impl FnMut(Progress<'_>),
    ) -> Result<Vec<Artifact>, BuildError> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (artifacts, said) = thread::scope(|scope| {
            let said = scope.spawn(|| collect(stderr));
            let artifacts = artifacts(stdout, &manifest.path, progress);
            (artifacts, said.join().unwrap_or_default())
        });
        let status = self
            .place()
            .wait(&mut child)
            .map_err(|source| run_error(command, source))?;
        if !status.success() {
            return Err(self.failed(&said));
        }
        if artifacts.is_empty() {
            return Err(BuildError::NoTarget { path: self.dir.clone() });
        }
        Ok(artifacts)
    }

    fn failed(&self, said: &str) -> BuildError {
        BuildError::Compile {
            path: self.dir.clone(),
            summary: first_error(said),
            detail: said.trim_end().to_string(),
        }
    }
}

fn cargo(ensured: &Ensured) -> Command {
    let debian = if *ensured == Ensured::Debian {
        Debian::detect()
    } else {
        None
    };
    match debian {
        Some(debian) => {
            let mut command = debian.cargo();
            command.args(Debian::ARGS);
            command
        }
        None => clean("cargo"),
    }
}

fn artifacts(stdout: Option<impl Read>, manifest: &Path, progress: &mut impl FnMut(Progress<'_>)) -> Vec<Artifact> {
    let mut artifacts = Vec::new();
    let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
    for line in lines.map_while(Result::ok) {
        if let Message::CompilerArtifact(built) = Message::parse(&line) {
            progress(Progress::Compiled {
                name: built.name(),
                fresh: built.fresh,
            });
            artifacts.extend(built.artifact(manifest));
        }
    }
    artifacts
}

/// The beginning of what is said: the first error is the one that matters. The rest is read and dropped.
fn collect(stderr: Option<impl Read>) -> String {
    let mut said = Vec::new();
    if let Some(mut reader) = stderr {
        let mut kept = reader.by_ref().take(DETAIL as u64);
        // What could be read before the pipe broke is all there is to show.
        if kept.read_to_end(&mut said).is_ok() {
            drop(std::io::copy(&mut reader, &mut std::io::sink()));
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}
