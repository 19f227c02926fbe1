//! Making a child ready: its code, its id, and what it is granted out of what its parent has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cap_std::fs::Dir;
use steading_proto::{Core, Endpoint};
use steading_types::{
    BoxedError, Budget, Clock, ComponentRef, Counted, Description, Directory, ErrorKind, GRANTED, Key, Level, Spec,
};

use super::account::{Account, Exceeded};
use super::cell::{Cell, new_inbox};
use super::disk::Seats;
use super::inbox::Peer;
use super::lent::{OnLoan, Until};
use super::log::{drives_terminals, escape};
use super::quota::Quota;
use super::{Admitted, Launch, driver};
use crate::capacity::Shortage;
use crate::config::{Stdio, Streams};
use crate::limits::{CONTEXTS, LOG_RATE};

/// Actors below one another (design 5).
pub(crate) const DEPTH: u32 = 16;

/// What an actor may touch. A child's is carved out of its parent's.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    pub(crate) directories: Vec<GrantedDir>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdio: Streams,
    /// Bytes of linear memory.
    pub(crate) memory: u64,
    /// The most verbose of its log lines that are kept.
    pub(crate) log_level: Level,
    /// Whether paths of the machine mean anything to it: only to native parents.
    pub(crate) ambient: bool,
    /// What it uses is charged to this.
    pub(crate) account: Arc<Account>,
    /// The components it may run besides its own; any if `None`.
    pub(crate) components: Option<Arc<[String]>>,
    /// How well it can tell the time.
    pub(crate) clock: Clock,
    /// Where its random numbers begin.
    pub(crate) seed: Option<u64>,
    /// Children it may have alive at once, and each of them in turn; as many as the host allows if `None`.
    pub(crate) children: Option<u32>,
    /// Contexts it may have alive at once.
    pub(crate) contexts: usize,
    /// Bytes it may log in a second.
    pub(crate) log_rate: u32,
    /// Where its file operations find a place.
    pub(crate) seats: Seats,
}

/// An open directory, and what it is called inside.
#[derive(Clone, Debug)]
pub(crate) struct GrantedDir {
    pub(crate) dir: Arc<Dir>,
    pub(crate) path: String,
    pub(crate) writable: bool,
    /// What it may grow by, if that is bounded.
    pub(crate) quota: Option<Arc<Quota>>,
    /// How long it may be used.
    pub(crate) until: Until,
}

/// A child that can be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) inbox: Peer,
    code: Arc<dyn Launch>,
    grants: Grants,
    admitted: Admitted,
    depth: u32,
    granted_endpoints: Option<Vec<String>>,
    parent: Option<(Peer, Key)>,
    restarts: u32,
}

impl Prepared {
    /// Tells the child who its parent is, and what the parent calls it.
    pub(crate) fn under(mut self, parent: &Cell, portal: Key) -> Self {
        self.parent = Some((parent.inbox.clone(), portal));
        self
    }

    /// It is not the first in its place.
    pub(crate) fn restarted(mut self, restarts: u32) -> Self {
        self.restarts = restarts;
        self
    }

    /// Has whoever is started by this spec again count on with what this one uses.
    pub(crate) fn count_on(&self, spec: &mut Spec) {
        for (wanted, granted) in spec.directories.iter_mut().zip(&self.grants.directories) {
            if wanted.quota.is_some() || wanted.open.is_some() {
                wanted.counted = Counted(granted.quota.clone().map(|quota| quota as _));
            }
        }
    }

    /// Starts it. Its parent hears `ChildUp` or `ChildEnded`, whatever happens.
    pub(crate) fn start(self, parent: &Cell) {
        let runtime = parent.runtime.clone();
        let endpoints = endpoints(self.code.description(), self.granted_endpoints.as_deref());
        let mut limits = match self.code.is_native() {
            true => runtime.options.native_limits,
            false => runtime.options.limits,
        };
        limits.children = limits
            .children
            .min(self.grants.children.map_or(usize::MAX, |most| most as usize));
        limits.contexts = self.grants.contexts;
        let core = Core::new(self.inbox.id().clone(), endpoints, self.parent, limits);
        let core = core.one_by_one(self.code.runs_one_by_one());
        let cell = Cell::new(
            runtime.clone(),
            self.inbox,
            core,
            Some(self.code.clone()),
            (self.grants, Some(self.admitted)),
            (self.depth, self.restarts),
        );
        // Within the child's own boundary: a fault while it is made is not its parent's.
        let (code, launched) = (self.code, cell.clone());
        runtime.spawn(driver::guarded(cell, async move { code.launch(launched).await }));
    }
}

/// A description's endpoints as the core wants them.
pub(crate) fn endpoints(description: &Description, granted: Option<&[String]>) -> Vec<Endpoint> {
    let is_granted = |name: &String| granted.is_none_or(|granted| granted.contains(name));
    let endpoints = description.endpoints.iter();
    endpoints
        .map(|e| Endpoint {
            granted: is_granted(&e.name),
            name: e.name.clone(),
            kind: e.kind,
            schema: e.schema.clone(),
        })
        .collect()
}

impl Cell {
    /// Checks a spec against what this actor has, and what the task was granted that starts the child, and makes the
    /// child ready. Nothing is started.
    pub(crate) fn prepare(&self, spec: &Spec, on_loan: &OnLoan) -> Result<Prepared, BoxedError> {
        let code = self.resolve(spec, on_loan)?;
        if let Some(text) = unfit(&spec.name) {
            return Err(self.refuse(spec, ErrorKind::SpawnFailed, text));
        }
        if self.depth + 1 > DEPTH {
            return Err(self.refuse(
                spec,
                ErrorKind::Limit("depth".into()),
                format!("actors nest {DEPTH} deep at most"),
            ));
        }
        if let Some(unknown) = unknown_endpoint(spec, code.description()) {
            let text = format!("`{}` has no endpoint `{unknown}` to grant", code.name());
            return Err(self.refuse(spec, ErrorKind::SpawnFailed, text));
        }
        let inbox = new_inbox(&spec.name);
        let account = self.account_of(spec, &inbox, code.is_native());
        let admitted = self.admit(spec, &account, &*code)?;
        let grants = self.grants_of(spec, code.is_native(), account, on_loan)?;
        let granted_endpoints = spec.endpoints.clone();
        Ok(Prepared {
            inbox,
            code,
            grants,
            admitted,
            depth: self.depth + 1,
            granted_endpoints,
            parent: None,
            restarts: 0,
        })
    }

    /// What the child may touch: what the spec says, as far as this actor has it.
    fn grants_of(
        &self,
        spec: &Spec,
        is_native: bool,
        account: Arc<Account>,
        on_loan: &OnLoan,
    ) -> Result<Grants, BoxedError> {
        let mine = &self.grants;
        let directories = spec.directories.iter().map(|dir| self.hand_on(spec, dir, on_loan));
        let clock = if is_native {
            mine.clock
        } else {
            mine.clock.min(self.runtime.options.guest_clock)
        };
        Ok(Grants {
            directories: directories.collect::<Result<_, _>>()?,
            args: spec.args.clone(),
            env: spec.env.clone(),
            stdio: self.streams_of(spec)?,
            memory: spec.memory.unwrap_or(mine.memory).min(mine.memory),
            log_level: spec.log_level.map_or(mine.log_level, |level| level.min(mine.log_level)),
            ambient: is_native && mine.ambient,
            account,
            components: self.components_of(spec)?,
            // An embedder may give a guest a better clock than guests have by default.
            clock: spec.clock.map_or(clock, |wanted| wanted.min(mine.clock)),
            seed: spec.seed.or_else(|| self.next_seed()),
            children: spec.children.into_iter().chain(mine.children).min(),
            contexts: self.contexts_of(spec, is_native),
            log_rate: self.log_rate_of(spec, is_native),
            seats: match self.is_first_guest(is_native) {
                true => self.runtime.disk.of_tree(&spec.name),
                false => mine.seats.clone(),
            },
        })
    }

    /// Where the random numbers of a child begin: those of an actor with a seed are no better than its own, and all below
    /// it are the same each time.
    fn next_seed(&self) -> Option<u64> {
        let mine = self.grants.seed?;
        let child = self.seeded.fetch_add(1, Ordering::Relaxed) + 1;
        Some(mixed(mixed(mine).wrapping_add(child)))
    }

    /// An embedder's own actors bound themselves; no guest has more than its parent, nor than the hard maximum.
    fn contexts_of(&self, spec: &Spec, is_native: bool) -> usize {
        let options = &self.runtime.options;
        let wanted = spec.contexts.map(|contexts| (contexts as usize).max(*CONTEXTS.start()));
        match is_native {
            true => wanted.unwrap_or(usize::MAX).min(options.native_limits.contexts),
            false => wanted
                .unwrap_or(options.limits.contexts)
                .min(self.grants.contexts)
                .min(*CONTEXTS.end()),
        }
    }

    /// As for contexts; what an embedder's own actor may say is only a bound for its children's.
    fn log_rate_of(&self, spec: &Spec, is_native: bool) -> u32 {
        let default = match is_native {
            true => self.grants.log_rate,
            false => self.runtime.options.log_rate,
        };
        let wanted = spec.log_rate.unwrap_or(default);
        wanted.min(self.grants.log_rate).min(*LOG_RATE.end())
    }

    fn streams_of(&self, spec: &Spec) -> Result<Streams, BoxedError> {
        let mine = &self.grants.stdio;
        Ok(Streams {
            stdin: self.stream_of(spec, "input", spec.stdin.as_ref(), &mine.stdin)?,
            stdout: self.stream_of(spec, "output", spec.stdout.as_ref(), &mine.stdout)?,
            stderr: self.stream_of(spec, "error", spec.stderr.as_ref(), &mine.stderr)?,
        })
    }

    /// What a child's stream is connected to. The host's own is only for whom its parent has it; anybody may write to
    /// the log, and anybody may be silent.
    fn stream_of(&self, spec: &Spec, name: &str, wanted: Option<&Stdio>, mine: &Stdio) -> Result<Stdio, BoxedError> {
        match wanted {
            Some(Stdio::Inherit) if !self.grants.ambient && *mine != Stdio::Inherit => {
                let text = format!("its parent's standard {name} is not the host's, and so cannot be granted");
                Err(self.refuse(spec, ErrorKind::SpawnFailed, text))
            }
            wanted => Ok(wanted.unwrap_or(mine).clone()),
        }
    }

    /// Whether a child is the first guest below the embedder's own actors.
    fn is_first_guest(&self, is_native: bool) -> bool {
        !is_native && self.code.as_ref().is_none_or(|code| code.is_native())
    }

    /// The account the child is charged to: one of its own if it has a budget, and if it is the first guest below
    /// the embedder's own actors.
    fn account_of(&self, spec: &Spec, inbox: &Peer, is_native: bool) -> Arc<Account> {
        let default = if self.is_first_guest(is_native) {
            self.runtime.options.guest_budget
        } else {
            Budget::default()
        };
        let budget = Budget {
            memory: spec.budget.memory.or(default.memory),
            actors: spec.budget.actors.or(default.actors),
            cpu: spec.budget.cpu.or(default.cpu),
        };
        if budget == Budget::default() {
            return self.grants.account.clone();
        }
        self.grants.account.of_subtree(inbox.id(), budget)
    }

    /// By the budgets first: who is over its own need not be told what the machine has left.
    fn admit(&self, spec: &Spec, account: &Arc<Account>, code: &dyn Launch) -> Result<Admitted, BoxedError> {
        let by_budgets = account
            .admit()
            .map_err(|exceeded| self.refuse_beyond(spec, &exceeded))?;
        let by_machine = code.capacity().map(|(capacity, places)| capacity.admit(places));
        let by_machine = by_machine.transpose();
        let refused = |short: Shortage| self.refuse(spec, ErrorKind::Limit(short.kind.into()), short.to_string());
        Ok(Admitted {
            _by_budgets: by_budgets,
            by_machine: by_machine.map_err(refused)?,
        })
    }

    fn refuse_beyond(&self, spec: &Spec, exceeded: &Exceeded) -> BoxedError {
        let text = self.runtime.tell_exceeded(exceeded);
        self.refuse(spec, ErrorKind::Limit(exceeded.kind().into()), text)
    }

    fn components_of(&self, spec: &Spec) -> Result<Option<Arc<[String]>>, BoxedError> {
        let Some(wanted) = &spec.components else {
            return Ok(self.grants.components.clone());
        };
        match wanted.iter().find(|name| !self.may_run(name)) {
            None => Ok(Some(wanted.clone().into())),
            Some(name) => {
                let text = format!("its parent may not run `{name}`, and so cannot grant it");
                Err(self.refuse(spec, ErrorKind::SpawnFailed, text))
            }
        }
    }

    pub(crate) fn may_run(&self, component: &str) -> bool {
        let granted = self.grants.components.as_ref();
        granted.is_none_or(|granted| granted.iter().any(|known| known == component))
    }

    fn resolve(&self, spec: &Spec, on_loan: &OnLoan) -> Result<Arc<dyn Launch>, BoxedError> {
        match &spec.component {
            ComponentRef::This => self.code.clone().ok_or_else(|| {
                self.refuse(
                    spec,
                    ErrorKind::SpawnFailed,
                    "this actor is not a component: name the child's".into(),
                )
            }),
            ComponentRef::Named(name) => {
                let may_run = || self.may_run(name) || on_loan.component(name).is_some();
                let known = self.runtime.component(name).filter(|_| may_run());
                known.ok_or_else(|| self.refuse(spec, ErrorKind::SpawnFailed, self.not_runnable(name)))
            }
        }
    }

    /// Names no component that was not granted: that there is such a one is none of its business.
    fn not_runnable(&self, name: &str) -> String {
        let known = self.runtime.component_names();
        let known: Vec<_> = known.into_iter().filter(|name| self.may_run(name)).collect();
        let list = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        match self.grants.components {
            None => format!("no such component `{name}`; the host knows: {list}"),
            Some(_) => format!(
                "no component `{name}` was granted to {}; it may run: {list}",
                self.inbox.id()
            ),
        }
    }

    /// One of this actor's directories, for a child: never more than what is there.
    fn hand_on(&self, spec: &Spec, wanted: &Directory, on_loan: &OnLoan) -> Result<GrantedDir, BoxedError> {
        let handed_on = match below(GRANTED, &wanted.child_path) {
            Some(_) => Err(format!(
                "a child has what its callers grant it at `{GRANTED}`, and nothing else there"
            )),
            None => self.narrowed(wanted, &on_loan.directories),
        };
        handed_on.map_err(|why| {
            let text = format!("directory `{}`: {why}", wanted.parent_path);
            self.refuse(spec, ErrorKind::SpawnFailed, text)
        })
    }

    /// One of this actor's directories, or of those on loan, on these terms.
    pub(super) fn narrowed(&self, wanted: &Directory, on_loan: &[GrantedDir]) -> Result<GrantedDir, String> {
        let path = wanted.child_path.clone();
        if self.grants.ambient {
            let dir = Dir::open_ambient_dir(&wanted.parent_path, cap_std::ambient_authority());
            let dir = Arc::new(dir.map_err(|error| error.to_string())?);
            return Ok(GrantedDir {
                dir,
                quota: quota_of(wanted, None),
                path,
                writable: wanted.writable,
                until: Until::default(),
            });
        }
        let held = self
            .grants
            .directories
            .iter()
            .chain(on_loan)
            .filter_map(|held| Some((held, below(&held.path, &wanted.parent_path)?)))
            // Of directories within each other, the innermost.
            .max_by_key(|(held, _)| names(&held.path).count());
        let Some((held, rest)) = held else {
            return Err("the parent does not have it; grant it to the parent first".into());
        };
        if wanted.writable && !held.writable {
            return Err("the parent may only read it".into());
        }
        let dir = if rest.is_empty() {
            held.dir.clone()
        } else {
            Arc::new(held.dir.open_dir(rest).map_err(|error| error.to_string())?)
        };
        Ok(GrantedDir {
            dir,
            quota: quota_of(wanted, held.quota.as_ref()),
            path,
            writable: wanted.writable,
            until: held.until.clone(),
        })
    }

    fn refuse(&self, spec: &Spec, kind: ErrorKind, why: String) -> BoxedError {
        BoxedError::new(
            kind,
            self.inbox.id().clone(),
            format!("cannot start actor `{}`: {why}", cut(&escape(&spec.name))),
        )
    }
}

/// What the directory counts for: that of its parent's, unless it is to have less. One that is started again goes on
/// with what the one before it has used.
fn quota_of(wanted: &Directory, above: Option<&Arc<Quota>>) -> Option<Arc<Quota>> {
    if let Some(counted) = wanted.counted.0.clone() {
        return counted.downcast().ok();
    }
    match (wanted.quota, wanted.open) {
        (None, None) => above.cloned(),
        (bytes, open) => Some(Quota::new(above.cloned(), &wanted.child_path, bytes, open)),
    }
}

/// Spreads what differs by little over all bits (splitmix64).
fn mixed(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Bytes a name may have: it is in every line and every error that is about its actor.
pub(crate) const LONGEST_NAME: usize = 256;

/// As much of a name as is shown.
pub(super) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(LONGEST_NAME)]
}

/// Why an actor cannot have this name, if it cannot. Names are written to terminals and logs as they are.
fn unfit(name: &str) -> Option<String> {
    match name.len() {
        0..=LONGEST_NAME if name.contains(drives_terminals) => Some("its name has control characters".to_owned()),
        0..=LONGEST_NAME => None,
        bytes => Some(format!("its name has {bytes} bytes; {LONGEST_NAME} are the most")),
    }
}

fn unknown_endpoint<'a>(spec: &'a Spec, description: &Description) -> Option<&'a String> {
    spec.endpoints
        .iter()
        .flatten()
        .find(|name| !description.endpoints.iter().any(|known| known.name == **name))
}

/// What of `path` lies below `base`; `None` if it does not. By name only: `..` lies nowhere.
fn below(base: &str, path: &str) -> Option<String> {
    if base.starts_with('/') != path.starts_with('/') {
        return None;
    }
    let mut rest = names(path);
    for name in names(base) {
        if rest.next() != Some(name) {
            return None;
        }
    }
    let rest: Vec<&str> = rest.collect();
    (!rest.contains(&"..")).then(|| rest.join("/"))
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_path_lies_below_whole_names_only() {
        let check = |base, path, rest: Option<&str>| assert_eq!(below(base, path).as_deref(), rest, "{base} {path}");
        check("/data", "/data", Some(""));
        check("/data", "/data/sub//x/.", Some("sub/x"));
        check("/data/", "/data/sub", Some("sub"));
        check("/", "/data", Some("data"));
        check(".", "host/src", Some("host/src"));
        check("./host", "host/src", Some("src"));
        check("/data", "/database", None);
        check("/data", "/other", None);
        check("/data", "data", None);
        check("/data", "/data/../etc", None);
        check("/data/a", "/data", None);
    }
}
