//! Messages inside a context, and the credit that bounds them (semantics 8).

use bytes::Bytes;
use steading_types::{Credit, Event, Key, Refusal, split_message};

use super::Core;
use super::context::Context;
use crate::frame::Frame;

impl<P: Clone> Core<P> {
    /// Opens this side's half of the stream.
    ///
    /// # Errors
    /// `NotStarted` before `started`, `StreamAlreadyOpened` the second time, `Ended` after the outcome
    /// or a cancel.
    pub fn stream_open(&mut self, key: Key) -> Result<(), Refusal> {
        let context = self.contexts.get_mut(key).ok_or(Refusal::UnknownKey)?;
        if context.is_over() || context.cancel.is_some() {
            return Err(Refusal::Ended);
        }
        if !context.is_started() {
            return Err(Refusal::NotStarted);
        }
        if std::mem::replace(&mut context.sending.opened, true) {
            return Err(Refusal::StreamAlreadyOpened);
        }
        Ok(())
    }

    /// Sends whole messages; all of them, or none.
    ///
    /// # Errors
    /// `NoCredit` beyond what the receiver granted, `MalformedBatch`, `TooLarge`, `StreamNotOpen`,
    /// `Ended`.
    pub fn send_batch(&mut self, key: Key, batch: &[u8]) -> Result<(), Refusal> {
        let context = self.contexts.get_mut(key).ok_or(Refusal::UnknownKey)?;
        check_sending(context)?;
        if batch.is_empty() {
            // It would cost no credit, and so could be sent without end.
            return Ok(());
        }
        let (credit, messages) = charge(context.sending.credit, batch, self.limits.payload)?;
        if messages > 1 && batch.len() > self.limits.batch + 4 * messages as usize {
            return Err(Refusal::TooLarge);
        }
        context.sending.credit = credit;
        self.send_to_peer(
            key,
            Frame::Yield {
                batch: Bytes::copy_from_slice(batch),
                messages,
            },
        );
        Ok(())
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
        if context.is_over() || std::mem::replace(&mut context.sending.stopped, true) {
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
        let bytes = context.receiving.take(messages, bytes);
        if messages > 0 && !context.receiving.stopped && !context.is_over() {
            self.send_to_peer(key, Frame::Credit { messages, bytes });
        }
        Ok(())
    }

    pub(super) fn handle_yield(&mut self, key: Key, batch: Bytes, messages: u32) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if context.is_over() || context.receiving.stopped {
            self.dropped.unexpected += 1;
            return;
        }
        context.receiving.messages += messages;
        context.receiving.bytes += (batch.len() - 4 * messages as usize) as u64;
        if is_released(context) {
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
        } else if !is_released(context) {
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
        context.sending.credit.give(messages, bytes);
        if !is_released(context) {
            self.tell(Event::Credit {
                context: key,
                messages,
                bytes,
            });
        }
    }
}

fn is_released<P>(context: &mut Context<P>) -> bool {
    context.as_caller().is_some_and(|caller| caller.released)
}

fn check_sending<P>(context: &Context<P>) -> Result<(), Refusal> {
    if !context.sending.opened {
        return Err(Refusal::StreamNotOpen);
    }
    if context.sending.stopped || context.is_over() {
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
