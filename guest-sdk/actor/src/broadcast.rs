//! One stream for many local tasks (semantics 8): the receive side as a broadcast.
//!
//! Whoever is fastest pulls the next message off the stream; it goes into a ring of one window, where the
//! others read it. Nobody is waited for: a reader that falls behind by more than the ring misses messages
//! and is told how many, once. A puller about to overwrite what another has not read yet steps back one
//! time, so that readers of equal speed lose nothing. There is no puller by office, so the one that is
//! cancelled leaves nothing undone: every arrival wakes all readers.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Error, Result};
use crate::link::{Link, LinkState, On};
use crate::stream::{Stream, TrySend};

/// What a subscription does about messages it was too slow for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLag {
    /// `next` fails once, with an error that tells [how many](Error::lagged); then it goes on.
    #[default]
    Raise,
    /// It goes on in silence; [`Subscription::lost`] counts.
    Skip,
}

/// How a broadcast stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastStatistics {
    /// Subscriptions that are open; the stream's own handle is not among them.
    pub subscriptions: usize,
    /// Messages the ring holds at most.
    pub capacity: usize,
    /// Messages it holds now.
    pub buffered: usize,
    /// Messages pulled off the stream since the first subscription.
    pub pulled: u64,
    /// Tasks that wait for a message.
    pub waiting: usize,
}

/// A reader's name. The stream's own handle is the first, and is never taken out.
pub(crate) type ReaderId = u64;
/// The reader that all handles of the stream itself are.
pub(crate) const HANDLE: ReaderId = 0;

pub(crate) struct Broadcast {
    ring: VecDeque<Bytes>,
    capacity: usize,
    /// Messages pulled so far: the number of the next one.
    pulled: u64,
    readers: Vec<Reader>,
    last: ReaderId,
}

struct Reader {
    id: ReaderId,
    /// The number of the message it reads next.
    next: u64,
    on_lag: OnLag,
    lost: u64,
}

/// What a reader finds in the ring.
enum Read {
    Message(Bytes),
    Lagged(u64),
    UpToDate,
    Closed,
}

impl Broadcast {
    pub(crate) fn new(capacity: u32) -> Self {
        let mut broadcast = Self {
            ring: VecDeque::new(),
            capacity: capacity.max(1) as usize,
            pulled: 0,
            readers: Vec::new(),
            last: HANDLE,
        };
        broadcast.admit(HANDLE, OnLag::Raise);
        broadcast
    }

    fn admit(&mut self, id: ReaderId, on_lag: OnLag) {
        self.readers.push(Reader {
            id,
            next: self.pulled,
            on_lag,
            lost: 0,
        });
    }

    fn subscribe(&mut self, on_lag: OnLag) -> ReaderId {
        self.last += 1;
        self.admit(self.last, on_lag);
        self.last
    }

    fn leave(&mut self, id: ReaderId) {
        self.readers.retain(|reader| reader.id != id);
    }

    fn reader(&self, id: ReaderId) -> Option<&Reader> {
        self.readers.iter().find(|reader| reader.id == id)
    }

    /// The number of the oldest message in the ring.
    fn oldest(&self) -> u64 {
        self.pulled - self.ring.len() as u64
    }

    fn read(&mut self, id: ReaderId) -> Read {
        let oldest = self.oldest();
        let Some(reader) = self.readers.iter_mut().find(|reader| reader.id == id) else {
            return Read::Closed;
        };
        let missed = oldest.saturating_sub(reader.next);
        reader.next += missed;
        reader.lost += missed;
        if missed > 0 && reader.on_lag == OnLag::Raise {
            return Read::Lagged(missed);
        }
        match self.ring.get((reader.next - oldest) as usize) {
            None => Read::UpToDate,
            Some(message) => {
                reader.next += 1;
                Read::Message(message.clone())
            }
        }
    }

    /// Would one more message make a reader miss its next?
    fn is_crowded(&self) -> bool {
        let oldest = self.oldest();
        self.ring.len() == self.capacity && self.readers.iter().any(|reader| reader.next == oldest)
    }

    /// `id` has pulled a message.
    fn push(&mut self, id: ReaderId, message: Bytes) {
        if self.ring.len() == self.capacity {
            self.ring.pop_front();
        }
        self.ring.push_back(message);
        self.pulled += 1;
        if let Some(reader) = self.readers.iter_mut().find(|reader| reader.id == id) {
            reader.next = self.pulled;
        }
    }

    fn statistics(&self, waiting: usize) -> BroadcastStatistics {
        BroadcastStatistics {
            subscriptions: self.readers.len() - 1,
            capacity: self.capacity,
            buffered: self.ring.len(),
            pulled: self.pulled,
            waiting,
        }
    }
}

/// What became of an attempt to read.
enum Shared {
    Message(Bytes),
    End,
    /// To pull now would make another reader miss a message.
    Crowded,
}

impl Link {
    fn read_shared(self: &Arc<Self>, state: &mut LinkState, id: ReaderId, patient: bool) -> Option<Result<Shared>> {
        if let Err(error) = state.check(self) {
            return Some(Err(error));
        }
        let broadcast = state.broadcast.as_mut()?;
        match broadcast.read(id) {
            Read::Message(message) => return Some(Ok(Shared::Message(message))),
            Read::Lagged(missed) => return Some(Err(Error::lag(missed))),
            Read::Closed => return Some(Err(closed(self))),
            Read::UpToDate if patient && !state.inbox.is_empty() && broadcast.is_crowded() => {
                return Some(Ok(Shared::Crowded));
            }
            Read::UpToDate => {}
        }
        let pulled = self.receive_one(state, Bytes::copy_from_slice)?;
        Some(pulled.map(|pulled| match (pulled, &mut state.broadcast) {
            (Some(message), Some(broadcast)) => {
                broadcast.push(id, message.clone());
                Shared::Message(message)
            }
            _ => Shared::End,
        }))
    }

    /// The next message of one reader of a broadcast.
    pub(crate) async fn next_shared(self: &Arc<Self>, id: ReaderId) -> Result<Option<Bytes>> {
        let mut patient = true;
        loop {
            match self
                .wait(On::Receive, |state| self.read_shared(state, id, patient))
                .await?
            {
                Shared::Message(message) => return Ok(Some(message)),
                Shared::End => return Ok(None),
                Shared::Crowded => step_back().await,
            }
            patient = false;
        }
    }

    pub(crate) fn subscribe(self: &Arc<Self>, on_lag: OnLag) -> Result<ReaderId> {
        let (id, after) = self.with(|state| {
            state.check(self)?;
            let capacity = state.ring;
            let broadcast = state
                .broadcast
                .get_or_insert_with(|| Box::new(Broadcast::new(capacity)));
            let id = broadcast.subscribe(on_lag);
            // Those that wait on the stream itself are to wait as readers from now on.
            Ok::<_, Error>((id, state.wake(&[On::Receive])))
        })?;
        after.run();
        Ok(id)
    }

    pub(crate) fn statistics(&self) -> Option<BroadcastStatistics> {
        self.with(|state| {
            let waiting = state.waiting();
            Some(state.broadcast.as_ref()?.statistics(waiting))
        })
    }
}

/// Lets the other tasks have a go.
async fn step_back() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn closed(link: &Link) -> Error {
    Error::invalid(format!("{}: the subscription is closed", link.endpoint))
}

/// One of several readers of a stream: it gets every message from the moment it subscribed. Ends when it
/// is closed or dropped, or with the stream.
pub struct Subscription<S, R> {
    link: Arc<Link>,
    id: ReaderId,
    types: PhantomData<fn(S) -> R>,
}

impl<S, R> fmt::Debug for Subscription<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subscription {} of {}", self.id, self.link.endpoint)
    }
}

impl<S, R> Drop for Subscription<S, R> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<S, R> Subscription<S, R> {
    pub(crate) fn new(link: Arc<Link>, id: ReaderId) -> Self {
        Self {
            link,
            id,
            types: PhantomData,
        }
    }

    /// One more reader, from the next message on. It raises when it lags.
    ///
    /// # Errors
    /// After [`close`](Self::close), and as [`Stream::subscribe`].
    pub fn subscribe(&self) -> Result<Self> {
        self.subscribe_with(OnLag::Raise)
    }

    /// One more reader, with a choice of what it does when it lags.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_with(&self, on_lag: OnLag) -> Result<Self> {
        let open = self
            .link
            .with(|state| state.broadcast.as_ref().is_some_and(|b| b.reader(self.id).is_some()));
        if !open {
            return Err(closed(&self.link));
        }
        Ok(Self::new(self.link.clone(), self.link.subscribe(on_lag)?))
    }

    /// Reads no more. The stream and its other readers go on. Idempotent.
    pub fn close(&self) {
        self.link.with(|state| {
            if let Some(broadcast) = &mut state.broadcast {
                broadcast.leave(self.id);
            }
        });
    }

    /// How many messages this reader has missed because it was too slow.
    pub fn lost(&self) -> u64 {
        self.link.with(|state| {
            let reader = state.broadcast.as_ref().and_then(|b| b.reader(self.id));
            reader.map_or(0, |reader| reader.lost)
        })
    }

    /// How the broadcast stands.
    pub fn statistics(&self) -> BroadcastStatistics {
        self.link.statistics().unwrap_or(BroadcastStatistics {
            subscriptions: 0,
            capacity: 0,
            buffered: 0,
            pulled: 0,
            waiting: 0,
        })
    }

    fn stream(&self) -> Stream<S, R> {
        Stream::new(self.link.clone())
    }
}

impl<S: Serialize, R> Subscription<S, R> {
    /// Sends on the stream; see [`Stream::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, value: S) -> Result<()> {
        self.stream().send(value).await
    }

    /// Sends on the stream; see [`Stream::try_send`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send(&self, value: &S) -> Result<TrySend> {
        self.stream().try_send(value)
    }
}

impl<S, R: DeserializeOwned> Subscription<S, R> {
    /// The next message; `None` once the peer has sent its last. Asking again answers the same.
    ///
    /// Cancel-safe: a `next` that was dropped while it waited has taken nothing.
    ///
    /// # Errors
    /// Once after messages were missed, with an error that is [`lagged`](Error::lagged); the next call goes
    /// on with the oldest message there is. Otherwise as [`Stream::next`].
    pub async fn next(&self) -> Result<Option<R>> {
        match self.link.next_shared(self.id).await? {
            Some(message) => codec::decode(&message).map(Some).map_err(|e| self.stream().mismatch(e)),
            None => Ok(None),
        }
    }

    /// The messages as a stream of the `futures` crate.
    pub fn messages(&self) -> impl futures_util::Stream<Item = Result<R>> + use<'_, S, R> {
        futures_util::stream::try_unfold(self, |reader| async move {
            let message = reader.next().await?;
            Ok(message.map(|message| (message, reader)))
        })
    }
}
