//! Flow control that both ends compute alike: what a sender may still send, and how a batch is laid out.

use crate::Window;

/// What becomes of a message for which the receiver has granted no credit: chosen by the receiver when it
/// opens its half of the stream (semantics 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Policy {
    /// `send` waits for credit. Nothing is lost, and a slow receiver slows its sender down.
    #[default]
    #[n(0)]
    Block,
    /// The sender's context fails with an overrun, at both ends.
    #[n(1)]
    OverrunError,
    /// So many messages more than the window are taken in; then as [`OverrunError`](Self::OverrunError).
    #[n(2)]
    Buffer(#[n(0)] u32),
    /// The receiver keeps the latest messages of its window, drops older ones, and is told how many.
    #[n(3)]
    DropOldest,
}

impl Policy {
    /// Does a send without credit end the context?
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::OverrunError | Self::Buffer(_))
    }
}

/// What a receiver asks for when it opens its half of the stream (semantics 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What becomes of messages beyond the window.
    pub policy: Policy,
    /// How much may be on its way.
    pub window: Window,
}

impl Flow {
    /// The window the sender is granted: under [`Policy::Buffer`] the buffer is a part of it. Its bytes
    /// grow in proportion, so that messages of ordinary size can fill it.
    pub fn granted(&self) -> Window {
        let Window { messages, bytes } = self.window;
        let Policy::Buffer(more) = self.policy else {
            return self.window;
        };
        let grown = u64::from(bytes) + u64::from(more) * u64::from(bytes / messages.max(1));
        Window {
            messages: messages.saturating_add(more),
            bytes: u32::try_from(grown).unwrap_or(u32::MAX),
        }
    }
}

/// What a sender may still send (semantics 8).
///
/// A message needs one message of credit and its length in bytes, but never more than fifteen sixteenths
/// of the window: a longer one may go when that much is free. The bytes then go below zero and come back
/// when the receiver takes it. A receiver that waits keeps back less than the last sixteenth of what it
/// took ([`is_worth_giving`](Self::is_worth_giving)), so a long message can always go in the end, and
/// small ones need no credit of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Below zero after the window became narrower than what is on its way.
    messages: i64,
    bytes: i64,
    window: Window,
}

impl Credit {
    /// Everything free.
    pub fn new(window: Window) -> Self {
        Self {
            messages: i64::from(window.messages),
            bytes: i64::from(window.bytes),
            window,
        }
    }

    /// The receiver has chosen another window. What is on its way counts against it.
    pub fn rewindow(&mut self, window: Window) {
        self.messages += i64::from(window.messages) - i64::from(self.window.messages);
        self.bytes += i64::from(window.bytes) - i64::from(self.window.bytes);
        self.window = window;
    }

    /// Whether a message of this length may go now.
    #[inline]
    pub fn allows(&self, len: usize) -> bool {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let window = i64::from(self.window.bytes);
        self.messages > 0 && self.bytes >= len.min(window - window / 16)
    }

    /// A quick look before a message is written: `false` if one of at least this length may not go now.
    #[inline]
    pub fn may_allow(&self, len: usize) -> bool {
        self.messages > 0 && (len == 0 || self.allows(len))
    }

    /// Must a receiver that is about to wait give back what it took, out of this window?
    pub fn is_worth_giving(window: Window, messages: u32, bytes: u64) -> bool {
        messages.saturating_mul(2) >= window.messages || bytes.saturating_mul(16) >= u64::from(window.bytes)
    }

    /// Takes the credit of one message; `false`, and nothing taken, if there is too little.
    #[must_use]
    pub fn take(&mut self, len: usize) -> bool {
        if !self.allows(len) {
            return false;
        }
        self.overdraw(len);
        true
    }

    /// Takes the credit of a message that somebody who knows better has let go.
    pub fn overdraw(&mut self, len: usize) {
        self.messages -= 1;
        self.bytes -= i64::try_from(len).unwrap_or(i64::MAX);
    }

    /// The receiver took messages. Credit is never created: it ends at the window.
    pub fn give(&mut self, messages: u32, bytes: u32) {
        self.messages = (self.messages + i64::from(messages)).min(i64::from(self.window.messages));
        self.bytes = (self.bytes + i64::from(bytes)).min(i64::from(self.window.bytes));
    }

    /// Messages and bytes that may go now.
    pub fn left(&self) -> (i64, i64) {
        (self.messages, self.bytes)
    }

    /// Whether there is so little that a message of any length worth speaking of has to wait.
    pub fn is_spent(&self) -> bool {
        self.messages <= 0 || self.bytes < i64::from(self.window.bytes / 16).max(1)
    }

    /// The window this credit is out of.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Whether nothing is on its way.
    pub fn is_full(&self) -> bool {
        self.messages == i64::from(self.window.messages) && self.bytes == i64::from(self.window.bytes)
    }
}

/// Appends one message to a batch: its length as a little-endian `u32`, then its bytes.
///
/// # Panics
/// If the payload is 4 GiB or longer; every payload is checked against a far smaller limit before.
pub fn push_message(batch: &mut Vec<u8>, payload: &[u8]) {
    let len = u32::try_from(payload.len()).expect("payloads are limited to 64 MiB");
    batch.extend_from_slice(&len.to_le_bytes());
    batch.extend_from_slice(payload);
}

/// Splits the first message off a batch: its payload and the rest. `None` if lengths and bytes do not
/// add up, or the batch is empty.
pub fn split_message(batch: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = batch.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_longer_than_the_window_goes_alone() {
        let mut credit = Credit::new(Window { messages: 4, bytes: 10 });
        assert!(credit.take(100));
        assert!(!credit.take(1), "nothing else goes while it is on its way");
        credit.give(1, 100);
        assert!(credit.is_full());
    }

    #[test]
    fn credit_is_never_created() {
        let mut credit = Credit::new(Window { messages: 4, bytes: 10 });
        credit.give(1000, 1000);
        assert_eq!(credit, Credit::new(Window { messages: 4, bytes: 10 }));
    }

    #[test]
    fn a_new_window_counts_what_is_on_its_way() {
        let mut credit = Credit::new(Window { messages: 4, bytes: 40 });
        assert!((0..4).all(|_| credit.take(1)));
        credit.rewindow(Window { messages: 2, bytes: 40 });
        credit.give(2, 2);
        assert!(!credit.allows(1), "two are still on their way, and two are all");
        credit.give(1, 1);
        assert!(credit.take(1) && !credit.allows(1));
        credit.rewindow(Window { messages: 3, bytes: 40 });
        assert!(credit.take(1), "a wider one is there at once");
    }

    #[test]
    fn a_buffer_widens_the_window_in_proportion() {
        let flow = Flow {
            policy: Policy::Buffer(32),
            window: Window::DEFAULT,
        };
        let granted = Window {
            messages: 96,
            bytes: 3 << 19,
        };
        assert_eq!(flow.granted(), granted);
    }

    #[test]
    fn a_batch_splits_into_what_was_pushed() {
        let mut batch = Vec::new();
        push_message(&mut batch, b"one");
        push_message(&mut batch, b"");
        let (first, rest) = split_message(&batch).expect("one");
        let (second, rest) = split_message(rest).expect("two");
        assert_eq!((first, second, rest), (&b"one"[..], &b""[..], &b""[..]));
        assert!(split_message(&batch[..5]).is_none(), "cut short");
    }
}
