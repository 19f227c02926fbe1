//! What a context is granted, and loses when it ends.

use crate::Directory;

/// Where a guest finds what its contexts are granted: each below a directory of its own, which is nobody else's.
pub const GRANTED: &str = "/granted";

/// Something of the caller's that the callee of one context may use, until that context ends (semantics 11, I22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A directory. Its [`child_path`](Directory::child_path) is the name by which the callee asks for it.
    Directory(Directory),
    /// Children of the callee's that are started in this context may run this component, by the host's name for it.
    Component(String),
}

impl Grant {
    /// A component that children of the callee's may run.
    pub fn component(registered: impl Into<String>) -> Self {
        Self::Component(registered.into())
    }
}

impl From<Directory> for Grant {
    fn from(directory: Directory) -> Self {
        Self::Directory(directory)
    }
}
