//! One core and its peers: stories, each named like a law of the semantics, and laws over random worlds.

#[path = "../world/mod.rs"]
mod world;

mod cancel;
mod context;
mod deadline;
mod ending;
mod error;
mod exit;
mod laws;
mod nursery;
mod status;
mod stream;
mod supervision;
mod waiting;
