//! A guest's children: they end before its nursery does, however that ends (semantics 10).

use std::time::{Duration, Instant};

use steading::{Context, Error, ErrorKind, Host, Result, sleep};
use steading_tests::artifacts::{NURSERIES, VALUES};
use steading_tests::{alive, failed, story, story_with, with_actor};

/// What is alive when only the guest itself is left.
fn only_the_guest(host: &Host) -> bool {
    alive(host) == ["root", "guest"]
}

#[test]
fn a_guest_calls_a_child_of_its_own_component() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            assert_eq!(guest.call::<String, _>("ask_child", "wednesday").await?, "wednesday");
            assert!(only_the_guest(host), "{:?}", alive(host));
            Ok(())
        })
        .await
    });
}

#[test]
fn a_guest_calls_a_child_of_another_component() {
    story(async |host| {
        host.load_as("adder", VALUES)?;
        with_actor(host, NURSERIES, async |guest| {
            assert_eq!(guest.call::<i64, _>("ask_other", &("adder", 40, 2)).await?, 42);
            assert!(only_the_guest(host), "{:?}", alive(host));
            Ok(())
        })
        .await
    });
}

#[test]
fn guests_stream_both_ways() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let (sum, seen): (u64, u64) = guest.call("both_ways", &200).await?;
            assert_eq!((sum, seen), ((1..=200).sum(), 200));
            Ok(())
        })
        .await
    });
}

#[test]
fn nurseries_nest_and_none_ends_before_its_children() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            assert_eq!(guest.call::<u32, _>("nested", &8).await?, 9);
            assert!(only_the_guest(host), "{:?}", alive(host));
            Ok(())
        })
        .await
    });
}

#[test]
fn a_cancel_from_above_takes_down_every_level() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let body = async |ctx: Context<(), ()>, ()| {
                assert_eq!(alive(host).len(), 8, "{:?}", alive(host));
                ctx.cancel("enough").await;
                assert!(failed(ctx.wait_result::<()>().await).is_absorbed());
                Ok(())
            };
            guest.open_context("nested_wait", &6, body).await?;
            assert!(only_the_guest(host), "{:?}", alive(host));
            Ok(())
        })
        .await
    });
}

#[test]
fn nesting_has_a_limit_that_is_named() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let error = failed(guest.call::<u32, _>("nested", &20).await);
            assert_eq!(error.kind(), ErrorKind::Limit("depth".into()), "{error}");
            assert!(
                error.boxed().is_some_and(|error| error.relay_path.len() > 10),
                "it names the actors it passed: {error}"
            );
            assert!(only_the_guest(host), "{:?}", alive(host));
            Ok(())
        })
        .await
    });
}

#[test]
fn a_body_that_fails_takes_its_children_along() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let error = failed(guest.call::<(), _>("body_fails", &5).await);
            assert_eq!(error.message(), "the body gave up");
            assert!(only_the_guest(host), "{:?}", alive(host));
            Ok(())
        })
        .await
    });
}

#[test]
fn a_child_that_fails_ends_the_nursery_with_its_error() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let error = failed(guest.call::<(), _>("children_fail", &1).await);
            assert!(error.message().contains("child 0 failed"), "{error}");
            let error = failed(guest.call::<(), _>("children_fail", &5).await);
            assert!(error.message().contains("failed"), "{error}");
            assert!(only_the_guest(host), "{:?}", alive(host));
            Ok(())
        })
        .await
    });
}

#[test]
fn a_guest_cancels_a_context_and_an_actor() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let both: (bool, String) = guest.call("cancel_both", &()).await?;
            assert_eq!(both, (true, "acked".to_owned()));
            Ok(())
        })
        .await
    });
}

#[test]
fn children_have_a_limit_that_is_named() {
    story_with(
        |builder| builder.children(8),
        async |host| {
            with_actor(host, NURSERIES, async |guest| {
                assert_eq!(guest.call::<u32, _>("many", &8).await?, 8);
                let error = failed(guest.call::<u32, _>("many", &9).await);
                assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
                assert!(only_the_guest(host), "{:?}", alive(host));
                Ok(())
            })
            .await
        },
    );
}

#[test]
fn what_cannot_be_started_says_why() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let (kind, message): (String, String) = guest.call("start_failure", "nonesuch").await?;
            assert_eq!(kind, ErrorKind::SpawnFailed.to_string());
            assert!(
                message.contains("`nonesuch`") && message.contains("the host knows"),
                "{message}"
            );
            Ok(())
        })
        .await
    });
}

#[test]
fn a_nursery_that_has_ended_takes_no_more_children() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let (kind, message): (String, String) = guest.call("start_too_late", &()).await?;
            assert_ne!(kind, "no failure", "{message}");
            assert!(only_the_guest(host), "{:?}", alive(host));
            Ok(())
        })
        .await
    });
}

#[test]
fn an_endpoint_that_was_not_granted_cannot_be_called() {
    story(async |host| {
        with_actor(host, NURSERIES, async |guest| {
            let (kind, message): (String, String) = guest.call("ungranted", &()).await?;
            assert_eq!(kind, ErrorKind::NotGranted.to_string(), "{message}");
            Ok(())
        })
        .await
    });
}

#[test]
fn one_child_fails_and_all_its_siblings_are_gone_when_the_nursery_ends() {
    story(async |host| {
        let code = host.load(NURSERIES)?;
        let begun = Instant::now();
        let end: Result<()> = host
            .root(async |nursery| {
                for n in 0..24 {
                    nursery.start_actor(code.spec(&format!("sibling-{n}"))).await?;
                }
                _ = nursery.run_in_actor::<(), _>(code.spec("failing"), "fail", "on purpose");
                sleep(Duration::from_secs(3600)).await
            })
            .await;
        assert!(failed(end).message().contains("on purpose"));
        host.assert_quiescent();
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody had to be killed");
        Ok(())
    });
}

#[test]
fn several_failures_are_told_as_a_group() {
    story(async |host| {
        let code = host.load(NURSERIES)?;
        let end: Result<()> = host
            .root(async |nursery| {
                let running = nursery.run_in_actor::<(), _>(code.spec("failing"), "fail", "the child's");
                failed(running.result().await);
                Err(Error::msg("the body's"))
            })
            .await;
        let messages: Vec<_> = failed(end).members().iter().map(Error::message).collect();
        assert_eq!(messages, ["the body's", "the child's"]);
        Ok(())
    });
}

#[test]
fn an_actor_that_dies_takes_its_children_along() {
    story(async |host| {
        let end: Result<()> = with_actor(host, NURSERIES, async |guest| guest.call("die_over_child", &()).await).await;
        let error = failed(end);
        assert_eq!(error.kind(), ErrorKind::Panic, "{error}");
        host.assert_quiescent();
        Ok(())
    });
}

#[test]
fn a_call_that_could_not_be_made_is_one_failure() {
    story(async |host| {
        let values = host.load(VALUES)?;
        let too_long = "x".repeat(2 << 20);
        let end = host
            .root(async |n| {
                let running = n.run_in_actor::<String, _>(values.spec("values"), "echo", &too_long);
                running.result().await
            })
            .await;
        let error = failed(end);
        assert_eq!(error.kind(), ErrorKind::Limit("payload".into()), "{error:#}");
        assert_eq!(error.members().len(), 1, "met in the body and by the host: {error:#}");
        Ok(())
    });
}
