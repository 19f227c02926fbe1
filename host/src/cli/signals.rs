//! Ctrl-C and SIGTERM: ask, force, leave (semantics 10).
//!
//! They are waited for on a thread of their own, so that no guest, however it spins, and no exhausted
//! runtime can keep the third one from being heard.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use steading::Host;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::{Exit, Failure, Result};
use super::output::Output;

/// How often this process was interrupted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupts(Arc<AtomicU32>);

impl Interrupts {
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// From here on, interrupts are the host's; when this returns, it is ready for the first.
pub(crate) fn watch(host: Host, output: Output) -> Result<Interrupts> {
    let interrupts = Interrupts::default();
    let (ready, is_ready) = mpsc::sync_channel(1);
    let (watched, failed) = (interrupts.clone(), |error: std::io::Error| {
        Failure::new(Exit::Endpoint, format!("cannot listen for signals: {error}"))
    });
    let thread = std::thread::Builder::new().name("steading-signals".to_owned());
    // Never joined: it ends with the process.
    thread
        .spawn(move || listen(&host, &watched, output, &ready))
        .map_err(failed)?;
    is_ready
        .recv()
        .unwrap_or_else(|_| Err(std::io::Error::other("the thread is gone")))
        .map_err(failed)?;
    Ok(interrupts)
}

fn listen(host: &Host, interrupts: &Interrupts, output: Output, ready: &mpsc::SyncSender<std::io::Result<()>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
        Ok(runtime) => runtime,
        Err(error) => return ready.send(Err(error)).unwrap_or_default(),
    };
    runtime.block_on(async {
        let signals = || Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?));
        match signals() {
            Ok((interrupt, terminate)) => {
                ready.send(Ok(())).unwrap_or_default();
                serve(host, interrupts, output, interrupt, terminate).await;
            }
            Err(error) => ready.send(Err(error)).unwrap_or_default(),
        }
    });
}

async fn serve(host: &Host, interrupts: &Interrupts, output: Output, mut interrupt: Signal, mut terminate: Signal) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        match interrupts.0.fetch_add(1, Ordering::AcqRel) {
            0 => {
                host.interrupt();
                remark(output, "interrupted; again to end actors by force");
            }
            1 => {
                host.kill();
                remark(output, "ending actors by force; again to leave at once");
            }
            _ => std::process::exit(Exit::Interrupted as i32),
        }
    }
}

/// For whoever sits at the terminal and wonders.
fn remark(output: Output, text: &str) {
    if !output.json && std::io::stderr().is_terminal() {
        output.note(text);
    }
}
