//! The boundary of an instance that is only asked what it offers: everything is refused.

use steading_types::{
    ActorId, Boundary, BoxedError, Cause, Ending, ErrorKind, Fate, Flow, Key, Level, OpenOptions, PortalKey, Refusal,
    Spec, Supervision, Uuid,
};

/// Grants nothing and hears nothing.
#[derive(Debug)]
pub(super) struct Nobody;

const CLOSED: Refusal = Refusal::Closing;

impl Nobody {
    fn refuse(&self) -> BoxedError {
        BoxedError::new(
            ErrorKind::InvalidOperation,
            self.self_id(),
            "`describe` has no access to other actors",
        )
    }
}

impl Boundary for Nobody {
    fn self_id(&self) -> ActorId {
        ActorId::new("describe", Uuid::default())
    }

    fn now(&self) -> u64 {
        0
    }

    fn parallelism(&self) -> u32 {
        1
    }

    fn wake_at(&self, _time: u64) {}

    fn open(&self, _options: OpenOptions, _args: Vec<u8>) -> Result<Key, BoxedError> {
        Err(self.refuse())
    }

    fn granted(&self, _context: Key, _name: &str) -> Result<String, BoxedError> {
        Err(self.refuse())
    }

    fn started(&self, _context: Key, _value: Vec<u8>) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn finish(&self, _context: Key, _ending: Ending) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn cancel(&self, _context: Key, _reason: Option<String>, _cause: Cause) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn release(&self, _context: Key) {}

    fn reject(&self, _context: Key, _message: &str) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn stream_open(&self, _context: Key, _flow: Option<Flow>) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn send_batch(&self, _context: Key, _batch: &[u8]) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn credit(&self, _context: Key, _messages: u32, _bytes: u32) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn stop(&self, _context: Key) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn nursery_open(&self, _parent: Option<Key>, _rules: Supervision) -> Result<Key, Refusal> {
        Err(CLOSED)
    }

    fn spawn(&self, _nursery: Key, _spec: Spec) -> Result<PortalKey, BoxedError> {
        Err(self.refuse())
    }

    fn nursery_cancel(&self, _nursery: Key, _reason: Option<String>, _cause: Cause) {}

    fn nursery_close(&self, _nursery: Key) {}

    fn child_done(&self, _child: PortalKey, _failure: Option<Box<BoxedError>>) -> Result<Fate, Refusal> {
        Err(CLOSED)
    }

    fn cancel_actor(&self, _target: PortalKey, _reason: Option<String>) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn kill_actor(&self, _target: PortalKey) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn cancel_self(&self, _reason: Option<String>) {}

    fn on_exit(&self) -> Result<(), Refusal> {
        Err(CLOSED)
    }

    fn exited(&self, _error: Option<Box<BoxedError>>) {}

    fn log_level(&self) -> Option<Level> {
        None
    }

    fn log(&self, _level: Level, _target: &str, _message: &str, _fields: &[(String, String)]) {}
}
