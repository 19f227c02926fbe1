//! Which errors an endpoint may return, found out at compile time.
//!
//! An endpoint's error type can be this library's own, one that is data (`Serialize`), any
//! `std::error::Error`, or just something to print. Method lookup tries the most specific trait first,
//! because each is implemented behind one reference fewer than the one before it.

use std::error::Error as StdError;
use std::fmt::Display;
use std::marker::PhantomData;

use serde::Serialize;
use steading_actor::Error;

/// Stands for an error type in the lookup.
pub struct Tag<E>(PhantomData<E>);

impl<E> Tag<E> {
    /// The tag of this error's type.
    pub fn of(_: &E) -> Self {
        Self(PhantomData)
    }
}

/// The error is one of ours.
pub trait OwnError {
    /// Hands it through.
    fn convert(&self, error: Error) -> Error {
        error
    }
}

impl OwnError for &&&Tag<Error> {}

/// The error can travel as data.
pub trait TypedError<E> {
    /// Keeps the data.
    fn convert(&self, error: E) -> Error;
}

impl<E: StdError + Serialize + Send + Sync + 'static> TypedError<E> for &&Tag<E> {
    fn convert(&self, error: E) -> Error {
        Error::typed(error)
    }
}

/// The error is a standard one.
pub trait PlainError<E> {
    /// Keeps its type's name and its causes.
    fn convert(&self, error: E) -> Error;
}

impl<E: StdError + Send + Sync + 'static> PlainError<E> for &Tag<E> {
    fn convert(&self, error: E) -> Error {
        error.into()
    }
}

/// The error can at least be printed.
pub trait PrintableError<E> {
    /// Keeps its text.
    fn convert(&self, error: E) -> Error;
}

impl<E: Display> PrintableError<E> for Tag<E> {
    fn convert(&self, error: E) -> Error {
        Error::msg(error)
    }
}
