//! What a guest says reaches the host's `tracing`, with the actor's name and id.

use steading_tests::artifacts::LOGS;
use steading_tests::{capture, story, with_actor};

#[test]
fn every_way_of_saying_something_arrives_with_name_and_id() {
    story(async |host| {
        let lines = capture();
        let mut id = String::new();
        with_actor(host, LOGS, async |guest| {
            id = guest.id().uuid.to_string();
            guest.call::<(), _>("say", "hello").await
        })
        .await?;
        let ways = [
            ("log", "INFO"),
            ("tracing", "WARN"),
            ("stdout", "INFO"),
            ("stderr", "INFO"),
        ];
        for (way, level) in ways {
            let line = lines.find(&format!("{way} says hello"));
            assert_eq!(line.level, level, "{line:?}");
            assert_eq!(line.fields.get("actor").map(String::as_str), Some("guest"), "{line:?}");
            assert_eq!(line.fields.get("id"), Some(&id), "{line:?}");
        }
        assert!(
            lines.find("tracing says hello").message.contains("answer=42"),
            "fields come along"
        );
        Ok(())
    });
}

#[test]
fn a_guest_cannot_drive_the_operators_terminal() {
    story(async |host| {
        let lines = capture();
        with_actor(host, LOGS, async |guest| guest.call::<(), _>("escape", &()).await).await?;
        let line = lines.find("red");
        assert!(!line.message.chars().any(char::is_control), "{line:?}");
        assert!(line.message.contains("forged"), "{line:?}");
        Ok(())
    });
}
