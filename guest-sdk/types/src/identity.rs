//! Who: actor ids, keys, and the cancellation that always names somebody.

use std::fmt;
use std::sync::Arc;

/// Names a context or a nursery inside one actor: an index with a generation.
pub type Key = u32;

/// Names an actor that this actor may reach; `0` is the actor itself.
pub type PortalKey = u32;

/// 128 random bits, minted by the host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, minicbor::Encode, minicbor::Decode)]
pub struct Uuid {
    /// The upper half.
    #[n(0)]
    pub high: u64,
    /// The lower half.
    #[n(1)]
    pub low: u64,
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let h = self.high;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            h >> 32,
            (h >> 16) & 0xffff,
            h & 0xffff,
            self.low >> 48,
            self.low & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who an actor is. Names are not unique; equality, order and hash are by uuid alone (semantics 1).
#[derive(Clone)]
pub struct ActorId {
    /// What its parent called it.
    pub name: Arc<str>,
    /// What makes it itself.
    pub uuid: Uuid,
}

impl ActorId {
    /// An id of these parts. Only hosts mint new uuids.
    pub fn new(name: impl Into<Arc<str>>, uuid: Uuid) -> Self {
        Self {
            name: name.into(),
            uuid,
        }
    }
}

impl PartialEq for ActorId {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl Eq for ActorId {}

impl PartialOrd for ActorId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ActorId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl std::hash::Hash for ActorId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl fmt::Display for ActorId {
    /// `name@1f2e3d4c`: enough of the uuid to tell two of one name apart by eye.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:08x}", self.name, self.uuid.high >> 32)
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why something was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Cause {
    /// Somebody asked.
    #[n(0)]
    Requested,
    /// Its deadline passed.
    #[n(1)]
    Deadline,
    /// The scope that owned it ended.
    #[n(2)]
    ParentTeardown,
    /// The operator interrupted the host.
    #[n(3)]
    Interrupt,
    /// It used more than it was given; the text names the budget.
    #[n(4)]
    Budget(#[n(0)] String),
    /// The other end of its link is gone.
    #[n(5)]
    PeerLost,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("requested"),
            Self::Deadline => f.write_str("deadline passed"),
            Self::ParentTeardown => f.write_str("parent tearing down"),
            Self::Interrupt => f.write_str("interrupted"),
            Self::Budget(kind) => write!(f, "budget {kind} exhausted"),
            Self::PeerLost => f.write_str("peer lost"),
        }
    }
}

/// A cancel that happened, and who is behind it. Never without a canceller (invariant I11).
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Cancellation {
    /// The first who asked.
    #[n(0)]
    pub canceller: ActorId,
    /// In their words.
    #[n(1)]
    pub reason: Option<String>,
    /// On what ground.
    #[n(2)]
    pub cause: Cause,
}

impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled by {}", self.canceller)?;
        match (&self.reason, &self.cause) {
            (Some(reason), Cause::Requested) => write!(f, ": {reason}"),
            (Some(reason), cause) => write!(f, " ({cause}): {reason}"),
            (None, Cause::Requested) => Ok(()),
            (None, cause) => write!(f, " ({cause})"),
        }
    }
}

impl<C> minicbor::Encode<C> for ActorId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?.str(&self.name)?;
        self.uuid.encode(e, ctx)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for ActorId {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.array()? != Some(2) {
            return Err(minicbor::decode::Error::message("an actor id is an array of two"));
        }
        Ok(Self {
            name: d.str()?.into(),
            uuid: Uuid::decode(d, ctx)?,
        })
    }
}
