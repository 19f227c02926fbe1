//! The heart of steading: what happens to contexts, streams, nurseries and actors, decided without I/O.
//!
//! One [`Core`] per actor. It is told what its own tasks ask (commands), what other actors send
//! (`handle`) and what time it is; it answers with [`Output`]s to perform and [`Event`]s for its
//! tasks. It knows no clock, no runtime, no lock and no randomness: same inputs, same outputs, byte
//! for byte. `host/src` performs what is decided here. Start reading at [`actor`].

/// Whether this core is the broken variant of this name. Without the feature `mutants` it never is, and
/// what stands behind the question is not compiled.
macro_rules! mutant {
    ($core:expr, $name:ident) => {{
        #[cfg(feature = "mutants")]
        let it_is = $core.mutant == Some($crate::mutant::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let it_is = false;
        it_is
    }};
}

pub mod actor;
mod canonical;
pub mod circle;
pub mod codec;
pub mod frame;
pub mod limits;
#[cfg(feature = "mutants")]
pub mod mutant;
mod slab;

pub use actor::{ContextStatus, Core, Endpoint, NurseryStatus, Output, Part, Stage, Status};
pub use frame::{Dest, Frame, Lane};
pub use limits::Limits;
pub use steading_types::Event;
