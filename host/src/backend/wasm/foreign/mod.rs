//! Components that are not ours: no turns, no contexts, only functions with types. Each function that can be called
//! with plain data is an endpoint.
//!
//! `exports.rs` finds them, `kinds.rs` reads their types and `text.rs` spells them, `values.rs` brings payloads to values
//! and back, and `body.rs` takes turns on their behalf: one call after another, as the component model has it.

mod body;
mod exports;
mod kinds;
#[cfg(test)]
mod noise;
mod text;
mod values;

pub(super) use body::ForeignBody;
pub(super) use exports::Foreign;
