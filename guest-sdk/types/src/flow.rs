//! Flow control that both ends compute alike: what a sender may still send, and how a batch is laid out.

use crate::Window;

/// What a sender may still send (semantics 8).
///
/// A message needs one message of credit and its length in bytes, but never more than fifteen sixteenths
/// of the window: a longer one may go when that much is free. The bytes then go below zero and come back
/// when the receiver takes it. A receiver that waits keeps back less than the last sixteenth of what it
/// took ([`is_worth_giving`](Self::is_worth_giving)), so a long message can always go in the end, and
/// small ones need no credit of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    messages: u32,
    bytes: i64,
    window: Window,
}

impl Credit {
    /// Everything free.
    pub fn new(window: Window) -> Self {
        Self {
            messages: window.messages,
            bytes: i64::from(window.bytes),
            window,
        }
    }

    /// Whether a message of this length may go now.
    pub fn allows(&self, len: usize) -> bool {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let window = i64::from(self.window.bytes);
        self.messages > 0 && self.bytes >= len.min(window - window / 16)
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
        self.messages -= 1;
        self.bytes -= i64::try_from(len).unwrap_or(i64::MAX);
        true
    }

    /// The receiver took messages. Credit is never created: it ends at the window.
    pub fn give(&mut self, messages: u32, bytes: u32) {
        self.messages = self.messages.saturating_add(messages).min(self.window.messages);
        self.bytes = (self.bytes + i64::from(bytes)).min(i64::from(self.window.bytes));
    }

    /// The window this credit is out of.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Whether nothing is on its way.
    pub fn is_full(&self) -> bool {
        self.messages == self.window.messages && self.bytes == i64::from(self.window.bytes)
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
