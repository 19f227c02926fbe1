//! An actor whose core cannot be trusted to end by its own rules: what everybody who waits for it is told.
//!
//! Only the shell asks, after a fault of the host's own has hit the core again while it died. Nothing is changed
//! here, and nothing of this core is asked afterwards.

use steading_types::{BoxedError, Cause, Key};

use super::Core;
use super::context::{Callee, Context, Side};
use crate::frame::{Dest, Frame};

impl<P: Clone> Core<P> {
    /// To callers: `error`. To callees and children: that it is over, the latter by force. To the parent: that this
    /// actor is dead; what was below it is waited for by nobody.
    pub fn last_words(&self, error: &BoxedError) -> Vec<(P, Dest, Frame)> {
        let contexts = self
            .contexts
            .iter()
            .map(|(key, context)| self.last_word(key, context, error));
        let mut words: Vec<_> = contexts.flatten().collect();
        let reason = Some(format!("parent {} is lost: {}", self.me, error.kind));
        let cancellation = self.cancellation(reason, Cause::ParentTeardown);
        for (_, portal) in self.portals.iter() {
            words.push((
                portal.peer.clone(),
                Dest::Actor,
                Frame::CancelActor(cancellation.clone()),
            ));
            words.push((portal.peer.clone(), Dest::Actor, Frame::Force));
        }
        if let Some((parent, portal)) = &self.parent {
            let ended = Frame::ChildEnded {
                portal: *portal,
                error: Some(Box::new(error.clone())),
                rung: steading_types::Rung::Killed,
            };
            words.push((parent.clone(), Dest::Actor, ended));
        }
        words
    }

    fn last_word(&self, key: Key, context: &Context<P>, error: &BoxedError) -> Option<(P, Dest, Frame)> {
        let peer = context.peer.clone()?;
        match &context.side {
            Side::Callee(Callee { caller_gone: true, .. }) => None,
            Side::Callee(_) => {
                let error = BoxedError {
                    context: context.serial,
                    ..error.clone()
                };
                Some((peer, Dest::Key(context.remote?), Frame::Error(Box::new(error))))
            }
            Side::Caller(_) if context.is_over() => None,
            Side::Caller(_) => {
                // One that has not heard yet what its callee calls it names it by what it calls it itself.
                let remote = context.remote.map_or(Dest::Origin(self.me.uuid, key), Dest::Key);
                let reason = Some(format!("caller is lost: {}", error.kind));
                let cancellation = self.cancellation(reason, Cause::PeerLost);
                Some((peer, remote, Frame::Cancel { cancellation, reply: 0 }))
            }
        }
    }
}
