//! Laws of the codec: what was encoded decodes, and nothing else does.

use bytes::Bytes;
use proptest::prelude::*;
use steading_proto::codec::{DecodeError, decode, encode};
use steading_proto::frame::Start;
use steading_proto::{Dest, Frame};
use steading_types::{ActorId, BoxedError, Cancellation, Cause, ErrorKind, Policy, Rung, Uuid, Window, push_message};

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<(u64, u64)>().prop_map(|(high, low)| Uuid { high, low })
}

fn actor() -> impl Strategy<Value = ActorId> {
    (".{0,12}", uuid()).prop_map(|(name, uuid)| ActorId::new(name, uuid))
}

fn payload() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn window() -> impl Strategy<Value = Window> {
    any::<(u32, u32)>().prop_map(|(messages, bytes)| Window { messages, bytes })
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        Just(Cause::Requested),
        Just(Cause::Deadline),
        Just(Cause::ParentTeardown),
        Just(Cause::Interrupt),
        ".{0,9}".prop_map(Cause::Budget),
        Just(Cause::PeerLost),
    ]
}

fn cancellation() -> impl Strategy<Value = Cancellation> {
    (actor(), prop::option::of(".{0,9}"), cause()).prop_map(|(canceller, reason, cause)| Cancellation {
        canceller,
        reason,
        cause,
    })
}

fn kind() -> impl Strategy<Value = ErrorKind> {
    prop_oneof![
        prop::sample::select(vec![
            ErrorKind::EndpointError,
            ErrorKind::Panic,
            ErrorKind::Killed,
            ErrorKind::PayloadMismatch,
            ErrorKind::Overrun,
            ErrorKind::LinkClosed,
            ErrorKind::NotGranted,
            ErrorKind::NoSuchEndpoint,
            ErrorKind::NotStarted,
            ErrorKind::StartTimeout,
            ErrorKind::CancelTimeout,
            ErrorKind::SpawnFailed,
            ErrorKind::InvalidOperation,
            ErrorKind::Internal,
            ErrorKind::Deadlock,
        ]),
        ".{0,9}".prop_map(ErrorKind::Trap),
        ".{0,9}".prop_map(ErrorKind::Limit),
        cancellation().prop_map(ErrorKind::Cancelled),
    ]
}

fn error_alone() -> impl Strategy<Value = BoxedError> {
    let text = (".{0,9}", ".{0,9}", prop::option::of(".{0,9}"));
    let path = prop::collection::vec(actor(), 0..4);
    (kind(), text, prop::option::of(payload()), actor(), path, any::<u64>()).prop_map(
        |(kind, (type_name, message, backtrace), payload, source, relay_path, context)| BoxedError {
            kind,
            type_name,
            message,
            payload,
            source,
            relay_path,
            backtrace,
            context,
            members: Vec::new(),
            omitted: 0,
        },
    )
}

/// Some with others inside, as trees of any form.
fn error() -> impl Strategy<Value = Box<BoxedError>> {
    let omitted = prop_oneof![4 => Just(0), 1 => any::<u32>()];
    let member = (0_u32..5, error_alone(), omitted.clone())
        .prop_map(|(depth, error, omitted)| (depth, BoxedError { omitted, ..error }));
    let members = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(member, 0..8)];
    (error_alone(), members, omitted)
        .prop_map(|(error, members, omitted)| Box::new(BoxedError { omitted, ..error }.with_members(members)))
}

fn start() -> impl Strategy<Value = Frame> {
    let numbers = (any::<u32>(), any::<u64>(), prop::option::of(any::<u64>()));
    (numbers, actor(), ".{0,12}", window(), payload()).prop_map(
        |((origin, schema, deadline), caller, endpoint, window, args)| {
            Frame::Start(Box::new(Start {
                origin,
                caller,
                endpoint,
                schema,
                deadline,
                window,
                args,
            }))
        },
    )
}

fn messages() -> impl Strategy<Value = Frame> {
    prop::collection::vec(payload(), 0..5).prop_map(|payloads| {
        let mut batch = Vec::new();
        payloads.iter().for_each(|payload| push_message(&mut batch, payload));
        Frame::Yield {
            batch: batch.into(),
            messages: payloads.len() as u32,
        }
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        prop::sample::select(vec![Policy::Block, Policy::OverrunError, Policy::DropOldest]),
        any::<u32>().prop_map(Policy::Buffer),
    ]
}

fn rung() -> impl Strategy<Value = Rung> {
    prop::sample::select(vec![Rung::Acked, Rung::Trapped, Rung::Killed, Rung::AlreadyGone])
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        start(),
        (any::<u32>(), actor(), window()).prop_map(|(key, callee, window)| Frame::StartAck { key, callee, window }),
        payload().prop_map(Frame::Started),
        messages(),
        Just(Frame::Stop),
        any::<(u32, u32)>().prop_map(|(messages, bytes)| Frame::Credit { messages, bytes }),
        (cancellation(), any::<u32>()).prop_map(|(cancellation, reply)| Frame::Cancel { cancellation, reply }),
        Just(Frame::CancelAck),
        payload().prop_map(Frame::Return),
        error().prop_map(Frame::Error),
        cancellation().prop_map(Frame::CancelActor),
        any::<u32>().prop_map(Frame::ChildUp),
        Just(Frame::Force),
        (any::<u32>(), prop::option::of(error()), rung()).prop_map(|(portal, error, rung)| Frame::ChildEnded {
            portal,
            error,
            rung
        }),
        (policy(), window()).prop_map(|(policy, window)| Frame::Flow { policy, window }),
    ]
}

fn dest() -> impl Strategy<Value = Dest> {
    prop_oneof![
        Just(Dest::Actor),
        any::<u32>().prop_map(Dest::Key),
        (uuid(), any::<u32>()).prop_map(|(uuid, key)| Dest::Origin(uuid, key)),
    ]
}

/// Equality of ids is by uuid; the names must have come through as well.
fn text(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 512 }, ..ProptestConfig::default() })]

    #[test]
    fn what_was_encoded_decodes(dest in dest(), frame in frame()) {
        let (to, got) = decode(&encode(dest, &frame)).expect("it was encoded");
        prop_assert_eq!((to, text(&got)), (dest, text(&frame)));
        prop_assert_eq!(got, frame);
    }

    #[test]
    fn nothing_may_follow_a_frame(dest in dest(), frame in frame(), more in 1usize..9) {
        let mut bytes = encode(dest, &frame);
        bytes.extend(vec![0xf6; more]);
        prop_assert!(matches!(decode(&bytes), Err(DecodeError::Trailing(rest)) if rest == more));
    }

    #[test]
    fn a_frame_cut_short_is_an_error(dest in dest(), frame in frame()) {
        let bytes = encode(dest, &frame);
        for end in 0..bytes.len() {
            prop_assert!(decode(&bytes[..end]).is_err(), "cut at {} of {}", end, bytes.len());
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&bytes));
    }

    #[test]
    fn a_damaged_frame_never_panics(dest in dest(), frame in frame(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = encode(dest, &frame);
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok((dest, frame)) = decode(&bytes) {
            // Whatever still decodes is a frame like any other.
            prop_assert_eq!(decode(&encode(dest, &frame)).expect("a frame"), (dest, frame));
        }
    }

    #[test]
    fn a_batch_that_miscounts_is_refused(frame in messages(), by in 1u32..9) {
        let Frame::Yield { batch, messages } = frame else { unreachable!("only batches") };
        let wrong = Frame::Yield { batch, messages: messages + by };
        prop_assert!(matches!(decode(&encode(Dest::Key(1), &wrong)), Err(DecodeError::Batch(_))));
    }
}

#[test]
fn deep_nesting_is_refused_without_deep_recursion() {
    for byte in [0x81, 0xa1, 0xc0, 0x9f, 0xbf, 0xd8] {
        assert!(decode(&vec![byte; 1 << 20]).is_err());
    }
    let mut unknown_fields = vec![0x82, 0x00, 0x80, 0x82, 0x04, 0x82];
    unknown_fields.extend(vec![0x81; 1 << 20]);
    assert!(decode(&unknown_fields).is_err());
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    // A Return whose payload says it has 2^62 bytes.
    let mut bytes = encode(Dest::Key(1), &Frame::Return(Bytes::new()));
    bytes.pop();
    bytes.extend([0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    assert!(decode(&bytes).is_err());
}

/// What the fuzzer begins from: one frame of each kind, each in a file of its own.
#[test]
fn the_seeds_of_the_fuzzer_are_frames() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds");
    let seeds = std::fs::read_dir(folder).expect("the folder of seeds");
    let mut kinds = std::collections::BTreeSet::new();
    for seed in seeds {
        let path = seed.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let (dest, frame) = decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(encode(dest, &frame), bytes, "{}", path.display());
        kinds.insert(text(&frame).split([' ', '(']).next().map(str::to_owned));
    }
    assert_eq!(kinds.len(), 14, "{kinds:?}");
}
