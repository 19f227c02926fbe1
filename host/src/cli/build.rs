//! `steading build`, and the building that other commands do first.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use steading_build::{Artifact, Build, Progress};

use super::BuildArgs;
use super::failure::{Exit, Failure, Result};
use super::output::{Output, bytes, table};
use super::signals::Interrupts;
use super::stderr;

/// A component to load.
pub(crate) struct Guest {
    pub(crate) wasm: PathBuf,
    /// Out of a crate of the user's own, just now.
    pub(crate) built: bool,
}

/// The component at a path: the file itself, or what its crate builds.
pub(crate) fn guest(path: &Path, output: Output, interrupts: &Interrupts) -> Result<Guest> {
    if !path.is_dir() {
        return Ok(Guest {
            wasm: path.to_owned(),
            built: false,
        });
    }
    match build(Build::new(path).actor(), path, output, interrupts)?.as_slice() {
        [only] => Ok(Guest {
            wasm: only.path.clone(),
            built: true,
        }),
        several => Err(ambiguous(path, several)),
    }
}

pub(crate) fn run(args: &BuildArgs, output: Output, interrupts: &Interrupts) -> Result<Exit> {
    let all = Build::new(&args.path).release(!args.debug);
    let artifacts = build(all, &args.path, output, interrupts)?;
    if output.json {
        let one = |artifact: &Artifact| json!({ "name": artifact.name, "path": artifact.path, "size": size(artifact) });
        output.object(&json!({ "artifacts": artifacts.iter().map(one).collect::<Vec<_>>() }))?;
        return Ok(Exit::Ok);
    }
    let row = |artifact: &Artifact| vec![artifact.path.display().to_string(), bytes(size(artifact))];
    output.line(&table(&artifacts.iter().map(row).collect::<Vec<_>>()))?;
    Ok(Exit::Ok)
}

fn build(build: Build, path: &Path, output: Output, interrupts: &Interrupts) -> Result<Vec<Artifact>> {
    let mut display = Display::new(path, output);
    let built = build.until(interrupts.build()).run(|progress| display.show(progress));
    display.end();
    Ok(built?)
}

fn ambiguous(path: &Path, artifacts: &[Artifact]) -> Failure {
    let paths: Vec<_> = artifacts
        .iter()
        .map(|artifact| artifact.path.display().to_string())
        .collect();
    let message = format!("{}: builds {} components; say which", path.display(), artifacts.len());
    Failure::usage(message).hint(format!("give the path of one:\n{}", paths.join("\n")))
}

/// A component that vanished since it was built has no size; loading it will say why.
fn size(artifact: &Artifact) -> u64 {
    std::fs::metadata(&artifact.path).map_or(0, |metadata| metadata.len())
}

/// Shows on standard error how a build goes on; nothing, if there is nothing to do.
struct Display<'a> {
    path: &'a Path,
    output: Output,
    compiled: u32,
    terminal: bool,
}

impl<'a> Display<'a> {
    fn new(path: &'a Path, output: Output) -> Self {
        Self {
            path,
            output,
            compiled: 0,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::TargetInstalled => self.output.note("installed the Rust target wasm32-wasip2"),
            Progress::Compiled { name, fresh: false } => self.compiled(name),
            _ => {}
        }
    }

    fn compiled(&mut self, name: &str) {
        self.compiled += 1;
        match self.terminal {
            // One line, written over again and again.
            true => self.rewrite(&format!(
                "building {}: {} crates, {name}",
                self.path.display(),
                self.compiled
            )),
            false if self.compiled == 1 => self.output.note(&format!("building {}", self.path.display())),
            false => {}
        }
    }

    fn end(&self) {
        if self.terminal && self.compiled > 0 {
            self.rewrite("");
        }
    }

    fn rewrite(&self, text: &str) {
        stderr::say(format!("\r\x1b[K{text}"));
    }
}
