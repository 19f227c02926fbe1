//! Errors arrive as what they were.

use serde::{Deserialize, Serialize};
use steading::{Context, ErrorKind};
use steading_tests::artifacts::ERRORS;
use steading_tests::{failed, story, with_actor};

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
