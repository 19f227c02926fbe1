//! Errors as CBOR: what frames hold of them.
//!
//! Written by hand, because members are a tree in memory and a list here: no input makes the decoder recurse,
//! and their number and that of their hops is checked before there is room for them.

use bytes::Bytes;
use minicbor::data::Type;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::{ActorId, BoxedError};

/// Items of an error without anything below it.
const ALONE: u64 = 8;
/// With two more: what is below it, and how many found no room.
const WITH_MEMBERS: u64 = ALONE + 2;
/// Of an error below another one: its depth first, the number without room last.
const MEMBER: u64 = ALONE + 2;

impl<C> Encode<C> for BoxedError {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        if self.members.is_empty() && self.omitted == 0 {
            e.array(ALONE)?;
            return encode_alone(self, e, ctx);
        }
        e.array(WITH_MEMBERS)?;
        encode_alone(self, e, ctx)?;
        e.array(self.walk().skip(1).count() as u64)?;
        for (depth, member) in self.walk().skip(1) {
            e.array(MEMBER)?.u32(depth)?;
            encode_alone(member, e, ctx)?;
            e.u32(member.omitted)?;
        }
        e.u32(self.omitted)?.ok()
    }
}

fn encode_alone<C, W: Write>(error: &BoxedError, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
    error.kind.encode(e, ctx)?;
    e.str(&error.type_name)?.str(&error.message)?;
    match &error.payload {
        Some(payload) => e.bytes(payload)?,
        None => e.null()?,
    };
    error.source.encode(e, ctx)?;
    error.relay_path.encode(e, ctx)?;
    error.backtrace.encode(e, ctx)?;
    e.u64(error.context)?.ok()
}

impl<'b, C> Decode<'b, C> for BoxedError {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        match d.array()? {
            Some(ALONE) => decode_alone(d, ctx),
            Some(WITH_MEMBERS) => {
                let mut error = decode_alone(d, ctx)?;
                decode_members(&mut error, d, ctx)?;
                error.omitted = d.u32()?;
                Ok(error)
            }
            _ => Err(DecodeError::message("an error has eight parts, or ten")),
        }
    }
}

fn decode_members<C>(error: &mut BoxedError, d: &mut Decoder<'_>, ctx: &mut C) -> Result<(), DecodeError> {
    let members = bounded(d, BoxedError::MOST_MEMBERS, "an error has a bounded number of members")?;
    let mut hops = 0;
    for _ in 0..members {
        if d.array()? != Some(MEMBER) {
            return Err(DecodeError::message("a member has ten parts"));
        }
        let depth = d.u32()?;
        let mut member = decode_alone(d, ctx)?;
        member.omitted = d.u32()?;
        hops += member.relay_path.len();
        if hops > BoxedError::MOST_MEMBER_HOPS {
            return Err(DecodeError::message("the members of an error have too many hops"));
        }
        error.push_member(depth, member);
    }
    Ok(())
}

fn decode_alone<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<BoxedError, DecodeError> {
    let kind = d.decode_with(ctx)?;
    let (type_name, message) = (d.str()?.to_owned(), d.str()?.to_owned());
    let payload = if d.datatype()? == Type::Null {
        d.null()?;
        None
    } else {
        Some(Bytes::copy_from_slice(d.bytes()?))
    };
    let source = d.decode_with(ctx)?;
    Ok(BoxedError {
        type_name,
        payload,
        relay_path: decode_path(d, ctx)?,
        backtrace: d.decode_with(ctx)?,
        context: d.u64()?,
        ..BoxedError::new(kind, source, message)
    })
}

fn decode_path<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Vec<ActorId>, DecodeError> {
    let hops = bounded(d, BoxedError::MOST_HOPS, "a relay path is bounded")?;
    let mut path = Vec::with_capacity(hops);
    for _ in 0..hops {
        path.push(d.decode_with(ctx)?);
    }
    Ok(path)
}

fn bounded(d: &mut Decoder<'_>, most: usize, complaint: &'static str) -> Result<usize, DecodeError> {
    let items = d.array()?.and_then(|items| usize::try_from(items).ok());
    items
        .filter(|items| *items <= most)
        .ok_or_else(|| DecodeError::message(complaint))
}
