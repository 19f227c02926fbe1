//! What is sent: byte strings, as a program would send data that is already encoded.

use std::fmt;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// 32 bytes by value.
pub(crate) struct Small([u8; 32]);

impl Small {
    pub(crate) fn of(n: u32) -> Self {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        Self(bytes)
    }
}

/// Any number of bytes. Shared, so that sending the same again costs the sender no copy of its own.
#[derive(Clone)]
pub(crate) struct Large(pub(crate) Rc<[u8]>);

impl Serialize for Small {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl Serialize for Large {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Small {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(SmallVisitor)
    }
}

impl<'de> Deserialize<'de> for Large {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(LargeVisitor)
    }
}

struct SmallVisitor;

impl Visitor<'_> for SmallVisitor {
    type Value = Small;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("32 bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Small, E> {
        let bytes = bytes.try_into();
        bytes.map(Small).map_err(|_| E::custom("not 32 bytes"))
    }
}

struct LargeVisitor;

impl Visitor<'_> for LargeVisitor {
    type Value = Large;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Large, E> {
        Ok(Large(bytes.into()))
    }
}
