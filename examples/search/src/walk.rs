//! The files below a directory, in the order of their paths.
//!
//! As `grep -r` walks: symbolic links are not followed, nor is anything opened that is neither a file
//! nor a directory (a FIFO could be waited for for ever). Paths begin as the directory was given.

use std::{fs, io, vec};

use crate::wire::{Skipped, Why};

/// A walk under way. In memory are the names in the directories between the root and here.
pub(crate) struct Walk(Vec<Level>);

struct Level {
    /// The directory's path, with a slash at its end.
    path: String,
    names: vec::IntoIter<Name>,
}

/// What is in a directory. Ordered by name; that of a directory ends in a slash, so that names sort as
/// the paths below them do.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    name: String,
    what: What,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    File,
    Directory,
    /// Why nothing is known of it.
    Unreadable(String),
}

impl Walk {
    /// Begins at this directory; it may be reached by a symbolic link.
    pub(crate) fn new(dir: &str) -> io::Result<Self> {
        let slash = if dir.ends_with('/') { "" } else { "/" };
        Ok(Self(vec![Level::read(format!("{dir}{slash}"))?]))
    }
}

impl Iterator for Walk {
    type Item = Result<String, Skipped>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(level) = self.0.last_mut() {
            let Some(Name { name, what }) = level.names.next() else {
                self.0.pop();
                continue;
            };
            let path = format!("{}{name}", level.path);
            match what {
                What::File => return Some(Ok(path)),
                What::Unreadable(why) => return Some(Err(unreadable(&path, why))),
                What::Directory => match Level::read(path.clone()) {
                    Ok(below) => self.0.push(below),
                    Err(error) => return Some(Err(unreadable(&path, error.to_string()))),
                },
            }
        }
        None
    }
}

fn unreadable(path: &str, why: String) -> Skipped {
    Skipped {
        path: path.trim_end_matches('/').to_owned(),
        why: Why::Unreadable(why),
    }
}

impl Level {
    fn read(path: String) -> io::Result<Self> {
        let mut names: Vec<_> = fs::read_dir(&path)?.filter_map(name).collect();
        names.sort_unstable();
        let names = names.into_iter();
        Ok(Self { path, names })
    }
}

/// What to make of an entry; `None` if it is neither a file nor a directory.
fn name(entry: io::Result<fs::DirEntry>) -> Option<Name> {
    let unreadable = |name: String, why: String| {
        let what = What::Unreadable(why);
        Some(Name { name, what })
    };
    let entry = match entry {
        Ok(entry) => entry,
        Err(error) => return unreadable(String::new(), format!("cannot be listed to its end: {error}")),
    };
    let name = match entry.file_name().into_string() {
        Ok(name) => name,
        Err(name) => return unreadable(name.to_string_lossy().into_owned(), "its name is not UTF-8".to_owned()),
    };
    match entry.file_type() {
        Ok(kind) if kind.is_dir() => Some(Name {
            name: name + "/",
            what: What::Directory,
        }),
        Ok(kind) if kind.is_file() => Some(Name { name, what: What::File }),
        Ok(_) => None,
        Err(error) => unreadable(name, error.to_string()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::Walk;
    use crate::wire::{Skipped, Why};

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory for the test");
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().expect("it is below the directory")).expect("a directory");
            fs::write(path, "").expect("a file");
        }
        dir
    }

    fn walk(dir: &Path) -> Vec<Result<String, Skipped>> {
        let dir = dir.to_str().expect("temporary paths are ASCII");
        let walk = Walk::new(dir).expect("it can be read");
        walk.map(|path| path.map(|path| path[dir.len()..].to_owned())).collect()
    }

    #[test]
    fn files_come_in_the_order_of_their_paths() {
        let tree = tree(&["a/x", "a.b", "a-b", "a/y/z", "b", ".hidden/c", "ab"]);
        let paths: Result<Vec<_>, _> = walk(tree.path()).into_iter().collect();
        let paths = paths.expect("all can be read");
        assert_eq!(paths, ["/.hidden/c", "/a-b", "/a.b", "/a/x", "/a/y/z", "/ab", "/b"]);
        assert!(paths.is_sorted());
    }

    #[test]
    fn links_are_not_followed_below_the_root() {
        let tree = tree(&["real/a"]);
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(tree.path().join(target), tree.path().join(name)).expect("a link");
        };
        link("real", "real/loop");
        link("real/a", "real/b");
        link("real", "linked");
        assert_eq!(walk(tree.path()), [Ok("/real/a".to_owned())]);
        assert_eq!(walk(&tree.path().join("linked")), [Ok("/a".to_owned())]);
    }

    #[test]
    fn a_name_that_is_not_text_is_reported_and_the_walk_goes_on() {
        use std::os::unix::ffi::OsStrExt as _;
        let tree = tree(&["z"]);
        let name = std::ffi::OsStr::from_bytes(b"a\xff");
        fs::write(tree.path().join(name), "").expect("a file");
        let found = walk(tree.path());
        let [Err(skipped), Ok(path)] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(skipped.why, Why::Unreadable("its name is not UTF-8".to_owned()));
        assert_eq!(path, "/z");
    }

    #[test]
    fn a_root_that_is_no_directory_is_an_error() {
        let tree = tree(&["file"]);
        let file = tree.path().join("file");
        assert!(Walk::new(file.to_str().expect("temporary paths are ASCII")).is_err());
    }
}
