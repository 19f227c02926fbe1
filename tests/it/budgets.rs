//! What an actor and all below it use together is bounded, and what a child is granted is part of what its
//! parent has (semantics 11, I22).

use std::time::{Duration, Instant};

use steading::{Budget, Clock, Context, Error, ErrorKind, Host, Portal, Result, Spec};
use steading_tests::artifacts::BUDGETS;
use steading_tests::{failed, story, story_with};

const MIB: u64 = 1 << 20;

/// Starts the guest with a spec, and has the body use it.
async fn with<T>(
    host: &Host,
    change: impl FnOnce(Spec) -> Spec,
    body: impl AsyncFnOnce(&Portal) -> Result<T>,
) -> Result<T> {
    let code = host.load_as("budgets", BUDGETS)?;
    host.root(async |nursery| {
        let guest = nursery.start_actor(change(code.spec("guest"))).await?;
        let value = body(&guest).await?;
        guest.cancel_actor("done").await?;
        Ok(value)
    })
    .await
}

/// The one failure in it.
fn only(end: Result<impl std::fmt::Debug>) -> Error {
    let error = failed(end);
    error.members().first().unwrap_or(&error).clone()
}

fn limit(error: &Error, kind: &str, says: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Limit(kind.into()), "{error}");
    let text = error.to_string();
    assert!(says.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn a_subtree_has_no_more_actors_than_its_budget() {
    story(async |host| {
        let of_four = |spec: Spec| spec.budget(Budget::default().actors(4));
        with(host, of_four, async |guest| guest.call::<(), _>("brood", &(3, 0)).await).await?;
        let end = with(host, of_four, async |guest| guest.call::<(), _>("brood", &(4, 0)).await).await;
        limit(
            &only(end),
            "budget-actors",
            &["cannot start actor `child_3`", "guest@", "4 actors in all", "child_0@"],
        );
        let end = with(host, of_four, async |guest| guest.call::<(), _>("chain", &(4, 0)).await).await;
        limit(&only(end), "budget-actors", &["`level_1`", "4 actors in all"]);
        Ok(())
    });
}

#[test]
fn a_childs_budget_is_a_part_of_its_parents() {
    story(async |host| {
        let of_three = |spec: Spec| spec.budget(Budget::default().actors(3));
        // Each child may have nine; together with the guest there is room for two of them.
        let end = with(host, of_three, async |guest| {
            guest.call::<(), _>("brood", &(3, 9)).await
        })
        .await;
        limit(&only(end), "budget-actors", &["`child_2`", "guest@", "3 actors in all"]);
        Ok(())
    });
}

#[test]
fn a_subtree_has_no_more_memory_than_its_budget() {
    story(async |host| {
        let small = |spec: Spec| spec.budget(Budget::default().memory(16 * MIB));
        with(host, small, async |guest| {
            guest.call::<(), _>("chain", &(2, 4 * MIB)).await
        })
        .await?;
        let end = with(host, small, async |guest| {
            guest.call::<(), _>("chain", &(2, 20 * MIB)).await
        })
        .await;
        limit(
            &only(end),
            "budget-memory",
            &["16777216 bytes of memory in all", "by guest@", "by level_2@"],
        );
        Ok(())
    });
}

#[test]
fn what_a_dead_actor_had_is_free_again() {
    story(async |host| {
        let small = |spec: Spec| spec.budget(Budget::default().memory(16 * MIB).actors(3));
        with(host, small, async |guest| {
            for _ in 0..20 {
                guest.call::<(), _>("chain", &(1, 8 * MIB)).await?;
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn the_host_has_a_budget_for_all() {
    let small = |builder: steading::HostBuilder| builder.total(Budget::default().memory(24 * MIB));
    story_with(small, async |host| {
        let end: Result<()> = with(
            host,
            |spec| spec,
            async |guest| guest.call("chain", &(1, 30 * MIB)).await,
        )
        .await;
        limit(
            &only(end),
            "budget-memory",
            &["this host may have 25165824 bytes of memory in all"],
        );
        Ok(())
    });
}

#[test]
fn by_default_a_guest_cannot_take_the_machine() {
    story(async |host| {
        // 60 MiB are less than each of them may have, and five of them more than all may have.
        let end = with(
            host,
            |spec| spec,
            async |guest| guest.call::<(), _>("hoard", &(5, 60 * MIB)).await,
        )
        .await;
        limit(&only(end), "budget-memory", &["268435456 bytes of memory in all"]);
        Ok(())
    });
}

#[test]
fn a_share_of_the_processor_is_kept() {
    story(async |host| {
        let tenth = |spec: Spec| spec.budget(Budget::default().cpu(0.1));
        with(host, tenth, async |guest| {
            let body = async |ctx: Context<(), ()>, ()| {
                let (begun, before) = (Instant::now(), cpu(host));
                steading::sleep(Duration::from_millis(600)).await?;
                let share = (cpu(host) - before).as_secs_f64() / begun.elapsed().as_secs_f64();
                // What it had saved up comes on top, and the slice in which it was interrupted, which is long on a
                // machine that is busy.
                assert!(share < 0.35, "it had {share} of a core");
                ctx.cancel("measured").await;
                Ok(())
            };
            guest.open_context("spin", &(), body).await
        })
        .await
    });
}

fn cpu(host: &Host) -> Duration {
    let actors = host.snapshot().actors;
    let guests = actors.iter().filter(|actor| *actor.id.name == *"guest");
    guests.map(|actor| actor.cpu).sum()
}

#[test]
fn an_actor_runs_the_components_it_was_granted() {
    story(async |host| {
        host.load_as("budgets", BUDGETS)?;
        host.load_as("other", BUDGETS)?;
        let start = async |grants: fn(Spec) -> Spec, component: &str| {
            with(host, grants, async |guest| {
                guest.call::<(), _>("start", component).await
            })
            .await
        };
        start(|spec| spec, "other").await?;
        start(|spec| spec.components(["other"]), "other").await?;
        let error = only(start(|spec| spec.components(["other"]), "budgets").await);
        assert_eq!(error.kind(), ErrorKind::SpawnFailed, "{error}");
        assert!(
            error
                .to_string()
                .contains("no component `budgets` was granted to guest@"),
            "{error}"
        );
        assert!(error.to_string().contains("it may run: other"), "{error}");
        Ok(())
    });
}

#[test]
fn components_are_handed_on_and_never_made_up() {
    story(async |host| {
        host.load_as("other", BUDGETS)?;
        let start = async |may_run: Option<Vec<&str>>, component: &str| {
            let only_other = |spec: Spec| spec.components(["other"]);
            with(host, only_other, async |guest| {
                guest.call::<(), _>("start_in_child", &(may_run, component)).await
            })
            .await
        };
        start(None, "other").await?;
        start(Some(vec!["other"]), "other").await?;
        let none = only(start(Some(vec![]), "other").await);
        assert!(none.to_string().contains("was granted to middle@"), "{none}");
        let more = only(start(Some(vec!["budgets"]), "budgets").await);
        assert_eq!(more.kind(), ErrorKind::SpawnFailed, "{more}");
        assert!(more.to_string().contains("its parent may not run `budgets`"), "{more}");
        Ok(())
    });
}

#[test]
fn children_are_as_many_as_the_spec_says() {
    story(async |host| {
        let two = |spec: Spec| spec.children(2);
        with(host, two, async |guest| guest.call::<(), _>("brood", &(2, 0)).await).await?;
        let end = with(host, two, async |guest| guest.call::<(), _>("brood", &(3, 0)).await).await;
        limit(&only(end), "children", &["2"]);
        Ok(())
    });
}

#[test]
fn a_guest_tells_the_time_as_well_as_it_may() {
    story(async |host| {
        let step = async |clock: Option<Clock>, looks: u64| {
            let grant = |spec: Spec| clock.into_iter().fold(spec, Spec::clock);
            with(host, grant, async |guest| {
                guest.call::<Option<u64>, _>("step", &looks).await
            })
            .await
        };
        assert!(
            step(Some(Clock::Real), 2_000)
                .await?
                .is_some_and(|step| step < 1_000_000)
        );
        assert!(step(None, 200_000).await?.is_none_or(|step| step % 1_000_000 == 0));
        assert_eq!(
            step(Some(Clock::Frozen), 200_000).await?,
            None,
            "it stands still within a turn"
        );
        Ok(())
    });
}

#[test]
fn random_numbers_are_the_same_for_the_same_seed() {
    story(async |host| {
        let random = async |seed: Option<u64>| {
            let grant = |spec: Spec| seed.into_iter().fold(spec, Spec::seed);
            with(host, grant, async |guest| guest.call::<u64, _>("random", &()).await).await
        };
        assert_eq!(random(Some(7)).await?, random(Some(7)).await?);
        assert_ne!(random(Some(7)).await?, random(Some(8)).await?);
        assert_ne!(random(None).await?, random(None).await?);
        Ok(())
    });
}

/// No child has better random numbers than who has started it.
#[test]
fn random_numbers_of_all_below_a_seeded_actor_are_the_same_for_the_same_seed() {
    story(async |host| {
        let random = async |seed: u64| {
            with(
                host,
                |spec| spec.seed(seed),
                async |guest| guest.call::<Vec<u64>, _>("random_below", &2).await,
            )
            .await
        };
        let numbers = random(7).await?;
        assert_eq!(numbers, random(7).await?);
        let others = random(8).await?;
        let all: std::collections::BTreeSet<_> = numbers.iter().chain(&others).collect();
        assert_eq!(all.len(), 14, "each has its own: {numbers:?} {others:?}");
        Ok(())
    });
}

/// What a call passes is held by the host for as long as nobody has begun to serve it.
#[test]
fn arguments_that_wait_are_charged_to_who_calls() {
    let own = |spec: Spec| spec.budget(Budget::default().memory(16 * MIB));
    story(async |host| {
        let call = async |nap: u64, bytes: u64| {
            with(host, own, async |guest| {
                guest.call::<(), _>("call_who_naps", &(nap, bytes)).await
            })
            .await
        };
        // There is room for what is small.
        call(100, 10).await?;
        let says = ["what it passes to a call", "16777216 bytes of memory"];
        limit(&only(call(2_000, 900_000).await), "budget-memory", &says);
        Ok(())
    });
}
