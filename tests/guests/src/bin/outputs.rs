//! An actor that writes: to its standard streams, and to the log.

use std::io::{Read as _, Write as _};

use steading_guest::{Context, Result, Spec, Stdio, nursery};

struct Outputs;

/// Writes.
#[steading_guest::actor]
impl Outputs {
    /// One text to each.
    async fn write(out: String, err: String) -> Result<()> {
        put(&out, &err);
        Ok(())
    }

    /// So many lines to each, by turns.
    async fn alternate(lines: u32) -> Result<()> {
        for n in 1..=lines {
            println!("out {n}");
            eprintln!("err {n}");
        }
        Ok(())
    }

    /// Lines without end.
    async fn pour() -> Result<()> {
        loop {
            println!("{}", "x".repeat(1000));
        }
    }

    /// The same as the first, and then it fails.
    async fn write_and_die(out: String, err: String) -> Result<()> {
        put(&out, &err);
        panic!("it had to be");
    }

    /// So many lines of its standard error, then it returns an error.
    async fn complain(lines: u32) -> Result<()> {
        (1..=lines).for_each(|n| eprintln!("line {n}"));
        Err(steading_guest::Error::msg("no more lines"))
    }

    /// All that there is to read.
    async fn read() -> Result<String> {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    }

    /// Has a child write, with the stream of this name made what this word says.
    async fn child_writes(stream: String, becomes: String, text: String) -> Result<()> {
        nursery(async |n| {
            let stdio = match becomes.as_str() {
                "inherit" => Some(Stdio::Inherit),
                "null" => Some(Stdio::Null),
                "log" => Some(Stdio::Log),
                _ => None,
            };
            let mut spec = Spec::this_component("child");
            match stream.as_str() {
                "stdout" => spec.stdout = stdio,
                _ => spec.stderr = stdio,
            }
            let child = n.start_actor(spec).await?;
            child.call::<(), _>("write", &(&text, &text)).await?;
            n.cancel("");
            Ok(())
        })
        .await
    }

    /// So many lines of log.
    async fn chat(lines: u32) -> Result<()> {
        (1..=lines).for_each(|n| log::info!("line {n}"));
        Ok(())
    }

    /// Open for as long as it is not cancelled.
    async fn hold(ctx: Context<(), ()>) -> Result<()> {
        ctx.started(()).await?;
        steading_guest::cancelled().await;
        Ok(())
    }

    /// Starts a child with these limits, which is held until this is cancelled.
    async fn parent_of(ctx: Context<(), ()>, contexts: Option<u32>, log_rate: Option<u32>) -> Result<()> {
        nursery(async |n| {
            let mut spec = Spec::this_component("child");
            (spec.contexts, spec.log_rate) = (contexts, log_rate);
            let child = n.start_actor(spec).await?;
            let holding = async |_: Context<(), ()>, ()| {
                ctx.started(()).await?;
                steading_guest::cancelled().await;
                Ok(())
            };
            child.open_context("hold", &(), holding).await
        })
        .await
    }
}

fn put(out: &str, err: &str) {
    print!("{out}");
    eprint!("{err}");
    // Nobody may be there to read it.
    std::io::stdout().flush().ok();
}

fn main() {}
