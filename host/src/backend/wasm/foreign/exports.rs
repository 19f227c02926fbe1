//! What a foreign component exports, as endpoints.

use std::collections::HashMap;
use std::sync::Arc;

use steading_types::{Description, EndpointInfo, EndpointKind, EndpointSchema, Parameter};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::super::limits;
use super::super::view::State;
use super::kinds::{Kind, Reader, Unfit};
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

/// The functions of a component, and what is said of them.
type Offer = (Arc<[Function]>, Description);

/// An exported function, in the order of the endpoints.
pub(in crate::backend::wasm) struct Function {
    pub(super) index: ComponentExportIndex,
    pub(super) parameters: Vec<(String, Kind)>,
    pub(super) returns: Option<Kind>,
    /// What the engine may take out of the guest at once while it runs, its result included.
    pub(super) fuel: usize,
    /// Bytes of the host's memory that its result may take as a value.
    pub(super) room: usize,
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
    ///
    /// # Errors
    /// In plain words, when their types are more than a host keeps.
    pub(in crate::backend::wasm) fn functions(component: &Component) -> Result<Option<Offer>, String> {
        let exports = exports(component).map_err(|TooLarge| {
            let most = limits::TYPES >> 20;
            format!("the types of its functions take more than {most} MiB, with all their fields and cases")
        })?;
        let names = names(&exports);
        let endpoints = exports.iter().zip(names).map(|(export, name)| endpoint(name, export));
        let description = Description {
            sdk: SDK.to_owned(),
            docs: String::new(),
            endpoints: endpoints.collect(),
        };
        let functions: Arc<[_]> = exports.into_iter().map(|export| export.function).collect();
        Ok((!functions.is_empty()).then_some((functions, description)))
    }
}

/// All the types of a component are more than a host keeps.
struct TooLarge;

fn exports(component: &Component) -> Result<Vec<Export>, TooLarge> {
    let (kind, engine) = (component.component_type(), component.engine());
    let (mut found, mut types) = (Vec::new(), Reader::new());
    for (name, export) in kind.exports(engine) {
        match export.ty {
            ComponentItem::ComponentFunc(function) => {
                found.extend(found_in(component, &mut types, (None, name), &function)?);
            }
            ComponentItem::ComponentInstance(instance) => {
                for (inner, export) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(function) = export.ty {
                        found.extend(found_in(component, &mut types, (Some(name), inner), &function)?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// `None` for what cannot be called with plain data: methods and constructors, functions with handles, streams or
/// futures, and asynchronous ones.
fn found_in(
    component: &Component,
    types: &mut Reader,
    (instance, name): (Option<&str>, &str),
    function: &ComponentFunc,
) -> Result<Option<Export>, TooLarge> {
    if function.async_() || name.starts_with('[') {
        return Ok(None);
    }
    let (parameters, returns) = match signature(types, function) {
        Ok(signature) => signature,
        Err(Unfit::Handles) => return Ok(None),
        Err(Unfit::TooLarge) => return Err(TooLarge),
    };
    let Some(index) = index(component, instance, name) else {
        return Ok(None);
    };
    let (fuel, room) = room(returns.as_ref());
    let function = Function {
        index,
        parameters,
        returns,
        fuel,
        room,
        is_program: instance.is_some_and(|instance| instance.starts_with(RUN.0)) && name == RUN.1,
    };
    Ok(Some(Export {
        instance: instance.map(str::to_owned),
        name: name.to_owned(),
        function,
    }))
}

type Signature = (Vec<(String, Kind)>, Option<Kind>);

fn signature(types: &mut Reader, function: &ComponentFunc) -> Result<Signature, Unfit> {
    let parameters = function.params();
    let parameters = parameters.map(|(name, kind)| Ok((name.to_owned(), types.kind(&kind)?)));
    let parameters = parameters.collect::<Result<_, _>>()?;
    let returns = function.results().next().map(|kind| types.kind(&kind));
    Ok((parameters, returns.transpose()?))
}

fn index(component: &Component, instance: Option<&str>, name: &str) -> Option<ComponentExportIndex> {
    let within = match instance {
        Some(instance) => Some(component.get_export_index(None, instance)?),
        None => None,
    };
    component.get_export_index(within.as_ref(), name)
}

/// What the engine may count while a function runs, and what that makes of the host's memory at most.
fn room(returns: Option<&Kind>) -> (usize, usize) {
    let usual = limits::PAYLOAD + limits::HOSTCALL;
    match returns {
        Some(kind) if !kind.is_bounded() => {
            let weight = kind.weight();
            let fuel = match weight {
                1 => usual,
                weight => (limits::LIFTED / weight).max(limits::LEAST_FUEL),
            };
            (fuel, fuel * weight)
        }
        _ => (usual, 0),
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
    let parameter = |(name, kind): &(String, Kind)| Parameter {
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

#[cfg(test)]
mod tests {
    use super::super::kinds::Named;
    use super::*;

    fn named<T>(count: usize, item: impl Fn() -> T) -> Named<T> {
        let items = (0..count).map(|i| Ok((format!("f{i}").into(), item())));
        Named::of(items).expect("nothing counts them")
    }

    fn list(kind: Kind) -> Kind {
        Kind::List(Box::new(kind))
    }

    #[test]
    fn no_result_takes_more_than_32_mebibytes_and_each_function_can_hand_over_a_payload() {
        let record = |count| Kind::Record(named(count, || Kind::U8));
        let kinds = [
            list(Kind::U8),
            list(Kind::String),
            list(list(list(Kind::U8))),
            list(record(1)),
            list(record(9)),
            list(Kind::Option(Box::new(record(2)))),
            list(Kind::Tuple(vec![Kind::Bool])),
            list(Kind::Variant(named(3, || Some(Kind::Enum(named(3, || ())))))),
            list(Kind::Flags(named(32, || ()))),
            list(list(Kind::Record(named(3, || Kind::Flags(named(32, || ())))))),
        ];
        for kind in kinds {
            let (fuel, most) = room(Some(&kind));
            let name = text::of(&kind);
            assert!(most <= 32 << 20, "{name}: {most}");
            assert!(fuel > limits::PAYLOAD, "{name}: {fuel}");
        }
    }

    #[test]
    fn a_list_may_have_as_many_numbers_as_there_may_be_values() {
        let (fuel, _) = room(Some(&list(Kind::U8)));
        assert_eq!(fuel / size_of::<wasmtime::component::Val>(), limits::VALUES);
    }

    #[test]
    fn what_has_a_size_by_its_type_is_not_charged() {
        assert_eq!(room(None).1, 0);
        assert_eq!(room(Some(&Kind::Record(named(2, || Kind::Float64)))).1, 0);
        assert!(room(Some(&Kind::Option(Box::new(Kind::String)))).1 > limits::PAYLOAD);
    }
}
