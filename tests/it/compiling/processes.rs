//! The processes of this machine that compile for another.

use std::fs;
use std::time::{Duration, Instant};

/// After this long, what was to come does not.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Looks until there is something: no event tells of other processes' affairs.
///
/// # Panics
/// When nothing comes.
pub(crate) fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + WATCHDOG;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "never: {what}");
        std::thread::yield_now();
    }
}

/// What the kernel shows of a process: its parent, its state.
struct Process {
    id: u32,
    parent: u32,
    state: char,
    name: String,
}

impl Process {
    /// `None` for one that is gone meanwhile.
    fn of(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let mut fields = tail.split_whitespace();
        Some(Self {
            id,
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            name: head.split_once('(')?.1.to_owned(),
        })
    }
}

/// Compilers of a process, also those that have ended and are not reaped: they have the name of the tests'
/// embedder, or of the link to a program itself.
pub(crate) fn compilers_of(host: u32) -> Vec<u32> {
    let ids = fs::read_dir("/proc").expect("procfs is there on every Linux").flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = ids.filter_map(Process::of).filter(|process| process.parent == host);
    let compilers = children.filter(|process| ["embedder", "exe"].contains(&&*process.name));
    compilers.map(|process| process.id).collect()
}

/// Whether it runs; one that has ended and waits for its new parent does not.
pub(crate) fn is_alive(id: u32) -> bool {
    Process::of(id).is_some_and(|process| process.state != 'Z')
}
