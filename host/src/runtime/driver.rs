//! The loop that drives one actor: inbox → core → turn → inboxes of others → sleep.
//!
//! One task per actor runs it. While the actor's code is in the middle of a turn (a guest that spins,
//! or waits for the file system), control frames and deadlines are still attended to, so that a
//! cancel reaches the ladder and nobody has to wait for the guest to come back. The loop goes on
//! without the code once that is dead, until the last child is: only then does the parent hear of it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use steading_types::{ActorId, Boundary, BoxedError, Cancellation, Cause, ErrorKind, Event, NO_DEADLINE, Rung};
use tokio::time::Sleep;

use super::account::Exceeded;
use super::cell::{Cell, Effect};
use super::faults::Fault;
use super::faulty::panic_at;
use super::inbox::Delivery;
use super::log::quietly;
use super::story;

/// Why an actor's code is gone, or a piece of it can take no more turns.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    /// What kind of end.
    pub(crate) kind: ErrorKind,
    /// In plain words.
    pub(crate) message: String,
    /// Where the code was, innermost frame first.
    pub(crate) backtrace: Option<String>,
    /// The budget that was too small, if that is why.
    pub(crate) exceeded: Option<Exceeded>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Stopped {}

impl Stopped {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            backtrace: None,
            exceeded: None,
        }
    }

    fn killed() -> Self {
        Self::new(ErrorKind::Killed, "its store was dropped")
    }

    /// In short: without a look at the core.
    fn in_short(self, cell: &Cell) -> BoxedError {
        BoxedError::new(self.kind, cell.inbox.id().clone(), self.message)
    }

    fn into_error(self, cell: &Cell) -> BoxedError {
        let mut message = self.message;
        if let Some(exceeded) = &self.exceeded {
            message.push_str(&format!(": {}", cell.runtime.tell_exceeded(exceeded)));
        }
        // A panic says where it was, and what it printed is quoted whole.
        if self.kind != ErrorKind::Panic {
            message.push_str(&cell.look(|core| serving(&core.serving())));
        }
        let mut error = BoxedError::new(self.kind, cell.inbox.id().clone(), message);
        error.backtrace = self.backtrace;
        error
    }
}

/// What an actor was at when it died, as the end of a sentence.
fn serving(endpoints: &[&str]) -> String {
    match endpoints {
        [] => String::new(),
        names => format!(", serving `{}`", names.join("`, `")),
    }
}

/// An actor's code, as something that takes turns.
pub(crate) trait Body: Send {
    /// Whether it wants a turn at every wake, and not only for events and timers.
    const EVERY_WAKE: bool = false;
    /// Takes in what happened, runs every task until it waits; whether more is ready at once.
    fn turn(&mut self, now: u64, events: Vec<Event>) -> impl Future<Output = Result<bool, Stopped>> + Send;
    /// Bytes of memory that are its own; 0 if that means nothing.
    fn memory(&self) -> u64 {
        0
    }
    /// Makes a running turn end with an error soon.
    fn interrupter(&self) -> Arc<dyn Interrupt>;
}

/// The way to interrupt code from outside.
pub(crate) trait Interrupt: Send + Sync {
    /// Code that runs now is trapped; code that does not, when it runs next.
    fn interrupt(&self);
}

/// Drives an actor from its first moment to its last. `create` makes its code.
pub(crate) async fn drive<B: Body>(
    cell: Arc<Cell>,
    interrupter: Arc<dyn Interrupt>,
    create: impl Future<Output = Result<B, Stopped>> + Send,
) {
    let mut driver = Driver {
        cell,
        body: None,
        interrupter,
        frames: Vec::new(),
        timer: Timer::default(),
        turns: 0,
        done: None,
    };
    let cell = driver.cell.clone();
    let create = cell.usage.measure(cell.terms(&[]), cell.now(), create);
    match driver.attend(pin!(create)).await {
        Ok(body) => {
            driver.cell.settle();
            driver.cell.usage.note_memory(body.memory());
            driver.body = Some(Contained {
                code: Some(Box::new(body)),
                cell: cell.clone(),
            });
            driver.cell.with(|core| core.up());
            story::started(driver.cell.inbox.id(), driver.cell.depth);
        }
        Err(stopped) => driver.die(stopped),
    }
    driver.run().await;
}

/// How long an actor that met a fault of the host's own may take to end by its own rules: its children have their
/// graces, on up to sixteen levels, but somebody waits for it.
const LAST: Duration = Duration::from_secs(30);

/// Runs an actor's driver behind a panic boundary: a fault of the host's own that one actor reached
/// ends that actor, and nothing else.
pub(crate) async fn guarded(cell: Arc<Cell>, drive: impl Future<Output = ()> + Send) {
    let Err(panic) = AssertUnwindSafe(drive).catch_unwind().await else {
        return;
    };
    let fault = host_fault(&cell, &*panic);
    // Boxed, or each driver that meets none would be the larger for it.
    let end = Box::pin(AssertUnwindSafe(bury(cell.clone(), fault.clone())).catch_unwind());
    match tokio::time::timeout(LAST, end).await {
        Ok(Ok(())) => {}
        Ok(Err(again)) => {
            host_fault(&cell, &*again);
            cell.abandon(&fault.in_short(&cell));
        }
        Err(_) => {
            complain(&cell, "it does not end, and is given up");
            cell.abandon(&fault.in_short(&cell));
        }
    }
}

/// Writes it down, and says what the actor died of.
fn host_fault(cell: &Cell, panic: &(dyn std::any::Any + Send)) -> Stopped {
    let fault = format!("host fault: {}", panic_message(panic));
    complain(cell, &fault);
    Stopped::new(ErrorKind::Internal, fault)
}

/// Writes it down if it can be: that may be what has failed.
fn complain(cell: &Cell, what: &str) {
    let id = cell.inbox.id();
    quietly(|| tracing::error!(actor = %id.name, id = %id.uuid, "{what}"));
}

/// Ends an actor whose driver is gone, by its own rules.
async fn bury(cell: Arc<Cell>, fault: Stopped) {
    if let Some(plan) = &cell.runtime.faults {
        panic_at(&**plan, cell.inbox.id(), "bury");
    }
    let (frames, timer) = (Vec::new(), Timer::default());
    let mut driver: Driver<NoBody> = Driver {
        cell,
        body: None,
        interrupter: Arc::new(NoBody),
        frames,
        timer,
        turns: 0,
        done: None,
    };
    driver.die(fault);
    driver.run().await;
}

/// An actor's code, the end of which may fail without taking more with it: also where it ends because the host has
/// failed, and another panic would end the process.
struct Contained<B> {
    code: Option<Box<B>>,
    cell: Arc<Cell>,
}

impl<B> Drop for Contained<B> {
    fn drop(&mut self) {
        let code = self.code.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(code))) {
            host_fault(&self.cell, &*panic);
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}

struct Driver<B> {
    cell: Arc<Cell>,
    /// `None` before the code is made, and once it is gone.
    body: Option<Contained<B>>,
    interrupter: Arc<dyn Interrupt>,
    frames: Vec<Delivery>,
    timer: Timer,
    /// Turns since it has last waited.
    turns: u32,
    done: Option<(Option<Box<BoxedError>>, Rung)>,
}

/// Turns in a row after which the task lets others have the thread.
const TURNS_IN_A_ROW: u32 = 32;

impl<B: Body> Driver<B> {
    async fn run(&mut self) {
        let mut more = false;
        let mut woken = true;
        while self.done.is_none() {
            let now = self.cell.now();
            woken |= self.receive().await;
            let (events, effects) = self.cell.absorb(&mut self.frames, now);
            if effects {
                self.perform_idle();
            }
            let due = self.cell.timer_due(now);
            if self.body.is_some() && (more || due || B::EVERY_WAKE && woken || !events.is_empty()) {
                more = self.turn(now, events).await;
                woken = false;
                self.turns += 1;
                if self.turns == TURNS_IN_A_ROW {
                    self.turns = 0;
                    tokio::task::yield_now().await;
                }
            }
            // Most turns leave nothing to do; where one does, falling asleep finds out.
            if self.done.is_none() && !(more && self.body.is_some()) {
                woken |= self.sleep().await;
            }
        }
        self.leave();
    }

    /// Takes what has come; whether that was a nudge. With a plan of faults, only the next frame.
    async fn receive(&mut self) -> bool {
        if self.cell.runtime.faults.is_none() {
            return self.cell.inbox.take_all(&mut self.frames);
        }
        let nudged = self.cell.inbox.take_one(&mut self.frames);
        let fault = match (&self.cell.runtime.faults, self.frames.first()) {
            (Some(plan), Some(next)) if self.body.is_some() => plan.before(self.cell.inbox.id(), next.frame.kind()),
            _ => None,
        };
        if let Some(fault) = fault {
            self.suffer(fault).await;
        }
        nudged
    }

    /// A fault, with the turns it causes; the frame it comes before is handled after them.
    async fn suffer(&mut self, fault: Fault) {
        let mut next = std::mem::take(&mut self.frames);
        let now = self.cell.now();
        let mut calls = Vec::new();
        match fault {
            Fault::Kill => self.cell.with(|core| core.force()),
            Fault::Cancel(canceller) => self.cell.with(|core| core.cancel_actor_now(on_purpose(&canceller))),
            Fault::Expire => self.cell.expire(),
            Fault::Panic => {
                // As with frames that are being handled.
                self.cell.inbox.put_back(next.drain(..));
                self.cell.break_on_purpose();
            }
            Fault::Call(endpoint) => calls.extend(self.cell.call_out_of_nowhere(&endpoint)),
        }
        let (mut events, effects) = self.cell.absorb(&mut self.frames, now);
        if effects {
            self.perform_idle();
        }
        events.extend(calls);
        while !events.is_empty() && self.turn(now, std::mem::take(&mut events)).await {}
        self.frames = next;
    }

    async fn turn(&mut self, now: u64, events: Vec<Event>) -> bool {
        let Some(mut contained) = self.body.take() else {
            return false;
        };
        let Some(body) = &mut contained.code else { return false };
        let cell = self.cell.clone();
        // Pinned where it is made: a turn of a guest is large, and to move it is a good part of what it costs.
        let turned = {
            let terms = cell.terms(&events);
            let turn = pin!(body.turn(now, events));
            let turn = pin!(cell.usage.turn(terms, now, turn));
            self.attend(turn).await
        };
        cell.usage.note_memory(body.memory());
        match turned {
            Ok(more) => {
                self.body = Some(contained);
                self.cell.flush();
                more
            }
            Err(stopped) => {
                self.cell.flush();
                // Before the code is dropped: tasks that are aborted finish as cancelled, and their callers
                // are to hear what they died of.
                self.die(stopped);
                drop(contained);
                false
            }
        }
    }

    /// Runs a turn, or the making of the code, to its end; meanwhile attends to control frames.
    async fn attend<T>(&mut self, mut turn: Pin<&mut impl Future<Output = Result<T, Stopped>>>) -> Result<T, Stopped> {
        // Nearly every turn ends here: nothing is set up for the others.
        if let Poll::Ready(result) = poll_once(turn.as_mut()).await {
            return result;
        }
        if self.cell.runtime.faults.is_some() {
            // Frames that came in the middle of a turn would be points that nobody can find again.
            return turn.await;
        }
        loop {
            let deadline = self.cell.next_core_deadline();
            let Self { cell, timer, .. } = self;
            let has_more = |cx: &mut Context<'_>| match cell.inbox.poll_control_readable(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => timer.poll_until(cell, deadline, cx),
            };
            if let Some(result) = end_or(turn.as_mut(), has_more).await {
                return result;
            }
            self.cell.inbox.take_control(&mut self.frames);
            self.cell.absorb_control(&mut self.frames, self.cell.now());
            if self.perform_in_turn() {
                return Err(Stopped::killed());
            }
            // A peer that sends without end must not keep the turn from going on.
            if let Poll::Ready(result) = poll_once(turn.as_mut()).await {
                return result;
            }
        }
    }

    /// Performs effects in the middle of a turn; whether the code is to be dropped at once.
    fn perform_in_turn(&mut self) -> bool {
        let mut kill = false;
        while let Some(effect) = self.cell.next_effect() {
            match effect {
                Effect::Spawn(child) => child.start(&self.cell),
                Effect::Trap => {
                    self.cell.usage.hurry();
                    self.interrupter.interrupt();
                }
                Effect::Kill => kill = true,
                Effect::Stopped { error, rung } => {
                    // It has no task left, and still its code runs: by force, then.
                    self.done = Some((error, if rung == Rung::Acked { Rung::Trapped } else { rung }));
                    kill = true;
                }
            }
        }
        kill
    }

    /// Performs effects between turns, where nothing runs that could be interrupted.
    fn perform_idle(&mut self) {
        while let Some(effect) = self.cell.next_effect() {
            match effect {
                Effect::Spawn(child) => child.start(&self.cell),
                Effect::Trap | Effect::Kill => self.drop_idle_code(),
                Effect::Stopped { error, rung } => self.done = Some((error, rung)),
            }
        }
    }

    /// Code that waits, and did not end when it was asked to.
    fn drop_idle_code(&mut self) {
        let Some(body) = self.body.take() else { return };
        let message = "a task did not end within its grace after a cancel";
        // First, as in `turn`.
        self.die(Stopped::new(ErrorKind::Killed, message));
        drop(body);
    }

    fn die(&mut self, stopped: Stopped) {
        let error = stopped.into_error(&self.cell);
        self.cell.with(|core| core.die(error));
        self.cell.flush();
    }

    /// Waits until there is something to do; `false` if there is already.
    async fn sleep(&mut self) -> bool {
        let Some((deadline, crowded)) = self.cell.fall_asleep() else {
            return false;
        };
        let Self { cell, timer, turns, .. } = self;
        let woken = poll_fn(|cx| {
            let woken = match cell.inbox.poll_readable(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => timer.poll_until(cell, deadline, cx),
            };
            if woken.is_pending() {
                *turns = 0;
            }
            woken
        });
        if crowded.is_empty() {
            woken.await;
        } else {
            tokio::select! { biased; () = woken => {}, () = any_room(&crowded) => {} }
        }
        true
    }

    /// The last things an actor does: nothing alive is left below it.
    fn leave(&mut self) {
        // The code goes first: when the parent hears of the end, nothing of this actor is left.
        self.body = None;
        self.cell.inbox.close(&mut self.frames);
        self.cell.absorb(&mut self.frames, self.cell.now());
        self.cell.flush_last();
        let Some((error, rung)) = self.done.take() else { return };
        story::ended(self.cell.inbox.id(), error.as_deref(), rung);
        self.cell.record_end(error.as_deref(), rung);
        self.cell.retire();
        self.cell.with(|core| core.ended(error, rung));
        self.cell.flush();
    }
}

fn on_purpose(canceller: &str) -> Cancellation {
    Cancellation {
        canceller: ActorId::new(canceller, super::mint_uuid()),
        reason: Some("on purpose".to_owned()),
        cause: Cause::Requested,
    }
}

async fn any_room(peers: &[super::inbox::Peer]) {
    futures_util::future::select_all(peers.iter().map(|peer| Box::pin(peer.room()))).await;
}

/// The end of a turn that was polled just now; `None` if there is something else to attend to before. Polled at once once
/// more, what only lets others run would take it that they have.
///
/// Not `select!`: where the turn has used up what the executor lets a task do before it lets others run, that looks at
/// nothing the first time. The time after that would then be taken for the first, and what has woken the turn be lost.
async fn end_or<T>(
    mut turn: Pin<&mut impl Future<Output = T>>,
    mut has_more: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Option<T> {
    let mut was_polled = true;
    poll_fn(|cx| {
        let was_polled = std::mem::take(&mut was_polled);
        match has_more(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending if was_polled => Poll::Pending,
            Poll::Pending => turn.as_mut().poll(cx).map(Some),
        }
    })
    .await
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// A timer that is only set anew when it would ring too late: deadlines mostly move away, and a ring
/// too early costs one look.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    set_to: u64,
}

impl Timer {
    /// To be polled by one task only: one that has been told to wait is not asked again.
    fn poll_until(&mut self, cell: &Cell, deadline: u64, cx: &mut Context<'_>) -> Poll<()> {
        if deadline == NO_DEADLINE {
            return Poll::Pending;
        }
        // The executor's timers ring when a thread of its has nothing better to do.
        if deadline <= cell.now() {
            return Poll::Ready(());
        }
        let sleep = match &mut self.sleep {
            Some(sleep) if self.set_to <= deadline && !sleep.is_elapsed() => return Poll::Pending,
            Some(sleep) => {
                sleep.as_mut().reset(cell.runtime.clock.instant(deadline));
                sleep
            }
            None => {
                let instant = cell.runtime.clock.instant(deadline);
                self.sleep.insert(Box::pin(tokio::time::sleep_until(instant)))
            }
        };
        self.set_to = deadline;
        // Unconstrained, or it could say "wait" for the sake of fairness and note nobody to wake.
        pin!(tokio::task::unconstrained(sleep.as_mut())).poll(cx)
    }
}

/// The body of an actor that has none any more.
struct NoBody;

impl Body for NoBody {
    async fn turn(&mut self, _: u64, _: Vec<Event>) -> Result<bool, Stopped> {
        Ok(false)
    }

    fn interrupter(&self) -> Arc<dyn Interrupt> {
        Arc::new(Self)
    }
}

impl Interrupt for NoBody {
    fn interrupt(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it may do at once is used up, and whatever says so has it polled again.
    #[test]
    fn a_turn_that_is_told_to_let_others_run_is_polled_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime without threads can be had");
        let end = runtime.block_on(async {
            let mut turn = pin!(async {
                for _ in 0..1_000 {
                    tokio::task::coop::consume_budget().await;
                }
            });
            assert!(
                poll_once(turn.as_mut()).await.is_pending(),
                "it does more than it may at once"
            );
            tokio::time::timeout(Duration::from_secs(10), end_or(turn, |_| Poll::Pending)).await
        });
        assert_eq!(end, Ok(Some(())));
    }
}
