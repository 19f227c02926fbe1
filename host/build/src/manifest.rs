//! What cargo knows of a crate before it builds it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::BuildError;
use crate::command::clean;
use crate::stop::{Place, Stop};

/// The crate in a folder.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// Its `Cargo.toml`, as cargo spells the path.
    pub(crate) path: PathBuf,
    /// Its targets that become components.
    pub(crate) targets: Vec<Target>,
    /// Where its workspace builds.
    pub(crate) target_dir: PathBuf,
    dependencies: Vec<Dependency>,
}

impl Manifest {
    /// Whether an actor may come of it: it depends on the SDK, on what other SDKs are made with, or on a
    /// crate beside it, which may hand the SDK on.
    pub(crate) fn may_be_actor(&self) -> bool {
        let may = |each: &Dependency| each.name == SDK || each.name.starts_with("wit-bindgen") || each.path.is_some();
        self.dependencies.iter().any(may)
    }
}

/// What guests are written with.
const SDK: &str = "steading-guest";

/// Something cargo can build.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Target {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|each| each == kind)
    }

    fn makes_component(&self) -> bool {
        self.is("bin") || self.is("cdylib") || self.is("example")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    path: Option<PathBuf>,
}

/// The `Cargo.toml` of the crate in `dir`.
pub(crate) fn locate(dir: &Path) -> Result<PathBuf, BuildError> {
    let path = dir.join("Cargo.toml").canonicalize();
    path.map_err(|_| BuildError::NotACrate {
        path: dir.to_path_buf(),
    })
}

/// Asks cargo about the crate in `dir`, whose `Cargo.toml` this is.
pub(crate) fn read(dir: &Path, path: PathBuf, stop: Option<&Stop>) -> Result<Manifest, BuildError> {
    let mut command = clean("cargo");
    command
        .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
        .arg(&path);
    let output = Place { dir: Some(dir), stop }.output(&mut command)?;
    if !output.status.success() {
        return Err(refused(dir, &String::from_utf8_lossy(&output.stderr)));
    }
    let metadata = serde_json::from_slice(&output.stdout);
    metadata
        .map_err(|error| refused(dir, &error.to_string()))
        .and_then(|metadata| find(dir, path, metadata))
}

fn find(dir: &Path, path: PathBuf, metadata: Metadata) -> Result<Manifest, BuildError> {
    let package = metadata
        .packages
        .into_iter()
        .find(|package| same(&package.manifest_path, &path));
    let Some(package) = package else {
        return Err(refused(dir, "is a workspace; name one of its crates"));
    };
    let targets: Vec<Target> = package.targets.into_iter().filter(Target::makes_component).collect();
    if targets.is_empty() {
        return Err(BuildError::NoTarget {
            path: dir.to_path_buf(),
        });
    }
    Ok(Manifest {
        path: package.manifest_path,
        targets,
        target_dir: metadata.target_directory,
        dependencies: package.dependencies,
    })
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| one == other)
}

fn refused(dir: &Path, said: &str) -> BuildError {
    let summary = match said {
        said if said.contains("believes it's in a workspace") => {
            "lies inside a workspace it is no member of; add `[workspace]` to its Cargo.toml, or list it as a member"
                .into()
        }
        said => first_error(said),
    };
    BuildError::Manifest {
        path: dir.to_path_buf(),
        summary,
        detail: said.trim().to_string(),
    }
}

/// The line that names the trouble.
pub(crate) fn first_error(said: &str) -> String {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines
        .clone()
        .find(|line| line.starts_with("error"))
        .or_else(|| lines.next())
        .unwrap_or("no reason given");
    first.strip_prefix("error: ").unwrap_or(first).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_the_summary() {
        let said = "   Compiling x v0.1.0\nerror[E0425]: cannot find value `y` in this scope\n --> src/main.rs:1:13\n";
        assert_eq!(first_error(said), "error[E0425]: cannot find value `y` in this scope");
        assert_eq!(first_error("error: no such thing"), "no such thing");
        assert_eq!(first_error(""), "no reason given");
    }
}
