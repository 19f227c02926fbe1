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
    Boxed {
        error: BoxedError,
        /// What is inside it: of a group its members, of a wrapper its cause.
        below: Vec<Error>,
    },
    /// What somebody was at when another error came.
    Wrapped {
        message: String,
        cause: Error,
    },
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
    Group {
        members: Vec<Error>,
        omitted: u32,
    },
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

    /// Several independent failures. Groups among them become their members, one that is also told as the
    /// cause of another is told there only, and of one alone it is that one.
    pub fn group(members: Vec<Self>) -> Self {
        if let [only] = &members[..] {
            // A group from elsewhere, too: who grouped it is kept.
            return only.clone();
        }
        let (mut flat, mut omitted) = (Vec::new(), 0_u32);
        for member in members {
            omitted = omitted.saturating_add(member.omitted());
            flat.extend_from_slice(member.members());
        }
        let told = |error: &Self| flat.iter().any(|other| other.contains(error));
        let members: Vec<_> = flat.iter().filter(|error| !told(error)).cloned().collect();
        match &members[..] {
            [only] if omitted == 0 => only.clone(),
            _ => Repr::Group { members, omitted }.into(),
        }
    }

    /// This error as the cause of one that says what was being done. A cancellation stays what it is: it
    /// must be recognised all the way up (semantics 7).
    #[must_use]
    pub fn wrap(self, message: impl fmt::Display) -> Self {
        if self.is_cancelled() {
            return self;
        }
        let message = message.to_string();
        Repr::Wrapped { message, cause: self }.into()
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
            Repr::User { .. } | Repr::Message(_) | Repr::Elapsed(_) | Repr::Lagged(_) => ErrorKind::EndpointError,
            Repr::Group { .. } | Repr::Wrapped { .. } => ErrorKind::EndpointError,
            Repr::Boxed { error, .. } => error.kind.clone(),
            Repr::Fault { kind, .. } => kind.clone(),
            Repr::Cancelled(c) | Repr::Absorbed(c) => ErrorKind::Cancelled(c.clone()),
        }
    }

    /// In plain words, without where it came from and without its cause.
    pub fn message(&self) -> String {
        match &*self.0 {
            Repr::User { error, .. } => error.to_string(),
            Repr::Message(message) | Repr::Fault { message, .. } => message.clone(),
            Repr::Boxed { error, .. } => error.message.clone(),
            Repr::Wrapped { message, .. } => message.clone(),
            Repr::Cancelled(c) => c.to_string(),
            Repr::Absorbed(c) => format!("no value: {c}, as asked"),
            Repr::Elapsed(after) => format!("not done within {after:?}"),
            Repr::Lagged(missed) => format!("too slow: missed {missed} messages"),
            Repr::Group { members, omitted } => {
                let lines: Vec<_> = members.iter().map(ToString::to_string).collect();
                let count = members.len() as u64 + u64::from(*omitted);
                format!("{count} errors: {}", lines.join("; "))
            }
        }
    }

    /// The error's type at its source, as its language spells it; empty if it has none.
    pub fn type_name(&self) -> &str {
        match &*self.0 {
            Repr::User { type_name, .. } => type_name,
            Repr::Boxed { error, .. } => &error.type_name,
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
            Repr::Boxed { error, .. } => Some(error),
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
            Repr::Boxed { error, .. } => match &error.kind {
                ErrorKind::Cancelled(c) => Some(c),
                _ => None,
            },
            _ => None,
        }
    }

    /// The members of a group, whether it arose here or came from another actor; of any other error, itself.
    pub fn members(&self) -> &[Error] {
        match &*self.0 {
            Repr::Group { members, .. } => members,
            Repr::Boxed { error, below } if error.is_group() => below,
            _ => std::slice::from_ref(self),
        }
    }

    /// Members of a group that were lost on the way: an error brings 64 others with it at most.
    pub fn omitted(&self) -> u32 {
        match &*self.0 {
            Repr::Group { omitted, .. } => *omitted,
            Repr::Boxed { error, .. } => error.omitted,
            _ => 0,
        }
    }

    /// Whether this stands for several independent failures.
    pub fn is_group(&self) -> bool {
        match &*self.0 {
            Repr::Group { .. } => true,
            Repr::Boxed { error, .. } => error.is_group(),
            _ => false,
        }
    }

    /// The error that this one wraps, or that its source said was its cause.
    pub fn cause(&self) -> Option<&Error> {
        match &*self.0 {
            Repr::Wrapped { cause, .. } => Some(cause),
            Repr::Boxed { error, below } if !error.is_group() => below.first(),
            _ => None,
        }
    }

    /// What caused an error value of the user's own.
    pub(crate) fn std_source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            Repr::User { error, .. } => error.source(),
            _ => None,
        }
    }

    /// The kind of an error that this library found.
    pub(crate) fn fault_kind(&self) -> Option<&ErrorKind> {
        match &*self.0 {
            Repr::Fault { kind, .. } => Some(kind),
            _ => None,
        }
    }

    /// Whether the other is among the causes of this one.
    fn contains(&self, other: &Self) -> bool {
        let below = match self.cause() {
            Some(cause) => std::slice::from_ref(cause),
            None if self.is_group() => self.members(),
            None => &[],
        };
        below.iter().any(|error| error.is_same(other) || error.contains(other))
    }

    /// The error as data, if its source offered that and it has this shape.
    pub fn payload<T: DeserializeOwned>(&self) -> Option<T> {
        let payload = match &*self.0 {
            Repr::User { payload, .. } => payload.as_ref(),
            Repr::Boxed { error, .. } => error.payload.as_ref(),
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

    /// The error as it travels, with its causes and members as far as there is room. One that came from
    /// another actor goes on unchanged; the host adds the hop to its path.
    pub fn to_boxed(&self, me: &ActorId) -> BoxedError {
        let mut boxed = self.boxed_below(me, 0);
        boxed.cut();
        boxed
    }

    fn boxed_below(&self, me: &ActorId, depth: usize) -> BoxedError {
        if let Some(error) = self.boxed() {
            return error.clone();
        }
        let mut boxed = BoxedError::new(self.kind(), me.clone(), self.message());
        boxed.type_name = self.type_name().to_owned();
        let inside: &[Self] = match &*self.0 {
            Repr::Wrapped { cause, .. } => std::slice::from_ref(cause),
            Repr::Group { members, omitted } => {
                boxed.omitted = *omitted;
                members
            }
            Repr::User { payload, error, .. } => {
                boxed.payload.clone_from(payload);
                boxed.members = boxed_sources(error.source(), me);
                return boxed;
            }
            _ => return boxed,
        };
        // More in a row would be cut, and might be more than the stack takes.
        if depth < BoxedError::MOST_MEMBERS {
            boxed.members = inside.iter().map(|error| error.boxed_below(me, depth + 1)).collect();
        }
        boxed
    }

    /// A failure that arose here, in the form in which it travels; cancellations stay what they are.
    pub(crate) fn boxed_by(self, me: &ActorId) -> Self {
        match self.is_cancelled() || self.boxed().is_some() {
            true => self,
            false => unboxed(self.to_boxed(me)),
        }
    }

    /// Whether this says that an actor is dead, and of what.
    pub(crate) fn is_death(&self) -> bool {
        let kind = self.boxed().map(|error| &error.kind);
        kind.is_some_and(|kind| {
            matches!(
                kind,
                ErrorKind::Panic | ErrorKind::Trap(_) | ErrorKind::Killed | ErrorKind::Limit(_) | ErrorKind::Internal
            )
        })
    }

    /// Whether this only says that this actor was dead when somebody called it, and not of what it died.
    pub(crate) fn says_gone(&self, actor: &ActorId) -> bool {
        self.kind() == ErrorKind::LinkClosed && self.source_actor() == Some(actor)
    }

    /// Is this how a task failed, and not its whole actor?
    pub(crate) fn is_of_a_task(&self) -> bool {
        is_of_a_task(&self.kind())
    }

    /// Are these the same failure, seen twice?
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || matches!((self.boxed(), other.boxed()), (Some(a), Some(b)) if is_same(a, b))
    }
}

/// The causes of an error value, each as that of the one before it. One that came from another actor is
/// what it was there.
fn boxed_sources(mut source: Option<&(dyn StdError + 'static)>, me: &ActorId) -> Vec<BoxedError> {
    let mut causes = Vec::new();
    while let Some(error) = source
        && causes.len() < BoxedError::MOST_MEMBERS
    {
        if let Some(boxed) = error.downcast_ref::<BoxedError>() {
            causes.push(boxed.clone());
            break;
        }
        causes.push(BoxedError::new(ErrorKind::EndpointError, me.clone(), error.to_string()));
        source = error.source();
    }
    let chained = causes.into_iter().rev().reduce(|inner, mut outer| {
        outer.members = vec![inner];
        outer
    });
    chained.into_iter().collect()
}

/// The death of an actor is one failure, whichever of its contexts tells it, and on whatever path; what fails in a
/// task is told by the context of that task, so that two tasks which fail alike are two failures.
fn is_same(a: &BoxedError, b: &BoxedError) -> bool {
    a.members.len() == b.members.len() && a.walk().zip(b.walk()).all(|((_, a), (_, b))| is_alike(a, b))
}

fn is_alike(a: &BoxedError, b: &BoxedError) -> bool {
    let is_task_alike = a.context == b.context || !is_of_a_task(&a.kind);
    a.source == b.source && a.kind == b.kind && a.message == b.message && is_task_alike
}

/// Is this how a task fails, and not its whole actor?
fn is_of_a_task(kind: &ErrorKind) -> bool {
    use ErrorKind::{EndpointError, NotStarted, Overrun, PayloadMismatch};
    matches!(kind, EndpointError | NotStarted | Overrun | PayloadMismatch)
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
            return unboxed(boxed.clone());
        }
        Self::user(error, None)
    }
}

/// With an error of its own for all that is inside.
fn unboxed(error: BoxedError) -> Error {
    let below = error.members.iter().cloned().map(unboxed).collect();
    Repr::Boxed { error, below }.into()
}

impl fmt::Display for Error {
    /// One line, causes included; with `{:#}` the whole [`report`](Error::report).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return fmt::Display::fmt(&self.report(), f);
        }
        match &*self.0 {
            Repr::Boxed { error, .. } => write!(f, "{error}"),
            Repr::Fault { kind, message } => write!(f, "{kind}: {message}"),
            Repr::Wrapped { message, cause } => write!(f, "{message}: {cause}"),
            _ => {
                f.write_str(&self.message())?;
                let mut source = self.std_source();
                while let Some(error) = source {
                    write!(f, ": {error}")?;
                    source = error.source();
                }
                Ok(())
            }
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
