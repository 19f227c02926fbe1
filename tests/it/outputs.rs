//! What an actor writes and how much of it: standard streams that are kept, contexts and log rates of its own.

use steading::{Capture, Context, ErrorKind, Host, Nursery, Portal, Result, Spec, Stdio};
use steading_tests::artifacts::OUTPUTS;
use steading_tests::{capture, failed, story, story_with};

/// Runs `body` with an actor of which `grant` says what it gets.
async fn with<T>(
    host: &Host,
    grant: impl FnOnce(Spec) -> Spec,
    body: impl AsyncFnOnce(&Portal, &Nursery) -> Result<T>,
) -> Result<T> {
    let spec = grant(host.load(OUTPUTS)?.spec("guest"));
    host.root(async |nursery| {
        let guest = nursery.start_actor(spec).await?;
        let value = body(&guest, &nursery).await?;
        nursery.cancel("");
        Ok(value)
    })
    .await
}

#[test]
fn what_was_written_is_kept_after_the_actor_has_ended() {
    story(async |host| {
        let (out, err) = (Capture::new(), Capture::new());
        let both = |spec: Spec| spec.stdout(&out).stderr(&err);
        with(host, both, async |guest, _| {
            guest
                .call::<(), _>("write", &("to out\n", "to err, \u{1b}[31m red\n"))
                .await
        })
        .await?;
        assert_eq!(out.read().text(), "to out\n");
        assert_eq!(err.read().text(), "to err, \u{1b}[31m red\n", "as it was written");
        assert_eq!(out.read().dropped, 0);
        Ok(())
    });
}

#[test]
fn an_actor_that_failed_leaves_what_it_wrote_before() {
    story(async |host| {
        let (out, err) = (Capture::of(10), Capture::new());
        let both = |spec: Spec| spec.stdout(&out).stderr(&err);
        let end = with(host, both, async |guest, _| {
            guest
                .call::<(), _>("write_and_die", &("0123456789abcdef", "last words\n"))
                .await
        });
        assert_eq!(failed(end.await).kind(), ErrorKind::Panic);
        assert!(err.read().text().starts_with("last words\n"), "{err:?}");
        let kept = out.read();
        assert_eq!(
            (kept.text().as_str(), kept.dropped),
            ("6789abcdef", 6),
            "the last are kept"
        );
        Ok(())
    });
}

#[test]
fn a_flood_takes_no_more_room_than_its_capture() {
    story(async |host| {
        let out = Capture::of(1000);
        with(
            host,
            |spec| spec.stdout(&out).stderr(Stdio::Null),
            async |guest, _| {
                for _ in 0..3 {
                    guest
                        .call::<(), _>("write", &("x".repeat(500_000), "y".repeat(500_000)))
                        .await?;
                }
                Ok(())
            },
        )
        .await?;
        let kept = out.read();
        assert_eq!((kept.bytes.len(), kept.dropped), (1000, 1_499_000));
        Ok(())
    });
}

#[test]
fn a_child_writes_where_its_parent_does_unless_it_is_silenced() {
    story(async |host| {
        let (out, err) = (Capture::new(), Capture::new());
        let both = |spec: Spec| spec.stdout(&out).stderr(&err);
        with(host, both, async |guest, _| {
            guest.call::<(), _>("child_writes", &("stdout", "", "a ")).await?;
            guest.call::<(), _>("child_writes", &("stdout", "null", "b ")).await?;
            guest.call::<(), _>("child_writes", &("stderr", "null", "c ")).await?;
            let wider = guest.call::<(), _>("child_writes", &("stdout", "inherit", "d ")).await;
            let wider = failed(wider);
            assert_eq!(wider.kind(), ErrorKind::SpawnFailed);
            assert!(wider.message().contains("standard output is not the host's"), "{wider}");
            Ok(())
        })
        .await?;
        assert_eq!(
            (out.read().text(), err.read().text()),
            ("a c ".to_owned(), "a b ".to_owned())
        );
        Ok(())
    });
}

#[test]
fn each_stream_goes_its_own_way() {
    let err = Capture::new();
    let host = |builder: steading::HostBuilder| builder.stdout(Stdio::Log).stderr(&err).stdin(Stdio::Null);
    story_with(host, async |host| {
        let lines = capture();
        with(
            host,
            |spec| spec,
            async |guest, _| {
                guest.call::<(), _>("write", &("logged\n", "kept\n")).await?;
                assert_eq!(
                    guest.call::<String, _>("read", &()).await?,
                    "",
                    "there is nothing to read"
                );
                Ok(())
            },
        )
        .await?;
        let logged: Vec<_> = lines.all().into_iter().map(|line| line.message).collect();
        assert!(logged.iter().any(|line| line.contains("logged")), "{logged:?}");
        assert!(!logged.iter().any(|line| line.contains("kept")), "{logged:?}");
        Ok(())
    });
    assert!(err.read().text().contains("kept\n"));
}

/// What the host says an actor may have: contexts, and bytes of log in a second.
fn bounds(host: &Host, name: &str) -> (u64, u64) {
    let snapshot = host.snapshot();
    let actor = snapshot.actors.iter().find(|actor| &*actor.id.name == name);
    let actor = actor.unwrap_or_else(|| panic!("{name} is not among {snapshot}"));
    (actor.contexts_limit, actor.log_rate)
}

#[test]
fn an_actor_has_the_contexts_it_was_given_and_its_child_no_more() {
    story(async |host| {
        let both = |(contexts, log_rate): (Option<u32>, Option<u32>), (of_child, rate_of_child)| {
            let grant = move |mut spec: Spec| {
                (spec.contexts, spec.log_rate) = (contexts, log_rate);
                spec
            };
            async move |expected: [(u64, u64); 2]| {
                with(host, grant, async |guest, _| {
                    let look = async |_: Context<(), ()>, ()| {
                        assert_eq!([bounds(host, "guest"), bounds(host, "child")], expected);
                        guest.cancel_actor("seen").await.map(drop)
                    };
                    let seen = guest.open_context("parent_of", &(of_child, rate_of_child), look).await;
                    assert!(failed(seen).is_cancelled());
                    Ok(())
                })
                .await
            }
        };
        let none: (Option<u32>, Option<u32>) = (None, None);
        both(none, none)([(256, 65_536); 2]).await?;
        both((Some(300), Some(100_000)), none)([(300, 100_000), (256, 65_536)]).await?;
        both((Some(300), Some(100_000)), (Some(280), Some(70_000)))([(300, 100_000), (280, 70_000)]).await?;
        both((Some(20), Some(10)), (Some(280), Some(70_000)))([(20, 10); 2]).await?;
        both((Some(20), Some(10)), none)([(20, 10); 2]).await?;
        both((Some(1 << 20), Some(1 << 30)), none)([(4096, 1 << 20), (256, 65_536)]).await
    });
}

#[test]
fn one_context_more_than_it_was_given_is_refused() {
    story(async |host| {
        with(
            host,
            |spec| spec.contexts(1),
            async |guest, _| {
                let second = async |_: Context<(), ()>, ()| {
                    let refused = failed(guest.call::<(), _>("chat", &1).await);
                    assert_eq!(refused.kind(), ErrorKind::Limit("contexts".into()));
                    Err::<(), _>(steading::Error::msg("seen"))
                };
                let end = guest.open_context("hold", &(), second).await;
                assert_eq!(failed(end).message(), "seen");
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn what_is_logged_beyond_the_rate_is_dropped_and_counted() {
    story_with(
        |builder| builder.history(10),
        async |host| {
            let lines = capture();
            with(
                host,
                |spec| spec.log_rate(0),
                async |guest, _| guest.call::<(), _>("chat", &30).await,
            )
            .await?;
            let ended = host.snapshot().ended;
            let guest = ended
                .iter()
                .find(|actor| &*actor.id.name == "guest")
                .expect("it was there");
            assert_eq!((guest.log_bytes, guest.log_dropped_lines), (0, 30));
            assert!(guest.log_dropped_bytes >= 30 * "line 1".len() as u64, "{guest:?}");
            let totals = host.snapshot().totals();
            let totals = totals
                .iter()
                .find(|totals| totals.name == "guest")
                .expect("it was there");
            assert_eq!(
                (totals.log_dropped_lines, totals.contexts_most, totals.contexts_limit),
                (30, 1, 256)
            );
            let said = lines.all();
            assert!(said.iter().any(|line| line.message.contains("30 log lines dropped")));
            assert!(!said.iter().any(|line| line.message.contains("line 7")));
            Ok(())
        },
    );
}
