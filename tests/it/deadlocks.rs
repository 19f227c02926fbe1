//! Tasks that wait for each other in a circle end with an error that names the circle; those that only wait do
//! not (threat 19).

use std::time::{Duration, Instant};

use steading::config::Deadlocks;
use steading::{Error, ErrorKind, Host, HostBuilder, Result};
use steading_tests::artifacts::DEADLOCKS;
use steading_tests::{capture, failed, story_with, with_actor};

fn breaking(builder: HostBuilder) -> HostBuilder {
    builder.deadlocks(Deadlocks::Break)
}

/// Calls an endpoint that ends in a deadlock: the error that says so, and how long it took.
async fn stuck(host: &Host, endpoint: &str, args: impl serde::Serialize) -> (Error, Duration) {
    let begun = Instant::now();
    let end: Result<()> = with_actor(host, DEADLOCKS, async |guest| guest.call(endpoint, &args).await).await;
    let took = begun.elapsed();
    let error = failed(end);
    (root_of(&error), took)
}

/// Of several the deadlock, or else the first.
fn root_of(error: &Error) -> Error {
    let members = error.members();
    let deadlock = members.iter().find(|error| error.kind() == ErrorKind::Deadlock);
    deadlock.or(members.first()).unwrap_or(error).clone()
}

#[track_caller]
fn names(error: &Error, parts: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Deadlock, "{error:#}");
    let text = error.message();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn two_that_wait_for_each_others_word_are_told_so() {
    story_with(breaking, async |host| {
        let (error, took) = stuck(host, "both_read", ()).await;
        names(
            &error,
            &[
                "`both_read` of guest@",
                "waits for a message from child@",
                "`listen` of child@",
                "from guest@",
            ],
        );
        // Bounded by two looks; the margin is for a machine that is busy.
        assert!(took < Duration::from_secs(5), "{took:?}");
        Ok(())
    });
}

#[test]
fn two_that_fill_each_others_windows_are_told_so() {
    story_with(breaking, async |host| {
        let (error, _) = stuck(host, "both_write", ()).await;
        names(
            &error,
            &["waits for credit from child@", "waits for credit from guest@"],
        );
        Ok(())
    });
}

#[test]
fn it_is_found_however_far_down_it_is() {
    story_with(breaking, async |host| {
        let (error, _) = stuck(host, "deep", 8).await;
        names(&error, &["`both_read` of child@", "`listen` of child@"]);
        Ok(())
    });
}

/// What one member waits for, it has to hear from who hands it on: contexts are a tree, so the circle is always between
/// two, however many are in the ring.
#[test]
fn a_ring_in_which_nobody_begins_is_told_so_however_many_they_are() {
    story_with(breaking, async |host| {
        for members in [2, 8, 32] {
            let (error, took) = stuck(host, "ring", members).await;
            names(&error, &["`ring` of guest@", "`listen` of member_"]);
            assert!(took < Duration::from_secs(5), "{members} members: {took:?}");
        }
        Ok(())
    });
}

#[test]
fn who_waits_for_the_time_is_left_alone() {
    story_with(breaking, async |host| {
        let slow = with_actor(host, DEADLOCKS, async |guest| {
            guest.call::<u64, _>("slowly", &900).await
        })
        .await?;
        assert_eq!(slow, 7);
        Ok(())
    });
}

#[test]
fn who_can_still_be_called_is_left_alone() {
    story_with(breaking, async |host| {
        let answer = with_actor(host, DEADLOCKS, async |guest| {
            guest.call::<u64, _>("visited", &900).await
        })
        .await?;
        assert_eq!(answer, 2);
        Ok(())
    });
}

#[test]
fn where_it_is_only_reported_it_is_reported_once() {
    let reporting = |builder: HostBuilder| builder.deadlocks(Deadlocks::Report);
    story_with(reporting, async |host| {
        let lines = capture();
        let end: Result<()> = with_actor(host, DEADLOCKS, async |guest| {
            steading::fail_after(Duration::from_secs(3), guest.call("both_read", &())).await
        })
        .await;
        assert_ne!(root_of(&failed(end)).kind(), ErrorKind::Deadlock);
        let told = lines
            .all()
            .iter()
            .filter(|line| line.message.starts_with("nothing goes on: "))
            .count();
        assert_eq!(told, 1);
        Ok(())
    });
}
