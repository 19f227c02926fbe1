//! Says too much, in a way that does harm where it is read, and asks the machine for more than it needs.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Duration;

use steading_guest::{Result, sleep};
use steading_test_guests::wasi::cli::stdout::get_stdout;
use steading_test_guests::wasi::clocks::monotonic_clock::subscribe_duration;
use steading_test_guests::wasi::io::poll::poll;
use steading_test_guests::wasi::random::random::get_random_bytes;

struct Output;

/// Talks and asks without end.
#[steading_guest::actor]
impl Output {
    /// A mebibyte of log, line by line.
    async fn log_flood() -> Result<String> {
        for n in 0..16_000 {
            log::error!("{n:064}");
        }
        Ok("said".to_owned())
    }

    /// The same with fields that are larger than the line.
    async fn log_fields() -> Result<String> {
        use steading_guest::bindings::steading::actor::log::{Level, write};
        let fields = vec![("\u{7}".repeat(1000), "\u{1b}".repeat(1000)); 400];
        for _ in 0..100 {
            write(Level::Error, "\u{1b}", "m", &fields);
        }
        Ok("said".to_owned())
    }

    /// The same on standard output.
    async fn stdout_flood() -> Result<String> {
        for n in 0..16_000 {
            println!("{n:064}");
        }
        Ok("said".to_owned())
    }

    /// One line that never ends.
    async fn no_newline() -> Result<String> {
        for _ in 0..64 {
            std::io::stdout().write_all(&[b'x'; 64 << 10])?;
        }
        Ok("said".to_owned())
    }

    /// What a terminal would obey, on all ways out.
    async fn escapes() -> Result<String> {
        let text = "\u{1b}[2J\u{9b}31m\u{1b}]0;owned\u{7}\rforged \u{202e}back";
        log::error!("log {text}");
        println!("stdout {text}");
        std::io::stdout().write_all(b"bytes \xff\xfe\x1b[31m\x00\n")?;
        eprintln!("stderr {text}");
        Ok("said".to_owned())
    }

    /// More than a write may hold, into the stream underneath.
    async fn raw_write(bytes: u64) -> Result<String> {
        let stdout = get_stdout();
        match stdout.write(&vec![b'\n'; bytes as usize]) {
            Ok(()) => Ok("written".to_owned()),
            Err(error) => Ok(format!("{error:?}")),
        }
    }

    /// As many zeroes as a number can say.
    async fn raw_zeroes() -> Result<String> {
        match get_stdout().write_zeroes(1 << 60) {
            Ok(()) => Ok("written".to_owned()),
            Err(error) => Ok(format!("{error:?}")),
        }
    }

    /// So many random bytes in one call.
    async fn random(bytes: u64) -> Result<String> {
        Ok(format!("{} bytes", get_random_bytes(bytes).len()))
    }

    /// The most random bytes of a call, again and again.
    async fn random_loop() -> Result<String> {
        for _ in 0..500 {
            black_box(get_random_bytes(64 << 10));
        }
        Ok("random".to_owned())
    }

    /// Timers without end.
    async fn timers() -> Result<String> {
        let mut held = Vec::new();
        loop {
            held.push(subscribe_duration(u64::MAX));
        }
    }

    /// Timers of the library without end: they are the guest's own.
    async fn sleeps() -> Result<String> {
        let mut sleeps: Vec<_> = (0..50_000)
            .map(|_| Box::pin(sleep(Duration::from_secs(3600))))
            .collect();
        for sleep in &mut sleeps {
            _ = futures_util::poll!(sleep);
        }
        Ok("asleep".to_owned())
    }

    /// Waits for one thing a great many times over.
    async fn wide_poll(count: u32) -> Result<String> {
        let alarm = subscribe_duration(0);
        let all = vec![&alarm; count as usize];
        Ok(format!("{} ready", poll(&all).len()))
    }

    /// Waits for as many things as it can have, none of which comes; then it is asked to end.
    async fn long_poll() -> Result<String> {
        let alarms: Vec<_> = (0..500).map(|_| subscribe_duration(u64::MAX)).collect();
        let all: Vec<_> = alarms.iter().collect();
        Ok(format!("{} ready", poll(&all).len()))
    }

    /// Nothing to wait for.
    async fn empty_poll() -> Result<String> {
        Ok(format!("{} ready", poll(&[]).len()))
    }

    /// Streams to its output without end.
    async fn outputs() -> Result<String> {
        let mut held = Vec::new();
        loop {
            held.push(get_stdout());
        }
    }

    /// What it sees of the machine.
    async fn surroundings() -> Result<String> {
        Ok(format!(
            "{} arguments, {} variables",
            std::env::args().count(),
            std::env::vars().count()
        ))
    }
}

fn main() {}
