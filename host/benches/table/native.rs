//! The same without actors: tasks and channels of tokio on one thread.
//!
//! Each function runs a workload on a runtime of its own, on a thread of its own, and says how long it
//! took. Channels have the window that streams have.

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Messages on their way, as in a stream by default.
pub(crate) const WINDOW: u32 = 64;

/// Runs `work` on a runtime of the current thread.
fn on_one_thread<F: Future<Output = Duration>>(work: impl FnOnce() -> F + Send) -> Duration {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("it needs nothing but memory");
            runtime.block_on(work())
        });
        thread.join().expect("it does nothing that panics")
    })
}

/// Two tasks and two channels; 32 B by value.
pub(crate) fn round_trips(count: u32) -> Duration {
    on_one_thread(async move || {
        let (to, mut inbox) = mpsc::channel::<[u8; 32]>(WINDOW as usize);
        let (back, mut answers) = mpsc::channel::<[u8; 32]>(WINDOW as usize);
        tokio::spawn(async move {
            while let Some(ball) = inbox.recv().await {
                if back.send(ball).await.is_err() {
                    break;
                }
            }
        });
        let start = Instant::now();
        for n in 0..count {
            let mut ball = [7; 32];
            ball[..4].copy_from_slice(&n.to_le_bytes());
            to.send(ball).await.expect("the partner is there");
            black_box(answers.recv().await);
        }
        start.elapsed()
    })
}

/// One task sends, another receives; 32 B by value.
pub(crate) fn small_messages(window: u32, count: u32) -> Duration {
    messages(window, count, |n| {
        let mut message = [7u8; 32];
        message[..4].copy_from_slice(&n.to_le_bytes());
        message
    })
}

/// One task sends a copy of a buffer, another receives it.
pub(crate) fn large_messages(size: usize, count: u32) -> Duration {
    let buffer = vec![7u8; size];
    messages(WINDOW, count, move |_| buffer.clone())
}

fn messages<T: Send + 'static>(window: u32, count: u32, make: impl Fn(u32) -> T + Send + 'static) -> Duration {
    on_one_thread(async move || {
        let (to, mut inbox) = mpsc::channel::<T>(window as usize);
        let start = Instant::now();
        let sender = tokio::spawn(async move {
            for n in 0..count {
                to.send(make(n))
                    .await
                    .unwrap_or_else(|_| unreachable!("the receiver reads to the end"));
            }
        });
        while let Some(message) = inbox.recv().await {
            black_box(message);
        }
        sender.await.expect("it does nothing that panics");
        start.elapsed()
    })
}

/// A task for each call, its answer by a oneshot channel; so many at a time.
pub(crate) fn calls(window: u32, count: u32) -> Duration {
    on_one_thread(async move || {
        let start = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..window {
            callers.spawn(async move {
                for _ in 0..count / window {
                    let (answer, answered) = oneshot::channel::<u64>();
                    tokio::spawn(async move { answer.send(black_box(20) + 22) });
                    black_box(answered.await.expect("it answers"));
                }
            });
        }
        callers.join_all().await;
        start.elapsed()
    })
}
