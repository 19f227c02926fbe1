//! `--stdio`: where what an actor writes goes, and that it is told when the actor fails.

use std::fs;
use std::io::Read as _;
use std::process::ChildStderr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use steading_test_artifacts::OUTPUTS;

use crate::steading::{Transcript, command, finish, shell, steading, steading_with};

/// Far more than it takes to end a guest by force.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn what_was_captured_is_shown_when_the_actor_fails_and_not_else() {
    let fine = steading(&[
        "call",
        "--stdio",
        "capture",
        OUTPUTS,
        "write",
        "\"to out\"",
        "\"to err\"",
    ])
    .exits(0);
    assert!(
        !fine.out.contains("to out") && !fine.err.contains("to err"),
        "{fine:#?}"
    );
    let died = steading(&[
        "call",
        "--stdio",
        "stderr=capture",
        OUTPUTS,
        "write_and_die",
        "\"shown\\n\"",
        "\"last words\\n\"",
    ])
    .exits(5)
    .complains(&["it had to be", "its stderr ended with", "last words"]);
    assert!(
        died.out.contains("shown"),
        "standard output is still the user's: {died:#?}"
    );
    let many = steading(&["call", "--stdio=stderr=capture", OUTPUTS, "complain", "30"]).exits(1);
    let many = many.complains(&["no more lines", "after 20 more lines", "line 21", "line 30"]);
    assert!(!many.err.contains("line 20"), "{many:#?}");
}

#[test]
fn what_was_captured_cannot_drive_a_terminal() {
    let text = "\"\\u001b[31mred\\u001b]0;title\\u0007 \\u202e \\u009b2J\"";
    let died = steading(&["call", "--stdio", "capture", OUTPUTS, "write_and_die", text, text]).exits(5);
    assert!(died.err.contains("[31mred"), "{died:#?}");
    let drives = ['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}'];
    assert!(!died.err.contains(drives), "{died:#?}");
    let died = steading(&[
        "call",
        "--json",
        "--stdio=capture",
        OUTPUTS,
        "write_and_die",
        text,
        text,
    ])
    .exits(5);
    assert!(!died.out.contains(drives), "{died:#?}");
    let kept = &died.json()["error"]["captured"]["stdout"]["text"];
    assert_eq!(
        *kept,
        serde_json::from_str::<serde_json::Value>(text).expect("it is JSON")
    );
}

/// More log than a pipe holds; standard error is done with as said.
fn chatter(with_stderr: impl FnOnce(ChildStderr) -> Option<ChildStderr>) -> Transcript {
    let args = ["call", "--log-level=info", OUTPUTS, "chat", "3000"];
    let mut child = command(&args)
        .spawn()
        .expect("the binary of this package can be started");
    let held = with_stderr(child.stderr.take().expect("it is piped"));
    let transcript = finish(child, "");
    drop(held);
    transcript
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let line = format!("steading call --log-level=info {OUTPUTS} chat 30 2>/dev/full");
    assert_eq!(shell(&line).exits(0).out, "null\n", "the disk is full");
    shell(&format!(
        "steading call --stdio stderr=null {OUTPUTS} complain 30 2>/dev/full"
    ))
    .exits(1);
    let nobody = chatter(|stderr| {
        drop(stderr);
        None
    });
    assert_eq!(nobody.exits(0).out, "null\n", "the pipe is closed");
    assert_eq!(chatter(Some).exits(0).out, "null\n", "nobody reads");
}

#[test]
fn what_goes_to_one_pipe_is_in_the_order_in_which_it_was_written() {
    let both = shell(&format!("steading call {OUTPUTS} alternate 300 2>&1"))
        .exits(0)
        .out;
    let mut lines = both.lines();
    for n in 1..=300 {
        let pair = (lines.next(), lines.next());
        assert_eq!(pair, (Some(&*format!("out {n}")), Some(&*format!("err {n}"))));
    }
    assert_eq!(lines.next(), Some("null"), "the result comes last");
}

/// The guest waits for who reads, the command for nobody.
#[test]
fn a_guest_whose_output_nobody_reads_can_be_interrupted() {
    for workers in ["shared", "1"] {
        let args = ["call", "--workers", workers, OUTPUTS, "pour"];
        let mut child = command(&args)
            .spawn()
            .expect("the binary of this package can be started");
        let mut output = child.stdout.take().expect("it is piped");
        output.read_exact(&mut [0; 1000]).expect("it writes");
        let begun = Instant::now();
        kill_process(Pid::from_child(&child), Signal::INT).expect("it is alive");
        finish(child, "").exits(130);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    }
}

#[test]
fn a_guest_whose_output_is_closed_is_told() {
    let died = shell(&format!("steading call {OUTPUTS} pour 2>&1 >/dev/full")).exits(5);
    assert!(died.out.contains("panic"), "{died:#?}");
}

#[test]
fn programs_get_all_of_it() {
    let fine = steading(&[
        "call",
        "--json",
        "--stdio",
        "capture",
        OUTPUTS,
        "write",
        "\"to out\"",
        "\"to err\"",
    ])
    .exits(0);
    let lines: Vec<serde_json::Value> = fine
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2, "{fine:#?}");
    assert_eq!(
        lines[0]["captured"]["stdout"],
        serde_json::json!({ "text": "to out", "dropped": 0 })
    );
    assert_eq!(lines[0]["captured"]["stderr"]["text"], "to err");
    assert!(lines[1].get("result").is_some());
    let died = steading(&[
        "call",
        "--json",
        "--stdio",
        "capture",
        OUTPUTS,
        "write_and_die",
        "\"a\"",
        "\"b\"",
    ])
    .exits(5);
    let error = &died.json()["error"];
    assert_eq!(
        (&error["captured"]["stdout"]["text"], &error["kind"]),
        (&"a".into(), &"panic".into())
    );
}

#[test]
fn each_stream_is_what_the_user_says() {
    let input = ["call", OUTPUTS, "read"];
    assert_eq!(steading_with("hello", &input).exits(0).out, "\"hello\"\n");
    let null = ["call", "--stdio", "stdin=null", OUTPUTS, "read"];
    assert_eq!(steading_with("hello", &null).exits(0).out, "\"\"\n");
    let write =
        |stdio: &str| steading(&["call", "--stdio", stdio, OUTPUTS, "write", "\"out\\n\"", "\"err\\n\""]).exits(0);
    assert_eq!(write("stdout=null").err, "err\n");
    assert!(!write("stdout=null").out.contains("out"));
    assert!(write("stderr=null").out.contains("out") && write("stderr=null").err.is_empty());
    for (stdio, says) in [
        ("loud", "is not one of"),
        ("stdin=log", "`inherit` or `null`"),
        ("std=log", "no stream"),
    ] {
        steading(&["call", "--stdio", stdio, OUTPUTS, "read"])
            .exits(2)
            .complains(&[says]);
    }
}

/// A manifest about one actor, with these lines.
fn manifest(lines: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let text =
        format!("[[actor]]\nname = \"a\"\ncomponent = \"outputs\"\n{lines}\n[components]\noutputs = {OUTPUTS:?}\n");
    let path = folder.path().join("steading.toml");
    fs::write(&path, text).expect("the folder can be written");
    (folder, path.display().to_string())
}

#[test]
fn a_manifest_says_it_for_each_actor() {
    let die = "endpoint = \"write_and_die\"\nargs = ['\"shown\\n\"', '\"last words\\n\"']";
    let (_folder, path) = manifest(&format!("{die}\nstdio = {{ stderr = \"capture\" }}"));
    let died = steading(&["run", &path])
        .exits(5)
        .complains(&["its stderr ended with", "last words"]);
    assert!(died.out.contains("shown"), "{died:#?}");
    let (_folder, path) = manifest(&format!("{die}\nstdio = \"null\""));
    let died = steading(&["run", &path]).exits(5);
    assert!(
        !died.err.contains("last words") && !died.out.contains("shown"),
        "{died:#?}"
    );
    let (_folder, path) = manifest(&format!("{die}\nstdio = {{ stdin = \"log\" }}"));
    steading(&["run", &path])
        .exits(2)
        .complains(&["line 6", "`inherit` or `null`"]);
    let (_folder, path) = manifest("endpoint = \"write\"\nargs = ['\"x\"', '\"y\"']\nstdio = \"capture\"");
    let json = steading(&["run", "--json", &path]).exits(0).out;
    assert!(json.starts_with("{\"captured\":{\"a\":"), "{json}");
}

#[test]
fn limits_of_an_actor_are_on_the_command_line_and_in_the_manifest() {
    let call = |limits: &str| {
        steading(&[
            "call",
            "--json",
            "--log-level=info",
            "--stats",
            "--limit",
            limits,
            OUTPUTS,
            "chat",
            "30",
        ])
        .exits(0)
    };
    let stats = |err: &str| -> serde_json::Value {
        let line = err
            .lines()
            .find(|line| line.starts_with("{\"stats\""))
            .expect("they were asked for");
        let stats: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let all = stats["stats"].as_array().expect("a list");
        all.iter()
            .find(|one| one["name"] != "root")
            .expect("there is an actor")
            .clone()
    };
    let of = stats(&call("contexts=7,log-rate=0,memory=32MiB").err);
    assert_eq!(
        (&of["contexts_limit"], &of["memory_limit"]),
        (&7.into(), &(32 << 20).into())
    );
    assert_eq!(
        (&of["contexts_most"], &of["log_dropped_lines"]),
        (&1.into(), &30.into())
    );
    let lines = "endpoint = \"chat\"\nargs = [\"30\"]\ncontexts = 9\nlog-rate = \"0\"\nchildren = 3";
    let (_folder, path) = manifest(lines);
    let of = stats(
        &steading(&["run", "--json", "--log-level=info", "--stats", &path])
            .exits(0)
            .err,
    );
    assert_eq!(
        (&of["contexts_limit"], &of["log_dropped_lines"]),
        (&9.into(), &30.into())
    );
    assert_eq!((&of["children_limit"], &of["children_most"]), (&3.into(), &0.into()));
    let (_folder, path) = manifest("endpoint = \"chat\"\nargs = [\"30\"]\ncontexts = 5000");
    steading(&["run", &path])
        .exits(2)
        .complains(&["contexts", "5000 is out of range: 1 to 4096"]);
    let shown = steading(&["doctor"]).exits(0).out;
    let row = |name: &str| {
        shown
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(row("log in a second").contains("at most 1 MiB"), "{shown}");
    assert!(row("contexts per actor").contains("at most 4096"), "{shown}");
}
