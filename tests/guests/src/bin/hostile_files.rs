//! A guest that asks for files by every kind of path, below the standard library, which would mend them.

use std::time::Duration;

use steading_guest::{Result, sleep};
use steading_test_guests::wasi::clocks::wall_clock::Datetime;
use steading_test_guests::wasi::filesystem::preopens::get_directories;
use steading_test_guests::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};

struct Files;

/// Looks for a way out of its directories.
#[steading_guest::actor]
impl Files {
    /// Does everything there is to do with each of these paths, in the directory of this name; all that it has
    /// read thereby, of contents, names and links, and how often an operation succeeded.
    async fn escape(directory: String, paths: Vec<String>) -> Result<(u32, Vec<String>)> {
        let root = preopened(&directory);
        let mut loot = Loot::default();
        for path in &paths {
            loot.look(&root, path);
            loot.change(&root, path);
        }
        Ok((loot.successes, loot.seen))
    }

    /// Opens files until it may not; how it is told.
    async fn descriptors() -> Result<String> {
        let mut held = Vec::new();
        loop {
            match std::fs::File::open("/data/note.txt") {
                Ok(file) => held.push(file),
                Err(error) => return Ok(format!("{error}")),
            }
        }
    }

    /// Opens a pipe that nobody writes to.
    async fn pipe() -> Result<String> {
        std::fs::File::open("/data/pipe")?;
        sleep(Duration::ZERO).await?;
        Ok("it was opened".to_owned())
    }

    /// Begins to read its directory, again and again, until it may not; how often, and how it is told.
    async fn listings() -> Result<String> {
        let (root, mut held) = (preopened("/data"), Vec::new());
        loop {
            match root.read_directory() {
                Ok(entries) => {
                    assert!(entries.read_directory_entry().is_ok_and(|entry| entry.is_some()));
                    held.push(entries);
                }
                Err(error) => return Ok(format!("{}, then {}", held.len(), error.name())),
            }
        }
    }

    /// Opens a pipe that nobody writes to; how it is told if it may not even wait for that.
    async fn wait_at_pipe() -> Result<String> {
        match std::fs::File::open("/data/pipe") {
            Ok(_) => Ok("it was opened".to_owned()),
            Err(error) => Ok(format!("{error}")),
        }
    }

    /// The text of a file.
    async fn read(path: String) -> Result<String> {
        Ok(std::fs::read_to_string(path)?)
    }

    /// Makes a file as large as a number can say.
    async fn sparse() -> Result<String> {
        let file = std::fs::File::create("/data/sparse")?;
        Ok(match file.set_len(1 << 62) {
            Ok(()) => "it was made".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        })
    }
}

fn preopened(directory: &str) -> Descriptor {
    let all = get_directories();
    let found = all.into_iter().find(|(_, name)| name == directory);
    found.expect("the test grants it").0
}

#[derive(Default)]
struct Loot {
    successes: u32,
    seen: Vec<String>,
}

impl Loot {
    fn note<T>(&mut self, end: std::result::Result<T, ErrorCode>) -> Option<T> {
        self.successes += u32::from(end.is_ok());
        end.ok()
    }

    /// Everything that reads.
    fn look(&mut self, root: &Descriptor, path: &str) {
        for follow in [PathFlags::SYMLINK_FOLLOW, PathFlags::empty()] {
            for flags in [OpenFlags::empty(), OpenFlags::DIRECTORY] {
                if let Some(opened) = self.note(root.open_at(follow, path, flags, DescriptorFlags::READ)) {
                    self.read(&opened);
                }
            }
            self.note(root.stat_at(follow, path));
        }
        let link = self.note(root.readlink_at(path));
        self.seen.extend(link);
    }

    fn read(&mut self, opened: &Descriptor) {
        if let Some((bytes, _)) = self.note(opened.read(4096, 0)) {
            self.seen.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        let Some(entries) = self.note(opened.read_directory()) else {
            return;
        };
        while let Ok(Some(entry)) = entries.read_directory_entry() {
            self.seen.push(entry.name);
        }
    }

    /// Everything that writes, the gentlest first.
    fn change(&mut self, root: &Descriptor, path: &str) {
        let long_ago = NewTimestamp::Timestamp(Datetime {
            seconds: 1,
            nanoseconds: 0,
        });
        for follow in [PathFlags::SYMLINK_FOLLOW, PathFlags::empty()] {
            self.note(root.set_times_at(follow, path, long_ago, long_ago));
            let linked = self.note(root.link_at(follow, path, root, "linked")).is_some();
            if linked {
                self.look(root, "linked");
                self.note(root.unlink_file_at("linked"));
            }
            self.open_to_write(root, follow, path);
        }
        self.note(root.create_directory_at(path));
        self.note(root.remove_directory_at(path));
        self.note(root.symlink_at("/etc/passwd", path));
        self.note(root.symlink_at(path, "led"));
        self.look(root, "led");
        self.note(root.unlink_file_at("led"));
        self.note(root.rename_at("note.txt", root, path));
        if self.note(root.rename_at(path, root, "moved")).is_some() {
            self.look(root, "moved");
            self.note(root.rename_at("moved", root, "note.txt"));
        }
        self.note(root.unlink_file_at(path));
    }

    fn open_to_write(&mut self, root: &Descriptor, follow: PathFlags, path: &str) {
        let flags = [
            OpenFlags::empty(),
            OpenFlags::TRUNCATE,
            OpenFlags::CREATE,
            OpenFlags::CREATE | OpenFlags::TRUNCATE,
            OpenFlags::CREATE | OpenFlags::EXCLUSIVE,
        ];
        let modes = [
            DescriptorFlags::WRITE,
            DescriptorFlags::READ | DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY,
            DescriptorFlags::READ,
        ];
        for (flags, mode) in flags.into_iter().flat_map(|flags| modes.map(|mode| (flags, mode))) {
            let Some(opened) = self.note(root.open_at(follow, path, flags, mode)) else {
                continue;
            };
            self.note(opened.write(b"the guest was here", 0));
            self.note(opened.set_size(3));
            self.note(opened.set_times(NewTimestamp::Now, NewTimestamp::Now));
        }
    }
}

fn main() {}
