//! The one error type of the public interface.
//!
//! Opaque and cheap to clone, made from any `std::error::Error` by `?`, and able to carry what another
//! actor sent without losing source, path or backtrace (semantics 9). It is not itself a
//! `std::error::Error`, which is what makes the blanket `From` possible.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{ActorId, BoxedError, Cancellation, ErrorKind, Refusal};

use crate::codec;

/// What most functions here return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Anything that went wrong: here, in another actor, or in several at once.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

enum Repr {
    /// A value of the user's own.
    User {
        type_name: &'static str,
        payload: Option<Bytes>,
        error: Box<dyn StdError + Send + Sync>,
    },
    Message(String),
    /// From another actor, or refused by the host.
    Boxed(BoxedError),
    /// Found by this library.
    Fault {
        kind: ErrorKind,
        message: String,
    },
    Cancelled(Cancellation),
    /// Our own cancel came back and took the place of a value (semantics 5).
    Absorbed(Cancellation),
    Elapsed(Duration),
    /// A reader of a broadcast was too slow for so many messages.
    Lagged(u64),
    Group(Vec<Error>),
}

impl Error {
    /// An error that is only a sentence.
    pub fn msg(message: impl fmt::Display) -> Self {
        Repr::Message(message.to_string()).into()
    }

    /// An error that crosses to other actors as data too: they read it with [`payload`](Self::payload).
    pub fn typed<E: StdError + Serialize + Send + Sync + 'static>(error: E) -> Self {
        // An error that cannot be encoded still has its message; the failure to encode is the lesser news.
        let payload = codec::encode(&error).ok().map(Bytes::from);
        Self::user(error, payload)
    }

    /// Several independent failures; of one alone, that one.
    pub fn group(members: Vec<Self>) -> Self {
        match <[Self; 1]>::try_from(members) {
            Ok([only]) => only,
            Err(members) => Repr::Group(members).into(),
        }
    }

    /// The error as which a cancellation is raised.
    pub fn cancelled(cancellation: Cancellation) -> Self {
        Repr::Cancelled(cancellation).into()
    }

    pub(crate) fn absorbed(cancellation: Cancellation) -> Self {
        Repr::Absorbed(cancellation).into()
    }

    pub(crate) fn lag(missed: u64) -> Self {
        Repr::Lagged(missed).into()
    }

    pub(crate) fn elapsed(after: Duration) -> Self {
        Repr::Elapsed(after).into()
    }

    pub(crate) fn fault(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Repr::Fault { kind, message }.into()
    }

    /// Says of which payload this is.
    pub(crate) fn about(self, payload: &str) -> Self {
        match &*self.0 {
            Repr::Fault { kind, message } => Self::fault(kind.clone(), format!("{payload}: {message}")),
            _ => self,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::fault(ErrorKind::InvalidOperation, message)
    }

    pub(crate) fn refused(operation: &str, refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::TooLarge => ErrorKind::Limit("payload".to_owned()),
            Refusal::Limit => ErrorKind::Limit(refusal.to_string()),
            _ => ErrorKind::InvalidOperation,
        };
        Self::fault(kind, format!("{operation}: {refusal}"))
    }

    fn user<E: StdError + Send + Sync + 'static>(error: E, payload: Option<Bytes>) -> Self {
        let type_name = std::any::type_name::<E>();
        let error = Box::new(error);
        Repr::User {
            type_name,
            payload,
            error,
        }
        .into()
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            Repr::User { .. } | Repr::Message(_) | Repr::Elapsed(_) | Repr::Lagged(_) | Repr::Group(_) => {
                ErrorKind::EndpointError
            }
            Repr::Boxed(error) => error.kind.clone(),
            Repr::Fault { kind, .. } => kind.clone(),
            Repr::Cancelled(c) | Repr::Absorbed(c) => ErrorKind::Cancelled(c.clone()),
        }
    }

    /// In plain words, without where it came from.
    pub fn message(&self) -> String {
        match &*self.0 {
            Repr::User { error, .. } => error.to_string(),
            Repr::Message(message) | Repr::Fault { message, .. } => message.clone(),
            Repr::Boxed(error) => error.message.clone(),
            Repr::Cancelled(c) => c.to_string(),
            Repr::Absorbed(c) => format!("no value: {c}, as asked"),
            Repr::Elapsed(after) => format!("not done within {after:?}"),
            Repr::Lagged(missed) => format!("too slow: missed {missed} messages"),
            Repr::Group(members) => {
                let lines: Vec<_> = members.iter().map(ToString::to_string).collect();
                format!("{} errors: {}", members.len(), lines.join("; "))
            }
        }
    }

    /// The error's type at its source, as its language spells it; empty if it has none.
    pub fn type_name(&self) -> &str {
        match &*self.0 {
            Repr::User { type_name, .. } => type_name,
            Repr::Boxed(error) => &error.type_name,
            Repr::Lagged(_) => "Lagged",
            _ => "",
        }
    }

    /// The actor it arose in, if that is another one than this.
    pub fn source_actor(&self) -> Option<&ActorId> {
        self.boxed().map(|error| &error.source)
    }

    /// All that is known of an error from another actor.
    pub fn boxed(&self) -> Option<&BoxedError> {
        match &*self.0 {
            Repr::Boxed(error) => Some(error),
            _ => None,
        }
    }

    /// Is this a cancellation, not a failure?
    pub fn is_cancelled(&self) -> bool {
        self.cancellation().is_some()
    }

    /// Is this our own cancel, come back in the place of a value? See [`AbsorbedExt`].
    pub fn is_absorbed(&self) -> bool {
        matches!(&*self.0, Repr::Absorbed(_))
    }

    /// Did a [`timeout`](crate::timeout) run out?
    pub fn is_elapsed(&self) -> bool {
        matches!(&*self.0, Repr::Elapsed(_))
    }

    /// How many messages a reader of a broadcast has missed, if this says so.
    pub fn lagged(&self) -> Option<u64> {
        match &*self.0 {
            Repr::Lagged(missed) => Some(*missed),
            _ => None,
        }
    }

    /// Who cancelled, if this is a cancellation.
    pub fn canceller(&self) -> Option<&ActorId> {
        self.cancellation().map(|c| &c.canceller)
    }

    /// The cancellation, if this is one.
    pub fn cancellation(&self) -> Option<&Cancellation> {
        match &*self.0 {
            Repr::Cancelled(c) | Repr::Absorbed(c) => Some(c),
            Repr::Boxed(error) => match &error.kind {
                ErrorKind::Cancelled(c) => Some(c),
                _ => None,
            },
            _ => None,
        }
    }

    /// The members of a group; of any other error, itself.
    pub fn members(&self) -> &[Error] {
        match &*self.0 {
            Repr::Group(members) => members,
            _ => std::slice::from_ref(self),
        }
    }

    /// The error as data, if its source offered that and it has this shape.
    pub fn payload<T: DeserializeOwned>(&self) -> Option<T> {
        let payload = match &*self.0 {
            Repr::User { payload, .. } => payload.as_ref(),
            Repr::Boxed(error) => error.payload.as_ref(),
            _ => None,
        };
        codec::decode(payload?).ok()
    }

    /// The user's own error value, if it is one of this type and arose in this actor.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match &*self.0 {
            Repr::User { error, .. } => error.downcast_ref(),
            _ => None,
        }
    }

    /// The error as it travels. One that came from another actor goes on unchanged; the host adds the
    /// hop to its path.
    pub fn to_boxed(&self, me: &ActorId) -> BoxedError {
        if let Some(error) = self.boxed() {
            return error.clone();
        }
        let mut boxed = BoxedError::new(self.kind(), me.clone(), self.chain());
        boxed.type_name = self.type_name().to_owned();
        if let Repr::User { payload, .. } = &*self.0 {
            boxed.payload.clone_from(payload);
        }
        boxed
    }

    /// Are these the same failure, seen twice?
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || matches!((self.boxed(), other.boxed()), (Some(a), Some(b)) if is_same(a, b))
    }

    /// The message with those of its causes.
    fn chain(&self) -> String {
        let mut text = self.message();
        let mut cause = match &*self.0 {
            Repr::User { error, .. } => error.source(),
            _ => None,
        };
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// The death of an actor is one failure, whichever of its contexts tells it; what fails in a task is told by
/// the context of that task, so that two tasks which fail alike are two failures.
fn is_same(a: &BoxedError, b: &BoxedError) -> bool {
    use ErrorKind::{EndpointError, NotStarted, Overrun, PayloadMismatch};
    let is_of_a_task = matches!(a.kind, EndpointError | NotStarted | Overrun | PayloadMismatch);
    a.source == b.source && a.kind == b.kind && a.message == b.message && (a.context == b.context || !is_of_a_task)
}

impl From<Repr> for Error {
    fn from(repr: Repr) -> Self {
        Self(Arc::new(repr))
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        // A boxed error must not be wrapped once more: it would lose its kind and its source.
        let any: &(dyn StdError + 'static) = &error;
        if let Some(boxed) = any.downcast_ref::<BoxedError>() {
            return Repr::Boxed(boxed.clone()).into();
        }
        Self::user(error, None)
    }
}

impl fmt::Display for Error {
    /// One line; with `{:#}` the causes, the relay path and the source's backtrace too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Repr::Boxed(error) => write!(f, "{error}")?,
            Repr::Fault { kind, message } => write!(f, "{kind}: {message}")?,
            _ if f.alternate() => f.write_str(&self.chain())?,
            _ => f.write_str(&self.message())?,
        }
        match self.boxed().and_then(|error| error.backtrace.as_deref()) {
            Some(backtrace) if f.alternate() => write!(f, "\n{backtrace}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

/// Takes the one case apart in which a block ends well and yet has no value.
pub trait AbsorbedExt<T> {
    /// `Ok(None)` if our own cancel took the place of the value.
    ///
    /// # Errors
    /// Everything else.
    fn absorbed(self) -> Result<Option<T>>;
}

impl<T> AbsorbedExt<T> for Result<T> {
    fn absorbed(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_absorbed() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
