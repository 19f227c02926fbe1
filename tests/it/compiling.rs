//! Compiling is done where it can be ended: what takes too long or too much is an error, and nothing is left of it.

mod bombs;
mod processes;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use steading::config::Compile;
use steading::{Amount, Host, HostBuilder, LoadError, Result};
use steading_tests::artifacts::{EXAMPLE_HELLO, VALUES};
use steading_tests::{Lines, capture, story, with_actor};
use tempfile::TempDir;

use processes::compilers_of;

/// The program whose `main` begins as it has to; that of this test is the harness's.
const EMBEDDER: &str = env!("CARGO_BIN_EXE_embedder");
const SHORT: Duration = Duration::from_millis(300);
/// Enough for what is no bomb, on a machine that is busy.
const LONG: Duration = Duration::from_secs(120);
/// Far beyond the short limit, far below what any bomb takes.
const MARGIN: Duration = Duration::from_secs(8);

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

/// A host that compiles in children, with an own cache.
fn bounded(cache: &Path, time: Duration) -> HostBuilder {
    by(EMBEDDER, cache, time)
}

fn by(program: impl AsRef<Path>, cache: &Path, time: Duration) -> HostBuilder {
    Host::builder()
        .max_actors(16)
        .cache_dir(cache)
        .compile(Compile::ChildOf(program.as_ref().to_path_buf()))
        .compile_time(time)
}

fn refused(host: &Host, bytes: &[u8]) -> LoadError {
    match host.load_bytes("bomb.wasm", bytes) {
        Ok(code) => panic!("was to be refused, and is {code:?}"),
        Err(error) => error,
    }
}

fn started(lines: &Lines) -> usize {
    let is_start = |message: &str| message == "compiling in a child process";
    lines.all().iter().filter(|line| is_start(&line.message)).count()
}

/// Of this process.
fn compilers() -> Vec<u32> {
    compilers_of(std::process::id())
}

/// Entries and refusals.
fn kept(host: &Host) -> (usize, usize) {
    let cache = host.cache_report().expect("it has a cache");
    (cache.entries, cache.refused)
}

async fn sum(host: &Host) -> Result<i64> {
    with_actor(host, VALUES, async |values| values.call("add", &(40, 2)).await).await
}

#[test]
fn a_bomb_of_any_shape_ends_in_time_and_is_not_tried_twice() {
    story(async |_| {
        let (cache, lines) = (folder(), capture());
        Host::builder().cache_dir(cache.path()).build()?.load(VALUES)?;
        let host = bounded(cache.path(), SHORT).build()?;
        for (number, bomb) in bombs::slow().iter().enumerate() {
            let begun = Instant::now();
            let error = refused(&host, &bomb.bytes);
            assert!(begun.elapsed() < MARGIN, "{}: {:?}", bomb.shape, begun.elapsed());
            assert!(
                matches!(error, LoadError::CompileTimeout { limit: SHORT, .. }),
                "{}: {error}",
                bomb.shape
            );
            assert_eq!(error.to_string(), "bomb.wasm: took longer than 300 ms to compile");
            let again = refused(&host, &bomb.bytes);
            assert_eq!(again.to_string(), format!("{error} (remembered from an earlier try)"));
            assert_eq!(
                (started(&lines), kept(&host)),
                (number + 1, (1, number + 1)),
                "{}",
                bomb.shape
            );
        }
        assert_eq!(compilers(), [0; 0]);
        assert_eq!(sum(&host).await?, 42);
        Ok(())
    });
}

#[test]
fn a_bomb_of_memory_is_an_error_and_the_host_compiles_the_next_one() {
    story(async |_| {
        let (cache, lines) = (folder(), capture());
        let host = bounded(cache.path(), LONG).compile_memory(256 << 20).build()?;
        let bomb = bombs::large();
        for remembered in ["", " (remembered from an earlier try)"] {
            let expected = format!("bomb.wasm: needed more than 256 MiB of memory to compile{remembered}");
            assert_eq!(refused(&host, &bomb.bytes).to_string(), expected, "{}", bomb.shape);
        }
        assert_eq!((started(&lines), kept(&host)), (1, (0, 1)));
        assert_eq!(sum(&host).await?, 42);
        assert_eq!((started(&lines), kept(&host), compilers()), (2, (1, 1), vec![]));
        Ok(())
    });
}

#[test]
fn what_the_compiler_finds_invalid_is_remembered_as_that() {
    story(async |_| {
        let (cache, lines) = (folder(), capture());
        let host = bounded(cache.path(), LONG).build()?;
        let bytes = wat::parse_str("(component (core module (func (result i32))))").expect("it can be encoded");
        let (first, again) = (refused(&host, &bytes), refused(&host, &bytes));
        assert!(matches!(first, LoadError::Invalid { .. }), "{first}");
        assert!(
            matches!(&again, LoadError::Remembered { earlier } if earlier.to_string() == first.to_string()),
            "{again}"
        );
        assert_eq!(started(&lines), 1);
        assert_eq!((host.clear_cache()?, kept(&host)), (1, (0, 0)));
        Ok(())
    });
}

#[test]
fn more_time_is_another_try() {
    story(async |_| {
        let cache = folder();
        let hasty = bounded(cache.path(), Duration::from_millis(10)).build()?;
        let error = hasty.load(VALUES).expect_err("a process alone takes longer to come up");
        assert!(matches!(error, LoadError::CompileTimeout { .. }), "{error}");
        let patient = bounded(cache.path(), LONG).build()?;
        assert!(!patient.load(VALUES)?.is_cached());
        assert_eq!(kept(&patient), (1, 0));
        assert!(hasty.load(VALUES)?.is_cached());
        Ok(())
    });
}

#[test]
fn one_is_compiled_at_a_time_and_who_waited_for_the_same_hears_the_same() {
    story(async |_| {
        let (cache, lines) = (folder(), capture());
        let host = bounded(cache.path(), SHORT).build()?;
        let [bomb, ..] = bombs::slow();
        let errors = std::thread::scope(|scope| {
            let loads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| refused(&host, &bomb.bytes).to_string()))
                .collect();
            let join = |load: std::thread::ScopedJoinHandle<'_, String>| load.join().expect("it is refused");
            loads.into_iter().map(join).collect::<Vec<_>>()
        });
        let remembered = errors
            .iter()
            .filter(|error| error.ends_with("(remembered from an earlier try)"));
        assert_eq!((remembered.count(), started(&lines)), (3, 1), "{errors:?}");
        Ok(())
    });
}

/// A program of this text.
fn program(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("program");
    fs::write(&path, text).expect("there is room for a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
    path
}

#[test]
fn a_compiler_that_is_killed_is_an_error_of_its_own_and_says_nothing_of_the_component() {
    story(async |_| {
        let (cache, own) = (folder(), folder());
        let killed = by(program(own.path(), "#!/bin/sh\nkill -9 $$\n"), cache.path(), LONG).build()?;
        for _ in 0..2 {
            let error = killed.load(EXAMPLE_HELLO).expect_err("nothing compiles it");
            assert!(matches!(error, LoadError::CompilerDied { signal: 9, .. }), "{error}");
            assert_eq!(
                error.to_string(),
                format!("{EXAMPLE_HELLO}: the compiler died of signal 9")
            );
        }
        assert_eq!(kept(&killed), (0, 0));
        let files = fs::read_dir(cache.path())?.flatten().map(|entry| entry.file_name());
        assert_eq!(files.collect::<Vec<_>>(), ["key"]);
        assert!(!bounded(cache.path(), LONG).build()?.load(EXAMPLE_HELLO)?.is_cached());
        Ok(())
    });
}

#[test]
fn what_is_no_compiler_is_named_and_nothing_is_compiled_instead() {
    story(async |_| {
        let cache = folder();
        let cases = [
            ("/no/such/program", "/no/such/program: cannot be started: No such file"),
            (
                "/bin/true",
                "/bin/true: did not answer as a compiler; does its `main` begin",
            ),
            ("/bin/cat", "/bin/cat: did not answer as a compiler"),
            ("/bin/false", "the compiler failed: exit status: 1"),
        ];
        for (program, expected) in cases {
            let host = by(program, cache.path(), LONG).build()?;
            let error = host.load(EXAMPLE_HELLO).expect_err("nothing compiles it").to_string();
            assert!(error.starts_with(EXAMPLE_HELLO) && error.contains(expected), "{error}");
            assert_eq!(kept(&host), (0, 0));
        }
        Ok(())
    });
}

#[test]
fn a_program_that_does_not_expect_to_compile_ends_before_it_has_a_host() {
    story(async |_| {
        let cache = folder();
        let host = by(env!("CARGO_BIN_EXE_soak"), cache.path(), LONG).build()?;
        let error = host.load(EXAMPLE_HELLO).expect_err("nothing compiles it").to_string();
        assert!(error.contains("this process was started to compile"), "{error}");
        Ok(())
    });
}

#[test]
fn what_bounds_compiling_is_among_the_limits_where_it_holds() {
    story(async |host| {
        let find = |host: &Host, name| host.limits().into_iter().find(|limit| limit.name == name);
        assert_eq!(find(host, "time to compile"), None, "nothing bounds it in this process");
        assert!(find(host, "components waiting to be compiled").is_some());
        let cache = folder();
        let time = find(&bounded(cache.path(), SHORT).build()?, "time to compile").expect("it is bounded");
        assert_eq!(time.value, Amount::Time(SHORT));
        assert_eq!(time.maximum, Some(Amount::Time(*steading::limits::COMPILE_TIME.end())));
        let least = bounded(cache.path(), Duration::ZERO).compile_memory(0).build()?;
        let value = |name| find(&least, name).map(|limit| limit.value);
        assert_eq!(
            value("time to compile"),
            Some(Amount::Time(*steading::limits::COMPILE_TIME.start()))
        );
        assert_eq!(
            value("memory to compile"),
            Some(Amount::Bytes(*steading::limits::COMPILE_MEMORY.start()))
        );
        Ok(())
    });
}

fn embedder(args: &[&str]) -> Command {
    let mut command = Command::new(EMBEDDER);
    command.args(args).stdin(Stdio::null());
    command
}

#[test]
fn an_embedder_compiles_in_itself() {
    story(async |_| {
        let cache = folder();
        let args = [VALUES, &cache.path().display().to_string(), "120"];
        let output = embedder(&args).output()?;
        assert!(output.status.success(), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .any(|line| line == "add"),
            "{output:?}"
        );
        let unprepared = embedder(&[&["--unprepared"], &args[..]].concat()).output()?;
        assert!(!unprepared.status.success());
        let said = String::from_utf8_lossy(&unprepared.stderr).into_owned();
        assert!(
            said.contains("`main` does not begin with `steading::compile_child()`"),
            "{said}"
        );
        Ok(())
    });
}

/// An embedder that is compiling what takes a minute, and the process that does it.
fn compiling(cache: &Path) -> Result<(Child, u32)> {
    let bomb = cache.join("bomb.wasm");
    fs::write(&bomb, &bombs::slow()[0].bytes)?;
    let host = embedder(&[&bomb.display().to_string(), &cache.display().to_string(), "60"]).spawn()?;
    let compiler = processes::eventually("it compiles", || compilers_of(host.id()).first().copied());
    Ok((host, compiler))
}

#[test]
fn a_compiler_does_not_outlive_its_host() {
    story(async |_| {
        let cache = folder();
        let (mut host, compiler) = compiling(cache.path())?;
        host.kill()?;
        host.wait()?;
        processes::eventually("the compiler is gone", || {
            (!processes::is_alive(compiler)).then_some(())
        });
        Ok(())
    });
}

/// The start of a line of `/proc/PID/limits`, whose columns are padded.
fn shows(limits: &str, line: &str) -> bool {
    let squeezed = limits
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    squeezed.into_iter().any(|shown| shown.starts_with(line))
}

fn open_files(folder: &str) -> Result<Vec<String>> {
    let links = fs::read_dir(folder)?
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok());
    Ok(links.map(|file| file.display().to_string()).collect())
}

#[test]
fn a_compiler_has_limits_and_nothing_of_its_host() {
    story(async |_| {
        let cache = folder();
        let (mut host, compiler) = compiling(cache.path())?;
        let of = |what: &str| format!("/proc/{compiler}/{what}");
        for line in [
            "Max cpu time 60 61 seconds",
            "Max address space 1073741824 1073741824 bytes",
            "Max file size 268435456 268435456 bytes",
            "Max open files 32 32 files",
            "Max core file size 0 0 bytes",
        ] {
            let limits = || fs::read_to_string(of("limits")).unwrap_or_default();
            processes::eventually(line, || shows(&limits(), line).then_some(()));
        }
        assert_eq!(fs::read_link(of("cwd"))?, Path::new("/"));
        let environment = fs::read_to_string(of("environ"))?;
        let names = environment
            .split_terminator('\0')
            .filter_map(|pair| Some(pair.split_once('=')?.0));
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        assert_eq!(names, ["MALLOC_ARENA_MAX", "RAYON_NUM_THREADS", "STEADING_COMPILE"]);
        for standard in ["fd/0", "fd/1", "fd/2"] {
            let file = fs::read_link(of(standard))?.display().to_string();
            assert!(file.starts_with("/memfd:steading-"), "{standard}: {file}");
        }
        // What this test was started with itself may be handed on and on; nothing that the embedder has opened.
        let (opened, handed_on) = (open_files(&of("fd"))?, open_files("/proc/self/fd")?);
        let own = |file: &&String| !file.starts_with("/memfd:steading-") && !handed_on.contains(file);
        assert_eq!(opened.iter().find(own), None);
        host.kill()?;
        host.wait()?;
        Ok(())
    });
}
