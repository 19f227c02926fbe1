//! A call as one text, `greet("bob", [1, 2])`, in WAVE: how the component model writes values.
//!
//! It is read without knowing the types, into what the same would be as JSON: the endpoint says what does not fit. Only
//! where the two ways differ is there something to decide: `some(x)` is `x`, `none` is nothing, a case with a content is
//! a map of one, flags are the list of their names.

use ciborium::Value;
use wasm_wave::ast::{Node, NodeType};
use wasm_wave::lex::{Lexer, Token};
use wasm_wave::untyped::UntypedFuncCall;

use super::failure::{Failure, Result};

/// Whether this is a call rather than a name.
pub(crate) fn is_call(text: &str) -> bool {
    text.trim_end().ends_with(')') && text.contains('(')
}

/// How deep values may be within each other: what reads them goes as deep.
const DEPTH: usize = 128;

/// The endpoint and the arguments of a call.
pub(crate) fn parse(text: &str) -> Result<(String, Vec<Value>)> {
    let text = text.trim();
    let (name, _) = text.split_once('(').unwrap_or((text, ""));
    if is_deeper(&text[name.len()..], DEPTH) {
        return Err(wrong(text, &format!("more than {DEPTH} brackets are open at once")));
    }
    // Names of endpoints may have characters that names in WAVE have not. One as long keeps the places of errors.
    let call = format!("{}{}", "f".repeat(name.len().max(1)), &text[name.len()..]);
    let parsed = UntypedFuncCall::parse(&call).map_err(|error| wrong(text, &error))?;
    let arguments = match parsed.params_node() {
        Some(node) => node
            .as_tuple()
            .map_err(|error| wrong(text, &error))?
            .map(|node| value(node, &call))
            .collect(),
        None => Ok(Vec::new()),
    };
    Ok((name.trim().to_owned(), arguments.map_err(|error| wrong(text, &error))?))
}

/// Whether more brackets than these are open anywhere.
fn is_deeper(text: &str, most: usize) -> bool {
    let mut open = 0usize;
    // What is no token is for the parser to tell: it reads no further than that.
    Lexer::new(text).map_while(std::result::Result::ok).any(|token| {
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => open += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => open = open.saturating_sub(1),
            _ => {}
        }
        open > most
    })
}

fn wrong(text: &str, error: &impl std::fmt::Display) -> Failure {
    const SHOWN: usize = 1000;
    let rest = if text.len() > SHOWN { "…" } else { "" };
    let text = &text[..text.floor_char_boundary(SHOWN)];
    Failure::usage(format!("`{text}{rest}` is not a call in WAVE: {error}"))
        .hint("text needs its quotes: 'greet(\"bob\")'; a list is [1, 2], a record {a: 1}".to_owned())
}

type Parsed<T> = std::result::Result<T, wasm_wave::parser::ParserError>;

fn value(node: &Node, text: &str) -> Parsed<Value> {
    Ok(match node.ty() {
        NodeType::BoolTrue | NodeType::BoolFalse => Value::Bool(node.as_bool()?),
        NodeType::Number => number(node, text)?,
        NodeType::Char => Value::Text(node.as_char(text)?.to_string()),
        NodeType::String | NodeType::MultilineString => Value::Text(node.as_str(text)?.into_owned()),
        NodeType::Tuple => Value::Array(node.as_tuple()?.map(|node| value(node, text)).collect::<Parsed<_>>()?),
        NodeType::List => Value::Array(node.as_list()?.map(|node| value(node, text)).collect::<Parsed<_>>()?),
        NodeType::Record => {
            let fields = node.as_record(text)?;
            let fields = fields.map(|(name, node)| Ok((Value::Text(name.to_owned()), value(node, text)?)));
            Value::Map(fields.collect::<Parsed<_>>()?)
        }
        NodeType::Label => Value::Text(node.as_enum(text)?.to_owned()),
        NodeType::VariantWithPayload => {
            let (name, content) = node.as_variant(text)?;
            case(name, content, text)?
        }
        NodeType::OptionSome | NodeType::OptionNone => optional(node.as_option()?, text)?,
        NodeType::ResultOk | NodeType::ResultErr => match node.as_result()? {
            Ok(content) => case("Ok", content, text)?,
            Err(content) => case("Err", content, text)?,
        },
        NodeType::Flags => {
            let names = node.as_flags(text)?;
            Value::Array(names.map(|name| Value::Text(name.to_owned())).collect())
        }
    })
}

fn number(node: &Node, text: &str) -> Parsed<Value> {
    let unsigned = node.as_number::<u64>(text).map(Value::from);
    let signed = unsigned.or_else(|_| node.as_number::<i64>(text).map(Value::from));
    signed.or_else(|_| node.as_number::<f64>(text).map(Value::Float))
}

fn case(name: &str, content: Option<&Node>, text: &str) -> Parsed<Value> {
    Ok(Value::Map(vec![(
        Value::Text(name.to_owned()),
        optional(content, text)?,
    )]))
}

fn optional(node: Option<&Node>, text: &str) -> Parsed<Value> {
    node.map_or(Ok(Value::Null), |node| value(node, text))
}

#[cfg(test)]
mod tests {
    use super::super::values::to_json;
    use super::*;

    fn json(text: &str) -> (String, String) {
        let (name, values) = parse(text).unwrap();
        (name, to_json(&Value::Array(values)))
    }

    #[test]
    fn a_call_is_a_name_and_values() {
        let calls = [
            ("now()", "now", "[]"),
            (r#"greet("bob")"#, "greet", r#"["bob"]"#),
            ("api.move({x: 1, y: -2.5})", "api.move", r#"[{"x":1,"y":-2.5}]"#),
            (
                "a:b/c@1.0.0#f([1, 18446744073709551615])",
                "a:b/c@1.0.0#f",
                "[[1,18446744073709551615]]",
            ),
            ("f((1, 'x'), some(true), none)", "f", r#"[[1,"x"],true,null]"#),
            (
                "f(red, circle(2), ok(1), err, {read, write})",
                "f",
                r#"["red",{"circle":2},{"Ok":1},{"Err":null},["read","write"]]"#,
            ),
        ];
        for (text, name, values) in calls {
            assert_eq!(json(text), (name.to_owned(), values.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_call_is_told_with_an_example() {
        let failure = parse("greet(bob smith)").unwrap_err();
        assert!(
            failure
                .message
                .starts_with("`greet(bob smith)` is not a call in WAVE: "),
            "{}",
            failure.message
        );
        assert!(failure.hint.is_some());
    }

    #[test]
    fn values_are_as_deep_as_the_stack_bears() {
        let nested = |depth: usize| format!("f({}1{})", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(127)).is_ok());
        for (open, close) in [("[", "]"), ("[\"]]]]\", ", "]"), ("some(", ")"), ("{a: ", "}")] {
            let text = format!("f({}1{})", open.repeat(20_000), close.repeat(20_000));
            let failure = parse(&text).unwrap_err();
            assert!(
                failure.message.contains("more than 128 brackets"),
                "{}",
                &failure.message[..80]
            );
            assert!(failure.message.len() < 2_000);
        }
    }

    #[test]
    fn an_error_is_where_it_is_said_to_be() {
        let text = "api.größe(1, ?)";
        let failure = parse(text).unwrap_err();
        let at = text.find('?').unwrap();
        assert!(
            failure.message.ends_with(&format!("at {at}..{}", at + 1)),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_name_is_no_call() {
        assert!(is_call("f()") && !is_call("f") && !is_call("f("));
    }
}
