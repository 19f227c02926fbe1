//! Any bytes: the decoder answers, within its memory, and what it takes for a frame has no second spelling.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir host/proto/fuzz frame host/proto/fuzz/corpus host/proto/fuzz/seeds`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use steading_proto::codec::{decode, encode};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Beyond twice the input: the boxes of a frame, the text of an error, and 64 errors inside one.
const CONSTANT: usize = (4 + 64) << 10;

fuzz_target!(|bytes: &[u8]| {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let decoded = decode(bytes);
    let peak = MEMORY.peak_usage() - before;
    assert!(peak <= 2 * bytes.len() + CONSTANT, "{} bytes took {peak}", bytes.len());
    if let Ok((dest, frame)) = decoded {
        assert_eq!(encode(dest, &frame), bytes, "{frame:?} has a second spelling");
    }
});
