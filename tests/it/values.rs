//! Typed values in, typed values out.

use serde::{Deserialize, Serialize};
use steading::{ErrorKind, Portal, Result};
use steading_tests::artifacts::VALUES;
use steading_tests::{failed, story, with_actor};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    age: u8,
    tags: Vec<String>,
    note: Option<String>,
}

#[test]
fn typed_arguments_and_results_cross() {
    story(async |host| {
        with_actor(host, VALUES, async |guest| {
            assert_eq!(guest.call::<i64, _>("add", &(40, 2)).await?, 42);
            let ada = Person {
                name: "Ada".into(),
                age: 36,
                tags: vec!["math".into()],
                note: None,
            };
            let older: Person = guest.call("older", &(&ada, 1)).await?;
            assert_eq!(older, Person { age: 37, ..ada });
            guest.call::<(), _>("nothing", &()).await?;
            assert_eq!(guest.call::<Vec<u8>, _>("zeroes", &1000).await?, vec![0; 1000]);
            Ok(())
        })
        .await
    });
}

#[test]
fn no_value_is_a_value() {
    story(async |host| {
        with_actor(host, VALUES, async |guest| {
            assert_eq!(guest.call::<Option<String>, _>("echo", &None::<String>).await?, None);
            assert_eq!(
                guest.call::<Option<String>, _>("echo", &Some("x")).await?,
                Some("x".to_owned())
            );
            Ok(())
        })
        .await
    });
}

#[test]
fn an_actor_knows_who_it_is() {
    story(async |host| {
        with_actor(host, VALUES, async |guest| {
            assert_eq!(guest.call::<String, _>("who", &()).await?, guest.id().to_string());
            assert_eq!(&*guest.id().name, "guest");
            Ok(())
        })
        .await
    });
}

#[test]
fn arguments_of_another_type_say_what_was_expected() {
    story(async |host| {
        with_actor(host, VALUES, async |guest| {
            let error = failed(guest.call::<i64, _>("add", &("forty", "two")).await);
            assert_eq!(error.kind(), ErrorKind::PayloadMismatch);
            assert!(error.message().contains("(i64, i64)"), "{error}");
            assert_eq!(error.source_actor(), Some(guest.id()));
            assert_eq!(guest.call::<i64, _>("add", &(1, 2)).await?, 3, "and the actor goes on");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_result_of_another_type_is_a_mismatch_at_the_caller() {
    story(async |host| {
        with_actor(host, VALUES, async |guest| {
            let error = failed(guest.call::<String, _>("add", &(1, 2)).await);
            assert_eq!(error.kind(), ErrorKind::PayloadMismatch);
            assert!(error.message().contains("String"), "{error}");
            Ok(())
        })
        .await
    });
}

#[test]
fn an_unknown_endpoint_is_told_with_the_known_ones() {
    story(async |host| {
        with_actor(host, VALUES, async |guest| {
            let error = failed(guest.call::<(), _>("subtract", &()).await);
            assert_eq!(error.kind(), ErrorKind::NoSuchEndpoint);
            for known in ["subtract", "add", "older", "nothing"] {
                assert!(error.message().contains(known), "{known}: {error}");
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn payloads_beyond_the_limit_fail_the_call_and_nothing_else() {
    story(async |host| {
        with_actor(host, VALUES, async |guest| {
            too_large(guest, "echo", &Some("x".repeat(3 << 19))).await;
            // A `Vec<u8>` is an array of numbers, here of one byte each.
            too_large(guest, "zeroes", &(3 << 19)).await;
            // So much that the host would not even look at it.
            too_large(guest, "zeroes", &(8 << 20)).await;
            assert_eq!(guest.call::<i64, _>("add", &(1, 2)).await?, 3);
            Ok(())
        })
        .await
    });
}

async fn too_large<A: Serialize>(guest: &Portal, endpoint: &str, args: &A) {
    let end: Result<Option<Vec<u8>>> = guest.call(endpoint, args).await;
    let error = failed(end.map(|_| ()));
    assert_eq!(error.kind(), ErrorKind::Limit("payload".into()), "{endpoint}: {error}");
    assert!(error.message().contains(&format!("`{endpoint}`")), "{error}");
}
