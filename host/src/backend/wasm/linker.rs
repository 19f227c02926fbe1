//! What a component may import: the interfaces of `wit/` and the part of WASI 0.2 that Rust's standard
//! library needs. No sockets, no http.

use std::collections::BTreeMap;

use wasmtime::component::{Component, Linker, types::ComponentItem};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};

use super::files::WithQuotas;
use super::imports;
use super::view::State;
use crate::capability::{Capability, Want};

/// Interfaces without their versions, and what each lets a guest do that has to be granted.
const OFFERED: &[(&str, Option<Capability>)] = &[
    ("steading:actor/context", None),
    ("steading:actor/events", None),
    ("steading:actor/grants", None),
    ("steading:actor/log", None),
    ("steading:actor/nursery", Some(Capability::Children)),
    ("steading:actor/runtime", None),
    ("steading:actor/stream", None),
    ("steading:actor/types", None),
    ("wasi:cli/environment", Some(Capability::Environment)),
    ("wasi:cli/exit", None),
    ("wasi:cli/stderr", Some(Capability::Streams)),
    ("wasi:cli/stdin", Some(Capability::Streams)),
    ("wasi:cli/stdout", Some(Capability::Streams)),
    ("wasi:cli/terminal-input", None),
    ("wasi:cli/terminal-output", None),
    ("wasi:cli/terminal-stderr", None),
    ("wasi:cli/terminal-stdin", None),
    ("wasi:cli/terminal-stdout", None),
    ("wasi:clocks/monotonic-clock", Some(Capability::Clocks)),
    ("wasi:clocks/wall-clock", Some(Capability::Clocks)),
    ("wasi:filesystem/preopens", Some(Capability::Files)),
    ("wasi:filesystem/types", Some(Capability::Files)),
    ("wasi:io/error", None),
    ("wasi:io/poll", None),
    ("wasi:io/streams", None),
    ("wasi:random/insecure", Some(Capability::Random)),
    ("wasi:random/insecure-seed", Some(Capability::Random)),
    ("wasi:random/random", Some(Capability::Random)),
];

/// The linker all components of an engine share.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    add_wasi(&mut linker)?;
    imports::add(&mut linker)?;
    Ok(linker)
}

fn add_wasi(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    filesystem::types::add_to_linker::<_, WithQuotas>(linker, State::files)?;
    filesystem::preopens::add_to_linker::<_, WithQuotas>(linker, State::files)?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, State::random)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, State::random)
}

/// The same with traps in the place of what a component asks for and this host does not have.
pub(super) fn with_traps(linker: &Linker<State>, component: &Component) -> wasmtime::Result<Linker<State>> {
    let mut linker = linker.clone();
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}

/// The names of all imports of a component, in its order.
pub(super) fn imports(component: &Component) -> Vec<String> {
    let kind = component.component_type();
    kind.imports(component.engine())
        .map(|(name, _)| name.to_string())
        .collect()
}

/// The first of the exports an actor must have that this component lacks.
pub(super) fn missing_export(component: &Component) -> Option<&'static str> {
    let kind = component.component_type();
    ["describe", "turn", "turn-on-data"].into_iter().find(|name| {
        let export = kind.get_export(component.engine(), name);
        !export.is_some_and(|export| matches!(export.ty, ComponentItem::ComponentFunc(_)))
    })
}

/// Whether only who takes turns can do anything with this import.
pub(super) fn is_for_turns(import: &str) -> bool {
    let interface = import.split('@').next().unwrap_or(import);
    interface.starts_with("steading:actor/") && !interface.ends_with("/log") && !interface.ends_with("/types")
}

/// Those of the imports that this host does not have.
pub(super) fn unknown(imports: &[String]) -> Vec<String> {
    imports
        .iter()
        .filter(|import| offered(import).is_none())
        .cloned()
        .collect()
}

/// What these imports let a guest do if it is granted, each thing once, with the imports it comes by.
pub(super) fn wants(imports: &[String]) -> Vec<Want> {
    let mut wants = BTreeMap::<Capability, Vec<String>>::new();
    for import in imports {
        if let Some(capability) = offered(import).flatten() {
            wants.entry(capability).or_default().push(import.clone());
        }
    }
    let want = |(capability, imports)| Want { capability, imports };
    wants.into_iter().map(want).collect()
}

fn offered(import: &str) -> Option<Option<Capability>> {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    let series = if interface.starts_with("wasi:") { "0.2." } else { "0.1." };
    let (_, capability) = OFFERED.iter().find(|(name, _)| *name == interface)?;
    version.starts_with(series).then_some(*capability)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(imports: &[&str]) -> Vec<String> {
        imports.iter().map(|import| import.to_string()).collect()
    }

    #[test]
    fn unknown_imports_are_those_of_other_names_or_versions() {
        let imports = names(&[
            "wasi:cli/exit@0.2.6",
            "wasi:http/types@0.2.0",
            "wasi:cli/exit@0.3.0",
            "thing",
        ]);
        assert_eq!(
            unknown(&imports),
            ["wasi:http/types@0.2.0", "wasi:cli/exit@0.3.0", "thing"]
        );
    }

    #[test]
    fn what_is_wanted_is_named_once_with_every_import() {
        let imports = names(&[
            "wasi:filesystem/types@0.2.6",
            "wasi:filesystem/preopens@0.2.6",
            "wasi:io/poll@0.2.6",
        ]);
        let files = Want {
            capability: Capability::Files,
            imports: imports[..2].to_vec(),
        };
        assert_eq!(wants(&imports), [files]);
    }
}
