//! What the tasks of one actor tell each other, and whoever calls the actor, beside the contexts under
//! test: short texts on a board that only grows.
//!
//! Scenarios order their steps with it, so that none has to sleep. Native actors share a process, so each
//! actor has a board of its own, by its id.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::task::{Poll, Waker};

use steading_actor::{ActorId, Result, checkpoint, current};

static BOARDS: LazyLock<Mutex<HashMap<ActorId, Board>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Board {
    notes: Vec<String>,
    waiting: Vec<Waker>,
}

fn with_board<T>(change: impl FnOnce(&mut Board) -> T) -> T {
    let mut boards = BOARDS.lock().unwrap_or_else(PoisonError::into_inner);
    change(boards.entry(current().id().clone()).or_default())
}

/// Pins a note to this actor's board.
pub(crate) fn pin(note: &str) {
    let waiting = with_board(|board| {
        board.notes.push(note.to_owned());
        std::mem::take(&mut board.waiting)
    });
    waiting.into_iter().for_each(Waker::wake);
}

/// All of them, in order.
pub(crate) fn all() -> Vec<String> {
    with_board(|board| board.notes.clone())
}

/// Waits for a note, or until the current scope is cancelled.
///
/// # Errors
/// The cancellation of the current scope.
pub(crate) async fn wait(note: &str) -> Result<()> {
    poll_fn(|cx| {
        checkpoint()?;
        with_board(|board| {
            if board.notes.iter().any(|known| known == note) {
                return Poll::Ready(Ok(()));
            }
            board.waiting.push(cx.waker().clone());
            Poll::Pending
        })
    })
    .await
}
