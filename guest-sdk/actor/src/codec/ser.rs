//! serde to CBOR: structs are maps, variants are a name or a map of one, units are null.

use minicbor::Encoder;
use serde::ser::{self, Serialize};

use super::error::CodecError;

type Result<T = ()> = std::result::Result<T, CodecError>;

/// Writes values behind what is in the buffer already.
pub(super) struct Serializer<'a>(Encoder<&'a mut Vec<u8>>);

impl<'a> Serializer<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self(Encoder::new(bytes))
    }

    /// A variant with content is a map of one entry.
    fn variant(&mut self, name: &str) -> Result {
        self.0.map(1)?.str(name)?;
        Ok(())
    }
}

/// An array or map under way; `open` if its length was not known when it began.
pub(super) struct Compound<'s, 'a> {
    serializer: &'s mut Serializer<'a>,
    open: bool,
}

impl<'s, 'a> Compound<'s, 'a> {
    fn array(serializer: &'s mut Serializer<'a>, length: Option<usize>) -> Result<Self> {
        match length {
            Some(length) => serializer.0.array(length as u64)?,
            None => serializer.0.begin_array()?,
        };
        Ok(Self {
            serializer,
            open: length.is_none(),
        })
    }

    fn map(serializer: &'s mut Serializer<'a>, length: Option<usize>) -> Result<Self> {
        match length {
            Some(length) => serializer.0.map(length as u64)?,
            None => serializer.0.begin_map()?,
        };
        Ok(Self {
            serializer,
            open: length.is_none(),
        })
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(&mut *self.serializer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result {
        self.serializer.0.str(key)?;
        self.value(value)
    }

    fn finish(self) -> Result {
        if self.open {
            self.serializer.0.end()?;
        }
        Ok(())
    }
}

/// Scalars that minicbor writes by a method of one name or another.
macro_rules! scalars {
    ($($serialize:ident($type:ty) => $write:ident,)*) => {
        $(fn $serialize(self, value: $type) -> Result {
            self.0.$write(value.into())?;
            Ok(())
        })*
    };
}

impl<'s, 'a> ser::Serializer for &'s mut Serializer<'a> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Compound<'s, 'a>;
    type SerializeTuple = Compound<'s, 'a>;
    type SerializeTupleStruct = Compound<'s, 'a>;
    type SerializeTupleVariant = Compound<'s, 'a>;
    type SerializeMap = Compound<'s, 'a>;
    type SerializeStruct = Compound<'s, 'a>;
    type SerializeStructVariant = Compound<'s, 'a>;

    scalars! {
        serialize_bool(bool) => bool,
        serialize_i8(i8) => i64,
        serialize_i16(i16) => i64,
        serialize_i32(i32) => i64,
        serialize_i64(i64) => i64,
        serialize_u8(u8) => u64,
        serialize_u16(u16) => u64,
        serialize_u32(u32) => u64,
        serialize_u64(u64) => u64,
        serialize_f32(f32) => f32,
        serialize_f64(f64) => f64,
        serialize_str(&str) => str,
        serialize_bytes(&[u8]) => bytes,
    }

    fn serialize_char(self, value: char) -> Result {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.0.null()?;
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Compound<'s, 'a>> {
        Compound::array(self, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Compound<'s, 'a>> {
        Compound::array(self, Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Compound<'s, 'a>> {
        Compound::array(self, Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>> {
        self.variant(variant)?;
        Compound::array(self, Some(length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Compound<'s, 'a>> {
        Compound::map(self, length)
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Compound<'s, 'a>> {
        Compound::map(self, Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>> {
        self.variant(variant)?;
        Compound::map(self, Some(length))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The compound kinds that are arrays of values.
macro_rules! arrays {
    ($($kind:ident::$add:ident,)*) => {
        $(impl ser::$kind for Compound<'_, '_> {
            type Ok = ();
            type Error = CodecError;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.value(value)
            }

            fn end(self) -> Result {
                self.finish()
            }
        })*
    };
}

arrays! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

/// The compound kinds that are maps of named fields.
macro_rules! structs {
    ($($kind:ident,)*) => {
        $(impl ser::$kind for Compound<'_, '_> {
            type Ok = ();
            type Error = CodecError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
                self.field(key, value)
            }

            fn end(self) -> Result {
                self.finish()
            }
        })*
    };
}

structs! {
    SerializeStruct,
    SerializeStructVariant,
}

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.value(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.value(value)
    }

    fn end(self) -> Result {
        self.finish()
    }
}
