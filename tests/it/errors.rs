//! Errors arrive as what they were.

use serde::{Deserialize, Serialize};
use steading::{BoxedError, Context, Error, ErrorKind, Host, Result, Spec};
use steading_tests::artifacts::ERRORS;
use steading_tests::scenarios::{GUEST, NATIVE, callee};
use steading_tests::{failed, story, with_actor};

use crate::pairings;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Refused {
    code: u32,
    why: String,
}

#[test]
fn a_sentence_arrives_with_its_source() {
    story(async |host| {
        with_actor(host, ERRORS, async |guest| {
            let error = failed(guest.call::<(), _>("sentence", "no more tea").await);
            assert_eq!(error.kind(), ErrorKind::EndpointError);
            assert_eq!(error.message(), "no more tea");
            assert_eq!(error.source_actor(), Some(guest.id()));
            Ok(())
        })
        .await
    });
}

#[test]
fn a_typed_error_arrives_as_data_too() {
    story(async |host| {
        with_actor(host, ERRORS, async |guest| {
            let error = failed(guest.call::<(), _>("typed", &7).await);
            assert_eq!(
                error.payload::<Refused>(),
                Some(Refused {
                    code: 7,
                    why: "as asked".into()
                })
            );
            assert_eq!(error.message(), "refused with code 7: as asked");
            assert!(error.type_name().ends_with("Refused"), "{}", error.type_name());
            Ok(())
        })
        .await
    });
}

#[test]
fn the_type_of_a_foreign_error_is_kept() {
    story(async |host| {
        with_actor(host, ERRORS, async |guest| {
            assert_eq!(guest.call::<i32, _>("parse", "12").await?, 12);
            let error = failed(guest.call::<i32, _>("parse", "twelve").await);
            assert!(error.type_name().contains("ParseIntError"), "{}", error.type_name());
            assert!(error.message().contains("invalid digit"), "{error}");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_failure_in_the_middle_of_a_stream_ends_the_pair() {
    story(async |host| {
        with_actor(host, ERRORS, async |guest| {
            let mut seen = Vec::new();
            let body = async |ctx: Context<(), u32>, ()| {
                ctx.stream(async |stream| {
                    while let Some(number) = stream.next().await? {
                        seen.push(number);
                    }
                    Ok(())
                })
                .await
            };
            let error = failed(guest.open_context("midway", &3_u32, body).await);
            assert_eq!(
                error.payload::<Refused>(),
                Some(Refused {
                    code: 3,
                    why: "in the middle".into()
                })
            );
            // Semantics 2: a terminal frame overtakes data, so what came is a prefix.
            assert!((0..3).collect::<Vec<_>>().starts_with(&seen), "{seen:?}");
            Ok(())
        })
        .await
    });
}

#[test]
fn an_error_fails_its_context_only() {
    story(async |host| {
        with_actor(host, ERRORS, async |guest| {
            let (bad, good) = futures_util::join!(guest.call::<(), _>("typed", &1), guest.call::<i32, _>("parse", "5"));
            assert_eq!(failed(bad).kind(), ErrorKind::EndpointError);
            assert_eq!(good?, 5);
            Ok(())
        })
        .await
    });
}

/// The failure of workers at the end of three hops, each made of the component named.
async fn failed_far_away(host: &Host, route: [&str; 3]) -> Error {
    let [first, rest @ ..] = route;
    let end: Result<()> = host
        .root(async |n| {
            let first = n.start_actor(Spec::component(first, "hop-2")).await?;
            first.call("delegate", &rest).await
        })
        .await;
    failed(end)
}

fn names(ids: &[steading::ActorId]) -> Vec<&str> {
    ids.iter().map(|id| &*id.name).collect()
}

fn origin(error: &Error) -> (&str, Vec<&str>) {
    let BoxedError { source, relay_path, .. } = error.boxed().expect("it came from another actor");
    (&source.name, names(relay_path))
}

#[test]
fn a_group_arrives_whole_over_three_hops() {
    let kinds = [GUEST, NATIVE];
    story(async |host| {
        pairings::load(host)?;
        for route in (0..8).map(|bits| [kinds[bits & 1], kinds[bits >> 1 & 1], kinds[bits >> 2]]) {
            let error = failed_far_away(host, route).await;
            assert_eq!(
                (error.message().as_str(), origin(&error)),
                ("cannot delegate", ("hop-1", vec!["hop-2"]))
            );
            let group = error.cause().expect("it says why");
            assert_eq!(origin(group), ("hop-0", vec!["hop-1", "hop-2"]));
            let origins: Vec<_> = group.members().iter().map(origin).collect();
            let path = vec!["hop-0", "hop-1", "hop-2"];
            assert_eq!(
                origins,
                ["refuses", "knows-not", "misreads", "dies"].map(|name| (name, path.clone()))
            );
            check_members(group.members(), route[2]);
        }
        Ok(())
    });
}

/// What each of the four workers failed with is still all there.
fn check_members(members: &[Error], component: &str) {
    let [refused, unknown, foreign, died] = members else {
        panic!("four, not {members:#?}")
    };
    assert_eq!(refused.payload(), Some(callee::Refused { code: 7 }));
    assert_eq!(unknown.payload(), Some(callee::Unknown { name: "Bob".into() }));
    assert!(foreign.type_name().ends_with("ParseIntError"), "{foreign}");
    match component {
        GUEST => {
            assert!(matches!(died.kind(), ErrorKind::Trap(_)), "{died}");
            assert!(died.boxed().is_some_and(|died| died.backtrace.is_some()), "{died:#}");
        }
        _ => assert_eq!(died.kind(), ErrorKind::Panic),
    }
}

#[test]
fn an_error_reads_as_one_chain_outermost_first() {
    story(async |host| {
        pairings::load(host)?;
        let error = failed_far_away(host, [NATIVE, GUEST, NATIVE]).await;
        let text = format!("{error:#}");
        let lines: Vec<_> = text.lines().map(without_uuids).collect();
        let expected = [
            "endpoint error in hop-1 via hop-2: cannot delegate",
            "  caused by: 4 errors in hop-0 via hop-1 via hop-2",
            "    1. endpoint error in refuses via hop-0 via hop-1 via hop-2: refused with code 7",
            "    2. endpoint error in knows-not via hop-0 via hop-1 via hop-2: nobody called Bob is here",
            "    3. endpoint error in misreads via hop-0 via hop-1 via hop-2: invalid digit found in string",
            "    4. panic in dies via hop-0 via hop-1 via hop-2: a native callee dies",
        ];
        assert_eq!(lines, expected);
        Ok(())
    });
}

/// `name@1f2e3d4c` without what is another one in each run.
fn without_uuids(line: &str) -> String {
    let mut parts = line.split('@');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.get(8..).unwrap_or_default())
}
