//! What values of a type look like on the wire, for both ends to compare before the first byte.
//!
//! [`Schema`] says it, by writing into a [`Shape`] (`shape.rs`, which has the grammar). Std's types are in
//! `std_types.rs`; a user's own derive it. A [`Signature`](crate::Signature) is where both ends meet.
//! `probe.rs` is for the code of `#[actor]`, whose types need not have a schema.

mod probe;
mod shape;
mod std_types;

#[doc(hidden)]
pub use probe::{Known, Probe, Unknown, endpoint_schema};
pub use shape::{Content, Describe, Field, Shape, Tagging, Variant};

/// A type whose form on the wire is known: what is checked when a context is opened (semantics 2, `Start`).
///
/// Derive it beside `Serialize` and `Deserialize`; their attributes are honoured. Types with the same
/// schema have the same form as CBOR, so any value of one *can* be a value of the other:
///
/// * the names of types and the order of fields do not count, those of fields and variants do;
/// * every integer is `int` and every float `float`: their ranges are of single values, and are checked
///   where a value is received, as is what a `Deserialize` of one's own insists on (semantics 3 and 8);
/// * a field that may be missing differs from one that may not.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use steading_actor::Schema;
/// use steading_actor::schema::Shape;
///
/// #[derive(Serialize, Deserialize, Schema)]
/// struct Hit {
///     path: String,
///     line: u64,
///     #[serde(default)]
///     tags: Vec<String>,
/// }
/// assert_eq!(Shape::of::<Hit>().as_deref(), Some("{line:int,path:text,tags?:[text]}"));
/// ```
///
/// For a field whose type has no schema, `#[schema(any)]` leaves its value to the receiver, and
/// `#[schema(bytes)]` or `#[schema(like = "String")]` says what it looks like.
#[diagnostic::on_unimplemented(
    message = "how a `{Self}` looks on the wire is not known",
    label = "has no schema",
    note = "put `#[derive(Schema)]` on the type, or `#[schema(any)]` on the field that has it"
)]
pub trait Schema {
    /// Writes what a value looks like: one call of one of the methods of [`Shape`].
    fn describe(shape: &mut Shape);
}
