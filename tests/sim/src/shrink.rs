//! Makes a failing script small: leaves out operations as long as the same law is broken.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::episode::Episode;
use crate::model::Model;
use crate::op::Op;
use crate::plan::Plan;

/// Replays tried before it is small enough.
const PATIENCE: usize = 4_000;

/// How an episode broke.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The law, or `panic`.
    pub law: String,
    /// What was seen.
    pub text: String,
}

thread_local! {
    /// Whether a panic of this thread is an answer, and not news.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the panics of [`attempt`] from being printed: a shrinking has thousands. All others are.
pub fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                told(panic);
            }
        }));
    });
}

/// Runs something that may break.
pub fn attempt(body: impl FnOnce()) -> Option<Failure> {
    EXPECTED.set(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    EXPECTED.set(false);
    let payload = result.err()?;
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let text = text.unwrap_or_default();
    let failure = |law: &str, text: &str| Failure {
        law: law.into(),
        text: text.into(),
    };
    Some(match text.split_once(crate::MARK) {
        Some((law, text)) => failure(law, text),
        None => failure("panic", &text),
    })
}

/// Replays a script.
pub fn replay(plan: &Plan, script: &[(u32, Op)], traced: bool) -> (Episode, Option<Failure>) {
    let mut episode = Episode::new(plan.clone(), Model::default(), traced);
    let failure = attempt(|| episode.replay(script));
    (episode, failure)
}

/// The smallest script found that breaks the same law.
pub fn shrink(plan: &Plan, mut script: Vec<(u32, Op)>, law: &str) -> Vec<(u32, Op)> {
    let mut left = PATIENCE;
    let mut size = script.len().div_ceil(2);
    while size > 0 && left > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < script.len() && left > 0 {
            let end = (at + size).min(script.len());
            let without: Vec<_> = script[..at].iter().chain(&script[end..]).copied().collect();
            left -= 1;
            if replay(plan, &without, false)
                .1
                .is_some_and(|failure| failure.law == law)
            {
                (script, shorter) = (without, true);
            } else {
                at = end;
            }
        }
        if !shorter || size > 1 {
            size /= 2;
        }
    }
    script
}
