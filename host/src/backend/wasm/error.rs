//! Why a component could not be loaded: one line each, naming the file.

use std::io;
use std::path::PathBuf;

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
