//! A panic arrives as an error, with message and backtrace, at everybody who talks to the actor.

use std::time::Duration;

use steading::{Context, Error, ErrorKind, sleep};
use steading_tests::artifacts::PANICS;
use steading_tests::{failed, story, with_actor};

#[test]
fn a_panic_arrives_with_message_and_function_names() {
    story(async |host| {
        let mut seen = None;
        let end = with_actor(host, PANICS, async |guest| {
            seen = Some(failed(guest.call::<(), _>("now", "tea is out").await));
            Ok(())
        })
        .await;
        let error = seen.expect("the call has failed");
        check(&error);
        // The actor is dead of it, and nobody had asked for that: its nursery says so too (semantics 10).
        failed(end).members().iter().for_each(check);
        Ok(())
    });
}

fn check(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Panic, "{error}");
    assert!(error.message().contains("the guest said: tea is out"), "{error}");
    let backtrace = error
        .boxed()
        .and_then(|error| error.backtrace.clone())
        .unwrap_or_default();
    for function in ["inner_frame", "outer_frame"] {
        assert!(backtrace.contains(function), "{function} is not in:\n{backtrace}");
    }
    assert!(format!("{error:#}").contains("inner_frame"), "the long form shows it");
}

#[test]
fn a_panic_fails_every_context_of_its_actor() {
    story(async |host| {
        let end = with_actor(host, PANICS, async |guest| {
            let wait = guest.open_context("wait", &(), async |_: Context<(), ()>, ()| {
                assert_eq!(
                    failed(guest.call::<(), _>("now", "all of us").await).kind(),
                    ErrorKind::Panic
                );
                sleep(Duration::from_secs(3600)).await
            });
            wait.await
        })
        .await;
        for error in failed(end).members() {
            assert_eq!(error.kind(), ErrorKind::Panic, "{error}");
            assert!(error.message().contains("all of us"), "{error}");
        }
        Ok(())
    });
}
