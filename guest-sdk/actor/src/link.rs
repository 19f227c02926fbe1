//! One side of one context: what has arrived, what waits to be sent, and how it stands.
//!
//! ```text
//!             started            stream opened        left
//!  opening ───────────► running ──────────────► open ──────► closed     the stream half only moves right
//!     └──────────────────┴───────── ended ───────┴─────────────┘        and an outcome is written once
//! ```
//! Events come in through the `on_*` methods, which never wake or cancel under the lock: they hand an
//! [`Aftermath`] back. Tasks look at it through [`Link::wait`]. The lock is held across operations of
//! the boundary, so that their order is the order in which this state changed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use bytes::{Buf, Bytes};
use serde::Serialize;
use steading_types::{
    ActorId, Cancellation, Cause, Credit, Ending, ErrorKind, Key, Level, Outcome, Refusal, Window, split_message,
};

use crate::codec;
use crate::context::Side;
use crate::error::{Error, Result};
use crate::lock;
use crate::runtime::{Actor, failure};
use crate::scope::{self, Node, Watch};
use crate::waiters::{Slot, Waiters, Woken};

/// A buffer of this size is sent at once: beyond it, copying costs more than crossing (design, section 1).
const BATCH_BYTES: usize = 64 << 10;
/// So is one of this many messages.
const BATCH_MESSAGES: u32 = 256;
/// A buffer that has grown beyond this for one message is not kept so.
const LARGEST_KEPT: usize = 4 * BATCH_BYTES;
/// What a length takes.
const PREFIX: usize = 4;

/// One side of a context.
pub(crate) struct Link {
    pub(crate) actor: Actor,
    pub(crate) key: Key,
    pub(crate) side: Side,
    pub(crate) endpoint: String,
    state: Mutex<LinkState>,
}

/// How this side's half of the stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Unopened,
    Open,
    Closed,
}

/// Messages and payload bytes.
#[derive(Clone, Copy, Default)]
struct Amount {
    messages: u32,
    bytes: u64,
}

/// What waits for which change.
#[derive(Clone, Copy)]
pub(crate) enum On {
    Receive,
    Send,
    Progress,
}

pub(crate) struct LinkState {
    pub(crate) peer: ActorId,
    /// The value given to `started`, until the block takes it.
    pub(crate) started: Option<Bytes>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) local_error: Option<Error>,
    /// The user of this side asked for the cancel.
    pub(crate) cancel_called: bool,
    /// The host was asked, by the user or by a teardown.
    cancel_sent: bool,
    scope: Option<Arc<Node>>,
    half: Half,
    /// This side has said that it sends no more.
    stopped: bool,
    peer_stopped: bool,
    inbox: VecDeque<Bytes>,
    /// What this side is ready to receive.
    window: Window,
    /// Taken, and not yet given back as credit.
    taken: Amount,
    /// What the peer is still ready to receive.
    credit: Credit,
    out: Vec<u8>,
    out_messages: u32,
    /// The actor will flush this.
    dirty: bool,
    receivers: Waiters,
    senders: Waiters,
    observers: Waiters,
}

/// What is left to do once the locks are released.
#[derive(Default)]
#[must_use]
pub(crate) struct Aftermath {
    pub(crate) wakers: Woken,
    pub(crate) cancel: Vec<(Arc<Node>, Cancellation)>,
}

impl Aftermath {
    pub(crate) fn run(self) {
        for (node, cancellation) in self.cancel {
            node.cancel(cancellation);
        }
        self.wakers.wake();
    }
}

impl Link {
    pub(crate) fn new(
        actor: Actor,
        key: Key,
        side: Side,
        endpoint: String,
        peer: ActorId,
        window: Window,
    ) -> Arc<Self> {
        let nothing = Window { messages: 0, bytes: 0 };
        let state = Mutex::new(LinkState {
            peer,
            started: None,
            outcome: None,
            local_error: None,
            cancel_called: false,
            cancel_sent: false,
            scope: None,
            half: Half::Unopened,
            stopped: false,
            peer_stopped: false,
            inbox: VecDeque::new(),
            window,
            taken: Amount::default(),
            credit: Credit::new(nothing),
            out: Vec::new(),
            out_messages: 0,
            dirty: false,
            receivers: Waiters::default(),
            senders: Waiters::default(),
            observers: Waiters::default(),
        });
        Arc::new(Self {
            actor,
            key,
            side,
            endpoint,
            state,
        })
    }

    /// A callee can be cancelled before its task was polled for the first time, so its scope exists from
    /// the start.
    pub(crate) fn begin_callee(&self, grant: Window) {
        let mut state = lock(&self.state);
        state.credit = Credit::new(grant);
        state.scope = Some(Node::root(self.actor.clone(), Some(self.key)));
    }

    pub(crate) fn scope(&self) -> Option<Arc<Node>> {
        lock(&self.state).scope.clone()
    }

    /// From here on, what the peer does to this context can end the block in `node`.
    pub(crate) fn enter_scope(&self, node: &Arc<Node>) {
        let mut state = lock(&self.state);
        state.scope = Some(node.clone());
        let after = state.end_scope(self);
        drop(state);
        after.run();
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut LinkState) -> T) -> T {
        look(&mut lock(&self.state))
    }

    /// Waits until `step` has an answer; it is asked again after every change of the kind `on`.
    pub(crate) async fn wait<T>(self: &Arc<Self>, on: On, mut step: impl FnMut(&mut LinkState) -> Option<T>) -> T {
        let mut parked = Parked::new(self, on);
        poll_fn(|cx| parked.poll(&mut step, cx.waker())).await
    }

    /// As [`wait`](Self::wait) for progress, for a block: one that is never dropped by a cancelled scope
    /// must be woken by it, also if it is polled by an executor of its own.
    pub(crate) async fn wait_in_block<T>(
        self: &Arc<Self>,
        mut step: impl FnMut(&mut LinkState) -> Option<Result<T>>,
    ) -> Result<T> {
        let mut parked = Parked::new(self, On::Progress);
        let mut watch = scope::try_current_node().map(Watch::new);
        poll_fn(|cx| {
            if let Some(watch) = &mut watch {
                watch.register(cx.waker());
            }
            parked.poll(
                |state| step(state).or_else(|| scope::check().err().map(Err)),
                cx.waker(),
            )
        })
        .await
    }

    // What the peer and the host do.

    pub(crate) fn on_started(&self, value: Bytes, peer: ActorId, grant: Window) -> Aftermath {
        let mut state = lock(&self.state);
        state.started = Some(value);
        state.peer = peer;
        state.credit = Credit::new(grant);
        state.wake(&[On::Progress, On::Send])
    }

    pub(crate) fn on_data(&self, batch: Bytes) -> Aftermath {
        let mut state = lock(&self.state);
        if state.outcome.as_ref().is_some_and(|outcome| failure(outcome).is_some()) {
            return Aftermath::default();
        }
        if state.half == Half::Closed {
            state.taken.add_batch(&batch);
            if state.has_taken_half() {
                state.give_back(self);
            }
            return Aftermath::default();
        }
        state.inbox.push_back(batch);
        state.wake(&[On::Receive])
    }

    pub(crate) fn on_stop(&self) -> Aftermath {
        let mut state = lock(&self.state);
        state.peer_stopped = true;
        state.wake(&[On::Receive])
    }

    pub(crate) fn on_credit(&self, messages: u32, bytes: u32) -> Aftermath {
        let mut state = lock(&self.state);
        state.credit.give(messages, bytes);
        state.wake(&[On::Send])
    }

    pub(crate) fn on_cancel(&self, cancellation: Cancellation) -> Aftermath {
        let scope = self.scope();
        Aftermath {
            wakers: Woken::default(),
            cancel: scope.into_iter().map(|node| (node, cancellation.clone())).collect(),
        }
    }

    pub(crate) fn on_ended(&self, outcome: Outcome) -> Aftermath {
        let mut state = lock(&self.state);
        if state.outcome.is_some() {
            return Aftermath::default();
        }
        state.outcome = Some(outcome);
        // Whoever is parked on this context is told there; otherwise the body is ended where it is
        // (semantics 6, "parked elsewhere").
        let parked = self.side == Side::Caller && state.is_anybody_parked();
        let mut after = if parked {
            Aftermath::default()
        } else {
            state.end_scope(self)
        };
        after.wakers = state.wake(&[On::Receive, On::Send, On::Progress]).wakers;
        after
    }

    // What this side does.

    /// Callee, once.
    pub(crate) fn start(&self, value: Vec<u8>) -> Result<()> {
        let result = self.actor.boundary().started(self.key, value);
        result.map_err(|refusal| Error::refused("started", refusal))
    }

    /// Callee, once: sends what is left, then the ending.
    pub(crate) fn finish(&self, ending: Ending) {
        let mut state = lock(&self.state);
        state.flush(self);
        state.half = Half::Closed;
        // Refused only if the context has ended otherwise, and then nobody waits for this.
        self.actor.boundary().finish(self.key, ending).ok();
        drop(state);
        self.actor.forget(self.key);
    }

    /// Asks the host for a cancel, once.
    pub(crate) fn cancel(&self, reason: Option<String>) {
        let mut state = lock(&self.state);
        if state.cancel_sent || state.outcome.is_some() {
            return;
        }
        state.cancel_sent = true;
        state.flush(self);
        // Refused only if the context has ended meanwhile, which is what was asked for.
        self.actor.boundary().cancel(self.key, reason).ok();
    }

    pub(crate) fn open_stream(&self) -> Result<()> {
        let mut state = lock(&self.state);
        state.may_open_stream(self)?;
        match self.actor.boundary().stream_open(self.key) {
            Ok(()) => {}
            // The callee has returned already; what it sent before is still to be received.
            Err(Refusal::Ended) if self.side == Side::Caller && !state.cancel_sent => {}
            Err(refusal) => return Err(Error::refused("stream", refusal)),
        }
        state.half = Half::Open;
        Ok(())
    }

    /// Sends no more and discards what is queued, now and later. Idempotent.
    pub(crate) fn close_stream(&self) {
        let mut state = lock(&self.state);
        state.stop(self);
        state.half = Half::Closed;
        for batch in std::mem::take(&mut state.inbox) {
            state.taken.add_batch(&batch);
        }
        state.give_back(self);
        let after = state.wake(&[On::Receive, On::Send]);
        drop(state);
        after.run();
    }

    /// Sends no more, and goes on receiving. Idempotent.
    pub(crate) fn stop_sending(&self) {
        let mut state = lock(&self.state);
        state.stop(self);
        let after = state.wake(&[On::Send]);
        drop(state);
        after.run();
    }

    /// Sends what is in the buffer, and gives back what was taken if it is worth it.
    pub(crate) fn flush(&self) {
        let mut state = lock(&self.state);
        state.dirty = false;
        state.flush(self);
        if state.has_taken_half() {
            state.give_back(self);
        }
    }

    /// The next message as `read` reads it; `None` to wait for it.
    pub(crate) fn receive<T>(
        self: &Arc<Self>,
        state: &mut LinkState,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Option<Result<Option<T>>> {
        match state.check(self) {
            Err(error) => Some(Err(error)),
            Ok(()) => match state.take(read) {
                Some(message) => {
                    state.gather_credit(self);
                    Some(Ok(Some(message)))
                }
                None if state.peer_stopped || state.outcome.is_some() => Some(Ok(None)),
                None => {
                    state.give_back_idle(self);
                    None
                }
            },
        }
    }

    /// Puts a message into the buffer; `None` to wait for credit. `need` is the size of a message that
    /// did not fit before, so that it is not encoded in vain.
    pub(crate) fn send<T: Serialize>(
        self: &Arc<Self>,
        state: &mut LinkState,
        value: &T,
        need: &mut usize,
    ) -> Option<Result<()>> {
        match state.check(self).and_then(|()| state.check_sendable()) {
            Err(error) => Some(Err(error)),
            Ok(()) if state.credit.allows(*need) => state.push(self, value, need),
            Ok(()) => None,
        }
    }
}

impl LinkState {
    fn waiters(&mut self, on: On) -> &mut Waiters {
        match on {
            On::Receive => &mut self.receivers,
            On::Send => &mut self.senders,
            On::Progress => &mut self.observers,
        }
    }

    fn wake(&mut self, which: &[On]) -> Aftermath {
        let mut after = Aftermath::default();
        for on in which {
            self.waiters(*on).drain_into(&mut after.wakers);
        }
        after
    }

    fn is_anybody_parked(&self) -> bool {
        !(self.receivers.is_empty() && self.senders.is_empty() && self.observers.is_empty())
    }

    /// Ends the block of this context if its outcome is somebody else's doing.
    fn end_scope(&self, link: &Link) -> Aftermath {
        let cancellation = self.outcome.as_ref().and_then(cancellation_of);
        let cancel = match (&self.scope, cancellation) {
            (Some(scope), Some(c)) if !self.is_echo(link, &c) => vec![(scope.clone(), c)],
            _ => Vec::new(),
        };
        Aftermath {
            wakers: Woken::default(),
            cancel,
        }
    }

    /// Is this our own cancel, come back (semantics 5)?
    pub(crate) fn is_echo(&self, link: &Link, cancellation: &Cancellation) -> bool {
        self.cancel_called && cancellation.canceller == *link.actor.me()
    }

    fn may_open_stream(&self, link: &Link) -> Result<()> {
        if let Some(error) = self.outcome.as_ref().and_then(failure) {
            return Err(error);
        }
        if self.cancel_called {
            return Err(Error::invalid(format!("{}: cancelled already", link.endpoint)));
        }
        match self.half {
            Half::Unopened => Ok(()),
            _ => Err(Error::refused("stream", Refusal::StreamAlreadyOpened)),
        }
    }

    /// What every use of the stream checks first: the peer's failure, our stream, our scope.
    fn check(&self, link: &Link) -> Result<()> {
        match (&self.outcome, self.half) {
            (None | Some(Outcome::Returned(_)), Half::Open) => scope::check_or(self.scope.as_ref()),
            _ => Err(self.unusable(link)),
        }
    }

    #[cold]
    fn unusable(&self, link: &Link) -> Error {
        let failed = self.outcome.as_ref().and_then(failure);
        failed.unwrap_or_else(|| Error::invalid(format!("{}: the stream was left", link.endpoint)))
    }

    fn check_sendable(&self) -> Result<()> {
        match self.outcome {
            Some(_) => Err(Error::invalid("send: the peer has returned and receives no more")),
            None if self.stopped => Err(Error::invalid("send: this side has stopped sending")),
            None => Ok(()),
        }
    }

    fn stop(&mut self, link: &Link) {
        if self.half != Half::Open || std::mem::replace(&mut self.stopped, true) {
            return;
        }
        self.flush(link);
        // Refused only if the context has ended.
        link.actor.boundary().stop(link.key).ok();
    }

    /// Reads the oldest message, at the front of the oldest batch. It is read in place: to cut it out
    /// would cost more than to read it.
    fn take<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let batch = self.inbox.front_mut()?;
        // The host walks every batch before it forwards it, so lengths add up.
        let (message, _) = split_message(batch)?;
        let length = message.len();
        let value = read(message);
        batch.advance(PREFIX + length);
        if batch.is_empty() {
            self.inbox.pop_front();
        }
        self.taken.add(length);
        Some(value)
    }

    /// Credit returns by halves of the window: often enough that the peer need not wait, rarely enough
    /// that it costs nothing.
    fn has_taken_half(&self) -> bool {
        let half_messages = self.taken.messages.saturating_mul(2) >= self.window.messages;
        half_messages || self.taken.bytes.saturating_mul(2) >= u64::from(self.window.bytes)
    }

    /// What is taken between two flushes goes back as one: nobody would hear of it earlier.
    fn gather_credit(&mut self, link: &Arc<Link>) {
        if self.has_taken_half() {
            self.mark_dirty(link);
        }
    }

    fn mark_dirty(&mut self, link: &Arc<Link>) {
        if !std::mem::replace(&mut self.dirty, true) {
            link.actor.mark_dirty(link);
        }
    }

    /// A receiver that waits keeps back too little for a large message of the peer's to wait for it.
    fn give_back_idle(&mut self, link: &Link) {
        if Credit::is_worth_giving(self.window, self.taken.messages, self.taken.bytes) {
            self.give_back(link);
        }
    }

    fn give_back(&mut self, link: &Link) {
        let taken = std::mem::take(&mut self.taken);
        if taken.messages == 0 || self.peer_stopped || self.outcome.is_some() {
            return;
        }
        let bytes = u32::try_from(taken.bytes).unwrap_or(u32::MAX);
        // Refused only if the context has ended.
        link.actor.boundary().credit(link.key, taken.messages, bytes).ok();
    }

    fn push<T: Serialize>(&mut self, link: &Arc<Link>, value: &T, need: &mut usize) -> Option<Result<()>> {
        let start = self.out.len();
        let length = match write_message(&mut self.out, value) {
            Ok(length) => length,
            Err(error) => return Some(Err(error)),
        };
        if !self.credit.take(length) {
            self.out.truncate(start);
            *need = length;
            return None;
        }
        self.out_messages += 1;
        Some(self.pushed(link, start))
    }

    /// A message was added at `start`: is it time to send? One that is larger than a batch travels alone
    /// and at once, so that its sender learns if it is refused.
    fn pushed(&mut self, link: &Arc<Link>, start: usize) -> Result<()> {
        if self.out.len() - start > BATCH_BYTES {
            return self.send_large(link, start);
        }
        if self.out.len() >= BATCH_BYTES || self.out_messages >= BATCH_MESSAGES {
            self.flush(link);
        } else {
            self.mark_dirty(link);
        }
        Ok(())
    }

    fn send_large(&mut self, link: &Link, start: usize) -> Result<()> {
        if start > 0 {
            let large = self.out.split_off(start);
            self.out_messages -= 1;
            self.flush(link);
            self.out = large;
        }
        let sent = link.actor.boundary().send_batch(link.key, &self.out);
        self.out_messages = 0;
        self.out.clear();
        self.out.shrink_to(LARGEST_KEPT);
        sent.map_err(|refusal| Error::refused("send", refusal))
    }

    fn flush(&mut self, link: &Link) {
        if self.out.is_empty() {
            return;
        }
        match link.actor.boundary().send_batch(link.key, &self.out) {
            Ok(()) | Err(Refusal::Ended | Refusal::UnknownKey) => {}
            Err(refusal) => self.refused(link, refusal),
        }
        self.out_messages = 0;
        self.out.clear();
    }

    /// Messages were accepted from the task and refused by the host: not to be kept quiet.
    fn refused(&mut self, link: &Link, refusal: Refusal) {
        let message = format!(
            "{} messages to {} were not sent: {refusal}",
            self.out_messages, self.peer
        );
        link.actor.boundary().log(Level::Error, "steading", &message, &[]);
        self.local_error = Some(Error::fault(ErrorKind::Internal, message));
    }
}

impl Amount {
    fn add(&mut self, length: usize) {
        self.messages += 1;
        self.bytes += length as u64;
    }

    fn add_batch(&mut self, mut batch: &[u8]) {
        while let Some((message, rest)) = split_message(batch) {
            self.add(message.len());
            batch = rest;
        }
    }
}

/// Writes a length and a payload; answers how long the payload is.
fn write_message<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<usize> {
    let start = out.len();
    let message = Uncommitted { out, start };
    message.out.extend_from_slice(&[0; PREFIX]);
    codec::encode_into(message.out, value)?;
    let length = message.out.len() - start - PREFIX;
    let prefix = u32::try_from(length).map_err(|_| Error::refused("send", Refusal::TooLarge))?;
    message.out[start..start + PREFIX].copy_from_slice(&prefix.to_le_bytes());
    message.commit();
    Ok(length)
}

/// A message that is being written; taken back if its serialiser fails or panics.
struct Uncommitted<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl Uncommitted<'_> {
    fn commit(self) {
        std::mem::forget(self);
    }
}

impl Drop for Uncommitted<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.start);
    }
}

/// A future that waits on a link.
struct Parked<'a> {
    link: &'a Link,
    on: On,
    slot: Slot,
}

impl<'a> Parked<'a> {
    fn new(link: &'a Link, on: On) -> Self {
        let slot = Slot::default();
        Self { link, on, slot }
    }

    fn poll<T>(&mut self, step: impl FnOnce(&mut LinkState) -> Option<T>, waker: &Waker) -> Poll<T> {
        let mut state = lock(&self.link.state);
        match step(&mut state) {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.waiters(self.on).register(&mut self.slot, waker);
                Poll::Pending
            }
        }
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if self.slot.is_taken() {
            // Bound, so that the waker is dropped after the lock.
            let _waker = lock(&self.link.state).waiters(self.on).remove(&self.slot);
        }
    }
}

/// What ends a block whose context ended like this.
fn cancellation_of(outcome: &Outcome) -> Option<Cancellation> {
    match outcome {
        Outcome::Returned(_) => None,
        Outcome::Cancelled(cancellation) => Some(cancellation.clone()),
        Outcome::Failed(error) => Some(match &error.kind {
            ErrorKind::Cancelled(cancellation) => cancellation.clone(),
            kind => Cancellation {
                canceller: error.source.clone(),
                reason: Some(error.message.clone()),
                cause: match kind {
                    ErrorKind::LinkClosed => Cause::PeerLost,
                    _ => Cause::Requested,
                },
            },
        }),
    }
}
