//! What actors do, seen from outside: `--tree`, `--stats`, and SIGUSR1 while they run.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use steading_test_artifacts::{NURSERIES, PATIENT};

use crate::steading::{command, finish, steading};

const SOON: Duration = Duration::from_secs(20);

/// A line without what is another one in each run: ids, times and numbers.
fn plain(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().map(plain_word).collect();
    words.join(" ")
}

fn plain_word(word: &str) -> String {
    let (word, end) = word.split_at(word.trim_end_matches([',', ';', ':']).len());
    if let Some((used, limit)) = word.split_once('/') {
        return format!("{}/{}{end}", plain_word(used), plain_word(limit));
    }
    let digits = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let word = match (word.len() - digits.len(), digits) {
        (1.., "") => "N".to_owned(),
        (1.., "s" | "ms" | "µs" | "ns") => "T".to_owned(),
        _ if ["turn", "context"].contains(&word) => format!("{word}s"),
        _ => word.split_once('@').map_or(word, |(name, _)| name).to_owned(),
    };
    word + end
}

fn lines(child: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    // Ends with the output, and so with the child.
    thread::spawn(move || {
        BufReader::new(child)
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    lines
}

/// `steading` at work, with what it writes.
struct Running {
    child: Child,
    out: mpsc::Receiver<String>,
    err: mpsc::Receiver<String>,
}

impl Running {
    /// Starts it and waits until the guest is ready.
    fn ready(args: &[&str]) -> Self {
        let mut child = command(args)
            .spawn()
            .expect("the binary of this package can be started");
        let out = lines(child.stdout.take().expect("it is piped"));
        let err = lines(child.stderr.take().expect("it is piped"));
        let running = Self { child, out, err };
        assert_eq!(running.out.recv_timeout(SOON).as_deref(), Ok("ready"));
        running
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is alive");
    }

    /// Asks for the tree until it looks so: a guest is in the middle of a turn when it says that it is ready.
    fn shows<T: PartialEq + std::fmt::Debug>(&self, look: impl Fn(&Self) -> T, wanted: impl Fn(&T) -> bool) -> T {
        let mut last = None;
        for _ in 0..1000 {
            self.signal(Signal::USR1);
            match look(self) {
                seen if wanted(&seen) => return seen,
                seen => last = Some(seen),
            }
        }
        panic!("it only ever shows {last:#?}")
    }

    /// The next so many lines on standard error.
    fn says(&self, lines: usize) -> Vec<String> {
        let line = |_| plain(&self.err.recv_timeout(SOON).expect("it says more"));
        (0..lines).map(line).collect()
    }
}

#[test]
fn a_signal_shows_every_task_and_what_it_waits_for() {
    let running = Running::ready(&["run", PATIENT]);
    let expected = [
        "N actors alive:",
        "root serving for T N contexts N turns cpu T",
        "its own task, for T: waits for the result of `main` of patient; or for its children patient",
        "└─ patient serving for T patient N contexts N KiB of N KiB N turns cpu T",
        "task `main`, called by root, for T: waits for the result of `child` of child; or for its children child",
        "└─ child serving for T patient N contexts N KiB of N KiB N turns cpu T",
        "task `child`, called by patient, for T: waits for a timer in T",
    ];
    running.shows(|running| running.says(expected.len()), |said| *said == expected);
    running.signal(Signal::INT);
    finish(running.child, "").exits(130);
}

#[test]
fn a_guest_that_spins_cannot_keep_the_signal_from_being_heard() {
    // On the command's own threads, and as many guests as it takes to hog them would make no difference.
    let running = Running::ready(&["run", PATIENT, "--endpoint", "stubborn", "--workers", "shared"]);
    let task = "task `stubborn`, called by root, for T: may be what runs";
    let spins = |said: &Vec<String>| said[3].contains("running for T") && said[4] == task;
    running.shows(|running| running.says(5), spins);
    running.signal(Signal::INT);
    finish(running.child, "").exits(130);
}

#[test]
fn programs_read_the_tree_as_json() {
    let running = Running::ready(&["run", "--json", PATIENT]);
    let read = |running: &Running| -> serde_json::Value {
        let line = running.err.recv_timeout(SOON).expect("it says something");
        serde_json::from_str(&line).expect("JSON")
    };
    let json = running.shows(read, |json| json["tree"][1]["running_seconds"].is_null());
    let tree = json["tree"].as_array().expect("a list");
    let names: Vec<_> = tree
        .iter()
        .map(|actor| actor["name"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(names, ["root", "patient", "child"]);
    assert_eq!(tree[2]["parent"], tree[1]["uuid"]);
    let waits = &tree[1]["tasks"][0]["waits"];
    assert!(
        waits[0]
            .as_str()
            .is_some_and(|wait| wait.starts_with("the result of `child`")),
        "{json}"
    );
    running.signal(Signal::INT);
    finish(running.child, "").exits(130);
}

#[test]
fn the_tree_of_all_actors_is_shown_at_the_end() {
    let transcript = steading(&["call", "--tree", NURSERIES, "nested", "2"]).exits(0);
    assert_eq!(transcript.out, "3\n", "standard output is the result's alone");
    let lines: Vec<_> = transcript.err.lines().map(plain).collect();
    let end = lines
        .iter()
        .position(|line| line == "N actors in all:")
        .expect("a last tree");
    let expected = [
        "root ended (acked) after T N contexts N turns cpu T",
        "└─ nurseries ended (acked) after T nurseries N contexts N KiB of N KiB N turns cpu T",
        "└─ level-2 ended (acked) after T nurseries N contexts N KiB of N KiB N turns cpu T",
        "└─ level-1 ended (acked) after T nurseries N contexts N KiB of N KiB N turns cpu T",
    ];
    assert_eq!(lines[end + 1..], expected);
}

#[test]
fn the_tree_is_shown_whenever_actors_come() {
    let running = Running::ready(&["run", "--tree", PATIENT]);
    let mut said = Vec::new();
    while !said.iter().any(|line: &String| line.starts_with("└─ child serving")) {
        said.extend(running.says(1));
    }
    assert!(said.iter().any(|line| line == "N actors alive:"), "{said:?}");
    running.signal(Signal::INT);
    finish(running.child, "").exits(130);
}

#[test]
fn statistics_are_a_table_by_name() {
    let transcript = steading(&["call", "--stats", NURSERIES, "nested", "2"]).exits(0);
    let lines: Vec<_> = transcript.err.lines().map(plain).collect();
    let expected = [
        "actor actors contexts at once children memory in all memory in all turns cpu log suppressed restarts",
        "level-1 N N N/N N/N N/N MiB N T N B N B N",
        "level-2 N N N/N N/N N/N MiB N T N B N B N",
        "nurseries N N N/N N/N N/N MiB N/N N/N MiB N T N B N B N",
        "root N N N/N N/N N B N T N B N B N",
    ];
    assert_eq!(lines, expected);
    let json = steading(&["call", "--json", "--stats", NURSERIES, "nested", "2"]).exits(0);
    let stats: serde_json::Value = serde_json::from_str(&json.err).expect("JSON");
    assert_eq!(stats["stats"][0]["name"], "level-1");
    let whole = &stats["stats"][2];
    assert_eq!(
        whole["budget_actors"],
        serde_json::json!({ "most": 3, "limit": 1000 }),
        "{whole}"
    );
    let most = whole["budget_memory"]["most"].as_u64();
    assert!(
        most > whole["memory"].as_u64() && whole["budget_memory"]["limit"] == 256 << 20,
        "{whole}"
    );
    assert!(
        stats["stats"][0]["cpu_seconds"].as_f64().is_some_and(|cpu| cpu > 0.0),
        "{stats}"
    );
}
