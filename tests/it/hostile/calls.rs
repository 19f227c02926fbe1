//! Every import of `wit/` in a tight loop (T08), with keys that are the guest's own and with any others.

use std::fs;
use std::path::Path;

use steading_tests::artifacts::{HOSTILE_CALLS, WORKSPACE};

use super::{Args, Attack, assault, attack};

/// Interfaces whose operations leave something for the end of a turn, and are counted.
const COUNTED: [&str; 3] = ["context", "stream", "nursery"];

const TOO_MANY: &str = "called its host 65536 times in one turn";

/// The functions of `wit/` that a guest imports, as `interface.function`.
fn imports() -> Vec<String> {
    let mut all = Vec::new();
    for interface in ["context", "stream", "nursery", "log", "runtime"] {
        let path = Path::new(WORKSPACE).join(format!("wit/{interface}.wit"));
        let text = fs::read_to_string(path).expect("each interface has a file");
        let functions = text.lines().filter_map(|line| line.trim().split_once(": func("));
        all.extend(functions.map(|(name, _)| format!("{interface}.{name}")));
    }
    all
}

fn knock(with: &'static str, name: &str) -> Attack {
    let knock = attack(with).with(Args::Text(name.to_owned()));
    let interface = name.split('.').next().unwrap_or_default();
    match COUNTED.contains(&interface) {
        true => knock.stopped(),
        false => knock.returns(format!("called {name}")),
    }
}

#[test]
fn no_import_can_be_called_without_end_in_one_turn() {
    let names = imports();
    assert!(names.len() >= 27, "{names:?}");
    // An actor that has cancelled itself does not come back to say so.
    let comes_back = |name: &&String| *name != "runtime.cancel-self";
    let own = names.iter().filter(comes_back).map(|name| knock("own", name));
    let foreign = names.iter().filter(comes_back).map(|name| knock("foreign", name));
    assault(HOSTILE_CALLS, own.chain(foreign).collect());
}

#[test]
fn what_is_answered_each_time_does_not_pile_up() {
    assault(HOSTILE_CALLS, vec![attack("churn_nurseries").limit("calls", TOO_MANY)]);
}
