//! The message phase of a context.
//!
//! Messages go into the context's buffer and leave in batches, when the actor flushes or the buffer is
//! full; they come in as batches and are cut out one by one. Credit is spent when a message enters the
//! buffer and given back when the receiving task takes it (semantics 8).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::broadcast::{BroadcastStatistics, HANDLE, OnLag, Subscription};
use crate::codec;
use crate::error::{Error, Result};
use crate::link::{Link, On, Received};

/// The open stream of a context: sends `S`, receives `R`. A handle: several tasks may send and receive,
/// each message goes to one of them.
pub struct Stream<S, R> {
    link: Arc<Link>,
    types: PhantomData<fn(S) -> R>,
}

/// What became of a message that was not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrySend {
    /// It is on its way.
    Sent,
    /// The receiver has granted no credit for it; it was not sent.
    WouldBlock,
}

impl<S, R> Clone for Stream<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.link.clone())
    }
}

impl<S, R> fmt::Debug for Stream<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream of {}", self.link.endpoint)
    }
}

impl<S, R> Stream<S, R> {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            types: PhantomData,
        }
    }
}

impl<S, R> Stream<S, R> {
    /// Says that this side sends no more: the peer's `next` answers `None` after what is on its way.
    /// Receiving goes on. Leaving the stream's block does this as well. Idempotent.
    pub fn stop(&self) {
        self.link.stop_sending();
    }

    /// How many messages were dropped because this side was too slow for them: more than none only under
    /// [`Policy::DropOldest`](steading_types::Policy::DropOldest).
    pub fn lost(&self) -> u64 {
        self.link.with(|state| state.keeping.lost)
    }

    /// Turns the receive side into a broadcast: from now on every subscription, and this handle as one
    /// reader more, gets every message (semantics 8). The fastest reader pulls; the others find what it
    /// pulled in a ring of one window. One that falls behind by more fails once with an error that is
    /// [`lagged`](Error::lagged), and goes on. There is no way back; subscribing again adds a reader.
    /// Sending is not affected.
    ///
    /// # Errors
    /// The remote error if the peer failed or was cancelled; an invalid operation once the stream was
    /// left; the cancellation of the current scope.
    pub fn subscribe(&self) -> Result<Subscription<S, R>> {
        self.subscribe_with(OnLag::Raise)
    }

    /// As [`subscribe`](Self::subscribe), with a choice of what the subscription does when it lags.
    ///
    /// # Errors
    /// As there.
    pub fn subscribe_with(&self, on_lag: OnLag) -> Result<Subscription<S, R>> {
        let id = self.link.subscribe(on_lag)?;
        Ok(Subscription::new(self.link.clone(), id))
    }

    /// How the broadcast stands; `None` while nobody has subscribed.
    pub fn statistics(&self) -> Option<BroadcastStatistics> {
        self.link.statistics()
    }
}

impl<S: Serialize, R> Stream<S, R> {
    /// Sends a message, waiting for credit if the receiver has granted none, and for room if too much of what this
    /// actor has sent waits to be read; unless the receiver has chosen
    /// not to be waited for ([`Policy`](steading_types::Policy)), which fails the context. One larger than the
    /// receiver's whole byte window may go once (nearly) all of the window is free.
    ///
    /// Cancel-safe: a send that was dropped while it waited has sent nothing.
    ///
    /// # Errors
    /// The remote error if the context has ended; one of kind `Overrun` that names this actor as its source
    /// if the receiver does not wait and there is no credit; the cancellation of the current scope.
    pub async fn send(&self, value: S) -> Result<()> {
        let mut need = 0;
        // There mostly is credit: what waiting takes is not set up before there is none.
        if let Some(sent) = self.link.with(|state| self.link.send(state, &value, &mut need, true)) {
            return sent;
        }
        let send = |state: &mut _| self.link.send(state, &value, &mut need, true);
        self.link.wait(On::Send, send).await
    }

    /// Sends a message if there is credit for it now. Never goes beyond it, whatever the receiver's policy.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send(&self, value: &S) -> Result<TrySend> {
        match self.link.with(|state| self.link.send(state, value, &mut 0, false)) {
            Some(sent) => sent.map(|()| TrySend::Sent),
            None => Ok(TrySend::WouldBlock),
        }
    }
}

impl<S, R: DeserializeOwned> Stream<S, R> {
    /// The next message; `None` once the peer has sent its last. Asking again answers the same.
    ///
    /// Cancel-safe: a `next` that was dropped while it waited has taken nothing.
    ///
    /// # Errors
    /// The remote error if the peer failed or was cancelled; `PayloadMismatch` if the message is not an
    /// `R`; the cancellation of the current scope.
    pub async fn next(&self) -> Result<Option<R>> {
        // Read as what is returned: each change of type on the way would move the message once more.
        if let Some(message) = self.link.receive_ready(|bytes| codec::decode::<R>(bytes).map(Some)) {
            return match message {
                Err(error) => Err(self.mismatch(error)),
                message => message,
            };
        }
        let receive = |state: &mut _| self.link.receive(state, codec::decode::<R>);
        match self.link.wait(On::Receive, receive).await? {
            Received::Message(message) => message.map(Some).map_err(|e| self.mismatch(e)),
            Received::End => Ok(None),
            Received::Shared => self.next_shared().await,
        }
    }

    async fn next_shared(&self) -> Result<Option<R>> {
        match self.link.next_shared(HANDLE).await? {
            Some(message) => codec::decode(&message).map(Some).map_err(|e| self.mismatch(e)),
            None => Ok(None),
        }
    }

    /// The messages as a stream of the `futures` crate.
    pub fn messages(&self) -> impl futures_util::Stream<Item = Result<R>> + use<S, R> {
        futures_util::stream::try_unfold(self.clone(), |stream| async {
            let message = stream.next().await?;
            Ok(message.map(|message| (message, stream)))
        })
    }

    /// The peer is told, too.
    pub(crate) fn mismatch(&self, error: Error) -> Error {
        let error = error.about("message");
        self.link.reject(&error);
        error
    }
}
