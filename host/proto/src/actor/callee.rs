//! The callee's side of a context (semantics 3).

use bytes::Bytes;
use steading_types::{
    BoxedError, Cancellation, Cause, Ending, EndpointKind, ErrorKind, Event, Key, Outcome, Refusal, Window, oversized,
};

use super::context::{Callee, CalleeState, Context, Patience, Side};
use super::{Core, Endpoint, NEVER, relay};
use crate::frame::{Dest, Frame, Start};

impl<P: Clone> Core<P> {
    /// The actor's own main task: a callee whose caller is the actor itself. When it finishes, the
    /// actor ends.
    ///
    /// # Errors
    /// `Closing` if the actor is ending, `Limit` if no key is free.
    pub fn begin_main(&mut self) -> Result<Key, Refusal> {
        if self.stage.is_ending() || self.main.is_some() {
            return Err(Refusal::Closing);
        }
        let context = Context::new(
            None,
            self.me.clone(),
            Side::Callee(Callee::main()),
            Window::DEFAULT,
            (self.next_serial(), self.now),
        );
        let key = self.contexts.insert(context).ok_or(Refusal::Limit)?;
        self.main = Some(key);
        Ok(key)
    }

    pub(super) fn handle_start(&mut self, from: &P, start: Start) {
        if self.origins.contains_key(&(start.caller.uuid, start.origin)) {
            self.dropped.unexpected += 1;
            return;
        }
        if mutant!(self, RefusedStartLeaks) && self.check_start(&start).is_err() {
            drop(self.accept(from, &start, 0));
        }
        let accepted = self
            .check_start(&start)
            .and_then(|endpoint| self.accept(from, &start, endpoint));
        let reply = match accepted {
            Ok(key) => Frame::StartAck {
                key,
                callee: self.me.clone(),
                window: Window::DEFAULT,
            },
            Err(error) => Frame::Error(Box::new(error)),
        };
        let context = if let Frame::StartAck { key, .. } = &reply {
            *key
        } else {
            0
        };
        self.send(from.clone(), Dest::Key(start.origin), reply, context);
        if context != 0 {
            self.tell_start(context, start);
        }
    }

    fn tell_start(&mut self, key: Key, start: Start) {
        let Some(context) = self.contexts.get(key) else { return };
        let Side::Callee(Callee {
            endpoint: Some(endpoint),
            ..
        }) = context.side
        else {
            return;
        };
        self.waiting += start.cost();
        self.tell(Event::Start(steading_types::Start {
            context: key,
            endpoint: endpoint as u32,
            args: start.args,
            caller: start.caller,
            deadline: (context.deadline != NEVER).then_some(context.deadline),
            window: start.window,
        }));
    }

    fn accept(&mut self, from: &P, start: &Start, endpoint: usize) -> Result<Key, BoxedError> {
        let mut context = Context::new(
            Some(from.clone()),
            start.caller.clone(),
            Side::Callee(Callee::new(endpoint, self.first_state())),
            start.window,
            (self.next_serial(), self.now),
        );
        context.remote = Some(start.origin);
        context.deadline = start.deadline.map_or(NEVER, |left| self.now.saturating_add(left));
        if mutant!(self, DeadlineLost) {
            context.deadline = NEVER;
        }
        let Some(key) = self.contexts.insert(context) else {
            return Err(self.error(ErrorKind::Limit("contexts".into()), "no key is free"));
        };
        self.origins.insert((start.caller.uuid, start.origin), key);
        self.arm(key);
        Ok(key)
    }

    fn first_state(&self) -> CalleeState {
        match self.one_by_one {
            true => CalleeState::Waiting,
            false => CalleeState::Running { started: false },
        }
    }

    /// Begins the task of this context, in an actor whose tasks begin one by one. `false` if nobody wants it any more:
    /// it has been cancelled while it waited, and that was its end.
    pub fn begin(&mut self, key: Key) -> bool {
        let Some(callee) = self.contexts.get_mut(key).and_then(Context::as_callee) else {
            return false;
        };
        let waits = matches!(callee.state, CalleeState::Waiting);
        if waits {
            callee.state = CalleeState::Running { started: false };
        }
        waits
    }

    /// Whether a `Start` may be accepted; the index of its endpoint. A refused open leaves no state (I10).
    fn check_start(&self, start: &Start) -> Result<usize, BoxedError> {
        if let Some(error) = self.refusing() {
            return Err(error);
        }
        let Some(index) = self
            .endpoints
            .iter()
            .position(|endpoint| endpoint.name == start.endpoint)
        else {
            return Err(self.error(ErrorKind::NoSuchEndpoint, self.no_such_endpoint(&start.endpoint)));
        };
        let endpoint = &self.endpoints[index];
        if !endpoint.granted {
            let text = format!(
                "endpoint `{}` of actor {} was not granted to its callers",
                endpoint.name, self.me
            );
            return Err(self.error(ErrorKind::NotGranted, text));
        }
        self.check_schema(endpoint, start.schema)?;
        if self.contexts.len() >= self.limits.contexts && !mutant!(self, LimitIgnored) {
            let text = format!("actor {} serves {} contexts, its limit", self.me, self.limits.contexts);
            return Err(self.error(ErrorKind::Limit("contexts".into()), text));
        }
        // What is alone is taken however large it is: that has a limit of its own.
        if self.waiting > self.limits.waiting {
            let text = format!(
                "too many calls wait at actor {}: it has {} bytes of them, and takes no more until it has begun to serve them",
                self.me, self.waiting
            );
            return Err(self.error(ErrorKind::Limit("inbox".into()), text));
        }
        Ok(index)
    }

    /// Both sides have said what they expect, and it is not the same: nothing has run yet, and nothing will.
    fn check_schema(&self, endpoint: &Endpoint, expected: u64) -> Result<(), BoxedError> {
        let own = endpoint.schema.hash();
        if mutant!(self, SchemaUnchecked) || expected == 0 || own == 0 || expected == own {
            return Ok(());
        }
        let text = format!(
            "payload types of endpoint `{}` differ: caller expects schema {expected:016x}, actor {} has {own:016x}: {}",
            endpoint.name,
            self.me,
            shortened(endpoint.schema.to_string())
        );
        Err(self.error(ErrorKind::PayloadMismatch, text))
    }

    fn no_such_endpoint(&self, name: &str) -> String {
        let known: Vec<_> = self
            .endpoints
            .iter()
            .filter(|e| e.granted)
            .map(|e| e.name.as_str())
            .collect();
        if known.is_empty() {
            return format!("actor {} has no endpoint `{name}`; it has none", self.me);
        }
        format!(
            "actor {} has no endpoint `{name}`; it has: {}",
            self.me,
            known.join(", ")
        )
    }

    /// Unblocks the caller with a first value.
    ///
    /// # Errors
    /// `AlreadyStarted` the second time, `WrongSide` for the caller, `Ended`, `TooLarge`.
    pub fn started(&mut self, key: Key, value: Vec<u8>) -> Result<(), Refusal> {
        if value.len() > self.limits.payload {
            return Err(Refusal::TooLarge);
        }
        let context = self.contexts.get_mut(key).ok_or(Refusal::UnknownKey)?;
        let over = context.is_over();
        match context.as_callee().ok_or(Refusal::WrongSide)? {
            _ if over => Err(Refusal::Ended),
            Callee {
                state: CalleeState::Running { started },
                ..
            } if !*started => {
                *started = !mutant!(self, StartedTwice);
                self.send_to_peer(key, Frame::Started(value.into()));
                Ok(())
            }
            _ => Err(Refusal::AlreadyStarted),
        }
    }

    /// The callee's task is over. The terminal frame goes out when all that the task opened is over too.
    ///
    /// # Errors
    /// `UnknownKey`, `WrongSide`, or `Ended` if it finished before.
    pub fn finish(&mut self, key: Key, ending: Ending) -> Result<(), Refusal> {
        let context = self.contexts.get_mut(key).ok_or(Refusal::UnknownKey)?;
        let callee = context.as_callee().ok_or(Refusal::WrongSide)?;
        let started = match callee.state {
            CalleeState::Waiting => false,
            CalleeState::Running { started } => started,
            CalleeState::Finishing(_) => return Err(Refusal::Ended),
        };
        let terminal = self.terminal(key, ending, started);
        let Some(callee) = self.contexts.get_mut(key).and_then(Context::as_callee) else {
            return Err(Refusal::UnknownKey);
        };
        callee.state = CalleeState::Finishing(Box::new(terminal));
        self.release_owned(key);
        self.complete_if_done(key);
        Ok(())
    }

    fn terminal(&mut self, key: Key, ending: Ending, started: bool) -> Frame {
        let Some(context) = self.contexts.get(key) else {
            return Frame::Stop;
        };
        if let Some(error) = &context.broken {
            return Frame::Error(error.clone());
        }
        let (cancel, serial) = (context.cancel.clone(), context.serial);
        let error = match (ending, cancel) {
            // It returned although its scope was cancelled: cancelled (semantics 3).
            (Ending::Returned(value), Some(_)) if mutant!(self, CancelForgotten) => return Frame::Return(value),
            (Ending::Returned(_) | Ending::Cancelled, Some(cancel)) => BoxedError::cancelled(cancel, self.me.clone()),
            (Ending::Returned(value), None) => match self.check_return(key, &value, started) {
                Ok(()) => return Frame::Return(value),
                Err(error) => error,
            },
            (Ending::Cancelled, None) => {
                BoxedError::cancelled(self.cancellation(None, Cause::Requested), self.me.clone())
            }
            (Ending::Failed(_), Some(cancel)) if mutant!(self, CancelMasksError) => {
                BoxedError::cancelled(cancel, self.me.clone())
            }
            (Ending::Failed(error), _) if mutant!(self, ForgedErrorPasses) => *error,
            (Ending::Failed(error), cancel) if mutant!(self, ForgedMemberPasses) => BoxedError {
                members: error.members.clone(),
                ..self.relays.stamp(*error, &self.me, serial, cancel.as_ref())
            },
            (Ending::Failed(error), cancel) => self.relays.stamp(*error, &self.me, serial, cancel.as_ref()),
        };
        Frame::Error(Box::new(error))
    }

    /// The endpoints whose tasks run, each once.
    pub fn serving(&self) -> Vec<&str> {
        let running = self.contexts.iter().filter(|(_, context)| !context.is_over());
        let endpoints = running.filter_map(|(_, context)| self.endpoint_of(context));
        let mut names: Vec<_> = endpoints.map(|endpoint| endpoint.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn endpoint_of(&self, context: &Context<P>) -> Option<&Endpoint> {
        match &context.side {
            Side::Callee(callee) => self.endpoints.get(callee.endpoint?),
            Side::Caller(_) => None,
        }
    }

    fn check_return(&self, key: Key, value: &Bytes, started: bool) -> Result<(), BoxedError> {
        let endpoint = self.contexts.get(key).and_then(|context| self.endpoint_of(context));
        if value.len() > self.limits.payload {
            let name = endpoint.map_or("the main task", |endpoint| endpoint.name.as_str());
            let text = oversized(&format!("the result of `{name}`"), value.len(), self.limits.payload);
            return Err(self.error(ErrorKind::Limit("payload".into()), text));
        }
        match endpoint {
            Some(endpoint)
                if endpoint.kind == EndpointKind::Context && !started && !mutant!(self, NotStartedForgiven) =>
            {
                let text = format!("endpoint `{}` returned without ever calling started()", endpoint.name);
                Err(self.error(ErrorKind::NotStarted, text))
            }
            _ => Ok(()),
        }
    }

    /// Cancels whatever the task opened and left behind.
    fn release_owned(&mut self, owner: Key) {
        let Some(context) = self.contexts.get_mut(owner) else {
            return;
        };
        context.cancel_due = NEVER;
        if !context.opened_any || mutant!(self, OwnedNotReleased) {
            return;
        }
        for key in self.owned_contexts(owner) {
            self.release_context(key);
        }
        self.abandon_nurseries(Some(owner));
    }

    /// Sends what `finish` decided, once nothing that the task owns is left.
    pub(super) fn complete_if_done(&mut self, key: Key) {
        let Some(context) = self.contexts.get(key).filter(|context| context.owned == 0) else {
            return;
        };
        if !matches!(
            &context.side,
            Side::Callee(Callee {
                state: CalleeState::Finishing(_),
                ..
            })
        ) {
            return;
        }
        let Some(Context {
            peer,
            peer_id,
            remote,
            side: Side::Callee(callee),
            ..
        }) = self.contexts.remove(key)
        else {
            return;
        };
        let CalleeState::Finishing(terminal) = callee.state else {
            return;
        };
        if self.main == Some(key) {
            self.keep_main_error(&terminal);
        }
        if let (Some(peer), Some(remote)) = (peer, remote) {
            if !mutant!(self, OriginKept) {
                self.origins.remove(&(peer_id.uuid, remote));
            }
            if mutant!(self, TerminalTwice) {
                self.send(peer.clone(), Dest::Key(remote), (*terminal).clone(), 0);
            }
            if !callee.caller_gone || mutant!(self, TerminalToNobody) {
                self.send(peer.clone(), Dest::Key(remote), *terminal, 0);
            }
            if let Some(reply) = callee.ack.filter(|_| !mutant!(self, LostAck)) {
                self.send(peer, Dest::Key(reply), Frame::CancelAck, 0);
            }
        }
        if self.main == Some(key) {
            self.end_after_main();
        }
        self.stop_if_done();
    }

    pub(super) fn handle_cancel(&mut self, key: Key, cancellation: Cancellation, reply: Key) {
        if mutant!(self, AckAtOnce)
            && let Some(peer) = self.contexts.get(key).and_then(|context| context.peer.clone())
        {
            self.send(peer, Dest::Key(reply), Frame::CancelAck, 0);
            return self.cancel_task(key, cancellation);
        }
        if mutant!(self, WrongCanceller) {
            let mine = self.cancellation(cancellation.reason, cancellation.cause);
            return self.cancel_task(key, mine);
        }
        if let Some(callee) = self.contexts.get_mut(key).and_then(Context::as_callee) {
            callee.ack = Some(reply);
        }
        self.cancel_task(key, cancellation);
    }

    /// Asks the task of a callee context to end; the ladder waits behind it.
    pub(super) fn cancel_task(&mut self, key: Key, cancellation: Cancellation) {
        let due = self.now.saturating_add(self.limits.cancel_grace);
        let latest = due.saturating_add(self.limits.cancel_grace);
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if mutant!(self, FirstCancellerOverwritten) && context.cancel.is_some() {
            context.cancel = Some(cancellation);
            return;
        }
        if context.cancel.is_some() {
            return;
        }
        context.cancel = Some(cancellation.clone());
        let Some(callee) = context.as_callee() else { return };
        match callee.state {
            CalleeState::Waiting => return self.cancel_waiting(key, cancellation),
            CalleeState::Finishing(_) => return,
            CalleeState::Running { .. } => {}
        }
        callee.patience = Patience::Lasting { latest };
        context.cancel_due = due;
        self.tell(Event::Cancel {
            context: key,
            cancellation,
        });
        if !mutant!(self, GraceTimerLost) {
            self.arm(key);
        }
    }

    /// Nothing of the task has run, so there is nothing to wait for: a grace that ran out while others had their turn
    /// would end these instead.
    fn cancel_waiting(&mut self, key: Key, cancellation: Cancellation) {
        self.tell(Event::Cancel {
            context: key,
            cancellation,
        });
        // It is there, and has not finished.
        self.finish(key, Ending::Cancelled).ok();
    }

    /// The host's own reason why a task cannot run, or go on. One that waits is over with it; one that runs is
    /// cancelled, and says it with its last word.
    pub fn refuse_task(&mut self, key: Key, kind: ErrorKind, message: String) {
        let error = self.error(kind, message);
        self.break_off(key, error);
    }

    /// The caller gave up this context: an overrun, a payload it cannot read, a lost link.
    pub(super) fn handle_caller_error(&mut self, key: Key, error: BoxedError) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        let canceller = context.peer_id.clone();
        let Some(callee) = context.as_callee() else { return };
        if std::mem::replace(&mut callee.caller_gone, true) {
            return;
        }
        let cause = match error.kind {
            ErrorKind::LinkClosed => Cause::PeerLost,
            _ => Cause::Requested,
        };
        let reason = Some(error.message.clone());
        self.relays.remember(&error);
        // The cancel goes first: nothing is delivered after an outcome (I3).
        self.cancel_task(
            key,
            Cancellation {
                canceller,
                reason,
                cause,
            },
        );
        self.tell(Event::Ended {
            context: key,
            outcome: Outcome::Failed(Box::new(error)),
        });
    }

    /// Asks a context's task to end, on this ground as far as it is the actor's to state: the remote one for a
    /// caller, its own for a callee.
    ///
    /// # Errors
    /// `UnknownKey`. Cancelling what has ended is no error.
    pub fn cancel(&mut self, key: Key, reason: Option<String>, cause: Cause) -> Result<(), Refusal> {
        let cancellation = self.cancellation(reason, relay::stated(cause));
        match self.contexts.get(key).ok_or(Refusal::UnknownKey)?.side {
            Side::Caller(_) => self.cancel_callee(key, cancellation),
            Side::Callee(_) => self.cancel_task(key, cancellation),
        }
        Ok(())
    }

    pub(super) fn callee_timeout(&mut self, key: Key) {
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        if context.cancel_due <= self.now {
            context.cancel_due = NEVER;
            self.grace_over(key);
        } else if context.deadline <= self.now {
            let mut canceller = context.peer_id.clone();
            if mutant!(self, DeadlineByCallee) {
                canceller = self.me.clone();
            }
            self.cancel_task(
                key,
                Cancellation {
                    canceller,
                    reason: None,
                    cause: Cause::Deadline,
                },
            );
        }
    }

    /// A cancelled task did not end in its time. One that waits for something it has asked to end is not
    /// late: that has a ladder of its own. What else the task owns is asked on its behalf, so that the
    /// wait is bounded. One that has not begun to pass the cancel on ignores it.
    fn grace_over(&mut self, key: Key) {
        if !self.waits_for_owned(key) || mutant!(self, TrapTooEarly) {
            return self.trap();
        }
        let Some(context) = self.contexts.get_mut(key) else {
            return;
        };
        let cancellation = context.cancel.clone();
        if let Some(callee) = context.as_callee() {
            callee.patience = Patience::Exhausted;
        }
        if let Some(cancellation) = cancellation {
            self.cancel_owned(key, &cancellation);
        }
    }

    /// Asks everything that a task owns to end; whatever was asked before stays as it is.
    fn cancel_owned(&mut self, owner: Key, cancellation: &Cancellation) {
        for key in self.owned_contexts(owner) {
            self.cancel_callee(key, cancellation.clone());
        }
        self.close_nurseries_of(owner, cancellation);
    }

    fn owned_contexts(&self, owner: Key) -> Vec<Key> {
        let contexts = self.contexts.iter();
        contexts
            .filter(|(_, context)| context.owner == Some(owner))
            .map(|(key, _)| key)
            .collect()
    }

    /// Whether something the task owns was asked to end, and has not yet.
    fn waits_for_owned(&self, owner: Key) -> bool {
        let is_asked = |(_, context): (Key, &Context<P>)| {
            context.owner == Some(owner) && context.cancel.is_some() && !context.is_over()
        };
        self.contexts.iter().any(is_asked) || self.nurseries_are_ending(owner)
    }

    /// Nothing that a cancelled task owns is left: from here on the rest of its own end counts.
    pub(super) fn extend_grace(&mut self, key: Key) {
        let grace = self.now.saturating_add(self.limits.cancel_grace);
        let Some(context) = self.contexts.get_mut(key).filter(|context| context.cancel.is_some()) else {
            return;
        };
        let due = context.cancel_due;
        let Some(callee) = context.as_callee().filter(|callee| callee.is_running()) else {
            return;
        };
        context.cancel_due = match callee.patience {
            Patience::Lasting { latest } => due.max(grace.min(latest)),
            Patience::Exhausted => grace,
        };
        self.arm(key);
    }
}

/// As much of a guest's text as belongs into a message.
fn shortened(mut text: String) -> String {
    const LONGEST: usize = 1000;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}
