//! The examples, embedded: `tests/cli` runs them as their READMEs say.

use steading_tests::artifacts::{EXAMPLE_HELLO, EXAMPLE_PINGPONG, EXAMPLE_SIBLINGS, EXAMPLE_SUPERVISOR};
use steading_tests::{capture, story, with_actor};

#[test]
fn hello_greets() {
    story(async |host| {
        with_actor(host, EXAMPLE_HELLO, async |hello| {
            let greeting: String = hello.call("main", &["Ada"]).await?;
            assert_eq!(greeting, "Hello, Ada! This is guest.");
            assert_eq!(
                hello.call::<String, _>("main", &[""; 0]).await?,
                "Hello, world! This is guest."
            );
            Ok(())
        })
        .await
    });
}

#[test]
fn pingpong_plays_as_many_rounds_as_it_is_told() {
    story(async |host| {
        let lines = capture();
        with_actor(host, EXAMPLE_PINGPONG, async |pingpong| {
            assert_eq!(pingpong.call::<String, _>("main", &["5"]).await?, "5 balls came back");
            Ok(())
        })
        .await?;
        assert_eq!(lines.find("ping 5").message, "ping 5 -> pong 5");
        Ok(())
    });
}

#[test]
fn siblings_are_cancelled_when_one_fails() {
    story(async |host| {
        let lines = capture();
        with_actor(host, EXAMPLE_SIBLINGS, async |siblings| {
            siblings.call::<(), _>("main", &()).await
        })
        .await?;
        let raised = lines.find("the nursery raised").message;
        assert!(
            raised.contains("in eve@") && raised.ends_with("cannot share 12 among 0"),
            "{raised}"
        );
        assert_eq!(lines.find("ben is dead").message, "ben is dead: Acked");
        Ok(())
    });
}

#[test]
fn a_supervisor_starts_its_worker_again_and_then_gives_up() {
    story(async |host| {
        let lines = capture();
        with_actor(host, EXAMPLE_SUPERVISOR, async |shop| {
            shop.call::<(), _>("main", &()).await
        })
        .await?;
        let raised = lines.find("the supervisor raised").message;
        assert!(raised.contains("after 3 restarts within 5000 ms"), "{raised}");
        assert_eq!(lines.find("baker number 4").message, "baker number 4: panic");
        Ok(())
    });
}
