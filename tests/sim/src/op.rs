//! What can happen next: one operation of one step.
//!
//! An operation names what it is about by a *tag* that does not change when other operations are left
//! out: a context is known by the number of the step that opened it, and so are actors and nurseries.
//! That is what makes shrinking work.

/// No tag.
pub const NONE: u32 = u32::MAX;

/// Which kind of operation. New ones go to the end; each needs a name, a weight in `plan.rs`, and an arm
/// in `choose.rs` and `perform.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The next frame of a link arrives.
    Deliver,
    /// Several frames of a link arrive at once.
    DeliverBatch,
    /// An actor's tasks take what they were told.
    Take,
    /// An actor's outputs are performed.
    Flush,
    /// Time passes, and no timer rings yet.
    Pass,
    /// An actor's timer rings, if it is time.
    Tick,
    /// The shell performs an effect: a trap lands, a child starts, an actor leaves.
    Effect,
    /// A context is opened.
    Open,
    /// A callee says `started`.
    Started,
    /// A callee's task ends.
    Finish,
    /// A side cancels.
    Cancel,
    /// A caller looks away.
    Release,
    /// A side opens its half of the stream.
    StreamOpen,
    /// A side sends messages.
    Send,
    /// A side gives credit back.
    Credit,
    /// A side stops sending.
    Stop,
    /// A nursery is opened.
    NurseryOpen,
    /// A nursery is cancelled.
    NurseryCancel,
    /// A nursery is closed.
    NurseryClose,
    /// A child is started.
    Spawn,
    /// A child is cancelled.
    CancelActor,
    /// An actor cancels itself.
    CancelSelf,
    /// The operator interrupts an actor.
    Interrupt,
    /// An actor's main task begins.
    BeginMain,
    /// An actor's code is gone.
    Die,
    /// An actor is ended by force.
    Force,
    /// The link between a child and its parent is cut.
    Cut,
    /// The next call of an actor finds its callee overloaded.
    Overload,
    /// A side cannot read a payload of its peer's.
    Reject,
    /// An actor has something to do before it leaves.
    OnExit,
    /// It is done.
    Exited,
    /// What a child was started for is over.
    ChildDone,
    /// A child gets no more time.
    KillActor,
}

/// Every kind.
pub const KINDS: [Kind; 33] = [
    Kind::Deliver,
    Kind::DeliverBatch,
    Kind::Take,
    Kind::Flush,
    Kind::Pass,
    Kind::Tick,
    Kind::Effect,
    Kind::Open,
    Kind::Started,
    Kind::Finish,
    Kind::Cancel,
    Kind::Release,
    Kind::StreamOpen,
    Kind::Send,
    Kind::Credit,
    Kind::Stop,
    Kind::NurseryOpen,
    Kind::NurseryCancel,
    Kind::NurseryClose,
    Kind::Spawn,
    Kind::CancelActor,
    Kind::CancelSelf,
    Kind::Interrupt,
    Kind::BeginMain,
    Kind::Die,
    Kind::Force,
    Kind::Cut,
    Kind::Overload,
    Kind::Reject,
    Kind::OnExit,
    Kind::Exited,
    Kind::ChildDone,
    Kind::KillActor,
];

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Which.
    pub kind: Kind,
    /// The side meant, of a context: the callee's.
    pub callee: bool,
    /// Outputs are performed at once.
    pub flush: bool,
    /// Events are taken at once.
    pub take: bool,
    /// The tag of what it is about.
    pub who: u32,
    /// A second tag, or a number.
    pub a: u32,
    /// A number.
    pub b: u32,
    /// A number.
    pub c: u32,
}
