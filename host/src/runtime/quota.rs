//! What guests may add to a directory: bytes, and files open at once.
//!
//! A quota is charged before anything grows, for it and for every quota above it, or for none; what is removed or made
//! shorter is given back. Whatever changes a size or a name holds the [gate](Quota::gate) of the topmost quota, so
//! nothing is counted twice by two at once. Two directories that an embedder grants are two quotas, even if they are
//! the same one on the disk. Where in a guest's operations this is done, the backend knows.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use steading_types::{ActorId, Directory};
use tokio::sync::OwnedMutexGuard;

use super::lock;

/// A bound on what a granted directory may grow by. See the [module](self).
#[derive(Debug)]
pub(crate) struct Quota {
    /// As those who have it call it.
    path: String,
    bytes: u64,
    open: usize,
    above: Option<Arc<Quota>>,
    used: Mutex<Used>,
    common: Arc<Common>,
}

/// What all quotas below one share.
#[derive(Debug, Default)]
struct Common {
    gate: Arc<tokio::sync::Mutex<()>>,
    open: Mutex<Vec<Opened>>,
}

#[derive(Debug, Default)]
struct Used {
    bytes: u64,
    /// Whether the log has heard that it is full, and that too much is open.
    told: [bool; 2],
}

/// A file or directory that is open, for as long as anybody holds it.
#[derive(Debug)]
struct Opened {
    /// Which it is on the disk.
    identity: u64,
    file: Weak<File>,
    by: Weak<Quota>,
    /// Bytes that are given back when the last who holds it lets go: its last name is gone.
    owed: Option<u64>,
}

/// What a path leads to, as far as it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) identity: u64,
    pub(crate) size: u64,
    pub(crate) links: u64,
    pub(crate) is_directory: bool,
}

/// The bound that was reached.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Bytes,
    Open,
}

impl Quota {
    /// Within the one above, if there is one.
    pub(crate) fn new(above: Option<Arc<Self>>, path: &str, bytes: Option<u64>, open: Option<u32>) -> Arc<Self> {
        let common = above.as_ref().map_or_else(Arc::default, |above| above.common.clone());
        Arc::new(Self {
            path: path.to_owned(),
            bytes: bytes.unwrap_or(u64::MAX),
            open: open.map_or(usize::MAX, |open| open as usize),
            above,
            used: Mutex::default(),
            common,
        })
    }

    /// To be held while sizes or names change.
    pub(crate) async fn gate(&self) -> OwnedMutexGuard<()> {
        self.common.gate.clone().lock_owned().await
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |quota| quota.above.as_deref())
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        lock(&self.used)
    }

    /// Charges so many bytes, everywhere or nowhere; who asks is named in the log if there is no room.
    pub(crate) fn take(&self, bytes: u64, who: &ActorId) -> io::Result<()> {
        if self.charge(bytes).is_ok() {
            return Ok(());
        }
        // Files without a name may have been closed in the meantime.
        self.settle();
        self.charge(bytes).map_err(|full| {
            full.tell(Bound::Bytes, who);
            io::Error::from(rustix::io::Errno::NOSPC)
        })
    }

    fn charge(&self, bytes: u64) -> Result<(), &Self> {
        for quota in self.chain() {
            let mut used = quota.used();
            let after = used.bytes.saturating_add(bytes);
            if bytes > 0 && after > quota.bytes {
                drop(used);
                let charged = self.chain().take_while(|below| !std::ptr::eq(*below, quota));
                charged.for_each(|below| below.used().give(bytes));
                return Err(quota);
            }
            used.bytes = after;
        }
        Ok(())
    }

    /// What was charged and has gone. What was there before the guest came gives nothing.
    pub(crate) fn give(&self, bytes: u64) {
        self.chain().for_each(|quota| quota.used().give(bytes));
    }

    /// Performs what may make a file longer or shorter, and charges by how much it did. `becomes` says how long it
    /// will be at most. The gate is held.
    pub(crate) fn resize<R>(
        &self,
        file: &Arc<File>,
        who: &ActorId,
        becomes: impl FnOnce(u64) -> u64,
        act: impl FnOnce(&File) -> io::Result<R>,
    ) -> io::Result<R> {
        let before = file.metadata()?;
        if !before.is_file() {
            return act(file);
        }
        let most = becomes(before.len()).max(before.len());
        self.take(most - before.len(), who)?;
        let result = act(file);
        let after = file.metadata().map_or(most, |after| after.len()).min(most);
        self.give(most - after);
        if before.nlink() == 0 {
            self.owe_more(file, after);
        }
        result
    }

    /// Counts an open file, if there may be one more.
    pub(crate) fn opened(self: &Arc<Self>, file: &Arc<File>, identity: u64) {
        lock(&self.common.open).push(Opened {
            identity,
            file: Arc::downgrade(file),
            by: Arc::downgrade(self),
            owed: None,
        });
    }

    /// Whether one more may be opened; the log is told if not.
    pub(crate) fn may_open(&self, who: &ActorId) -> bool {
        self.settle();
        let full = self.chain().find(|quota| quota.open <= quota.count_open());
        full.inspect(|full| full.tell(Bound::Open, who)).is_none()
    }

    fn count_open(&self) -> usize {
        let is_below = |by: &Arc<Self>| by.chain().any(|quota| std::ptr::eq(quota, self));
        let open = lock(&self.common.open);
        let by = open.iter().filter_map(|opened| opened.by.upgrade());
        by.filter(is_below).count()
    }

    /// A name is gone. What it led to is given back if it was the last, now, or when it is not open any more.
    pub(crate) fn removed(self: &Arc<Self>, entry: Entry) {
        self.give(Directory::ENTRY);
        if entry.is_directory || entry.links > 1 {
            return;
        }
        self.settle();
        let mut open = lock(&self.common.open);
        match open.iter_mut().find(|opened| opened.identity == entry.identity) {
            Some(opened) => opened.owed = Some(entry.size),
            None => {
                drop(open);
                self.give(entry.size);
            }
        }
    }

    /// A file without a name has become so long.
    fn owe_more(&self, file: &Arc<File>, len: u64) {
        let mut open = lock(&self.common.open);
        let same = open
            .iter()
            .find(|opened| std::ptr::eq(opened.file.as_ptr(), Arc::as_ptr(file)));
        let Some(identity) = same.map(|opened| opened.identity) else {
            return;
        };
        let owed = |opened: &&mut Opened| opened.identity == identity && opened.owed.is_some();
        if let Some(opened) = open.iter_mut().find(owed) {
            opened.owed = Some(len);
        }
    }

    /// Forgets what is not open any more, and gives back what was owed for it.
    fn settle(&self) {
        let mut open = lock(&self.common.open);
        let (held, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut *open)
            .into_iter()
            .partition(|opened| opened.file.strong_count() > 0);
        *open = held;
        let mut given = Vec::new();
        for Opened { identity, by, owed, .. } in gone {
            let Some(owed) = owed else { continue };
            match open.iter_mut().find(|opened| opened.identity == identity) {
                // Others hold it yet.
                Some(opened) => opened.owed = Some(owed),
                None => given.push((by, owed)),
            }
        }
        drop(open);
        for (by, owed) in given {
            match by.upgrade() {
                Some(by) => by.give(owed),
                // Who opened it is gone; whoever is above was charged as well.
                None => self.top().give(owed),
            }
        }
    }

    fn top(&self) -> &Self {
        self.chain().last().unwrap_or(self)
    }

    /// Once for each bound: a guest may run into it as often as it likes.
    fn tell(&self, bound: Bound, who: &ActorId) {
        if std::mem::replace(&mut self.used().told[bound as usize], true) {
            return;
        }
        let Self { path, bytes, open, .. } = self;
        let text = match bound {
            Bound::Bytes => format!("may add {bytes} bytes to it; `--dir …,quota=` of its grant sets that"),
            Bound::Open => format!("may have {open} files of it open; `--dir …,open=` of its grant sets that"),
        };
        let (path, actor) = (super::log::escape(path), &who.name);
        let text = format!("directory {path} is at its bound: who has it {text}");
        tracing::warn!(target: "steading::quota", %actor, id = %who.uuid, "{text}");
    }
}

impl Used {
    fn give(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn me() -> ActorId {
        ActorId::new("me", steading_types::Uuid { high: 0, low: 1 })
    }

    fn file() -> Arc<File> {
        Arc::new(tempfile::tempfile().expect("there is room for a file"))
    }

    fn append(quota: &Quota, file: &Arc<File>, bytes: usize) -> bool {
        let becomes = |len: u64| len + bytes as u64;
        let act = |mut file: &File| file.write_all(&vec![0; bytes]);
        quota.resize(file, &me(), becomes, act).is_ok()
    }

    #[test]
    fn what_grows_is_charged_everywhere_or_nowhere() {
        let top = Quota::new(None, "/top", Some(100), None);
        let one = Quota::new(Some(top.clone()), "/one", Some(80), None);
        let other = Quota::new(Some(top.clone()), "/other", None, None);
        assert!(one.take(70, &me()).is_ok() && other.take(30, &me()).is_ok());
        assert!(other.take(1, &me()).is_err(), "the top is full");
        assert_eq!(other.used().bytes, 30, "and nothing was charged below");
        one.give(20);
        assert!(one.take(31, &me()).is_err() && one.take(20, &me()).is_ok());
        assert_eq!(top.used().bytes, 100);
    }

    #[test]
    fn nothing_is_given_for_what_was_there_before() {
        let quota = Quota::new(None, "/", Some(100), None);
        quota.give(1 << 40);
        assert!(quota.take(101, &me()).is_err() && quota.take(100, &me()).is_ok());
        assert!(quota.take(u64::MAX, &me()).is_err());
        assert!(quota.take(0, &me()).is_ok(), "what needs no room has it");
    }

    #[test]
    fn a_file_is_charged_by_its_length() {
        let (quota, file) = (Quota::new(None, "/", Some(100), None), file());
        assert!(append(&quota, &file, 60) && !append(&quota, &file, 60));
        assert_eq!(quota.used().bytes, 60, "what was refused is not charged");
        let shorten = quota.resize(&file, &me(), |_| 10, |file| file.set_len(10));
        assert!(shorten.is_ok() && quota.used().bytes == 10);
        assert!(
            quota
                .resize(&file, &me(), |_| 1 << 40, |file| file.set_len(1 << 40))
                .is_err()
        );
        let over = quota.resize(&file, &me(), |len| len.max(8), |_| Ok(()));
        assert!(
            over.is_ok() && quota.used().bytes == 10,
            "writing over what is there is free"
        );
    }

    #[test]
    fn a_file_without_a_name_counts_until_it_is_closed() {
        let (quota, file) = (Quota::new(None, "/", Some(100_000), None), file());
        quota.opened(&file, 7);
        assert!(quota.take(Directory::ENTRY, &me()).is_ok(), "as its name was made");
        assert!(append(&quota, &file, 50));
        let entry = Entry {
            identity: 7,
            size: 50,
            links: 1,
            is_directory: false,
        };
        quota.removed(entry);
        assert!(append(&quota, &file, 30), "it can still be written");
        quota.settle();
        assert_eq!(quota.used().bytes, 80);
        drop(file);
        quota.settle();
        assert_eq!(quota.used().bytes, 0);
    }

    #[test]
    fn so_many_may_be_open_and_no_more() {
        let top = Quota::new(None, "/", None, Some(2));
        let below = Quota::new(Some(top.clone()), "/", None, None);
        let files = [file(), file()];
        for one in &files {
            assert!(below.may_open(&me()));
            below.opened(one, 1);
        }
        assert!(!below.may_open(&me()) && !top.may_open(&me()));
        drop(files);
        assert!(below.may_open(&me()));
    }
}
