//! The caller's side of a context: who cancels, when, and what leaves the block (semantics 3 to 7).

use steading_actor::*;

use crate::harness::*;

#[test]
fn a_block_is_entered_with_the_first_value_and_ends_with_the_callee() {
    let w = World::new();
    let mut task = w.task(
        w.portal()
            .open_context("scan", &1, async |_: Context<(), (), String>, first| Ok(first)),
    );
    w.enter(&mut task, 1, &"hello");
    w.returned(1, &());
    assert_eq!(task.ends().unwrap(), "hello");
    assert_eq!(w.asked(), ["open c1 scan", "release c1"]);
}

#[test]
fn a_call_is_its_result() {
    let w = World::new();
    let mut task = w.task(w.portal().call::<u32, _>("add", &(1, 2)));
    task.waits();
    w.returned(1, &3);
    assert_eq!(task.ends().unwrap(), 3);
    assert_eq!(w.asked(), ["open c1 add", "release c1"]);
}

#[test]
fn a_call_to_oneself_is_refused() {
    let w = World::new();
    let portal = w.actor.portal(0, me());
    let error = w.task(portal.call::<u32, _>("add", &())).ends().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOperation);
}

#[test]
fn a_first_value_of_the_wrong_type_cancels_the_callee() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |_: Ctx, ()| Ok(())));
    task.waits();
    w.started(1, &"not a unit");
    task.waits();
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::PayloadMismatch);
    assert_eq!(w.asked()[1..2], ["cancel c1"]);
}

#[test]
fn a_body_error_cancels_the_callee_and_waits_for_it() {
    let w = World::new();
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async |_: Ctx, ()| Err::<(), _>(Error::msg("mine"))),
    );
    w.enter(&mut task, 1, &());
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().message(), "mine");
}

/// How the host ends the wait for an answer, after whatever time it was told.
fn silent() -> Outcome {
    Outcome::Failed(Box::new(BoxedError::new(ErrorKind::CancelTimeout, me(), "no answer")))
}

#[test]
fn a_callee_that_does_not_answer_a_cancel_does_not_hide_the_error_before_it() {
    let w = World::new();
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async |_: Ctx, ()| Err::<(), _>(Error::msg("mine"))),
    );
    w.enter(&mut task, 1, &());
    w.pass(5000);
    task.waits();
    w.ended(1, silent());
    assert_eq!(task.ends().unwrap_err().message(), "mine");
}

#[test]
fn a_silent_callee_after_our_cancel_is_a_cancel_timeout() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Ctx, ()| {
        c.cancel("").await;
        Ok(())
    }));
    w.enter(&mut task, 1, &());
    w.pass(5000);
    task.waits();
    w.ended(1, silent());
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::CancelTimeout);
}

#[test]
fn our_cancel_is_absorbed_and_the_body_keeps_its_value() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Ctx, ()| {
        c.cancel("enough").await;
        Ok(5)
    }));
    w.enter(&mut task, 1, &());
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap(), 5);
    assert_eq!(w.asked()[1], "cancel c1 (enough)");
}

/// A body that has cancelled its context and receives from its stream.
fn receiving_cancelled(w: &World) -> Task<Option<u32>> {
    let (task, _) = w.with_handle(async |c| {
        c.stream(async |s| {
            c.cancel("").await;
            s.next().await
        })
        .await
    });
    task
}

#[test]
fn our_cancel_coming_back_through_the_stream_is_absorbed_without_a_value() {
    let w = World::new();
    let mut task = receiving_cancelled(&w);
    w.cancelled(1, me());
    let end = task.ends();
    assert!(end.as_ref().is_err_and(Error::is_absorbed), "{end:?}");
    assert_eq!(end.absorbed().unwrap(), None);
}

/// A cancelled callee leaves its stream before it ends, and that may arrive first.
#[test]
fn after_our_cancel_a_stop_is_no_clean_end() {
    let w = World::new();
    let mut task = receiving_cancelled(&w);
    w.stop(1);
    task.waits();
    w.cancelled(1, me());
    assert!(task.ends().is_err_and(|error| error.is_absorbed()));
}

#[test]
fn a_cancel_by_another_task_ends_the_body_and_is_absorbed() {
    let w = World::new();
    let (mut task, context) = w.elsewhere();
    w.cancel_by_handle(context, "from outside");
    task.waits();
    w.cancelled(1, me());
    assert!(task.ends().unwrap_err().is_absorbed());
}

/// The matrix of semantics 6, first row: while the body waits for the result, the answer is a value.
#[test]
fn a_cancel_by_another_task_is_told_to_a_body_that_waits_on_the_context() {
    let w = World::new();
    let (mut task, context) = w.with_handle(async |c| {
        assert!(c.wait_result::<u32>().await.unwrap_err().is_absorbed());
        Ok(5)
    });
    w.cancel_by_handle(context, "from outside");
    task.waits();
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap(), 5, "it was given as a value, and the body went on");
}

/// Told there or ended where it is, but one of the two.
#[test]
fn a_body_that_goes_on_to_wait_elsewhere_is_ended_by_the_answer() {
    let w = World::new();
    let (mut task, context) = w.with_handle(async |c| {
        c.stream(async |s| s.next().await).await?;
        std::future::pending::<()>().await;
        Ok(())
    });
    w.cancel_by_handle(context, "from outside");
    w.data(1, &[1]);
    task.waits();
    w.cancelled(1, me());
    assert!(task.ends().unwrap_err().is_absorbed());
}

#[test]
fn a_cancellation_by_the_peer_is_raised_from_entry() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |_: Ctx, ()| Ok(())));
    task.waits();
    w.cancelled(1, peer());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&peer()));
}

#[test]
fn a_cancellation_naming_me_that_i_did_not_ask_for_is_raised() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |_: Ctx, ()| Ok(())));
    w.enter(&mut task, 1, &());
    w.cancelled(1, me());
    let error = task.ends().unwrap_err();
    assert!(error.is_cancelled() && !error.is_absorbed());
}

#[test]
fn a_failing_callee_ends_a_body_parked_elsewhere() {
    let w = World::new();
    let (mut task, _) = w.elsewhere();
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
}

#[test]
fn a_failing_callee_is_told_to_who_waits_on_the_context_and_leaves_the_body_alone() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Ctx, ()| {
        let error = c.wait_result::<u32>().await.unwrap_err();
        checkpoint()?;
        Err::<(), _>(Error::msg(format!("I saw: {}", error.message())))
    }));
    w.enter(&mut task, 1, &());
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "I saw: theirs");
}

#[test]
fn a_foreign_failure_beats_the_local_cancellation() {
    let w = World::new();
    let (mut task, _) = w.elsewhere();
    w.cancel(third());
    task.waits();
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
}

#[test]
fn a_local_cancellation_cancels_the_callee_and_goes_on() {
    let w = World::new();
    let (mut task, _) = w.elsewhere();
    let error = w.tear_down(&mut task, 1);
    assert_eq!(error.canceller(), Some(&third()));
    assert!(!error.is_absorbed());
}

#[test]
fn a_local_cancellation_while_waiting_for_the_result_cancels_the_callee() {
    let w = World::new();
    let mut task = w.task(w.portal().call::<u32, _>("add", &()));
    task.waits();
    w.cancel(third());
    task.waits();
    assert_eq!(w.asked()[1], "cancel c1");
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn a_result_stands_although_it_was_cancelled_too_late() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Ctx, ()| {
        let early = c.wait_result::<u32>().await?;
        c.cancel("").await;
        assert!(!c.cancel_acked());
        Ok(early + c.wait_result::<u32>().await?)
    }));
    w.enter(&mut task, 1, &());
    w.returned(1, &4);
    assert_eq!(task.ends().unwrap(), 8);
}

#[test]
fn after_a_cancel_no_stream_opens() {
    let w = World::new();
    let mut task = w.task(w.portal().open_context("scan", &(), async |c: Ctx, ()| {
        c.cancel("").await;
        let error = c.stream(async |_| Ok(())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOperation);
        Ok(())
    }));
    w.enter(&mut task, 1, &());
    w.cancelled(1, me());
    task.ends().unwrap();
}

#[test]
fn a_dropped_block_lets_go_of_its_context() {
    let w = World::new();
    let mut task = w.task(
        w.portal()
            .open_context("scan", &(), async |c: Ctx, ()| c.stream(async |s| s.next().await).await),
    );
    w.enter(&mut task, 1, &());
    drop(task);
    assert_eq!(w.asked(), ["open c1 scan", "stream c1", "stop c1", "release c1"]);
    w.returned(1, &());
}

#[test]
fn errors_keep_their_source_and_their_data() {
    let w = World::new();
    let mut task = w.task(w.portal().call::<u32, _>("add", &()));
    task.waits();
    let mut error = failure("bad number");
    error.type_name = "demo::Bad".into();
    error.payload = Some(bytes(&("bad", 3)));
    w.ended(1, Outcome::Failed(error.clone()));
    let raised = task.ends().unwrap_err();
    assert_eq!(raised.source_actor(), Some(&peer()));
    assert_eq!(raised.payload::<(String, u32)>(), Some(("bad".to_owned(), 3)));
    assert_eq!(raised.to_string(), "endpoint error in peer@00000002: bad number");
    assert_eq!(raised.to_boxed(&me()), *error);
}

#[test]
fn a_lost_boundary_fails_every_wait() {
    let w = World::new();
    let mut task = w.task(w.portal().call::<u32, _>("add", &()));
    task.waits();
    w.actor.fail_all(BoxedError::new(ErrorKind::LinkClosed, me(), "gone"));
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::LinkClosed);
}
