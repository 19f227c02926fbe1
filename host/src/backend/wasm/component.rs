//! Code that is ready to run, and what is known of it without running it.

use std::fmt;
use std::sync::Arc;
use std::thread;

use steading_types::Description;

use super::access::Access;
use super::bindings::exports::GuestPre;
use super::cache::{Cache, Entry};
use super::compile::{Refusal, Turn};
use super::engine::Engine;
use super::error::LoadError;
use super::foreign::Foreign;
use super::instance::{Instance, InstanceLimits};
use super::nobody::Nobody;
use super::scan::{self, Kind};
use super::stopped::KillSwitch;
use super::view::State;
use super::{description, limits, linker, pool};
use crate::capability::Want;
use crate::runtime::driver::Stopped;

/// A compiled component. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Component(Arc<Inner>);

struct Inner {
    engine: Engine,
    shape: Shape,
    name: String,
    digest: blake3::Hash,
    size: usize,
    imports: Vec<String>,
    unknown: Vec<String>,
    description: Description,
    is_cached: bool,
    places: u32,
}

/// How instances of it are made.
#[derive(Clone)]
pub(super) enum Shape {
    /// It takes turns.
    Actor(GuestPre<State>),
    /// It has functions, and knows nothing of us.
    Foreign(Foreign),
}

impl Shape {
    fn component(&self) -> &wasmtime::component::Component {
        match self {
            Self::Actor(pre) => pre.instance_pre().component(),
            Self::Foreign(foreign) => foreign.pre.component(),
        }
    }
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

    /// What of the machine its imports ask for.
    pub(crate) fn wants(&self) -> Vec<Want> {
        linker::wants(&self.0.imports)
    }

    /// Whether its code came out of the compile cache.
    pub(crate) fn is_cached(&self) -> bool {
        self.0.is_cached
    }

    /// How many places of the pool each instance of it takes.
    pub(super) fn places(&self) -> u32 {
        self.0.places
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.0.shape
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
        let source = Source {
            engine,
            file,
            bytes,
            key: &entry_name(&digest, engine.fingerprint()),
            unknown,
        };
        let loaded = match source.remembered()? {
            Some(loaded) => loaded,
            None => source.compiled()?,
        };
        let Loaded {
            shape,
            imports,
            description,
            is_cached,
        } = loaded;
        let unknown = linker::unknown(&imports);
        let (engine, name, size) = (engine.clone(), name.to_string(), bytes.len());
        let places = pool::places(shape.component());
        Ok(Self(Arc::new(Inner {
            engine,
            shape,
            name,
            digest,
            size,
            imports,
            unknown,
            description,
            is_cached,
            places,
        })))
    }
}

struct Loaded {
    shape: Shape,
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

/// What is to be loaded.
#[derive(Clone, Copy)]
struct Source<'a> {
    engine: &'a Engine,
    file: &'a str,
    bytes: &'a [u8],
    key: &'a str,
    unknown: Unknown,
}

impl Source<'_> {
    /// What the cache has; anything odd about it counts as nothing. An error if it remembers a refusal, or code of
    /// which nothing can be made.
    fn remembered(self) -> Result<Option<Loaded>, LoadError> {
        let Some(cache) = self.engine.cache() else {
            return Ok(None);
        };
        let Some((component, described, entry)) = self.entry(cache) else {
            return self.refusal(cache).map_or(Ok(None), Err);
        };
        let linkage = link(self.engine, &component, self.file, self.unknown)?;
        let description = match described {
            Some(description) => description,
            None => {
                let description = self.describe(&linkage)?;
                cache.store(self.key, &description::encode(&description), entry.code());
                description
            }
        };
        Ok(Some(linkage.loaded(description, true)))
    }

    /// The component, what it said of itself if it has said so, and the entry of both.
    fn entry(self, cache: &Cache) -> Option<(wasmtime::component::Component, Option<Description>, Entry)> {
        let entry = cache.load(self.key)?;
        let described = match entry.description() {
            UNDESCRIBED => None,
            bytes => Some(description::decode(bytes)?),
        };
        let component = deserialize(self.engine, entry.code())
            .inspect_err(|error| tracing::warn!(%error, "compile cache: entry does not load; compiling anew"));
        Some((component.ok()?, described, entry))
    }

    fn describe(self, linkage: &Linkage) -> Result<Description, LoadError> {
        match &linkage.shape {
            Shape::Actor(pre) => describe(self.engine, pre, self.file),
            Shape::Foreign(_) => Ok(linkage.exports.clone()),
        }
    }

    fn refusal(self, cache: &Cache) -> Option<LoadError> {
        let (refusal, age) = cache.refusal(self.key)?;
        let refusal = Refusal::decode(&refusal)?;
        let holds = refusal.holds(age, self.engine.compile_bounds());
        let earlier = Box::new(refusal.of(self.file));
        holds.then_some(LoadError::Remembered { earlier })
    }

    fn compiled(self) -> Result<Loaded, LoadError> {
        let kind = scan::scan(self.file, self.bytes)?;
        let callable = !matches!(
            kind,
            Kind::Module {
                typed: false,
                program: false
            }
        );
        if !callable {
            return Err(Refusal::CoreModule(String::new()).of(self.file));
        }
        let turn = self.engine.compiler().turn(self.file)?;
        // The others may have compiled the same.
        let meanwhile = if turn.has_waited() { self.remembered()? } else { None };
        match meanwhile {
            Some(loaded) => Ok(loaded),
            None => self.compile(&turn, kind),
        }
    }

    fn compile(self, turn: &Turn<'_>, kind: Kind) -> Result<Loaded, LoadError> {
        let verdict = (self.engine.compiler()).compile(turn, self.engine, (self.file, kind, self.bytes))?;
        let code = verdict.map_err(|refusal| self.refused(refusal))?;
        // It may be valid and beyond what this host's pool has room for, which is not remembered.
        let component = deserialize(self.engine, &code).map_err(|error| Refusal::invalid(&error).of(self.file))?;
        let made = link(self.engine, &component, self.file, self.unknown)
            .and_then(|linkage| Ok((self.describe(&linkage)?, linkage)));
        // Whatever is said of it now, it is not to be compiled again to hear that.
        let described = made
            .as_ref()
            .ok()
            .map(|(description, _)| description::encode(description));
        if let Some(cache) = self.engine.cache() {
            cache.store(self.key, described.as_deref().unwrap_or(UNDESCRIBED), &code);
        }
        let (description, linkage) = made?;
        Ok(linkage.loaded(description, false))
    }

    fn refused(self, refusal: Refusal) -> LoadError {
        if let Some(cache) = self.engine.cache() {
            cache.store_refusal(self.key, &refusal.encode());
        }
        refusal.of(self.file)
    }
}

fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<wasmtime::component::Component> {
    // SAFETY: `code` is what an engine with the same fingerprint has compiled on behalf of this user: in this
    // process; or in the child that this process has started, which answered in a file in memory that nobody else
    // was given; or at an earlier time, if `Cache::load` has checked its keyed hash, whose key only this user can read.
    #[allow(unsafe_code, reason = "loading what our own compiler made is the one audited use")]
    unsafe {
        wasmtime::component::Component::deserialize(engine.wasmtime(), code)
    }
}

/// In the place of a description, of a component that has none yet: it does not fit this host, or has not answered.
const UNDESCRIBED: &[u8] = &[];

/// A component with what it imports.
struct Linkage {
    shape: Shape,
    imports: Vec<String>,
    /// What a foreign one offers; an actor says it itself.
    exports: Description,
}

impl Linkage {
    fn loaded(self, description: Description, is_cached: bool) -> Loaded {
        Loaded {
            shape: self.shape,
            imports: self.imports,
            description,
            is_cached,
        }
    }
}

fn link(
    engine: &Engine,
    component: &wasmtime::component::Component,
    file: &str,
    policy: Unknown,
) -> Result<Linkage, LoadError> {
    let name = || file.to_string();
    let imports = linker::imports(component);
    let unknown = linker::unknown(&imports);
    if !unknown.is_empty() && policy == Unknown::Refused {
        return Err(LoadError::UnknownImports {
            name: name(),
            imports: unknown,
        });
    }
    let foreign = match linker::missing_export(component) {
        None => None,
        Some(missing) => {
            let is_ours = imports.iter().any(|import| linker::is_for_turns(import));
            let functions = match is_ours {
                true => None,
                false => {
                    Foreign::functions(component).map_err(|detail| LoadError::Mismatch { name: name(), detail })?
                }
            };
            Some(functions.ok_or_else(|| LoadError::NotAnActor { name: name(), missing })?)
        }
    };
    let mismatch = |error| LoadError::Mismatch {
        name: name(),
        detail: format!("{error:#}"),
    };
    let pre = match unknown.is_empty() {
        true => engine.linker().instantiate_pre(component),
        false => linker::with_traps(engine.linker(), component).and_then(|linker| linker.instantiate_pre(component)),
    };
    let pre = pre.map_err(mismatch)?;
    let (shape, exports) = match foreign {
        None => (
            Shape::Actor(GuestPre::new(pre).map_err(mismatch)?),
            Description::default(),
        ),
        Some((functions, exports)) => {
            let exports = description::presentable(exports);
            let exports = exports.map_err(|detail| LoadError::Describe { name: name(), detail })?;
            (Shape::Foreign(Foreign { pre, functions }), exports)
        }
    };
    Ok(Linkage {
        shape,
        imports,
        exports,
    })
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
        match tokio::time::timeout(limits::DESCRIBE_TIME, call_describe(engine, pre)).await {
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
