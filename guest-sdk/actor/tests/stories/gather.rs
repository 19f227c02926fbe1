//! Many scopes, or calls, at once: all or nothing, in order.

use std::sync::{Arc, Mutex};

use steading_actor::*;

use crate::harness::*;

type Ctx = Context<(), (), u32>;

fn contexts(w: &World) -> [ContextBuilder; 2] {
    ["a", "b"].map(|endpoint| w.portal().context(endpoint))
}

/// Both contexts are started: the task is inside the block.
fn enter_both<T>(w: &World, task: &mut Task<T>) {
    task.waits();
    w.started(1, &1u32);
    w.started(2, &2u32);
    task.waits();
}

/// Two contexts, and a body that says what it was given, then waits for ever.
fn two(w: &World, given: &Arc<Mutex<Vec<u32>>>) -> Task<()> {
    let (contexts, given) = (contexts(w), given.clone());
    w.task(async move {
        gather_contexts(contexts, async |all: Vec<(Ctx, u32)>| {
            *given.lock().unwrap() = all.iter().map(|(_, first)| *first).collect();
            cancelled().await;
            checkpoint()
        })
        .await
    })
}

/// Notes that grow.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[test]
fn values_come_in_the_order_of_the_input_whatever_comes_first() {
    let w = World::new();
    let given = Arc::default();
    let mut task = two(&w, &given);
    task.waits();
    assert_eq!(w.asked(), ["open c1 a", "open c2 b"], "both are opened at once");
    w.started(2, &20u32);
    task.waits();
    assert!(given.lock().unwrap().is_empty(), "the body waits for all");
    w.started(1, &0u32);
    task.waits();
    assert_eq!(*given.lock().unwrap(), [0, 20]);
}

#[test]
fn nothing_to_gather_is_an_error_at_once() {
    let w = World::new();
    let none: [ContextBuilder; 0] = [];
    let mut task = w.task(gather_contexts(none, async |_: Vec<(Ctx, u32)>| Ok(())));
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::InvalidOperation);
}

#[test]
fn one_that_cannot_be_entered_cancels_the_others_and_is_what_leaves() {
    let w = World::new();
    let given = Arc::default();
    let mut task = two(&w, &given);
    task.waits();
    w.started(1, &1u32);
    task.waits();
    w.asked();
    w.failed(2, "no");
    task.waits();
    assert!(w.asked().contains(&"cancel c1".to_owned()), "and it is waited for");
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().message(), "no");
    assert!(given.lock().unwrap().is_empty(), "the body never ran");
}

#[test]
fn one_that_fails_later_cancels_body_and_others() {
    let w = World::new();
    let mut task = two(&w, &Arc::default());
    enter_both(&w, &mut task);
    w.asked();
    w.failed(1, "late");
    task.waits();
    assert!(w.asked().contains(&"cancel c2".to_owned()));
    w.cancelled(2, me());
    assert_eq!(task.ends().unwrap_err().message(), "late");
}

#[test]
fn a_failure_beats_a_cancellation_whichever_comes_first() {
    for failure_first in [true, false] {
        let w = World::new();
        let mut task = two(&w, &Arc::default());
        task.waits();
        if failure_first {
            w.failed(1, "real");
            w.cancelled(2, third());
        } else {
            w.cancelled(2, third());
            task.waits();
            w.failed(1, "real");
        }
        assert_eq!(task.ends().unwrap_err().message(), "real", "{failure_first}");
    }
}

#[test]
fn two_failures_are_a_group_of_both() {
    let w = World::new();
    let mut task = two(&w, &Arc::default());
    task.waits();
    w.failed(2, "second");
    w.failed(1, "first");
    let error = task.ends().unwrap_err();
    let mut members: Vec<_> = error.members().iter().map(Error::message).collect();
    members.sort();
    assert_eq!(members, ["first", "second"]);
}

#[test]
fn a_cancellation_from_elsewhere_that_one_meets_ends_all() {
    let w = World::new();
    let mut task = two(&w, &Arc::default());
    enter_both(&w, &mut task);
    w.cancelled(1, third());
    task.waits();
    w.cancelled(2, me());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn a_cancel_in_the_middle_leaves_nothing_behind() {
    let w = World::new();
    let mut task = two(&w, &Arc::default());
    task.waits();
    w.started(2, &2u32);
    task.waits();
    w.asked();
    w.cancel(third());
    task.waits();
    let asked = w.asked();
    assert!(
        ["cancel c1", "cancel c2"]
            .iter()
            .all(|cancel| asked.contains(&(*cancel).to_owned())),
        "{asked:?}"
    );
    w.cancelled(1, me());
    task.waits();
    w.cancelled(2, me());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
    let asked = w.asked();
    assert!(
        ["release c1", "release c2"]
            .iter()
            .all(|last| asked.contains(&(*last).to_owned())),
        "{asked:?}"
    );
}

#[test]
fn an_error_of_the_body_cancels_all_and_leaves() {
    let w = World::new();
    let mut task = w.task(gather_contexts(contexts(&w), async |_: Vec<(Ctx, u32)>| {
        Err::<(), _>(Error::msg("mine"))
    }));
    enter_both(&w, &mut task);
    w.cancelled(2, me());
    task.waits();
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().message(), "mine");
}

#[test]
fn one_context_cancelled_by_its_handle_ends_alone() {
    let w = World::new();
    let mut task = w.task(gather_contexts(contexts(&w), async |all: Vec<(Ctx, u32)>| {
        all[0].0.cancel("that one").await;
        all[1].0.wait_result::<u32>().await
    }));
    enter_both(&w, &mut task);
    w.cancelled(1, me());
    task.waits();
    w.returned(2, &5u32);
    assert_eq!(task.ends().unwrap(), 5);
}

/// A scope that notes its opening and closing.
async fn noting(notes: Notes, name: &'static str, entry: Entry<&'static str>) -> Result<()> {
    notes.add(format!("open {name}"));
    let end = entry.hold(name).await;
    checkpoint().ok();
    notes.add(format!("close {name}"));
    end
}

#[test]
fn scopes_are_left_in_reverse_order() {
    let w = World::new();
    let notes = Notes::default();
    let noted = notes.clone();
    let mut task = w.task(async move {
        let blocks = ["a", "b", "c"].map(|name| {
            let noted = noted.clone();
            async move |entry| noting(noted, name, entry).await
        });
        gather(blocks, async |names: Vec<_>| Ok(names.concat())).await
    });
    assert_eq!(task.ends().unwrap(), "abc");
    let order = ["open a", "open b", "open c", "close c", "close b", "close a"];
    assert_eq!(notes.take(), order);
}

#[test]
fn the_next_scope_is_left_when_the_last_is_closed_not_sooner() {
    let w = World::new();
    let mut task = w.task(gather_contexts(contexts(&w), async |_: Vec<(Ctx, u32)>| Ok("done")));
    enter_both(&w, &mut task);
    w.asked();
    w.returned(2, &());
    task.waits();
    assert_eq!(w.asked(), ["release c2"], "the first waits for its callee yet");
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), "done");
}

#[test]
fn a_failure_to_close_costs_the_value() {
    let w = World::new();
    let mut task = w.task(async {
        let block = async |entry: Entry<()>| {
            entry.hold(()).await?;
            Err(Error::msg("would not close"))
        };
        gather([block], async |_| Ok(5)).await
    });
    assert_eq!(task.ends().unwrap_err().message(), "would not close");
}

#[test]
fn a_block_that_holds_nothing_has_not_started() {
    let w = World::new();
    let mut task = w.task(async {
        let block = async |_: Entry<()>| Ok(());
        gather([block], async |_| Ok(())).await
    });
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::NotStarted);
}

#[test]
fn dropped_early_it_lets_go_of_all() {
    let w = World::new();
    let mut task = two(&w, &Arc::default());
    task.waits();
    w.started(1, &1u32);
    task.waits();
    w.asked();
    drop(task);
    assert_eq!(w.asked(), ["release c1", "release c2"]);
}

fn three_calls(w: &World) -> Task<Vec<u32>> {
    let portal = w.portal();
    w.task(async move { gather_calls([1, 2, 3].map(|n| portal.call::<u32, _>("f", &n))).await })
}

#[test]
fn results_of_calls_come_in_the_order_of_the_calls() {
    let w = World::new();
    let mut task = three_calls(&w);
    task.waits();
    for (context, result) in [(3, 30u32), (1, 10), (2, 20)] {
        w.returned(context, &result);
    }
    assert_eq!(task.ends().unwrap(), [10, 20, 30]);
}

#[test]
fn a_call_that_fails_cancels_the_others() {
    let w = World::new();
    let mut task = three_calls(&w);
    task.waits();
    w.returned(1, &10u32);
    w.failed(2, "no");
    task.waits();
    assert!(w.asked().contains(&"cancel c3".to_owned()));
    w.cancelled(3, me());
    assert_eq!(task.ends().unwrap_err().message(), "no");
}

#[test]
fn no_calls_have_no_results() {
    let w = World::new();
    let none: [std::future::Ready<Result<u32>>; 0] = [];
    assert_eq!(w.task(gather_calls(none)).ends().unwrap(), [0_u32; 0]);
}
