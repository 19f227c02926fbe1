//! Exit hooks: what an actor does last (semantics 10).
//!
//! They are kept here and run when the host says that everything else of the actor is over. Who drives the
//! actor polls them as it polls endpoints, as a task of their own: [`Actor::exit_task`].

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use steading_types::{Cause, ErrorKind};

use crate::error::{Error, Result};
use crate::runtime::Actor;
use crate::scope::{self, Node, scoped};
use crate::timer::Alarm;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Hook = Box<dyn FnOnce() -> Work<Result<()>> + Send>;

/// The hooks of one actor, and how far it is with them.
#[derive(Default)]
pub(crate) struct Hooks {
    waiting: Vec<Hook>,
    stage: Stage,
    /// How they failed, for the actor's own driver; the host is told anyway.
    error: Option<Error>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The host does not know of any.
    #[default]
    Unknown,
    Known,
    /// The host has asked for them.
    Asked,
    Running,
    Over,
}

/// How long hooks have, all together. The host's own grace is a little longer (500 ms unless configured), so
/// what is cut short here is told as an error of the hook, not by a trap.
const GRACE: Duration = Duration::from_millis(400);

/// Registers what this actor is to do last: when it was cancelled or its main task is over, all its tasks
/// and children have ended, and it serves nobody any more (semantics 10). Hooks run one by one, the latest
/// first; one registered by a hook runs next.
///
/// All hooks have 400 ms together; what still waits then is cancelled. If they block instead, the host
/// interrupts the actor 500 ms after it asked, unless configured otherwise. They run on every way out that
/// the actor's code survives: not after a trap or a panic, not when the host had to end the actor by force.
/// There is nobody to talk to by then: a hook that opens a context or a nursery is refused. What must be
/// told to other actors belongs into the task that knows of them.
///
/// A hook that fails does not keep the others from running; its error is how the actor has ended, unless
/// its main task has failed already, and several are a group. For a root, it is what the root's block
/// returns if that has not failed itself. What is kept here is the actor's, hence `Send`, in guests too.
///
/// ```ignore
/// on_exit(|| async { Ok(std::fs::remove_file(lock_file)?) })?;
/// ```
///
/// # Errors
/// Of kind `InvalidOperation` when the hooks have run.
///
/// # Panics
/// Outside a task of an actor. [`Actor::on_exit`] works there too.
pub fn on_exit<F, Fut>(hook: F) -> Result<()>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    scope::current().actor().on_exit(hook)
}

impl Actor {
    /// As [`on_exit`], for code outside the actor's own tasks.
    ///
    /// # Errors
    /// As [`on_exit`].
    pub fn on_exit<F, Fut>(&self, hook: F) -> Result<()>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        if self.with_hooks(|hooks| hooks.stage) == Stage::Unknown {
            let known = self.boundary().on_exit();
            known.map_err(|refusal| Error::refused("on_exit", refusal))?;
        }
        let hook: Hook = Box::new(|| Box::pin(hook()));
        self.with_hooks(|hooks| hooks.add(hook))
    }

    /// The host has asked for the hooks.
    pub(crate) fn on_exit_asked(&self) {
        self.with_hooks(|hooks| {
            if matches!(hooks.stage, Stage::Unknown | Stage::Known) {
                hooks.stage = Stage::Asked;
            }
        });
    }

    /// For who drives the actor, after it has delivered events: the task that runs the hooks, once, when the
    /// host has asked for them.
    pub fn exit_task(&self) -> Option<Work<()>> {
        let asked = self.with_hooks(|hooks| hooks.begin());
        asked.then(|| Box::pin(run(self.clone())) as Work<()>)
    }

    /// For who drives the actor, when it has ended: how its hooks failed, if they did.
    pub fn take_exit_error(&self) -> Option<Error> {
        self.with_hooks(|hooks| hooks.error.take())
    }

    /// Nobody is there to run them.
    pub(crate) fn drop_hooks(&self) {
        // Bound, so that they are dropped after the lock.
        let _hooks = self.with_hooks(|hooks| {
            hooks.stage = Stage::Over;
            std::mem::take(&mut hooks.waiting)
        });
    }

    fn next_hook(&self) -> Option<Hook> {
        self.with_hooks(|hooks| {
            let next = hooks.waiting.pop();
            if next.is_none() {
                hooks.stage = Stage::Over;
            }
            next
        })
    }
}

impl Hooks {
    fn add(&mut self, hook: Hook) -> Result<()> {
        match self.stage {
            Stage::Over => return Err(Error::invalid("on_exit: the exit hooks have run")),
            Stage::Unknown => self.stage = Stage::Known,
            Stage::Known | Stage::Asked | Stage::Running => {}
        }
        self.waiting.push(hook);
        Ok(())
    }

    fn begin(&mut self) -> bool {
        let asked = self.stage == Stage::Asked;
        if asked {
            self.stage = Stage::Running;
        }
        asked
    }
}

async fn run(actor: Actor) {
    let node = Node::root(actor.clone(), None);
    let mut work = pin!(run_all(actor.clone(), node.clone()));
    let mut alarm = pin!(Alarm::after(&actor, GRACE));
    let failures = poll_fn(|cx| {
        if !node.is_cancelled() && alarm.as_mut().poll(cx).is_ready() {
            node.cancel(actor.cancellation("", Cause::Deadline));
        }
        work.as_mut().poll(cx)
    })
    .await;
    let error = (!failures.is_empty()).then(|| Error::group(failures));
    let boxed = error.as_ref().map(|error| Box::new(error.to_boxed(actor.me())));
    actor.with_hooks(|hooks| hooks.error = error);
    actor.boundary().exited(boxed);
}

async fn run_all(actor: Actor, node: Arc<Node>) -> Vec<Error> {
    let mut failures = Vec::new();
    while let Some(hook) = actor.next_hook() {
        // Called inside, as it may ask whose hook it is.
        let end = scoped(node.child(), async { hook().await }).await;
        match end.and_then(|end| end) {
            Err(error) if error.is_cancelled() && node.is_cancelled() => failures.push(too_slow()),
            Err(error) => failures.push(error),
            Ok(()) => {}
        }
    }
    failures
}

fn too_slow() -> Error {
    let message = format!("an exit hook still waited when the time of all of them, {GRACE:?}, was over");
    Error::fault(ErrorKind::CancelTimeout, message)
}
