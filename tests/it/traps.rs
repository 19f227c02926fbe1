//! Faults of the machine are named, and stay with the actor that made them.

use std::time::{Duration, Instant};

use steading::{ErrorKind, Host, Result};
use steading_tests::artifacts::TRAPS;
use steading_tests::{failed, story, with_actor};

/// Calls the endpoint, whose actor dies of it: the kind of that.
async fn dies<A: serde::Serialize>(host: &Host, endpoint: &str, args: &A) -> ErrorKind {
    let end: Result<()> = with_actor(host, TRAPS, async |guest| guest.call(endpoint, args).await).await;
    let error = failed(end);
    assert_eq!(error.members().len(), 1, "{error}");
    error.kind()
}

#[test]
fn every_trap_has_its_name() {
    story(async |host| {
        assert_eq!(
            dies(host, "unreachable", &()).await,
            ErrorKind::Trap("unreachable".into())
        );
        assert_eq!(
            dies(host, "out_of_bounds", &()).await,
            ErrorKind::Trap("memory-out-of-bounds".into())
        );
        assert_eq!(
            dies(host, "stack_overflow", &()).await,
            ErrorKind::Limit("stack".into())
        );
        assert_eq!(dies(host, "memory", &()).await, ErrorKind::Limit("memory".into()));
        assert_eq!(dies(host, "exit", &3).await, ErrorKind::Trap("exit".into()));
        Ok(())
    });
}

#[test]
fn a_trap_is_nothing_to_the_actors_that_come_after_it() {
    story(async |host| {
        let begun = Instant::now();
        for _ in 0..3 {
            assert_eq!(
                dies(host, "unreachable", &()).await,
                ErrorKind::Trap("unreachable".into())
            );
            assert_eq!(
                with_actor(host, TRAPS, async |guest| guest.call::<u32, _>("fine", &()).await).await?,
                42
            );
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "no ladder was climbed for the dead"
        );
        Ok(())
    });
}

#[test]
fn memory_is_limited_by_the_spec_that_starts_an_actor() {
    story(async |host| {
        let code = host.load(TRAPS)?;
        let end: Result<()> = host
            .root(async |nursery| {
                let guest = nursery.start_actor(code.spec("small").memory(8 << 20)).await?;
                guest.call("memory", &()).await
            })
            .await;
        assert_eq!(failed(end).kind(), ErrorKind::Limit("memory".into()));
        Ok(())
    });
}
