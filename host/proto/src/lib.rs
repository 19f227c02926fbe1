//! The heart of steading: what happens to contexts, streams, nurseries and actors, decided without I/O.
//!
//! One [`Core`] per actor. It is told what its own tasks ask (commands), what other actors send
//! (`handle`) and what time it is; it answers with [`Output`]s to perform and [`Event`]s for its
//! tasks. It knows no clock, no runtime, no lock and no randomness: same inputs, same outputs, byte
//! for byte. `host/src` performs what is decided here. Start reading at [`actor`].

pub mod actor;
pub mod codec;
pub mod frame;
pub mod limits;
mod slab;

pub use actor::{Core, Endpoint, Output, Stage};
pub use frame::{Dest, Frame, Lane};
pub use limits::Limits;
pub use steading_types::Event;
