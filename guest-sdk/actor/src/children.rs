//! What an actor knows of its children, and the waiting for them (semantics 10).
//!
//! A child that may start again is a *line* of actors, one at a time; all others are lines of one. Portals
//! keep the line they lead into, so the registry itself holds only what is alive, or will be again.

use std::sync::{Arc, OnceLock};

use steading_types::{ActorId, BoxedError, Cause, ErrorKind, Fate, Key, PortalKey, Refusal, Restarted, Rung};

use crate::error::{Error, Result};
use crate::link::Aftermath;
use crate::portal;
use crate::runtime::{Actor, KeyMap};
use crate::scope::{self, Node};
use crate::waiters::{Waited, Waiters};

/// Failures that a nursery keeps to raise them. There may be any number when siblings do not notice.
const KEPT_FAILURES: usize = 64;

/// The children of one actor, and the nurseries they are in.
#[derive(Default)]
pub(crate) struct Children {
    lines: KeyMap<Arc<Line>>,
    nurseries: KeyMap<Scope>,
}

/// How an actor ended.
#[derive(Clone, Debug)]
pub struct End {
    /// How it failed, if it did.
    pub error: Option<Error>,
    /// How hard it was to end it.
    pub rung: Rung,
}

/// One actor of a line.
#[derive(Debug)]
pub(crate) struct Incarnation {
    pub(crate) key: PortalKey,
    /// How many there were before it.
    pub(crate) number: u32,
    /// Unknown before it is up.
    id: OnceLock<ActorId>,
    end: OnceLock<End>,
}

impl Incarnation {
    fn new(key: PortalKey, number: u32) -> Arc<Self> {
        Arc::new(Self {
            key,
            number,
            id: OnceLock::new(),
            end: OnceLock::new(),
        })
    }

    pub(crate) fn end(&self) -> Option<&End> {
        self.end.get()
    }
}

/// A child, with all it was and will be.
pub(crate) struct Line {
    nursery: Key,
    state: Waited<LineState>,
}

pub(crate) struct LineState {
    pub(crate) current: Arc<Incarnation>,
    /// It does not start again.
    pub(crate) over: bool,
    /// Somebody waits for its start, and will be told how it failed.
    awaited: bool,
    /// Why nobody will hear how it ends.
    lost: Option<Error>,
}

impl LineState {
    /// The one that runs, with who it is; an error if none will.
    pub(crate) fn running(&self) -> Option<Result<(Arc<Incarnation>, ActorId)>> {
        if self.over {
            let error = self.current.end().and_then(|end| end.error.clone());
            return Some(Err(error.or_else(|| self.lost.clone()).unwrap_or_else(ended)));
        }
        match (self.current.id.get(), self.current.end()) {
            (Some(id), None) => Some(Ok((self.current.clone(), id.clone()))),
            _ => None,
        }
    }

    /// Nobody will hear how it ends.
    fn conclude(&mut self, error: Error) {
        self.lost = Some(error);
        self.over = true;
    }
}

fn ended() -> Error {
    Error::fault(ErrorKind::LinkClosed, "this child has ended, and is not started again")
}

/// What a nursery block must know of its children.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) node: Option<Arc<Node>>,
    failures: Vec<Error>,
    /// Failures that found no room.
    unkept: usize,
    pub(crate) closed: bool,
    pub(crate) waiters: Waiters,
}

impl Scope {
    /// A nursery around what runs in this node.
    pub(crate) fn around(node: Arc<Node>) -> Self {
        Self {
            node: Some(node),
            ..Self::default()
        }
    }

    /// Keeps what is to be raised; a failure that is everybody's cancels the body.
    pub(crate) fn fail(&mut self, error: Error, fatal: bool, after: &mut Aftermath) {
        if let (Some(node), true) = (&self.node, fatal) {
            let cancellation = error
                .cancellation()
                .cloned()
                .unwrap_or_else(|| node.actor().cancellation(&error.to_string(), Cause::ParentTeardown));
            after.cancel.push((node.clone(), cancellation));
        }
        if !self.failures.iter().any(|known| known.is_same(&error)) {
            match self.failures.len() {
                KEPT_FAILURES.. => self.unkept += 1,
                _ => self.failures.push(error),
            }
        }
        self.waiters.drain_into(&mut after.wakers);
    }

    fn take_failures(&mut self) -> Vec<Error> {
        let mut failures = std::mem::take(&mut self.failures);
        if self.unkept > 0 {
            failures.push(Error::msg(format!("and {} failures more", self.unkept)));
        }
        failures
    }
}

impl Children {
    pub(crate) fn open(&mut self, key: Key, scope: Scope) {
        self.nurseries.insert(key, scope);
    }

    pub(crate) fn nursery(&mut self, key: Key) -> Option<&mut Scope> {
        self.nurseries.get_mut(&key)
    }

    pub(crate) fn failures(&mut self, nursery: Key) -> Vec<Error> {
        self.nursery(nursery).map(Scope::take_failures).unwrap_or_default()
    }

    /// A child of this nursery is being started; `awaited` if that is waited for by [`Line::start`].
    pub(crate) fn add(&mut self, nursery: Key, key: PortalKey, awaited: bool) -> Arc<Line> {
        let state = LineState {
            current: Incarnation::new(key, 0),
            over: false,
            awaited,
            lost: None,
        };
        let line = Arc::new(Line {
            nursery,
            state: Waited::new(state),
        });
        self.lines.insert(key, line.clone());
        line
    }

    pub(crate) fn on_up(&mut self, key: PortalKey, id: ActorId) -> Aftermath {
        let mut after = Aftermath::default();
        if let Some(line) = self.lines.get(&key) {
            line.change(&mut after, |state| _ = state.current.id.set(id));
        }
        after
    }

    pub(crate) fn on_ended(
        &mut self,
        key: PortalKey,
        error: Option<Box<BoxedError>>,
        rung: Rung,
        fate: Fate,
    ) -> Aftermath {
        let mut after = Aftermath::default();
        let Some(line) = self.lines.get(&key).cloned() else {
            return after;
        };
        let error = error.map(|error| Error::from(*error));
        line.change(&mut after, |state| {
            // Told twice of one that was to start again, and then was not: the first time is how it ended.
            _ = state.current.end.set(End { error, rung });
            state.over = fate != Fate::Restarts;
        });
        if fate != Fate::Restarts {
            self.lines.remove(&key);
        }
        after
    }

    pub(crate) fn on_restarted(&mut self, restarted: Restarted) -> Aftermath {
        let mut after = Aftermath::default();
        if let Some(line) = self.lines.remove(&restarted.ended) {
            line.change(&mut after, |state| {
                let number = state.current.number.saturating_add(1);
                state.current = Incarnation::new(restarted.child, number);
            });
            self.lines.insert(restarted.child, line);
        }
        after
    }

    pub(crate) fn on_failed(&mut self, key: PortalKey, error: BoxedError, fatal: bool) -> Aftermath {
        let mut after = Aftermath::default();
        let Some(line) = self.lines.get(&key) else { return after };
        // A child that never came up is reported by the `start_actor` that waits for it.
        let reported = line.look(|state| state.awaited);
        let nursery = self.nurseries.get_mut(&line.nursery).filter(|_| !reported);
        if let Some(nursery) = nursery {
            nursery.fail(error.into(), fatal, &mut after);
        }
        after
    }

    pub(crate) fn on_closed(&mut self, key: Key) -> Aftermath {
        let mut after = Aftermath::default();
        if let Some(nursery) = self.nurseries.get_mut(&key) {
            nursery.closed = true;
            nursery.waiters.drain_into(&mut after.wakers);
        }
        after
    }

    pub(crate) fn fail_all(&mut self, error: &BoxedError) -> Aftermath {
        let mut after = Aftermath::default();
        for line in std::mem::take(&mut self.lines).into_values() {
            line.change(&mut after, |state| state.conclude(error.clone().into()));
        }
        for nursery in self.nurseries.values_mut() {
            nursery.closed = true;
            nursery.fail(error.clone().into(), true, &mut after);
        }
        after
    }

    /// Who waits for one of its children hears that nobody will look after it.
    pub(crate) fn forget(&mut self, nursery: Key, after: &mut Aftermath) -> Option<Scope> {
        self.lines.retain(|_, line| {
            let stays = line.nursery != nursery;
            if !stays {
                let error = Error::invalid("the nursery has ended");
                line.change(after, |state| state.conclude(error));
            }
            stays
        });
        self.nurseries.remove(&nursery)
    }
}

impl Line {
    fn change(&self, after: &mut Aftermath, change: impl FnOnce(&mut LineState)) {
        self.state.change(&mut after.wakers, change);
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&LineState) -> T) -> T {
        self.state.with(|state| look(state))
    }

    /// Waits until one of it runs, and answers for its failure until then. Given up, it is cancelled: nobody
    /// would have its portal.
    ///
    /// # Errors
    /// How its start failed; the cancellation of the current scope.
    pub(crate) async fn start(&self, actor: &Actor) -> Result<(Arc<Incarnation>, ActorId)> {
        let mut awaited = Awaited {
            line: self,
            actor,
            given_up: true,
        };
        let running = self.wait(LineState::running).await?;
        awaited.given_up = false;
        Ok(running)
    }

    /// Waits for something to become true of it. Cancel-safe.
    ///
    /// # Errors
    /// What `step` answers; the cancellation of the current scope.
    pub(crate) async fn wait<T>(&self, mut step: impl FnMut(&LineState) -> Option<Result<T>>) -> Result<T> {
        let step = |state: &mut LineState| {
            let lost = || state.lost.clone().map(Err);
            step(state).or_else(lost).or_else(|| scope::check().err().map(Err))
        };
        self.state.wait(step).await
    }
}

/// As long as somebody waits for a start.
struct Awaited<'a> {
    line: &'a Line,
    actor: &'a Actor,
    given_up: bool,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let (child, over) = self.line.state.with(|state| {
            state.awaited = false;
            (state.current.key, state.over)
        });
        if self.given_up && !over {
            // Refused only if it is dead already.
            self.actor.boundary().cancel_actor(child, None).ok();
        }
    }
}

/// Asks a child to end and waits until it is reaped.
pub(crate) async fn cancel_child(actor: &Actor, line: &Line, it: &Incarnation, reason: &str) -> Result<Rung> {
    let replaced = line.look(|state| state.over || state.current.key != it.key);
    if replaced && it.end().is_some() {
        return Ok(Rung::AlreadyGone);
    }
    let gone = it.end().is_some();
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    match actor.boundary().cancel_actor(it.key, reason) {
        Ok(()) | Err(Refusal::Ended | Refusal::UnknownKey) => {}
        Err(refusal) => return Err(Error::refused("cancel_actor", refusal)),
    }
    if gone {
        // It was to start again: now it is not, or has already.
        return Ok(Rung::AlreadyGone);
    }
    line.wait(|_| it.end().map(|end| Ok(end.rung))).await
}

/// What a portal leads to, if that is a child of this actor.
///
/// # Errors
/// If it is not.
pub(crate) fn of(way: Option<&(Arc<Line>, Arc<Incarnation>)>) -> Result<(&Line, &Incarnation)> {
    let (line, it) = way.ok_or_else(portal::not_a_child)?;
    Ok((line, it))
}
