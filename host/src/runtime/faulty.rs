//! A boundary at which the host panics on purpose: for tests of what becomes of a fault of its own.
//!
//! Stands between a guest's imports and its cell where the host has a plan of faults, and nowhere else.

use std::sync::Arc;

use steading_types::{
    ActorId, Boundary, BoxedError, Cause, Ending, Fate, Flow, Key, Level, OpenOptions, PortalKey, Refusal, Spec,
    Supervision,
};

use super::faults::FaultPlan;

/// Panics where the plan says so, before the operation is passed on.
pub(crate) struct Faulty {
    inner: Arc<dyn Boundary>,
    me: ActorId,
    plan: Arc<dyn FaultPlan>,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Boundary>, plan: Arc<dyn FaultPlan>) -> Self {
        let me = inner.self_id();
        Self { inner, me, plan }
    }

    fn at(&self, point: &'static str) -> &dyn Boundary {
        panic_at(&*self.plan, &self.me, point);
        &*self.inner
    }
}

/// # Panics
/// If the plan says so.
pub(crate) fn panic_at(plan: &dyn FaultPlan, actor: &ActorId, point: &'static str) {
    assert!(!plan.panics(actor, point), "on purpose, at {point}");
}

impl Drop for Faulty {
    /// It goes with the store: as a resource of an instance whose drop fails.
    fn drop(&mut self) {
        panic_at(&*self.plan, &self.me, "drop");
    }
}

impl Boundary for Faulty {
    fn self_id(&self) -> ActorId {
        self.at("runtime.self-id").self_id()
    }

    fn now(&self) -> u64 {
        self.at("runtime.now").now()
    }

    fn parallelism(&self) -> u32 {
        self.at("runtime.parallelism").parallelism()
    }

    fn wake_at(&self, time: u64) {
        self.at("runtime.wake-at").wake_at(time);
    }

    fn open(&self, options: OpenOptions, args: Vec<u8>) -> Result<Key, BoxedError> {
        self.at("context.open").open(options, args)
    }

    fn granted(&self, context: Key, name: &str) -> Result<String, BoxedError> {
        self.at("context.granted").granted(context, name)
    }

    fn started(&self, context: Key, value: Vec<u8>) -> Result<(), Refusal> {
        self.at("context.started").started(context, value)
    }

    fn finish(&self, context: Key, ending: Ending) -> Result<(), Refusal> {
        self.at("context.finish").finish(context, ending)
    }

    fn cancel(&self, context: Key, reason: Option<String>, cause: Cause) -> Result<(), Refusal> {
        self.at("context.cancel").cancel(context, reason, cause)
    }

    fn release(&self, context: Key) {
        self.at("context.release").release(context);
    }

    fn reject(&self, context: Key, message: &str) -> Result<(), Refusal> {
        self.at("context.reject").reject(context, message)
    }

    fn stream_open(&self, context: Key, flow: Option<Flow>) -> Result<(), Refusal> {
        self.at("stream.open").stream_open(context, flow)
    }

    fn send_batch(&self, context: Key, batch: &[u8]) -> Result<(), Refusal> {
        self.at("stream.send-batch").send_batch(context, batch)
    }

    fn credit(&self, context: Key, messages: u32, bytes: u32) -> Result<(), Refusal> {
        self.at("stream.credit").credit(context, messages, bytes)
    }

    fn stop(&self, context: Key) -> Result<(), Refusal> {
        self.at("stream.stop").stop(context)
    }

    fn nursery_open(&self, parent: Option<Key>, supervision: Supervision) -> Result<Key, Refusal> {
        self.at("nursery.open").nursery_open(parent, supervision)
    }

    fn spawn(&self, nursery: Key, spec: Spec) -> Result<PortalKey, BoxedError> {
        self.at("nursery.spawn").spawn(nursery, spec)
    }

    fn nursery_cancel(&self, nursery: Key, reason: Option<String>, cause: Cause) {
        self.at("nursery.cancel").nursery_cancel(nursery, reason, cause);
    }

    fn nursery_close(&self, nursery: Key) {
        self.at("nursery.close").nursery_close(nursery);
    }

    fn child_done(&self, child: PortalKey, failure: Option<Box<BoxedError>>) -> Result<Fate, Refusal> {
        self.at("nursery.child-done").child_done(child, failure)
    }

    fn cancel_actor(&self, target: PortalKey, reason: Option<String>) -> Result<(), Refusal> {
        self.at("nursery.cancel-actor").cancel_actor(target, reason)
    }

    fn kill_actor(&self, target: PortalKey) -> Result<(), Refusal> {
        self.at("nursery.kill-actor").kill_actor(target)
    }

    fn cancel_self(&self, reason: Option<String>) {
        self.at("runtime.cancel-self").cancel_self(reason);
    }

    fn on_exit(&self) -> Result<(), Refusal> {
        self.at("runtime.on-exit").on_exit()
    }

    fn exited(&self, error: Option<Box<BoxedError>>) {
        self.at("runtime.exited").exited(error);
    }

    fn log_level(&self) -> Option<Level> {
        self.at("log.enabled").log_level()
    }

    fn log(&self, level: Level, target: &str, message: &str, fields: &[(String, String)]) {
        self.at("log.write").log(level, target, message, fields);
    }
}
