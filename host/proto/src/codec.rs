//! Frames as bytes: CBOR with integer keys, definite lengths, nothing left over.
//!
//! A link that leaves the process uses this always; the in-memory link can be told to, so that
//! nothing comes to depend on shared memory.

use steading_types::split_message;

use crate::canonical;
use crate::frame::{Dest, Frame};

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not the CBOR of a frame.
    #[error("malformed frame: {0}")]
    Malformed(#[from] minicbor::decode::Error),
    /// The bytes are CBOR that no core writes: a longer spelling, an unknown field, or too deep.
    #[error("not as a core writes it, from byte {0} on")]
    NotCanonical(usize),
    /// A frame is followed by something else.
    #[error("{0} bytes after the end of the frame")]
    Trailing(usize),
    /// A batch does not hold the messages it says it holds.
    #[error("a batch that says it holds {0} messages does not")]
    Batch(u32),
}

/// Encodes a frame with its destination.
pub fn encode(dest: Dest, frame: &Frame) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + frame.payload_len());
    let mut encoder = minicbor::Encoder::new(&mut out);
    // Writing to a Vec cannot fail, and no field of a frame refuses to be encoded.
    encoder
        .encode(dest)
        .and_then(|e| e.encode(frame))
        .expect("encoding into memory cannot fail");
    out
}

/// Decodes what [`encode`] wrote, and nothing else: each frame has one spelling. What is decoded takes no
/// more memory than twice the bytes and 4 KiB, whatever they say; an error with others inside takes a
/// kibibyte more for each of these, of which there are 64 at most.
///
/// # Errors
/// [`DecodeError`] for anything else, including a frame followed by more bytes.
pub fn decode(bytes: &[u8]) -> Result<(Dest, Frame), DecodeError> {
    let length = canonical::check(bytes).map_err(|offence| DecodeError::NotCanonical(offence.0))?;
    if length < bytes.len() {
        return Err(DecodeError::Trailing(bytes.len() - length));
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let dest = decoder.decode()?;
    let frame = decoder.decode()?;
    check_spelling(bytes, dest, &frame)?;
    Ok((dest, check_batch(frame)?))
}

/// A field that is not known, or is there and could be left out, makes another spelling of the same frame.
fn check_spelling(bytes: &[u8], dest: Dest, frame: &Frame) -> Result<(), DecodeError> {
    let mut encoder = minicbor::Encoder::new(canonical::Same(bytes));
    let same = encoder.encode(dest).and_then(|encoder| encoder.encode(frame)).is_ok();
    let rest = encoder.into_writer().0.len();
    match same && rest == 0 {
        true => Ok(()),
        false => Err(DecodeError::NotCanonical(bytes.len() - rest)),
    }
}

/// The core trusts the count of a batch, as its own side has counted it; here nobody has yet.
fn check_batch(frame: Frame) -> Result<Frame, DecodeError> {
    let Frame::Yield { batch, messages } = &frame else {
        return Ok(frame);
    };
    let (mut rest, mut count) = (&batch[..], 0);
    while let Some((_, next)) = split_message(rest) {
        (rest, count) = (next, count + 1);
    }
    match rest.is_empty() && count == *messages {
        true => Ok(frame),
        false => Err(DecodeError::Batch(*messages)),
    }
}

/// `Bytes` as a CBOR byte string.
pub(crate) mod bytes {
    use bytes::Bytes;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: Write>(
        bytes: &Bytes,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(bytes)?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Bytes, DecodeError> {
        d.bytes().map(Bytes::copy_from_slice)
    }
}
