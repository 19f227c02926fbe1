//! What a task has sent and the host has not yet: the buffer of one context, and how it leaves.
//!
//! Messages are encoded into it one behind the other, each with its credit, and go as one batch: when the
//! actor flushes, or when there is enough. What the host refuses after all (the receiver's window became
//! narrower meanwhile) stays and is tried again; nothing that a task has sent is dropped in silence.

use std::sync::Arc;

use serde::Serialize;
use steading_types::{ErrorKind, Level, Refusal};

use crate::codec;
use crate::error::{Error, Result};
use crate::link::{Link, LinkState, PREFIX};

/// A buffer of this size is sent at once: beyond it, copying costs more than crossing (design, section 1).
const BATCH_BYTES: usize = 64 << 10;
/// So is one of this many messages.
const BATCH_MESSAGES: u32 = 256;
/// A buffer that has grown beyond this for one message is not kept so.
const LARGEST_KEPT: usize = 4 * BATCH_BYTES;

impl LinkState {
    pub(crate) fn push<T: Serialize>(
        &mut self,
        link: &Arc<Link>,
        value: &T,
        need: &mut usize,
        insist: bool,
    ) -> Option<Result<()>> {
        let start = self.out.len();
        let length = match write_message(&mut self.out, value) {
            Ok(length) => length,
            Err(error) => return Some(Err(error)),
        };
        if !self.credit.take(length) {
            if insist {
                return Some(self.send_beyond_credit(link, start, length));
            }
            self.out.truncate(start);
            *need = length;
            return None;
        }
        self.out_messages += 1;
        Some(self.pushed(link, start))
    }

    /// A message was added at `start`: is it time to send? One that is larger than a batch travels alone
    /// and at once, so that its sender learns if it is refused.
    #[inline]
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
            if !self.out.is_empty() {
                self.out.extend_from_slice(&large);
                self.out_messages += 1;
                return Ok(());
            }
            self.out = large;
        }
        let sent = link.actor.boundary().send_batch(link.key, &self.out);
        self.withheld = sent == Err(Refusal::Limit);
        if matches!(sent, Err(Refusal::NoCredit | Refusal::Limit)) {
            return Ok(());
        }
        self.out_messages = 0;
        self.out.clear();
        self.out.shrink_to(LARGEST_KEPT);
        sent.map_err(|refusal| self.refusal(link, refusal))
    }

    pub(crate) fn refusal(&mut self, link: &Link, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Overrun => self.overran(link),
            refusal => self.broken.clone().unwrap_or_else(|| Error::refused("send", refusal)),
        }
    }

    pub(crate) fn flush(&mut self, link: &Link) {
        if self.out.is_empty() {
            return;
        }
        let mut sent = link.actor.boundary().send_batch(link.key, &self.out);
        if matches!(sent, Err(Refusal::NoCredit | Refusal::TooLarge)) {
            sent = self.trickle(link);
        }
        self.withheld = sent == Err(Refusal::Limit);
        match sent {
            // Not open: the context was over before the stream was opened, and this side has yet to hear of it.
            Ok(()) | Err(Refusal::Ended | Refusal::UnknownKey | Refusal::StreamNotOpen) => {}
            // They wait for credit, as their sender would have, or for room at this actor's own host.
            Err(Refusal::NoCredit | Refusal::Limit) => return,
            Err(Refusal::Overrun) => _ = self.overran(link),
            Err(refusal) => self.refused(link, refusal),
        }
        self.out_messages = 0;
        self.out.clear();
    }

    /// There may be credit now for what a narrower window has kept here.
    pub(crate) fn retry(&mut self, link: &Link) {
        if !self.dirty || self.withheld {
            self.flush(link);
        }
        if !self.withheld && std::mem::take(&mut self.stop_waits) {
            self.say_stop(link);
        }
    }

    /// As [`flush`](Self::flush), with nothing to follow.
    pub(crate) fn flush_last(&mut self, link: &Link) {
        self.flush(link);
        if !self.out.is_empty() {
            self.refused(link, Refusal::NoCredit);
            self.out_messages = 0;
            self.out.clear();
        }
    }

    /// Messages were accepted from the task and refused by the host: not to be kept quiet.
    fn refused(&mut self, link: &Link, refusal: Refusal) {
        let message = format!(
            "{} messages to {} were not sent: {refusal}",
            self.out_messages, self.peer
        );
        link.actor.boundary().log(Level::Error, "steading", &message, &[]);
        let error = Error::fault(ErrorKind::Internal, message);
        self.local_error.get_or_insert_with(|| error.clone());
        self.unsent.get_or_insert(error);
    }
}

/// Writes a length and a payload; answers how long the payload is.
fn write_message<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<usize> {
    let start = out.len();
    let message = Uncommitted { out, start };
    message.out.extend_from_slice(&[0; PREFIX]);
    codec::encode_into(message.out, value)?;
    let length = message.out.len() - start - PREFIX;
    codec::fits(length, || format!("a message ({})", std::any::type_name::<T>()))?;
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
