//! An actor that fills directories, as fast and in as many ways as it can.

use std::fs::{self, File, OpenOptions};
use std::io::{Result as IoResult, Seek as _, SeekFrom, Write as _};

use steading_guest::{Budget, Directory, Result, Spec, nursery};
use steading_test_guests::wasi::filesystem::preopens::get_directories;
use steading_test_guests::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, OpenFlags, PathFlags, filesystem_error_code,
};
use steading_test_guests::wasi::io::streams::{OutputStream, StreamError};

struct Quotas;

/// How far something came, and why no further.
type Came = (u64, Option<String>);

/// Fills directories.
#[steading_guest::actor]
impl Quotas {
    /// A file of so many bytes.
    async fn write(path: String, bytes: u64) -> Result<Option<String>> {
        Ok(why(fs::write(path, vec![b'x'; bytes as usize])))
    }

    /// The same in pieces, appended; how many bytes were written.
    async fn append(path: String, piece: u64, pieces: u64) -> Result<Came> {
        let append = |_| -> IoResult<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(&vec![b'x'; piece as usize])
        };
        let (times, why) = until(pieces, append);
        Ok((times * piece, why))
    }

    /// The same in pieces, all over the same open file.
    async fn pour(path: String, piece: u64, pieces: u64) -> Result<Came> {
        let mut file = File::create(path)?;
        let block = vec![b'x'; piece as usize];
        let (times, why) = until(pieces, |_| file.write_all(&block));
        Ok((times * piece, why))
    }

    /// So many files of so many bytes; how many there are.
    async fn many(folder: String, files: u64, bytes: u64) -> Result<Came> {
        let block = vec![b'x'; bytes as usize];
        Ok(until(files, |n| fs::write(format!("{folder}/{n}"), &block)))
    }

    /// So many folders, or second names of one file.
    async fn names(folder: String, kind: String, count: u64) -> Result<Came> {
        let make = |n: u64| match kind.as_str() {
            "folder" => fs::create_dir(format!("{folder}/{n}")),
            _ => fs::hard_link(format!("{folder}/file"), format!("{folder}/{n}")),
        };
        Ok(until(count, make))
    }

    /// One byte, so far out.
    async fn sparse(path: String, offset: u64) -> Result<Option<String>> {
        let write = || -> IoResult<()> {
            let mut file = File::create(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(b"x")
        };
        Ok(why(write()))
    }

    /// A file that is said to be so long.
    async fn set_size(path: String, bytes: u64) -> Result<Option<String>> {
        let open = || OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        Ok(why(open().and_then(|file| file.set_len(bytes))))
    }

    /// Writes a file, makes it empty, and again; in how many rounds that went well.
    async fn rewrite(path: String, bytes: u64, rounds: u64) -> Result<Came> {
        let block = vec![b'x'; bytes as usize];
        Ok(until(rounds, |_| fs::write(&path, &block)))
    }

    /// Writes a file and removes it, and again, holding it open meanwhile if it is said so.
    async fn remove(folder: String, bytes: u64, rounds: u64, hold: bool) -> Result<Came> {
        let block = vec![b'x'; bytes as usize];
        let mut held = Vec::new();
        let round = |n| {
            let path = format!("{folder}/{n}");
            let mut file = File::create(&path)?;
            file.write_all(&block)?;
            if hold {
                held.push(file);
            }
            fs::remove_file(path)
        };
        Ok(until(rounds, round))
    }

    /// Has a file take the place of another, and again, each of so many bytes.
    async fn replace(folder: String, bytes: u64, rounds: u64) -> Result<Came> {
        let block = vec![b'x'; bytes as usize];
        let round = |_| {
            fs::write(format!("{folder}/new"), &block)?;
            fs::rename(format!("{folder}/new"), format!("{folder}/old"))
        };
        Ok(until(rounds, round))
    }

    /// Moves a file, or gives it a second name.
    async fn carry(from: String, to: String, link: bool) -> Result<Option<String>> {
        Ok(why(if link {
            fs::hard_link(from, to)
        } else {
            fs::rename(from, to)
        }))
    }

    /// Opens a file so many times at once.
    async fn open(path: String, times: u64) -> Result<Came> {
        let mut held = Vec::new();
        let open = |_| File::open(&path).map(|file| held.push(file));
        Ok(until(times, open))
    }

    /// What a second look shows of a file that was written far out.
    async fn length(path: String) -> Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    /// Has so many children at once append to files of their own in a directory that is handed on, each with a quota
    /// of its own if one is given; how many bytes came of it.
    async fn share(folder: String, children: u32, bytes: u64, quota: Option<u64>) -> Result<u64> {
        nursery(async |n| {
            let mut written = 0;
            let calls: Vec<_> = (0..children)
                .map(|child| {
                    let mut directory = Directory::new(&folder, "/mine").writable();
                    directory.quota = quota;
                    let spec = Spec::this_component(format!("child_{child}")).directory(directory);
                    let args = (format!("/mine/child-{child}"), 1000_u64, bytes / 1000);
                    n.run_in_actor::<Came, _>(spec, "append", &args)
                })
                .collect();
            for call in &calls {
                written += call.result().await?.0;
            }
            Ok(written)
        })
        .await
    }

    /// Has a child write beside one that has next to no processor time and writes all the while; in how many rounds that
    /// went well.
    async fn beside_one_that_rests(folder: String, rounds: u64) -> Result<Came> {
        nursery(async |n| {
            let child = |name: &str| {
                let directory = Directory::new(&folder, "/mine").writable();
                Spec::this_component(name).directory(directory)
            };
            let slow = child("slow").budget(Budget::default().cpu(0.001));
            let _slow = n.run_in_actor::<Came, _>(slow, "rewrite", &("/mine/slow", 1000_u64, u64::MAX));
            let quick = n.run_in_actor::<Came, _>(child("quick"), "rewrite", &("/mine/quick", 1000_u64, rounds));
            let came = quick.result().await?;
            n.cancel("it is done");
            Ok(came)
        })
        .await
    }

    /// Does whatever comes to its mind, below the standard library, and leaves what it has opened to chance; how often
    /// that went well.
    async fn wild(seed: u64, steps: u32) -> Result<u32> {
        Ok(Wild::new(seed).run(steps))
    }

    /// Has two children do so at once in a directory that is handed on.
    async fn wild_together(folder: String, seed: u64, steps: u32) -> Result<u32> {
        nursery(async |n| {
            let calls: Vec<_> = (0..2)
                .map(|child| {
                    let directory = Directory::new(&folder, "/data").writable();
                    let spec = Spec::this_component(format!("child_{child}")).directory(directory);
                    n.run_in_actor::<u32, _>(spec, "wild", &(seed + child, steps))
                })
                .collect();
            let mut successes = 0;
            for call in &calls {
                successes += call.result().await?;
            }
            Ok(successes)
        })
        .await
    }

    /// How a stream says that there is no room.
    async fn last_word() -> Result<String> {
        let root = root();
        let file = root.open_at(PathFlags::empty(), "word", OpenFlags::CREATE, DescriptorFlags::WRITE);
        let stream = file
            .and_then(|file| file.append_via_stream())
            .expect("there is room for its name");
        loop {
            let piece = stream.check_write().expect("it has not failed yet").min(10_000);
            let end = stream
                .write(&vec![b'x'; piece as usize])
                .and_then(|()| stream.blocking_flush());
            match end {
                Ok(()) => {}
                Err(StreamError::LastOperationFailed(error)) => {
                    return Ok(format!("{:?}", filesystem_error_code(&error)));
                }
                Err(StreamError::Closed) => return Ok("closed".to_owned()),
            }
        }
    }

    /// Removes all that is in a folder.
    async fn clear(folder: String) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }

    /// Fills a file, and dies of it.
    async fn fill_and_die(path: String, bytes: u64) -> Result<()> {
        fs::write(path, vec![b'x'; bytes as usize]).expect("there is room");
        panic!("it is full");
    }
}

/// The directory it was granted.
fn root() -> Descriptor {
    let found = get_directories().into_iter().find(|(_, name)| name == "/data");
    found.expect("the test grants it").0
}

/// Chance, and what it has left open.
struct Wild {
    state: u64,
    root: Descriptor,
    files: Vec<Descriptor>,
    streams: Vec<OutputStream>,
}

impl Wild {
    fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            root: root(),
            files: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// The next number below `most`.
    fn next(&mut self, most: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % most
    }

    fn path(&mut self) -> String {
        let name = ["a", "b", "c", "d", "e"][self.next(5) as usize];
        match self.next(4) {
            0 => format!("sub/{name}"),
            1 => format!("./sub/../{name}"),
            _ => name.to_owned(),
        }
    }

    fn run(mut self, steps: u32) -> u32 {
        (0..steps).filter(|_| self.step().is_some()).count() as u32
    }

    fn step(&mut self) -> Option<()> {
        let (path, other) = (self.path(), self.path());
        let follow = [PathFlags::SYMLINK_FOLLOW, PathFlags::empty()][self.next(2) as usize];
        match self.next(16) {
            0..=2 => self.open(follow, &path),
            3..=6 => self.write(),
            7 => {
                let size = self.next(60_000);
                self.file()?.set_size(size).ok()
            }
            8 => self.root.unlink_file_at(&path).ok(),
            9 => self.root.rename_at(&path, &self.root, &other).ok(),
            10 => self.root.link_at(PathFlags::empty(), &path, &self.root, &other).ok(),
            11 => self.root.symlink_at(&path, &other).ok(),
            12 => {
                let path = ["sub", &path][self.next(2) as usize];
                self.root.create_directory_at(path).ok()
            }
            13 => self.root.remove_directory_at(&path).ok(),
            14 => self.leave(),
            _ => {
                let at = self.next(self.streams.len() as u64 + 1) as usize;
                self.streams.get(at)?.blocking_flush().ok()
            }
        }
    }

    fn file(&mut self) -> Option<&Descriptor> {
        let at = self.next(self.files.len() as u64 + 1) as usize;
        self.files.get(at)
    }

    fn open(&mut self, follow: PathFlags, path: &str) -> Option<()> {
        let flags = [
            OpenFlags::empty(),
            OpenFlags::CREATE,
            OpenFlags::TRUNCATE,
            OpenFlags::CREATE | OpenFlags::TRUNCATE,
            OpenFlags::CREATE | OpenFlags::EXCLUSIVE,
        ];
        let modes = [
            DescriptorFlags::WRITE,
            DescriptorFlags::READ,
            DescriptorFlags::READ | DescriptorFlags::WRITE,
        ];
        let (flags, mode) = (flags[self.next(5) as usize], modes[self.next(3) as usize]);
        let opened = self.root.open_at(follow, path, flags, mode).ok()?;
        self.files.push(opened);
        (self.files.len() > 8).then(|| self.leave());
        Some(())
    }

    /// Directly, or by a stream that may be left as it is.
    fn write(&mut self) -> Option<()> {
        let (bytes, offset) = (vec![b'x'; self.next(20_000) as usize], self.next(40_000));
        let way = self.next(5);
        let stream = match way {
            0..=1 => return self.file()?.write(&bytes, offset).ok().map(drop),
            2 => self.file()?.append_via_stream().ok()?,
            _ => self.file()?.write_via_stream(offset).ok()?,
        };
        let written = stream.write(&bytes).ok();
        match way {
            4 => self.streams.push(stream),
            _ => drop(stream),
        }
        (self.streams.len() > 8).then(|| self.streams.remove(0));
        written
    }

    /// Lets go of a file or a stream.
    fn leave(&mut self) -> Option<()> {
        let at = self.next(self.files.len() as u64 + 1) as usize;
        if at < self.files.len() {
            self.files.swap_remove(at);
        } else {
            self.streams.pop()?;
        }
        Some(())
    }
}

fn until(times: u64, mut act: impl FnMut(u64) -> IoResult<()>) -> Came {
    for n in 0..times {
        if let Err(error) = act(n) {
            return (n, Some(error.to_string()));
        }
    }
    (times, None)
}

fn why(result: IoResult<()>) -> Option<String> {
    result.err().map(|error| error.to_string())
}

fn main() {}
