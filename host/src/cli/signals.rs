//! Ctrl-C and SIGTERM: ask, force, leave (semantics 10).
//!
//! Heard from the first moment of a command to its last, by a thread of their own, so that no guest,
//! however it spins, and no exhausted runtime can keep the third one from being heard. What they end is
//! what runs: a build with all it has started, or the actors of a host. Where nothing runs, the first one
//! ends the process.
//!
//! SIGUSR1 is heard by the same thread, and so also while every worker spins: it has the tree of actors
//! written.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use steading::{ActorStatus, Host, Snapshot};
use steading_build::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::{Exit, Failure, Result};
use super::output::Output;

/// Actors that are named; more would fill the screen.
const NAMED: usize = 4;
/// How long a word may take: standard output may be a pipe that nobody reads.
const LAST_WORD: Duration = Duration::from_millis(200);

/// What interrupts end, and how many there were. A handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    count: AtomicU32,
    build: Stop,
    host: OnceLock<Host>,
}

impl Interrupts {
    /// How often this process was interrupted.
    pub(crate) fn count(&self) -> u32 {
        self.0.count.load(Ordering::Acquire)
    }

    /// What ends builds.
    pub(crate) fn build(&self) -> &Stop {
        &self.0.build
    }

    /// From here on, interrupts are the host's. One host a process; of several, the first.
    pub(crate) fn hand_to(&self, host: Host) {
        self.0.host.get_or_init(|| host);
    }

    fn one_more(&self, output: Output) {
        let before = self.0.count.fetch_add(1, Ordering::AcqRel);
        match (self.0.host.get(), before) {
            (_, 2..) => std::process::exit(Exit::Interrupted as i32),
            (Some(host), 0) => {
                let seen = host.clone();
                let waiting = briefly(move || waiting_for(&seen.snapshot())).unwrap_or_default();
                host.interrupt();
                remark(output, format!("interrupted{waiting}; again to end actors by force"));
            }
            (Some(host), _) => {
                host.kill();
                remark(output, "ending actors by force; again to leave at once".to_owned());
            }
            (None, _) if self.0.build.stop() => {}
            (None, _) => leave(output),
        }
    }

    fn dump(&self, output: Output) {
        let host = self.0.host.get().cloned();
        briefly(move || match host {
            Some(host) => super::tree::dump(&host, output),
            None => output.note("no actor runs yet"),
        });
    }
}

/// The signals that are heard.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    dump: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            dump: signal(SignalKind::user_defined1())?,
        })
    }
}

/// From here on, interrupts are heard; when this returns, it is ready for the first.
pub(crate) fn watch(output: Output) -> Result<Interrupts> {
    let interrupts = Interrupts::default();
    let (ready, is_ready) = mpsc::sync_channel(1);
    let (watched, failed) = (interrupts.clone(), |error: std::io::Error| {
        Failure::new(Exit::Endpoint, format!("cannot listen for signals: {error}"))
    });
    let thread = std::thread::Builder::new().name("steading-signals".to_owned());
    // Never joined: it ends with the process.
    thread.spawn(move || listen(&watched, output, &ready)).map_err(failed)?;
    is_ready
        .recv()
        .unwrap_or_else(|_| Err(std::io::Error::other("the thread is gone")))
        .map_err(failed)?;
    Ok(interrupts)
}

fn listen(interrupts: &Interrupts, output: Output, ready: &mpsc::SyncSender<std::io::Result<()>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
        Ok(runtime) => runtime,
        Err(error) => return ready.send(Err(error)).unwrap_or_default(),
    };
    runtime.block_on(async {
        match Signals::listen() {
            Ok(signals) => {
                ready.send(Ok(())).unwrap_or_default();
                serve(interrupts, output, signals).await;
            }
            Err(error) => ready.send(Err(error)).unwrap_or_default(),
        }
    });
}

async fn serve(interrupts: &Interrupts, output: Output, mut signals: Signals) {
    loop {
        tokio::select! {
            _ = signals.interrupt.recv() => interrupts.one_more(output),
            _ = signals.terminate.recv() => interrupts.one_more(output),
            _ = signals.dump.recv() => interrupts.dump(output),
        }
    }
}

/// Ends the process, which does nothing that would have to be ended first.
fn leave(output: Output) {
    briefly(move || output.failure(&Failure::new(Exit::Interrupted, "interrupted")));
    std::process::exit(Exit::Interrupted as i32)
}

/// Does what may block, as writing does, beside this thread, and waits for it only so long: the next signal is
/// to be heard whatever comes of it.
fn briefly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, is_done) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("steading-says".to_owned());
    // Without a thread it stays unsaid; what was asked for happens all the same.
    thread.spawn(move || done.send(work()).unwrap_or_default()).ok()?;
    is_done.recv_timeout(LAST_WORD).ok()
}

/// The actors whose end is awaited, as a part of a sentence: often what a nursery hung on is a child that
/// nobody cancelled.
fn waiting_for(snapshot: &Snapshot) -> String {
    let actors: Vec<_> = snapshot.actors.iter().filter(|actor| actor.depth > 0).collect();
    let names: Vec<_> = actors.iter().take(NAMED).map(|actor| named(actor)).collect();
    match actors.len().saturating_sub(names.len()) {
        _ if names.is_empty() => String::new(),
        0 => format!("; ending {}", names.join(", ")),
        more => format!("; ending {} and {more} more", names.join(", ")),
    }
}

fn named(actor: &ActorStatus) -> String {
    match actor.contexts.is_empty() && actor.children.is_empty() {
        true => format!("{} (idle)", actor.id.name),
        false => actor.id.name.to_string(),
    }
}

/// For whoever sits at the terminal and wonders.
fn remark(output: Output, text: String) {
    if !output.json && std::io::stderr().is_terminal() {
        briefly(move || output.note(&text));
    }
}

#[cfg(test)]
mod tests {
    use steading::ActorId;
    use steading_types::Uuid;

    use super::*;

    fn actor(name: &str, depth: u32, children: usize) -> ActorStatus {
        let id = ActorId::new(name, Uuid { high: 0, low: 1 });
        ActorStatus {
            children: vec![id.clone(); children],
            depth,
            ..ActorStatus::new(id)
        }
    }

    #[test]
    fn who_is_waited_for_is_named_and_idle_ones_are_told_apart() {
        let mut actors = vec![actor("root", 0, 1), actor("main", 1, 1), actor("daemon", 2, 0)];
        let said = |actors: &[ActorStatus]| {
            waiting_for(&Snapshot {
                actors: actors.to_vec(),
                ..Snapshot::default()
            })
        };
        assert_eq!(said(&actors), "; ending main, daemon (idle)");
        assert_eq!(said(&actors[..1]), "");
        actors.extend((0..5).map(|_| actor("w", 2, 1)));
        assert_eq!(said(&actors), "; ending main, daemon (idle), w, w and 3 more");
    }
}
