//! Payloads: standard CBOR by serde, in the shape ciborium gives it.
//!
//! Written here, over minicbor's encoder and decoder, because the ready-made serde codecs that are fast
//! enough for a message path do not read what ciborium writes: minicbor-serde and cbor4ii spell a unit as
//! an empty array and refuse shortened floats, the former spells a char as a number, and only one of them
//! bounds the depth. A test holds this codec to ciborium in both directions. Decoding is strict about
//! the end: bytes left over mean that the two sides disagree on the type.

mod de;
mod error;
mod ser;

use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{ErrorKind, PAYLOAD, oversized};

use crate::error::{Error, Result};

/// The CBOR of a unit: what an implied `started` carries.
pub(crate) const UNIT: &[u8] = &[0xf6];

/// Encodes a value.
///
/// # Errors
/// `PayloadMismatch` if the type's `Serialize` fails.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode_into(&mut bytes, value)?;
    Ok(bytes)
}

/// Encodes a value behind what is in `bytes` already. After an error the tail is undefined.
pub(crate) fn encode_into<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> Result<()> {
    value.serialize(&mut ser::Serializer::new(bytes)).map_err(|e| {
        let message = format!("cannot encode a {}: {e}", std::any::type_name::<T>());
        Error::fault(ErrorKind::PayloadMismatch, message)
    })
}

/// Refuses a payload that the host would refuse, or that it could not even look at: it copies only so much
/// out of a guest. `what` names it.
#[inline]
pub(crate) fn fits(bytes: usize, what: impl FnOnce() -> String) -> Result<()> {
    if bytes <= PAYLOAD {
        return Ok(());
    }
    let message = oversized(&what(), bytes, PAYLOAD);
    Err(Error::fault(ErrorKind::Limit("payload".into()), message))
}

/// Decodes a value that takes up all of `bytes`.
///
/// # Errors
/// `PayloadMismatch`, naming the expected type and what is wrong.
#[inline(always)]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut deserializer = de::Deserializer::new(bytes);
    let value = T::deserialize(&mut deserializer).map_err(|e| mismatch::<T>(&e.to_string()))?;
    match deserializer.left() {
        0 => Ok(value),
        left => Err(mismatch::<T>(&format!("{left} bytes are left over"))),
    }
}

#[cold]
fn mismatch<T>(what: &str) -> Error {
    let message = format!("expected a {}: {what}", std::any::type_name::<T>());
    Error::fault(ErrorKind::PayloadMismatch, message)
}
