//! Every import of `wit/` in a tight loop (T08), with keys that are the guest's own and with any others.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use steading::{Code, Host, Nursery, Result, move_on_after, nursery};
use steading_tests::artifacts::{HOSTILE_CALLS, VALUES, WORKSPACE};
use steading_tests::{capture, story_once};

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

/// Sequences of words that are played; `BABBLE=first..last` plays others, or one again.
fn cases(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = env::var("BABBLE") else { return usual };
    let ends = text.split_once("..");
    let parsed = ends.and_then(|(first, last)| Some(first.parse().ok()?..last.parse().ok()?));
    parsed.unwrap_or_else(|| panic!("BABBLE={text}: expected FIRST..LAST"))
}

/// How it ends is its own affair, as long as its host has an answer to everything and its neighbour notices nothing.
#[test]
fn what_a_guest_says_by_chance_harms_nobody() {
    let lines = capture();
    for cases in cases(0..60).collect::<Vec<_>>().chunks(20) {
        story_once(
            |builder| builder.cancel_grace(Duration::from_millis(50)),
            async |host| babble(host, cases).await,
        );
        let faults: Vec<_> = lines
            .all()
            .into_iter()
            .filter(|line| line.message.contains("host fault"))
            .collect();
        assert!(
            faults.is_empty(),
            "BABBLE={}..{}: {faults:#?}",
            cases[0],
            cases[0] + cases.len() as u64
        );
    }
}

async fn babble(host: &Host, cases: &[u64]) -> Result<()> {
    let (code, values) = (host.load(HOSTILE_CALLS)?, host.load(VALUES)?);
    host.root(async |n| {
        let neighbour = n.start_actor(values.spec("neighbour")).await?;
        for case in cases {
            // It may fail as it likes, or wait for ever.
            let end = nursery(async |n| listen(&n, &code, *case).await).await;
            let sum: i64 = neighbour.call("add", &(*case as i64, 1)).await?;
            assert_eq!(sum, *case as i64 + 1, "BABBLE={case}..{}: {end:?}", case + 1);
        }
        n.cancel("heard enough");
        Ok(())
    })
    .await
}

async fn listen(n: &Nursery, code: &Code, case: u64) -> Result<()> {
    let guest = n.start_actor(code.spec("babbler")).await?;
    let words = guest.call::<String, _>("babble", &case);
    let said = move_on_after(Duration::from_secs(1), words).await;
    n.cancel("enough");
    said.map(drop)
}
