//! Runs an actor's tasks within turns.
//!
//! Single-threaded and fair: a task that is woken goes to the end of the queue, once. A turn takes in
//! its events, polls what is ready, sends what the tasks have left in their buffers, and ends; it never
//! waits. Between turns nothing of the guest is on any stack.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use steading_actor::{Actor, Invocation};
use steading_types::{Description, Key};

use crate::boundary::WitBoundary;
use crate::{bindings, convert, logging};

/// Polls of one turn. Beyond it the host gets a say (cancels, other actors) before the turn goes on.
const POLLS_PER_TURN: usize = 1024;

/// A task of this actor.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What the `actor` attribute implements: the endpoints of a component.
pub trait Endpoints: 'static {
    /// What `inspect` shows.
    fn describe() -> Description;
    /// The task of an invocation.
    fn run(invocation: Invocation) -> Pin<Box<dyn Future<Output = ()>>>;
}

thread_local! {
    static EXECUTOR: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
}

/// One turn of the component: the body of its `turn` export.
pub fn turn<E: Endpoints>(now: u64, events: Vec<bindings::Event>) -> bool {
    let executor = Executor::current();
    executor.actor.advance(now);
    for event in events {
        if let Some(invocation) = executor.actor.deliver(convert::event(event)) {
            executor.spawn(E::run(invocation));
        }
    }
    if let Some(hooks) = executor.actor.exit_task() {
        executor.spawn(hooks);
    }
    executor.run()
}

/// One turn that brings one batch and nothing else: the body of its `turn-on-data` export.
pub fn turn_on_data(now: u64, context: Key, batch: Vec<u8>) -> bool {
    let executor = Executor::current();
    executor.actor.advance(now);
    executor.actor.deliver_data(context, batch.into());
    executor.run()
}

struct Executor {
    actor: Actor,
    tasks: RefCell<Tasks>,
    ready: Arc<Ready>,
}

/// Tasks by number; numbers of finished tasks are used again. A wake meant for a former holder of a
/// number costs its successor one poll and nothing else.
#[derive(Default)]
struct Tasks {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

struct Slot {
    /// Absent while it is polled, and once it is done.
    task: Option<Task>,
    waker: Arc<TaskWaker>,
}

impl Tasks {
    fn take(&mut self, id: usize) -> (Option<Task>, Arc<TaskWaker>) {
        let slot = &mut self.slots[id];
        (slot.task.take(), slot.waker.clone())
    }
}

#[derive(Default)]
struct Ready(Mutex<VecDeque<usize>>);

impl Ready {
    fn push(&self, id: usize) {
        self.queue().push_back(id);
    }

    fn pop(&self) -> Option<usize> {
        self.queue().pop_front()
    }

    fn is_empty(&self) -> bool {
        self.queue().is_empty()
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TaskWaker {
    id: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.push(self.id);
        }
    }
}

impl Executor {
    fn current() -> Rc<Self> {
        EXECUTOR.with_borrow_mut(|executor| executor.get_or_insert_with(Self::start).clone())
    }

    fn start() -> Rc<Self> {
        let boundary = Arc::new(WitBoundary);
        logging::install(boundary.clone());
        Rc::new(Self {
            actor: Actor::new(boundary),
            tasks: RefCell::default(),
            ready: Arc::default(),
        })
    }

    fn spawn(&self, task: Task) {
        let mut tasks = self.tasks.borrow_mut();
        let id = tasks.free.pop().unwrap_or(tasks.slots.len());
        if id == tasks.slots.len() {
            let waker = Arc::new(TaskWaker {
                id,
                queued: AtomicBool::new(false),
                ready: self.ready.clone(),
            });
            tasks.slots.push(Slot { task: None, waker });
        }
        let slot = &mut tasks.slots[id];
        slot.task = Some(task);
        slot.waker.wake_by_ref();
    }

    /// Polls what is ready, each task at the end of the queue if it wakes itself, and sends what they leave;
    /// whether more is ready.
    fn run(&self) -> bool {
        for _ in 0..POLLS_PER_TURN {
            let Some(id) = self.ready.pop() else { break };
            self.poll(id);
        }
        self.actor.flush();
        !self.ready.is_empty()
    }

    fn poll(&self, id: usize) {
        let (task, waker) = self.tasks.borrow_mut().take(id);
        waker.queued.store(false, Ordering::Relaxed);
        let Some(mut task) = task else { return };
        let waker = Waker::from(waker);
        let poll = task.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = self.tasks.borrow_mut();
        match poll {
            Poll::Pending => tasks.slots[id].task = Some(task),
            Poll::Ready(()) => tasks.free.push(id),
        }
    }
}

/// The task of an invocation this component has no endpoint for: the host knows better than to ask.
pub async fn unknown(invocation: Invocation) {
    invocation.refuse(&steading_actor::Error::msg("no such endpoint"));
}
