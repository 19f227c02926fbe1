//! Code that is ready to run, and what is known of it without running it.

use std::fmt;
use std::sync::Arc;
use std::thread;

use steading_types::Description;

use super::access::Access;
use super::bindings::exports::GuestPre;
use super::cache::Cache;
use super::engine::Engine;
use super::error::LoadError;
use super::instance::{Instance, InstanceLimits};
use super::nobody::Nobody;
use super::scan::{self, Kind};
use super::stopped::KillSwitch;
use super::view::State;
use super::{description, limits, linker};
use crate::runtime::driver::Stopped;

/// A compiled component. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Component(Arc<Inner>);

struct Inner {
    engine: Engine,
    pre: GuestPre<State>,
    name: String,
    digest: blake3::Hash,
    size: usize,
    imports: Vec<String>,
    unknown: Vec<String>,
    description: Description,
    is_cached: bool,
}

/// What becomes of a component that asks for interfaces this host does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Refused,
    /// It can be looked at; calling one of them traps.
    Trapped,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.0.name)
            .field("digest", &self.digest())
            .finish()
    }
}

impl Component {
    /// What it offers, in its own words.
    pub(crate) fn description(&self) -> &Description {
        &self.0.description
    }

    /// The file's name without its extension, or whatever its loader called it.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Hash of its bytes, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        self.0.digest.to_hex().to_string()
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> usize {
        self.0.size
    }

    /// The interfaces it asks for.
    pub(crate) fn imports(&self) -> Vec<String> {
        self.0.imports.clone()
    }

    /// Those of them that this host does not have; none unless it was loaded to be looked at only.
    pub(crate) fn unknown_imports(&self) -> Vec<String> {
        self.0.unknown.clone()
    }

    /// The same in plain words.
    pub(crate) fn capabilities(&self) -> Vec<&'static str> {
        linker::capabilities(&self.0.imports)
    }

    /// Whether its code came out of the compile cache.
    pub(crate) fn is_cached(&self) -> bool {
        self.0.is_cached
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn pre(&self) -> &GuestPre<State> {
        &self.0.pre
    }

    /// `file` names it in errors, `name` afterwards.
    pub(super) fn load(
        engine: &Engine,
        file: &str,
        name: &str,
        bytes: &[u8],
        unknown: Unknown,
    ) -> Result<Self, LoadError> {
        let digest = blake3::hash(bytes);
        let key = entry_name(&digest, engine.fingerprint());
        let loaded = match engine
            .cache()
            .and_then(|cache| cached(cache, &key, engine, file, unknown))
        {
            Some(loaded) => loaded,
            None => compiled(engine, file, bytes, &key, unknown)?,
        };
        let Loaded {
            pre,
            imports,
            description,
            is_cached,
        } = loaded;
        let unknown = linker::unknown(&imports);
        let (engine, name, size) = (engine.clone(), name.to_string(), bytes.len());
        Ok(Self(Arc::new(Inner {
            engine,
            pre,
            name,
            digest,
            size,
            imports,
            unknown,
            description,
            is_cached,
        })))
    }
}

struct Loaded {
    pre: GuestPre<State>,
    imports: Vec<String>,
    description: Description,
    is_cached: bool,
}

fn entry_name(digest: &blake3::Hash, fingerprint: &blake3::Hash) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(digest.as_bytes());
    hasher.update(fingerprint.as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// What the cache has; anything odd about it counts as nothing.
fn cached(cache: &Cache, key: &str, engine: &Engine, file: &str, unknown: Unknown) -> Option<Loaded> {
    let entry = cache.load(key)?;
    let description = description::decode(entry.description())?;
    let component = deserialize(engine, entry.code())?;
    let (pre, imports) = link(engine, &component, file, unknown).ok()?;
    Some(Loaded {
        pre,
        imports,
        description,
        is_cached: true,
    })
}

fn deserialize(engine: &Engine, code: &[u8]) -> Option<wasmtime::component::Component> {
    // SAFETY: `code` is what an engine with the same fingerprint serialised: `Cache::load` has checked
    // its keyed hash, whose key only this user can read.
    #[allow(unsafe_code, reason = "loading our own compile cache is the one audited use")]
    let component = unsafe { wasmtime::component::Component::deserialize(engine.wasmtime(), code) };
    component
        .inspect_err(|error| tracing::warn!(%error, "compile cache: entry does not load; compiling anew"))
        .ok()
}

fn compiled(engine: &Engine, file: &str, bytes: &[u8], key: &str, unknown: Unknown) -> Result<Loaded, LoadError> {
    let component = compile(engine, file, bytes)?;
    let (pre, imports) = link(engine, &component, file, unknown)?;
    let description = describe(engine, &pre, file)?;
    if let Some(cache) = engine.cache() {
        store(cache, key, &description, &component);
    }
    Ok(Loaded {
        pre,
        imports,
        description,
        is_cached: false,
    })
}

fn compile(engine: &Engine, file: &str, bytes: &[u8]) -> Result<wasmtime::component::Component, LoadError> {
    let invalid = |error| LoadError::Invalid {
        name: file.to_string(),
        detail: format!("{error:#}"),
    };
    match scan::scan(file, bytes)? {
        Kind::Component => wasmtime::component::Component::from_binary(engine.wasmtime(), bytes).map_err(invalid),
        Kind::Module { typed: false } => Err(core_module(file, String::new())),
        Kind::Module { typed: true } => {
            let bytes = componentize(file, bytes)?;
            wasmtime::component::Component::from_binary(engine.wasmtime(), &bytes).map_err(invalid)
        }
    }
}

/// A core module with the description of its world inside is a component in all but form.
fn componentize(file: &str, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    let encode = || {
        wit_component::ComponentEncoder::default()
            .validate(true)
            .module(bytes)?
            .encode()
    };
    encode().map_err(|error: anyhow::Error| core_module(file, format!(" (making it one failed: {})", one_line(&error))))
}

fn one_line(error: &anyhow::Error) -> String {
    error
        .root_cause()
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_string()
}

fn core_module(file: &str, detail: String) -> LoadError {
    LoadError::CoreModule {
        name: file.to_string(),
        detail,
    }
}

fn link(
    engine: &Engine,
    component: &wasmtime::component::Component,
    file: &str,
    policy: Unknown,
) -> Result<(GuestPre<State>, Vec<String>), LoadError> {
    let name = || file.to_string();
    let imports = linker::imports(component);
    let unknown = linker::unknown(&imports);
    if !unknown.is_empty() && policy == Unknown::Refused {
        return Err(LoadError::UnknownImports {
            name: name(),
            imports: unknown,
        });
    }
    if let Some(missing) = linker::missing_export(component) {
        return Err(LoadError::NotAnActor { name: name(), missing });
    }
    let mismatch = |error| LoadError::Mismatch {
        name: name(),
        detail: format!("{error:#}"),
    };
    let pre = match unknown.is_empty() {
        true => engine.linker().instantiate_pre(component),
        false => linker::with_traps(engine.linker(), component).and_then(|linker| linker.instantiate_pre(component)),
    };
    Ok((pre.and_then(GuestPre::new).map_err(mismatch)?, imports))
}

fn store(cache: &Cache, key: &str, description: &Description, component: &wasmtime::component::Component) {
    match component.serialize() {
        Ok(code) => cache.store(key, &description::encode(description), &code),
        Err(error) => tracing::warn!(%error, "compile cache: code cannot be serialised"),
    }
}

/// Asks the component what it offers, on a thread of its own: the caller may or may not be inside an
/// asynchronous runtime, and the guest's code needs one.
fn describe(engine: &Engine, pre: &GuestPre<State>, file: &str) -> Result<Description, LoadError> {
    let failed = |detail: String| LoadError::Describe {
        name: file.to_string(),
        detail,
    };
    let answer = thread::scope(|scope| scope.spawn(|| block_on_describe(engine, pre)).join());
    match answer {
        Ok(Ok(description)) => Ok(description),
        Ok(Err(stopped)) => Err(failed(stopped.to_string())),
        Err(_panic) => Err(failed("the host panicked".into())),
    }
}

fn block_on_describe(engine: &Engine, pre: &GuestPre<State>) -> Result<Description, Stopped> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| Stopped::new(steading_types::ErrorKind::Internal, error.to_string()))?;
    runtime.block_on(async {
        match tokio::time::timeout(limits::TURN * 2, call_describe(engine, pre)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Stopped::new(
                steading_types::ErrorKind::Limit("time".into()),
                "it waits",
            )),
        }
    })
}

async fn call_describe(engine: &Engine, pre: &GuestPre<State>) -> Result<Description, Stopped> {
    let bounds = InstanceLimits {
        memory: limits::DESCRIBE_MEMORY,
        ..InstanceLimits::default()
    };
    let kill = Arc::new(KillSwitch::default());
    let mut instance = Instance::start(engine, pre, Arc::new(Nobody), &Access::default(), &bounds, kill).await?;
    instance.describe().await
}
