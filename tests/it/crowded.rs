//! A host that is full of guests who take what they can get: it answers, a neighbour of theirs answers, and each of them
//! has its part (threat 20). Bounds are generous: what is asked is that nothing hangs, and nobody starves.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use steading::config::Workers;
use steading::{Context, Either, Error, Host, HostBuilder, Nursery, Portal, Result, nursery, race, sleep};
use steading_tests::artifacts::CROWDED;
use steading_tests::story_once;

/// Nobody waits for longer. Milliseconds on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long there is a crowd.
const LONG: Duration = Duration::from_secs(3);
/// Guests that do the same; with children of those who send, 125 in all.
const OF_A_KIND: usize = 25;

fn two_workers(builder: HostBuilder) -> HostBuilder {
    builder
        .workers(Workers::Dedicated(2))
        .cancel_grace(Duration::from_millis(100))
}

/// Has so many guests each call an endpoint that does not end, until the body has.
async fn beside<T>(
    host: &Host,
    crowd: &[(&'static str, usize)],
    body: impl AsyncFnOnce(&Nursery, &Portal) -> Result<T>,
) -> Result<T> {
    let code = host.load(CROWDED)?;
    host.root(async |n| {
        let neighbour = n.start_actor(code.spec("neighbour")).await?;
        let mut calls = Vec::new();
        for (endpoint, count) in crowd {
            for _ in 0..*count {
                let guest = n.start_actor(code.spec(endpoint)).await?;
                calls.push(guest.call::<(), _>(endpoint, &()));
            }
        }
        let all = async { Ok::<_, Error>(join_all(calls).await) };
        let value = match race(all, body(&n, &neighbour)).await {
            Either::Left(ends) => panic!("none of them ends by itself: {ends:?}"),
            Either::Right(value) => value?,
        };
        n.cancel("that is enough");
        Ok(value)
    })
    .await
}

/// Does something again and again: the longest it took beyond what it has to.
async fn longest(least: Duration, mut act: impl AsyncFnMut() -> Result<()>) -> Result<Duration> {
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < LONG {
        let asked = Instant::now();
        act().await?;
        longest = longest.max(asked.elapsed().saturating_sub(least));
        sleep(Duration::from_millis(5)).await?;
    }
    Ok(longest)
}

/// One that never lets go is ended by force: how long that takes.
async fn kill_a_spinner(host: &Host) -> Result<()> {
    let code = host.load(CROWDED)?;
    let end = nursery(async |n| {
        let spinner = n.start_actor(code.spec("spinner")).await?;
        let body = async |_: Context<(), ()>, ()| spinner.cancel_actor_within("enough", Duration::ZERO).await.map(drop);
        spinner.open_context("spin_for_good", &(), body).await
    });
    // It has failed in whatever it was at, and that is told.
    _ = end.await.is_err();
    Ok(())
}

#[test]
fn a_crowd_of_hostile_guests_holds_up_nobody() {
    story_once(two_workers, async |host| {
        let crowd = ["spin", "allocate", "flood", "talk"].map(|endpoint| (endpoint, OF_A_KIND));
        let waits = beside(host, &crowd, async |_, neighbour| {
            let timer = Duration::from_millis(10);
            let (timers, snapshots, echoes, kills) = futures_util::join!(
                longest(timer, async || sleep(timer).await),
                longest(Duration::ZERO, async || {
                    assert!(host.snapshot().actors.len() > 4 * OF_A_KIND);
                    Ok(())
                }),
                longest(Duration::ZERO, async || neighbour
                    .call::<u64, _>("echo", &7)
                    .await
                    .map(drop)),
                longest(Duration::ZERO, async || kill_a_spinner(host).await),
            );
            Ok([
                ("a timer of the host", timers?),
                ("a look at all actors", snapshots?),
                ("an answer of a neighbour", echoes?),
                ("the life and death of one that spins", kills?),
            ])
        });
        for (what, longest) in waits.await? {
            println!("{what}: {longest:?}");
            assert!(longest < PATIENCE, "{what} took {longest:?}");
        }
        Ok(())
    });
}

/// By Jain's index: 1 if all have the same, and one over their number if one has all.
fn fairness(parts: &[f64]) -> f64 {
    let sum: f64 = parts.iter().sum();
    let squares: f64 = parts.iter().map(|part| part * part).sum();
    sum * sum / (parts.len() as f64 * squares)
}

fn processor_times(host: &Host) -> Vec<Duration> {
    let actors = host.snapshot().actors;
    let spinners = actors.iter().filter(|actor| *actor.id.name == *"spin");
    spinners.map(|actor| actor.cpu).collect()
}

#[test]
fn equal_guests_have_equal_parts_of_the_processor() {
    story_once(two_workers, async |host| {
        let parts = beside(host, &[("spin", 8)], async |_, _| {
            let before = processor_times(host);
            sleep(Duration::from_secs(2)).await?;
            let after = processor_times(host);
            let used = after.iter().zip(&before).map(|(after, before)| *after - *before);
            Ok(used.map(|part| part.as_secs_f64()).collect::<Vec<_>>())
        });
        let parts = parts.await?;
        let index = fairness(&parts);
        println!("parts {parts:?}, index {index}");
        assert_eq!(parts.len(), 8);
        assert!(index >= 0.8, "{parts:?}: {index}");
        Ok(())
    });
}
