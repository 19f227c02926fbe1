//! The boundary over WIT imports. Translates and forwards, and decides nothing.

use std::sync::OnceLock;

use steading_types::{
    ActorId, Boundary, BoxedError, Cause, Ending, Fate, Flow, Key, Level, OpenOptions, PortalKey, Refusal, Spec,
    Supervision,
};

use crate::bindings::steading::actor::{context, log, nursery, runtime, stream, types};
use crate::{convert, supervision};

/// What a guest actor runs over.
pub(crate) struct WitBoundary;

type Refused = Result<(), types::Refusal>;

fn refused(result: Refused) -> Result<(), Refusal> {
    result.map_err(convert::refusal)
}

impl Boundary for WitBoundary {
    fn self_id(&self) -> ActorId {
        static ME: OnceLock<ActorId> = OnceLock::new();
        ME.get_or_init(|| convert::actor_id(runtime::self_id())).clone()
    }

    fn now(&self) -> u64 {
        runtime::now()
    }

    fn parallelism(&self) -> u32 {
        runtime::parallelism()
    }

    fn wake_at(&self, time: u64) {
        runtime::wake_at(time);
    }

    fn open(&self, options: OpenOptions, args: Vec<u8>) -> Result<Key, BoxedError> {
        let (options, grants) = convert::open_options(options);
        let opened = match grants.as_slice() {
            [] => context::open(&options, &args),
            grants => context::open_granting(&options, grants, &args),
        };
        opened.map_err(convert::boxed_error)
    }

    fn granted(&self, context: Key, name: &str) -> Result<String, BoxedError> {
        context::granted(context, name).map_err(convert::boxed_error)
    }

    fn started(&self, context: Key, value: Vec<u8>) -> Result<(), Refusal> {
        refused(context::started(context, &value))
    }

    fn finish(&self, context: Key, ending: Ending) -> Result<(), Refusal> {
        refused(context::finish(context, &convert::ending(ending)))
    }

    fn cancel(&self, context: Key, reason: Option<String>, cause: Cause) -> Result<(), Refusal> {
        refused(context::cancel(context, reason.as_deref(), &convert::cause_back(cause)))
    }

    fn release(&self, context: Key) {
        context::release(context);
    }

    fn reject(&self, context: Key, message: &str) -> Result<(), Refusal> {
        refused(context::reject(context, message))
    }

    fn stream_open(&self, context: Key, flow: Option<Flow>) -> Result<(), Refusal> {
        refused(stream::open(context, flow.map(convert::flow)))
    }

    fn send_batch(&self, context: Key, batch: &[u8]) -> Result<(), Refusal> {
        refused(stream::send_batch(context, batch))
    }

    fn credit(&self, context: Key, messages: u32, bytes: u32) -> Result<(), Refusal> {
        refused(stream::credit(context, messages, bytes))
    }

    fn stop(&self, context: Key) -> Result<(), Refusal> {
        refused(stream::stop(context))
    }

    fn nursery_open(&self, parent: Option<Key>, rules: Supervision) -> Result<Key, Refusal> {
        nursery::open(parent, supervision::rules(rules)).map_err(convert::refusal)
    }

    fn spawn(&self, nursery: Key, spec: Spec) -> Result<PortalKey, BoxedError> {
        nursery::spawn(nursery, &convert::spec(spec)).map_err(convert::boxed_error)
    }

    fn nursery_cancel(&self, nursery: Key, reason: Option<String>, cause: Cause) {
        nursery::cancel(nursery, reason.as_deref(), &convert::cause_back(cause));
    }

    fn nursery_close(&self, nursery: Key) {
        nursery::close(nursery);
    }

    fn child_done(&self, child: PortalKey, failure: Option<Box<BoxedError>>) -> Result<Fate, Refusal> {
        let failure = failure.map(|error| convert::boxed_error_back(*error));
        let fate = nursery::child_done(child, failure.as_ref());
        fate.map(supervision::fate).map_err(convert::refusal)
    }

    fn cancel_actor(&self, target: PortalKey, reason: Option<String>) -> Result<(), Refusal> {
        refused(nursery::cancel_actor(target, reason.as_deref()))
    }

    fn kill_actor(&self, target: PortalKey) -> Result<(), Refusal> {
        refused(nursery::kill_actor(target))
    }

    fn cancel_self(&self, reason: Option<String>) {
        runtime::cancel_self(reason.as_deref());
    }

    fn on_exit(&self) -> Result<(), Refusal> {
        refused(runtime::on_exit())
    }

    fn exited(&self, error: Option<Box<BoxedError>>) {
        runtime::exited(error.map(|error| convert::boxed_error_back(*error)).as_ref());
    }

    fn log_level(&self) -> Option<Level> {
        log::enabled().map(convert::level_back)
    }

    fn log(&self, level: Level, target: &str, message: &str, fields: &[(String, String)]) {
        log::write(convert::level(level), target, message, fields);
    }
}

/// Says why the trap that follows is a panic.
pub(crate) fn panicked(message: &str, location: &str) {
    runtime::panicked(message, location);
}
