//! Making a child ready: its code, its id, and what it is granted out of what its parent has.

use std::sync::Arc;

use cap_std::fs::Dir;
use steading_proto::{Core, Endpoint};
use steading_types::{BoxedError, ComponentRef, Description, Directory, ErrorKind, Key, Level, Spec};

use super::cell::{Cell, new_inbox};
use super::inbox::Peer;
use super::log::{drives_terminals, escape};
use super::{Launch, driver};
use crate::config::Stdio;

/// Actors below one another (design 5).
pub(crate) const DEPTH: u32 = 16;

/// What an actor may touch. A child's is carved out of its parent's.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    pub(crate) directories: Vec<GrantedDir>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdio: Stdio,
    /// Bytes of linear memory.
    pub(crate) memory: u64,
    /// The most verbose of its log lines that are kept.
    pub(crate) log_level: Level,
    /// Whether paths of the machine mean anything to it: only to native parents.
    pub(crate) ambient: bool,
}

/// An open directory, and what it is called inside.
#[derive(Clone, Debug)]
pub(crate) struct GrantedDir {
    pub(crate) dir: Arc<Dir>,
    pub(crate) path: String,
    pub(crate) writable: bool,
}

/// A child that can be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) inbox: Peer,
    code: Arc<dyn Launch>,
    grants: Grants,
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

    /// Starts it. Its parent hears `ChildUp` or `ChildEnded`, whatever happens.
    pub(crate) fn start(self, parent: &Cell) {
        let runtime = parent.runtime.clone();
        let endpoints = endpoints(self.code.description(), self.granted_endpoints.as_deref());
        let limits = if self.code.is_native() {
            runtime.options.native_limits
        } else {
            runtime.options.limits
        };
        let core = Core::new(self.inbox.id().clone(), endpoints, self.parent, limits);
        let cell = Cell::new(
            runtime.clone(),
            self.inbox,
            core,
            Some(self.code.clone()),
            self.grants,
            (self.depth, self.restarts),
        );
        runtime.spawn(driver::guarded(cell.clone(), self.code.launch(cell)));
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
    /// Checks a spec against what this actor has, and makes the child ready. Nothing is started.
    pub(crate) fn prepare(&self, spec: &Spec) -> Result<Prepared, BoxedError> {
        let code = self.resolve(spec)?;
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
        let directories = spec
            .directories
            .iter()
            .map(|dir| self.hand_on(spec, dir))
            .collect::<Result<_, _>>()?;
        let grants = Grants {
            directories,
            args: spec.args.clone(),
            env: spec.env.clone(),
            stdio: self.grants.stdio,
            memory: spec.memory.unwrap_or(self.grants.memory).min(self.grants.memory),
            log_level: spec
                .log_level
                .map_or(self.grants.log_level, |level| level.min(self.grants.log_level)),
            ambient: code.is_native() && self.grants.ambient,
        };
        let granted_endpoints = spec.endpoints.clone();
        Ok(Prepared {
            inbox: new_inbox(&spec.name),
            code,
            grants,
            depth: self.depth + 1,
            granted_endpoints,
            parent: None,
            restarts: 0,
        })
    }

    fn resolve(&self, spec: &Spec) -> Result<Arc<dyn Launch>, BoxedError> {
        match &spec.component {
            ComponentRef::This => self.code.clone().ok_or_else(|| {
                self.refuse(
                    spec,
                    ErrorKind::SpawnFailed,
                    "this actor is not a component: name the child's".into(),
                )
            }),
            ComponentRef::Named(name) => self.runtime.component(name).ok_or_else(|| {
                let known = self.runtime.component_names().join(", ");
                let known = if known.is_empty() { "none".to_owned() } else { known };
                self.refuse(
                    spec,
                    ErrorKind::SpawnFailed,
                    format!("no such component `{name}`; the host knows: {known}"),
                )
            }),
        }
    }

    /// One of this actor's directories, for a child: never more than what is there.
    fn hand_on(&self, spec: &Spec, wanted: &Directory) -> Result<GrantedDir, BoxedError> {
        let refuse = |why: String| {
            self.refuse(
                spec,
                ErrorKind::SpawnFailed,
                format!("directory `{}`: {why}", wanted.parent_path),
            )
        };
        let path = wanted.child_path.clone();
        if self.grants.ambient {
            let dir = Dir::open_ambient_dir(&wanted.parent_path, cap_std::ambient_authority());
            let dir = Arc::new(dir.map_err(|error| refuse(error.to_string()))?);
            return Ok(GrantedDir {
                dir,
                path,
                writable: wanted.writable,
            });
        }
        let held = self
            .grants
            .directories
            .iter()
            .find_map(|held| Some((held, below(&held.path, &wanted.parent_path)?)));
        let Some((held, rest)) = held else {
            return Err(refuse(
                "the parent does not have it; grant it to the parent first".into(),
            ));
        };
        if wanted.writable && !held.writable {
            return Err(refuse("the parent may only read it".into()));
        }
        let dir = if rest.is_empty() {
            held.dir.clone()
        } else {
            Arc::new(held.dir.open_dir(rest).map_err(|error| refuse(error.to_string()))?)
        };
        Ok(GrantedDir {
            dir,
            path,
            writable: wanted.writable,
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

/// Bytes a name may have: it is in every line and every error that is about its actor.
const LONGEST_NAME: usize = 256;

fn cut(name: &str) -> &str {
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
