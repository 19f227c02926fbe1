//! Variants of the core that are broken on purpose, each in one place: what the simulator must find.
//!
//! Only compiled with the feature `mutants`; see the macro `mutant` in `lib.rs`.

use crate::frame::{Frame, Lane};

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// What is broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Mutant {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

mutants! {
    /// A child is started again however often it was.
    RestartsWithoutEnd,
    /// A child that was asked to end is started again.
    RestartedThoughCancelled,
    /// A child is started again without waiting.
    BackoffIgnored,
    /// When all are to restart, only one does.
    GroupLeftAlone,
    /// A group starts again before all of it is dead.
    GroupStartsEarly,
    /// A child that is to start again never does.
    RestartForgotten,
    /// A failure that concerns nobody else is told twice.
    ChildFailedTwice,
    /// When a child is given up, its nursery does not say so.
    GaveUpSilently,
    /// When one and the rest are to restart, all do.
    RestForOneTakesAll,
    /// The intensity of a nursery is not kept, only that of each child.
    NurseryIntensityIgnored,
    /// A child is started again after failures of any kind.
    AnyFailureRestarts,
    /// A child between two lives goes on waiting when its nursery is cancelled.
    WaitsThoughCancelled,
    /// An actor whose last child is between two lives stops twice.
    StoppedTwice,
    /// A group starts again in another order than it was started in.
    GroupStartsBackwards,
    /// What a child was started for is over as often as it is said.
    DoneAgainAndAgain,
    /// What a context granted is not revoked.
    GrantOutlivesContext,
    /// A cancelled task's end is not acknowledged.
    LostAck,
    /// A cancel of something unknown is not acknowledged.
    UnknownNotAcked,
    /// A cancel is acknowledged when it arrives, not when its task is over.
    AckAtOnce,
    /// A caller writes every outcome that arrives, not only the first.
    OutcomeTwice,
    /// A callee sends its last word twice.
    TerminalTwice,
    /// A callee sends its last word to a caller that has an outcome.
    TerminalToNobody,
    /// The one who is cancelled is named as the canceller.
    WrongCanceller,
    /// A deadline is said to be the callee's own wish.
    DeadlineByCallee,
    /// The last who cancelled is named, not the first.
    FirstCancellerOverwritten,
    /// An own cancel hides who was really first.
    EchoBeatsCanceller,
    /// The echo of a cancel hides the error that the task ended with.
    CancelMasksError,
    /// A cancelled task that returns has returned.
    CancelForgotten,
    /// A death hides the error that a task had already ended with.
    DeathMasksError,
    /// A second cancel of a context is sent like the first.
    CancelSentTwice,
    /// A second cancel of a child is sent like the first.
    ChildCancelledTwice,
    /// Cancelling an actor cancels one of its tasks.
    CancelMissesTasks,
    /// A caller waits for ever for the answer to a cancel.
    CancelTimeoutNever,
    /// A callee that did not accept in time is left running.
    LateStartNotCancelled,
    /// A dead actor's callees are left running.
    DeadCallerSilent,
    /// A `Start` that found nobody is not answered.
    LostStartUnanswered,
    /// A call does not inherit its task's deadline.
    DeadlineNotInherited,
    /// A callee forgets its deadline.
    DeadlineLost,
    /// The timer of a call that is not accepted is not set.
    StartTimerLost,
    /// The timer of a cancelled task is not set.
    GraceTimerLost,
    /// A task that waits for what it asked to end is interrupted.
    TrapTooEarly,
    /// Nobody is ever interrupted.
    TrapNever,
    /// Nobody is ever killed.
    KillNever,
    /// A call that is refused leaves its context behind.
    RefusedStartLeaks,
    /// The limit of contexts is not kept.
    LimitIgnored,
    /// Payload schemas are not compared.
    SchemaUnchecked,
    /// A caller may ask for any window.
    WindowUnbounded,
    /// `started` may be called again and again.
    StartedTwice,
    /// An endpoint with a context may return without `started`.
    NotStartedForgiven,
    /// What a task opened outlives it.
    OwnedNotReleased,
    /// A task never hears that what it owned is over.
    OwnerNotDisowned,
    /// Where a context came from is remembered beyond its end.
    OriginKept,
    /// Where a context came from is remembered beyond its actor's death.
    OriginOutlivesDeath,
    /// Who looked away is told all the same.
    ReleasedStillTold,
    /// A stream may be opened before `started`.
    StreamBeforeStarted,
    /// A stream may be opened after a cancel.
    StreamAfterCancel,
    /// Batches go out after a stop.
    SendAfterStop,
    /// Batches go out after the end.
    SendAfterFinish,
    /// Data is delivered after the outcome.
    DataAfterOutcome,
    /// Every `stop` sends a `Stop`.
    StopTwice,
    /// The end of a stream is not told.
    StopNotTold,
    /// A batch costs no credit.
    CreditNotCharged,
    /// Each credit is one message short.
    CreditLeaks,
    /// Bytes are not given back.
    ByteCreditLost,
    /// What nobody will take keeps its credit.
    ReleasedKeepsCredit,
    /// A forged error passes as what it says it is.
    ForgedErrorPasses,
    /// So does one inside an error that is stamped.
    ForgedMemberPasses,
    /// A nursery does not know its child.
    ChildForgotten,
    /// A nursery is torn down in the name of its own actor, whoever cancelled its task.
    TornDownInOwnName,
    /// A child that is started while the nursery closes is let in.
    SpawnWhileClosing,
    /// The failure of a child does not reach its siblings.
    SiblingsLiveOn,
    /// A nursery closes before its children are dead.
    NurseryClosesEarly,
    /// An actor stops before its children are dead.
    StoppedBeforeChildren,
    /// An actor leaves without its exit hooks.
    HooksForgotten,
    /// Exit hooks may take for ever.
    HooksUnbounded,
    /// Errors and cancels wait behind data. The link asks [`Mutant::lane`].
    ControlBehindData,
    /// A return overtakes the data before it. The link asks [`Mutant::lane`].
    ReturnOvertakes,
}

impl Mutant {
    /// The lane in which this variant sends a frame.
    pub fn lane(self, frame: &Frame) -> Lane {
        match (self, frame) {
            (Self::ControlBehindData, Frame::Error(_) | Frame::Cancel { .. }) => Lane::Data,
            (Self::ReturnOvertakes, Frame::Return(_)) => Lane::Control,
            _ => frame.lane(),
        }
    }
}
