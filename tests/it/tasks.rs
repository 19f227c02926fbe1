//! Several tasks in one endpoint are as structured as actors are.

use steading_tests::artifacts::TASKS;
use steading_tests::{failed, story, with_actor};

#[test]
fn a_scope_ends_when_its_tasks_have_ended() {
    story(async |host| {
        with_actor(host, TASKS, async |guest| {
            assert_eq!(guest.call::<u64, _>("spawned", &100).await?, 4950);
            assert_eq!(guest.call::<u32, _>("left_alone", &20).await?, 20);
            Ok(())
        })
        .await
    });
}

#[test]
fn a_task_that_fails_ends_its_scope() {
    story(async |host| {
        with_actor(host, TASKS, async |guest| {
            let error = failed(guest.call::<(), _>("one_fails", &()).await);
            assert_eq!(error.message(), "one of us failed");
            Ok(())
        })
        .await
    });
}

#[test]
fn the_first_of_several_wins() {
    story(async |host| {
        with_actor(host, TASKS, async |guest| {
            let won: (String, String) = guest.call("raced", &()).await?;
            assert_eq!(won, ("short".to_owned(), "short".to_owned()));
            Ok(())
        })
        .await
    });
}
