//! One actor, its recorded boundary, and tasks that are polled when woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use steading_actor::*;
use steading_types::*;

pub fn actor_id(name: &str, n: u64) -> ActorId {
    ActorId::new(name, Uuid { high: n << 32, low: n })
}

pub fn me() -> ActorId {
    actor_id("me", 1)
}

pub fn peer() -> ActorId {
    actor_id("peer", 2)
}

pub fn third() -> ActorId {
    actor_id("third", 3)
}

pub fn cancelled_by(canceller: ActorId) -> Cancellation {
    Cancellation {
        canceller,
        reason: None,
        cause: Cause::Requested,
    }
}

pub fn failure(message: &str) -> Box<BoxedError> {
    Box::new(BoxedError::new(ErrorKind::EndpointError, peer(), message))
}

pub fn bytes<T: serde::Serialize>(value: &T) -> Bytes {
    encode(value).unwrap().into()
}

/// A batch of these messages.
pub fn batch<T: serde::Serialize>(values: &[T]) -> Bytes {
    let mut batch = Vec::new();
    for value in values {
        push_message(&mut batch, &bytes(value));
    }
    batch.into()
}

/// The contexts of most stories.
pub type Ctx = steading_actor::Context<u32, u32>;

/// Writes down every operation as a line.
#[derive(Default)]
pub struct Recorder {
    lines: Mutex<Vec<String>>,
    keys: AtomicU32,
    clock: AtomicU64,
    /// What the host says to messages, unless it takes them.
    refusal: Mutex<Option<Refusal>>,
    /// What becomes of children that are done, unless it is what their failure says.
    fate: Mutex<Option<Fate>>,
    /// What it says to the opening of a stream, unless it lets it.
    no_opening: Mutex<Option<Refusal>>,
}

impl Recorder {
    fn note(&self, line: String) -> Result<(), Refusal> {
        self.lines.lock().unwrap().push(line);
        Ok(())
    }

    fn key(&self) -> u32 {
        self.keys.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn because(reason: Option<String>) -> String {
    reason.map(|r| format!(" ({r})")).unwrap_or_default()
}

impl Boundary for Recorder {
    fn self_id(&self) -> ActorId {
        me()
    }
    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }
    fn parallelism(&self) -> u32 {
        2
    }
    fn wake_at(&self, time: u64) {
        self.note(format!("wake {time}")).unwrap();
    }
    fn open(&self, options: OpenOptions, _: Vec<u8>) -> Result<Key, BoxedError> {
        if options.target == 0 {
            return Err(BoxedError::new(ErrorKind::InvalidOperation, me(), "that is you"));
        }
        let key = self.key();
        let parent = options.parent.map(|p| format!(" in c{p}")).unwrap_or_default();
        self.note(format!("open c{key} {}{parent}", options.endpoint)).unwrap();
        Ok(key)
    }
    fn granted(&self, context: Key, name: &str) -> Result<String, BoxedError> {
        Ok(format!("/granted/{context}/{name}"))
    }
    fn started(&self, context: Key, value: Vec<u8>) -> Result<(), Refusal> {
        self.note(format!("started c{context} {value:x?}"))
    }
    fn finish(&self, context: Key, ending: Ending) -> Result<(), Refusal> {
        self.note(match ending {
            Ending::Returned(value) => format!("finish c{context} returned {:x?}", &value[..]),
            Ending::Failed(e) => format!("finish c{context} failed {}: {}", e.kind, e.message),
            Ending::Cancelled => format!("finish c{context} cancelled"),
        })
    }
    fn cancel(&self, context: Key, reason: Option<String>, _: Cause) -> Result<(), Refusal> {
        self.note(format!("cancel c{context}{}", because(reason)))
    }
    fn release(&self, context: Key) {
        self.note(format!("release c{context}")).unwrap();
    }
    fn reject(&self, context: Key, message: &str) -> Result<(), Refusal> {
        self.note(format!("reject c{context} {message}"))
    }
    fn stream_open(&self, context: Key, flow: Option<Flow>) -> Result<(), Refusal> {
        let flow = flow.map(|f| format!(" {:?} {}", f.policy, f.window.messages));
        if let Some(refusal) = *self.no_opening.lock().unwrap() {
            return Err(refusal);
        }
        self.note(format!("stream c{context}{}", flow.unwrap_or_default()))
    }
    fn send_batch(&self, context: Key, mut batch: &[u8]) -> Result<(), Refusal> {
        let mut lengths = Vec::new();
        while let Some((message, rest)) = split_message(batch) {
            lengths.push(message.len());
            batch = rest;
        }
        match *self.refusal.lock().unwrap() {
            Some(refusal) => Err(refusal),
            None => self.note(format!("send c{context} {lengths:?}")),
        }
    }
    fn credit(&self, context: Key, messages: u32, bytes: u32) -> Result<(), Refusal> {
        self.note(format!("credit c{context} {messages} {bytes}"))
    }
    fn stop(&self, context: Key) -> Result<(), Refusal> {
        self.note(format!("stop c{context}"))
    }
    fn nursery_open(&self, parent: Option<Key>, _: Supervision) -> Result<Key, Refusal> {
        let key = self.key();
        let parent = parent.map(|p| format!(" in c{p}")).unwrap_or_default();
        self.note(format!("nursery n{key}{parent}"))?;
        Ok(key)
    }
    fn spawn(&self, nursery: Key, spec: Spec) -> Result<PortalKey, BoxedError> {
        let key = self.key();
        self.note(format!("spawn p{key} {} in n{nursery}", spec.name)).unwrap();
        Ok(key)
    }
    fn nursery_cancel(&self, nursery: Key, reason: Option<String>, _: Cause) {
        self.note(format!("cancel n{nursery}{}", because(reason))).unwrap();
    }
    fn nursery_close(&self, nursery: Key) {
        self.note(format!("close n{nursery}")).unwrap();
    }
    fn log_level(&self) -> Option<Level> {
        None
    }
    fn child_done(&self, child: PortalKey, failure: Option<Box<BoxedError>>) -> Result<Fate, Refusal> {
        let how = failure.as_ref().map(|error| format!(": {}", error.message));
        self.note(format!("done p{child}{}", how.unwrap_or_default()))?;
        let fate = *self.fate.lock().unwrap();
        Ok(fate.unwrap_or(if failure.is_some() { Fate::Fatal } else { Fate::Over }))
    }
    fn cancel_actor(&self, target: PortalKey, reason: Option<String>) -> Result<(), Refusal> {
        self.note(format!("cancel p{target}{}", because(reason)))
    }
    fn cancel_self(&self, reason: Option<String>) {
        self.note(format!("cancel me{}", because(reason))).unwrap();
    }
    fn on_exit(&self) -> Result<(), Refusal> {
        self.note("on exit".to_owned())
    }
    fn exited(&self, error: Option<Box<BoxedError>>) {
        let how = error.map(|e| format!(" failed {}: {}", e.kind, e.message));
        self.note(format!("exited{}", how.unwrap_or_default())).unwrap();
    }
    fn kill_actor(&self, target: PortalKey) -> Result<(), Refusal> {
        self.note(format!("kill p{target}"))
    }
    fn log(&self, _: Level, _: &str, message: &str, _: &[(String, String)]) {
        self.note(format!("log {message}")).unwrap();
    }
}

/// One actor under test.
pub struct World {
    pub actor: Actor,
    recorder: Arc<Recorder>,
    scope: CancelScope,
}

impl World {
    pub fn new() -> Self {
        let recorder = Arc::new(Recorder::default());
        let actor = Actor::new(recorder.clone());
        Self {
            scope: CancelScope::root(&actor),
            recorder,
            actor,
        }
    }

    pub fn portal(&self) -> Portal {
        self.actor.portal(9, peer())
    }

    /// A task in the actor's root scope.
    pub fn task<T: 'static>(&self, future: impl Future<Output = Result<T>> + 'static) -> Task<T> {
        let scope = self.scope.clone();
        let future = async move { scope.run(future).await.and_then(|end| end) };
        Task::new(Box::pin(future))
    }

    /// The task opens this context, which is started: it is inside the block.
    pub fn enter<T, V: serde::Serialize>(&self, task: &mut Task<T>, context: Key, value: &V) {
        task.waits();
        self.started(context, value);
        task.waits();
    }

    /// The task starts this child, which comes up.
    pub fn bring_up<T>(&self, task: &mut Task<T>, child: PortalKey) {
        task.waits();
        self.child_up(child);
        task.waits();
    }

    /// The task is cancelled from elsewhere, and the callee it asks for that reason answers so: how it fails.
    pub fn tear_down<T: std::fmt::Debug>(&self, task: &mut Task<T>, context: Key) -> Error {
        self.cancel(third());
        task.waits();
        self.cancelled(context, me());
        task.ends().unwrap_err()
    }

    /// Inside a block that runs `body`, its handle handed out.
    pub fn with_handle<T: 'static>(&self, body: impl AsyncFnOnce(Ctx) -> Result<T> + 'static) -> (Task<T>, Ctx) {
        let (give, take) = channel();
        let mut task = self.task(self.portal().open_context("scan", &(), async move |c: Ctx, ()| {
            give.send(c.clone()).unwrap();
            body(c).await
        }));
        self.enter(&mut task, 1, &());
        (task, take.try_recv().unwrap())
    }

    /// Inside a block that waits elsewhere, its handle handed out.
    pub fn elsewhere(&self) -> (Task<()>, Ctx) {
        self.with_handle(async |_| {
            std::future::pending::<()>().await;
            Ok(())
        })
    }

    /// Another task cancels this context by its handle.
    pub fn cancel_by_handle(&self, context: Ctx, reason: &'static str) {
        let cancel = async move {
            context.cancel(reason).await;
            Ok(())
        };
        self.task(cancel).ends().unwrap();
    }

    pub fn cancel(&self, canceller: ActorId) {
        self.scope.cancel(cancelled_by(canceller));
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.recorder.lines.lock().unwrap())
    }

    pub fn invoke(&self, context: Key) -> Invocation {
        let start = Start {
            context,
            endpoint: 0,
            args: bytes(&7u32),
            caller: peer(),
            deadline: None,
            window: Window::DEFAULT,
        };
        self.actor
            .deliver(Event::Start(start))
            .expect("a start is an invocation")
    }

    fn deliver(&self, event: Event) {
        assert!(self.actor.deliver(event).is_none());
    }

    pub fn started<T: serde::Serialize>(&self, context: Key, value: &T) {
        self.started_with(context, value, Window::DEFAULT);
    }

    pub fn started_with<T: serde::Serialize>(&self, context: Key, value: &T, window: Window) {
        self.deliver(Event::Started {
            context,
            value: bytes(value),
            peer: peer(),
            window,
        });
    }

    pub fn data<T: serde::Serialize>(&self, context: Key, values: &[T]) {
        self.deliver(Event::Data {
            context,
            batch: batch(values),
        });
    }

    pub fn stop(&self, context: Key) {
        self.deliver(Event::Stop(context));
    }

    pub fn credit(&self, context: Key, messages: u32, bytes: u32) {
        self.deliver(Event::Credit {
            context,
            messages,
            bytes,
        });
    }

    /// The peer has opened its half of the stream with settings of its own.
    pub fn flow(&self, context: Key, policy: Policy, messages: u32) {
        let window = Window {
            messages,
            ..Window::DEFAULT
        };
        self.deliver(Event::Flow {
            context,
            policy,
            window,
        });
    }

    /// From now on the host refuses to send, or no longer.
    pub fn refuse_messages(&self, refusal: Option<Refusal>) {
        *self.recorder.refusal.lock().unwrap() = refusal;
    }

    /// From now on the host refuses to open streams.
    pub fn refuse_opening(&self, refusal: Option<Refusal>) {
        *self.recorder.no_opening.lock().unwrap() = refusal;
    }

    pub fn cancel_task(&self, context: Key, canceller: ActorId) {
        self.deliver(Event::Cancel {
            context,
            cancellation: cancelled_by(canceller),
        });
    }

    pub fn returned<T: serde::Serialize>(&self, context: Key, value: &T) {
        self.ended(context, Outcome::Returned(bytes(value)));
    }

    pub fn failed(&self, context: Key, message: &str) {
        self.ended(context, Outcome::Failed(failure(message)));
    }

    pub fn cancelled(&self, context: Key, canceller: ActorId) {
        self.ended(context, Outcome::Cancelled(cancelled_by(canceller)));
    }

    pub fn ended(&self, context: Key, outcome: Outcome) {
        self.deliver(Event::Ended { context, outcome });
    }

    pub fn child_up(&self, child: PortalKey) {
        self.child_up_as(child, peer());
    }

    pub fn child_up_as(&self, child: PortalKey, id: ActorId) {
        self.deliver(Event::ChildUp { child, id });
    }

    /// A child is over; if it failed, that is everybody's failure.
    pub fn child_ended(&self, child: PortalKey, error: Option<&str>) {
        if let Some(error) = error {
            self.child_failed(child, error, true);
        }
        let fate = if error.is_some() { Fate::Fatal } else { Fate::Over };
        self.child_ended_with(child, error, fate);
    }

    pub fn child_ended_with(&self, child: PortalKey, error: Option<&str>, fate: Fate) {
        self.deliver(Event::ChildEnded {
            child,
            error: error.map(failure),
            rung: Rung::Acked,
            fate,
        });
    }

    pub fn child_failed(&self, child: PortalKey, error: &str, fatal: bool) {
        let error = failure(error);
        self.deliver(Event::ChildFailed { child, error, fatal });
    }

    pub fn child_restarted(&self, ended: PortalKey, child: PortalKey) {
        self.deliver(Event::ChildRestarted(Restarted {
            ended,
            child,
            id: actor_id("next", u64::from(child)),
        }));
    }

    /// What becomes of children that are done.
    pub fn decide(&self, fate: Option<Fate>) {
        *self.recorder.fate.lock().unwrap() = fate;
    }

    pub fn nursery_closed(&self, nursery: Key) {
        self.deliver(Event::NurseryClosed(nursery));
    }

    /// The host asks for the exit hooks; the task that runs them.
    pub fn exit(&self) -> Option<Task<()>> {
        self.deliver(Event::Exit);
        let task = self.actor.exit_task()?;
        Some(Task::new(Box::pin(async move {
            task.await;
            Ok(())
        })))
    }

    /// Lets time pass.
    pub fn pass(&self, milliseconds: u64) {
        let nanoseconds = milliseconds * 1_000_000;
        let now = self.recorder.clock.fetch_add(nanoseconds, Ordering::Relaxed) + nanoseconds;
        self.actor.advance(now);
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A task, polled by hand.
pub struct Task<T> {
    future: Pin<Box<dyn Future<Output = Result<T>>>>,
    woken: Arc<Flag>,
}

impl<T> Task<T> {
    pub fn new(future: Pin<Box<dyn Future<Output = Result<T>>>>) -> Self {
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        Self { future, woken }
    }

    /// Runs the task as long as it is woken.
    pub fn run(&mut self) -> Option<Result<T>> {
        while self.woken.0.swap(false, Ordering::Relaxed) {
            let waker = Waker::from(self.woken.clone());
            if let Poll::Ready(end) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(end);
            }
        }
        None
    }

    /// Runs the task, which must not be over yet.
    pub fn waits(&mut self) {
        assert!(self.run().is_none(), "the task is over already");
    }

    /// Gives the task up; whether somebody still keeps what would wake it.
    pub fn leaves_a_waker(self) -> bool {
        let woken = Arc::downgrade(&self.woken);
        drop(self);
        woken.strong_count() > 0
    }

    /// Runs the task, which must be over then.
    pub fn ends(&mut self) -> Result<T> {
        self.run().expect("the task still waits")
    }
}
