//! The cells that cannot be reached, each with its reason. A reason that a run disproves fails the run.

use crate::coverage::{
    ActorInput, ActorState, ChildInput, ChildState, ContextState, Fault, Input, NurseryState, Phase, StreamInput,
    StreamState, Verdict, Whose,
};

const ENDED: &str = "a side that has its outcome has no timer";
const ONCE: &str = "a timer that its state does not have, or that a cancel has switched off";

fn is_main(state: ContextState) -> bool {
    use ContextState::{Main, MainCancelled, MainFinishing};
    matches!(state, Main | MainCancelled | MainFinishing)
}

fn is_caller(state: ContextState) -> bool {
    (state as usize) <= ContextState::Ended as usize
}

fn is_opening(state: ContextState) -> bool {
    (state as usize) <= ContextState::OpeningReleased as usize
}

fn is_syncing(state: ContextState) -> bool {
    !is_opening(state) && (state as usize) <= ContextState::SyncingReleased as usize
}

fn is_fresh(state: ContextState) -> bool {
    use ContextState::{Fresh, FreshAbandoned, FreshCancelled};
    matches!(state, Fresh | FreshCancelled | FreshAbandoned)
}

fn is_finishing(state: ContextState) -> bool {
    use ContextState::{Finishing, FinishingAbandoned, FinishingCancelled, MainFinishing};
    matches!(
        state,
        Finishing | FinishingCancelled | FinishingAbandoned | MainFinishing
    )
}

/// Untouched by any cancel.
fn is_plain(state: ContextState) -> bool {
    use ContextState::{Finishing, Fresh, Main, Opening, Running, Started, Syncing};
    matches!(state, Opening | Syncing | Started | Fresh | Running | Finishing | Main)
}

/// Why this input never comes to a context in this state.
pub(crate) fn context(state: ContextState, input: Input) -> Option<&'static str> {
    use Input::{CancelTimeout, Deadline, Die, GraceOver, StartTimeout};
    match input {
        CancelTimeout | StartTimeout | Deadline | GraceOver => timer(state, input),
        Die if state == ContextState::Unknown => Some("what is not there does not die"),
        Input::NurseryUnder | Input::OpenUnder if is_caller(state) => {
            Some("only tasks open, and the adversary names tasks")
        }
        Input::RefuseOpen
            if state != ContextState::Opening && !touched_opening(state) && state != ContextState::Unknown =>
        {
            Some("a Start is taken or not when it is sent, before anything can be answered")
        }
        _ if state == ContextState::Unknown => None,
        _ => frame(state, input),
    }
}

/// Outputs may wait: a Start can be cancelled, released or timed out before it is sent.
fn touched_opening(state: ContextState) -> bool {
    matches!(
        state,
        ContextState::OpeningCancelled | ContextState::OpeningReleased | ContextState::Ended
    )
}

fn timer(state: ContextState, timer: Input) -> Option<&'static str> {
    let cancelled_task = !is_caller(state) && !is_plain(state) && !is_finishing(state);
    let has = match timer {
        Input::CancelTimeout => is_caller(state) && !is_plain(state),
        Input::StartTimeout => state == ContextState::Opening,
        Input::Deadline => is_plain(state) && !is_main(state),
        _ => cancelled_task,
    };
    match () {
        () if state == ContextState::Unknown => Some("what is not there has no timer"),
        () if state == ContextState::Ended => Some(ENDED),
        () if !has => Some(ONCE),
        () => None,
    }
}

fn frame(state: ContextState, input: Input) -> Option<&'static str> {
    use Input::{Cancel, CancelAck, CreditFrame, Error, ReturnFrame, StartAck, StartedFrame, StopFrame, Yield};
    let from_callee = matches!(input, StartAck | StartedFrame | ReturnFrame | CancelAck);
    let of_stream = matches!(input, Yield | StopFrame | CreditFrame | Input::Flow);
    match input {
        _ if is_main(state) && (from_callee || of_stream || matches!(input, Cancel | Error)) => {
            Some("a main task has no peer that could write to it")
        }
        _ if !is_caller(state) && from_callee => Some("callees write this, to callers"),
        Cancel if is_caller(state) => Some("callers write this, to callees"),
        _ if is_fresh(state) && of_stream => Some("no stream before `Started`, and it overtakes all data"),
        _ if (is_opening(state) || is_syncing(state)) && of_stream => Some("the callee's `Started` overtakes its data"),
        StartAck if !is_opening(state) && state != ContextState::Ended => Some("accepted once"),
        StartedFrame if !is_syncing(state) && state != ContextState::Ended => Some("after `StartAck`, and once"),
        ReturnFrame | CancelAck if is_opening(state) => Some("the `StartAck` before it overtakes it"),
        Input::Flow if matches!(state, ContextState::RunningAbandoned | ContextState::FinishingAbandoned) => {
            Some("sent before the error that abandons it, on the same lane")
        }
        CancelAck if matches!(state, ContextState::Syncing | ContextState::Started) => Some("nothing was cancelled"),
        _ => None,
    }
}

/// Why this never comes to half a stream in this state.
pub(crate) fn stream(state: StreamState, input: StreamInput) -> Option<&'static str> {
    use StreamInput::{Credit, Refused, Stop, Yield};
    use StreamState::{
        Over, ReceiveEmpty, ReceiveHolding, ReceiveReleased, ReceiveStopped, SendClosed, SendOpen, SendStopped,
    };
    let receiving = matches!(input, Yield | Stop);
    let refusals_later = !matches!(input, Refused | Credit | Yield | Stop | StreamInput::Flow);
    match state {
        SendClosed | SendOpen | SendStopped if receiving => Some("it comes to the receiving half"),
        ReceiveEmpty | ReceiveHolding | ReceiveStopped | ReceiveReleased if !receiving => {
            Some("it comes to the sending half")
        }
        ReceiveStopped => Some("a `Stop` is the last of its direction"),
        SendClosed if input == Credit => Some("credit comes for what was sent"),
        SendClosed | SendStopped | Over if refusals_later => Some("refused before it is read"),
        _ => None,
    }
}

/// Why this never comes to an actor in this stage.
pub(crate) fn actor(state: ActorState, input: ActorInput) -> Option<&'static str> {
    match (state, input) {
        (ActorState::Dying | ActorState::Stopped, ActorInput::MainOver) => Some("its tasks are gone"),
        (ActorState::Serving | ActorState::ServingTrapping | ActorState::ServingKilling, ActorInput::ForceFrame) => {
            Some("it was asked to end before, on the same lane")
        }
        (ActorState::Stopped, ActorInput::ChildEnded) => Some("it has stopped because the last child had ended"),
        _ => None,
    }
}

/// Why this never comes to a nursery in this state.
pub(crate) fn nursery(state: NurseryState, input: ActorInput) -> Option<&'static str> {
    use ActorInput::{ChildEnded, NurseryCancel, NurseryClose, Spawn};
    match (state, input) {
        (NurseryState::Gone, ChildEnded) => Some("it closes when its last child has ended"),
        (_, Spawn | NurseryCancel | NurseryClose | ChildEnded) => None,
        _ => Some("it comes to an actor"),
    }
}

/// Why this fault never hits a context in this phase.
pub(crate) fn fault(phase: Phase, fault: Fault) -> Option<&'static str> {
    use Fault::{ActorCancelled, CalleeDied, CalleeRejects, CallerRejects, CancelByCallee, LocalError};
    use Fault::{Overrun, RefusedStart, StartTimeout};
    let of_callee = matches!(
        fault,
        ActorCancelled | CalleeDied | CalleeRejects | CancelByCallee | LocalError
    );
    let accepted = matches!(
        phase,
        Phase::Syncing | Phase::Started | Phase::Streaming | Phase::Stopped
    );
    match (phase, fault) {
        (Phase::Calling, _) if of_callee => Some("there is no callee yet"),
        (Phase::Returned, _) if of_callee => Some("the callee is gone"),
        (Phase::Finishing, LocalError | CalleeRejects) => Some("it has ended already"),
        (Phase::Over, StartTimeout | CallerRejects) => Some("the caller has its outcome"),
        (Phase::Accepted | Phase::Finishing | Phase::Returned, RefusedStart) => Some("it was accepted"),
        (_, StartTimeout | RefusedStart) if accepted => Some("it was accepted, and the caller knows"),
        (Phase::Calling | Phase::Accepted | Phase::Syncing | Phase::Started, Overrun) => Some("no half is open"),
        _ => None,
    }
}

/// Why this never comes to a child that stands so.
pub(crate) fn child(state: ChildState, input: ChildInput) -> Option<&'static str> {
    use ChildInput::{Ended, Failed, NurseryCancel, RespawnFailed, Respawned, SiblingRestarts, Time, Up};
    use ChildState::{DoneFatal, Gone, Starting, Waiting};
    match (state, input) {
        // One that died before the shell had started it is started all the same, and says so.
        (Gone | Waiting | Starting, Up) => None,
        (Gone, Ended | Failed) => Some("a child says nothing after its end"),
        (Gone, NurseryCancel | SiblingRestarts | Time) => Some("it is in no nursery any more"),
        (Waiting | Starting, Ended | Failed) => Some("the dead say nothing"),
        (Starting | Gone, Respawned | RespawnFailed) => None,
        (_, Respawned | RespawnFailed) => Some("nobody has asked the shell"),
        (Waiting, Time) => None,
        (_, Time) => Some("it does not wait"),
        (DoneFatal, SiblingRestarts) => Some("its nursery is cancelled, and nobody restarts there"),
        _ => None,
    }
}

/// Why this strategy never says so.
pub(crate) fn verdict(whose: Whose, verdict: Verdict) -> Option<&'static str> {
    match (whose, verdict) {
        (Whose::OneCancelsAll, Verdict::FailedAlone) => Some("there, a failure is everybody's"),
        (Whose::OneCancelsAll, _) => None,
        (_, Verdict::FailedForAll) => Some("there, it is nobody else's unless a restart was wanted"),
        _ => None,
    }
}
