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

/// What is done when tasks of guests wait for each other in a circle, and nothing else can happen to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deadlocks {
    /// Nothing, and nobody looks.
    #[default]
    Ignore,
    /// A warning is written within a second, with the circle, once.
    Report,
    /// The youngest of the contexts in the circle ends with `Deadlock`, at both its ends, within a second. For
    /// embedders whose roots wait for their calls and do nothing else meanwhile, as the command line does: where one
    /// of them would yet make another call that sets the circle free, it is broken too early.
    Break,
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
