//! Ending a build from outside.
//!
//! Cargo starts compilers, and those start linkers: a signal to cargo alone would leave them at work. What
//! a build with a [`Stop`] runs is therefore a process group of its own. The Ctrl-C of a terminal does not
//! reach such a group; who makes a `Stop` hears signals itself and hands them on. A build without one
//! stays in the group of its caller, as in a build script, where cargo's own Ctrl-C has to reach it.

use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::BuildError;
use crate::command::run_error;

/// Ends a build: a handle, given to [`Build::until`](crate::Build::until) and kept. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    asked: bool,
    /// What runs now. Its leader is not reaped before this is `None`, so the number is nobody else's.
    group: Option<Pid>,
}

impl Stop {
    /// Ends what the build runs, with all it has started: the first time with SIGTERM, then with SIGKILL.
    /// Nothing is started any more. Whether something ran.
    pub fn stop(&self) -> bool {
        let mut state = self.state();
        let signal = if state.asked { Signal::KILL } else { Signal::TERM };
        state.asked = true;
        // A group that cannot be reached has ended by itself.
        state
            .group
            .is_some_and(|group| kill_process_group(group, signal).is_ok())
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.state().asked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut state = self.state();
        if state.asked {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = command.process_group(0).spawn()?;
        state.group = Some(Pid::from_child(&child));
        Ok(child)
    }

    fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        // Waited for first and reaped then, under the lock.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(child)), ended)?;
        let mut state = self.state();
        state.group = None;
        child.wait()
    }
}

/// Where a program runs, and how it can be ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'a> {
    /// `None`: where this process is.
    pub(crate) dir: Option<&'a Path>,
    pub(crate) stop: Option<&'a Stop>,
}

impl Place<'_> {
    /// Starts a program; to be reaped by [`wait`](Self::wait).
    pub(crate) fn spawn(self, command: &mut Command) -> Result<Child, BuildError> {
        if let Some(dir) = self.dir {
            command.current_dir(dir);
        }
        let child = match self.stop {
            Some(stop) => stop.spawn(command),
            None => command.spawn(),
        };
        child.map_err(|source| run_error(command, source))
    }

    pub(crate) fn wait(self, child: &mut Child) -> io::Result<ExitStatus> {
        match self.stop {
            Some(stop) => stop.wait(child),
            None => child.wait(),
        }
    }

    /// Runs it to its end and collects what it prints.
    pub(crate) fn output(self, command: &mut Command) -> Result<Output, BuildError> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.spawn(command)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = thread::scope(|scope| {
            let stderr = scope.spawn(|| all(err));
            (all(out), stderr.join().unwrap_or_default())
        });
        let status = self.wait(&mut child).map_err(|source| run_error(command, source))?;
        Ok(Output { status, stdout, stderr })
    }
}

fn all(reader: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What could be read before the pipe broke is all there is.
    reader.map(|mut reader| reader.read_to_end(&mut bytes));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_started_by_what_was_started_ends_too() {
        let stop = Stop::default();
        let place = Place {
            dir: None,
            stop: Some(&stop),
        };
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & wait"]).stdout(Stdio::piped());
        let mut child = place.spawn(&mut shell).expect("there is a shell");
        let out = child.stdout.take();
        assert!(stop.stop(), "something ran");
        // The sleeper holds the other end of this pipe: it closes with the last of the family.
        assert_eq!(all(out), b"");
        assert!(!place.wait(&mut child).expect("it is ours").success());
        assert!(!stop.stop(), "nothing runs any more");
    }

    #[test]
    fn nothing_starts_once_it_was_stopped() {
        let stop = Stop::default();
        assert!(!stop.stop(), "nothing ran");
        let place = Place {
            dir: None,
            stop: Some(&stop),
        };
        assert!(place.output(&mut Command::new("true")).is_err());
    }
}
