//! An embedder, as small as can be: `embedder FILE CACHE SECONDS` loads a component and says what it offers.
//!
//! The tests have hosts of their own compile in it, run it, and kill it. With `--unprepared` before all else it
//! is one that has forgotten the first line of its `main`.

use std::process::ExitCode;
use std::time::Duration;

use steading::config::Compile;
use steading::{Error, Host, Result};

fn main() -> ExitCode {
    let mut args: Vec<_> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == "--unprepared") {
        args.remove(0);
    } else {
        steading::compile_child();
    }
    match load(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn load(args: &[String]) -> Result<()> {
    let [file, cache, seconds] = args else {
        return Err(Error::msg("embedder [--unprepared] FILE CACHE SECONDS"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    let host = Host::builder()
        .max_actors(16)
        .cache_dir(cache)
        .compile(Compile::Child)
        .compile_time(Duration::from_secs(seconds.parse()?));
    let code = host.build()?.load(file)?;
    for endpoint in &code.description().endpoints {
        println!("{}", endpoint.name);
    }
    Ok(())
}
