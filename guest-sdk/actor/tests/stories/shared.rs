//! One resource for many tasks: what cannot be told by scenarios, and how threads share.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use steading_actor::*;

use crate::harness::*;

/// A resource that is a context, and a body that waits for ever.
fn user(w: &World) -> Task<()> {
    let portal = w.portal();
    w.task(async move {
        with_context(portal, async |_| {
            cancelled().await;
            checkpoint()
        })
        .await
    })
}

/// Two users, and the resource is open.
fn two_inside(w: &World) -> (Task<()>, Task<()>) {
    let (mut first, mut second) = (user(w), user(w));
    first.waits();
    second.waits();
    w.started(1, &1u32);
    first.waits();
    second.waits();
    (first, second)
}

async fn with_context<T>(portal: Portal, body: impl AsyncFnOnce(Lease<u32>) -> Result<T>) -> Result<T> {
    let open = |entry: Entry<u32>| async move {
        let block = async |_: Context<(), (), u32>, first| entry.hold(first).await;
        portal.open_context("resource", &(), block).await
    };
    shared("context", open, body).await
}

#[test]
fn what_is_shared_is_the_actors_not_the_openers() {
    let w = World::new();
    let mut in_callee = Box::pin(with_context(w.portal(), async |_| Ok(())));
    let invocation = w.invoke(7);
    let mut task = Task::new(Box::pin(async move {
        plain(invocation, |_: u32| async move { in_callee.as_mut().await }).await;
        Ok(())
    }));
    task.waits();
    assert_eq!(w.asked(), ["open c1 resource"], "not in c7");
}

#[test]
fn a_failure_to_open_is_told_to_all_who_wait_for_it_and_the_next_opens_anew() {
    let w = World::new();
    let (mut first, mut second) = (user(&w), user(&w));
    first.waits();
    second.waits();
    assert_eq!(w.asked(), ["open c1 resource"]);
    w.failed(1, "no");
    let errors = [first.ends().unwrap_err(), second.ends().unwrap_err()];
    assert!(
        errors[0].is_same(&errors[1]) && errors[0].message() == "no",
        "{errors:?}"
    );
    assert_eq!(w.actor.shared_resources(), 0);
    user(&w).waits();
    assert!(w.asked().contains(&"open c2 resource".to_owned()));
}

#[test]
fn a_failure_while_it_is_open_ends_every_user() {
    let w = World::new();
    let (mut first, mut second) = two_inside(&w);
    w.failed(1, "lost");
    assert_eq!(second.ends().unwrap_err().message(), "lost");
    assert_eq!(first.ends().unwrap_err().message(), "lost");
}

#[test]
fn who_opens_may_leave_and_the_others_go_on_opening() {
    let w = World::new();
    let around = CancelScope::root(&w.actor);
    let portal = w.portal();
    let inside = around.clone();
    let mut first = w.task(async move { inside.run(with_context(portal, async |_| Ok(()))).await? });
    let mut second = user(&w);
    first.waits();
    second.waits();
    around.cancel(cancelled_by(third()));
    assert_eq!(
        first.ends().unwrap_err().canceller(),
        Some(&third()),
        "it waits for nothing"
    );
    assert_eq!(w.asked(), ["open c1 resource"], "and nothing is cancelled");
    w.started(1, &1u32);
    second.waits();
    w.cancel(third());
    second.waits();
    w.returned(1, &());
    assert_eq!(second.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn opening_is_cancelled_when_nobody_waits_for_it() {
    let w = World::new();
    let mut only = user(&w);
    only.waits();
    w.asked();
    w.cancel(third());
    only.waits();
    assert!(w.asked().contains(&"cancel c1".to_owned()));
    w.cancelled(1, me());
    assert_eq!(only.ends().unwrap_err().canceller(), Some(&third()));
    assert_eq!(w.actor.shared_resources(), 0);
}

/// A callee that does not return: closing takes as long as the last user waits, or 400 ms once it must not.
#[test]
fn closing_for_a_cancelled_user_is_bounded() {
    let w = World::new();
    let mut only = user(&w);
    w.enter(&mut only, 1, &1u32);
    w.asked();
    w.cancel(third());
    only.waits();
    w.pass(399);
    only.waits();
    assert!(!w.asked().contains(&"cancel c1".to_owned()), "it closes in peace");
    w.pass(1);
    only.waits();
    assert!(w.asked().contains(&"cancel c1".to_owned()), "until its time is over");
    w.cancelled(1, me());
    assert_eq!(only.ends().unwrap_err().canceller(), Some(&third()));
}

#[test]
fn the_last_user_dropped_drops_it_and_another_does_not() {
    let w = World::new();
    let (first, second) = two_inside(&w);
    w.asked();
    drop(first);
    assert!(w.asked().is_empty());
    drop(second);
    assert_eq!(w.asked(), ["release c1"]);
    assert_eq!(w.actor.shared_resources(), 0);
}

#[test]
fn who_waits_for_it_to_close_can_be_cancelled() {
    let w = World::new();
    let around = CancelScope::root(&w.actor);
    let portal = w.portal();
    let mut last = w.task(async move { with_context(portal, async |_| Ok(())).await });
    w.enter(&mut last, 1, &1u32);
    let (inside, portal) = (around.clone(), w.portal());
    let mut next = w.task(async move { inside.run(with_context(portal, async |_| Ok(()))).await? });
    next.waits();
    around.cancel(cancelled_by(third()));
    assert_eq!(next.ends().unwrap_err().canceller(), Some(&third()));
    w.returned(1, &());
    last.ends().unwrap();
}

#[test]
fn the_types_of_key_and_value_tell_resources_apart_too() {
    async fn opens<V: Clone + Send + 'static>(value: V, entry: Entry<V>) -> Result<()> {
        entry.hold(value).await
    }
    let w = World::new();
    let mut task = w.task(shared(
        1u32,
        |entry| opens("text", entry),
        async |text: Lease<&str>| {
            shared(
                1u64,
                |entry| opens("other", entry),
                async |other: Lease<&str>| {
                    shared(
                        1u32,
                        |entry| opens(5, entry),
                        async |number: Lease<i32>| {
                            let same = shared(1u32, |entry| opens("never", entry), async |same: Lease<&str>| Ok(*same))
                                .await?;
                            Ok((*text, *other, *number, same, current().actor().shared_resources()))
                        },
                    )
                    .await
                },
            )
            .await
        },
    ));
    assert_eq!(task.ends().unwrap(), ("text", "other", 5, "text", 3));
}

#[test]
fn one_that_ends_without_a_word_has_not_started() {
    let w = World::new();
    let silent = |_: Entry<()>| async { Ok(()) };
    let mut task = w.task(shared("silent", silent, async |_| Ok(())));
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::NotStarted);
}

#[test]
fn what_opens_a_resource_cannot_wait_for_itself() {
    fn itself(entry: Entry<()>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        Box::pin(async move {
            shared((), itself, async |_| Ok(())).await?;
            entry.hold(()).await
        })
    }
    let w = World::new();
    let mut task = w.task(shared((), itself, async |_| Ok(())));
    assert_eq!(task.ends().unwrap_err().kind(), ErrorKind::InvalidOperation);
    assert_eq!(w.actor.shared_resources(), 0);
}

#[test]
fn the_body_and_the_resource_may_fail_both() {
    let w = World::new();
    let open = |entry: Entry<()>| async move {
        entry.hold(()).await?;
        Err(Error::msg("would not close"))
    };
    let mut task = w.task(shared("both", open, async |_| Err::<(), _>(Error::msg("mine"))));
    let error = task.ends().unwrap_err();
    let members: Vec<_> = error.members().iter().map(Error::message).collect();
    assert_eq!(members, ["mine", "would not close"]);
}

/// How often it was opened and closed; never twice at a time.
#[derive(Clone, Default)]
struct Door(Arc<(AtomicU32, AtomicU32)>);

impl Door {
    async fn open(self, entry: Entry<u32>) -> Result<()> {
        let opened = self.0.0.fetch_add(1, Ordering::SeqCst);
        assert_eq!(self.0.1.load(Ordering::SeqCst), opened, "the one before is closed");
        let _closed = Closed(&self);
        tokio::task::yield_now().await;
        let end = entry.hold(opened).await;
        tokio::task::yield_now().await;
        end
    }
}

/// Also when it is dropped, with the last user.
struct Closed<'a>(&'a Door);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.0.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// One of several users on threads of their own; every third gives up early, every seventh is dropped.
async fn visit(actor: Actor, door: Door, seen: Arc<Mutex<Vec<u32>>>, n: u32) {
    let around = CancelScope::root(&actor);
    let open = move |entry| door.open(entry);
    let body = async |value: Lease<u32>| {
        seen.lock().unwrap().push(*value);
        for _ in 0..n % 5 {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let visit = around.run(shared("door", open, body));
    match (n % 3, n % 7) {
        (_, 0) => drop(race(visit, tokio::task::yield_now()).await),
        (0, _) => {
            let cancel = async {
                tokio::task::yield_now().await;
                around.cancel_with("enough");
                std::future::pending::<()>().await;
            };
            drop(race(visit, cancel).await);
        }
        _ => visit.await.unwrap().unwrap(),
    }
}

#[test]
fn users_on_many_threads_share_and_lose_no_wake() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let w = World::new();
    let (door, seen) = (Door::default(), Arc::new(Mutex::new(Vec::new())));
    let all = async {
        for _ in 0..200 {
            let visits = (1..=12).map(|n| tokio::spawn(visit(w.actor.clone(), door.clone(), seen.clone(), n)));
            for visit in visits.collect::<Vec<_>>() {
                visit.await.unwrap();
            }
            assert_eq!(w.actor.shared_resources(), 0, "nothing is left when nobody is");
        }
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), all).await })
        .expect("no user hangs");
    assert!(seen.lock().unwrap().len() >= 200 * 7, "most have got it");
}
