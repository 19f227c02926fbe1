//! Where actors' code runs. One folder per way of running it; none knows another.

pub(crate) mod wasm;
