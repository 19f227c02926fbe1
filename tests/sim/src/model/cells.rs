//! In which cell of the coverage tables a side stands.

use steading_types::{Fate, Refusal};

use super::supervision::Standing;
use super::{Ctx, Model, Patience, State};
use crate::coverage::{ChildState, ContextState, Fault, Phase, StreamInput, StreamState};
use crate::op::NONE;

impl ContextState {
    pub(super) fn of(ctx: &Ctx) -> Self {
        let touched = match () {
            () if ctx.released || (ctx.caller_gone && !ctx.main) => 2,
            () if ctx.cancel.is_some() => 1,
            () => 0,
        };
        let three = |states: [Self; 3]| states[touched];
        match ctx.state {
            _ if !ctx.live => Self::Unknown,
            State::Opening { .. } => three([Self::Opening, Self::OpeningCancelled, Self::OpeningReleased]),
            State::Syncing => three([Self::Syncing, Self::SyncingCancelled, Self::SyncingReleased]),
            State::Started => three([Self::Started, Self::StartedCancelled, Self::StartedReleased]),
            State::Ended => Self::Ended,
            State::Running { .. } if ctx.patience == Patience::Exhausted => Self::Exhausted,
            State::Finishing(_) if ctx.main => Self::MainFinishing,
            State::Running { .. } if ctx.main => three([Self::Main, Self::MainCancelled, Self::MainCancelled]),
            State::Running { started: false } => three([Self::Fresh, Self::FreshCancelled, Self::FreshAbandoned]),
            State::Running { started: true } => three([Self::Running, Self::RunningCancelled, Self::RunningAbandoned]),
            State::Finishing(_) => three([Self::Finishing, Self::FinishingCancelled, Self::FinishingAbandoned]),
        }
    }
}

impl StreamState {
    pub(super) fn of(ctx: &Ctx) -> Self {
        match () {
            () if ctx.is_over() => Self::Over,
            () if ctx.sending.stopped => Self::SendStopped,
            () if ctx.sending.opened => Self::SendOpen,
            () => Self::SendClosed,
        }
    }

    pub(super) fn receiving(ctx: &Ctx) -> Self {
        match () {
            () if ctx.is_over() => Self::Over,
            () if ctx.receiving.stopped => Self::ReceiveStopped,
            () if ctx.released => Self::ReceiveReleased,
            () if ctx.receiving.messages > 0 => Self::ReceiveHolding,
            () => Self::ReceiveEmpty,
        }
    }
}

impl From<Result<(), Refusal>> for StreamInput {
    fn from(result: Result<(), Refusal>) -> Self {
        match result {
            Ok(()) => Self::Sent,
            Err(Refusal::NoCredit) => Self::NoCredit,
            Err(Refusal::Overrun) => Self::Overrun,
            Err(Refusal::MalformedBatch) => Self::Malformed,
            Err(Refusal::TooLarge) => Self::TooLarge,
            Err(_) => Self::Refused,
        }
    }
}

impl Model {
    /// Something goes wrong for the context of this side.
    pub(crate) fn fault(&mut self, ci: u32, fault: Fault) {
        let ctx = self.ctx(ci);
        let caller = if ctx.callee { ctx.twin } else { ci };
        if caller == NONE {
            return;
        }
        let phase = self.phase(caller);
        self.coverage.fault(phase, fault);
    }

    fn phase(&self, caller: u32) -> Phase {
        let caller = self.ctx(caller);
        if !caller.live || matches!(caller.state, State::Ended) {
            return Phase::Over;
        }
        if caller.twin == NONE {
            return if caller.cancel.is_some() {
                Phase::Cancelling
            } else {
                Phase::Calling
            };
        }
        let callee = self.ctx(caller.twin);
        match () {
            () if !callee.live => Phase::Returned,
            () if matches!(callee.state, State::Finishing(_)) => Phase::Finishing,
            () if caller.cancel.is_some() || callee.cancel.is_some() => Phase::Cancelling,
            () if matches!(caller.state, State::Opening { .. }) => Phase::Accepted,
            () if matches!(caller.state, State::Syncing) => Phase::Syncing,
            () if caller.sending.stopped || callee.sending.stopped => Phase::Stopped,
            () if caller.sending.opened || callee.sending.opened => Phase::Streaming,
            () => Phase::Started,
        }
    }
}

impl ChildState {
    pub(super) fn of(standing: Standing) -> Self {
        match standing {
            Standing::Running => Self::Running,
            Standing::Ending => Self::Ending,
            Standing::Recalled => Self::Recalled,
            Standing::Done(Fate::Over) => Self::DoneOver,
            Standing::Done(Fate::Restarts) => Self::DoneRestarts,
            Standing::Done(Fate::Fatal) => Self::DoneFatal,
            Standing::Waiting => Self::Waiting,
            Standing::Starting => Self::Starting,
            Standing::Gone => Self::Gone,
        }
    }
}
