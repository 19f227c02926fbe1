//! Components that are not ours: typed exports are endpoints, under the same limits and the same ladder.

use std::time::Duration;

use ciborium::{Value, cbor};
use steading::{ErrorKind, Portal, Result, Spec};
use steading_tests::artifacts::{EXAMPLE_GREETER, FOREIGN};
use steading_tests::{failed, story, story_with, with_actor};

/// Each call with what it answers.
async fn all(portal: &Portal, calls: impl IntoIterator<Item = (&'static str, Value, Value)>) -> Result<()> {
    for (endpoint, arguments, answer) in calls {
        assert_eq!(
            portal.call::<Value, _>(endpoint, &arguments).await?,
            answer,
            "{endpoint}"
        );
    }
    Ok(())
}

fn value(value: std::result::Result<Value, ciborium::value::Error>) -> Value {
    value.expect("plain values")
}

#[test]
fn every_plain_type_goes_in_and_comes_back() {
    story(async |host| {
        with_actor(host, FOREIGN, async |foreign| {
            let integers = value(cbor!([
                i8::MIN,
                u8::MAX,
                i16::MIN,
                u16::MAX,
                i32::MIN,
                u32::MAX,
                i64::MIN,
                u64::MAX
            ]));
            let texts: Vec<String> = foreign.call("all-integers", &integers).await?;
            assert_eq!((texts[0].as_str(), texts[3].as_str()), ("-128", "-9223372036854775808"));
            assert_eq!((texts[4].as_str(), texts[7].as_str()), ("255", "18446744073709551615"));
            let points = value(cbor!([{ "x" => 1, "y" => 2 }, { "x" => -3 }]));
            let whole = value(cbor!([{ "x" => 1, "y" => 2 }, { "x" => -3, "y" => null }]));
            let same = |endpoint, argument: std::result::Result<_, _>| {
                let argument = value(argument);
                (endpoint, argument.clone(), argument)
            };
            all(
                foreign,
                [
                    ("same-points", points, whole),
                    same("same-shape", cbor!("dot")),
                    same("same-shape", cbor!({ "circle" => 2.5 })),
                    same("same-shape", cbor!({ "named" => "Größe" })),
                    same("same-access", cbor!(["read", "run"])),
                    same("same-color", cbor!("green")),
                    same("same-floats", cbor!([0.5, 1e300])),
                    same("same-bytes", cbor!([0, 255])),
                    ("same-bytes", Value::Bytes(vec![1, 2]), value(cbor!([1, 2]))),
                    (
                        "same-result",
                        value(cbor!({ "Ok" => 7 })),
                        value(cbor!([{ "Ok" => 7 }, "ß"])),
                    ),
                    (
                        "same-result",
                        value(cbor!({ "Err" => "no" })),
                        value(cbor!([{ "Err" => "no" }, "ß"])),
                    ),
                ],
            )
            .await
        })
        .await
    });
}

#[test]
fn what_does_not_fit_is_refused_with_its_place_and_the_actor_goes_on() {
    story(async |host| {
        with_actor(host, FOREIGN, async |foreign| {
            let wrong = [
                (
                    "same-points",
                    cbor!([{ "x" => 1 }, { "x" => "one" }]),
                    "value: [1]: x: expected s32, got a text",
                ),
                ("same-points", cbor!([{ "y" => 1 }]), "value: [0]: field `x` is missing"),
                (
                    "same-points",
                    cbor!([{ "x" => 1, "z" => 1 }]),
                    "no field `z`; there are: x, y",
                ),
                (
                    "same-points",
                    cbor!(1),
                    "expected list<record {x: s32, y: option<s32>}>, got an integer",
                ),
                ("same-color", cbor!("blue"), "no case `blue`; there are: red, green"),
                ("same-shape", cbor!({ "dot" => 1 }), "expected nothing, got an integer"),
                (
                    "same-access",
                    cbor!(["own"]),
                    "no flag `own`; there are: read, write, run",
                ),
                ("same-bytes", cbor!([256]), "256 is out of range for u8"),
                ("same-result", cbor!({ "Ok" => 256 }), "out of range for u8"),
                ("same-floats", cbor!([1]), "it takes 2 arguments, got 1"),
                ("count", cbor!(1), "it takes 0 arguments, got an integer"),
            ];
            for (endpoint, argument, why) in wrong {
                let error = failed(foreign.call::<Value, _>(endpoint, &value(argument)).await);
                assert_eq!(error.kind(), ErrorKind::PayloadMismatch, "{endpoint}: {error}");
                assert!(error.to_string().contains(why), "{endpoint}: {error}");
            }
            let bytes = vec![0u8; 1 << 19];
            let error = failed(foreign.call::<Value, _>("same-bytes", &bytes).await);
            assert!(error.to_string().contains("more than 262144 values"), "{error}");
            assert_eq!(foreign.call::<u32, _>("count", &()).await?, 1, "and the actor goes on");
            Ok(())
        })
        .await
    });
}

#[test]
fn an_instance_keeps_what_it_knows_and_each_actor_has_its_own() {
    story(async |host| {
        let code = host.load(EXAMPLE_GREETER)?;
        host.root(async |nursery| {
            let first = nursery.start_actor(code.spec("first")).await?;
            let second = nursery.start_actor(code.spec("second")).await?;
            assert_eq!(first.call::<String, _>("greet", &"bob").await?, "Hello, bob!");
            let ada = value(cbor!({ "name" => "Ada", "title" => "Dr", "mood" => "formal" }));
            for _ in 0..2 {
                assert_eq!(first.call::<String, _>("welcome", &ada).await?, "Good evening, Dr Ada.");
            }
            let seen: Vec<(String, u32)> = first.call("seen", &()).await?;
            assert_eq!(seen, [("Ada".to_owned(), 2)]);
            assert_eq!(second.call::<Vec<(String, u32)>, _>("seen", &()).await?, []);
            let nobody = value(cbor!({ "name" => "", "mood" => "warm" }));
            let error = failed(first.call::<String, _>("welcome", &nobody).await);
            assert_eq!(
                (error.kind(), error.message()),
                (ErrorKind::EndpointError, "nobody is there".to_owned())
            );
            nursery.cancel("done");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_failure_is_an_error_of_the_endpoint_with_its_value() {
    story(async |host| {
        with_actor(host, FOREIGN, async |foreign| {
            let shape = value(cbor!({ "named" => "blob" }));
            let error = failed(foreign.call::<(), _>("fails", &shape).await);
            assert_eq!(
                (error.kind(), error.message()),
                (ErrorKind::EndpointError, "named: blob".to_owned())
            );
            assert_eq!(error.payload::<Value>(), Some(shape));
            Ok(())
        })
        .await
    });
}

#[test]
fn functions_with_handles_are_no_endpoints_and_the_others_are() {
    story(async |host| {
        let code = host.load(FOREIGN)?;
        let names: Vec<_> = code
            .description()
            .endpoints
            .iter()
            .map(|endpoint| endpoint.name.as_str())
            .collect();
        assert!(names.contains(&"main") && names.contains(&"same-points"), "{names:?}");
        assert!(
            !names.iter().any(|name| name.contains("make") || name.contains('[')),
            "{names:?}"
        );
        Ok(())
    });
}

#[test]
fn calls_wait_for_each_other_and_one_that_is_cancelled_meanwhile_never_runs() {
    story(async |host| {
        with_actor(host, FOREIGN, async |foreign| {
            let nap = foreign.call::<(), _>("naps", &200);
            let given_up = steading::move_on_after(Duration::from_millis(20), foreign.call::<u32, _>("count", &()));
            let (napped, counted) = futures_util::join!(nap, given_up);
            napped?;
            assert_eq!(counted?, None);
            assert_eq!(
                foreign.call::<u32, _>("count", &()).await?,
                1,
                "the other has not counted"
            );
            Ok(())
        })
        .await
    });
}

#[test]
fn who_gives_up_while_it_waits_harms_nobody_however_long_that_takes() {
    story_with(
        |host| host.cancel_grace(Duration::from_millis(30)),
        async |host| {
            with_actor(host, FOREIGN, async |foreign| {
                let nap = foreign.call::<(), _>("naps", &300);
                let given_up = steading::move_on_after(Duration::from_millis(20), foreign.call::<u32, _>("count", &()));
                let (napped, counted) = futures_util::join!(nap, given_up);
                napped?;
                assert_eq!(counted?, None);
                assert_eq!(foreign.call::<u32, _>("count", &()).await?, 1, "and the actor goes on");
                Ok(())
            })
            .await
        },
    );
}

#[test]
fn more_than_an_inbox_of_arguments_does_not_wait() {
    story(async |host| {
        with_actor(host, FOREIGN, async |foreign| {
            let nap = foreign.call::<(), _>("naps", &200);
            let large = Value::Bytes(vec![1; 200_000]);
            let calls = (0..40).map(|_| foreign.call::<Value, _>("same-bytes", &large));
            let (napped, ends) = futures_util::join!(nap, futures_util::future::join_all(calls));
            napped?;
            let refused: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
            assert!((1..40).contains(&refused.len()), "{} were refused", refused.len());
            for error in refused {
                assert_eq!(error.kind(), ErrorKind::Limit("inbox".into()), "{error}");
            }
            assert_eq!(foreign.call::<u32, _>("count", &()).await?, 1, "and the actor goes on");
            Ok(())
        })
        .await
    });
}

#[test]
fn what_its_values_may_take_is_charged_to_its_budget_while_a_call_runs() {
    story(async |host| {
        let code = host.load(FOREIGN)?;
        host.root(async |nursery| {
            let budget = steading::Budget::default().memory(16 << 20);
            let small = nursery.start_actor(code.spec("small").budget(budget)).await?;
            let error = failed(small.call::<Vec<u8>, _>("large", &10).await);
            assert_eq!(error.kind(), ErrorKind::Limit("budget-memory".into()), "{error}");
            assert!(
                error.to_string().contains("may have 16777216 bytes of memory in all"),
                "{error}"
            );
            assert_eq!(small.call::<u32, _>("count", &()).await?, 1, "and the actor goes on");
            nursery.cancel("done");
            Ok(())
        })
        .await
    });
}

#[test]
fn one_that_spins_is_trapped_after_its_grace() {
    story_with(
        |host| host.cancel_grace(Duration::from_millis(50)),
        async |host| {
            let end = with_actor(host, FOREIGN, async |foreign| {
                steading::move_on_after(Duration::from_millis(20), foreign.call::<(), _>("spin", &())).await
            });
            let error = failed(end.await);
            assert_eq!(error.kind(), ErrorKind::Killed, "{error}");
            Ok(())
        },
    );
}

#[test]
fn its_limits_are_those_of_every_actor() {
    story(async |host| {
        let ends = [
            ("grows", cbor!(null), "limit memory reached"),
            ("panics", cbor!(null), "trap (unreachable)"),
            ("spin", cbor!(null), "limit cpu reached"),
        ];
        for (endpoint, argument, kind) in ends {
            let end = with_actor(host, FOREIGN, async |foreign| {
                foreign.call::<(), _>(endpoint, &value(argument)).await
            });
            let error = failed(end.await);
            assert!(error.to_string().contains(kind), "{endpoint}: {error}");
        }
        with_actor(host, FOREIGN, async |foreign| {
            assert_eq!(foreign.call::<Vec<u8>, _>("large", &100_000).await?, vec![7; 100_000]);
            Ok(())
        })
        .await
    });
}

#[test]
fn it_sees_what_it_is_granted() {
    story(async |host| {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("a.txt"), "granted").expect("there is room");
        let code = host.load(FOREIGN)?;
        let read = async |spec: Spec| {
            host.root(async |nursery| {
                nursery
                    .run_in_actor::<String, _>(spec, "read", &"/data/a.txt")
                    .result()
                    .await
            })
            .await
        };
        let granted = code.spec("granted").dir(folder.path().to_string_lossy(), "/data");
        assert_eq!(read(granted).await?, "granted");
        let error = failed(read(code.spec("denied")).await);
        assert_eq!(error.kind(), ErrorKind::EndpointError, "{error}");
        Ok(())
    });
}

#[test]
fn a_program_is_an_actor_with_one_endpoint() {
    story(async |host| {
        let code = host.load(FOREIGN)?;
        let run = async |argument: &str| {
            let spec = code.spec("program").arg("program").arg(argument);
            with_spec(host, spec).await
        };
        run("hello").await?;
        run("exit").await?;
        assert_eq!(failed(run("fail").await).message(), "the program ended with a failure");
        assert!(failed(run("panic").await).to_string().contains("trap (unreachable)"));
        Ok(())
    });
}

#[test]
fn a_program_that_has_exited_is_not_run_again() {
    story(async |host| {
        let code = host.load(FOREIGN)?;
        host.root(async |nursery| {
            let program = nursery
                .start_actor(code.spec("once").arg("program").arg("exit"))
                .await?;
            program.call::<(), _>("main", &()).await?;
            for endpoint in ["main", "count"] {
                let error = failed(program.call::<Value, _>(endpoint, &()).await);
                assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
                assert!(
                    error.to_string().contains("start another actor to run it again"),
                    "{error}"
                );
            }
            nursery.cancel("done");
            Ok(())
        })
        .await
    });
}

async fn with_spec(host: &steading::Host, spec: Spec) -> Result<()> {
    host.root(async |nursery| {
        let program = nursery.start_actor(spec).await?;
        program.call::<(), _>("main", &()).await?;
        nursery.cancel("done");
        Ok(())
    })
    .await
}

/// Writes a greeting by WASI's first preview.
const FIRST_PREVIEW: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "from the first preview\n")
    (data (i32.const 0) "\10\00\00\00\17\00\00\00")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))))"#;

#[test]
fn a_program_of_the_first_preview_is_adapted() {
    story(async |host| {
        let module = wat::parse_str(FIRST_PREVIEW).expect("it is valid");
        let code = host.load_bytes("old", &module)?;
        let lines = steading_tests::capture_guests();
        let spec = code.spec("old").stdout(steading::config::Stdio::Log);
        with_spec(host, spec).await?;
        lines.wait_for("from the first preview").await;
        Ok(())
    });
}

#[test]
fn a_module_without_types_or_a_start_is_refused() {
    story(async |host| {
        let module = wat::parse_str("(module (func (export \"add\")))").expect("it is valid");
        let error = host
            .load_bytes("bare", &module)
            .expect_err("nobody knows its types")
            .to_string();
        assert!(error.contains("bare: is a core module"), "{error}");
        Ok(())
    });
}
