//! Attacks by components that are not ours, with types and answers that no compiler would make.

use std::fmt::Write as _;
use std::time::Duration;

use ciborium::{Value, cbor};
use steading::{ErrorKind, Host, Result, nursery};
use steading_tests::artifacts::{FOREIGN, VALUES};
use steading_tests::{failed, story_once};

use super::{PATIENCE, assault, attack, beside_a_neighbour};

/// A component with one function, whose type and code are these.
struct Typed<'a> {
    /// Names and types that the function's own type is made of.
    types: &'a [(&'a str, &'a str)],
    function: &'a str,
    /// Its parameters and results as core types, and what it does.
    code: &'a str,
    /// What happens when its answer has been read.
    afterwards: &'a str,
}

impl Typed<'_> {
    fn build(&self, name: &str) -> Vec<u8> {
        let Self {
            types,
            function,
            code,
            afterwards,
        } = self;
        let (mut named, mut released) = (String::new(), String::new());
        for (name, kind) in *types {
            write!(
                named,
                r#"(type ${name}_ {kind}) (export ${name} "{name}" (type ${name}_))"#
            )
            .expect("a text grows");
        }
        if !afterwards.is_empty() {
            released.push_str(r#"(post-return (core func $i "afterwards"))"#);
        }
        let text = format!(
            r#"(component
            (core module $m
                (memory (export "memory") 64)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
                (func (export "afterwards") (param i32) {afterwards})
                (func (export "code") {code}))
            (core instance $i (instantiate $m))
            {named}
            (func $f {function} (canon lift (core func $i "code")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")) {released}))
            (export "{name}" (func $f)))"#
        );
        wat::parse_str(text).expect("the text of the attack is valid")
    }
}

/// Answers with a list of so many, which begins where all bits are set.
fn answer(count: u32) -> String {
    format!(
        r#"(result i32)
        (memory.fill (i32.const 65536) (i32.const 255) (i32.const 2000000))
        (i32.store (i32.const 0) (i32.const 65536))
        (i32.store (i32.const 4) (i32.const {count}))
        (i32.const 0)"#
    )
}

fn names(word: &str, count: usize) -> String {
    (0..count).fold(String::new(), |text, i| text + &word.replace('#', &i.to_string()))
}

#[test]
fn what_a_foreign_function_returns_takes_no_more_than_is_charged_for_it() {
    let flags = format!("(flags {})", names(" \"f#\"", 32));
    let listed = |types: &[(&str, &str)], function: &str, count, afterwards: &str| {
        let code = answer(count);
        Typed {
            types,
            function,
            code: &code,
            afterwards,
        }
        .build("go")
    };
    let many_flags = listed(&[("f", &flags)], "(result (list $f))", 150_000, "");
    let a_few_flags = listed(&[("f", &flags)], "(result (list $f))", 10_000, "");
    let numbers = listed(&[], "(result (list u8))", 300_000, "");
    let spins = listed(&[], "(result (list u8))", 260_000, "(loop $again (br $again))");
    let small = "(record (field \"a\" u8))";
    let records = listed(&[("r", small)], "(result (list $r))", 200_000, "");
    assault(
        FOREIGN,
        vec![
            attack("go").component(many_flags).limit("hostcall", "").room(64),
            attack("go")
                .component(a_few_flags)
                .fails(ErrorKind::Limit("payload".into()), "more than the 1048576 bytes")
                .room(64),
            attack("go").component(numbers).limit("hostcall", "").room(64),
            attack("go").component(records).limit("hostcall", "").room(64),
            attack("go")
                .component(spins)
                .limit("cpu", "computed for 1000 ms")
                .room(64),
        ],
    );
}

/// Answers that so many have come.
const COUNTS: &str = "(param i32 i32) (result i32) (local.get 1)";

/// Calls it beside a neighbour, whom that may not hold up.
async fn call_beside(host: &Host, component: &[u8], arguments: &Value) -> Result<Result<u32>> {
    let code = host.load_bytes("typed", component)?;
    let (answer, witness) = beside_a_neighbour(host, async || {
        nursery(async |n| {
            let actor = n.start_actor(code.spec("typed")).await?;
            let answer = actor.call::<u32, _>("go", arguments).await;
            n.cancel("it is over");
            Ok(answer)
        })
        .await
    })
    .await?;
    assert!(
        witness.longest <= PATIENCE,
        "the neighbour waited {:?}",
        witness.longest
    );
    Ok(answer)
}

fn of(types: &[(&str, &str)], function: &str) -> Vec<u8> {
    Typed {
        types,
        function,
        code: COUNTS,
        afterwards: "",
    }
    .build("go")
}

#[test]
fn names_are_looked_up_however_many_there_are() {
    story_once(
        |host| host.cancel_grace(Duration::from_secs(1)),
        async |host| {
            host.load_as("neighbour", VALUES)?;
            let variant = format!("(variant {})", names(" (case \"c#\" u8)", 10_000));
            let record = format!("(record {})", names(" (field \"f#\" (option u8))", 4_000));
            let variants = of(&[("t", &variant)], "(param \"values\" (list $t)) (result u32)");
            let records = of(&[("t", &record)], "(param \"values\" (list $t)) (result u32)");
            let last = cbor!({ "c9999" => 1 }).expect("plain values");
            let many = Value::Array(vec![last; 80_000]);
            assert_eq!(call_beside(host, &variants, &many).await??, 80_000);
            let whole: Vec<_> = (0..4_000)
                .map(|i| (Value::Text(format!("f{i}")), Value::Null))
                .collect();
            let many = Value::Array(vec![Value::Map(whole); 20]);
            assert_eq!(call_beside(host, &records, &many).await??, 20);
            let empty = Value::Array(vec![Value::Map(Vec::new()); 100_000]);
            let error = failed(call_beside(host, &records, &empty).await?);
            assert!(error.to_string().contains("more than 262144 values"), "{error}");
            let twice = cbor!([{ "f0" => 1, "f0" => 2 }]).expect("plain values");
            let error = failed(call_beside(host, &records, &twice).await?);
            assert!(error.to_string().contains("field `f0` is there twice"), "{error}");
            Ok(())
        },
    );
}

#[test]
fn a_name_that_every_value_has_is_counted_with_each() {
    story_once(
        |host| host,
        async |host| {
            host.load_as("neighbour", VALUES)?;
            let record = format!("(record (field \"{}\" (option u8)))", "n".repeat(1_000));
            let records = of(&[("t", &record)], "(param \"values\" (list $t)) (result u32)");
            let empty = Value::Array(vec![Value::Map(Vec::new()); 100_000]);
            let error = failed(call_beside(host, &records, &empty).await?);
            assert!(error.to_string().contains("more than 32 MiB of memory"), "{error}");
            Ok(())
        },
    );
}

#[test]
fn types_without_end_are_not_loaded() {
    let large = format!("(variant {})", names(" (case \"c#\")", 10_000));
    let types = [("a", large.as_str()), ("b", &large), ("c", &large)];
    let component = of(&types, "(param \"values\" (list (tuple $a $b $c))) (result u32)");
    assault(
        FOREIGN,
        vec![attack("go").component(component).unloadable("take more than 2 MiB")],
    );
}
