//! What cargo says while it builds, as far as anybody here listens.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Artifact;

/// One line of `cargo build --message-format=json`.
#[derive(Debug, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub(crate) enum Message {
    /// A target is built.
    CompilerArtifact(Built),
    /// Anything else.
    #[serde(other)]
    Other,
}

/// A target that is built.
#[derive(Debug, Deserialize)]
pub(crate) struct Built {
    manifest_path: PathBuf,
    target: TargetName,
    filenames: Vec<PathBuf>,
    /// Whether it was so before.
    pub(crate) fresh: bool,
}

#[derive(Debug, Deserialize)]
struct TargetName {
    name: String,
}

impl Message {
    /// Reads one line. Cargo may print lines that are no messages: those are `Other`.
    pub(crate) fn parse(line: &str) -> Self {
        serde_json::from_str(line).unwrap_or(Self::Other)
    }
}

impl Built {
    /// What was built.
    pub(crate) fn name(&self) -> &str {
        &self.target.name
    }

    /// The component, if this target of that crate is one. Dependencies can be libraries of the same
    /// kind, and nobody asked for those.
    pub(crate) fn artifact(&self, manifest: &Path) -> Option<Artifact> {
        if self.manifest_path != manifest {
            return None;
        }
        let path = self
            .filenames
            .iter()
            .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))?;
        Some(Artifact {
            name: self.target.name.clone(),
            path: path.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///g#0.1.0",
        "manifest_path":"/g/Cargo.toml","target":{"kind":["bin"],"crate_types":["bin"],"name":"hello",
        "src_path":"/g/src/main.rs","edition":"2024"},"profile":{"opt_level":"3"},"features":[],
        "filenames":["/t/hello.d","/t/hello.wasm"],"executable":"/t/hello.wasm","fresh":true}"#;

    #[test]
    fn a_component_of_the_crate_is_an_artifact() {
        let Message::CompilerArtifact(built) = Message::parse(LINE) else {
            panic!("not understood")
        };
        let artifact = built.artifact(Path::new("/g/Cargo.toml")).unwrap();
        assert_eq!(
            (artifact.name.as_str(), artifact.path.as_path()),
            ("hello", Path::new("/t/hello.wasm"))
        );
        assert!(built.artifact(Path::new("/other/Cargo.toml")).is_none());
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in [
            "",
            "plain text",
            r#"{"reason":"build-finished","success":true}"#,
            r#"{"reason":"new-thing"}"#,
        ] {
            assert!(matches!(Message::parse(line), Message::Other), "{line}");
        }
    }
}
