//! Ctrl-C: everything ends, in order, and the exit code says so.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};
use steading_test_artifacts::PATIENT;

use crate::steading::{command, finish};

/// Far more than the ladder takes, far less than the guests would wait.
const SOON: Duration = Duration::from_secs(20);

/// `steading` in a process group of its own, with a guest that says how it is.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Starts it and waits until the guest is ready.
    fn ready(args: &[&str]) -> Self {
        let mut child = command(args)
            .process_group(0)
            .spawn()
            .expect("the binary of this package can be started");
        let out = child.stdout.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        // Ends with the output, and so with the child.
        thread::spawn(move || {
            BufReader::new(out)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut running = Self { child, lines };
        running.says("ready");
        running
    }

    /// Waits for this line.
    fn says(&mut self, expected: &str) {
        let line = self.lines.recv_timeout(SOON);
        if line.as_deref() != Ok(expected) {
            self.child.kill().expect("it is ours");
            let mut complaint = String::new();
            self.child
                .stderr
                .take()
                .map(|mut err| err.read_to_string(&mut complaint));
            panic!("it says {line:?}, not `{expected}`: {complaint}");
        }
    }

    fn group(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn interrupt(&self) {
        kill_process(self.group(), Signal::INT).expect("it is alive");
    }

    /// It must end soon with 130, and nothing of its group be left; what it complained of.
    fn ends(self) -> String {
        let (group, begun) = (self.group(), Instant::now());
        let transcript = finish(self.child, "").exits(130);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert!(test_kill_process_group(group).is_err(), "nothing of it is left");
        transcript.err
    }
}

/// A grace that is longer than anybody waits here, so that nothing is ended by force.
const NO_FORCE: [&str; 2] = ["--grace", "60000"];

/// CAN-8: a child serves, everybody waits.
#[test]
fn can_8_one_interrupt_ends_a_tree_that_waits() {
    let running = Running::ready(&[&["run", PATIENT], &NO_FORCE[..]].concat());
    running.interrupt();
    let complaint = running.ends();
    assert!(complaint.contains("interrupt"), "{complaint}");
}

/// CAN-9: children for one call each, started by another task than the one that waits.
#[test]
fn can_9_one_interrupt_ends_children_that_another_task_started() {
    let running = Running::ready(&[&["run", PATIENT, "--endpoint", "sleepers"], &NO_FORCE[..]].concat());
    running.interrupt();
    let complaint = running.ends();
    assert!(complaint.contains("interrupt"), "{complaint}");
}

/// A program in a folder, by this name and with this text.
fn write_program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).expect("there is room");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// `steading` about to build a crate with a cargo that says where it is and then compiles for ever, through
/// a compiler of its own; the file with their numbers.
fn endless_build(folder: &Path, args: &[&str]) -> (Child, PathBuf) {
    let numbers = folder.join("numbers");
    let metadata = format!(
        r#"{{"packages":[{{"manifest_path":"{0}/Cargo.toml","targets":[{{"name":"x","kind":["cdylib"]}}],"dependencies":[{{"name":"steading-guest"}}]}}],"target_directory":"{0}/target"}}"#,
        folder.display()
    );
    let cargo = format!(
        "#!/bin/sh\nif [ \"$1\" = metadata ]; then echo '{metadata}'; exit; fi\nsleep 600 &\necho $$ $! > {0}.tmp\nmv {0}.tmp {0}\nwait\n",
        numbers.display()
    );
    write_program(folder, "cargo", &cargo);
    fs::write(folder.join("Cargo.toml"), "").expect("there is room");
    let mut command = command(args);
    let path = command
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .and_then(|(_, value)| value);
    let mut first = folder.as_os_str().to_owned();
    first.push(":");
    first.push(path.expect("every command of these tests has one"));
    let child = command.arg(folder).env("PATH", first).spawn();
    (child.expect("the binary of this package can be started"), numbers)
}

/// Waits for a file and reads the numbers of processes in it.
fn numbers(file: &Path) -> Vec<Pid> {
    let begun = Instant::now();
    while !file.exists() {
        assert!(begun.elapsed() < SOON, "the build has not begun");
        thread::yield_now();
    }
    let text = fs::read_to_string(file).expect("it is there");
    let numbers = text
        .split_whitespace()
        .filter_map(|number| Pid::from_raw(number.parse().ok()?));
    numbers.collect()
}

/// Whether a process is at work; one that is dead and not yet reaped by whoever adopted it is not.
fn works(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn an_interrupted_build_leaves_no_compiler_behind() {
    for (args, signal) in [
        (["build"], Signal::TERM),
        (["run"], Signal::INT),
        (["inspect"], Signal::TERM),
    ] {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let (child, file) = endless_build(folder.path(), &args);
        let family = numbers(&file);
        assert_eq!(family.len(), 2, "cargo and its compiler: {family:?}");
        kill_process(Pid::from_child(&child), signal).expect("it is alive");
        let transcript = finish(child, "").exits(130).complains(&["the build was interrupted"]);
        assert_eq!(
            transcript.err.lines().count(),
            1 + usize::from(transcript.err.contains("building"))
        );
        let begun = Instant::now();
        while family.iter().any(|process| works(*process)) {
            assert!(begun.elapsed() < SOON, "they are still at work: {family:?}");
            thread::yield_now();
        }
    }
}

#[test]
fn one_interrupt_ends_a_guest_that_does_not_listen() {
    let running = Running::ready(&["run", PATIENT, "--endpoint", "stubborn", "--grace", "100"]);
    running.interrupt();
    running.ends();
}

#[test]
fn a_second_interrupt_does_not_wait_for_the_grace() {
    let mut running = Running::ready(&["run", PATIENT, "--endpoint", "deaf", "--grace", "60000"]);
    running.interrupt();
    running.says("asked");
    running.interrupt();
    running.ends();
}

/// CAN-11: it does not take force, and so not the time that comes before it.
#[test]
fn can_11_one_interrupt_ends_a_nursery_that_waits_for_a_forgotten_child() {
    let running = Running::ready(&[&["run", PATIENT, "--endpoint", "daemon"], &NO_FORCE[..]].concat());
    running.interrupt();
    running.ends();
}

#[test]
fn interrupts_end_the_process_when_not_even_force_ends_its_actors() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.is_ok_and(|status| status.success()), "there is mkfifo");
    let dir = format!("{}:/data", folder.path().display());
    // On a worker of the command's own, opening it blocks the thread, and no engine can end that.
    let args = [
        "run",
        PATIENT,
        "--endpoint",
        "stuck",
        "--workers",
        "shared",
        "--dir",
        &dir,
        "--",
        "/data/fifo",
    ];
    let mut running = Running::ready(&args);
    let begun = Instant::now();
    // Those that come while one is handled are heard as one.
    while running.child.try_wait().expect("it is ours").is_none() {
        assert!(begun.elapsed() < SOON, "it does not leave");
        running.interrupt();
        thread::yield_now();
    }
    running.ends();
}
