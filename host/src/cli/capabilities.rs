//! How each capability is granted: by which option of the command line, by which line of a manifest.
//!
//! `inspect` shows it beside what a component asks for, `hints.rs` where something was denied.

use serde_json::{Value, json};
use steading::{Capability, Want};

use super::output::table;

/// The two ways to grant one thing.
pub(crate) struct Way {
    /// Of `run` and `call`.
    pub(crate) option: &'static str,
    /// Of an actor's table in a manifest.
    pub(crate) line: &'static str,
}

/// What lets an actor see a directory.
pub(crate) const DIRECTORY: Way = Way {
    option: "--dir HOST[:GUEST][:ro|:rw][,quota=BYTES][,open=N]",
    line: "dirs = [\"HOST[:GUEST][:ro|:rw][,quota=BYTES][,open=N]\"]",
};

/// What lets it write where it may only read.
pub(crate) const WRITABLE: Way = Way {
    option: "--dir HOST[:GUEST]:rw",
    line: "dirs = [\"HOST[:GUEST]:rw\"]",
};

/// What lets it write so much, and have so many files open.
pub(crate) const QUOTA: Way = Way {
    option: "--dir HOST[:GUEST]:rw,quota=BYTES,open=N",
    line: "dirs = [\"HOST[:GUEST]:rw,quota=BYTES,open=N\"]",
};

/// What sets a variable of its environment.
pub(crate) const VARIABLE: Way = Way {
    option: "--env NAME[=VALUE]",
    line: "env = { NAME = \"…\" }",
};

/// What lets it start other components than its own.
pub(crate) const COMPONENT: Way = Way {
    option: "--component NAME=PATH",
    line: "components = [\"NAME\"]",
};

/// What grants a capability.
pub(crate) fn way(capability: Capability) -> Way {
    match capability {
        Capability::Children => COMPONENT,
        Capability::Clocks => Way {
            option: "--clock real|coarse|frozen",
            line: "clock = \"real|coarse|frozen\"",
        },
        Capability::Environment => Way {
            option: "--env NAME[=VALUE], -- ARGS",
            line: "env = { NAME = \"…\" }, inherit-env = [\"NAME\"], args = [\"…\"]",
        },
        Capability::Files => DIRECTORY,
        Capability::Random => Way {
            option: "--seed N",
            line: "seed = N",
        },
        Capability::Streams => Way {
            option: "--stdio [STREAM=]inherit|log|null|capture",
            line: "stdio = \"inherit|log|null|capture\"",
        },
    }
}

/// For people: what is wanted, and the two ways to grant it.
pub(crate) fn as_text(wants: &[Want]) -> String {
    let row = |want: &Want| {
        let way = way(want.capability);
        vec![want.capability.to_string(), way.option.to_owned(), way.line.to_owned()]
    };
    match wants {
        [] => "  none".to_owned(),
        wants => table(&wants.iter().map(row).collect::<Vec<_>>()),
    }
}

/// For programs: the same, with the imports.
pub(crate) fn as_json(wants: &[Want]) -> Vec<Value> {
    let object = |want: &Want| {
        let way = way(want.capability);
        json!({
            "name": want.capability.name(),
            "imports": want.imports,
            "option": way.option,
            "manifest": way.line,
        })
    };
    wants.iter().map(object).collect()
}
