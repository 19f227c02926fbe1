//! What an actor has sent that nobody has taken in yet: one sum over all its contexts, with a limit.
//!
//! Each stream has its window, and each receiver's inbox its bound; but an actor has many contexts, and who helps it
//! can leave all of them unread. What finds no room at its receiver waits here, in order, and is charged to its sender.
//! Beyond the limit its host takes no more messages from it for those who do not read: it waits, as for credit, and is
//! told when to try again. What cannot wait, a result or a first value, is refused. What is for others goes on its way,
//! and is no more than one frame for each of them that turns out not to read either.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use steading_types::{Key, Uuid};

use super::account::Account;
use super::inbox::{Delivery, FRAME, Peer, Rejected, cost};

/// The account of one actor.
#[derive(Debug)]
pub(crate) struct Unread {
    /// What the core was told to send, and was not asked for yet.
    fresh: usize,
    /// What waits for room, by its receiver.
    crowds: BTreeMap<Uuid, Crowd>,
    /// The sum over these.
    waiting: usize,
    limit: usize,
    /// What waits is charged to it, as memory; `None` of who is not bounded.
    account: Option<Arc<Account>>,
}

/// A receiver whose inbox is full.
#[derive(Debug)]
struct Crowd {
    peer: Peer,
    frames: VecDeque<(Key, Delivery)>,
    /// Contexts with it whose messages wait for room, and how much of it.
    withheld: BTreeMap<Key, usize>,
}

impl Unread {
    pub(crate) fn new(limit: usize, account: Option<Arc<Account>>) -> Self {
        Self {
            fresh: 0,
            crowds: BTreeMap::new(),
            waiting: 0,
            limit,
            account,
        }
    }

    /// Whether so many bytes may be added, for whomever. What is alone may be as large as it likes: it has a limit of
    /// its own.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let sum = self.bytes();
        sum == 0 || sum.saturating_add(bytes) <= self.limit && !(self.waiting > 0 && self.is_overdrawn())
    }

    fn is_overdrawn(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.is_overdrawn())
    }

    /// The core was told to send so much.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.fresh += bytes + FRAME;
    }

    /// Whether there is more than there may be, and some of it may find room.
    pub(crate) fn is_over(&self) -> bool {
        self.fresh > 0 && self.bytes() > self.limit
    }

    /// The core has nothing more to send.
    pub(crate) fn sent(&mut self) {
        self.fresh = 0;
    }

    /// Whether something waits for room at this receiver: what comes now goes behind it.
    pub(crate) fn is_crowded(&self, peer: &Peer) -> bool {
        !self.crowds.is_empty()
            && self
                .crowds
                .get(&peer.id().uuid)
                .is_some_and(|crowd| !crowd.frames.is_empty())
    }

    /// There was no room for so much of this context, whose peer is crowded. Those that `is_over` are forgotten.
    pub(crate) fn withhold(&mut self, peer: &Peer, context: Key, bytes: usize, is_over: impl Fn(Key) -> bool) {
        if let Some(crowd) = self.crowds.get_mut(&peer.id().uuid) {
            // Only a new one makes it longer, and there are no more contexts than there may be.
            if !crowd.withheld.contains_key(&context) {
                crowd.withheld.retain(|key, _| !is_over(*key));
            }
            crowd.withheld.insert(context, bytes);
        }
    }

    /// This found no room, or others wait there before it.
    pub(crate) fn defer(&mut self, to: Peer, context: Key, delivery: Delivery) {
        self.charge(cost(&delivery.frame));
        let crowd = self.crowds.entry(to.id().uuid).or_insert_with(|| Crowd {
            peer: to,
            frames: VecDeque::new(),
            withheld: BTreeMap::new(),
        });
        crowd.frames.push_back((context, delivery));
    }

    /// Sends what finds room now. What is for somebody who is gone is handed to `lost`.
    pub(crate) fn retry(&mut self, mut lost: impl FnMut(Key, Delivery)) {
        let mut sent = 0;
        for crowd in self.crowds.values_mut() {
            while let Some((context, delivery)) = crowd.frames.pop_front() {
                let bytes = cost(&delivery.frame);
                match crowd.peer.push(delivery) {
                    Ok(()) | Err(Rejected::Overloaded) => {}
                    Err(Rejected::Closed(delivery)) => lost(context, delivery),
                    Err(Rejected::Full(delivery)) => {
                        crowd.frames.push_front((context, delivery));
                        break;
                    }
                }
                sent += bytes;
            }
        }
        self.give(sent);
    }

    /// Takes out whoever may try again, when all was sent that could be: those whose receiver has room, and when half of
    /// the sum is free all others for whom it is enough. Any less, and each message that goes would wake all who wait.
    pub(crate) fn take_told(&mut self) -> Vec<Key> {
        let mut told = Vec::new();
        let is_half_free = self.waiting <= self.limit / 2 && !self.is_overdrawn();
        let room = self.limit.saturating_sub(self.waiting);
        self.crowds.retain(|_, crowd| {
            let is_gone = crowd.frames.is_empty();
            let tried = |_: &Key, bytes: &mut usize| is_gone || is_half_free && *bytes <= room;
            told.extend(crowd.withheld.extract_if(.., tried).map(|(context, _)| context));
            !is_gone
        });
        told
    }

    /// Takes out all that waits, with its receivers.
    pub(crate) fn take_waiting(&mut self) -> Vec<(Peer, Delivery)> {
        self.give(self.waiting);
        let crowds = std::mem::take(&mut self.crowds).into_values();
        let frames = crowds.flat_map(|crowd| {
            crowd
                .frames
                .into_iter()
                .map(move |(_, frame)| (crowd.peer.clone(), frame))
        });
        frames.collect()
    }

    /// Whether nothing waits for room.
    pub(crate) fn is_empty(&self) -> bool {
        self.crowds.is_empty()
    }

    /// The receivers whose room something waits for.
    pub(crate) fn crowded_peers(&self) -> Vec<Peer> {
        self.crowds.values().map(|crowd| crowd.peer.clone()).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.fresh.saturating_add(self.waiting)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// It is sent, so it cannot be refused for the sake of the account: that is overdrawn, and bears no more.
    fn charge(&mut self, bytes: usize) {
        self.waiting += bytes;
        self.account.iter().for_each(|account| account.owe_memory(bytes as u64));
    }

    fn give(&mut self, bytes: usize) {
        self.waiting -= bytes;
        self.account
            .iter()
            .for_each(|account| account.give_memory(bytes as u64));
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.give(self.waiting);
    }
}

#[cfg(test)]
mod tests {
    use steading_proto::{Dest, Frame};
    use steading_types::Budget;

    use super::super::cell::new_inbox;
    use super::super::inbox::INBOX_BYTES;
    use super::*;

    const KIB: usize = 1 << 10;

    /// Messages of so many bytes from one inbox.
    fn message(from: &Peer, bytes: usize) -> Delivery {
        let batch = vec![0; bytes].into();
        Delivery {
            from: from.clone(),
            dest: Dest::Key(1),
            frame: Frame::Yield { batch, messages: 1 },
        }
    }

    /// An inbox without room.
    fn full(me: &Peer) -> Peer {
        let peer = new_inbox("deaf");
        peer.push(message(me, INBOX_BYTES)).expect("it is empty");
        peer
    }

    fn read(peer: &Peer) -> usize {
        let mut frames = Vec::new();
        peer.take_all(&mut frames);
        frames.len()
    }

    fn retry(unread: &mut Unread) -> Vec<Key> {
        unread.retry(|context, _| panic!("the peer of {context} is there"));
        unread.take_told()
    }

    #[test]
    fn who_waits_is_told_when_half_of_the_room_is_free_and_once() {
        let (me, mut unread) = (new_inbox("me"), Unread::new(100 * KIB, None));
        let (deaf, dumb) = (full(&me), full(&me));
        for _ in 0..2 {
            unread.defer(deaf.clone(), 1, message(&me, 30 * KIB));
        }
        unread.defer(dumb.clone(), 2, message(&me, 30 * KIB));
        assert!(!unread.has_room(10 * KIB) && unread.has_room(9 * KIB));
        unread.withhold(&dumb, 7, 10 * KIB, |_| false);
        unread.withhold(&dumb, 7, 10 * KIB, |_| false);
        unread.withhold(&dumb, 8, 90 * KIB, |_| false);
        assert!(retry(&mut unread).is_empty());
        assert_eq!(read(&deaf), 1);
        assert_eq!(retry(&mut unread), [7], "for the other there is not enough yet");
        assert_eq!(read(&deaf), 2);
        assert!(retry(&mut unread).is_empty());
        assert_eq!(read(&dumb), 1);
        assert_eq!(retry(&mut unread), [8], "its peer reads");
        assert!(unread.is_empty() && unread.bytes() == 0);
    }

    #[test]
    fn what_is_alone_goes_however_large_it_is() {
        let mut unread = Unread::new(100, None);
        assert!(unread.has_room(1000));
        unread.add(1000);
        assert!(!unread.has_room(1) && unread.is_over());
        unread.sent();
        assert!(unread.has_room(1000));
    }

    #[test]
    fn what_is_empty_counts_as_well() {
        let (me, mut unread) = (new_inbox("me"), Unread::new(10 * FRAME, None));
        let deaf = full(&me);
        // What has no bytes finds room in any inbox, but not before what waits.
        unread.defer(deaf.clone(), 1, message(&me, 1));
        (0..8).for_each(|_| unread.defer(deaf.clone(), 1, message(&me, 0)));
        assert!(!unread.has_room(FRAME));
        assert_eq!(read(&deaf), 1);
        retry(&mut unread);
        assert_eq!(read(&deaf), 9, "in the end all of it arrives");
    }

    #[test]
    fn contexts_that_are_over_wait_for_nothing() {
        let (me, mut unread) = (new_inbox("me"), Unread::new(KIB, None));
        let deaf = full(&me);
        unread.defer(deaf.clone(), 1, message(&me, 2 * KIB));
        for context in 1..10_000 {
            unread.withhold(&deaf, context, 1, |other| other + 4 < context);
        }
        let crowd = &unread.crowds[&deaf.id().uuid];
        assert!(crowd.withheld.len() <= 6, "{} are kept", crowd.withheld.len());
    }

    #[test]
    fn what_waits_is_charged_to_the_account_of_its_sender() {
        let account = Account::new(None, "it".to_owned(), Budget::default().memory(10 * KIB as u64));
        let (me, mut unread) = (new_inbox("me"), Unread::new(100 * KIB, Some(account.clone())));
        let deaf = full(&me);
        unread.defer(deaf.clone(), 1, message(&me, 8 * KIB));
        assert!(unread.has_room(KIB));
        account
            .take_memory(4 * KIB as u64)
            .expect_err("it is charged for what waits");
        unread.defer(deaf.clone(), 1, message(&me, 8 * KIB));
        assert!(!unread.has_room(1), "it is overdrawn");
        read(&deaf);
        retry(&mut unread);
        account
            .take_memory(10 * KIB as u64)
            .expect("nothing is charged any more");
        account.give_memory(10 * KIB as u64);
        unread.defer(full(&me), 1, message(&me, KIB));
        drop(unread);
        account.take_memory(10 * KIB as u64).expect("nothing of it is left");
    }
}
