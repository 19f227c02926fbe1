//! An actor that is given up, as it met a fault of the host's own again while it ended: everybody who waits for it is told,
//! by what can still be read off its core, and nothing is waited for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use steading_proto::{Dest, Frame, Lane, Output};
use steading_types::{BoxedError, Rung};

use super::cell::Cell;
use super::inbox::{Delivery, Peer};

impl Cell {
    /// The core cannot be trusted to end by its own rules: everybody hears that this actor is gone, and nobody waits.
    pub(crate) fn abandon(self: &Arc<Self>, error: &BoxedError) {
        let mut unheard = Vec::new();
        self.inbox.close(&mut unheard);
        catch_unwind(AssertUnwindSafe(|| self.send_decided())).ok();
        let words = AssertUnwindSafe(|| self.look(|core| core.last_words(error)));
        for (to, dest, frame) in catch_unwind(words).unwrap_or_default() {
            self.say_last(&to, dest, frame);
        }
        for Delivery { from, frame, .. } in unheard {
            if let Frame::Start(start) = frame {
                self.say_last(&from, Dest::Key(start.origin), Frame::Error(Box::new(error.clone())));
            }
        }
        self.record_end(Some(error), Rung::Killed);
        self.retire();
    }

    /// What waits for room, and what the core had decided to send: how contexts ended of which it knows no more.
    fn send_decided(&self) {
        let mut state = self.lock();
        for (to, delivery) in state.unread.take_waiting() {
            to.push_last(delivery);
        }
        while let Some(output) = state.core.poll_output() {
            match output {
                Output::Send { to, dest, frame, .. } if !matches!(frame, Frame::Start(_)) => {
                    self.say_last(&to, dest, frame);
                }
                _ => {}
            }
        }
    }

    fn say_last(&self, to: &Peer, dest: Dest, frame: Frame) {
        let from = self.inbox.clone();
        let delivery = Delivery { from, dest, frame };
        match delivery.frame.lane() {
            Lane::Data => to.push_last(delivery),
            // Who has gone before needs no word.
            Lane::Control => drop(to.push(delivery)),
        }
    }
}
