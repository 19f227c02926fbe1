//! The test guests and examples, compiled to components by the build script.
//!
//! One constant with the path of each component, and `foreach_guest!`, which hands the name of each
//! guest to a macro: a guest without a test module of its name does not compile.

include!(concat!(env!("OUT_DIR"), "/artifacts.rs"));
