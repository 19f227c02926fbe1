//! Messages inside a context, and the credit that bounds them (semantics 8).

use bytes::Bytes;
use steading_types::{BoxedError, Cause, Credit, ErrorKind, Event, Flow, Key, Policy, Refusal, Window, split_message};

use super::Core;
use super::context::{Context, Side};
use crate::frame::Frame;

impl<P: Clone> Core<P> {
    /// Opens this side's half of the stream. The peer keeps the window it was granted, and waits when it
    /// is full.
    ///
    /// # Errors
    /// As [`stream_open_with`](Self::stream_open_with).
    pub fn stream_open(&mut self, key: Key) -> Result<(), Refusal> {
        self.stream_open_with(key, None)
    }

    /// Opens this side's half of the stream, with the receiver's own settings. They hold for what is on
    /// its way already, too: it counts against the new window.
    ///
    /// # Errors
    /// `NotStarted` before `started`, `StreamAlreadyOpened` the second time, `Ended` after the outcome
    /// or a cancel, `Limit` for a buffer of more messages than any window may have.
    pub fn stream_open_with(&mut self, key: Key, flow: Option<Flow>) -> Result<(), Refusal> {
        let granted = flow.map(|flow| self.granted(flow)).transpose()?;
        let context = self.contexts.get_mut(key).ok_or(Refusal::UnknownKey)?;
        if context.is_over() || (context.cancel.is_some() && !mutant!(self, StreamAfterCancel)) {
            return Err(Refusal::Ended);
        }
        if !context.is_started() && !mutant!(self, StreamBeforeStarted) {
            return Err(Refusal::NotStarted);
        }
        if std::mem::replace(&mut context.sending.opened, true) {
            return Err(Refusal::StreamAlreadyOpened);
        }
        if let Some((policy, window)) = granted {
            self.send_to_peer(key, Frame::Flow { policy, window });
        }
        Ok(())
    }

    /// What the peer is told of a receiver's settings. A window is cut to the limit, as it is in `Start`;
    /// a buffer is a promise, and one that cannot be kept is refused.
    fn granted(&self, flow: Flow) -> Result<(Policy, Window), Refusal> {
        let (limit, asked) = (self.limits.window, flow.granted());
        if matches!(flow.policy, Policy::Buffer(_)) && asked.messages > limit.messages {
            return Err(Refusal::Limit);
        }
        let window = Window {
            messages: asked.messages.min(limit.messages),
            bytes: asked.bytes.min(limit.bytes),
        };
        Ok((flow.policy, window))
    }

    /// Sends whole messages; all of them, or none.
    ///
    /// # Errors
    /// `NoCredit` beyond what the receiver granted, or `Overrun` if its policy makes that the end of the
    /// context, which [`overrun`](Self::overrun) then has to bring about; `MalformedBatch`, `TooLarge`, `StreamNotOpen`,
    /// `Ended`.
    pub fn send_batch(&mut self, key: Key, batch: &[u8]) -> Result<(), Refusal> {
        let context = self.contexts.get_mut(key).ok_or(Refusal::UnknownKey)?;
        match check_sending(context) {
            Err(Refusal::Ended) if mutant!(self, SendAfterStop) && !context.is_over() => {}
            Err(Refusal::Ended) if mutant!(self, SendAfterFinish) && context.is_over() => {}
            checked => checked?,
        }
        if batch.is_empty() {
            // It would cost no credit, and so could be sent without end.
            return Ok(());
        }
        let (credit, messages) = match charge(context.sending.credit, batch, self.limits.payload) {
            Err(Refusal::NoCredit) if context.sending.fatal == Some(true) => return Err(Refusal::Overrun),
            charged => charged?,
        };
        if messages > 1 && batch.len() > self.limits.batch + 4 * messages as usize {
            return Err(Refusal::TooLarge);
        }
        if !mutant!(self, CreditNotCharged) {
            context.sending.credit = credit;
        }
        self.send_to_peer(
            key,
            Frame::Yield {
                batch: Bytes::copy_from_slice(batch),
                messages,
            },
        );
        Ok(())
    }

    /// The shell had no room for messages of this context, and has some now: the task may try again.
    pub fn tell_room(&mut self, key: Key) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if !context.is_over() && !is_released(context) {
            self.tell(Event::Credit {
                context: key,
                messages: 0,
                bytes: 0,
            });
        }
    }

    /// This side went beyond its credit, and the receiver does not wait: the context ends for it. Not a
    /// part of [`send_batch`](Self::send_batch), which asks for no time, while ending takes some.
    pub fn overrun(&mut self, key: Key) {
        let Some(context) = self.contexts.get(key) else { return };
        let error = BoxedError::overrun(self.me.clone(), &context.peer_id);
        // As the task will see it, and may hand it on.
        self.relays.remember(&error);
        self.break_off(key, error);
    }

    /// A payload of the peer's does not have the type it should. Both sides learn of it.
    ///
    /// # Errors
    /// `UnknownKey`, `Ended` after the outcome.
    pub fn reject(&mut self, key: Key, message: &str) -> Result<(), Refusal> {
        if self.contexts.get(key).ok_or(Refusal::UnknownKey)?.is_over() {
            return Err(Refusal::Ended);
        }
        let mut text = message.to_owned();
        text.truncate(text.floor_char_boundary(LONGEST_COMPLAINT));
        self.break_off(key, self.error(ErrorKind::PayloadMismatch, text));
        Ok(())
    }

    /// A task waits for this context and would wait for ever, as the host has found out: whom it waits for waits for
    /// it. Both sides learn of it, as of a payload that cannot be read.
    pub fn break_deadlock(&mut self, key: Key, text: String) {
        self.break_off(key, self.error(ErrorKind::Deadlock, text));
    }

    /// Ends a context by a fault found on this side: the caller says so to the callee and waits for its
    /// end; the callee's task is cancelled, and says it with its last word.
    pub(super) fn break_off(&mut self, key: Key, mut error: BoxedError) {
        let cancellation = self.cancellation(Some(error.message.clone()), Cause::Requested);
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if context.is_over() || context.broken.is_some() {
            return;
        }
        error.context = context.serial;
        context.broken = Some(Box::new(error.clone()));
        match context.side {
            Side::Caller(_) => {
                self.send_to_peer(key, Frame::Error(Box::new(error)));
                self.cancel_callee(key, cancellation);
            }
            Side::Callee(_) => self.cancel_task(key, cancellation),
        }
    }

    /// Sends no more; nothing can be sent afterwards.
    ///
    /// # Errors
    /// `UnknownKey`, `StreamNotOpen`. Stopping twice, or after the outcome, is no error.
    pub fn stop(&mut self, key: Key) -> Result<(), Refusal> {
        let context = self.contexts.get_mut(key).ok_or(Refusal::UnknownKey)?;
        if !context.sending.opened {
            return Err(Refusal::StreamNotOpen);
        }
        if context.is_over() || (std::mem::replace(&mut context.sending.stopped, true) && !mutant!(self, StopTwice)) {
            return Ok(());
        }
        self.send_to_peer(key, Frame::Stop);
        Ok(())
    }

    /// The receiving task took messages: their credit goes back to the sender. More than came is cut
    /// to what came, so that credit is never created (I24). Bytes go back with a message, and all that
    /// are left with the last one, so that no more credits travel than messages.
    ///
    /// # Errors
    /// `UnknownKey`.
    pub fn credit(&mut self, key: Key, messages: u32, bytes: u32) -> Result<(), Refusal> {
        let context = self.contexts.get_mut(key).ok_or(Refusal::UnknownKey)?;
        let messages = messages.min(context.receiving.messages);
        let mut bytes = context.receiving.take(messages, bytes);
        if mutant!(self, ByteCreditLost) {
            bytes = 0;
        }
        if messages > 0 && !context.receiving.stopped && !context.is_over() {
            self.send_to_peer(key, Frame::Credit { messages, bytes });
        }
        Ok(())
    }

    pub(super) fn handle_yield(&mut self, key: Key, batch: Bytes, messages: u32) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if (context.is_over() && !mutant!(self, DataAfterOutcome)) || context.receiving.stopped {
            self.dropped.unexpected += 1;
            return;
        }
        context.receiving.messages += messages;
        context.receiving.bytes += (batch.len() - 4 * messages as usize) as u64;
        if is_released(context) && !mutant!(self, ReleasedKeepsCredit) {
            // Nobody will take these; without their credit the callee could not come to its end.
            let messages = context.receiving.messages;
            let bytes = context.receiving.take(messages, 0);
            return self.send_to_peer(key, Frame::Credit { messages, bytes });
        }
        self.tell(Event::Data { context: key, batch });
    }

    pub(super) fn handle_stop(&mut self, key: Key) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if context.is_over() || std::mem::replace(&mut context.receiving.stopped, true) {
            self.dropped.unexpected += 1;
        } else if !is_released(context) && !mutant!(self, StopNotTold) {
            self.tell(Event::Stop(key));
        }
    }

    pub(super) fn handle_credit(&mut self, key: Key, messages: u32, bytes: u32) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if context.is_over() || context.sending.stopped {
            return;
        }
        context
            .sending
            .credit
            .give(messages - u32::from(mutant!(self, CreditLeaks)), bytes);
        if !is_released(context) {
            self.tell(Event::Credit {
                context: key,
                messages,
                bytes,
            });
        }
    }

    pub(super) fn handle_flow(&mut self, key: Key, policy: Policy, window: Window) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if context.is_over() || context.sending.fatal.is_some() {
            self.dropped.unexpected += 1;
            return;
        }
        context.sending.fatal = Some(policy.is_fatal());
        context.sending.credit.rewindow(window);
        if !is_released(context) {
            self.tell(Event::Flow {
                context: key,
                policy,
                window,
            });
        }
    }
}

/// Bytes of what a receiver says of a payload it cannot read.
const LONGEST_COMPLAINT: usize = 1 << 10;

fn is_released<P>(context: &mut Context<P>) -> bool {
    context.as_caller().is_some_and(|caller| caller.released)
}

fn check_sending<P>(context: &Context<P>) -> Result<(), Refusal> {
    if !context.sending.opened {
        return Err(Refusal::StreamNotOpen);
    }
    if context.sending.stopped || context.is_over() || context.broken.is_some() {
        return Err(Refusal::Ended);
    }
    Ok(())
}

/// Walks the prefixes once: validates, counts, and takes the credit.
fn charge(mut credit: Credit, mut batch: &[u8], limit: usize) -> Result<(Credit, u32), Refusal> {
    let mut messages = 0;
    while !batch.is_empty() {
        let (message, rest) = split_message(batch).ok_or(Refusal::MalformedBatch)?;
        if message.len() > limit {
            return Err(Refusal::TooLarge);
        }
        if !credit.take(message.len()) {
            return Err(Refusal::NoCredit);
        }
        messages += 1;
        batch = rest;
    }
    Ok((credit, messages))
}
