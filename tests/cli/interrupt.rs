//! Ctrl-C: everything ends, in order, and the exit code says so.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::Child;
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

#[test]
fn one_interrupt_ends_a_tree_that_waits() {
    let running = Running::ready(&["run", PATIENT]);
    running.interrupt();
    let complaint = running.ends();
    assert!(complaint.contains("interrupt"), "{complaint}");
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
