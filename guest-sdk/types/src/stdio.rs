//! What becomes of an actor's standard streams, and what is kept of them for whoever runs it.
//!
//! Nothing here knows where streams come from: the host's backends connect them.

/// What becomes of one of an actor's standard streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stdio {
    /// The host's own. An actor whose parent, if that is a guest, has something else is refused as `SpawnFailed`.
    Inherit,
    /// Reads end at once, writes vanish.
    Null,
    /// Line by line to the actor's log. For standard input: as `Null`.
    #[default]
    Log,
    /// The last of what is written is kept, for the embedder. For standard input: as `Null`.
    #[cfg(not(target_family = "wasm"))]
    Capture(Capture),
}

#[cfg(not(target_family = "wasm"))]
pub use capture::{Capture, Captured};

/// Guests have nothing to read it by.
#[cfg(not(target_family = "wasm"))]
mod capture {
    use std::collections::VecDeque;
    use std::fmt;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use super::Stdio;

    /// Keeps the last bytes that actors write to the streams that are connected to it. A handle; clones are the same
    /// one. What was kept is there for as long as a handle is: after the actor has ended, however it did. An actor
    /// that is started again goes on with what the one before it left, and so do children that are granted nothing
    /// else.
    #[derive(Clone)]
    pub struct Capture(Arc<Inner>);

    struct Inner {
        limit: usize,
        kept: Mutex<Kept>,
    }

    #[derive(Default)]
    struct Kept {
        bytes: VecDeque<u8>,
        dropped: u64,
    }

    /// What was kept at one moment.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Captured {
        /// The last bytes that were written, as they were: control characters and all.
        pub bytes: Vec<u8>,
        /// How many bytes were written before these, and are lost.
        pub dropped: u64,
    }

    impl Capture {
        /// Bytes that are kept unless it is said otherwise.
        pub const BYTES: usize = 64 << 10;

        /// Keeps the last [`BYTES`](Self::BYTES).
        pub fn new() -> Self {
            Self::of(Self::BYTES)
        }

        /// Keeps as many bytes. They take memory of the host as they come, not before.
        pub fn of(bytes: usize) -> Self {
            Self(Arc::new(Inner {
                limit: bytes,
                kept: Mutex::default(),
            }))
        }

        /// What is there now.
        pub fn read(&self) -> Captured {
            let kept = self.lock();
            Captured {
                bytes: kept.bytes.iter().copied().collect(),
                dropped: kept.dropped,
            }
        }

        /// Adds what was written.
        pub fn push(&self, bytes: &[u8]) {
            let mut kept = self.lock();
            let fits = &bytes[bytes.len().saturating_sub(self.0.limit)..];
            let excess = (kept.bytes.len() + fits.len()).saturating_sub(self.0.limit);
            kept.bytes.drain(..excess);
            kept.bytes.extend(fits);
            kept.dropped += (excess + bytes.len() - fits.len()) as u64;
        }

        fn lock(&self) -> MutexGuard<'_, Kept> {
            // Bytes are whole at any moment.
            self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Default for Capture {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Captured {
        /// As text; what is not UTF-8 is replaced. To be written to a terminal it has to be escaped first.
        pub fn text(&self) -> String {
            String::from_utf8_lossy(&self.bytes).into_owned()
        }
    }

    impl PartialEq for Capture {
        fn eq(&self, other: &Self) -> bool {
            Arc::ptr_eq(&self.0, &other.0)
        }
    }

    impl Eq for Capture {}

    impl fmt::Debug for Capture {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "Capture({} of {} bytes)", self.lock().bytes.len(), self.0.limit)
        }
    }

    impl From<Capture> for Stdio {
        fn from(capture: Capture) -> Self {
            Self::Capture(capture)
        }
    }

    impl From<&Capture> for Stdio {
        fn from(capture: &Capture) -> Self {
            Self::Capture(capture.clone())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_last_bytes_are_kept_and_the_lost_are_counted() {
            let capture = Capture::of(5);
            for (written, kept, dropped) in [("abc", "abc", 0), ("de", "abcde", 0), ("fg", "cdefg", 2)] {
                capture.push(written.as_bytes());
                let read = capture.read();
                assert_eq!((read.text().as_str(), read.dropped), (kept, dropped), "{written}");
            }
            capture.push(b"0123456789");
            assert_eq!(capture.read().text(), "56789");
            assert_eq!(
                capture.read().dropped,
                12,
                "as many as were written, but for those kept"
            );
        }

        #[test]
        fn one_that_keeps_nothing_counts() {
            let capture = Capture::of(0);
            capture.push(b"abc");
            let read = capture.read();
            assert_eq!((read.bytes.len(), read.dropped), (0, 3));
        }
    }
}
