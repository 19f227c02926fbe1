//! What a guest says reaches the host's `tracing`, with the actor's name and id.

use steading::Level;
use steading_tests::artifacts::LOGS;
use steading_tests::{capture, story, with_actor};

/// SPN-4, the part about lines: the host keeps those up to the actor's level, whoever writes them. Standard
/// output counts as `info`.
#[test]
fn spn_4_lines_up_to_the_level_of_an_actor_reach_the_host() {
    let lines_of = [
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
        ("stdout", Level::Info),
    ];
    story(async |host| {
        let code = host.load(LOGS)?;
        for (name, most) in &lines_of[..5] {
            let lines = capture();
            host.root(async |n| {
                let guest = n.start_actor(code.spec("guest").log_level(*most)).await?;
                guest.call::<(), _>("all", name).await?;
                n.cancel("");
                Ok(())
            })
            .await?;
            let kept: Vec<_> = lines.all().into_iter().map(|line| line.message).collect();
            for (way, level) in lines_of {
                let is_kept = kept.iter().any(|line| line.contains(&format!("{way}: {name}")));
                assert_eq!(is_kept, level <= *most, "{way} at {name}: {kept:#?}");
            }
        }
        Ok(())
    });
}

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
