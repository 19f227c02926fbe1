//! What to start an actor with: its code, and all that it is granted.
//!
//! Nothing is granted unless a spec says so, and no spec grants what its parent does not have: the host checks
//! it, and carves a child's share out of its parent's.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::{Level, Restart, Stdio};

/// Which code a child runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentRef {
    /// The parent's own.
    This,
    /// One the host knows by this name.
    Named(String),
}

/// A directory handed to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// As the parent sees it. For a native parent: a path of the machine.
    pub parent_path: String,
    /// As the child will see it.
    pub child_path: String,
    /// Read-only unless set.
    pub writable: bool,
    /// Bytes by which the child, and all it hands the directory on to, may make what is in it grow; as many as the
    /// parent may if `None`. Every file, directory and link it makes counts as [`ENTRY`](Self::ENTRY) bytes more.
    pub quota: Option<u64>,
    /// Files and directories in it that may be open at once; as many as the parent may if `None`.
    pub open: Option<u32>,
    /// What the host counts them by; one that is started again goes on with it.
    #[doc(hidden)]
    pub counted: Counted,
}

impl Directory {
    /// Bytes that a name in a directory counts as, whatever it stands for: empty files take room too.
    pub const ENTRY: u64 = 1024;

    /// A directory of the parent's, to be read.
    pub fn new(parent_path: impl Into<String>, child_path: impl Into<String>) -> Self {
        Self {
            parent_path: parent_path.into(),
            child_path: child_path.into(),
            writable: false,
            quota: None,
            open: None,
            counted: Counted::default(),
        }
    }

    /// Lets the child write.
    pub fn writable(mut self) -> Self {
        self.writable = true;
        self
    }

    /// Limits the bytes by which the child, and all it hands the directory on to, may make what is in it grow. What
    /// is removed or made shorter is given back. Each name that is made counts as [`ENTRY`](Self::ENTRY) bytes more.
    /// To the guest it is as if the disk were full.
    pub fn quota(mut self, bytes: u64) -> Self {
        self.quota = Some(bytes);
        self
    }

    /// Limits the files and directories in it that may be open at once, by the child and all it hands it on to.
    pub fn open(mut self, most: u32) -> Self {
        self.open = Some(most);
        self
    }
}

/// A place for what a host remembers about a directory it has granted.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct Counted(pub Option<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "counted" } else { "not counted" })
    }
}

/// Says nothing about which directory it is.
impl PartialEq for Counted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Counted {}

/// What to start a child with. Nothing is granted unless it is written here.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The child's name; need not be unique. Of more than 256 bytes, or with control characters, it is refused as
    /// `SpawnFailed`.
    pub name: String,
    /// Its code.
    pub component: ComponentRef,
    /// Which endpoints may be called; all if `None`.
    pub endpoints: Option<Vec<String>>,
    /// Directories it can see.
    pub directories: Vec<Directory>,
    /// Its command line.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Bytes of linear memory over all memories; the parent's own limit if `None`.
    pub memory: Option<u64>,
    /// When it is started again.
    pub restart: Restart,
    /// The most verbose of its log lines that are kept; its parent's own if `None`.
    pub log_level: Option<Level>,
    /// What it and all that it starts may use together.
    pub budget: Budget,
    /// The components it and all that it starts may run, by the host's names for them; those its parent may run
    /// if `None`. Its own it may always run.
    pub components: Option<Vec<String>>,
    /// Children it may have alive at once, and each of them in turn; as many as its parent may if `None`.
    pub children: Option<u32>,
    /// How well it can tell the time; as well as its parent if `None`.
    pub clock: Option<Clock>,
    /// Where its random numbers begin; with the machine's own if `None`.
    pub seed: Option<u64>,
    /// Its standard input; its parent's if `None`.
    pub stdin: Option<Stdio>,
    /// Its standard output; its parent's if `None`.
    pub stdout: Option<Stdio>,
    /// Its standard error; its parent's if `None`.
    pub stderr: Option<Stdio>,
    /// Contexts it may have alive at once, opened and served together; the host's default if `None`, and never more
    /// than its parent may.
    pub contexts: Option<u32>,
    /// Bytes it may log in a second; the host's default if `None`, and never more than its parent may.
    pub log_rate: Option<u32>,
}

impl Spec {
    /// A child that is an instance of the same component.
    pub fn this_component(name: impl Into<String>) -> Self {
        Self::of(ComponentRef::This, name.into())
    }

    /// A child that is an instance of a component the host knows by name.
    pub fn component(registered: impl Into<String>, name: impl Into<String>) -> Self {
        Self::of(ComponentRef::Named(registered.into()), name.into())
    }

    fn of(component: ComponentRef, name: String) -> Self {
        Self {
            name,
            component,
            endpoints: None,
            directories: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            memory: None,
            restart: Restart::default(),
            log_level: None,
            budget: Budget::default(),
            components: None,
            children: None,
            clock: None,
            seed: None,
            stdin: None,
            stdout: None,
            stderr: None,
            contexts: None,
            log_rate: None,
        }
    }

    /// Lets it read a directory of the parent's.
    pub fn dir(self, parent_path: impl Into<String>, child_path: impl Into<String>) -> Self {
        self.directory(Directory::new(parent_path, child_path))
    }

    /// Lets it read and write a directory of the parent's.
    pub fn dir_writable(self, parent_path: impl Into<String>, child_path: impl Into<String>) -> Self {
        self.directory(Directory::new(parent_path, child_path).writable())
    }

    /// Lets it use a directory of the parent's, on terms.
    pub fn directory(mut self, directory: Directory) -> Self {
        self.directories.push(directory);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Adds an argument to its command line.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Lets callers reach these endpoints only.
    pub fn endpoints<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.endpoints = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Limits its own linear memory, in bytes. What it starts has limits of its own; [`Spec::budget`] is for all
    /// of them together.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Keeps its log lines up to this level, and those of its own children, if their specs do not say otherwise.
    /// Never more than its parent's, nor than the host keeps at all. Lines of its standard output and error
    /// count as [`Level::Info`] where they go to the log. Native actors log where they like; to them it is
    /// advice.
    pub fn log_level(mut self, level: Level) -> Self {
        self.log_level = Some(level);
        self
    }

    /// Limits what it and everything it starts, down to the last grandchild, may use together. It is a part of the
    /// budget of its parent's and of whoever is above, each of which holds as well.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Lets it, and what it starts, run these components only, besides its own: no names, and it can have children
    /// of its own kind alone. A name its parent may not run is refused as `SpawnFailed`.
    pub fn components<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.components = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Limits the children it may have alive at once, and those of each of them in turn; 0 forbids them. Never more
    /// than its parent may have. How many there are in all is bounded by [`Spec::budget`].
    pub fn children(mut self, children: u32) -> Self {
        self.children = Some(children);
        self
    }

    /// Sets how well it can tell the time: never better than its parent can. Native actors can anyway.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes its random numbers, and those of all below it, the same for the same seed, with the same release of the
    /// host: for what is to be repeated, such as tests. Such numbers are no secret.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Says what becomes of its standard input: the host's own, or nothing to read.
    pub fn stdin(mut self, stdio: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdio.into());
        self
    }

    /// Says what becomes of its standard output: as for [`Spec::stdio`].
    pub fn stdout(mut self, stdio: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdio.into());
        self
    }

    /// Says what becomes of its standard error: as for [`Spec::stdio`].
    pub fn stderr(mut self, stdio: impl Into<Stdio>) -> Self {
        self.stderr = Some(stdio.into());
        self
    }

    /// Says what becomes of all its standard streams, and those of its own children, if their specs do not say
    /// otherwise. The host's own streams are handed on only by who has them. An embedder may keep what is written,
    /// with a `Capture`.
    pub fn stdio(self, stdio: impl Into<Stdio>) -> Self {
        let stdio = stdio.into();
        self.stdin(stdio.clone()).stdout(stdio.clone()).stderr(stdio)
    }

    /// Limits the contexts it may have alive at once, opened and served together. At least 1, and never more than its
    /// parent may have; the embedder may go beyond the host's default, up to the host's hard maximum.
    pub fn contexts(mut self, contexts: u32) -> Self {
        self.contexts = Some(contexts);
        self
    }

    /// Limits the bytes it may log in a second, lines of its standard streams included where they go to the log. Never
    /// more than its parent may; 0 keeps nothing.
    pub fn log_rate(mut self, bytes_per_second: u32) -> Self {
        self.log_rate = Some(bytes_per_second);
        self
    }

    /// Has it started again when it ends. A restarted child is a fresh instance with the same name and another
    /// uuid.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }
}

/// What an actor and everything below it may use together, the actor included. What is absent is not bounded here:
/// the budgets above hold all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// Bytes of linear memory.
    pub memory: Option<u64>,
    /// Actors alive at once, itself included.
    pub actors: Option<u32>,
    /// Thousandths of one processor core, on average.
    pub cpu: Option<u32>,
}

impl Budget {
    /// Bytes of linear memory.
    pub fn memory(self, bytes: u64) -> Self {
        Self {
            memory: Some(bytes),
            ..self
        }
    }

    /// Actors alive at once, the first included.
    pub fn actors(self, actors: u32) -> Self {
        Self {
            actors: Some(actors),
            ..self
        }
    }

    /// Processor cores, on average over about a tenth of a second: 0.5 is half of one. At least a thousandth. Who
    /// has used it up waits, and is not ended for it.
    pub fn cpu(self, cores: f64) -> Self {
        // Saturates: no number of cores is out of range.
        let thousandths = (cores * 1000.0).round().max(1.0) as u32;
        Self {
            cpu: Some(thousandths),
            ..self
        }
    }
}

/// How well an actor can tell the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// It stands still while the actor computes: what is read is when the turn began, to the millisecond.
    Frozen,
    /// To the millisecond: too coarse to measure what a processor's caches hold.
    #[default]
    Coarse,
    /// As the machine's.
    Real,
}
