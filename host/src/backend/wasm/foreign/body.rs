//! Turns on behalf of a component that takes none: each runs one call to its end.
//!
//! The component model lets one call at a time into an instance, so calls wait here for their turn, and one that is
//! cancelled meanwhile never runs. One that runs cannot be told of a cancel: it is trapped at the end of its grace, as
//! every guest is that does not answer.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use ciborium::Value;
use steading_types::{Boundary, BoxedError, Ending, ErrorKind, Event, Key, PAYLOAD, Refusal, Start, oversized};
use wasmtime::component::Val;

use super::super::instance::Instance;
use super::exports::Function;
use super::{text, values};
use crate::runtime::driver::Stopped;

/// An instance of a foreign component, and who waits for it.
pub(in crate::backend::wasm) struct ForeignBody {
    instance: Instance<wasmtime::component::Instance>,
    functions: Arc<[Function]>,
    boundary: Arc<dyn Boundary>,
    waiting: VecDeque<Start>,
}

impl ForeignBody {
    pub(in crate::backend::wasm) fn new(
        instance: Instance<wasmtime::component::Instance>,
        functions: Arc<[Function]>,
        boundary: Arc<dyn Boundary>,
    ) -> Self {
        Self {
            instance,
            functions,
            boundary,
            waiting: VecDeque::new(),
        }
    }

    /// Takes in what happened and runs the next call, if there is one; whether there is another. Not cancel-safe.
    pub(in crate::backend::wasm) async fn turn(&mut self, now: u64, events: Vec<Event>) -> Result<bool, Stopped> {
        for event in events {
            self.note(event);
        }
        if let Some(start) = self.waiting.pop_front() {
            self.call(now, start).await?;
        }
        Ok(!self.waiting.is_empty())
    }

    pub(in crate::backend::wasm) fn memory_bytes(&self) -> usize {
        self.instance.memory_bytes()
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Start(start) => self.waiting.push_back(start),
            Event::Cancel { context, .. } if self.forget(context) => {
                self.finish(context, Ending::Cancelled);
            }
            Event::Ended { context, .. } => {
                self.forget(context);
            }
            // Nothing else is said to a function without a context: it opens, spawns and sends nothing.
            _ => {}
        }
    }

    /// Whether this call was waiting; it is no more.
    fn forget(&mut self, context: Key) -> bool {
        let place = self.waiting.iter().position(|start| start.context == context);
        place.and_then(|place| self.waiting.remove(place)).is_some()
    }

    async fn call(&mut self, now: u64, start: Start) -> Result<(), Stopped> {
        let functions = self.functions.clone();
        // The core has looked the endpoint up.
        let Some(function) = functions.get(start.endpoint as usize) else {
            return Ok(());
        };
        let decoded = steading_actor::decode::<Value>(&start.args).map_err(|error| error.to_string());
        let arguments = decoded.and_then(|payload| values::arguments(&function.parameters, payload));
        let arguments = match arguments {
            Ok(arguments) => arguments,
            Err(wrong) => {
                // Refused only if the context has ended, and then nobody listens. Nor does any task have to end first.
                self.boundary.reject(start.context, &wrong).ok();
                self.finish(start.context, Ending::Cancelled);
                return Ok(());
            }
        };
        drop(start.args);
        let called = self.instance.call(now, start.context, function, &arguments).await;
        match called {
            Ok(value) => self.answer(start.context, function, value.as_ref()),
            Err(ended) if function.is_program && ended.is_exit(true) => {
                self.finish(start.context, returned(Value::Null));
            }
            Err(ended) if function.is_program && ended.is_exit(false) => {
                let failed = self.failed("_", "the program ended with a failure".to_owned(), None);
                self.finish(start.context, failed);
            }
            Err(stopped) => return Err(stopped),
        }
        Ok(())
    }

    fn answer(&self, context: Key, function: &Function, value: Option<&Val>) {
        let ending = match value {
            None => returned(Value::Null),
            Some(Val::Result(Ok(value))) => returned(values::optional(value.as_deref())),
            Some(Val::Result(Err(value))) => {
                let (_, kind) = text::of_results(function.returns.as_ref());
                let payload = values::optional(value.as_deref());
                let message = match &payload {
                    Value::Null if function.is_program => "the program ended with a failure".to_owned(),
                    payload => said(payload),
                };
                self.failed(&kind, message, Some(payload))
            }
            Some(value) => returned(values::payload(value)),
        };
        self.finish(context, ending);
    }

    fn failed(&self, kind: &str, message: String, payload: Option<Value>) -> Ending {
        let mut error = BoxedError::new(ErrorKind::EndpointError, self.boundary.self_id(), message);
        error.type_name = kind.to_owned();
        error.payload = payload
            .and_then(|payload| steading_actor::encode(&payload).ok())
            .map(Into::into);
        Ending::Failed(Box::new(error))
    }

    fn finish(&self, context: Key, ending: Ending) {
        let length = match &ending {
            Ending::Returned(bytes) => bytes.len(),
            _ => 0,
        };
        // Any other refusal says that the context has ended, and then nobody listens.
        if self.boundary.finish(context, ending) == Err(Refusal::TooLarge) {
            let message = oversized("the result", length, PAYLOAD);
            let kind = ErrorKind::Limit("payload".to_owned());
            let error = BoxedError::new(kind, self.boundary.self_id(), message);
            self.boundary.finish(context, Ending::Failed(Box::new(error))).ok();
        }
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

fn returned(value: Value) -> Ending {
    // A tree of plain values always encodes; what did not would be an empty payload, which the caller refuses.
    Ending::Returned(steading_actor::encode(&value).unwrap_or_default().into())
}

/// What a failure says for itself: a text is its own message.
fn said(payload: &Value) -> String {
    match payload {
        Value::Text(text) => text.clone(),
        Value::Null => "it failed, and says no more".to_owned(),
        Value::Integer(number) => i128::from(*number).to_string(),
        Value::Map(entries) => match entries.as_slice() {
            [(Value::Text(name), content)] => format!("{name}: {}", said(content)),
            _ => "it failed with a value".to_owned(),
        },
        _ => "it failed with a value".to_owned(),
    }
}
