//! `steading new`: a guest crate that builds and runs.
//!
//! The SDK is found where this very binary was built, as long as that checkout is still there; otherwise
//! the crate names the version to look for.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::NewArgs;
use super::failure::{Exit, Failure, Result};
use super::output::Output;

/// Files of the crate: path and text, in which `{name}`, `{lib}` and `{sdk}` are filled in.
const FILES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("new/Cargo.toml.in")),
    ("src/lib.rs", include_str!("new/lib.rs.in")),
    ("README.md", include_str!("new/README.md.in")),
    (".gitignore", "/target\n"),
];

pub(crate) fn run(args: &NewArgs, output: Output) -> Result<Exit> {
    let name = crate_name(&args.path)?;
    refuse_to_overwrite(&args.path)?;
    for (file, text) in FILES {
        write(&args.path.join(file), &filled(text, &name))?;
    }
    let path = args.path.display();
    if output.json {
        output.object(&json!({ "created": path.to_string(), "name": name }))?;
        return Ok(Exit::Ok);
    }
    output.line(&format!(
        "created {path}\n\nnext:\n  steading run {path} -- world\n  steading call {path} echo\n  steading inspect {path}"
    ))?;
    Ok(Exit::Ok)
}

fn crate_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    // Cargo refuses these, and the message would come from the middle of a build.
    let is_taken = [
        "test",
        "core",
        "std",
        "alloc",
        "proc_macro",
        "steading-guest",
        "steading_guest",
    ]
    .contains(&name);
    match is_name && !is_taken && !is_keyword(name) {
        true => Ok(name.to_owned()),
        false => {
            let message = format!("`{}`: `{name}` cannot be the name of a crate", path.display());
            Err(Failure::usage(message).hint("use letters, digits, `-` and `_`, beginning with a letter"))
        }
    }
}

fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 20] = [
        "as", "async", "await", "break", "const", "crate", "dyn", "enum", "fn", "for", "if", "impl", "in", "let",
        "loop", "match", "mod", "self", "type", "use",
    ];
    KEYWORDS.contains(&name)
}

fn refuse_to_overwrite(path: &Path) -> Result<()> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(Failure::usage(format!(
                "{}: is there already and not empty",
                path.display()
            ))),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::usage(format!("{}: {error}", path.display()))),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text));
    written.map_err(|error| Failure::usage(format!("{}: cannot be written: {error}", path.display())))
}

fn filled(text: &str, name: &str) -> String {
    text.replace("{name}", name)
        .replace("{lib}", &name.replace('-', "_"))
        .replace("{sdk}", &sdk())
}

/// What to depend on.
fn sdk() -> String {
    match checkout() {
        Some(path) => format!("{{ path = {:?} }}", path.display().to_string()),
        None => format!("{:?}", env!("CARGO_PKG_VERSION")),
    }
}

fn checkout() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("guest-sdk");
    path.join("Cargo.toml").is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_refuses_are_refused_here() {
        for path in ["hello", "a/b/my-actor", "x_1"] {
            assert!(crate_name(Path::new(path)).is_ok(), "{path}");
        }
        for path in ["", "..", "1st", "a b", "test", "fn", "ä"] {
            assert!(crate_name(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refuse_to_overwrite(dir.path()).is_ok(), "empty");
        assert!(refuse_to_overwrite(&dir.path().join("x")).is_ok(), "not there");
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(refuse_to_overwrite(dir.path()).is_err(), "not empty");
        assert!(refuse_to_overwrite(&dir.path().join("file")).is_err(), "a file");
    }

    #[test]
    fn every_place_is_filled_in() {
        for (file, text) in FILES {
            let filled = filled(text, "my-actor");
            for place in ["{name}", "{lib}", "{sdk}"] {
                assert!(!filled.contains(place), "{file}: {place}");
            }
        }
    }
}
