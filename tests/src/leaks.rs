//! What this process holds of the kernel's: file descriptors and threads.
//!
//! Compared before and after each telling of a story. Threads of the test harness itself come and go
//! meanwhile and are told apart by their names, which are those of tests. A thread that looks has another
//! name meanwhile, as those it starts inherit it; it is told apart by its number, since a list of the
//! kernel's may lack it: while one thread ends, the next one in the list can be passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the kernel may take to show that a thread has gone.
const GONE: Duration = Duration::from_secs(5);

const PROCFS: &str = "procfs is there on every Linux that runs the tests";

/// The threads that look: those with a [`Held`].
static LOOKING: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// File descriptors and threads at one moment.
#[derive(Debug)]
pub struct Held {
    descriptors: BTreeMap<String, String>,
    threads: BTreeSet<String>,
    looking: Looking,
}

/// That this thread looks. Dropped, it has its own name again.
#[derive(Debug)]
struct Looking {
    id: String,
    name: String,
    /// It is about the thread that has made it, so it stays there.
    of_this_thread: PhantomData<*const ()>,
}

impl Looking {
    fn begin() -> Self {
        let id = fs::read_link("/proc/thread-self").expect(PROCFS);
        let looking = Self {
            id: id
                .file_name()
                .expect("it ends with a number")
                .to_string_lossy()
                .into_owned(),
            name: fs::read_to_string("/proc/thread-self/comm").expect(PROCFS),
            of_this_thread: PhantomData,
        };
        all_looking().insert(looking.id.clone());
        // A thread without a name inherits this one's.
        fs::write("/proc/thread-self/comm", "teller").expect(PROCFS);
        looking
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        // In this order, or it would be neither a test's nor one that looks.
        fs::write("/proc/thread-self/comm", self.name.trim_end()).expect(PROCFS);
        all_looking().remove(&self.id);
    }
}

fn all_looking() -> MutexGuard<'static, BTreeSet<String>> {
    LOOKING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    /// What is held now. Threads that this one starts from here on are told apart from those of tests.
    pub fn now() -> Self {
        Self {
            looking: Looking::begin(),
            descriptors: descriptors(),
            threads: threads().into_keys().collect(),
        }
    }

    /// # Panics
    /// When more is held than at the time of `self`, also after the kernel had its time.
    pub fn check(&self, story: &str) {
        let until = Instant::now() + GONE;
        loop {
            let left = self.left_over();
            if left.is_empty() {
                return;
            }
            let test = self.looking.name.trim_end();
            assert!(
                Instant::now() < until,
                "{test}, over the {story} link, left behind: {left:#?}"
            );
            // No event tells that a thread is gone from /proc, so this is the one loop that looks again.
            std::thread::yield_now();
        }
    }

    fn left_over(&self) -> Vec<String> {
        let opened = descriptors()
            .into_iter()
            .filter(|(fd, target)| self.descriptors.get(fd) != Some(target));
        // First, as whoever ends to look meanwhile has its own name back before it is off this list.
        let looking = all_looking().clone();
        let started = threads()
            .into_iter()
            .filter(|(id, name)| !self.threads.contains(id) && !is_test_thread(name) && !looking.contains(id));
        let opened = opened.map(|(fd, target)| format!("descriptor {fd}: {target}"));
        opened
            .chain(started.map(|(id, name)| format!("thread {id}: {name}")))
            .collect()
    }
}

/// The harness of Rust names a thread after its test, whose path has a `::` within the first 15 bytes.
fn is_test_thread(name: &str) -> bool {
    name.contains("::")
}

/// Open descriptors, and what each leads to.
fn descriptors() -> BTreeMap<String, String> {
    let links = fs::read_dir("/proc/self/fd").expect(PROCFS);
    let target = |path| fs::read_link(path).map(|to| to.display().to_string());
    // One that is gone before it is read was the directory listing's own, or closed meanwhile.
    links
        .flatten()
        .filter_map(|link| Some((file_name(&link), target(link.path()).ok()?)))
        .filter(is_lasting)
        .collect()
}

/// Other tests of this process may look at their own files meanwhile.
fn is_lasting((_, target): &(String, String)) -> bool {
    !target.starts_with("/proc/")
}

/// Threads, and their names.
fn threads() -> BTreeMap<String, String> {
    let tasks = fs::read_dir("/proc/self/task").expect(PROCFS);
    let name = |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm"));
    tasks
        .flatten()
        .filter_map(|task| Some((file_name(&task), name(&task).ok()?.trim().to_owned())))
        .collect()
}

fn file_name(entry: &fs::DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::Held;

    #[test]
    fn a_thread_that_stays_is_found_until_it_is_gone() {
        let held = Held::now();
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::spawn(move || ended.recv());
        assert!(
            held.left_over().iter().any(|left| left.starts_with("thread")),
            "{:?}",
            held.left_over()
        );
        drop(end);
        thread.join().expect("it only waits").expect_err("nothing was sent");
        held.check("tested");
    }

    #[test]
    fn threads_that_look_are_left_out_whatever_the_kernel_lists() {
        let mut held = Held::now();
        assert!(
            held.threads.remove(&held.looking.id),
            "it is among them, or there is nothing to tell"
        );
        held.check("tested");
        let (begun, has_begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            let _held = Held::now();
            begun.send(()).expect("it is waited for");
            ended.recv()
        });
        has_begun.recv().expect("it begins");
        held.check("tested");
        drop(end);
        other.join().expect("it only waits").expect_err("nothing was sent");
    }

    #[test]
    fn a_descriptor_that_stays_is_found_until_it_is_closed() {
        let held = Held::now();
        let file = tempfile::tempfile().expect("there is room for a file");
        assert!(
            held.left_over().iter().any(|left| left.starts_with("descriptor")),
            "{:?}",
            held.left_over()
        );
        drop(file);
        held.check("tested");
    }
}
