//! What guests may add to a directory: bytes, and files open at once.
//!
//! A quota is charged before anything grows, for it and for every quota above it, or for none; what is removed or made
//! shorter is given back. Whatever changes a size or a name holds the [gate](Quota::gate) of the topmost quota, so
//! nothing is counted twice by two at once. Two directories that an embedder grants are two quotas, even if they are
//! the same one on the disk. Where in a guest's operations this is done, the backend knows.

use std::fs::File;
use std::io;
use std::mem;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use steading_types::{ActorId, Directory};

use super::{lock, log};

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
    gate: Mutex<()>,
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
    held: Held,
    by: Weak<Quota>,
    /// Bytes that are given back when the last who holds it lets go: its last name is gone.
    owed: Option<u64>,
}

/// By what it is known whether anybody holds it.
#[derive(Debug)]
enum Held {
    /// It is about to be opened.
    Soon(Weak<()>),
    File(Weak<File>),
}

impl Held {
    fn by_anybody(&self) -> bool {
        match self {
            Self::Soon(opening) => opening.strong_count() > 0,
            Self::File(file) => file.strong_count() > 0,
        }
    }
}

/// A file that is about to be opened, and counts as open already.
#[derive(Debug)]
pub(crate) struct Opening {
    quota: Arc<Quota>,
    here: Arc<()>,
}

/// Bytes that were charged for what is about to be made; given back unless it is.
#[derive(Debug)]
#[must_use]
pub(crate) struct Taken<'a> {
    quota: &'a Quota,
    bytes: u64,
}

impl Taken<'_> {
    /// It was made.
    pub(crate) fn keep(self) {
        mem::forget(self);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.quota.give(self.bytes);
    }
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

    /// To be held while sizes or names change, by a thread that may block and until it is done: never across a wait of
    /// an actor's, which may have to rest while all others stand here.
    pub(crate) fn gate(&self) -> MutexGuard<'_, ()> {
        lock(&self.common.gate)
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |quota| quota.above.as_deref())
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        lock(&self.used)
    }

    /// As [`take`](Self::take), for something that may not come to be.
    pub(crate) fn take_for(&self, bytes: u64, who: &ActorId) -> io::Result<Taken<'_>> {
        self.take(bytes, who)?;
        Ok(Taken { quota: self, bytes })
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

    /// Counts a file that is about to be opened; `None` if there may be no more, which the log is told.
    pub(crate) fn open_one_more(self: &Arc<Self>, who: &ActorId) -> Option<Opening> {
        self.settle();
        let mut open = lock(&self.common.open);
        let full = self.chain().find(|quota| quota.open <= quota.count(&open));
        if let Some(full) = full {
            drop(open);
            full.tell(Bound::Open, who);
            return None;
        }
        let here = Arc::new(());
        open.push(Opened {
            identity: 0,
            held: Held::Soon(Arc::downgrade(&here)),
            by: Arc::downgrade(self),
            owed: None,
        });
        let quota = self.clone();
        Some(Opening { quota, here })
    }

    fn count(&self, open: &[Opened]) -> usize {
        let is_below = |by: &Arc<Self>| by.chain().any(|quota| std::ptr::eq(quota, self));
        let held = open.iter().filter(|opened| opened.held.by_anybody());
        held.filter_map(|opened| opened.by.upgrade()).filter(is_below).count()
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
            .find(|opened| matches!(&opened.held, Held::File(held) if std::ptr::eq(held.as_ptr(), Arc::as_ptr(file))));
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
        let (held, gone): (Vec<_>, Vec<_>) = mem::take(&mut *open)
            .into_iter()
            .partition(|opened| opened.held.by_anybody());
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
        if mem::replace(&mut self.used().told[bound as usize], true) {
            return;
        }
        let Self { path, bytes, open, .. } = self;
        let text = match bound {
            Bound::Bytes => format!("may add {bytes} bytes to it; `--dir …,quota=` of its grant sets that"),
            Bound::Open => format!("may have {open} files of it open; `--dir …,open=` of its grant sets that"),
        };
        let (path, actor) = (log::escape(path), &who.name);
        let text = format!("directory {path} is at its bound: who has it {text}");
        log::quietly(|| tracing::warn!(target: "steading::quota", %actor, id = %who.uuid, "{text}"));
    }
}

impl Opening {
    /// It is open now, as this file of this identity.
    pub(crate) fn is(self, file: &Arc<File>, identity: u64) {
        let is_this = |opened: &&mut Opened| matches!(&opened.held, Held::Soon(soon) if std::ptr::eq(soon.as_ptr(), Arc::as_ptr(&self.here)));
        if let Some(opened) = lock(&self.quota.common.open).iter_mut().find(is_this) {
            opened.identity = identity;
            opened.held = Held::File(Arc::downgrade(file));
        }
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

    fn open(quota: &Arc<Quota>, file: &Arc<File>, identity: u64) -> bool {
        let opening = quota.open_one_more(&me());
        opening.map(|opening| opening.is(file, identity)).is_some()
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
        open(&quota, &file, 7);
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
        assert!(files.iter().all(|file| open(&below, file, 1)));
        assert!(below.open_one_more(&me()).is_none() && top.open_one_more(&me()).is_none());
        drop(files);
        let soon = [below.open_one_more(&me()), top.open_one_more(&me())];
        assert!(soon.iter().all(Option::is_some));
        assert!(
            below.open_one_more(&me()).is_none(),
            "what is being opened counts already"
        );
        drop(soon);
        assert!(below.open_one_more(&me()).is_some(), "and not if it comes to nothing");
    }

    #[test]
    fn what_was_charged_for_what_is_not_made_is_given_back() {
        let quota = Quota::new(None, "/", Some(100), None);
        drop(quota.take_for(60, &me()));
        assert_eq!(quota.used().bytes, 0);
        quota.take_for(60, &me()).expect("there is room").keep();
        assert_eq!(quota.used().bytes, 60);
    }
}
