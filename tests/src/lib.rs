//! What the stories need: a host of their own, both kinds of link, a watchdog, and the proof that
//! nothing is left behind.
//!
//! [`story`] tells one story twice, over the direct link and over one that encodes every frame, each
//! time on a fresh runtime with a fresh host. At its end no actor, file descriptor or thread may be
//! left. Stories of one process run one at a time, so that this can be told. Nothing here sleeps; a
//! hang ends by the watchdog, with what was alive.

mod capture;
pub mod crowd;
mod leaks;
pub mod soak;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steading::{Host, HostBuilder, Nursery, Portal, Result};
pub use steading_test_artifacts as artifacts;
pub use steading_test_scenarios as scenarios;

pub use capture::{Line, Lines, capture, capture_guests};
pub use leaks::Held;

/// After this long a story hangs.
const WATCHDOG: Duration = Duration::from_secs(30);

/// The two ways in which frames travel inside a process.
const LINKS: [(&str, bool); 2] = [("direct", false), ("encoded", true)];

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// As long as this is held, no story is told: for tests with hosts of their own, which a story would take for
/// something it has left behind.
pub fn alone() -> MutexGuard<'static, ()> {
    // A story that failed has said so already; the next one is none the worse for it.
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells a story over both kinds of link, on a host with every default.
///
/// # Panics
/// When the story fails, hangs, or leaves something behind.
pub fn story(body: impl AsyncFn(&Host) -> Result<()>) {
    story_with(|builder| builder, body);
}

/// As [`story`], on a host built differently.
///
/// # Panics
/// As [`story`].
pub fn story_with(change: impl Fn(HostBuilder) -> HostBuilder, body: impl AsyncFn(&Host) -> Result<()>) {
    story_over(&LINKS, change, body);
}

/// As [`story_with`], over the direct link alone: for stories that are not about frames, and long.
///
/// # Panics
/// As [`story`].
pub fn story_once(change: impl Fn(HostBuilder) -> HostBuilder, body: impl AsyncFn(&Host) -> Result<()>) {
    story_over(&LINKS[..1], change, body);
}

fn story_over(
    links: &[(&str, bool)],
    change: impl Fn(HostBuilder) -> HostBuilder,
    body: impl AsyncFn(&Host) -> Result<()>,
) {
    let _alone = alone();
    // The engine compiles on rayon's pool, whose threads stay for the life of the process: start them now.
    assert!(rayon::current_num_threads() > 0, "the pool has threads");
    for &(link, encode) in links {
        let held = Held::now();
        let end = tell(encode, &change, &body);
        held.check(link);
        if let Err(error) = end {
            panic!("over the {link} link: {error:#}");
        }
    }
}

/// Many episodes on one host and one thread, over both kinds of link: where nothing else runs, the same things
/// happen in the same order each time. The body watches over its episodes itself ([`episode`]).
///
/// # Panics
/// When the body panics, or leaves something behind.
pub fn sweep(change: impl Fn(HostBuilder) -> HostBuilder, body: impl AsyncFn(&Host, &str)) {
    let _alone = alone();
    assert!(rayon::current_num_threads() > 0, "the pool has threads");
    for (link, encode) in LINKS {
        let held = Held::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime without threads can be had");
        runtime.block_on(async {
            let host = change(host().encode_frames(encode)).build();
            body(&host.expect("tests have a host"), link).await;
        });
        runtime.shutdown_timeout(WATCHDOG);
        held.check(link);
    }
}

/// Plays an episode to its end, and until nothing of it is left.
///
/// # Panics
/// When it hangs, or leaves something behind.
pub async fn episode<T>(host: &Host, what: &str, body: impl Future<Output = T>) -> T {
    let end = watched(host, what, body).await;
    watched(host, &format!("what {what} left behind"), host.wait_quiescent()).await;
    host.assert_quiescent();
    end
}

/// One telling: runtime, host, story, and the end of all three.
fn tell(
    encode: bool,
    change: &impl Fn(HostBuilder) -> HostBuilder,
    body: &impl AsyncFn(&Host) -> Result<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("story")
        .enable_time()
        .build()?;
    let end = runtime.block_on(async {
        let host = change(host().encode_frames(encode)).build()?;
        episode(&host, "the story", body(&host)).await
    });
    runtime.shutdown_timeout(WATCHDOG);
    end
}

/// Waits for `future`, but not for ever.
///
/// # Panics
/// When it hangs, with what is alive then.
async fn watched<T>(host: &Host, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(WATCHDOG, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} hangs; alive: {:#?}", host.snapshot()),
    }
}

/// A host with every default but the cache, which all tests share.
pub fn host() -> HostBuilder {
    Host::builder().cache_dir(cache_dir()).max_actors(256)
}

/// Where compiled guests are kept between test runs.
pub fn cache_dir() -> PathBuf {
    PathBuf::from(artifacts::TARGET_DIR).join("test-cache")
}

/// Runs `body` in a root with one actor of this component, which is cancelled when the body has ended.
///
/// # Errors
/// Those of the body, or of the actor.
pub async fn with_actor<T>(host: &Host, component: &str, body: impl AsyncFnOnce(&Portal) -> Result<T>) -> Result<T> {
    with_nursery_actor(host, component, async |_, portal| body(portal).await).await
}

/// As [`with_actor`]; the body is given the nursery too.
///
/// # Errors
/// As [`with_actor`].
pub async fn with_nursery_actor<T>(
    host: &Host,
    component: &str,
    body: impl AsyncFnOnce(&Nursery, &Portal) -> Result<T>,
) -> Result<T> {
    let code = host.load(component)?;
    host.root(async |nursery| {
        let portal = nursery.start_actor(code.spec("guest")).await?;
        let value = body(&nursery, &portal).await?;
        nursery.cancel("the story is over");
        Ok(value)
    })
    .await
}

/// The failure of something that must fail.
///
/// # Panics
/// When it did not.
pub fn failed<T: std::fmt::Debug>(end: Result<T>) -> steading::Error {
    match end {
        Ok(value) => panic!("was to fail, and gave {value:?}"),
        Err(error) => error,
    }
}

/// The names of the actors alive, roots first.
pub fn alive(host: &Host) -> Vec<String> {
    host.snapshot()
        .actors
        .iter()
        .map(|actor| actor.id.name.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{failed, story};
    use steading::Error;

    #[test]
    #[should_panic(expected = "over the direct link: as told")]
    fn a_story_that_fails_fails_its_test() {
        story(async |_| Err(Error::msg("as told")));
    }

    #[test]
    #[should_panic(expected = "was to fail, and gave 7")]
    fn what_was_to_fail_must_fail() {
        _ = failed(Ok(7));
    }
}
