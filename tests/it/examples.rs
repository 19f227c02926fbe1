//! The examples, embedded: `tests/cli` runs them as their READMEs say.

use steading_tests::artifacts::{EXAMPLE_HELLO, EXAMPLE_PINGPONG};
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
