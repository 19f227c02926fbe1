//! Many contexts run concurrently inside one actor.

use futures_util::future::try_join_all;
use steading_tests::artifacts::MEETING;
use steading_tests::{story, with_actor};

#[test]
fn two_hundred_calls_meet_inside_one_actor() {
    story(async |host| {
        with_actor(host, MEETING, async |guest| {
            let calls = (0..200).map(|_| guest.call::<usize, _>("join", &200));
            let mut places = try_join_all(calls).await?;
            places.sort_unstable();
            assert_eq!(places, (1..=200).collect::<Vec<_>>());
            Ok(())
        })
        .await
    });
}
