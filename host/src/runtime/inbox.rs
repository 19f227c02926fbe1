//! Where frames for one actor wait: two lanes, many senders, one reader, bounded.
//!
//! The control lane is bounded by what contexts and children can exist; the data lane by bytes. A
//! sender that finds no room keeps its frame and is told when there is some: nothing blocks, nothing
//! is dropped. Closing hands back what was not read, so that every `Start` gets its answer.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use steading_proto::{Dest, Frame, Lane};
use steading_types::ActorId;
use tokio::sync::Notify;

use super::lent::Lending;

/// The way to an actor.
pub(crate) type Peer = Arc<Inbox>;

/// Bytes that may wait in the data lane (design 5), and as many of calls that wait to be accepted.
pub(crate) const INBOX_BYTES: usize = steading_proto::Limits::DEFAULT.waiting;

/// A frame on its way.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) from: Peer,
    pub(crate) dest: Dest,
    pub(crate) frame: Frame,
}

/// Bytes that a frame counts beside its payload: what the host keeps of one that has none.
pub(crate) const FRAME: usize = 128;

/// What a frame of data counts where it waits.
pub(crate) fn cost(frame: &Frame) -> usize {
    frame.payload_len() + FRAME
}

/// Why a frame was not taken.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// The actor is gone.
    Closed(Delivery),
    /// No room for data now; see [`Inbox::room`].
    Full(Delivery),
    /// Too many calls wait to be accepted; this one is dropped.
    Overloaded,
}

/// One actor's inbox.
pub(crate) struct Inbox {
    id: ActorId,
    queue: Mutex<Queue>,
    reader: AtomicWaker,
    room: Notify,
    /// What its actor's contexts grant to their callees, which find it here.
    pub(crate) lending: Lending,
}

#[derive(Default)]
struct Queue {
    control: VecDeque<Delivery>,
    data: VecDeque<Delivery>,
    /// Of these, with [`FRAME`] for each.
    data_bytes: usize,
    /// Of the `Start`s among the control frames: they are not bounded by what exists already.
    start_bytes: usize,
    /// Somebody set this to make the reader look at something else.
    nudged: bool,
    /// A sender waits for room.
    crowded: bool,
    closed: bool,
}

impl Inbox {
    pub(crate) fn new(id: ActorId) -> Peer {
        Arc::new(Self {
            id,
            queue: Mutex::default(),
            reader: AtomicWaker::new(),
            room: Notify::new(),
            lending: Lending::default(),
        })
    }

    pub(crate) fn id(&self) -> &ActorId {
        &self.id
    }

    /// A queue is never left half changed, so a panic elsewhere does not poison it.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, delivery: Delivery) -> Result<(), Rejected> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Rejected::Closed(delivery));
        }
        match delivery.frame.lane() {
            Lane::Control => {
                if let Frame::Start(start) = &delivery.frame {
                    if queue.start_bytes > INBOX_BYTES {
                        return Err(Rejected::Overloaded);
                    }
                    queue.start_bytes += start.cost();
                }
                queue.control.push_back(delivery);
            }
            Lane::Data => {
                let bytes = cost(&delivery.frame);
                if queue.data_bytes > 0 && queue.data_bytes + bytes > INBOX_BYTES {
                    queue.crowded = true;
                    return Err(Rejected::Full(delivery));
                }
                queue.data_bytes += bytes;
                queue.data.push_back(delivery);
            }
        }
        drop(queue);
        self.reader.wake();
        Ok(())
    }

    /// As [`Inbox::push`], whether there is room or not: for the last frames of an actor that leaves,
    /// which are bounded by the credit it was given.
    pub(crate) fn push_last(&self, delivery: Delivery) {
        let mut queue = self.lock();
        if queue.closed {
            return;
        }
        queue.data_bytes += cost(&delivery.frame);
        queue.data.push_back(delivery);
        drop(queue);
        self.reader.wake();
    }

    /// Makes the reader look, though no frame came.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.reader.wake();
    }

    /// Whether nothing waits to be read.
    pub(crate) fn is_empty(&self) -> bool {
        let queue = self.lock();
        queue.control.is_empty() && queue.data.is_empty() && !queue.nudged
    }

    /// Bytes of payloads that wait to be read.
    pub(crate) fn bytes(&self) -> u64 {
        let queue = self.lock();
        (queue.data_bytes - queue.data.len() * FRAME + queue.start_bytes) as u64
    }

    /// Looks at every call that waits to be accepted.
    pub(crate) fn each_start(&self, mut look: impl FnMut(&steading_proto::frame::Start)) {
        for delivery in &self.lock().control {
            if let Frame::Start(start) = &delivery.frame {
                look(start);
            }
        }
    }

    /// Takes everything in the control lane.
    pub(crate) fn take_control(&self, into: &mut Vec<Delivery>) {
        let mut queue = self.lock();
        queue.start_bytes = 0;
        into.extend(queue.control.drain(..));
    }

    /// Takes everything, control first; whether there was a nudge, which is taken too.
    pub(crate) fn take_all(&self, into: &mut Vec<Delivery>) -> bool {
        let mut queue = self.lock();
        let nudged = std::mem::take(&mut queue.nudged);
        if !queue.control.is_empty() {
            into.extend(queue.control.drain(..));
        }
        if !queue.data.is_empty() {
            into.extend(queue.data.drain(..));
        }
        queue.data_bytes = 0;
        queue.start_bytes = 0;
        let crowded = std::mem::take(&mut queue.crowded);
        drop(queue);
        if crowded {
            self.room.notify_waiters();
        }
        nudged
    }

    /// As [`take_all`](Self::take_all), but no more than the next frame.
    pub(crate) fn take_one(&self, into: &mut Vec<Delivery>) -> bool {
        let mut queue = self.lock();
        let next = queue.control.pop_front().or_else(|| queue.data.pop_front());
        if let Some(Delivery { frame, .. }) = &next {
            match (frame.lane(), frame) {
                (Lane::Data, _) => queue.data_bytes -= cost(frame),
                (Lane::Control, Frame::Start(start)) => queue.start_bytes -= start.cost(),
                (Lane::Control, _) => {}
            }
        }
        into.extend(next);
        if std::mem::take(&mut queue.crowded) {
            self.room.notify_waiters();
        }
        std::mem::take(&mut queue.nudged)
    }

    /// Frames that were taken and not handled, in their order, before all that came since.
    pub(crate) fn put_back(&self, frames: impl Iterator<Item = Delivery>) {
        let mut queue = self.lock();
        let (control, data): (Vec<_>, Vec<_>) = frames.partition(|delivery| delivery.frame.lane() == Lane::Control);
        for delivery in control.into_iter().rev() {
            if let Frame::Start(start) = &delivery.frame {
                queue.start_bytes += start.cost();
            }
            queue.control.push_front(delivery);
        }
        for delivery in data.into_iter().rev() {
            queue.data_bytes += cost(&delivery.frame);
            queue.data.push_front(delivery);
        }
    }

    /// Takes no more frames, and hands back what was not read.
    pub(crate) fn close(&self, into: &mut Vec<Delivery>) {
        self.lock().closed = true;
        self.take_all(into);
        self.room.notify_waiters();
    }

    /// Whether there is something to read, or a nudge; if not, the task is woken when there is. One
    /// reader only.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ready(cx, |queue| {
            queue.nudged || !queue.control.is_empty() || !queue.data.is_empty()
        })
    }

    /// As [`Inbox::poll_readable`], for the control lane alone.
    pub(crate) fn poll_control_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ready(cx, |queue| !queue.control.is_empty())
    }

    fn poll_ready(&self, cx: &mut Context<'_>, ready: impl Fn(&Queue) -> bool) -> Poll<()> {
        // Who asks has mostly looked before; and what came between a look and this would wake nobody.
        self.reader.register(cx.waker());
        match ready(&self.lock()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Waits until data may find room again.
    pub(crate) async fn room(&self) {
        let notified = self.room.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        {
            let mut queue = self.lock();
            if queue.closed || queue.data_bytes == 0 {
                return;
            }
            queue.crowded = true;
        }
        notified.await;
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({})", self.id)
    }
}
