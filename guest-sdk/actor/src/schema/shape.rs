//! The text of a schema.
//!
//! ```text
//! shape  = unit | bool | int | float | text | bytes | any      what CBOR has, and whatever else
//!        | shape?                                              or nothing
//!        | [shape] | [shape;3] | (shape,shape)                 a sequence, an array, a tuple
//!        | map(shape,shape)
//!        | {name:shape,name?:shape,..shape}                    fields; one that may be missing; flattened ones
//!        | <name|name(shape)|name(shape,shape)|name{…}>        variants, the name being the tag,
//!        | tag<…> | tag+content<…>                             as a field beside or around the content,
//!        | *<shape|shape>                                      or without any tag
//!        | @2                                                  the derived type this is inside of, counted
//!                                                              outwards from 1
//! ```
//! Fields and variants are sorted by name, as their order makes no difference, but for variants without a
//! tag, where the first that fits is taken. The text of a type never changes: hashes of it are compared
//! between programs built years apart.

use super::Schema;

/// Longer texts are of no use to anybody; and types that branch at every level would never end.
const LIMIT: usize = 8 * 1024;

/// How a part is described: [`Schema::describe`] of its type.
pub type Describe = fn(&mut Shape);

/// A schema that is being written.
#[derive(Debug, Default)]
pub struct Shape {
    text: String,
    /// The derived types around what is being written. Their names are for finding them, not for the text.
    inside: Vec<&'static str>,
    is_too_long: bool,
}

/// A field of a record.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    name: &'a str,
    kind: FieldKind,
    describe: Describe,
}

#[derive(Clone, Copy, Debug)]
enum FieldKind {
    Always,
    Optional,
    Flattened,
}

impl<'a> Field<'a> {
    /// One that is always there.
    pub fn new(name: &'a str, describe: Describe) -> Self {
        let kind = FieldKind::Always;
        Self { name, kind, describe }
    }

    /// One that may be missing.
    pub fn optional(name: &'a str, describe: Describe) -> Self {
        let kind = FieldKind::Optional;
        Self { name, kind, describe }
    }

    /// One whose own fields take its place.
    pub fn flattened(name: &'a str, describe: Describe) -> Self {
        let kind = FieldKind::Flattened;
        Self { name, kind, describe }
    }
}

/// A variant of an enum.
#[derive(Clone, Copy, Debug)]
pub struct Variant<'a> {
    /// Its name on the wire.
    pub name: &'a str,
    /// What it carries.
    pub content: Content<'a>,
}

/// What a variant carries.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Nothing.
    Unit,
    /// One value without a name.
    One(Describe),
    /// Several.
    Tuple(&'a [Describe]),
    /// Fields.
    Record(&'a [Field<'a>]),
}

/// Where the name of a variant is.
#[derive(Clone, Copy, Debug)]
pub enum Tagging<'a> {
    /// It is the key of a map of one, or a text if there is nothing to carry.
    External,
    /// In a field of this name, among those of the content.
    Internal(&'a str),
    /// In a field of the first name; the content is in one of the second.
    Adjacent(&'a str, &'a str),
    /// Nowhere.
    Untagged,
}

/// What needs no more than its name.
macro_rules! names {
    ($($name:ident: $docs:literal,)*) => {
        $(#[doc = $docs]
        pub fn $name(&mut self) {
            self.put(stringify!($name));
        })*
    };
}

impl Shape {
    /// The schema of a type as text; `None` if it is longer than 8 KiB.
    pub fn of<T: Schema + ?Sized>() -> Option<String> {
        let mut shape = Self::default();
        T::describe(&mut shape);
        (!shape.is_too_long).then_some(shape.text)
    }

    names! {
        unit: "Nothing at all.",
        bool: "A truth value.",
        int: "An integer of up to 64 bits.",
        float: "A floating-point number.",
        text: "A text; also a single character.",
        bytes: "A byte string. A `Vec<u8>` is none: serde takes it for a sequence of integers.",
        any: "Whatever comes: the receiver will see.",
    }

    /// The value or nothing.
    pub fn option<T: Schema + ?Sized>(&mut self) {
        T::describe(self);
        self.put("?");
    }

    /// Any number of these.
    pub fn sequence<T: Schema>(&mut self) {
        self.put("[");
        T::describe(self);
        self.put("]");
    }

    /// So many of these.
    pub fn array<T: Schema>(&mut self, length: usize) {
        self.put("[");
        T::describe(self);
        self.put(&format!(";{length}]"));
    }

    /// Keys and values.
    pub fn map<K: Schema, V: Schema>(&mut self) {
        self.put("map");
        self.tuple(&[K::describe, V::describe]);
    }

    /// One after the other.
    pub fn tuple(&mut self, items: &[Describe]) {
        self.listed(["(", ",", ")"], items, |shape, describe| describe(shape));
    }

    /// Fields by name.
    pub fn record(&mut self, fields: &[Field<'_>]) {
        let mut fields = fields.to_vec();
        // Stable, and flattened ones go last by the order in which they stand.
        fields.sort_by_key(|field| match field.kind {
            FieldKind::Flattened => (true, ""),
            _ => (false, field.name),
        });
        self.listed(["{", ",", "}"], &fields, Self::field);
    }

    /// One of several.
    pub fn variants(&mut self, tagging: Tagging<'_>, variants: &[Variant<'_>]) {
        let mut variants = variants.to_vec();
        match tagging {
            Tagging::External => {}
            Tagging::Internal(tag) => self.name(tag),
            Tagging::Adjacent(tag, content) => {
                self.name(tag);
                self.put("+");
                self.name(content);
            }
            Tagging::Untagged => {
                self.put("*");
                return self.listed(["<", "|", ">"], &variants, |shape, variant| {
                    shape.content(variant.content)
                });
            }
        }
        variants.sort_by_key(|variant| variant.name);
        self.listed(["<", "|", ">"], &variants, Self::variant);
    }

    /// Describes the derived type `T` by `describe`, or as a reference if this is inside of it already.
    pub fn inside<T: ?Sized>(&mut self, describe: impl FnOnce(&mut Self)) {
        let name = std::any::type_name::<T>();
        if let Some(outwards) = self.inside.iter().rev().position(|around| *around == name) {
            return self.put(&format!("@{}", outwards + 1));
        }
        if self.is_too_long {
            return;
        }
        self.inside.push(name);
        describe(self);
        self.inside.pop();
    }

    fn field(&mut self, field: Field<'_>) {
        match field.kind {
            FieldKind::Flattened => self.put(".."),
            FieldKind::Optional => {
                self.name(field.name);
                self.put("?:");
            }
            FieldKind::Always => {
                self.name(field.name);
                self.put(":");
            }
        }
        (field.describe)(self);
    }

    fn variant(&mut self, variant: Variant<'_>) {
        self.name(variant.name);
        match variant.content {
            Content::Unit => {}
            Content::One(describe) => self.tuple(&[describe]),
            content => self.content(content),
        }
    }

    fn content(&mut self, content: Content<'_>) {
        match content {
            Content::Unit => self.unit(),
            Content::One(describe) => describe(self),
            Content::Tuple(items) => self.tuple(items),
            Content::Record(fields) => self.record(fields),
        }
    }

    fn listed<T: Copy>(&mut self, [open, between, close]: [&str; 3], items: &[T], write: impl Fn(&mut Self, T)) {
        self.put(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.put(between);
            }
            write(self, *item);
        }
        self.put(close);
    }

    /// A name as it is, or quoted if it could be taken for something else.
    fn name(&mut self, name: &str) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.is_empty() && name.chars().all(is_plain) {
            return self.put(name);
        }
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        self.put(&format!("\"{escaped}\""));
    }

    fn put(&mut self, text: &str) {
        self.is_too_long |= self.text.len() + text.len() > LIMIT;
        if !self.is_too_long {
            self.text.push_str(text);
        }
    }
}
