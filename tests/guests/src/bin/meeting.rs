//! Many contexts at once in one actor: nobody leaves before all are there.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use steading_guest::Result;

thread_local! {
    static ROOM: RefCell<(usize, Vec<Waker>)> = const { RefCell::new((0, Vec::new())) };
}

struct Meeting;

/// A place to meet.
#[steading_guest::actor]
impl Meeting {
    /// Comes in, and waits until this many are there; who came how manieth.
    async fn join(everybody: usize) -> Result<usize> {
        let place = ROOM.with_borrow_mut(|(there, waiting)| {
            *there += 1;
            if *there == everybody {
                waiting.drain(..).for_each(Waker::wake);
            }
            *there
        });
        poll_fn(|cx| {
            ROOM.with_borrow_mut(|(there, waiting)| {
                if *there == everybody {
                    return Poll::Ready(());
                }
                waiting.push(cx.waker().clone());
                Poll::Pending
            })
        })
        .await;
        Ok(place)
    }
}

fn main() {}
