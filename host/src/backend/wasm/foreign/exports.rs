//! What a foreign component exports, as endpoints.

use std::collections::HashMap;
use std::sync::Arc;

use steading_types::{Description, EndpointInfo, EndpointKind, EndpointSchema, Parameter};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Type};

use super::super::view::State;
use super::text;

/// What a program exports whose `main` can be called.
const RUN: (&str, &str) = ("wasi:cli/run@0.2.", "run");

/// Stands in for the name of an SDK.
const SDK: &str = "no steading SDK: typed exports";

/// A foreign component, ready for instances. Cheap to clone.
#[derive(Clone)]
pub(in crate::backend::wasm) struct Foreign {
    pub(in crate::backend::wasm) pre: InstancePre<State>,
    pub(in crate::backend::wasm) functions: Arc<[Function]>,
}

/// An exported function, in the order of the endpoints.
pub(in crate::backend::wasm) struct Function {
    pub(super) index: ComponentExportIndex,
    pub(super) parameters: Vec<(String, Type)>,
    pub(super) returns: Option<Type>,
    /// It is the `main` of a program, which ends its process when it is done.
    pub(super) is_program: bool,
}

struct Export {
    instance: Option<String>,
    name: String,
    function: Function,
}

impl Foreign {
    /// The functions of a component that can be called with plain data, and what is said of them; `None` if there
    /// are none.
    pub(in crate::backend::wasm) fn functions(component: &Component) -> Option<(Arc<[Function]>, Description)> {
        let exports = exports(component);
        let names = names(&exports);
        let endpoints = exports.iter().zip(names).map(|(export, name)| endpoint(name, export));
        let description = Description {
            sdk: SDK.to_owned(),
            docs: String::new(),
            endpoints: endpoints.collect(),
        };
        let functions: Arc<[_]> = exports.into_iter().map(|export| export.function).collect();
        (!functions.is_empty()).then_some((functions, description))
    }
}

fn exports(component: &Component) -> Vec<Export> {
    let (kind, engine) = (component.component_type(), component.engine());
    let mut found = Vec::new();
    for (name, export) in kind.exports(engine) {
        match export.ty {
            ComponentItem::ComponentFunc(function) => found.extend(found_in(component, None, name, &function)),
            ComponentItem::ComponentInstance(instance) => {
                for (inner, export) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(function) = export.ty {
                        found.extend(found_in(component, Some(name), inner, &function));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// `None` for what cannot be called with plain data: methods and constructors, functions with handles, streams or
/// futures, and asynchronous ones.
fn found_in(component: &Component, instance: Option<&str>, name: &str, function: &ComponentFunc) -> Option<Export> {
    let parameters: Vec<_> = function.params().map(|(name, kind)| (name.to_owned(), kind)).collect();
    let returns = function.results().next();
    let is_plain = parameters.iter().all(|(_, kind)| is_plain(kind)) && returns.iter().all(is_plain);
    if function.async_() || name.starts_with('[') || !is_plain {
        return None;
    }
    let within = match instance {
        Some(instance) => Some(component.get_export_index(None, instance)?),
        None => None,
    };
    let function = Function {
        index: component.get_export_index(within.as_ref(), name)?,
        parameters,
        returns,
        is_program: instance.is_some_and(|instance| instance.starts_with(RUN.0)) && name == RUN.1,
    };
    Some(Export {
        instance: instance.map(str::to_owned),
        name: name.to_owned(),
        function,
    })
}

fn is_plain(kind: &Type) -> bool {
    match kind {
        Type::List(list) => is_plain(&list.ty()),
        Type::Record(record) => record.fields().all(|field| is_plain(&field.ty)),
        Type::Tuple(tuple) => tuple.types().all(|item| is_plain(&item)),
        Type::Variant(variant) => variant.cases().all(|case| case.ty.iter().all(is_plain)),
        Type::Option(option) => is_plain(&option.ty()),
        Type::Result(result) => [result.ok(), result.err()].iter().flatten().all(is_plain),
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext => false,
        Type::Map(_) | Type::FixedLengthList(_) => false,
        _ => true,
    }
}

/// The shortest name of each that is nobody else's: `greet`, `api.greet`, `local:demo/api@1.0.0#greet`.
fn names(exports: &[Export]) -> Vec<String> {
    let mut count = HashMap::new();
    for name in exports
        .iter()
        .flat_map(|export| [export.short(), export.longer()])
        .flatten()
    {
        *count.entry(name).or_insert(0) += 1;
    }
    let alone = |name: &String| count[name] == 1;
    let name = |export: &Export| {
        let short = export.short().filter(alone);
        short
            .or_else(|| export.longer().filter(alone))
            .unwrap_or_else(|| export.full())
    };
    exports.iter().map(name).collect()
}

impl Export {
    fn short(&self) -> Option<String> {
        Some(if self.function.is_program {
            "main".to_owned()
        } else {
            self.name.clone()
        })
    }

    fn longer(&self) -> Option<String> {
        let path = self.instance.as_deref()?.split('@').next()?;
        Some(format!("{}.{}", path.rsplit(['/', ':']).next()?, self.name))
    }

    fn full(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{instance}#{}", self.name),
            None => self.name.clone(),
        }
    }
}

fn endpoint(name: String, export: &Export) -> EndpointInfo {
    let Function {
        parameters, returns, ..
    } = &export.function;
    let parameter = |(name, kind): &(String, Type)| Parameter {
        name: name.clone(),
        type_name: text::of(kind),
    };
    let (returns, error) = text::of_results(returns.as_ref());
    EndpointInfo {
        name,
        docs: String::new(),
        kind: EndpointKind::Plain,
        parameters: parameters.iter().map(parameter).collect(),
        started: String::new(),
        sends: String::new(),
        receives: String::new(),
        returns,
        error,
        schema: EndpointSchema::default(),
    }
}
