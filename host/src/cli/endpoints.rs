//! An endpoint as the command line sees it: found by name, shown as a signature, given its arguments.

use ciborium::Value;
use steading::{Code, EndpointInfo};

use super::failure::{Failure, Result};
use super::values;

/// The endpoint of this name.
pub(crate) fn find<'a>(code: &'a Code, name: &str) -> Result<&'a EndpointInfo> {
    let endpoints = &code.description().endpoints;
    endpoints.iter().find(|endpoint| endpoint.name == name).ok_or_else(|| {
        let known: Vec<_> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        let known = if known.is_empty() {
            "no endpoints".to_owned()
        } else {
            known.join(", ")
        };
        Failure::usage(format!("no endpoint `{name}`; it has: {known}"))
    })
}

/// As it would be written: `name(parameter: type) -> type`.
pub(crate) fn signature(endpoint: &EndpointInfo) -> String {
    let returns = match endpoint.returns.as_str() {
        "" | "()" => String::new(),
        returns => format!(" -> {returns}"),
    };
    format!("{}({}){returns}", endpoint.name, parameters(endpoint))
}

fn parameters(endpoint: &EndpointInfo) -> String {
    let parameters = endpoint
        .parameters
        .iter()
        .map(|p| format!("{}: {}", p.name, p.type_name));
    parameters.collect::<Vec<_>>().join(", ")
}

/// The arguments of a call: one JSON value per parameter.
pub(crate) fn json_arguments(endpoint: &EndpointInfo, texts: &[String]) -> Result<Value> {
    if texts.len() != endpoint.parameters.len() {
        return Err(wrong_number(endpoint, texts.len()));
    }
    let values = (0..texts.len()).map(|index| argument(endpoint, index, &texts[index]));
    arguments(endpoint, values.collect::<Result<_>>()?)
}

/// The arguments of a call as its payload.
pub(crate) fn arguments(endpoint: &EndpointInfo, mut values: Vec<Value>) -> Result<Value> {
    if values.len() != endpoint.parameters.len() {
        return Err(wrong_number(endpoint, values.len()));
    }
    Ok(match values.len() {
        0 => Value::Null,
        1 => values.remove(0),
        _ => Value::Array(values),
    })
}

/// The arguments of a run: texts as they are where a list of texts, or nothing, is expected.
pub(crate) fn run_arguments(endpoint: &EndpointInfo, texts: &[String]) -> Result<Value> {
    match endpoint.parameters.as_slice() {
        [] => Ok(Value::Null),
        [only] if is_texts(&only.type_name) => Ok(Value::Array(texts.iter().cloned().map(Value::Text).collect())),
        _ => json_arguments(endpoint, texts),
    }
}

fn is_texts(type_name: &str) -> bool {
    values::inside(type_name, "Vec").is_some_and(|item| item.rsplit("::").next().is_some_and(|n| n.trim() == "String"))
}

fn wrong_number(endpoint: &EndpointInfo, given: usize) -> Failure {
    let wanted = match endpoint.parameters.len() {
        0 => "no arguments".to_owned(),
        1 => format!("1 argument ({})", parameters(endpoint)),
        n => format!("{n} arguments ({})", parameters(endpoint)),
    };
    Failure::usage(format!("endpoint `{}` takes {wanted}, got {given}", endpoint.name))
}

fn argument(endpoint: &EndpointInfo, index: usize, text: &str) -> Result<Value> {
    let parameter = &endpoint.parameters[index];
    values::from_json(text).map_err(|error| {
        let number = index + 1;
        let name = &parameter.name;
        let failure = Failure::usage(format!("argument {number} (`{name}`) is not JSON: {error}"));
        match quoted(text) {
            Some(quoted) => failure.hint(format!("text needs its quotes: '{quoted}'")),
            None => failure,
        }
    })
}

/// What was probably meant, if this does not look like an attempt at JSON.
pub(crate) fn quoted(text: &str) -> Option<String> {
    let attempt = text.trim_start().starts_with(['{', '[', '"']);
    (!attempt).then(|| values::to_json(&Value::Text(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use steading::{EndpointKind, Parameter};

    use super::*;

    fn endpoint(parameters: &[(&str, &str)]) -> EndpointInfo {
        let parameter = |(name, type_name): &(&str, &str)| Parameter {
            name: (*name).to_owned(),
            type_name: (*type_name).to_owned(),
        };
        EndpointInfo {
            name: "e".to_owned(),
            docs: String::new(),
            kind: EndpointKind::Plain,
            parameters: parameters.iter().map(parameter).collect(),
            started: String::new(),
            sends: String::new(),
            receives: String::new(),
            returns: "u64".to_owned(),
            error: String::new(),
            schema: steading::EndpointSchema::default(),
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn none_is_a_unit_one_itself_and_several_a_tuple() {
        let call = |parameters: &[_], given: &[_]| json_arguments(&endpoint(parameters), &texts(given)).unwrap();
        assert_eq!(call(&[], &[]), Value::Null);
        assert_eq!(call(&[("a", "u8")], &["7"]), Value::Integer(7.into()));
        let pair = Value::Array(vec![Value::Text("x".into()), Value::Integer(1.into())]);
        assert_eq!(call(&[("a", "String"), ("b", "f64")], &["\"x\"", "1"]), pair);
    }

    #[test]
    fn malformed_json_is_located_and_a_bare_word_is_explained() {
        let fail = |given| json_arguments(&endpoint(&[("name", "String")]), &texts(&[given])).unwrap_err();
        let failure = fail("world");
        assert_eq!(
            failure.message,
            "argument 1 (`name`) is not JSON: expected value at line 1 column 1"
        );
        assert_eq!(failure.hint.as_deref(), Some("text needs its quotes: '\"world\"'"));
        let failure = fail("{\"a\":\n 1,}");
        assert_eq!(
            failure.message,
            "argument 1 (`name`) is not JSON: trailing comma at line 2 column 4"
        );
        assert_eq!(failure.hint, None);
    }

    #[test]
    fn the_number_of_arguments_is_checked_here() {
        let failure = json_arguments(&endpoint(&[("a", "u8"), ("b", "u8")]), &texts(&["1"])).unwrap_err();
        assert_eq!(failure.message, "endpoint `e` takes 2 arguments (a: u8, b: u8), got 1");
    }

    #[test]
    fn a_run_hands_texts_on_as_they_are() {
        let run = |parameters: &[_], given: &[_]| run_arguments(&endpoint(parameters), &texts(given)).unwrap();
        let words = Value::Array(vec![Value::Text("a".into()), Value::Text("1".into())]);
        assert_eq!(run(&[("args", "Vec<String>")], &["a", "1"]), words);
        assert_eq!(
            run(&[("args", "alloc::vec::Vec<alloc::string::String>")], &["a", "1"]),
            words
        );
        assert_eq!(run(&[], &["a"]), Value::Null);
        assert_eq!(run(&[("n", "u8")], &["1"]), Value::Integer(1.into()));
    }

    #[test]
    fn a_signature_reads_like_the_source() {
        assert_eq!(signature(&endpoint(&[("a", "u8")])), "e(a: u8) -> u64");
    }
}
