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
    ActorId, Cancellation, Cause, Credit, Ending, ErrorKind, Flow, Key, Outcome, Policy, Refusal, Window, split_message,
};

use crate::broadcast::Broadcast;
use crate::context::Side;
use crate::endpoint;
use crate::error::{Error, Result};
use crate::lock;
use crate::policy::{Amount, Keeping, returned_by};
use crate::runtime::{Actor, failure};
use crate::scope::{self, Node, Watch};
use crate::waiters::{Slot, Waiters, Woken};

/// What a length takes.
pub(crate) const PREFIX: usize = 4;

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
pub(crate) enum Half {
    Unopened,
    Open,
    Closed,
}

/// What waits for which change.
#[derive(Clone, Copy)]
pub(crate) enum On {
    Receive,
    Send,
    Progress,
}

/// What a receiving task gets.
pub(crate) enum Received<T> {
    Message(T),
    End,
    /// The stream is a broadcast now: to be read as one of its readers.
    Shared,
}

pub(crate) struct LinkState {
    pub(crate) peer: ActorId,
    /// The value given to `started`, until the block takes it.
    pub(crate) started: Option<Bytes>,
    pub(crate) outcome: Option<Outcome>,
    /// A callee's own ending, not something it was told.
    pub(crate) outcome_is_own: bool,
    pub(crate) local_error: Option<Error>,
    /// The user of this side asked for the cancel.
    pub(crate) cancel_called: bool,
    /// This side had the callee cancelled because its own block failed or was cancelled.
    pub(crate) cancel_implied: bool,
    /// The scope of this side's body was cancelled for this context, and that ended the body.
    pub(crate) cancelled_caught: bool,
    /// The host was asked, by the user or by a teardown.
    cancel_sent: bool,
    /// Another task asked while the body waited on this context: the answer ends the body if that has gone
    /// on to wait elsewhere by then.
    echo_ends_body: bool,
    scope: Option<Arc<Node>>,
    pub(crate) half: Half,
    /// The stream was open, or is.
    pub(crate) streamed: bool,
    /// Futures of this side's body that wait on this context.
    parked_inside: u32,
    /// This side has said that it sends no more.
    stopped: bool,
    /// It has, and its host has yet to hear so: what it sent before has to go first.
    pub(crate) stop_waits: bool,
    /// There was no room at this actor's own host for what it has sent.
    pub(crate) withheld: bool,
    peer_stopped: bool,
    /// A receiver was told of the end: so is who asks again.
    end_told: bool,
    pub(crate) inbox: VecDeque<Bytes>,
    pub(crate) keeping: Keeping,
    pub(crate) broadcast: Option<Box<Broadcast>>,
    /// By its parts, credit goes back.
    pub(crate) window: Window,
    /// Messages that the ring of a broadcast holds: one window.
    pub(crate) ring: u32,
    /// Taken, and not yet given back as credit.
    pub(crate) taken: Amount,
    /// What the peer is still ready to receive.
    pub(crate) credit: Credit,
    /// A message beyond it ends the context: the peer does not wait.
    overruns: bool,
    /// How this side has broken the context off.
    pub(crate) broken: Option<Error>,
    pub(crate) out: Vec<u8>,
    pub(crate) out_messages: u32,
    /// That messages of a task's were not sent after all, until it is told.
    pub(crate) unsent: Option<Error>,
    /// The actor will flush this.
    pub(crate) dirty: bool,
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
            outcome_is_own: false,
            local_error: None,
            cancel_called: false,
            cancel_implied: false,
            cancelled_caught: false,
            cancel_sent: false,
            echo_ends_body: false,
            scope: None,
            half: Half::Unopened,
            streamed: false,
            parked_inside: 0,
            stopped: false,
            stop_waits: false,
            withheld: false,
            peer_stopped: false,
            end_told: false,
            inbox: VecDeque::new(),
            keeping: Keeping::ALL,
            broadcast: None,
            window: returned_by(window),
            ring: returned_by(window).messages,
            taken: Amount::NONE,
            credit: Credit::new(nothing),
            overruns: false,
            broken: None,
            out: Vec::new(),
            out_messages: 0,
            unsent: None,
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
            // As a receiver that waits would: nobody here will ever take more.
            state.give_back_idle(self);
            return Aftermath::default();
        }
        match state.keeping.latest {
            None => state.inbox.push_back(batch),
            Some(_) => state.keep_latest(self, batch),
        }
        let mut after = Aftermath::default();
        state.receivers.drain_into(&mut after.wakers);
        after
    }

    pub(crate) fn on_stop(&self) -> Aftermath {
        let mut state = lock(&self.state);
        state.peer_stopped = true;
        state.wake(&[On::Receive])
    }

    pub(crate) fn on_credit(&self, messages: u32, bytes: u32) -> Aftermath {
        let mut state = lock(&self.state);
        state.credit.give(messages, bytes);
        state.retry(self);
        state.wake(&[On::Send])
    }

    pub(crate) fn on_flow(&self, policy: Policy, window: Window) -> Aftermath {
        let mut state = lock(&self.state);
        state.overruns = policy.is_fatal();
        state.credit.rewindow(window);
        state.retry(self);
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
        // A body that is parked on this context is told there; otherwise it is ended where it is (semantics
        // 6, "parked elsewhere"). Other tasks of this actor that wait here make no difference to it.
        let parked = self.side == Side::Caller && state.parked_inside > 0;
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
        result.map_err(|refusal| Error::refused("started", refusal))?;
        lock(&self.state).started = Some(Bytes::new());
        Ok(())
    }

    /// Callee, once: sends what is left, then the ending.
    pub(crate) fn finish(&self, ending: Ending) {
        let unsent = self.with(|state| {
            state.flush_last(self);
            state.unsent.take()
        });
        let ending = match (ending, unsent) {
            // Its messages were not sent after all, and it does not know.
            (Ending::Returned(_), Some(error)) => Ending::Failed(Box::new(error.to_boxed(self.actor.me()))),
            (ending, _) => ending,
        };
        let outcome = endpoint::outcome(self, &ending);
        let mut state = lock(&self.state);
        state.half = Half::Closed;
        if state.outcome.is_none() {
            state.outcome = Some(outcome);
            state.outcome_is_own = true;
        }
        // Refused only if the context has ended otherwise, and then nobody waits for this.
        self.actor.boundary().finish(self.key, ending).ok();
        drop(state);
        self.actor.forget(self.key);
    }

    /// Asks the host for a cancel, once.
    pub(crate) fn cancel(&self, reason: Option<String>, cause: Cause) {
        let mut state = lock(&self.state);
        if state.cancel_sent || state.outcome.is_some() {
            return;
        }
        state.cancel_sent = true;
        state.flush(self);
        // Refused only if the context has ended meanwhile, which is what was asked for.
        self.actor.boundary().cancel(self.key, reason, cause).ok();
    }

    /// The user cancels, from the body's own task or not: whether that ends the body at once. One that waits
    /// on this context is told there, by the answer. `None`: the context is over.
    pub(crate) fn note_cancel(&self, own: bool) -> Option<bool> {
        let mut state = lock(&self.state);
        state.cancel_called = true;
        let parked = state.parked_inside > 0;
        state.echo_ends_body |= !own && parked;
        state.outcome.is_none().then_some(!own && !parked)
    }

    /// A payload of the peer's does not have its type: this side fails with that, and the peer is told.
    pub(crate) fn reject(&self, error: &Error) {
        let mut state = lock(&self.state);
        state.local_error.get_or_insert_with(|| error.clone());
        if state.broken.is_some() || state.outcome.is_some() {
            return;
        }
        state.broken = Some(error.clone());
        // Refused only if the context has ended meanwhile.
        self.actor.boundary().reject(self.key, &error.message()).ok();
    }

    pub(crate) fn open_stream(&self, flow: Option<Flow>) -> Result<()> {
        let mut state = lock(&self.state);
        state.may_open_stream(self)?;
        match self.actor.boundary().stream_open(self.key, flow) {
            Ok(()) => {}
            // The callee has returned already; what it sent before is still to be received.
            Err(Refusal::Ended) if self.side == Side::Caller && !state.cancel_sent => {}
            Err(refusal) => return Err(Error::refused("stream", refusal)),
        }
        state.half = Half::Open;
        state.streamed = true;
        if let Some(flow) = flow {
            state.choose(self, flow);
        }
        Ok(())
    }

    /// Sends no more and discards what is queued, now and later. Idempotent.
    pub(crate) fn close_stream(&self) {
        let mut state = lock(&self.state);
        state.stop(self);
        state.half = Half::Closed;
        state.discard();
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

    /// Waits until what the stream has sent could leave, where there was no room for it at this actor's own host.
    pub(crate) async fn wait_until_sent(self: &Arc<Self>) -> Result<()> {
        if !self.with(|state| state.stop_waits) {
            return Ok(());
        }
        self.wait(On::Send, |state| match (&state.outcome, state.stop_waits) {
            (None, true) => scope::check_or(state.scope.as_ref()).err().map(Err),
            _ => Some(Ok(())),
        })
        .await
    }

    /// Gives back what was taken if it is worth it, and sends what is in the buffer: in this order, because an
    /// answer may be what the peer waits for to send more.
    pub(crate) fn flush(&self) {
        let mut state = lock(&self.state);
        state.dirty = false;
        if state.has_taken_half() {
            state.give_back(self);
        }
        state.flush(self);
    }

    /// The next message as `read` reads it, in the usual case: there is one, and nothing is in the way.
    /// `None` says nothing; [`receive`](Self::receive) has the answer.
    #[inline]
    pub(crate) fn receive_ready<T>(self: &Arc<Self>, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mut state = lock(&self.state);
        if state.broadcast.is_some() || state.check(self).is_err() {
            return None;
        }
        let message = state.take(read)?;
        state.gather_credit(self);
        Some(message)
    }

    /// The next message as `read` reads it; `None` to wait for it.
    pub(crate) fn receive<T>(
        self: &Arc<Self>,
        state: &mut LinkState,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Option<Result<Received<T>>> {
        match state.check(self) {
            Err(error) => Some(Err(error)),
            Ok(()) if state.broadcast.is_some() => Some(Ok(Received::Shared)),
            Ok(()) => {
                let received = self.receive_one(state, read)?;
                Some(received.map(|message| message.map_or(Received::End, Received::Message)))
            }
        }
    }

    /// As [`receive`](Self::receive), whoever else reads.
    pub(crate) fn receive_one<T>(
        self: &Arc<Self>,
        state: &mut LinkState,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Option<Result<Option<T>>> {
        match state.take(read) {
            Some(message) => {
                state.gather_credit(self);
                Some(Ok(Some(message)))
            }
            None if state.is_at_end() => {
                state.end_told = true;
                Some(Ok(None))
            }
            None => {
                state.give_back_idle(self);
                None
            }
        }
    }

    /// Puts a message into the buffer; `None` to wait for credit. `need` is the size of a message that
    /// did not fit before, so that it is not encoded in vain. `insist`: go beyond the credit, and take the
    /// consequences, if the receiver does not want to be waited for.
    pub(crate) fn send<T: Serialize>(
        self: &Arc<Self>,
        state: &mut LinkState,
        value: &T,
        need: &mut usize,
        insist: bool,
    ) -> Option<Result<()>> {
        let insist = insist && state.overruns;
        match state.check(self).and_then(|()| state.check_sendable()) {
            Err(error) => Some(Err(error)),
            Ok(()) if state.withheld => None,
            Ok(()) if insist || state.credit.may_allow(*need) => state.push(self, value, need, insist),
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

    /// How many tasks wait for a message.
    pub(crate) fn waiting(&self) -> usize {
        self.receivers.len()
    }

    pub(crate) fn wake(&mut self, which: &[On]) -> Aftermath {
        let mut after = Aftermath::default();
        for on in which {
            self.waiters(*on).drain_into(&mut after.wakers);
        }
        after
    }

    /// Has this side asked for the cancel: explicitly, by failing, or in advance, by a deadline? Not if the block was
    /// ended by another's, and told its callee so.
    pub(crate) fn has_asked(&self, link: &Link) -> bool {
        let by_deadline = |c: &Cancellation| c.cause == Cause::Deadline && c.canceller == *link.actor.me();
        let outcome = self.outcome.as_ref().and_then(cancellation_of);
        self.cancel_called || self.cancel_implied || !self.cancel_sent && outcome.as_ref().is_some_and(by_deadline)
    }

    /// Ends the block of this context if its outcome is not the doing of the block's own task.
    fn end_scope(&self, link: &Link) -> Aftermath {
        let cancellation = self.outcome.as_ref().and_then(cancellation_of);
        let cancel = match (&self.scope, cancellation) {
            (Some(scope), Some(c)) if self.echo_ends_body || !self.is_echo(link, &c) => vec![(scope.clone(), c)],
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

    /// Is this error the cancellation of our body by our own cancel of this context?
    pub(crate) fn is_own(&self, link: &Link, error: &Error) -> bool {
        let raised = self.scope.as_ref().is_some_and(|scope| scope.has_raised(error));
        raised
            && error
                .cancellation()
                .is_some_and(|cancellation| self.is_echo(link, cancellation))
    }

    fn may_open_stream(&self, link: &Link) -> Result<()> {
        if let Some(error) = self.outcome.as_ref().and_then(failure) {
            return Err(error);
        }
        if self.cancel_called {
            return Err(Error::invalid(format!("{}: cancelled already", link.endpoint)));
        }
        scope::check_or(self.scope.as_ref())?;
        match self.half {
            Half::Unopened => Ok(()),
            _ => Err(Error::refused("stream", Refusal::StreamAlreadyOpened)),
        }
    }

    /// What every use of the stream checks first: the peer's failure, our stream, our scope.
    #[inline]
    pub(crate) fn check(&self, link: &Link) -> Result<()> {
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

    #[inline]
    fn check_sendable(&self) -> Result<()> {
        match (&self.broken, &self.outcome, self.stopped) {
            (None, None, false) => Ok(()),
            _ => Err(self.unsendable()),
        }
    }

    #[cold]
    fn unsendable(&self) -> Error {
        match (&self.broken, &self.outcome) {
            (Some(error), _) => error.clone(),
            (None, Some(_)) => Error::invalid("send: the peer has returned and receives no more"),
            (None, None) => Error::invalid("send: this side has stopped sending"),
        }
    }

    /// The callee of a cancel leaves its stream before it ends: the answer is what was asked for.
    fn is_at_end(&self) -> bool {
        self.outcome.is_some() || self.end_told || self.peer_stopped && !self.cancel_called
    }

    fn stop(&mut self, link: &Link) {
        if self.half != Half::Open || std::mem::replace(&mut self.stopped, true) {
            return;
        }
        self.flush(link);
        match self.withheld {
            // The stop goes when they have gone.
            true => self.stop_waits = true,
            false => self.say_stop(link),
        }
    }

    pub(crate) fn say_stop(&mut self, link: &Link) {
        self.flush_last(link);
        // Refused only if the context has ended.
        link.actor.boundary().stop(link.key).ok();
    }

    /// Reads the oldest message, at the front of the oldest batch. It is read in place: to cut it out
    /// would cost more than to read it.
    // Always: a call costs a guest a look at its epoch and its stack, a tenth of what is done here.
    #[inline(always)]
    pub(crate) fn take<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let batch = self.inbox.front_mut()?;
        // The host walks every batch before it forwards it, so lengths add up.
        let (message, _) = split_message(batch)?;
        let length = message.len();
        let value = read(message);
        batch.advance(PREFIX + length);
        if batch.is_empty() {
            self.inbox.pop_front();
        }
        match self.keeping.latest {
            None => self.taken.add(length),
            // It counted as taken when it came.
            Some(_) => self.keeping.queued.remove(length),
        }
        Some(value)
    }

    /// Nobody will take what is here.
    fn discard(&mut self) {
        let batches = std::mem::take(&mut self.inbox);
        match self.keeping.latest {
            None => batches.iter().for_each(|batch| self.taken.add_batch(batch)),
            Some(_) => self.keeping.queued = Amount::NONE,
        }
    }

    /// Credit returns by halves of the window: often enough that the peer need not wait, rarely enough
    /// that it costs nothing.
    #[inline]
    fn has_taken_half(&self) -> bool {
        let Window { messages, bytes } = self.window;
        self.taken.messages >= messages.div_ceil(2) || self.taken.bytes >= u64::from(bytes.div_ceil(2))
    }

    /// What is taken between two flushes goes back as one: nobody would hear of it earlier.
    #[inline]
    fn gather_credit(&mut self, link: &Arc<Link>) {
        if !self.dirty && self.has_taken_half() {
            self.mark_dirty(link);
        }
    }

    #[inline]
    pub(crate) fn mark_dirty(&mut self, link: &Arc<Link>) {
        if !std::mem::replace(&mut self.dirty, true) {
            link.actor.mark_dirty(link);
        }
    }

    /// A receiver that waits keeps back too little for a large message of the peer's to wait for it.
    pub(crate) fn give_back_idle(&mut self, link: &Link) {
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
}

/// A future that waits on a link.
struct Parked<'a> {
    link: &'a Link,
    on: On,
    slot: Slot,
    /// It is awaited by the body of this context's block itself, not by a task that the body has started.
    inside: bool,
}

impl<'a> Parked<'a> {
    fn new(link: &'a Link, on: On) -> Self {
        Self {
            link,
            on,
            slot: Slot::default(),
            inside: false,
        }
    }

    fn count(&mut self, state: &mut LinkState) {
        self.inside = self.link.side == Side::Caller && scope::is_current_task_of(state.scope.as_ref());
        state.parked_inside += u32::from(self.inside);
    }

    fn poll<T>(&mut self, step: impl FnOnce(&mut LinkState) -> Option<T>, waker: &Waker) -> Poll<T> {
        let mut state = lock(&self.link.state);
        match step(&mut state) {
            Some(answer) => Poll::Ready(answer),
            None => {
                if !self.slot.is_taken() {
                    self.count(&mut state);
                }
                let _replaced = state.waiters(self.on).register(&mut self.slot, waker);
                drop(state);
                Poll::Pending
            }
        }
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if self.slot.is_taken() {
            let mut state = lock(&self.link.state);
            state.parked_inside -= u32::from(self.inside);
            // Bound, so that the waker is dropped after the lock.
            let _waker = state.waiters(self.on).remove(&self.slot);
            drop(state);
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
