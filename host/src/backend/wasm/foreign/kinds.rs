//! The types of a component's functions, read once, when it is loaded.
//!
//! The engine's own types are walked from the beginning to find a name in them; a guest with ten thousand cases and a
//! caller with a list of them would have that done for every value. Here a name is looked up. They also say how much of
//! the host's memory a value of a type takes for what the engine counts of it.

use std::collections::HashMap;
use std::sync::Arc;

use wasmtime::component::{Type, Val};

use crate::backend::wasm::limits;

/// A type of plain data.
pub(super) enum Kind {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    Float32,
    Float64,
    Char,
    String,
    List(Box<Kind>),
    Tuple(Vec<Kind>),
    Record(Named<Kind>),
    Variant(Named<Option<Kind>>),
    Enum(Named<()>),
    Flags(Named<()>),
    Option(Box<Kind>),
    Result(Option<Box<Kind>>, Option<Box<Kind>>),
}

/// Fields, cases or flags: in their order, and by their names.
pub(super) struct Named<T> {
    items: Vec<(Arc<str>, T)>,
    places: HashMap<Arc<str>, usize>,
}

/// Why a type is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is, or holds, what is no plain data.
    Handles,
    /// All the types of a component are more than a host keeps.
    TooLarge,
}

/// Reads the types of one component, all of which together have a bound.
pub(super) struct Reader {
    left: usize,
}

/// What a part of a type takes, about, beside its name.
const PART: usize = 96;

impl Reader {
    pub(super) fn new() -> Self {
        Self { left: limits::TYPES }
    }

    /// The same type. Types share their parts, and can be far larger when these are written out: that is not begun.
    pub(super) fn kind(&mut self, kind: &Type) -> Result<Kind, Unfit> {
        self.take(0)?;
        Ok(match kind {
            Type::Bool => Kind::Bool,
            Type::S8 => Kind::S8,
            Type::U8 => Kind::U8,
            Type::S16 => Kind::S16,
            Type::U16 => Kind::U16,
            Type::S32 => Kind::S32,
            Type::U32 => Kind::U32,
            Type::S64 => Kind::S64,
            Type::U64 => Kind::U64,
            Type::Float32 => Kind::Float32,
            Type::Float64 => Kind::Float64,
            Type::Char => Kind::Char,
            Type::String => Kind::String,
            Type::List(list) => Kind::List(Box::new(self.kind(&list.ty())?)),
            Type::Tuple(tuple) => Kind::Tuple(tuple.types().map(|item| self.kind(&item)).collect::<Result<_, _>>()?),
            Type::Record(record) => {
                let fields = record.fields();
                Kind::Record(Named::of(
                    fields.map(|field| Ok((self.name(field.name)?, self.kind(&field.ty)?))),
                )?)
            }
            Type::Variant(variant) => {
                let cases = variant.cases();
                Kind::Variant(Named::of(
                    cases.map(|case| Ok((self.name(case.name)?, self.optional(case.ty)?))),
                )?)
            }
            Type::Enum(names) => Kind::Enum(self.names(names.names())?),
            Type::Flags(names) => Kind::Flags(self.names(names.names())?),
            Type::Option(option) => Kind::Option(Box::new(self.kind(&option.ty())?)),
            Type::Result(result) => Kind::Result(
                self.optional(result.ok())?.map(Box::new),
                self.optional(result.err())?.map(Box::new),
            ),
            _ => return Err(Unfit::Handles),
        })
    }

    fn optional(&mut self, kind: Option<Type>) -> Result<Option<Kind>, Unfit> {
        kind.map(|kind| self.kind(&kind)).transpose()
    }

    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<Named<()>, Unfit> {
        Named::of(names.map(|name| Ok((self.name(name)?, ()))))
    }

    fn name(&mut self, name: &str) -> Result<Arc<str>, Unfit> {
        self.take(name.len())?;
        Ok(name.into())
    }

    fn take(&mut self, name: usize) -> Result<(), Unfit> {
        let left = self.left.checked_sub(PART + name);
        self.left = left.ok_or(Unfit::TooLarge)?;
        Ok(())
    }
}

impl<T> Named<T> {
    pub(super) fn of(items: impl Iterator<Item = Result<(Arc<str>, T), Unfit>>) -> Result<Self, Unfit> {
        let items: Vec<_> = items.collect::<Result<_, _>>()?;
        let places = items.iter().enumerate().map(|(place, (name, _))| (name.clone(), place));
        let places = places.collect();
        Ok(Self { items, places })
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.items.iter().map(|(name, item)| (&**name, item))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        Some(&self.items[self.place(name)?].1)
    }
}

/// What the engine counts for a place in a list, a field, an item of a tuple, or what a case carries.
const SLOT: usize = size_of::<Val>();

/// What the allocator takes for so much.
fn heap(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        bytes => (bytes + 16).max(32),
    }
}

/// The same for a list that has grown by doubling to so many.
fn grown(items: usize, size: usize) -> usize {
    heap(items.next_power_of_two().max(4) * size)
}

impl Kind {
    /// Whether values of this have no size that their type would bound.
    pub(super) fn is_bounded(&self) -> bool {
        self.parts().all(Self::is_bounded) && !matches!(self, Self::String | Self::List(_))
    }

    /// Bytes of heap that values of this take for each that the engine counts while it reads them out of a guest, at
    /// most. Only what is in a list counts: of all else there is as much as there is of the type, which is bounded.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::List(item) => item.weight_in_list(),
            other => other.parts().map(Self::weight).max().unwrap_or(1),
        }
    }

    fn weight_in_list(&self) -> usize {
        let parts = self.parts().map(Self::weight_in_list).max().unwrap_or(0);
        // Its own place has grown by doubling, and counts once.
        let (taken, counted) = self.own_weight();
        let own = (2 * SLOT + taken).div_ceil(SLOT + counted);
        // There can be any number of these, one within the other, to one place.
        let nested = match self {
            Self::List(_) | Self::Tuple(_) | Self::Record(_) if counted > 0 => taken.div_ceil(counted),
            _ => 0,
        };
        own.max(nested).max(parts)
    }

    /// What a value of this takes beside its place and its parts, and what is counted of that.
    fn own_weight(&self) -> (usize, usize) {
        let text = |name: &str| heap(name.len());
        match self {
            // At its worst it is short.
            Self::String => (heap(1), 1),
            // One of one: its place is counted, and more of it is cheaper.
            Self::List(_) => (grown(1, SLOT), SLOT),
            Self::Tuple(items) => (grown(items.len(), SLOT), items.len() * SLOT),
            Self::Record(fields) => {
                let names: usize = fields.names().map(text).sum();
                let counted: usize = fields.names().map(|name| SLOT + name.len()).sum();
                (grown(fields.len(), size_of::<(String, Val)>()) + names, counted)
            }
            Self::Flags(names) => {
                let taken: usize = names.names().map(text).sum();
                let counted = names.names().map(str::len).sum();
                (grown(names.len(), size_of::<String>()) + taken, counted)
            }
            // Names are counted by their length, and at their worst they are short.
            Self::Enum(_) | Self::Variant(_) => (heap(1) + heap(SLOT), SLOT),
            Self::Option(_) | Self::Result(..) => (heap(SLOT), SLOT),
            _ => (0, 0),
        }
    }

    fn parts(&self) -> Box<dyn Iterator<Item = &Kind> + '_> {
        match self {
            Self::List(item) | Self::Option(item) => Box::new(std::iter::once(&**item)),
            Self::Tuple(items) => Box::new(items.iter()),
            Self::Record(fields) => Box::new(fields.iter().map(|(_, kind)| kind)),
            Self::Variant(cases) => Box::new(cases.iter().filter_map(|(_, kind)| kind.as_ref())),
            Self::Result(ok, err) => Box::new([ok, err].into_iter().flatten().map(|kind| &**kind)),
            _ => Box::new(std::iter::empty()),
        }
    }
}
