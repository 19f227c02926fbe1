//! What a run has reached: counters of cells, and the table of cells that cannot be reached, with reasons.
//!
//! Seven tables: a context's state × what comes to it, its stream × what comes to that, an actor's stage ×
//! what comes to it, a nursery's × the same, a child's standing × what comes to it at its parent, a
//! nursery's strategy × what it says, and a context's phase × each fault. A cell that can be
//! reached and was not makes a run fail. To add an input: a variant at the end of its enum, an entry in
//! `ALL`, a line in the model where it happens, and a reason for each state in which it cannot.

use steading_proto::Frame;
use steading_types::Strategy;

use crate::model::Stage;
use crate::unreachable;

macro_rules! cells {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        #[expect(missing_docs, reason = "the text of a cell says what it is")]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $text)),*];
        }
    };
}

cells! {
    /// Where a side of a context stands.
    ContextState {
        Opening = "opening", OpeningCancelled = "opening, cancelled", OpeningReleased = "opening, released",
        Syncing = "syncing", SyncingCancelled = "syncing, cancelled", SyncingReleased = "syncing, released",
        Started = "started", StartedCancelled = "started, cancelled", StartedReleased = "started, released",
        Ended = "ended",
        Fresh = "callee", FreshCancelled = "callee, cancelled", FreshAbandoned = "callee, caller gone",
        Running = "callee started", RunningCancelled = "callee started, cancelled",
        RunningAbandoned = "callee started, caller gone",
        Exhausted = "callee out of patience",
        Finishing = "finishing", FinishingCancelled = "finishing, cancelled", FinishingAbandoned = "finishing, caller gone",
        Main = "main task", MainCancelled = "main task, cancelled", MainFinishing = "main task, finishing",
        Unknown = "no such context",
    }
}

cells! {
    /// What comes to a context.
    Input {
        StartAck = "StartAck", StartedFrame = "Started", Yield = "Yield", StopFrame = "Stop", CreditFrame = "Credit",
        Cancel = "Cancel", CancelAck = "CancelAck", ReturnFrame = "Return", Error = "Error", Flow = "Flow",
        OpenUnder = "open under it", NurseryUnder = "nursery under it", StartedCommand = "started()",
        Return = "finish(returned)", Fail = "finish(failed)", FinishCancelled = "finish(cancelled)",
        CancelCommand = "cancel()", Release = "release()", RefuseOpen = "its Start is not taken",
        Reject = "reject()", StreamOpen = "stream_open()", Send = "send_batch()", StopCommand = "stop()", CreditCommand = "credit()",
        CancelTimeout = "no answer to a cancel", StartTimeout = "no answer to a Start", Deadline = "deadline",
        GraceOver = "grace over", Die = "its actor dies",
    }
}

cells! {
    /// Half a stream.
    StreamState {
        SendClosed = "not opened", SendOpen = "opened", SendStopped = "stopped",
        ReceiveEmpty = "nothing held", ReceiveHolding = "messages held", ReceiveStopped = "peer stopped",
        ReceiveReleased = "released", Over = "context over",
    }
}

cells! {
    /// What comes to half a stream.
    StreamInput {
        Sent = "a batch goes", NoCredit = "a batch beyond credit", Malformed = "a malformed batch",
        TooLarge = "a batch too large", Refused = "a batch out of turn", Credit = "Credit", Yield = "Yield", Stop = "Stop",
        Overrun = "a fatal batch beyond credit", Flow = "Flow",
    }
}

cells! {
    /// Where an actor stands.
    ActorState {
        Serving = "serving", ServingTrapping = "serving, interrupted", ServingKilling = "serving, being killed",
        Cancelling = "cancelling", CancellingTrapping = "cancelling, interrupted",
        CancellingKilling = "cancelling, being killed", Dying = "dying", Stopped = "stopped",
    }
}

cells! {
    /// What comes to an actor, or to a nursery.
    ActorInput {
        Start = "Start", CancelActor = "CancelActor", ChildUp = "ChildUp", ChildEnded = "ChildEnded",
        NurseryOpen = "nursery_open()", Spawn = "spawn()", NurseryCancel = "nursery_cancel()",
        NurseryClose = "nursery_close()", CancelChild = "cancel_actor()", CancelSelf = "cancel_self()",
        MainOver = "main task over", Force = "force()", Timer = "timer", Die = "die()",
        OnExit = "on_exit()", Exited = "exited()",
        ForceFrame = "Force", ChildDone = "child_done()",
    }
}

cells! {
    /// Where a child stands with its parent.
    ChildState {
        Running = "running", Ending = "ending", Recalled = "recalled", DoneOver = "done", DoneRestarts = "done, restarts",
        DoneFatal = "done, fatal", Waiting = "waiting", Starting = "starting", Gone = "gone",
    }
}

cells! {
    /// What comes to a child, at its parent.
    ChildInput {
        Up = "ChildUp", Ended = "ChildEnded", Failed = "ChildEnded, failed", CancelChild = "cancel_actor()",
        NurseryCancel = "its nursery is cancelled", SiblingRestarts = "a sibling restarts", Done = "child_done()",
        DoneFailed = "child_done(failed)", Time = "its time", Respawned = "respawned()",
        RespawnFailed = "respawn_failed()",
    }
}

cells! {
    /// What a strategy is asked about.
    Whose {
        OneCancelsAll = "one cancels all", OneForOne = "one for one", OneForAll = "one for all",
        RestForOne = "rest for one",
    }
}

cells! {
    /// What becomes of a child.
    Verdict {
        Over = "over", FailedAlone = "failed alone", FailedForAll = "failed for all", Restarts = "restarts",
        Unwanted = "failed in a way not named", GaveUp = "too often", NurseryGaveUp = "too often in the nursery",
    }
}

cells! {
    /// Where a nursery stands.
    NurseryState {
        Open = "open", Cancelled = "cancelled", Closing = "closing", ClosingCancelled = "closing, cancelled",
        Abandoned = "abandoned", Gone = "gone",
    }
}

cells! {
    /// Where both sides of a context stand together.
    Phase {
        Calling = "calling", Accepted = "accepted", Syncing = "syncing", Started = "started", Streaming = "streaming",
        Stopped = "stopped", Cancelling = "cancelling", Finishing = "finishing", Returned = "returned", Over = "over",
    }
}

cells! {
    /// What goes wrong.
    Fault {
        CancelByCaller = "caller cancels", CancelByCallee = "callee cancels", ActorCancelled = "callee's actor cancelled",
        CallerActorCancelled = "caller's actor cancelled", CalleeDied = "callee's actor dies",
        CallerDied = "caller's actor dies", Deadline = "deadline", StartTimeout = "start time-out",
        LocalError = "callee fails", LinkCut = "link cut", RefusedStart = "start refused", CreditMisuse = "credit misuse",
        Release = "caller looks away", CallerRejects = "caller rejects a payload",
        CalleeRejects = "callee rejects a payload", Overrun = "overrun",
    }
}

impl Input {
    /// The input that this frame is to a context.
    pub fn of(frame: &Frame) -> Self {
        match frame {
            Frame::StartAck { .. } => Self::StartAck,
            Frame::Started(_) => Self::StartedFrame,
            Frame::Yield { .. } => Self::Yield,
            Frame::Stop => Self::StopFrame,
            Frame::Credit { .. } => Self::CreditFrame,
            Frame::Cancel { .. } => Self::Cancel,
            Frame::CancelAck => Self::CancelAck,
            Frame::Return(_) => Self::ReturnFrame,
            Frame::Error(_) => Self::Error,
            Frame::Flow { .. } => Self::Flow,
            _ => crate::broken!("grammar", "{} came to a context", frame.kind()),
        }
    }
}

/// One table of counters.
#[derive(Clone, Debug)]
struct Table<const S: usize, const I: usize>([[u64; I]; S]);

impl<const S: usize, const I: usize> Default for Table<S, I> {
    fn default() -> Self {
        Self([[0; I]; S])
    }
}

impl<const S: usize, const I: usize> Table<S, I> {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened()) {
            *mine += theirs;
        }
    }
}

/// What was reached, and how often.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    contexts: Table<24, 29>,
    streams: Table<8, 10>,
    actors: Table<8, 18>,
    nurseries: Table<6, 18>,
    faults: Table<10, 16>,
    children: Table<9, 11>,
    verdicts: Table<4, 7>,
}

/// The numbers of a coverage.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Cells that can be reached.
    pub reachable: usize,
    /// Those that were.
    pub reached: usize,
    /// Those that were not, in words.
    pub missing: Vec<String>,
    /// Those that were, and how often: the rarest first.
    pub rarest: Vec<(u64, String)>,
    /// Those that were, and are said to be out of reach.
    pub surprising: Vec<String>,
}

impl Coverage {
    /// An input came to a context.
    pub fn context(&mut self, state: ContextState, input: Input) {
        self.contexts.0[state as usize][input as usize] += 1;
    }

    /// An input came to half a stream.
    pub fn stream(&mut self, state: StreamState, input: StreamInput) {
        self.streams.0[state as usize][input as usize] += 1;
    }

    /// An input came to an actor.
    pub fn actor(&mut self, stage: Stage, force: crate::model::Force, input: ActorInput) {
        self.actors.0[ActorState::of(stage, force) as usize][input as usize] += 1;
    }

    /// An input came to a nursery.
    pub fn nursery(&mut self, state: usize, input: ActorInput) {
        self.nurseries.0[state][input as usize] += 1;
    }

    /// A fault hit a context.
    pub fn fault(&mut self, phase: Phase, fault: Fault) {
        self.faults.0[phase as usize][fault as usize] += 1;
    }

    /// An input came to a child.
    pub fn child(&mut self, state: ChildState, input: ChildInput) {
        self.children.0[state as usize][input as usize] += 1;
    }

    /// A strategy was asked, and said.
    pub fn verdict(&mut self, strategy: Strategy, verdict: Verdict) {
        let whose = match strategy {
            Strategy::OneCancelsAll => Whose::OneCancelsAll,
            Strategy::OneForOne => Whose::OneForOne,
            Strategy::OneForAll => Whose::OneForAll,
            Strategy::RestForOne => Whose::RestForOne,
        };
        self.verdicts.0[whose as usize][verdict as usize] += 1;
    }

    /// Takes in what another run reached.
    pub fn add(&mut self, other: &Self) {
        self.contexts.add(&other.contexts);
        self.streams.add(&other.streams);
        self.actors.add(&other.actors);
        self.nurseries.add(&other.nurseries);
        self.faults.add(&other.faults);
        self.children.add(&other.children);
        self.verdicts.add(&other.verdicts);
    }

    /// What is reached, and what is not.
    pub fn report(&self) -> Report {
        let mut report = Report::default();
        tell(
            &mut report,
            "context",
            &self.contexts,
            ContextState::ALL,
            Input::ALL,
            unreachable::context,
        );
        tell(
            &mut report,
            "stream",
            &self.streams,
            StreamState::ALL,
            StreamInput::ALL,
            unreachable::stream,
        );
        tell(
            &mut report,
            "actor",
            &self.actors,
            ActorState::ALL,
            ActorInput::ALL,
            unreachable::actor,
        );
        tell(
            &mut report,
            "nursery",
            &self.nurseries,
            NurseryState::ALL,
            ActorInput::ALL,
            unreachable::nursery,
        );
        tell(
            &mut report,
            "fault",
            &self.faults,
            Phase::ALL,
            Fault::ALL,
            unreachable::fault,
        );
        tell(
            &mut report,
            "child",
            &self.children,
            ChildState::ALL,
            ChildInput::ALL,
            unreachable::child,
        );
        tell(
            &mut report,
            "strategy",
            &self.verdicts,
            Whose::ALL,
            Verdict::ALL,
            unreachable::verdict,
        );
        report.rarest.sort_unstable();
        report
    }
}

fn tell<A: Copy, B: Copy, const S: usize, const I: usize>(
    report: &mut Report,
    name: &str,
    table: &Table<S, I>,
    states: &[(A, &str)],
    inputs: &[(B, &str)],
    why_not: fn(A, B) -> Option<&'static str>,
) {
    assert_eq!(
        (states.len(), inputs.len()),
        (S, I),
        "the table `{name}` has other cells than its enums"
    );
    for ((state, state_name), row) in states.iter().zip(&table.0) {
        for ((input, input_name), count) in inputs.iter().zip(row) {
            let cell = || format!("{name}: {state_name} × {input_name}");
            match why_not(*state, *input) {
                Some(why) if *count > 0 => report.surprising.push(format!("{} (said: {why})", cell())),
                Some(_) => {}
                None => {
                    report.reachable += 1;
                    report.reached += usize::from(*count > 0);
                    if *count == 0 {
                        report.missing.push(cell());
                    } else {
                        report.rarest.push((*count, cell()));
                    }
                }
            }
        }
    }
}

impl ActorState {
    fn of(stage: Stage, force: crate::model::Force) -> Self {
        let three = |states: [Self; 3]| match force {
            crate::model::Force::None => states[0],
            crate::model::Force::Trapping { .. } => states[1],
            crate::model::Force::Killing => states[2],
        };
        match stage {
            Stage::Serving => three([Self::Serving, Self::ServingTrapping, Self::ServingKilling]),
            Stage::Cancelling => three([Self::Cancelling, Self::CancellingTrapping, Self::CancellingKilling]),
            Stage::Dying { .. } => Self::Dying,
            Stage::Stopped => Self::Stopped,
        }
    }
}
