//! What the callee of a context has of its caller's, until that context ends (semantics 11, I22).
//!
//! The caller's inbox keeps what its contexts grant, by the caller's keys; the callee's core knows the way to both.
//! When the caller's core says that a context has its outcome (`Output::Revoke`), the directories are closed here, and
//! whatever stems from them is over: each operation on it asks [`Until`], also in actors to whom it was handed on.
//! Nothing of the callee is asked, and nothing of it has to run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use steading_proto::Core;
use steading_types::{BoxedError, Directory, ErrorKind, GRANTED, Grant, Key, OpenOptions};

use super::cell::Cell;
use super::children::{GrantedDir, LONGEST_NAME, cut};
use super::inbox::{Inbox, Peer};
use super::lock;
use super::log::{drives_terminals, escape};
use super::quota::Quota;

/// Directories and components that the contexts of one actor may grant at a time: each directory may be a descriptor
/// of the whole process.
pub(crate) const MOST: usize = 64;

/// How long something may be used: as long as all of these contexts last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Until(Vec<Arc<Lent>>);

impl Until {
    pub(crate) fn is_over(&self) -> bool {
        self.0.iter().any(|lent| lent.ended.load(Ordering::Acquire))
    }

    fn and(&self, lent: &Arc<Lent>) -> Self {
        Self(self.0.iter().chain([lent]).cloned().collect())
    }
}

/// What one context grants.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    ended: AtomicBool,
    directories: Mutex<Vec<LentDir>>,
    components: Vec<(String, Until)>,
}

#[derive(Debug)]
struct LentDir {
    /// Its path is the name by which the callee asks for it.
    dir: GrantedDir,
    /// Where it is on the machine, if the caller has said so: for callees to which that means something.
    machine: Option<String>,
}

impl Lent {
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        lock(&self.directories).clear();
    }

    fn len(&self) -> usize {
        lock(&self.directories).len() + self.components.len()
    }

    /// The directory of this name, for as long as it may be used.
    pub(crate) fn directory(self: &Arc<Self>, name: &str) -> Option<GrantedDir> {
        let directories = lock(&self.directories);
        let found = directories.iter().find(|lent| lent.dir.path == name)?;
        Some(self.on_loan(&found.dir))
    }

    fn on_loan(self: &Arc<Self>, dir: &GrantedDir) -> GrantedDir {
        GrantedDir {
            until: dir.until.and(self),
            ..dir.clone()
        }
    }

    /// All of them, under the paths by which the callee of this context sees them.
    fn directories_of(self: &Arc<Self>, context: Key) -> Vec<GrantedDir> {
        let directories = lock(&self.directories);
        let at_path = |lent: &LentDir| GrantedDir {
            path: path_of(context, &lent.dir.path),
            ..self.on_loan(&lent.dir)
        };
        directories.iter().map(at_path).collect()
    }

    fn component(self: &Arc<Self>, name: &str) -> Option<Until> {
        let (_, until) = self.components.iter().find(|(known, _)| known == name)?;
        let until = until.and(self);
        (!until.is_over()).then_some(until)
    }
}

/// Where the callee of a context sees a directory it was granted.
fn path_of(context: Key, name: &str) -> String {
    format!("{GRANTED}/{context}/{name}")
}

/// What the contexts of one actor grant now, by its own keys.
#[derive(Debug, Default)]
pub(crate) struct Lending(Mutex<HashMap<Key, Arc<Lent>>>);

impl Lending {
    fn of(&self, context: Key) -> Option<Arc<Lent>> {
        lock(&self.0).get(&context).cloned()
    }

    fn begin(&self, context: Key, lent: Arc<Lent>) {
        lock(&self.0).insert(context, lent);
    }

    /// This context is over.
    pub(crate) fn end(&self, context: Key) {
        // Descriptors are closed after the lock is let go.
        let lent = lock(&self.0).remove(&context);
        lent.iter().for_each(|lent| lent.end());
    }

    /// All of them are: their actor has left.
    pub(crate) fn end_all(&self) {
        let all = std::mem::take(&mut *lock(&self.0));
        all.values().for_each(|lent| lent.end());
    }

    fn count(&self) -> usize {
        lock(&self.0).values().map(|lent| lent.len()).sum()
    }
}

/// What the task of a context may hand on beside what its actor has.
#[derive(Debug, Default)]
pub(crate) struct OnLoan {
    pub(crate) directories: Vec<GrantedDir>,
    lent: Option<Arc<Lent>>,
}

impl OnLoan {
    /// Of this task of this core's actor; nothing if it is over, or there is none.
    pub(crate) fn of(core: &Core<Peer>, task: Option<Key>) -> Self {
        let found = task.and_then(|task| Some((task, lent_to(core, task)?)));
        found.map_or_else(Self::default, |(task, lent)| Self {
            directories: lent.directories_of(task),
            lent: Some(lent),
        })
    }

    pub(crate) fn component(&self, name: &str) -> Option<Until> {
        self.lent.as_ref()?.component(name)
    }
}

/// What the callee of this context was granted by its caller, if it runs and anything is granted now.
fn lent_to(core: &Core<Peer>, context: Key) -> Option<Arc<Lent>> {
    let (caller, key) = core.caller_of(context)?;
    caller.lending.of(key)
}

impl Cell {
    /// A directory that a running context of this actor's was granted by this name.
    pub(crate) fn directory_granted(&self, context: Key, name: &str) -> Option<GrantedDir> {
        self.look(|core| lent_to(core, context))?.directory(name)
    }

    /// What a context that is about to be opened grants: never more than the actor that opens it has.
    pub(crate) fn lend(&self, options: &OpenOptions) -> Result<Option<Arc<Lent>>, BoxedError> {
        if options.grants.is_empty() {
            return Ok(None);
        }
        let refuse = |kind, why: String| {
            let endpoint = escape(&options.endpoint);
            let text = format!("cannot open `{}` with what it grants: {why}", cut(&endpoint));
            BoxedError::new(kind, self.inbox.id().clone(), text)
        };
        let there_are = self.inbox.lending.count() + options.grants.len();
        if there_are > MOST {
            let why =
                format!("contexts of this actor would grant {there_are} things at a time, and {MOST} are the most");
            return Err(refuse(ErrorKind::Limit("grants".into()), why));
        }
        let on_loan = self.look(|core| OnLoan::of(core, options.parent));
        let mut lent = Lent::default();
        let mut directories = Vec::new();
        for grant in &options.grants {
            let refused = |why| refuse(ErrorKind::NotGranted, why);
            match grant {
                Grant::Directory(wanted) => {
                    let known = directories.iter().map(|lent: &LentDir| lent.dir.path.as_str());
                    check_name(&wanted.child_path, known).map_err(refused)?;
                    directories.push(self.lend_directory(wanted, &on_loan).map_err(refused)?);
                }
                Grant::Component(name) => lent
                    .components
                    .push((name.clone(), self.lend_component(name, &on_loan).map_err(refused)?)),
            }
        }
        lent.directories = Mutex::new(directories);
        Ok(Some(Arc::new(lent)))
    }

    fn lend_directory(&self, wanted: &Directory, on_loan: &OnLoan) -> Result<LentDir, String> {
        let about = |why| format!("directory `{}`: {why}", escape(&wanted.parent_path));
        let mut dir = self.narrowed(wanted, &on_loan.directories).map_err(about)?;
        // One without bounds, if there is none: what counts what is done there also knows how long it may be.
        dir.quota
            .get_or_insert_with(|| Quota::new(None, &wanted.child_path, None, None));
        let machine = self.grants.ambient.then(|| wanted.parent_path.clone());
        Ok(LentDir { dir, machine })
    }

    fn lend_component(&self, name: &str, on_loan: &OnLoan) -> Result<Until, String> {
        let unknown = || format!("component `{}`: this actor may not run it itself", cut(&escape(name)));
        let own = self.may_run(name) && self.runtime.component(name).is_some();
        match own {
            true => Ok(Until::default()),
            false => on_loan.component(name).ok_or_else(unknown),
        }
    }

    /// A context is open: the callee has it from now on.
    pub(crate) fn begin_lending(&self, context: Key, lent: Option<Arc<Lent>>) {
        if let Some(lent) = lent {
            self.inbox.lending.begin(context, lent);
        }
    }

    /// Where the callee of this context finds a directory it was granted.
    pub(crate) fn path_granted(&self, context: Key, name: &str) -> Result<String, BoxedError> {
        let refuse = |why: String| BoxedError::new(ErrorKind::NotGranted, self.inbox.id().clone(), why);
        let name = cut(name);
        let caller = self.look(|core| core.caller_of(context));
        let Some((caller, key)) = caller else {
            let why = "only a running call has what its caller grants it";
            return Err(refuse(format!(
                "no directory `{}` is granted here: {why}",
                escape(name)
            )));
        };
        let lent = caller.lending.of(key).unwrap_or_default();
        let directories = lock(&lent.directories);
        let Some(found) = directories.iter().find(|lent| lent.dir.path == name) else {
            let known = directories.iter().map(|lent| format!("`{}`", lent.dir.path));
            let known = match known.collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => "none".to_owned(),
                known => known,
            };
            return Err(refuse(format!(
                "{} granted no directory `{}` to this context; it has: {known}",
                caller.id(),
                escape(name)
            )));
        };
        Ok(match &found.machine {
            Some(machine) if self.is_native() => machine.clone(),
            _ => path_of(context, name),
        })
    }
}

/// A name is one step of a path, and is shown in errors and logs.
fn check_name<'a>(name: &str, mut known: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let shown = escape(cut(name));
    match name {
        "" | "." | ".." => Err(format!("`{shown}` is no name for a directory")),
        name if name.len() > LONGEST_NAME => Err(format!(
            "the name of a directory has {} bytes; {LONGEST_NAME} are the most",
            name.len()
        )),
        name if name.contains('/') || name.contains(drives_terminals) => Err(format!(
            "`{shown}` is no name for a directory: it has a `/` or a control character"
        )),
        name if known.any(|known| known == name) => Err(format!("two directories are called `{shown}`")),
        _ => Ok(()),
    }
}

impl Inbox {
    /// A context of this actor's has its outcome.
    pub(crate) fn revoke(&self, context: Key) {
        self.lending.end(context);
    }
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn a_name_is_one_step_of_a_path() {
        let check = |name: &str| check_name(name, ["taken"].into_iter());
        assert_eq!(check("input"), Ok(()));
        assert_eq!(check("übung 1"), Ok(()));
        for name in ["", ".", "..", "a/b", "/", "a\u{1b}[2J", "taken"] {
            assert!(check(name).is_err(), "{name:?}");
        }
        assert!(check(&"x".repeat(257)).is_err() && check(&"x".repeat(256)).is_ok());
    }
}
