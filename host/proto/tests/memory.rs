//! The decoder's memory: whatever the bytes say, it takes no more than twice their length and 4 KiB, and a
//! kibibyte for each of 64 errors inside an error.
//!
//! A test binary of its own, because it counts every allocation of the process; one test, so that no other
//! test's are counted.

use bytes::Bytes;
use peak_alloc::PeakAlloc;
use steading_proto::codec::{decode, encode};
use steading_proto::{Dest, Frame};
use steading_types::{ActorId, BoxedError, ErrorKind, Uuid};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Beyond twice the input: the boxes of a frame, and the text of an error.
const CONSTANT: usize = 4 << 10;
/// For each error inside an error: its fixed parts, and the ids of its path.
const MEMBER: usize = 1 << 10;

/// The most that decoding these bytes takes at once, and whether they are a frame.
fn peak(bytes: &[u8]) -> (usize, bool) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let decoded = decode(bytes).is_ok();
    (MEMORY.peak_usage() - before, decoded)
}

fn check(what: &str, bytes: &[u8]) -> bool {
    check_within(what, bytes, CONSTANT)
}

fn check_within(what: &str, bytes: &[u8], constant: usize) -> bool {
    let (peak, decoded) = peak(bytes);
    assert!(
        peak <= 2 * bytes.len() + constant,
        "{what}: {} bytes took {peak}",
        bytes.len()
    );
    decoded
}

/// An error with so many others inside, each as small as it can be, and with as many hops.
fn group(members: usize, hops: usize) -> Vec<u8> {
    let error = |hops| BoxedError {
        relay_path: vec![nobody(); hops],
        ..BoxedError::new(ErrorKind::EndpointError, nobody(), "")
    };
    let error = BoxedError {
        members: vec![error(hops); members],
        ..error(0)
    };
    encode(Dest::Key(1), &Frame::Error(Box::new(error)))
}

/// As [`check`], of errors with others inside.
fn check_group(what: &str, bytes: &[u8]) -> bool {
    check_within(what, bytes, CONSTANT + BoxedError::MOST_MEMBERS * MEMBER)
}

fn groups() {
    assert!(check_group("most members", &group(64, 8)));
    assert!(check_group("long paths", &group(8, 64)));
    assert!(!check_group("a member too many", &group(65, 0)));
    assert!(!check_group("a hop too many", &group(9, 64)));
    assert!(!check_group("a hundred thousand members", &group(100_000, 3)));
    assert!(check("one cause", &group(1, 1)));
}

fn nobody() -> ActorId {
    ActorId::new("", Uuid::default())
}

/// An error that says it has passed so many actors without names.
fn relayed(hops: usize) -> Vec<u8> {
    let error = BoxedError {
        relay_path: vec![nobody(); hops],
        ..BoxedError::new(ErrorKind::EndpointError, nobody(), "")
    };
    encode(Dest::Key(1), &Frame::Error(Box::new(error)))
}

/// Items of this kind, one in another, a mebibyte deep, where a frame's field is expected.
fn nested(prefix: &[u8], item: &[u8]) -> Vec<u8> {
    let mut bytes = prefix.to_vec();
    bytes.extend(item.iter().cycle().take(1 << 20));
    bytes
}

#[test]
fn no_input_makes_the_decoder_take_more_than_twice_its_length() {
    assert!(check("the longest path", &relayed(64)));
    assert!(!check("a path too long", &relayed(65)));
    assert!(!check("a path of a hundred thousand", &relayed(100_000)));
    assert!(check(
        "a mebibyte",
        &encode(Dest::Key(1), &Frame::Return(Bytes::from(vec![1; 1 << 20])))
    ));
    let prefixes: [&[u8]; 4] = [
        &[],
        &[0x82, 1, 0x81, 1],
        &[0x82, 1, 0x81, 1, 0x82, 9, 0x81],
        &[0x82, 1, 0x81, 1, 0x82, 4, 0x82],
    ];
    let items: [&[u8]; 7] = [
        &[0x81],
        &[0x9f],
        &[0xbf, 0],
        &[0xa1, 0],
        &[0xc0],
        &[0x82, 0x9f],
        &[0x5f],
    ];
    for prefix in prefixes {
        for item in items {
            assert!(!check("nested", &nested(prefix, item)));
        }
    }
    groups();
    damaged();
}

/// Frames in which every byte in turn is replaced by the head of something long.
fn damaged() {
    let frames = [
        relayed(3),
        group(2, 1),
        encode(
            Dest::Origin(Uuid::default(), 3),
            &Frame::Started(Bytes::from_static(b"value")),
        ),
    ];
    for frame in &frames {
        for at in 0..frame.len() {
            for head in [
                0x1b, 0x3b, 0x5b, 0x7b, 0x9b, 0x9f, 0xbb, 0xbf, 0xdb, 0xfb, 0x98, 0x58, 0x78,
            ] {
                let mut bytes = frame.clone();
                bytes[at] = head;
                check("damaged", &bytes);
            }
        }
    }
}
