//! A root: an actor whose main task is the embedder's own block.

use std::sync::Arc;

use bytes::Bytes;
use steading_actor::{Actor, Error, Invocation, Nursery, Result, nursery, plain, try_current};
use steading_proto::{Core, Frame};
use steading_types::{ActorId, BoxedError, Cause, Clock, ErrorKind, Event, Level, Start, Window};
use tokio::sync::oneshot;

use super::Runtime;
use super::cell::{Cell, new_inbox};
use super::children::Grants;
use super::driver::{Body, drive, guarded};
use super::native::NativeBody;
use crate::config::Streams;

/// Runs `body` as the main task of a new root, and returns when nothing of its tree is left.
pub(crate) async fn run<T, F>(runtime: &Arc<Runtime>, name: &str, stdio: Streams, memory: u64, body: F) -> Result<T>
where
    F: AsyncFnOnce(Nursery) -> Result<T>,
{
    if let Some(around) = try_current() {
        return Err(refused(around.id()));
    }
    tokio::select! {
        biased;
        // Boxed, so that to embedders' compilers the future of a root is not as deep as all that is below it.
        end = Box::pin(run_alone(runtime, name, stdio, memory, body)) => end,
        () = runtime.watch_for_deadlocks() => unreachable!("it never ends"),
    }
}

async fn run_alone<T, F>(runtime: &Arc<Runtime>, name: &str, stdio: Streams, memory: u64, body: F) -> Result<T>
where
    F: AsyncFnOnce(Nursery) -> Result<T>,
{
    let cell = new_root(runtime, name, stdio, memory);
    let (actor, invocation, over) = begin(&cell)?;
    let _mourner = Mourner(&cell);
    let mut result = None;
    let main = async |()| {
        let end = nursery(body).await;
        let told = end.as_ref().map(|_| ()).map_err(Clone::clone);
        result = Some(end);
        told
    };
    plain(invocation, main).await;
    // The sender is dropped when the driver has ended, whichever way.
    over.await.unwrap_or_default();
    super::outlet::settle().await;
    let end = result.unwrap_or_else(|| Err(cancelled(&cell)));
    match actor.take_exit_error().or_else(|| cell.panicked()) {
        // A failure of the body's own comes first; a cancellation hides nothing (semantics 7).
        Some(error) if end.as_ref().err().is_none_or(Error::is_cancelled) => Err(error),
        _ => end,
    }
}

/// Its tree would be nobody's when the actor around it ends.
fn refused(around: &ActorId) -> Error {
    let text = "a root within an actor; its children are started in a `nursery`";
    Error::from(BoxedError::new(ErrorKind::InvalidOperation, around.clone(), text))
}

/// A panic that unwinds through the body of a root is the embedder's to see. It ends the root as it would end
/// any actor, or the tree below would be nobody's.
struct Mourner<'a>(&'a Cell);

impl Drop for Mourner<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let id = self.0.inbox.id().clone();
            let error = BoxedError::new(ErrorKind::Panic, id, "the body of the root panicked");
            self.0.with(|core| core.die(error));
        }
    }
}

fn new_root(runtime: &Arc<Runtime>, name: &str, stdio: Streams, memory: u64) -> Arc<Cell> {
    let inbox = new_inbox(name);
    let core = Core::new(inbox.id().clone(), Vec::new(), None, runtime.options.native_limits);
    let grants = Grants {
        directories: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        stdio,
        memory,
        log_level: Level::Trace,
        ambient: true,
        account: runtime.account.clone(),
        components: None,
        clock: Clock::Real,
        seed: None,
        children: None,
        contexts: runtime.options.native_limits.contexts,
        log_rate: *crate::limits::LOG_RATE.end(),
        seats: runtime.disk.seats(),
    };
    Cell::new(runtime.clone(), inbox, core, None, (grants, None), (0, 0))
}

/// Starts the driver, and makes the main task's invocation. The task is there before the first event
/// for it can come.
fn begin(cell: &Arc<Cell>) -> Result<(Actor, Invocation, oneshot::Receiver<()>)> {
    let main = cell.with(|core| core.begin_main())?;
    let body = NativeBody::new(cell, None);
    let actor = body.actor().clone();
    let start = start_of_main(main, cell.inbox.id().clone(), &actor);
    let (done, over) = oneshot::channel::<()>();
    let interrupter = body.interrupter();
    let drive = drive(cell.clone(), interrupter, async move { Ok(body) });
    let driver = guarded(cell.clone(), drive);
    cell.runtime.spawn(async move {
        driver.await;
        drop(done);
    });
    start
        .map(|invocation| (actor, invocation, over))
        .ok_or_else(|| Error::msg("the main task could not begin"))
}

fn start_of_main(context: u32, caller: ActorId, actor: &Actor) -> Option<Invocation> {
    let args = Bytes::from(steading_actor::encode(&()).ok()?);
    let window = Window::DEFAULT;
    actor.deliver(Event::Start(Start {
        context,
        endpoint: 0,
        args,
        caller,
        deadline: None,
        window,
    }))
}

fn cancelled(cell: &Cell) -> Error {
    let cancellation = cell.look(|core| core.stage().cancellation().cloned());
    Error::cancelled(cancellation.unwrap_or_else(|| steading_types::Cancellation {
        canceller: cell.inbox.id().clone(),
        reason: None,
        cause: Cause::ParentTeardown,
    }))
}

/// A frame that asks an actor to end.
pub(crate) fn cancel_frame(canceller: ActorId, reason: &str, cause: Cause) -> Frame {
    Frame::CancelActor(steading_types::Cancellation {
        canceller,
        reason: Some(reason.to_owned()),
        cause,
    })
}
