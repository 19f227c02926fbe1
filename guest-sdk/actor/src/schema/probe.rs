//! Asks a type for its schema, if it has one.
//!
//! For the code that `#[actor]` writes: an endpoint may use types that nobody has described, and is then
//! unchecked in these. Method lookup finds [`Known`] first, as it is implemented behind one reference
//! fewer, and [`Unknown`] if the type does not qualify. That works with concrete types only, and so
//! nowhere but in generated code.

use std::marker::PhantomData;

use steading_types::{ContextPayloads, EndpointSchema, Payloads};

use super::{Schema, Shape};

/// Stands for a type in the lookup.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> Probe<T> {
    /// Of this type.
    pub const OF: Self = Self(PhantomData);
}

/// The type has a schema.
pub trait Known {
    /// Its text.
    fn shape(&self) -> Option<String>;
}

impl<T: Schema + ?Sized> Known for Probe<T> {
    fn shape(&self) -> Option<String> {
        Shape::of::<T>()
    }
}

/// The type has none.
pub trait Unknown {
    /// Nothing.
    fn shape(&self) -> Option<String>;
}

impl<T: ?Sized> Unknown for &Probe<T> {
    fn shape(&self) -> Option<String> {
        None
    }
}

/// The schema of an endpoint of these parts; the last are what it starts with, sends and receives.
pub fn endpoint_schema(
    args: Option<String>,
    returns: Option<String>,
    context: Option<[Option<String>; 3]>,
) -> EndpointSchema {
    let context = context.map(|[started, sends, receives]| ContextPayloads {
        started,
        sends,
        receives,
    });
    EndpointSchema::new(Payloads { args, returns, context })
}
