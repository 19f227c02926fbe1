//! The caller's side of a context (semantics 3).

use bytes::Bytes;
use steading_types::{
    ActorId, BoxedError, Cancellation, Cause, Credit, ErrorKind, Event, Key, OpenOptions, Outcome, Window, oversized,
};

use super::context::{Caller, CallerState, Context, Patience, Side};
use super::{Core, NEVER, Output};
use crate::frame::{Dest, Frame, Start};

/// Bytes of an endpoint's name.
const LONGEST_NAME: usize = 1 << 10;

impl<P: Clone> Core<P> {
    /// Opens a context: sends `Start` and waits for the ack.
    ///
    /// # Errors
    /// `InvalidOperation` for this very actor, `LinkClosed` for one that is gone, `Limit` for too many
    /// contexts or too large arguments, `NoSuchEndpoint` for a name no endpoint can have, `Cancelled` while this actor is ending, `InvalidOperation` for a
    /// parent that is no running task. No state is left.
    pub fn open(&mut self, options: OpenOptions, args: impl Into<Bytes>) -> Result<Key, BoxedError> {
        let args = args.into();
        let (peer, peer_id) = self.open_target(&options, args.len())?;
        let deadline = self.inherited_deadline(&options);
        let until = self
            .now
            .saturating_add(options.start_timeout.unwrap_or(self.limits.start_timeout));
        let side = Side::Caller(Caller {
            state: CallerState::Opening { until },
            released: false,
        });
        let mut context = Context::new(
            Some(peer.clone()),
            peer_id,
            side,
            Window::DEFAULT,
            (self.next_serial(), self.now),
        );
        context.deadline = deadline;
        context.owner = options.parent;
        context.grants = !options.grants.is_empty();
        let Some(key) = self.contexts.insert(context) else {
            return Err(self.error(ErrorKind::Limit("contexts".into()), "no key is free"));
        };
        if let Some(parent) = options.parent {
            self.adopt(parent);
        }
        if !mutant!(self, StartTimerLost) {
            self.arm(key);
        }
        let start = Start {
            origin: key,
            caller: self.me.clone(),
            endpoint: options.endpoint,
            schema: options.schema,
            deadline: (deadline != NEVER).then(|| deadline.saturating_sub(self.now)),
            window: Window {
                messages: match mutant!(self, WindowUnbounded) {
                    true => options.window.messages,
                    false => options.window.messages.min(self.limits.window.messages),
                },
                bytes: options.window.bytes.min(self.limits.window.bytes),
            },
            args,
        };
        self.send(peer, Dest::Actor, Frame::Start(Box::new(start)), key);
        Ok(key)
    }

    fn open_target(&mut self, options: &OpenOptions, args: usize) -> Result<(P, ActorId), BoxedError> {
        if let Some(error) = self.refusing() {
            return Err(error);
        }
        if options.target == 0 {
            let text = format!(
                "Invalid Operation: actor {} opened a context to itself; call the function",
                self.me
            );
            return Err(self.error(ErrorKind::InvalidOperation, text));
        }
        if options.parent.is_some_and(|parent| !self.can_adopt(parent)) {
            let text = format!("cannot open `{}`: the task that opens it is over", options.endpoint);
            return Err(self.error(ErrorKind::InvalidOperation, text));
        }
        self.check_name(&options.endpoint)?;
        self.check_room(args)?;
        match self.portals.get(options.target) {
            Some(portal) => Ok((portal.peer.clone(), portal.id.clone())),
            None => Err(self.error(
                ErrorKind::LinkClosed,
                format!("cannot open `{}`: the actor is gone", options.endpoint),
            )),
        }
    }

    /// A name counts nowhere else of what waits at the callee.
    fn check_name(&self, endpoint: &str) -> Result<(), BoxedError> {
        if endpoint.len() > LONGEST_NAME {
            let text = format!("no endpoint has a name of {} bytes", endpoint.len());
            return Err(self.error(ErrorKind::NoSuchEndpoint, text));
        }
        Ok(())
    }

    fn check_room(&self, args: usize) -> Result<(), BoxedError> {
        if self.contexts.len() >= self.limits.contexts {
            let text = format!(
                "actor {} has {} contexts open, its limit",
                self.me, self.limits.contexts
            );
            return Err(self.error(ErrorKind::Limit("contexts".into()), text));
        }
        if args > self.limits.payload {
            let text = oversized("what is passed to the endpoint", args, self.limits.payload);
            return Err(self.error(ErrorKind::Limit("payload".into()), text));
        }
        Ok(())
    }

    /// Deadlines shrink with every hop (semantics 10): never later than the opening task's own. What bounds the
    /// calls of a cancelled task is its grace; a deadline that has passed would leave no time to clean up.
    fn inherited_deadline(&self, options: &OpenOptions) -> u64 {
        let own = options.deadline.map_or(NEVER, |left| self.now.saturating_add(left));
        let parent = options
            .parent
            .filter(|_| !mutant!(self, DeadlineNotInherited))
            .and_then(|parent| self.contexts.get(parent))
            .filter(|parent| parent.cancel.is_none())
            .map_or(NEVER, |parent| parent.deadline);
        own.min(parent)
    }

    /// Whether `owner` is a task that may still open something: it runs, and has not used up its
    /// patience after a cancel.
    pub(super) fn can_adopt(&self, owner: Key) -> bool {
        self.contexts.get(owner).is_some_and(|context| {
            matches!(&context.side, Side::Callee(callee) if callee.is_running() && callee.patience != Patience::Exhausted)
        })
    }

    /// Makes the task of `owner` own one more thing.
    pub(super) fn adopt(&mut self, owner: Key) {
        if let Some(context) = self.contexts.get_mut(owner) {
            context.owned += 1;
            context.opened_any = true;
        }
    }

    /// Something that `owner` owned is over.
    pub(super) fn disown(&mut self, owner: Option<Key>) {
        let Some((key, context)) = owner.and_then(|key| Some((key, self.contexts.get_mut(key)?))) else {
            return;
        };
        context.owned -= u32::from(!mutant!(self, OwnerNotDisowned));
        if context.owned == 0 {
            self.extend_grace(key);
        }
        self.complete_if_done(key);
    }

    pub(super) fn handle_start_ack(&mut self, key: Key, remote: Key, callee: ActorId, window: Window) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        let Some(caller) = context.as_caller() else { return };
        if !matches!(caller.state, CallerState::Opening { .. }) {
            self.dropped.unexpected += 1;
            return;
        }
        caller.state = CallerState::Syncing;
        context.remote = Some(remote);
        context.peer_id = callee;
        context.sending.credit = Credit::new(window);
    }

    pub(super) fn handle_started(&mut self, key: Key, value: Bytes) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        let (peer, window) = (context.peer_id.clone(), context.sending.credit.window());
        let Some(caller) = context.as_caller() else { return };
        if caller.state != CallerState::Syncing {
            self.dropped.unexpected += 1;
            return;
        }
        caller.state = CallerState::Started;
        if !caller.released || mutant!(self, ReleasedStillTold) {
            self.tell(Event::Started {
                context: key,
                value,
                peer,
                window,
            });
        }
    }

    pub(super) fn handle_return(&mut self, key: Key, value: Bytes) {
        self.end(key, Outcome::Returned(value));
    }

    pub(super) fn handle_error(&mut self, key: Key, error: BoxedError) {
        self.relays.remember(&error);
        let echo = Some(key).filter(|_| mutant!(self, EchoBeatsCanceller));
        let echo = echo.and_then(|key| self.contexts.get(key)?.cancel.clone());
        self.end(
            key,
            match error.kind {
                ErrorKind::Cancelled(cancellation) => Outcome::Cancelled(echo.unwrap_or(cancellation)),
                _ => Outcome::Failed(Box::new(error)),
            },
        );
    }

    /// The ack follows the terminal frame on the same lane, so this finds an outcome already, unless the
    /// callee knew nothing of the context.
    pub(super) fn handle_cancel_ack(&mut self, key: Key) {
        let Some(cancellation) = self.contexts.get(key).and_then(|context| context.cancel.clone()) else {
            return;
        };
        self.end(key, Outcome::Cancelled(cancellation));
    }

    /// Writes the outcome, once.
    fn end(&mut self, key: Key, outcome: Outcome) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        let (owner, broken) = (context.owner, context.broken.clone());
        let Some(caller) = context.as_caller() else { return };
        if caller.state == CallerState::Ended && !mutant!(self, OutcomeTwice) {
            self.dropped.unexpected += 1;
            return;
        }
        let outcome = match (outcome, broken) {
            // The cancel was only how the callee was ended; this is why.
            (Outcome::Cancelled(_), Some(error)) => Outcome::Failed(error),
            (outcome, _) => outcome,
        };
        caller.state = CallerState::Ended;
        let released = caller.released;
        self.revoke(key);
        if released {
            self.contexts.remove(key);
        } else {
            self.tell(Event::Ended { context: key, outcome });
        }
        self.disown(owner);
        self.stop_if_done();
    }

    /// The context is over, and with it what it granted.
    pub(super) fn revoke(&mut self, key: Key) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if std::mem::take(&mut context.grants) && !mutant!(self, GrantOutlivesContext) {
            self.outputs.push_back(Output::Revoke { context: key });
        }
    }

    /// Of a running callee: who opened its context, and what that side calls it.
    pub fn caller_of(&self, key: Key) -> Option<(P, Key)> {
        let context = self.contexts.get(key).filter(|context| !context.is_over())?;
        match context.side {
            Side::Callee(_) => Some((context.peer.clone()?, context.remote?)),
            Side::Caller(_) => None,
        }
    }

    /// Asks the callee to end. The first requester stays the canceller.
    pub(super) fn cancel_callee(&mut self, key: Key, cancellation: Cancellation) {
        let timeout = self.limits.cancel_timeout;
        let origin = Dest::Origin(self.me.uuid, key);
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if context.is_over() || (context.cancel.is_some() && !mutant!(self, CancelSentTwice)) {
            return;
        }
        context.cancel = Some(cancellation.clone());
        context.cancel_due = self.now.saturating_add(timeout);
        let (peer, dest) = (context.peer.clone(), context.remote.map_or(origin, Dest::Key));
        if let Some(peer) = peer {
            self.send(
                peer,
                dest,
                Frame::Cancel {
                    cancellation,
                    reply: key,
                },
                key,
            );
        }
        self.arm(key);
    }

    /// Nobody looks at this context again. What still runs at the other end is cancelled.
    pub fn release(&mut self, key: Key) {
        self.release_context(key);
        self.stop_if_done();
    }

    pub(super) fn release_context(&mut self, key: Key) {
        let cancellation = self.cancellation(None, Cause::ParentTeardown);
        let Some(caller) = self.contexts.get_mut(key).and_then(Context::as_caller) else {
            return;
        };
        if caller.state == CallerState::Ended {
            self.contexts.remove(key);
            return;
        }
        caller.released = true;
        self.cancel_callee(key, cancellation);
    }

    pub(super) fn caller_timeout(&mut self, key: Key) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        let (deadline, cancel_due, cancelled) = (context.deadline, context.cancel_due, context.cancel.is_some());
        let until = match context.as_caller().map(|caller| caller.state) {
            Some(CallerState::Opening { until }) => until,
            _ => NEVER,
        };
        if cancel_due <= self.now && !mutant!(self, CancelTimeoutNever) {
            self.cancel_timed_out(key);
        } else if cancelled {
            // It waits for the answer, and for that alone.
        } else if until <= self.now.min(deadline) {
            self.start_timed_out(key);
        } else if deadline <= self.now {
            let cancellation = self.cancellation(None, Cause::Deadline);
            self.cancel_callee(key, cancellation);
        }
    }

    fn cancel_timed_out(&mut self, key: Key) {
        let Some(context) = self.contexts.get(key) else { return };
        let text = format!(
            "actor {} did not answer a cancel within {} ms",
            context.peer_id,
            self.limits.cancel_timeout / 1_000_000
        );
        self.handle_error(key, self.error(ErrorKind::CancelTimeout, text));
    }

    fn start_timed_out(&mut self, key: Key) {
        let Some(context) = self.contexts.get(key) else { return };
        let text = format!("actor {} did not accept in time", context.peer_id);
        let cancellation = self.cancellation(Some("start timed out".into()), Cause::Deadline);
        if !mutant!(self, LateStartNotCancelled) {
            self.cancel_callee(key, cancellation);
        }
        self.handle_error(key, self.error(ErrorKind::StartTimeout, text));
    }
}
