//! The schemas of std's types, as serde writes them for a format that is not for reading.
//!
//! Integers of 128 bits are not here: the codec has none.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use super::{Content, Field, Schema, Shape, Tagging, Variant};

/// Types that need no more than a name.
macro_rules! scalars {
    ($($shape:ident: $($type:ty)*;)*) => {
        $($(impl Schema for $type {
            fn describe(shape: &mut Shape) {
                shape.$shape();
            }
        })*)*
    };
}

scalars! {
    unit: ();
    bool: bool;
    int: i8 i16 i32 i64 isize u8 u16 u32 u64 usize;
    int: num::NonZeroI8 num::NonZeroI16 num::NonZeroI32 num::NonZeroI64 num::NonZeroIsize;
    int: num::NonZeroU8 num::NonZeroU16 num::NonZeroU32 num::NonZeroU64 num::NonZeroUsize;
    float: f32 f64;
    text: char str String Path PathBuf;
}

/// Types that are what is inside of them.
macro_rules! transparent {
    ($($type:ty;)*) => {
        $(impl<T: Schema + ?Sized> Schema for $type {
            fn describe(shape: &mut Shape) {
                T::describe(shape);
            }
        })*
    };
}

transparent! {
    &T;
    &mut T;
    Box<T>;
    Rc<T>;
    Arc<T>;
    RefCell<T>;
    Mutex<T>;
    RwLock<T>;
}

impl<T: Schema + ToOwned + ?Sized> Schema for Cow<'_, T> {
    fn describe(shape: &mut Shape) {
        T::describe(shape);
    }
}

impl<T: Schema> Schema for Cell<T> {
    fn describe(shape: &mut Shape) {
        T::describe(shape);
    }
}

impl<T: Schema> Schema for Reverse<T> {
    fn describe(shape: &mut Shape) {
        T::describe(shape);
    }
}

impl<T: Schema> Schema for num::Wrapping<T> {
    fn describe(shape: &mut Shape) {
        T::describe(shape);
    }
}

impl<T: ?Sized> Schema for PhantomData<T> {
    fn describe(shape: &mut Shape) {
        shape.unit();
    }
}

impl<T: Schema> Schema for Option<T> {
    fn describe(shape: &mut Shape) {
        shape.option::<T>();
    }
}

impl<T: Schema, E: Schema> Schema for Result<T, E> {
    fn describe(shape: &mut Shape) {
        either(
            shape,
            ("Ok", Content::One(T::describe)),
            ("Err", Content::One(E::describe)),
        );
    }
}

macro_rules! sequences {
    ($($type:ty;)*) => {
        $(impl<T: Schema> Schema for $type {
            fn describe(shape: &mut Shape) {
                shape.sequence::<T>();
            }
        })*
    };
}

sequences! {
    [T];
    Vec<T>;
    VecDeque<T>;
    LinkedList<T>;
    BTreeSet<T>;
    BinaryHeap<T>;
}

impl<T: Schema, H> Schema for HashSet<T, H> {
    fn describe(shape: &mut Shape) {
        shape.sequence::<T>();
    }
}

impl<T: Schema, const N: usize> Schema for [T; N] {
    fn describe(shape: &mut Shape) {
        shape.array::<T>(N);
    }
}

impl<K: Schema, V: Schema> Schema for BTreeMap<K, V> {
    fn describe(shape: &mut Shape) {
        shape.map::<K, V>();
    }
}

impl<K: Schema, V: Schema, H> Schema for HashMap<K, V, H> {
    fn describe(shape: &mut Shape) {
        shape.map::<K, V>();
    }
}

macro_rules! tuples {
    ($(($($item:ident)+),)*) => {
        $(impl<$($item: Schema),+> Schema for ($($item,)+) {
            fn describe(shape: &mut Shape) {
                shape.tuple(&[$($item::describe),+]);
            }
        })*
    };
}

tuples! {
    (A),
    (A B),
    (A B C),
    (A B C D),
    (A B C D E),
    (A B C D E F),
    (A B C D E F G),
    (A B C D E F G H),
    (A B C D E F G H I),
    (A B C D E F G H I J),
    (A B C D E F G H I J K),
    (A B C D E F G H I J K L),
}

/// Types with two named fields.
macro_rules! pairs {
    ($($type:ty: $first:literal $second:literal of $describe:expr;)*) => {
        $(impl Schema for $type {
            fn describe(shape: &mut Shape) {
                shape.record(&[Field::new($first, $describe), Field::new($second, $describe)]);
            }
        })*
    };
}

pairs! {
    Duration: "secs" "nanos" of u64::describe;
    SystemTime: "secs_since_epoch" "nanos_since_epoch" of u64::describe;
}

impl<T: Schema> Schema for Range<T> {
    fn describe(shape: &mut Shape) {
        shape.record(&[Field::new("start", T::describe), Field::new("end", T::describe)]);
    }
}

impl<T: Schema> Schema for RangeInclusive<T> {
    fn describe(shape: &mut Shape) {
        shape.record(&[Field::new("start", T::describe), Field::new("end", T::describe)]);
    }
}

impl Schema for Ipv4Addr {
    fn describe(shape: &mut Shape) {
        shape.array::<u8>(4);
    }
}

impl Schema for Ipv6Addr {
    fn describe(shape: &mut Shape) {
        shape.array::<u8>(16);
    }
}

impl Schema for IpAddr {
    fn describe(shape: &mut Shape) {
        let content = (Content::One(Ipv4Addr::describe), Content::One(Ipv6Addr::describe));
        either(shape, ("V4", content.0), ("V6", content.1));
    }
}

fn either(shape: &mut Shape, one: (&str, Content<'_>), other: (&str, Content<'_>)) {
    let variants = [one, other].map(|(name, content)| Variant { name, content });
    shape.variants(Tagging::External, &variants);
}
