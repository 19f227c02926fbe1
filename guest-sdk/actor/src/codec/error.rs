//! What serde and minicbor say is wrong, as one sentence.

use std::fmt;

/// Why a value could not be encoded or decoded.
#[derive(Debug)]
pub(crate) struct CodecError(String);

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

impl CodecError {
    #[cold]
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl From<minicbor::decode::Error> for CodecError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::new(error)
    }
}

impl From<minicbor::encode::Error<std::convert::Infallible>> for CodecError {
    fn from(error: minicbor::encode::Error<std::convert::Infallible>) -> Self {
        Self::new(error)
    }
}
