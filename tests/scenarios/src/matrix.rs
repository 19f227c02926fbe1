//! Who cancels × when (semantics 6): one cell of the matrix, told as one line.
//!
//! What was seen is written as `where it was raised → what left the block; how the context stands`. A task
//! beside the block strikes once that is parked where the cell wants it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steading_actor::{
    ActorId, CancelScope, Context, Error, Outcome, Portal, Result, Rung, Stream, TaskGroup, move_on_after, scope, sleep,
};

use crate::callee::{Deed, Until};
use crate::keeping::{Kept, told};
use crate::{GUEST, ensure, ensure_eq, failure, me, notes};

type Ctx = Context<(), (), ()>;

/// The rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Who {
    /// The caller's `ctx.cancel()`, by the block's own task.
    CallerInBlock,
    /// The caller's `ctx.cancel()`, by another task of its actor.
    CallerElsewhere,
    /// The callee cancels its own task.
    Callee,
    /// The callee hands on a cancellation of a third actor's.
    Third,
    /// The callee's whole actor is cancelled, and not by the caller.
    CalleeActor,
    /// The caller's own actor cancels the peer's actor.
    ActorByCaller,
    /// The caller's enclosing scope is cancelled.
    EnclosingScope,
    /// The caller's enclosing deadline passes.
    Deadline,
    /// The enclosing scope is cancelled, and the callee fails with Y of that.
    EnclosingScopeAndCallee,
    /// The body fails with X.
    Body,
    /// The callee fails with X.
    CalleeFails,
    /// The callee's actor traps (a guest), or panics (native).
    CalleeDies,
}

/// The columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// The caller waits for the first value.
    BeforeStarted,
    /// It waits for a message.
    OnStream,
    /// It waits for something else.
    Elsewhere,
    /// It waits for the result.
    ForResult,
    /// It goes on after the callee has returned.
    AfterReturn,
}

/// One playing of a cell; notes are for ever, so each has its number in them.
#[derive(Clone, Copy)]
struct Cell {
    who: Who,
    when: When,
    number: u32,
}

/// What comes to light in the block.
#[derive(Default)]
struct Traces {
    ctx: Option<Ctx>,
    inside: Option<String>,
}

type Shared = Arc<Mutex<Traces>>;

fn lock(traces: &Shared) -> MutexGuard<'_, Traces> {
    traces.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Plays a cell and compares what was seen with what the table says.
pub(crate) async fn run(component: &str, who: Who, when: When, expected: &str) -> Result<()> {
    for number in 0.. {
        let cell = Cell { who, when, number };
        if let Some(seen) = cell.play(component).await? {
            return ensure_eq("the cell", seen.as_str(), expected);
        }
        // The deadline passed before the block was where the cell wants it: once more, with more time.
    }
    Ok(())
}

impl Cell {
    fn pin(self, note: &str) {
        notes::pin(&format!("{note}#{}", self.number));
    }

    async fn wait(self, note: &str) -> Result<()> {
        notes::wait(&format!("{note}#{}", self.number)).await
    }

    /// `None`: the deadline of the cell came too early.
    async fn play(self, component: &str) -> Result<Option<String>> {
        scope(async |tasks| {
            let traces = Shared::default();
            let kept = Kept::start(&tasks, component, &format!("peer#{}", self.number)).await?;
            let (portal, id) = (&kept.portal, kept.portal.id().clone());
            let left = self.block(&tasks, component, portal, &traces).await?;
            let fate = self.fate(portal).await?;
            self.check_nursery(kept.end().await?)?;
            match fate {
                Some(fate) if !self.is_too_early() => {
                    let seen = lock(&traces).describe(&left)?;
                    Ok(Some(plain(&format!("{seen}{fate}"), component, &id)))
                }
                _ => Ok(None),
            }
        })
        .await
    }

    /// Has the deadline passed before the block was parked?
    fn is_too_early(self) -> bool {
        let parked = notes::all().contains(&format!("parked#{}", self.number));
        self.who == Who::Deadline && self.when != When::BeforeStarted && !parked
    }

    /// The block under test, and the task that strikes: what left it.
    async fn block(self, tasks: &TaskGroup, component: &str, portal: &Portal, traces: &Shared) -> Result<String> {
        let outer = CancelScope::inside();
        let part = (self.until(), self.deed(component));
        let in_body = traces.clone();
        let body = async move |ctx: Ctx, ()| {
            lock(&in_body).ctx = Some(ctx.clone());
            let end = self.body(&ctx).await;
            lock(&in_body).inside = Some(told(&end));
            match self.when {
                // What was returned as a value is none to pass on.
                When::ForResult if end.as_ref().is_err_and(Error::is_absorbed) => Ok(()),
                _ => end,
            }
        };
        let striker = tasks.spawn(self.strike(portal.clone(), traces.clone(), outer.clone()));
        let block = portal.open_context("subject", &part, body);
        let left = match self.who {
            Who::Deadline => {
                let patience = Duration::from_millis(40) * 2_u32.pow(self.number);
                match move_on_after(patience, block).await {
                    Ok(None) => "the time is up".to_owned(),
                    end => told(&end),
                }
            }
            _ => told(&outer.run(block).await.and_then(|end| end)),
        };
        striker.await?;
        Ok(left)
    }

    fn until(self) -> Until {
        match self.when {
            When::BeforeStarted => Until::BeforeStarted,
            When::AfterReturn => Until::Returned,
            _ => Until::Started,
        }
    }

    fn deed(self, component: &str) -> Deed {
        match self.who {
            Who::Callee => Deed::CancelsItself,
            Who::CalleeFails => Deed::Fails,
            Who::EnclosingScopeAndCallee => Deed::FailsWhenCancelled,
            Who::Third => Deed::HandsOn {
                component: component.to_owned(),
            },
            _ => Deed::Waits,
        }
    }

    /// What the body does, with the caller's own part in it.
    async fn body(self, ctx: &Ctx) -> Result<()> {
        match self.when {
            When::OnStream => {
                let on_stream = async |stream: Stream<(), ()>| {
                    self.act(ctx).await?;
                    stream.next().await.map(drop)
                };
                ctx.stream(on_stream).await
            }
            When::ForResult => {
                self.act(ctx).await?;
                ctx.wait_result::<u32>().await.map(drop)
            }
            When::AfterReturn => {
                ctx.ended().await?;
                self.act(ctx).await?;
                self.wait("struck").await
            }
            // Semantics 6: after its own cancel the body goes on, also when the answer is there.
            _ if self.who == Who::CallerInBlock => {
                self.act(ctx).await?;
                ctx.ended().await?;
                sleep(Duration::from_millis(1)).await
            }
            _ => {
                self.act(ctx).await?;
                self.wait("never").await
            }
        }
    }

    /// The caller's own part, right before it parks.
    async fn act(self, ctx: &Ctx) -> Result<()> {
        match self.who {
            Who::Body => return Err(Error::msg("X")),
            Who::CallerInBlock => ctx.cancel("").await,
            _ => {}
        }
        self.pin("parked");
        Ok(())
    }

    /// The third task: strikes once the block is where the cell wants it.
    async fn strike(self, portal: Portal, traces: Shared, outer: CancelScope) -> Result<()> {
        if matches!(self.who, Who::Body | Who::Deadline) {
            return Ok(());
        }
        if self.when != When::BeforeStarted {
            self.wait("parked").await?;
        }
        portal.call::<(), _>("noted", "arrived").await?;
        let ctx = lock(&traces).ctx.clone();
        match (self.who, ctx) {
            (Who::CallerElsewhere, Some(ctx)) => ctx.cancel("").await,
            (Who::Callee | Who::Third | Who::CalleeFails, _) => portal.call("note", "go").await?,
            (Who::CalleeActor, _) => _ = failure("a call that resigns", portal.call::<(), _>("resign", &()).await)?,
            (Who::CalleeDies, _) => _ = failure("a call that is death", portal.call::<(), _>("die", &()).await)?,
            (Who::ActorByCaller, _) => ensure_eq("the rung", portal.cancel_actor("").await?, Rung::Acked)?,
            (Who::EnclosingScope | Who::EnclosingScopeAndCallee, _) => outer.cancel_with(""),
            _ => {}
        }
        self.pin("struck");
        Ok(())
    }

    /// How the callee saw its end, where it was the caller who ended it; `None`: it never ran.
    async fn fate(self, portal: &Portal) -> Result<Option<String>> {
        use Who::{Body, CallerElsewhere, CallerInBlock, Deadline, EnclosingScope, EnclosingScopeAndCallee};
        match self.who {
            CallerInBlock | CallerElsewhere | EnclosingScope | EnclosingScopeAndCallee | Deadline | Body => {
                let notes: Vec<String> = portal.call("notes", &()).await?;
                let fate = notes.iter().find_map(|note| note.strip_prefix("fate: "));
                Ok(fate.map(|fate| format!("; callee {fate}")))
            }
            _ => Ok(Some(String::new())),
        }
    }

    /// A child that dies fails its nursery; one that is cancelled, by whom ever, does not.
    fn check_nursery(self, end: Result<()>) -> Result<()> {
        match self.who {
            Who::CalleeDies => {
                let died = told(&end);
                ensure(
                    died.starts_with("died"),
                    format_args!("the nursery says so too: {died}"),
                )
            }
            _ => end,
        }
    }
}

impl Traces {
    /// All that can be seen of the context once it is over (semantics 4).
    fn describe(&self, left: &str) -> Result<String> {
        let (Some(ctx), Some(inside)) = (&self.ctx, &self.inside) else {
            return Ok(format!("→ {left}"));
        };
        check_errors(ctx, inside)?;
        let flags = [
            (" cc", ctx.cancel_called()),
            (" ca", ctx.cancel_acked()),
            (" caught", ctx.cancelled_caught()),
        ];
        let flags: String = flags.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
        let by = ctx.canceller().map(|id| format!(" by {id}")).unwrap_or_default();
        let result = match ctx.result::<u32>() {
            Some(Ok(value)) => format!(" {value}"),
            _ => String::new(),
        };
        Ok(format!("{inside} → {left}; {}{result}{flags}{by}", ctx.state()))
    }
}

/// What holds of every context that is over, whoever ended it.
fn check_errors(ctx: &Ctx, inside: &str) -> Result<()> {
    let (local, remote) = (ctx.local_error(), ctx.remote_error());
    let returned = matches!(ctx.outcome(), Some(Outcome::Returned(_)));
    ensure(ctx.has_outcome(), "a block ends when its callee has")?;
    ensure_eq(
        "a remote error, where the callee did not return",
        remote.is_some(),
        !returned,
    )?;
    let raised = !matches!(inside, "ok" | "absorbed");
    ensure(!raised || local.is_some(), "what the body raised is its local error")?;
    let expected = remote.or(local).map(|error| error.to_string());
    ensure_eq(
        "maybe_error",
        ctx.maybe_error().map(|error| error.to_string()),
        expected.clone(),
    )?;
    let shown = ctx.to_string();
    let end = expected.map_or(ctx.state().to_string(), |error| format!("{}: {error}", ctx.state()));
    ensure(shown.ends_with(&end), format_args!("{shown} says how it stands: {end}"))?;
    let result = ctx.result::<u32>();
    ensure_eq(
        "whether there is a result",
        result.is_some_and(|result| result.is_ok()),
        returned,
    )
}

/// Ids by the parts their owners play; how a callee dies, by what it is made of.
fn plain(seen: &str, component: &str, peer: &ActorId) -> String {
    let death = match component {
        GUEST => "died of a trap (unreachable)",
        _ => "died of a panic",
    };
    let mut text = seen
        .replace(&me().to_string(), "me")
        .replace(&peer.to_string(), "peer")
        .replace(death, "died");
    while let Some(at) = text.find("third@") {
        // The eight digits of its uuid.
        text.replace_range(at + "third".len()..(at + "third@".len() + 8).min(text.len()), "");
    }
    text
}
