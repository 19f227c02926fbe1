//! Which errors this actor may hand on as somebody else's.
//!
//! A guest returns an error as bytes, and could write any source, path or canceller into it. So the
//! core remembers what it delivered: an error that came from elsewhere keeps its source and grows its
//! path; anything else is this actor's own (semantics 9, invariant I12). Whole errors are kept and
//! compared, not hashes of them: a guest could search for a text with the hash it wants.
//!
//! The same holds for each error inside another one. A group that a task made of errors it was delivered is
//! its own, and its members stay what they were; what it changed or made up in them becomes its own too.

use std::collections::VecDeque;

use steading_types::{ActorId, BoxedError, Cancellation, Cause, ErrorKind};

use super::LONGEST_REASON;

/// How many delivered errors are remembered; one forgotten is relayed as the actor's own.
const REMEMBERED: usize = 64;
/// Bytes of all remembered errors, save the latest, which is always remembered. Bounds the work of looking
/// one up as well, as none weighs nothing.
const REMEMBERED_BYTES: usize = 256 << 10;
/// Bytes of a message or a type's name.
const LONGEST_TEXT: usize = 8 << 10;
/// Bytes of a backtrace.
const LONGEST_BACKTRACE: usize = 16 << 10;
/// Bytes of an error as data. A longer one is dropped: half of it could not be decoded.
const LONGEST_PAYLOAD: usize = 64 << 10;
/// Bytes of all that is inside an error. What comes beyond has its first words only.
const LONGEST_MEMBERS: usize = 256 << 10;
/// Bytes of such first words.
const FIRST_WORDS: usize = 128;
/// What an error weighs without any text.
const BARE: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Relays {
    /// Boxed: most actors are delivered one error or none, and room for four inline is more than a kilobyte.
    delivered: VecDeque<Box<BoxedError>>,
    bytes: usize,
}

impl Relays {
    /// This error, or cancellation, is about to be delivered to the actor's tasks.
    pub(crate) fn remember(&mut self, error: &BoxedError) {
        self.bytes += weight(error);
        self.delivered.push_back(Box::new(error.clone()));
        while self.delivered.len() > REMEMBERED || (self.bytes > REMEMBERED_BYTES && self.delivered.len() > 1) {
            let Some(oldest) = self.delivered.pop_front() else {
                return;
            };
            self.bytes -= weight(&oldest);
        }
    }

    fn all(&self) -> impl Iterator<Item = &BoxedError> {
        self.delivered
            .iter()
            .flat_map(|error| error.walk())
            .map(|(_, error)| error)
    }

    /// The delivered error that this one equals, with all that is inside it. It, not the guest's copy, is
    /// what travels on: ids are equal by uuid alone, and the guest could have changed a name.
    fn known(&self, error: &BoxedError) -> Option<&BoxedError> {
        self.all().find(|known| *known == error)
    }

    /// A task that was cancelled sees the cancellation alone, not the error it travelled in.
    fn known_cancellation(&self, cancellation: &Cancellation) -> Option<&Cancellation> {
        self.all().find_map(|error| match &error.kind {
            ErrorKind::Cancelled(known) if known == cancellation => Some(known),
            _ => None,
        })
    }

    /// Makes an error that a task of `me` returned fit to travel on.
    pub(crate) fn stamp(
        &self,
        mut error: BoxedError,
        me: &ActorId,
        serial: u64,
        cancel: Option<&Cancellation>,
    ) -> BoxedError {
        error.cut();
        let mut error = self.stamp_tree(error, &Author { me, serial, cancel });
        let (mut bytes, mut hops) = (LONGEST_MEMBERS, BoxedError::MOST_MEMBER_HOPS);
        fit_members(&mut error, &mut bytes, &mut hops);
        error
    }

    fn stamp_tree(&self, mut error: BoxedError, author: &Author<'_>) -> BoxedError {
        if let Some(known) = self.relayed(&error, author.me) {
            return known;
        }
        let members = std::mem::take(&mut error.members);
        error.members = members
            .into_iter()
            .map(|member| self.stamp_tree(member, author))
            .collect();
        error.kind = self.own_kind(error.kind, author.me, author.cancel);
        error.source = author.me.clone();
        error.relay_path.clear();
        error.context = author.serial;
        error.payload = error.payload.filter(|payload| payload.len() <= LONGEST_PAYLOAD);
        truncate(&mut error.message, LONGEST_TEXT);
        truncate(&mut error.type_name, LONGEST_TEXT);
        if let Some(backtrace) = &mut error.backtrace {
            truncate(backtrace, LONGEST_BACKTRACE);
        }
        error
    }

    /// As [`Relays::stamp`], for an error that stays with `me`: it has made no hop yet.
    pub(crate) fn vouch(&self, error: BoxedError, me: &ActorId) -> BoxedError {
        match self.known(&error) {
            Some(known) => known.clone(),
            None => self.stamp(error, me, 0, None),
        }
    }

    fn relayed(&self, error: &BoxedError, me: &ActorId) -> Option<BoxedError> {
        if matches!(error.kind, ErrorKind::Cancelled(_)) {
            return None;
        }
        let mut known = self.known(error)?.clone();
        add_hop(&mut known, me);
        Some(known)
    }

    /// The cancellation that a task may claim to have ended by: its own, one it was told of, or one within its
    /// actor that names nobody else. That is never told in the place of its own.
    fn own_cancellation(
        &self,
        claimed: Cancellation,
        me: &ActorId,
        cancel: Option<&Cancellation>,
    ) -> Option<Cancellation> {
        let told = cancel.filter(|cancel| **cancel == claimed);
        match told.or_else(|| self.known_cancellation(&claimed)) {
            Some(told) => Some(told.clone()),
            None if claimed.canceller != *me => None,
            None => Some(cancel.cloned().unwrap_or_else(|| within(me, claimed))),
        }
    }

    /// Kinds that only the host may state become plain endpoint errors.
    fn own_kind(&self, kind: ErrorKind, me: &ActorId, cancel: Option<&Cancellation>) -> ErrorKind {
        match kind {
            ErrorKind::Cancelled(claimed) => self
                .own_cancellation(claimed, me, cancel)
                .map_or(ErrorKind::EndpointError, ErrorKind::Cancelled),
            ErrorKind::PayloadMismatch
            | ErrorKind::NotStarted
            | ErrorKind::InvalidOperation
            | ErrorKind::StartTimeout
            | ErrorKind::CancelTimeout
            | ErrorKind::SpawnFailed => kind,
            // The actor's own library finds it, before the host would: so much does not leave a guest.
            ErrorKind::Limit(ref what) if what == "payload" => kind,
            _ => ErrorKind::EndpointError,
        }
    }
}

/// A cancellation within an actor, as far as it is the actor's to state.
fn within(me: &ActorId, claimed: Cancellation) -> Cancellation {
    let mut reason = claimed.reason;
    if let Some(reason) = &mut reason {
        truncate(reason, LONGEST_REASON);
    }
    let canceller = me.clone();
    Cancellation {
        canceller,
        reason,
        cause: stated(claimed.cause),
    }
}

/// The ground of a cancel, as far as it is an actor's to state: all others are the host's.
pub(super) fn stated(cause: Cause) -> Cause {
    match cause {
        Cause::Deadline | Cause::ParentTeardown => cause,
        _ => Cause::Requested,
    }
}

/// Who returned an error, from which of its contexts, and how that was cancelled, if it was.
struct Author<'a> {
    me: &'a ActorId,
    serial: u64,
    cancel: Option<&'a Cancellation>,
}

/// Whoever hands an error on hands on what is inside it.
fn add_hop(error: &mut BoxedError, me: &ActorId) {
    // A refusal of this very actor's own command has not passed anybody yet.
    let is_own = error.relay_path.is_empty() && error.source == *me;
    if !is_own && error.relay_path.len() < BoxedError::MOST_HOPS {
        error.relay_path.push(me.clone());
    }
    for member in &mut error.members {
        add_hop(member, me);
    }
}

/// Cuts what is inside an error to these bytes and hops. The last hops of a path go, as if it had not been
/// extended any more.
fn fit_members(error: &mut BoxedError, bytes: &mut usize, hops: &mut usize) {
    for member in &mut error.members {
        member.relay_path.truncate(*hops);
        *hops -= member.relay_path.len();
        let weight = weight_alone(member);
        if weight > *bytes {
            (member.payload, member.backtrace) = (None, None);
            truncate(&mut member.message, FIRST_WORDS);
            truncate(&mut member.type_name, FIRST_WORDS);
        }
        *bytes = bytes.saturating_sub(weight);
        fit_members(member, bytes, hops);
    }
}

fn weight(error: &BoxedError) -> usize {
    error.walk().map(|(_, error)| BARE + weight_alone(error)).sum()
}

fn weight_alone(error: &BoxedError) -> usize {
    let payload = error.payload.as_ref().map_or(0, |payload| payload.len());
    let backtrace = error.backtrace.as_ref().map_or(0, String::len);
    error.message.len() + error.type_name.len() + payload + backtrace
}

fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
    }
}
