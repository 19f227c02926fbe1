//! The command line, as a user sees it: what goes in, what comes out, and with which exit code.
//!
//! Registered as a test of the crate `steading` (`host/Cargo.toml`), because cargo tells only those
//! where the binary is, and builds it for them.

mod bad_input;
mod compiling;
mod doctor;
mod errors;
mod foreign;
mod granting;
mod inspect;
mod interrupt;
mod manifest;
mod quotas;
mod readme;
mod scaffold;
mod search;
mod stdio;
mod steading;
mod talk;
mod tree;
