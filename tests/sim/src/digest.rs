//! Small fingerprints of what crosses between actors, so that two ends can be compared without keeping
//! either. Not cryptographic: nobody here tries to make two of them meet.

use steading_types::{ActorId, BoxedError, Cancellation, Cause, ErrorKind};

/// Adds a number to a fingerprint.
pub fn mix(hash: u64, x: u64) -> u64 {
    (hash.rotate_left(5) ^ x).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// Of bytes and their number.
pub fn bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    hash = mix(hash, bytes.len() as u64);
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        hash = mix(hash, u64::from_le_bytes(*chunk));
    }
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

/// Of an id, its name included: ids are equal by uuid alone.
pub fn id(hash: u64, id: &ActorId) -> u64 {
    let hash = mix(mix(hash, id.uuid.high), id.uuid.low);
    bytes(hash, id.name.as_bytes())
}

/// Which cause, as a number; the text of a budget aside.
pub fn cause(cause: &Cause) -> u8 {
    match cause {
        Cause::Requested => 0,
        Cause::Deadline => 1,
        Cause::ParentTeardown => 2,
        Cause::Interrupt => 3,
        Cause::Budget(_) => 4,
        Cause::PeerLost => 5,
    }
}

/// Of a whole cancellation.
pub fn cancellation(hash: u64, cancellation: &Cancellation) -> u64 {
    let hash = mix(id(hash, &cancellation.canceller), u64::from(cause(&cancellation.cause)));
    match &cancellation.reason {
        Some(reason) => bytes(mix(hash, 1), reason.as_bytes()),
        None => mix(hash, 0),
    }
}

/// Which kind, as a number; what it carries aside.
pub fn kind(kind: &ErrorKind) -> u8 {
    match kind {
        ErrorKind::EndpointError => 0,
        ErrorKind::Panic => 1,
        ErrorKind::Trap(_) => 2,
        ErrorKind::Killed => 3,
        ErrorKind::Cancelled(_) => 4,
        ErrorKind::PayloadMismatch => 5,
        ErrorKind::Overrun => 6,
        ErrorKind::LinkClosed => 7,
        ErrorKind::NotGranted => 8,
        ErrorKind::NoSuchEndpoint => 9,
        ErrorKind::NotStarted => 10,
        ErrorKind::StartTimeout => 11,
        ErrorKind::CancelTimeout => 12,
        ErrorKind::Limit(_) => 13,
        ErrorKind::SpawnFailed => 14,
        ErrorKind::InvalidOperation => 15,
        ErrorKind::Internal => 16,
        ErrorKind::Deadlock => 17,
    }
}

/// Of an error and all inside it, without the last `less` hops of each path.
fn error(error: &BoxedError, less: usize) -> u64 {
    let mut hash = mix(7, u64::from(kind(&error.kind)));
    hash = match &error.kind {
        ErrorKind::Trap(text) | ErrorKind::Limit(text) => bytes(hash, text.as_bytes()),
        ErrorKind::Cancelled(by) => cancellation(hash, by),
        _ => hash,
    };
    hash = bytes(bytes(hash, error.type_name.as_bytes()), error.message.as_bytes());
    hash = error
        .payload
        .as_ref()
        .map_or(mix(hash, 0), |payload| bytes(hash, payload));
    hash = error
        .backtrace
        .as_ref()
        .map_or(mix(hash, 0), |trace| bytes(hash, trace.as_bytes()));
    hash = mix(id(hash, &error.source), error.context);
    hash = mix(hash, u64::from(error.omitted));
    let hops = error.relay_path.len().saturating_sub(less);
    hash = error.relay_path[..hops].iter().fold(hash, id);
    let members = error.members.iter().map(|member| self::error(member, less));
    members.fold(hash, mix)
}

/// Of a whole error, with its whole path.
pub fn whole_error(of: &BoxedError) -> u64 {
    error(of, 0)
}

/// Of an error as it was before it was handed on the last time.
pub fn relayed_error(of: &BoxedError) -> u64 {
    error(of, 1)
}
