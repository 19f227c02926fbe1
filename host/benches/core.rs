//! The core alone.
fn main() {}
