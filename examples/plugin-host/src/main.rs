//! A program that has other people's plugins transform a text, and stays up whatever they do.
//!
//! `plugin-host` runs the plugins beside it, which it builds first; `plugin-host a.wasm b.wasm` runs those.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use steading::config::{Stdio, Workers};
use steading::{Budget, Code, Error, ErrorKind, Host, Result, Spec, fail_after};

const TEXT: &str = "hello from outside";
/// How long a plugin may take.
const PATIENCE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    // What has to be compiled is compiled by this program in a child process, which can be ended.
    steading::compile_child();
    // Plugins have threads of their own; this one stays the program's, whatever they do.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let done = runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(run()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let host = Host::builder()
        .workers(Workers::Dedicated(2))
        .stdio(Stdio::Null)
        .cancel_grace(Duration::from_millis(50))
        .max_actors(64)
        .total(Budget::default().memory(64 << 20))
        .build()?;
    for path in plugins()? {
        let name = path.file_stem().map_or("plugin".into(), |stem| stem.to_string_lossy());
        // What a plugin imports that nobody offers is told before anything of it runs.
        match host.load_as(&name, &path) {
            Ok(code) => println!("{name}: {}", outcome(transform(&host, &code).await)),
            Err(error) => println!("{name}: not loaded: {}", without_path(&error.to_string(), &path)),
        }
        // Nothing of it is left, and the next one finds the host as the first one did.
        host.assert_quiescent();
    }
    println!("{} actors are alive; the program goes on", host.snapshot().actors.len());
    Ok(())
}

/// Runs one plugin in a tree of its own: what becomes of it is the error of this call, and of nothing else.
async fn transform(host: &Host, code: &Code) -> Result<String> {
    host.root(async |nursery| {
        let plugin = nursery.start_actor(granted(code)).await?;
        let text = fail_after(PATIENCE, plugin.call("transform", TEXT)).await?;
        plugin.cancel_actor("done").await?;
        Ok(text)
    })
    .await
}

/// One endpoint, no files, no variables, no components but its own; and of all else a little.
fn granted(code: &Code) -> Spec {
    let nothing: [&str; 0] = [];
    code.spec(code.name())
        .endpoints(["transform"])
        .components(nothing)
        .memory(16 << 20)
        .children(2)
        .budget(Budget::default().memory(32 << 20).actors(4).cpu(0.5))
}

fn outcome(result: Result<String>) -> String {
    match result {
        Ok(text) => format!("says {text:?}"),
        // It was late, and died of it: which of the two is heard of first is a matter of chance.
        Err(error) if error.members().iter().any(is_late) => "out of time, and ended by force".to_owned(),
        Err(error) => {
            let error = error.members().first().unwrap_or(&error).clone();
            format!("{}: {}", error.kind(), first_line(&error.message()))
        }
    }
}

fn is_late(error: &Error) -> bool {
    error.kind() == ErrorKind::Killed || error.is_elapsed()
}

fn without_path<'a>(text: &'a str, path: &Path) -> &'a str {
    let text = first_line(text);
    let rest = text.strip_prefix(&*path.to_string_lossy());
    rest.map_or(text, |rest| rest.trim_start_matches(": "))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The components named on the command line, or those of the crate beside this one.
fn plugins() -> Result<Vec<PathBuf>> {
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let built = steading_build::Build::new(beside).bins().run(|_| {});
    let built = built.map_err(|error| Error::msg(format!("{error}\n{}", error.detail())))?;
    let mut paths: Vec<_> = built.into_iter().map(|artifact| artifact.path).collect();
    paths.sort();
    Ok(paths)
}
