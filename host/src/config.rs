//! What an embedder may decide, as plain values.

/// Where a guest's standard output and error go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdio {
    /// To the host's own.
    Inherit,
    /// Nowhere.
    Null,
    /// Line by line to `tracing`, with the actor's name and id.
    #[default]
    Log,
}

/// Where actors run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workers {
    /// On the runtime that builds the host: lowest latency; a call stays on its worker. For guests
    /// that are trusted not to hog it.
    #[default]
    Shared,
    /// On this many threads of their own: control, timers and the embedder stay responsive beside
    /// guests that spin, at the price of a wake across threads.
    Dedicated(usize),
}
