//! What an actor has sent that nobody has taken in yet: one sum over all its contexts, with a limit.
//!
//! Each stream has its window, and each receiver's inbox its bound; but an actor has many contexts, and who helps it
//! can leave all of them unread. What finds no room at its receiver waits with the sender, and is charged to it here.
//! Beyond the limit its host takes no more messages from it until there is room: it waits, as for credit, and is told
//! when to try again. What cannot wait, a result or a first value, is refused.

use steading_types::Key;

/// The account of one actor.
#[derive(Debug)]
pub(crate) struct Unread {
    bytes: usize,
    limit: usize,
    /// Contexts whose messages wait for room.
    withheld: Vec<Key>,
}

impl Unread {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: 0,
            limit,
            withheld: Vec::new(),
        }
    }

    /// Whether so many bytes may be added. What is alone may be as large as it likes: it has a limit of its own.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= self.limit
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// There was no room for messages of this context.
    pub(crate) fn withhold(&mut self, context: Key) {
        if !self.withheld.contains(&context) {
            self.withheld.push(context);
        }
    }

    /// So many bytes are left when all was sent that could be: who may try again. There is to be half the room before,
    /// or each message that goes would wake all who wait.
    pub(crate) fn settle(&mut self, bytes: usize) -> Vec<Key> {
        self.bytes = bytes;
        match bytes <= self.limit / 2 {
            true => std::mem::take(&mut self.withheld),
            false => Vec::new(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::Unread;

    #[test]
    fn who_waits_is_told_when_half_of_the_room_is_free_and_once() {
        let mut unread = Unread::new(100);
        unread.add(90);
        assert!(unread.has_room(10) && !unread.has_room(11));
        unread.withhold(7);
        unread.withhold(7);
        assert!(unread.settle(51).is_empty());
        assert_eq!(unread.settle(50), [7]);
        assert!(unread.settle(0).is_empty());
    }

    #[test]
    fn what_is_alone_goes_however_large_it_is() {
        let mut unread = Unread::new(100);
        assert!(unread.has_room(1000));
        unread.add(1000);
        assert!(!unread.has_room(1));
        unread.settle(0);
        assert!(unread.has_room(1000));
    }
}
