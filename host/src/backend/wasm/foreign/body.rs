//! Turns on behalf of a component that takes none: each runs one call to its end.
//!
//! The component model lets one call at a time into an instance, so calls wait here for their turn, and one that is
//! cancelled meanwhile never runs. One that runs cannot be told of a cancel: it is trapped at the end of its grace, as
//! every guest is that does not answer.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use steading_types::{Boundary, BoxedError, Ending, ErrorKind, Event, Key, PAYLOAD, Start};
use wasmtime::component::Val;

use super::super::instance::Instance;
use super::exports::Function;
use super::{text, values};
use crate::runtime::account::{Exceeded, Held};
use crate::runtime::cell::Cell;
use crate::runtime::driver::Stopped;
use crate::runtime::inbox::INBOX_BYTES;

/// An instance of a foreign component, and who waits for it.
pub(in crate::backend::wasm) struct ForeignBody {
    instance: Instance<wasmtime::component::Instance>,
    functions: Arc<[Function]>,
    cell: Arc<Cell>,
    boundary: Arc<dyn Boundary>,
    waiting: VecDeque<Start>,
    /// Of the arguments of those that wait.
    waiting_bytes: usize,
}

impl ForeignBody {
    pub(in crate::backend::wasm) fn new(
        instance: Instance<wasmtime::component::Instance>,
        functions: Arc<[Function]>,
        (cell, boundary): (Arc<Cell>, Arc<dyn Boundary>),
    ) -> Self {
        Self {
            instance,
            functions,
            cell,
            boundary,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Takes in what happened and runs the next call, if there is one; whether there is another. Not cancel-safe.
    pub(in crate::backend::wasm) async fn turn(&mut self, now: u64, events: Vec<Event>) -> Result<bool, Stopped> {
        for event in events {
            self.note(event);
        }
        if let Some(start) = self.waiting.pop_front() {
            self.waiting_bytes -= start.args.len();
            if self.cell.begin(start.context) {
                self.call(now, start).await?;
            }
        }
        Ok(!self.waiting.is_empty())
    }

    pub(in crate::backend::wasm) fn memory_bytes(&self) -> usize {
        self.instance.memory_bytes()
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Start(start) => self.queue(start),
            // What waits is over with its cancel: the core has said so to its caller.
            Event::Cancel { context, .. } | Event::Ended { context, .. } => self.forget(context),
            // Nothing else is said to a function without a context: it opens, spawns and sends nothing.
            _ => {}
        }
    }

    /// An inbox is emptied into this, so it is bounded as an inbox is.
    fn queue(&mut self, start: Start) {
        let bytes = self.waiting_bytes + start.args.len();
        if self.waiting_bytes > 0 && bytes > INBOX_BYTES {
            let text = format!("too many calls wait at actor {}", self.cell.inbox.id());
            return self
                .cell
                .refuse_task(start.context, ErrorKind::Limit("inbox".into()), text);
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back(start);
    }

    /// It waits no more, if it did.
    fn forget(&mut self, context: Key) {
        let place = self.waiting.iter().position(|start| start.context == context);
        if let Some(start) = place.and_then(|place| self.waiting.remove(place)) {
            self.waiting_bytes -= start.args.len();
        }
    }

    async fn call(&mut self, now: u64, start: Start) -> Result<(), Stopped> {
        let context = start.context;
        let functions = self.functions.clone();
        // The core has looked the endpoint up.
        let Some(function) = functions.get(start.endpoint as usize) else {
            return Ok(());
        };
        let Some((arguments, _held)) = self.prepare(function, start) else {
            // Whatever it was, it has been said.
            self.finish(context, Ending::Cancelled);
            return Ok(());
        };
        let called = self.instance.call(now, context, function, &arguments).await;
        drop(arguments);
        match called {
            Ok(value) => self.answer(context, function, value.as_ref()),
            Err(ended) if function.is_program && ended.is_exit(true) => self.answer(context, function, None),
            Err(ended) if function.is_program && ended.is_exit(false) => {
                let failed = self.failed("_", "the program ended with a failure".to_owned(), None);
                self.finish(context, failed);
            }
            Err(stopped) => return Err(stopped),
        }
        Ok(())
    }

    /// The arguments of a call, and room for them and for what comes back; `None` if it is refused.
    fn prepare(&self, function: &Function, start: Start) -> Option<(Vec<Val>, Held)> {
        if self.instance.ended {
            let text = format!(
                "program {} has ended; start another actor to run it again",
                self.cell.inbox.id()
            );
            self.cell.refuse_task(start.context, ErrorKind::InvalidOperation, text);
            return None;
        }
        let (arguments, bytes) = values::arguments(&function.parameters, &start.args)
            // Refused only if the context has ended, and then nobody listens.
            .map_err(|wrong| self.boundary.reject(start.context, &wrong).ok())
            .ok()?;
        let held = Held::take(&self.cell.grants.account, bytes + function.room)
            .map_err(|exceeded| self.refuse_room(start.context, &exceeded))
            .ok()?;
        Some((arguments, held))
    }

    fn refuse_room(&self, context: Key, exceeded: &Exceeded) {
        let text = format!(
            "no room for the values of a call: {}",
            self.cell.runtime.tell_exceeded(exceeded)
        );
        let kind = ErrorKind::Limit(exceeded.kind().into());
        self.cell.refuse_task(context, kind, text);
    }

    fn answer(&self, context: Key, function: &Function, value: Option<&Val>) {
        let returned = match value {
            Some(Val::Result(Ok(value))) => value.as_deref(),
            Some(Val::Result(Err(value))) => {
                let (_, kind) = text::of_results(function.returns.as_ref());
                let message = match value {
                    None if function.is_program => "the program ended with a failure".to_owned(),
                    value => said(value.as_deref()),
                };
                let failed = self.failed(&kind, message, values::payload(value.as_deref()));
                return self.finish(context, failed);
            }
            value => value,
        };
        let ending = match values::payload(returned) {
            Some(bytes) => Ending::Returned(bytes.into()),
            None => {
                let message = format!("the result is more than the {PAYLOAD} bytes a payload may have");
                let kind = ErrorKind::Limit("payload".to_owned());
                Ending::Failed(Box::new(BoxedError::new(kind, self.boundary.self_id(), message)))
            }
        };
        self.finish(context, ending);
    }

    fn failed(&self, kind: &str, message: String, payload: Option<Vec<u8>>) -> Ending {
        let mut error = BoxedError::new(ErrorKind::EndpointError, self.boundary.self_id(), message);
        error.type_name = kind.to_owned();
        error.payload = payload.map(Into::into);
        Ending::Failed(Box::new(error))
    }

    fn finish(&self, context: Key, ending: Ending) {
        // Refused if the context has ended, and then nobody listens: what it returns fits.
        self.boundary.finish(context, ending).ok();
    }
}

impl Instance<wasmtime::component::Instance> {
    /// Calls a function to its end; its result, if it has one. Not cancel-safe: dropping it half-way ends the
    /// instance.
    async fn call(
        &mut self,
        now: u64,
        context: Key,
        function: &Function,
        arguments: &[Val],
    ) -> Result<Option<Val>, Stopped> {
        self.begin()?;
        self.store.set_hostcall_fuel(function.fuel);
        self.store.data_mut().quotas.begin_call(Some(context));
        self.store.data().clocks.begin_turn(now);
        let _busy = self.engine.ticker().busy();
        let callee = self.exports.get_func(&mut *self.store, function.index);
        let callee = callee.ok_or_else(|| Stopped::new(ErrorKind::Internal, "an export is gone"))?;
        let mut results = vec![Val::Bool(false); usize::from(function.returns.is_some())];
        let called = {
            let call = pin!(callee.call_async(&mut *self.store, arguments, &mut results));
            self.meter.watch(call).await
        };
        called.map_err(|error| Stopped::of(&error, self.store.data()))?;
        self.ended = false;
        Ok(results.pop())
    }
}

/// What a failure says for itself: a text is its own message.
fn said(value: Option<&Val>) -> String {
    match value {
        None => "it failed, and says no more".to_owned(),
        Some(Val::String(text) | Val::Enum(text) | Val::Variant(text, None)) => text.clone(),
        Some(Val::Variant(name, Some(content))) => format!("{name}: {}", said(Some(content))),
        Some(Val::Option(content)) => said(content.as_deref()),
        Some(Val::S8(number)) => number.to_string(),
        Some(Val::U8(number)) => number.to_string(),
        Some(Val::S16(number)) => number.to_string(),
        Some(Val::U16(number)) => number.to_string(),
        Some(Val::S32(number)) => number.to_string(),
        Some(Val::U32(number)) => number.to_string(),
        Some(Val::S64(number)) => number.to_string(),
        Some(Val::U64(number)) => number.to_string(),
        Some(Val::Char(c)) => c.to_string(),
        Some(_) => "it failed with a value".to_owned(),
    }
}
