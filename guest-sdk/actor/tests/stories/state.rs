//! What can be seen of a context (semantics 4), state by state.

use std::sync::mpsc::{Receiver, channel};

use steading_actor::*;
use steading_types::Refusal;

use crate::harness::*;

/// A callee that runs `body`, its handle handed out.
fn callee<Fut>(w: &World, body: impl FnOnce(Ctx) -> Fut + 'static) -> (Task<()>, Receiver<Ctx>)
where
    Fut: Future<Output = Result<u32>> + 'static,
{
    let (give, take) = channel();
    let invocation = w.invoke(4);
    let task = Task::new(Box::pin(async move {
        with_context(invocation, move |ctx: Ctx, _: u32| {
            give.send(ctx.clone()).unwrap();
            body(ctx)
        })
        .await;
        Ok(())
    }));
    (task, take)
}

/// A callee that waits for ever, and its handle.
fn waiting_callee(w: &World) -> (Task<()>, Ctx) {
    let (mut task, take) = callee(w, async |_| {
        std::future::pending::<()>().await;
        Ok(0)
    });
    task.waits();
    (task, take.try_recv().unwrap())
}

/// Everything that can be asked, in one line.
fn seen(c: &Ctx) -> String {
    let errors = [
        ("local", c.local_error()),
        ("remote", c.remote_error()),
        ("maybe", c.maybe_error()),
    ];
    let errors = errors.map(|(name, error)| error.map(|e| format!(" {name}={}", e.message().replace(' ', "_"))));
    let flags = [
        ("cc", c.cancel_called()),
        ("ca", c.cancel_acked()),
        ("caught", c.cancelled_caught()),
        ("over", c.has_outcome()),
    ];
    let flags = flags.map(|(name, set)| if set { format!(" {name}") } else { String::new() });
    let by = c.canceller().map(|id| format!(" by={}", id.name)).unwrap_or_default();
    format!(
        "{}{}{by}{}",
        c.state(),
        flags.concat(),
        errors.into_iter().flatten().collect::<String>()
    )
}

#[test]
fn states_have_their_names() {
    use State::*;
    let all = [
        Opening,
        Syncing,
        Started,
        Streaming,
        StreamFinished,
        Returned,
        SelfCancelled,
        PeerCancelled,
        ActorCancelled,
        Failed,
    ];
    let names = "opening syncing started streaming stream-finished returned self-cancelled peer-cancelled \
                 actor-cancelled failed";
    assert_eq!(all.map(State::name).join(" "), names);
}

#[test]
fn started_streaming_and_stream_finished() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |c| {
        let before = c.state();
        c.stream(async |s| s.next().await).await?;
        sleep(std::time::Duration::from_secs(1)).await?;
        Ok(before)
    });
    assert_eq!(seen(&c), "streaming");
    w.data(1, &[1]);
    task.waits();
    assert_eq!(seen(&c), "stream-finished");
    w.returned(1, &());
    w.pass(1000);
    assert_eq!(task.ends().unwrap(), State::Started);
    assert_eq!(seen(&c), "returned over");
}

#[test]
fn a_stream_never_opened_is_not_finished() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |_| sleep(std::time::Duration::from_secs(1)).await);
    w.pass(1000);
    task.waits();
    assert_eq!(seen(&c), "started", "the block waits for the callee");
    w.returned(1, &());
    task.ends().unwrap();
}

#[test]
fn a_callee_is_syncing_until_it_has_started() {
    let w = World::new();
    let (mut task, take) = callee(&w, async |c: Ctx| {
        assert_eq!(c.state(), State::Syncing);
        c.started(()).await?;
        assert_eq!(c.state(), State::Started);
        c.stream(async |s| s.next().await).await?;
        assert_eq!(c.state(), State::StreamFinished);
        Ok(7)
    });
    task.waits();
    let c = take.try_recv().unwrap();
    assert_eq!(seen(&c), "streaming");
    w.stop(4);
    task.ends().unwrap();
    assert_eq!(seen(&c), "returned over");
    assert_eq!(c.result::<u32>().unwrap().unwrap(), 7);
}

#[test]
fn a_callee_that_is_cancelled_by_its_caller() {
    let w = World::new();
    let (mut task, c) = waiting_callee(&w);
    w.cancel_task(4, peer());
    task.ends().unwrap();
    let text = "peer-cancelled caught over by=peer local=cancelled_by_peer@00000002 maybe=cancelled_by_peer@00000002";
    assert_eq!(seen(&c), text);
}

#[test]
fn a_callee_that_cancels_itself() {
    let w = World::new();
    let (mut task, take) = callee(&w, async |c: Ctx| {
        c.cancel("").await;
        std::future::pending::<()>().await;
        Ok(0)
    });
    task.ends().unwrap();
    let c = take.try_recv().unwrap();
    let text = "self-cancelled cc ca caught over by=me local=cancelled_by_me@00000001 maybe=cancelled_by_me@00000001";
    assert_eq!(seen(&c), text);
}

#[test]
fn a_callee_that_fails_has_a_local_error_and_no_remote_one() {
    let w = World::new();
    let (mut task, take) = callee(&w, async |_| Err(Error::msg("mine")));
    task.ends().unwrap();
    assert_eq!(seen(&take.try_recv().unwrap()), "failed over local=mine maybe=mine");
}

#[test]
fn our_own_cancel() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |c| {
        c.cancel("").await;
        sleep(std::time::Duration::from_secs(1)).await
    });
    assert_eq!(seen(&c), "started cc", "the body goes on");
    w.cancelled(1, me());
    task.waits();
    let after = "self-cancelled cc ca over by=me remote=cancelled_by_me@00000001 maybe=cancelled_by_me@00000001";
    assert_eq!(seen(&c), after);
    w.pass(1000);
    task.ends().unwrap();
    assert_eq!(
        seen(&c),
        after,
        "the body's scope was never cancelled, so nothing was caught"
    );
    assert!(c.result::<u32>().unwrap().unwrap_err().is_absorbed());
}

#[test]
fn our_own_cancel_from_another_task_is_caught() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    w.cancel_by_handle(c.clone(), "");
    task.waits();
    w.cancelled(1, me());
    assert!(task.ends().unwrap_err().is_absorbed());
    assert!(c.cancelled_caught() && c.cancel_called() && c.cancel_acked());
    assert_eq!(c.state(), State::SelfCancelled);
}

#[test]
fn the_peer_cancels_itself() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    w.cancelled(1, peer());
    assert!(task.ends().is_err());
    assert!(c.cancelled_caught() && !c.cancel_called());
    assert_eq!((c.state(), c.canceller()), (State::PeerCancelled, Some(peer())));
}

#[test]
fn a_third_cancels_the_peers_actor() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    w.cancelled(1, third());
    let error = task.ends().unwrap_err();
    assert_eq!(error.canceller(), Some(&third()), "who asked stays readable");
    assert_eq!(c.canceller(), Some(peer()), "it was the peer's task");
    assert_eq!(c.state(), State::ActorCancelled);
}

#[test]
fn we_cancel_the_peers_actor() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    w.cancelled(1, me());
    let error = task.ends().unwrap_err();
    assert!(
        error.is_cancelled() && !error.is_absorbed(),
        "cancel was not called on the context"
    );
    assert!(!c.cancel_called() && !c.cancel_acked());
    assert_eq!((c.state(), c.canceller()), (State::ActorCancelled, Some(me())));
}

#[test]
fn the_peer_fails_while_the_body_waits_on_the_stream() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |c| c.stream(async |s| s.next().await).await);
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
    assert_eq!(
        seen(&c),
        "failed over local=theirs remote=theirs maybe=theirs",
        "told there, so not caught"
    );
}

#[test]
fn the_peer_fails_while_the_body_waits_elsewhere() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
    assert!(c.cancelled_caught() && !c.cancel_called());
    assert_eq!(c.maybe_error().unwrap().message(), "theirs");
}

#[test]
fn another_task_that_waits_on_the_context_does_not_keep_the_body_waiting() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    let other = c.clone();
    let mut waiting = w.task(async move { other.wait_result::<u32>().await });
    waiting.waits();
    w.failed(1, "theirs");
    assert_eq!(waiting.ends().unwrap_err().message(), "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
}

#[test]
fn our_body_fails() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |_| {
        sleep(std::time::Duration::from_secs(1)).await?;
        Err::<(), _>(Error::msg("mine"))
    });
    w.pass(1000);
    task.waits();
    assert_eq!(seen(&c), "started cc local=mine maybe=mine", "failing is asking");
    w.returned(1, &5);
    assert_eq!(task.ends().unwrap_err().message(), "mine");
    assert_eq!(c.result::<u32>().unwrap().unwrap(), 5, "the result stays readable");
}

#[test]
fn the_enclosing_scope_is_cancelled() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    w.cancel(third());
    task.waits();
    assert!(c.cancel_called());
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
    assert!(c.cancel_acked() && !c.cancelled_caught(), "it was not this scope's own");
}

#[test]
fn a_cancellation_that_bubbles_through_is_not_called_by_the_user() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |_| {
        sleep(std::time::Duration::from_secs(1)).await?;
        Err::<(), _>(Error::cancelled(cancelled_by(third())))
    });
    w.pass(1000);
    task.waits();
    assert!(
        w.asked().contains(&"cancel c1".to_owned()),
        "the callee is cancelled all the same"
    );
    assert!(!c.cancel_called());
    w.cancelled(1, me());
    assert_eq!(task.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn the_link_is_lost() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    let lost = BoxedError::new(ErrorKind::LinkClosed, me(), "gone");
    w.ended(1, Outcome::Failed(Box::new(lost)));
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::LinkClosed);
    assert_eq!(seen(&c).split(' ').next(), Some("failed"));
    assert_eq!(c.remote_error().unwrap().kind(), ErrorKind::LinkClosed);
}

#[test]
fn an_overrun_of_our_own_is_no_remote_error() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |c| {
        c.stream(async |s| {
            s.next().await?;
            s.send(1).await
        })
        .await
    });
    w.flow(1, Policy::OverrunError, 0);
    w.refuse_messages(Some(Refusal::Overrun));
    w.data(1, &[1]);
    task.waits();
    w.ended(1, Outcome::Failed(Box::new(BoxedError::overrun(me(), &peer()))));
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::Overrun);
    assert!(c.remote_error().is_none());
    assert_eq!(c.local_error().unwrap().kind(), ErrorKind::Overrun);
}

#[test]
fn no_value_is_a_value() {
    let w = World::new();
    let (mut task, c) = elsewhere_that_ends(&w);
    assert!(c.result::<()>().is_none() && !c.has_outcome());
    w.returned(1, &None::<u32>);
    task.ends().unwrap();
    assert_eq!(c.result::<Option<u32>>().unwrap().unwrap(), None);
    assert_eq!(c.result::<Option<u32>>().unwrap().unwrap(), None, "again");
}

fn elsewhere_that_ends(w: &World) -> (Task<()>, Ctx) {
    w.with_handle(async |c| c.ended().await.map(drop))
}

#[test]
fn a_cancel_after_the_result_changes_nothing_whoever_asks() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |_| sleep(std::time::Duration::from_secs(1)).await);
    w.returned(1, &5);
    w.cancel_by_handle(c.clone(), "");
    task.waits();
    w.pass(1000);
    task.ends().unwrap();
    assert_eq!(seen(&c), "returned cc over");
}

#[test]
fn a_result_that_crosses_our_cancel_stands_and_nothing_is_raised() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    w.cancel_by_handle(c.clone(), "");
    task.waits();
    w.returned(1, &5);
    assert!(task.ends().unwrap_err().is_absorbed());
    assert_eq!(c.result::<u32>().unwrap().unwrap(), 5);
}

#[test]
fn a_handle_shows_where_what_and_how() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    assert_eq!(c.to_string(), "me@00000001 → peer@00000002 | scan(u32 ⇄ u32) | started");
    w.failed(1, "theirs");
    task.ends().unwrap_err();
    let text = "me@00000001 → peer@00000002 | scan(u32 ⇄ u32) | failed: endpoint error in peer@00000002: theirs";
    assert_eq!(c.to_string(), text);
    let w = World::new();
    let (mut task, take) = callee(&w, async |c: Ctx| {
        let shown = scope(async |tasks| tasks.spawn_named("worker", async move { Ok(c.to_string()) }).await).await?;
        assert_eq!(
            shown,
            "me@00000001 ← peer@00000002 | #0(u32 ⇄ u32), task worker | syncing"
        );
        Ok(0)
    });
    task.ends().unwrap();
    drop(take);
}

/// Never-masking (semantics 7): what leaves the block, by what the body raised and how the context ended.
#[test]
fn precedence_of_what_leaves_the_block() {
    #[derive(Clone, Copy, Debug)]
    enum Body {
        Fails,
        IsCancelled,
    }
    let boxed = |kind| Outcome::Failed(Box::new(BoxedError::new(kind, peer(), "theirs")));
    let cases: [(Body, Outcome, &str); 8] = [
        (Body::Fails, Outcome::Returned(bytes(&())), "mine"),
        (Body::Fails, boxed(ErrorKind::EndpointError), "mine"),
        (Body::Fails, Outcome::Cancelled(cancelled_by(me())), "mine"),
        (Body::Fails, Outcome::Cancelled(cancelled_by(peer())), "mine"),
        (Body::IsCancelled, boxed(ErrorKind::EndpointError), "theirs"),
        (Body::IsCancelled, boxed(ErrorKind::LinkClosed), "theirs"),
        (
            Body::IsCancelled,
            Outcome::Cancelled(cancelled_by(peer())),
            "cancelled by peer@00000002",
        ),
        (
            Body::IsCancelled,
            Outcome::Cancelled(cancelled_by(me())),
            "cancelled by third@00000003",
        ),
    ];
    for (body, outcome, leaves) in cases {
        let w = World::new();
        let (mut task, _) = w.with_handle(async move |_| {
            sleep(std::time::Duration::from_secs(1)).await?;
            Err::<(), _>(Error::msg("mine"))
        });
        match body {
            Body::Fails => w.pass(1000),
            Body::IsCancelled => w.cancel(third()),
        }
        task.waits();
        w.ended(1, outcome.clone());
        assert_eq!(task.ends().unwrap_err().message(), leaves, "{body:?} {outcome:?}");
    }
}

/// To set a deadline is to ask, in advance.
#[test]
fn the_deadline_of_the_context_is_over() {
    let w = World::new();
    let (mut task, c) = w.elsewhere();
    let late = Cancellation {
        cause: Cause::Deadline,
        ..cancelled_by(me())
    };
    w.ended(1, Outcome::Cancelled(late));
    let error = task.ends().unwrap_err();
    assert!(error.is_cancelled() && !error.is_absorbed(), "nobody called cancel");
    assert!(c.cancel_called() && c.cancel_acked() && c.cancelled_caught());
    assert_eq!((c.state(), c.canceller()), (State::SelfCancelled, Some(me())));
}

#[test]
fn a_callee_whose_actor_a_third_cancels_knows_by_whom() {
    let w = World::new();
    let (mut task, c) = waiting_callee(&w);
    w.cancel_task(4, third());
    task.ends().unwrap();
    assert_eq!((c.state(), c.canceller()), (State::ActorCancelled, Some(third())));
}

/// It may well make nothing of what it is told; the body waits elsewhere all the same.
#[test]
fn a_task_of_the_body_that_waits_on_the_context_does_not_keep_the_body_waiting() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |c| {
        c.stream(async |s| {
            scope(async |tasks| {
                _ = tasks.spawn(async move {
                    while let Ok(Some(_)) = s.next().await {}
                    Ok(())
                });
                std::future::pending::<()>().await;
                Ok(())
            })
            .await
        })
        .await
    });
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
    assert!(c.cancelled_caught());
}

#[test]
fn a_body_that_waits_on_the_context_under_a_timeout_is_told_there() {
    let w = World::new();
    let (mut task, c) = w.with_handle(async |c| {
        c.stream(async |s| timeout(std::time::Duration::from_secs(1), s.next()).await)
            .await
    });
    w.failed(1, "theirs");
    assert_eq!(task.ends().unwrap_err().message(), "theirs");
    assert!(!c.cancelled_caught());
}

#[test]
fn who_waits_on_a_context_whose_block_is_dropped_is_told() {
    let w = World::new();
    let (task, c) = w.elsewhere();
    let other = c.clone();
    let mut waiting = w.task(async move { other.wait_result::<u32>().await });
    waiting.waits();
    drop(task);
    assert_eq!(waiting.ends().unwrap_err().kind(), ErrorKind::LinkClosed);
    assert_eq!(c.state(), State::Failed);
}
