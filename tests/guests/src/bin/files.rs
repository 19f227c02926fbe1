//! What a guest sees of the machine: directories, arguments, environment.

use std::fs;
use std::io::Error as IoError;

use steading_guest::Result;

struct Files;

/// Looks around.
#[steading_guest::actor]
impl Files {
    /// The text of a file, or why it cannot be read.
    async fn read(path: String) -> Result<std::result::Result<String, String>> {
        Ok(fs::read_to_string(&path).map_err(name))
    }

    /// The text of a file, which has to be there.
    async fn must_read(path: String) -> Result<String> {
        Ok(fs::read_to_string(&path)?)
    }

    /// Writes a file; why it cannot be written if it cannot.
    async fn write(path: String, text: String) -> Result<std::result::Result<(), String>> {
        Ok(fs::write(&path, text).map_err(name))
    }

    /// Removes a file.
    async fn remove(path: String) -> Result<std::result::Result<(), String>> {
        Ok(fs::remove_file(&path).map_err(name))
    }

    /// The names in a directory, sorted.
    async fn list(path: String) -> Result<std::result::Result<Vec<String>, String>> {
        Ok(names(&path).map_err(name))
    }

    /// Removes all that is in a directory, as it comes.
    async fn remove_all(path: String) -> Result<std::result::Result<(), String>> {
        Ok(empty(&path).map_err(name))
    }

    /// Its arguments and its environment.
    async fn surroundings() -> Result<(Vec<String>, Vec<(String, String)>)> {
        Ok((std::env::args().collect(), std::env::vars().collect()))
    }

    /// Has a child of its own read a file in a directory that is handed on.
    async fn child_reads(
        from: String,
        to: String,
        writable: bool,
        path: String,
    ) -> Result<std::result::Result<String, String>> {
        use steading_guest::{Spec, nursery};
        nursery(async |n| {
            let spec = Spec::this_component("reader");
            let spec = if writable {
                spec.dir_writable(from, to)
            } else {
                spec.dir(from, to)
            };
            let child = n.start_actor(spec).await?;
            let text = child.call("read", &path).await?;
            n.cancel("");
            Ok(text)
        })
        .await
    }
}

fn names(path: &str) -> std::result::Result<Vec<String>, IoError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn empty(path: &str) -> std::result::Result<(), IoError> {
    for entry in fs::read_dir(path)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

fn name(error: IoError) -> String {
    error.to_string()
}

fn main() {}
