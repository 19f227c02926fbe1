//! What a test may ask about the past of a world.

use steading_types::{Cancellation, Event, Key, Outcome, Rung, Start, split_message};

use super::World;

impl World {
    fn find<'a, T>(&'a self, actor: usize, pick: impl Fn(&'a Event) -> Option<T>) -> Option<T> {
        self.actors[actor].log.iter().find_map(pick)
    }

    /// The task that this actor was told of last.
    pub(crate) fn newest_task(&self, actor: usize) -> Key {
        self.newest_start(actor).context
    }

    /// The deadline of that task.
    pub(crate) fn newest_deadline(&self, actor: usize) -> Option<u64> {
        self.newest_start(actor).deadline
    }

    fn newest_start(&self, actor: usize) -> &Start {
        let newest = self.actors[actor].log.iter().rev().find_map(|event| match event {
            Event::Start(start) => Some(start),
            _ => None,
        });
        newest.expect("a task was started")
    }

    pub(crate) fn outcome(&self, actor: usize, key: Key) -> Option<Outcome> {
        self.find(actor, |event| match event {
            Event::Ended { context, outcome } if *context == key => Some(outcome.clone()),
            _ => None,
        })
    }

    /// The outcome, which must be a value.
    pub(crate) fn returned(&self, actor: usize, key: Key) -> Vec<u8> {
        match self.outcome(actor, key) {
            Some(Outcome::Returned(value)) => value.to_vec(),
            other => panic!("expected a value, got {other:?}"),
        }
    }

    /// The outcome, which must be an error.
    pub(crate) fn failure(&self, actor: usize, key: Key) -> steading_types::BoxedError {
        match self.outcome(actor, key) {
            Some(Outcome::Failed(error)) => *error,
            other => panic!("expected an error, got {other:?}"),
        }
    }

    /// The outcome, which must be a cancellation.
    pub(crate) fn cancelled(&self, actor: usize, key: Key) -> Cancellation {
        match self.outcome(actor, key) {
            Some(Outcome::Cancelled(cancellation)) => cancellation,
            other => panic!("expected a cancellation, got {other:?}"),
        }
    }

    /// The cancel that the task was told of.
    pub(crate) fn asked(&self, actor: usize, key: Key) -> Option<Cancellation> {
        self.find(actor, |event| match event {
            Event::Cancel { context, cancellation } if *context == key => Some(cancellation.clone()),
            _ => None,
        })
    }

    pub(crate) fn started_with(&self, actor: usize, key: Key) -> Option<Vec<u8>> {
        self.find(actor, |event| match event {
            Event::Started { context, value, .. } if *context == key => Some(value.to_vec()),
            _ => None,
        })
    }

    pub(crate) fn messages(&self, actor: usize, key: Key) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for event in &self.actors[actor].log {
            let Event::Data { context, batch } = event else {
                continue;
            };
            let mut rest = &batch[..];
            while let Some((message, next)) = split_message(rest).filter(|_| *context == key) {
                out.push(message.to_vec());
                rest = next;
            }
        }
        out
    }

    pub(crate) fn saw_stop(&self, actor: usize, key: Key) -> bool {
        self.find(actor, |event| {
            matches!(event, Event::Stop(context) if *context == key).then_some(())
        })
        .is_some()
    }

    pub(crate) fn saw_nursery_closed(&self, actor: usize, key: Key) -> bool {
        self.find(actor, |event| {
            matches!(event, Event::NurseryClosed(nursery) if *nursery == key).then_some(())
        })
        .is_some()
    }

    /// How the parent was told that its child ended.
    pub(crate) fn child_end(&self, parent: usize, child: usize) -> Option<(Option<steading_types::BoxedError>, Rung)> {
        let portal = self.portal(parent, child);
        self.find(parent, |event| match event {
            Event::ChildEnded { child, error, rung, .. } if *child == portal => {
                Some((error.as_deref().cloned(), *rung))
            }
            _ => None,
        })
    }

    pub(crate) fn has_left(&self, actor: usize) -> bool {
        self.actors[actor].left.is_some()
    }

    /// Invariant I25, over the whole world.
    pub(crate) fn assert_quiescent(&self) {
        for (index, actor) in self.actors.iter().enumerate() {
            assert!(
                actor.core.is_quiescent(),
                "I25: actor {index} holds {} contexts and {} children",
                actor.core.context_count(),
                actor.core.child_count()
            );
        }
        assert!(self.deliverable().is_empty(), "something is on its way");
    }
}
