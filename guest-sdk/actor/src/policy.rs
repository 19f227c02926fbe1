//! What becomes of messages beyond the window (semantics 8): the receiver's choice, and where it is kept.
//!
//! *Block* needs nothing but credit. *Overrun-error* and *buffer* are the sender's side: the host of a
//! sender without credit ends its context, and the task is told here. *Drop-oldest* is the receiver's
//! side: messages count as taken when they arrive, so that credit goes back at once, and what the task
//! has not taken is a ring of one window. The sender therefore waits for the receiving actor to have a
//! turn, never for its task, and what is on its way stays bounded.

use steading_types::{BoxedError, Flow, Policy, Refusal, Window, split_message};

use crate::error::{Error, Result};
use crate::link::{Link, LinkState};

/// How to receive on a stream.
///
/// ```
/// # use steading_actor::{Policy, StreamOptions};
/// let latest_only = StreamOptions::new().policy(Policy::DropOldest).messages(8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    flow: Flow,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamOptions {
    /// The default window of 64 messages and 1 MiB, for which the sender waits.
    pub const fn new() -> Self {
        Self {
            flow: Flow {
                policy: Policy::Block,
                window: Window::DEFAULT,
            },
        }
    }

    /// What becomes of a message for which there is no room.
    ///
    /// [`Policy::Block`] lets the sender wait. [`Policy::OverrunError`] fails the context at both ends with
    /// an error of kind `Overrun` whose source is the sender; [`Policy::Buffer`] does so after that many
    /// messages more. [`Policy::DropOldest`] keeps the latest window of messages;
    /// [`Stream::lost`](crate::Stream::lost) counts the others.
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.flow.policy = policy;
        self
    }

    /// How much may be on its way. What was sent before this stream opened counts against it. The host
    /// cuts what exceeds its own limit.
    pub const fn window(mut self, window: Window) -> Self {
        self.flow.window = window;
        self
    }

    /// How many messages may be on their way.
    pub const fn messages(mut self, messages: u32) -> Self {
        self.flow.window.messages = messages;
        self
    }

    pub(crate) fn flow(self) -> Flow {
        self.flow
    }
}

/// What this side keeps of the messages that came.
#[derive(Clone, Copy)]
pub(crate) struct Keeping {
    /// How much, if the oldest are dropped.
    pub(crate) latest: Option<Window>,
    /// What waits here, counted only if the oldest are dropped.
    pub(crate) queued: Amount,
    /// Messages that were dropped.
    pub(crate) lost: u64,
}

impl Keeping {
    pub(crate) const ALL: Self = Self {
        latest: None,
        queued: Amount::NONE,
        lost: 0,
    };

    fn has_too_many(&self) -> bool {
        self.latest.is_some_and(|keep| {
            let Amount { messages, bytes } = self.queued;
            messages > 1 && (messages > keep.messages || bytes > u64::from(keep.bytes))
        })
    }
}

/// Messages and payload bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Amount {
    pub(crate) messages: u32,
    pub(crate) bytes: u64,
}

impl Amount {
    pub(crate) const NONE: Self = Self { messages: 0, bytes: 0 };

    pub(crate) fn add(&mut self, length: usize) {
        self.messages += 1;
        self.bytes += length as u64;
    }

    pub(crate) fn remove(&mut self, length: usize) {
        self.messages -= 1;
        self.bytes -= length as u64;
    }

    pub(crate) fn add_batch(&mut self, mut batch: &[u8]) {
        while let Some((message, rest)) = split_message(batch) {
            self.add(message.len());
            batch = rest;
        }
    }
}

/// The window by whose parts credit goes back. Never more than every host grants, or credit would be kept
/// back for which the sender waits.
pub(crate) fn returned_by(asked: Window) -> Window {
    Window {
        messages: asked.messages.min(Window::DEFAULT.messages),
        bytes: asked.bytes.min(Window::DEFAULT.bytes),
    }
}

/// The window of which every message is worth giving back.
const AT_ONCE: Window = Window { messages: 1, bytes: 1 };

impl LinkState {
    /// This side opens its half of the stream with settings of its own.
    pub(crate) fn choose(&mut self, link: &Link, flow: Flow) {
        let granted = returned_by(flow.granted());
        self.ring = granted.messages;
        self.window = match flow.policy.is_fatal() {
            // What is kept back here would be missing there, and be the end of a sender that was in time.
            true => AT_ONCE,
            false => granted,
        };
        if flow.policy == Policy::DropOldest {
            self.keeping.latest = Some(flow.window);
            let batches = std::mem::take(&mut self.inbox);
            batches.into_iter().for_each(|batch| self.keep_latest(link, batch));
        }
    }

    /// A batch arrives of which only the latest messages are to be kept.
    pub(crate) fn keep_latest(&mut self, link: &Link, batch: bytes::Bytes) {
        self.keeping.queued.add_batch(&batch);
        self.taken.add_batch(&batch);
        self.inbox.push_back(batch);
        while self.keeping.has_too_many() && self.take(|_| ()).is_some() {
            self.keeping.lost += 1;
        }
        self.give_back_idle(link);
    }

    /// A message at `start` of the buffer has no credit, and the receiver does not wait. The host knows
    /// better than this task: credit may have come that the task was not told of yet.
    pub(crate) fn send_beyond_credit(&mut self, link: &Link, start: usize, length: usize) -> Result<()> {
        let message = self.out.split_off(start);
        self.flush(link);
        match link.actor.boundary().send_batch(link.key, &message) {
            Ok(()) => {
                self.credit.overdraw(length);
                Ok(())
            }
            // Whether it goes too far shows when there is room for it at this actor's own host.
            Err(Refusal::Limit) => {
                self.withheld = true;
                self.credit.overdraw(length);
                self.out.extend_from_slice(&message);
                self.out_messages += 1;
                Ok(())
            }
            Err(refusal) => Err(self.refusal(link, refusal)),
        }
    }

    /// The host has ended this context because this side went beyond its credit.
    pub(crate) fn overran(&mut self, link: &Link) -> Error {
        let error = Error::from(BoxedError::overrun(link.actor.me().clone(), &self.peer));
        self.local_error.get_or_insert_with(|| error.clone());
        self.broken.get_or_insert(error).clone()
    }

    /// The window became narrower while a batch was waiting here: it goes message by message, as far as it
    /// can; the rest when there is credit.
    pub(crate) fn trickle(&mut self, link: &Link) -> Result<(), Refusal> {
        let batch = std::mem::take(&mut self.out);
        let mut rest = &batch[..];
        let end = loop {
            let Some((_, next)) = split_message(rest) else {
                break Ok(());
            };
            let message = &rest[..rest.len() - next.len()];
            match link.actor.boundary().send_batch(link.key, message) {
                Ok(()) => self.out_messages -= 1,
                Err(refusal) => break Err(refusal),
            }
            rest = next;
        };
        self.out.extend_from_slice(rest);
        end
    }
}
