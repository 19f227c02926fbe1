//! Why a component could not be loaded: one line each, naming the file.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A component that cannot become an actor, or an engine that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("{}: no such file", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are not WebAssembly at all.
    #[error("{name}: is not a WebAssembly file (it begins with {begins})")]
    NotWasm {
        /// Which.
        name: String,
        /// Its first bytes.
        begins: String,
    },
    /// The bytes begin as WebAssembly does and are not valid.
    #[error("{name}: is not valid: {detail}")]
    Invalid {
        /// Which.
        name: String,
        /// What is wrong, and where.
        detail: String,
    },
    /// A core module where a component is needed.
    #[error("{name}: is a core module, not a component; build it with `steading build`{detail}")]
    CoreModule {
        /// Which.
        name: String,
        /// Why it could not be made one, if it looked as if it could.
        detail: String,
    },
    /// It asks for interfaces this host does not have.
    #[error("{name}: imports what this host does not offer: {}", imports.join(", "))]
    UnknownImports {
        /// Which.
        name: String,
        /// The interfaces, as it names them.
        imports: Vec<String>,
    },
    /// It imports or exports an interface of ours with other types.
    #[error("{name}: does not fit this host: {detail}")]
    Mismatch {
        /// Which.
        name: String,
        /// Where they differ.
        detail: String,
    },
    /// A component without the exports of an actor.
    #[error(
        "{name}: is a component, but not a steading actor (it does not export `{missing}`); in Rust, `#[steading_guest::actor]` on an `impl` block makes one"
    )]
    NotAnActor {
        /// Which.
        name: String,
        /// The first export that is not there.
        missing: &'static str,
    },
    /// It is beyond a limit.
    #[error("{name}: has {actual} {what}, the limit is {limit}")]
    Oversized {
        /// Which.
        name: String,
        /// Of what.
        what: &'static str,
        /// How many it has.
        actual: u64,
        /// How many it may have.
        limit: u64,
    },
    /// It takes longer to compile than it may.
    #[error("{name}: took longer than {} to compile", time(limit))]
    CompileTimeout {
        /// Which.
        name: String,
        /// How long it may take: processor time, or a sixth of the time by the clock.
        limit: Duration,
    },
    /// It needs more memory to compile than it may.
    #[error("{name}: needed more than {} MiB of memory to compile", limit >> 20)]
    CompileMemory {
        /// Which.
        name: String,
        /// Bytes that it may need.
        limit: u64,
    },
    /// It becomes more code than it may.
    #[error("{name}: became more than {} MiB of compiled code", limit >> 20)]
    CompiledSize {
        /// Which.
        name: String,
        /// Bytes that it may become.
        limit: u64,
    },
    /// The process that was to compile it has died, not of a limit.
    #[error("{name}: the compiler died of signal {signal}")]
    CompilerDied {
        /// Which.
        name: String,
        /// Of what.
        signal: i32,
    },
    /// The process that was to compile it has failed.
    #[error("{name}: the compiler failed: {detail}")]
    CompilerFailed {
        /// Which.
        name: String,
        /// What it said.
        detail: String,
    },
    /// There is no process to compile it.
    #[error("{name}: cannot be compiled: {}: {detail}", program.display())]
    NoCompiler {
        /// Which.
        name: String,
        /// What was to compile it.
        program: PathBuf,
        /// What is wrong with that.
        detail: String,
    },
    /// Too many others are to be compiled before it.
    #[error("{name}: is not compiled now: {waiting} others wait for it")]
    CompileBusy {
        /// Which.
        name: String,
        /// How many others.
        waiting: usize,
    },
    /// It was refused before, and nothing has changed since.
    #[error("{earlier} (remembered from an earlier try)")]
    Remembered {
        /// Why it was refused.
        earlier: Box<LoadError>,
    },
    /// It could not say what it offers.
    #[error("{name}: could not be asked what it offers: {detail}")]
    Describe {
        /// Which.
        name: String,
        /// What happened instead.
        detail: String,
    },
    /// The engine itself could not be set up.
    #[error("the WebAssembly engine cannot start: {detail}")]
    Engine {
        /// What happened.
        detail: String,
    },
}

fn time(limit: &Duration) -> String {
    match limit.subsec_millis() {
        0 => format!("{} s", limit.as_secs()),
        _ => format!("{} ms", limit.as_millis()),
    }
}
