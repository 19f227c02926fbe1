//! CBOR to serde. CBOR describes itself, so a value is read as what it is, and the target type says
//! whether that will do: an integer is good enough for a float, a text for a char.

use std::borrow::Cow;

use minicbor::Decoder;
use minicbor::data::Type;
use serde::de::{self, DeserializeSeed, Error as _, IntoDeserializer, Visitor};

use super::error::CodecError;

type Result<T> = std::result::Result<T, CodecError>;

/// How deep values may nest: bytes come from other actors and must not overflow our stack.
const DEPTH: u32 = 128;

/// Reads values one after the other.
pub(super) struct Deserializer<'de> {
    decoder: Decoder<'de>,
    depth: u32,
}

impl<'de> Deserializer<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self {
            decoder: Decoder::new(bytes),
            depth: DEPTH,
        }
    }

    /// Bytes that have not been read.
    pub(super) fn left(&self) -> usize {
        self.decoder.input().len() - self.decoder.position()
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| CodecError::new("nested too deep"))?;
        let value = read(self);
        self.depth += 1;
        value
    }

    /// The first byte of the next value. It tells the usual kinds apart at a fraction of what
    /// `datatype` costs, which is more than to read a number.
    fn head(&self) -> Option<u8> {
        self.decoder.input().get(self.decoder.position()).copied()
    }

    /// The content of a byte string or a text that begins here and is shorter than 64 KiB, at a fraction
    /// of what the decoder takes for it; whatever else, and whatever is wrong, is the decoder's.
    #[inline]
    fn short(&mut self) -> Option<&'de [u8]> {
        let rest = self.decoder.input().get(self.decoder.position()..)?;
        let (prefix, length) = match *rest {
            [head, ..] if head & 0x1f < 0x18 => (1, usize::from(head & 0x1f)),
            [head, length, ..] if head & 0x1f == 0x18 => (2, usize::from(length)),
            [head, high, low, ..] if head & 0x1f == 0x19 => (3, usize::from(u16::from_be_bytes([high, low]))),
            _ => return None,
        };
        let content = rest.get(prefix..prefix + length)?;
        self.decoder.set_position(self.decoder.position() + prefix + length);
        Some(content)
    }

    fn is_null(&self) -> Result<bool> {
        match self.head() {
            Some(head) => Ok(matches!(head, 0xf6 | 0xf7)),
            None => Err(minicbor::decode::Error::end_of_input().into()),
        }
    }

    fn text(&mut self) -> Result<Cow<'de, str>> {
        if matches!(self.head(), Some(0x60..=0x7b)) {
            return Ok(Cow::Borrowed(self.decoder.str()?));
        }
        let parts = self.decoder.str_iter()?.collect::<std::result::Result<String, _>>()?;
        Ok(Cow::Owned(parts))
    }

    fn sequence<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let left = self.decoder.array()?;
        self.nested(|de| {
            let mut items = Items { de, left };
            let value = visitor.visit_seq(&mut items)?;
            items.done(value)
        })
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let left = self.decoder.map()?;
        self.nested(|de| {
            let mut items = Items { de, left };
            let value = visitor.visit_map(&mut items)?;
            items.done(value)
        })
    }

    /// A value of any kind.
    fn other<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.decoder.datatype()? {
            Type::Bool => visitor.visit_bool(self.decoder.bool()?),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => visitor.visit_u64(self.decoder.u64()?),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => visitor.visit_i64(self.decoder.i64()?),
            Type::F16 | Type::F32 | Type::F64 => visitor.visit_f64(self.decoder.f64()?),
            Type::Bytes | Type::BytesIndef => self.bytes(visitor),
            Type::String | Type::StringIndef => match self.text()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Type::Array | Type::ArrayIndef => self.sequence(visitor),
            Type::Map | Type::MapIndef => self.map(visitor),
            Type::Null | Type::Undefined => {
                self.decoder.skip()?;
                visitor.visit_unit()
            }
            Type::Tag => {
                self.decoder.tag()?;
                self.nested(|de| de::Deserializer::deserialize_any(de, visitor))
            }
            other => Err(CodecError::new(format_args!("unexpected {other}"))),
        }
    }

    fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        if self.decoder.datatype()? == Type::Bytes {
            return visitor.visit_borrowed_bytes(self.decoder.bytes()?);
        }
        let mut all = Vec::new();
        for part in self.decoder.bytes_iter()? {
            all.extend_from_slice(part?);
        }
        visitor.visit_byte_buf(all)
    }
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = CodecError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head() {
            Some(0x00..=0x1b) => visitor.visit_u64(self.decoder.u64()?),
            Some(0x40..=0x5b) => match self.short() {
                Some(bytes) => visitor.visit_borrowed_bytes(bytes),
                None => visitor.visit_borrowed_bytes(self.decoder.bytes()?),
            },
            Some(0x60..=0x7b) => visitor.visit_borrowed_str(self.decoder.str()?),
            Some(0x80..=0x9b) => self.sequence(visitor),
            Some(0xa0..=0xbb) => self.map(visitor),
            _ => self.other(visitor),
        }
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head() {
            Some(0x40..=0x59) => match self.short() {
                Some(bytes) => visitor.visit_borrowed_bytes(bytes),
                None => self.deserialize_any(visitor),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_null()? {
            self.decoder.skip()?;
            return visitor.visit_none();
        }
        // Counted, because an option of an option reads nothing and could nest without end.
        self.nested(|de| visitor.visit_some(de))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.decoder.datatype()? {
            Type::String | Type::StringIndef => visitor.visit_enum(self.text()?.into_deserializer()),
            Type::Map if self.decoder.map()? == Some(1) => self.nested(|de| visitor.visit_enum(Variant(de))),
            other => Err(CodecError::new(format_args!("{other} is not a variant"))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.decoder.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

/// The rest of an array or map; `left` counts items or entries, unless the end is marked by a break.
struct Items<'a, 'de> {
    de: &'a mut Deserializer<'de>,
    left: Option<u64>,
}

impl Items<'_, '_> {
    /// Is there another one? Counts it.
    fn advance(&mut self) -> Result<bool> {
        match &mut self.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if self.de.decoder.datatype()? == Type::Break => {
                self.de.decoder.skip()?;
                self.left = Some(0);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// A tuple reads as many items as it has; more are a mismatch.
    fn done<T>(&mut self, value: T) -> Result<T> {
        match self.advance()? {
            true => Err(CodecError::new("more items than expected")),
            false => Ok(value),
        }
    }

    fn hint(&self) -> Option<usize> {
        // Every item takes a byte at least, so a length that lies cannot make anybody reserve more.
        let left = usize::try_from(self.left?).ok()?;
        Some(left.min(self.de.left()))
    }
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = CodecError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        match self.advance()? {
            true => seed.deserialize(&mut *self.de).map(Some),
            false => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> de::MapAccess<'de> for Items<'_, 'de> {
    type Error = CodecError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        match self.advance()? {
            true => seed.deserialize(&mut *self.de).map(Some),
            false => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.de)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

/// A variant with content: the key of a map of one, then the value.
struct Variant<'a, 'de>(&'a mut Deserializer<'de>);

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let name = seed.deserialize(&mut *self.0)?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;

    fn unit_variant(self) -> Result<()> {
        match self.0.is_null()? {
            true => Ok(self.0.decoder.skip()?),
            false => Err(CodecError::custom("a variant without content has content")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.0, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.0, visitor)
    }
}
