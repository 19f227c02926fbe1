//! Runs the `steading` binary, bounded in time, from the root of the repository.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use steading_test_artifacts::{TARGET_DIR, WORKSPACE};

/// Long enough for the one command that builds a crate, on a machine that is busy.
const WATCHDOG: Duration = Duration::from_secs(600);

/// What a command left.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: Option<i32>,
}

impl Transcript {
    /// # Panics
    /// Unless the command ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// # Panics
    /// Unless all of these texts are in standard error.
    #[track_caller]
    pub(crate) fn complains(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is not in {self:#?}");
        }
        self
    }

    /// # Panics
    /// Unless the output is JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// `steading` with these arguments.
pub(crate) fn steading(args: &[&str]) -> Transcript {
    finish(
        command(args)
            .spawn()
            .expect("the binary of this package can be started"),
        "",
    )
}

/// As [`steading`], with this on its standard input.
pub(crate) fn steading_with(input: &str, args: &[&str]) -> Transcript {
    finish(
        command(args)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary of this package can be started"),
        input,
    )
}

/// A command of the shell, in which `steading` is the binary.
pub(crate) fn shell(line: &str) -> Transcript {
    let mut command = prepared(Command::new("sh"));
    command.args(["-c", line]);
    finish(command.spawn().expect("there is a shell"), "")
}

/// `steading` with these arguments, not yet started.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_steading")));
    command.args(args);
    command
}

fn prepared(mut command: Command) -> Command {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_steading"));
    let mut path = binary
        .parent()
        .map(|dir| dir.as_os_str().to_owned())
        .unwrap_or_default();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    command
        .current_dir(WORKSPACE)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .env_remove("STEADING_LOG");
    command.env("STEADING_CACHE_DIR", PathBuf::from(TARGET_DIR).join("test-cache"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits for the end of a command.
///
/// # Panics
/// When it hangs; it is killed then.
pub(crate) fn finish(mut child: Child, input: &str) -> Transcript {
    let id = rustix::process::Pid::from_child(&child);
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads less than it is given is its own affair.
        stdin.write_all(input.as_bytes()).ok();
    }
    let (sender, receiver) = mpsc::channel();
    let waiting = std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(WATCHDOG) else {
        // The thread that waits will reap it.
        rustix::process::kill_process(id, rustix::process::Signal::KILL).ok();
        panic!("it hangs");
    };
    waiting
        .join()
        .expect("the thread only waits")
        .expect("this side still listens");
    let output = output.expect("a child can be waited for");
    Transcript {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}
