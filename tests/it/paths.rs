//! No path leads out of a directory that a guest was given (T29).
//!
//! A guest is handed every shape of path there is, and does everything with each: it opens to read and to write,
//! makes, removes, renames, links, looks and sets times, below the standard library. Outside lies a canary. The
//! law: nothing outside changes in any way, and the guest never sees the canary's song. Of a directory that it may
//! only read, nothing inside changes either.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use steading::{Directory, Result};
use steading_tests::artifacts::HOSTILE_FILES;
use steading_tests::story_once;

/// What is written in each file outside; nobody inside ever reads it.
const SONG: &str = "the canary sings outside";

/// Names as a path may end in: files and folders inside, those that are not there, and links of all kinds.
const ENDS: [&str; 32] = [
    "note.txt",
    "inner",
    "inner/deep.txt",
    "missing",
    "missing/deeper",
    "canary.txt",
    "outside",
    ".",
    "..",
    "...",
    "",
    "abs_file",
    "abs_folder",
    "rel_file",
    "rel_folder",
    "up",
    "root",
    "chain",
    "chain_folder",
    "dangling_out",
    "dangling_in",
    "loop",
    "loop_a",
    "self",
    "proc_root",
    "proc_cwd",
    "proc_fd",
    "etc",
    "back_in",
    "hard",
    "deep_up",
    "rel_file/",
];

/// What may stand before them.
const WAYS: [&str; 10] = [
    "",
    "./",
    "/",
    "../",
    "inner/../",
    "inner/../../outside/",
    "missing/../",
    "up/",
    "rel_folder/../",
    "proc_root/",
];

/// What may stand behind them.
const TAILS: [&str; 3] = ["", "/", "/../canary.txt"];

/// A sandbox beside something that is not its business.
struct Yard {
    folder: tempfile::TempDir,
}

impl Yard {
    fn new() -> std::io::Result<Self> {
        let yard = Self {
            folder: tempfile::tempdir()?,
        };
        for folder in ["outside", "outside/nest", "sandbox"] {
            fs::create_dir(yard.path(folder))?;
        }
        for file in ["canary.txt", "outside/canary.txt", "outside/nest/canary.txt"] {
            fs::write(yard.path(file), SONG)?;
        }
        Ok(yard)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sandbox(&self) -> PathBuf {
        self.path("sandbox")
    }

    /// The sandbox as it was at the beginning, whatever was done to it.
    fn furnish(&self) -> std::io::Result<()> {
        fs::remove_dir_all(self.sandbox())?;
        fs::create_dir_all(self.sandbox().join("inner/one/two"))?;
        fs::write(self.sandbox().join("note.txt"), "a note")?;
        fs::write(self.sandbox().join("inner/deep.txt"), "deep")?;
        fs::hard_link(self.sandbox().join("note.txt"), self.sandbox().join("hard"))?;
        for (name, target) in self.links() {
            symlink(target, self.sandbox().join(name))?;
        }
        Ok(())
    }

    fn links(&self) -> Vec<(&'static str, PathBuf)> {
        let relative = [
            ("rel_file", "../canary.txt"),
            ("rel_folder", "../outside"),
            ("up", ".."),
            ("root", "/"),
            ("chain", "chain_1"),
            ("chain_1", "chain_2"),
            ("chain_2", "../outside/canary.txt"),
            ("chain_folder", "rel_folder/nest"),
            ("dangling_out", "../outside/not_there"),
            ("dangling_in", "not_there"),
            ("loop", "loop"),
            ("loop_a", "loop_b"),
            ("loop_b", "loop_a"),
            ("self", "."),
            ("proc_root", "/proc/self/root"),
            ("proc_cwd", "/proc/self/cwd"),
            ("proc_fd", "/proc/self/fd"),
            ("etc", "/etc/passwd"),
            ("back_in", "../sandbox/note.txt"),
            ("deep_up", "inner/one/two/../../../../canary.txt"),
        ];
        let absolute = [("abs_file", "canary.txt"), ("abs_folder", "outside")];
        let relative = relative.map(|(name, target)| (name, PathBuf::from(target)));
        relative
            .into_iter()
            .chain(absolute.map(|(name, target)| (name, self.path(target))))
            .collect()
    }

    /// All paths there are to try.
    fn shapes(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for way in WAYS {
            for end in ENDS {
                all.extend(TAILS.map(|tail| format!("{way}{end}{tail}")));
            }
        }
        let outside = self.path("canary.txt").display().to_string();
        all.extend([
            outside.clone(),
            format!("/{outside}"),
            format!("/proc/self/root{outside}"),
            format!("/proc/self/cwd/../..{outside}"),
            format!("note.txt\0{outside}"),
            "note.txt\0".to_owned(),
            "\0".to_owned(),
            "..\0".to_owned(),
            "../canary.txt\0.txt".to_owned(),
            "na\nme".to_owned(),
            "../canary.txt\n".to_owned(),
            "..\\canary.txt".to_owned(),
            "C:\\canary.txt".to_owned(),
            "\u{ff0e}\u{ff0e}/canary.txt".to_owned(),
            "%2e%2e/canary.txt".to_owned(),
            "~/canary.txt".to_owned(),
            "n".repeat(255),
            "n".repeat(256),
            "n".repeat(5_000),
            "inner/".repeat(1_000),
            "./".repeat(2_500),
            "../".repeat(1_000) + "etc/passwd",
            "inner/../".repeat(400) + "../canary.txt",
            "self/".repeat(30) + "../canary.txt",
            "self/".repeat(60) + "note.txt",
            "dev/null".to_owned(),
            "/dev/tty".to_owned(),
            "/etc/passwd".to_owned(),
        ]);
        all
    }

    /// Everything outside the sandbox, and all there is to say of it.
    fn outside(&self) -> Listing {
        let mut listing = Listing::new();
        list(self.folder.path(), &self.sandbox(), &mut listing);
        listing
    }

    fn inside(&self) -> Listing {
        let mut listing = Listing::new();
        list(&self.sandbox(), Path::new(""), &mut listing);
        listing
    }
}

/// A path, with inode, mode, links, size, the time of its last change in nanoseconds, and what is in it.
type Listing = BTreeMap<PathBuf, (u64, u32, u64, u64, i64, i64, Vec<u8>)>;

fn list(folder: &Path, without: &Path, listing: &mut Listing) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries.into_iter().filter(|path| path != without) {
        let data = fs::symlink_metadata(&path).expect("it was listed");
        let (mut links, mut size) = (data.nlink(), data.size());
        let contents = if data.is_symlink() {
            fs::read_link(&path)
                .expect("it is a link")
                .into_os_string()
                .into_encoded_bytes()
        } else if data.is_dir() {
            (links, size) = (0, 0);
            list(&path, without, listing);
            Vec::new()
        } else {
            fs::read(&path).expect("it is a file")
        };
        listing.insert(
            path,
            (
                data.ino(),
                data.mode(),
                links,
                size,
                data.mtime(),
                data.mtime_nsec(),
                contents,
            ),
        );
    }
}

/// How the sandbox is granted.
#[derive(Clone, Copy, PartialEq)]
enum Terms {
    Readable,
    Writable,
    /// With a quota that nobody reaches.
    Bounded,
}

/// Has the guest try all shapes, a few at a time, each time with a sandbox that is whole; how often something went
/// well.
fn tries(terms: Terms) -> u32 {
    let writable = terms != Terms::Readable;
    let total = std::cell::Cell::new(0);
    story_once(
        // The kernel has these files at hand: to hand each operation to another thread takes longer than it does.
        |builder| builder.inline_files(true),
        async |host| {
            let yard = Yard::new()?;
            let shapes: Vec<String> = yard.shapes().into_iter().collect();
            assert!(shapes.len() >= 800, "{} shapes", shapes.len());
            let code = host.load(HOSTILE_FILES)?;
            yard.furnish()?;
            let outside = yard.outside();
            assert!(outside.len() >= 5, "{outside:?}");
            let mut successes = 0;
            for shapes in shapes.chunks(if writable { 8 } else { 32 }) {
                if writable {
                    yard.furnish()?;
                }
                successes += try_some(host, &code, &yard, shapes, terms, &outside).await?;
            }
            assert!(
                successes > 200,
                "what is allowed works, and so the rest was tried: {successes}"
            );
            total.set(successes);
            Ok(())
        },
    );
    total.get()
}

async fn try_some(
    host: &steading::Host,
    code: &steading::Code,
    yard: &Yard,
    shapes: &[String],
    terms: Terms,
    outside: &Listing,
) -> Result<u32> {
    let path = yard.sandbox().display().to_string();
    let spec = code.spec("burglar");
    let spec = match terms {
        Terms::Readable => spec.dir(path, "/"),
        Terms::Writable => spec.dir_writable(path, "/"),
        Terms::Bounded => spec.directory(Directory::new(path, "/").writable().quota(1 << 40).open(1000)),
    };
    let inside = yard.inside();
    let (successes, seen): (u32, Vec<String>) = host
        .root(async |n| {
            let burglar = n.start_actor(spec).await?;
            let end = burglar.call("escape", &("/", shapes)).await?;
            n.cancel("");
            Ok(end)
        })
        .await?;
    assert_eq!(
        &yard.outside(),
        outside,
        "something outside has changed after one of {shapes:#?}"
    );
    if terms == Terms::Readable {
        assert_eq!(
            yard.inside(),
            inside,
            "something inside has changed after one of {shapes:#?}"
        );
    }
    for secret in [SONG, "root:x:0:0", "nest"] {
        let told = seen
            .iter()
            .find(|seen| seen.contains(secret) && !is_a_links_own_text(seen));
        assert_eq!(told, None, "it was seen by one of {shapes:#?}");
    }
    Ok(successes)
}

/// What a link inside says is inside; it is not where it leads to.
fn is_a_links_own_text(seen: &str) -> bool {
    seen == "rel_folder/nest"
}

#[test]
fn no_path_leads_out_of_a_directory_that_can_be_read() {
    tries(Terms::Readable);
}

#[test]
fn no_path_leads_out_of_a_directory_that_can_be_written() {
    tries(Terms::Writable);
}

#[test]
fn a_quota_that_nobody_reaches_changes_nothing() {
    assert_eq!(tries(Terms::Bounded), tries(Terms::Writable));
}
