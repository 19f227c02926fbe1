//! Every way for a guest to say something to its operator.

use steading_guest::Result;

struct Logs;

/// Talks.
#[steading_guest::actor]
impl Logs {
    /// One line by each way.
    async fn say(text: String) -> Result<()> {
        log::info!("log says {text}");
        tracing::warn!(answer = 42, "tracing says {text}");
        println!("stdout says {text}");
        eprintln!("stderr says {text}");
        Ok(())
    }

    /// A line of each level, and one on standard output.
    async fn all(text: String) -> Result<()> {
        log::error!("error: {text}");
        log::warn!("warn: {text}");
        log::info!("info: {text}");
        tracing::debug!("debug: {text}");
        tracing::trace!("trace: {text}");
        println!("stdout: {text}");
        Ok(())
    }

    /// A line with what must not reach a terminal.
    async fn escape() -> Result<()> {
        log::warn!("red \u{1b}[31m and a\nforged line");
        Ok(())
    }
}

fn main() {}
