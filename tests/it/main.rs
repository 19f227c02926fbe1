//! What steading promises, told as stories on real guests, one module per guest or subject.

mod budgets;
mod closing;
mod compiling;
mod conformance;
mod credit;
mod crowded;
mod deadlocks;
mod errors;
mod examples;
mod faults;
mod files;
mod foreign;
mod garbage;
mod gathering;
mod granting;
mod host;
mod hostile;
mod leaving;
mod loader;
mod local;
mod logs;
mod matrix;
mod meeting;
mod native;
mod nurseries;
mod outputs;
mod pairings;
mod panics;
mod paths;
mod patient;
mod payloads;
mod quotas;
mod schema;
mod sharing;
mod snapshot;
mod soak;
mod spin;
mod streams;
mod supervising;
mod sweep;
mod tasks;
mod timers;
mod traps;
mod values;

use hostile::{
    calls as hostile_calls, compute as hostile_compute, files as hostile_files, output as hostile_output,
    protocol as hostile_protocol,
};

/// A guest without a module of its name here does not compile.
macro_rules! story_exists {
    ($guest:ident) => {
        #[expect(unused_imports, reason = "only to show that the module exists")]
        use self::$guest as _;
    };
}

steading_tests::artifacts::foreach_guest!(story_exists);
