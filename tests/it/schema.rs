//! What is known of payload types, and what becomes of payloads that do not fit, in every pairing.

use steading::{Code, ErrorKind, Host, NativeActor, Result, Signature};
use steading_tests::artifacts::SCHEMA;
use steading_tests::scenarios::typed::{self, ADD, LAST, Mismatch, SEARCH};
use steading_tests::{failed, story, with_actor};

/// The actor with the endpoints of `typed`, in both kinds.
fn callees(host: &Host) -> Result<[Code; 2]> {
    let native = NativeActor::new("native-schema")
        .endpoint(ADD.endpoint(typed::add))
        .endpoint(SEARCH.endpoint(typed::search))
        .endpoint(LAST.endpoint(typed::last));
    Ok([host.register_native(native), host.load_as("guest-schema", SCHEMA)?])
}

#[test]
fn a_native_caller_is_told_of_what_does_not_fit() {
    story(async |host| {
        for code in callees(host)? {
            host.root(async |n| {
                let callee = n.start_actor(code.spec("callee")).await?;
                for mismatch in Mismatch::ALL {
                    let end = mismatch.run(&callee).await;
                    end.unwrap_or_else(|error| panic!("{mismatch:?} of {}: {error:#}", code.name()));
                }
                n.cancel("");
                Ok(())
            })
            .await?;
        }
        Ok(())
    });
}

#[test]
fn a_guest_that_calls_is_told_of_what_does_not_fit() {
    story(async |host| {
        let codes = callees(host)?;
        with_actor(host, SCHEMA, async |guest| {
            for mismatch in Mismatch::ALL {
                for code in &codes {
                    let end: Result<()> = guest.call("run", &(mismatch, code.name())).await;
                    end.unwrap_or_else(|error| panic!("{mismatch:?} of {}: {error:#}", code.name()));
                }
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn an_actor_for_one_call_is_held_to_its_signature() {
    static WRONG: Signature<(i64, i64), String> = Signature::new("add");
    story(async |host| {
        for code in callees(host)? {
            let end = host.root(async |n| {
                let sum = ADD.run_in_actor(&n, code.spec("right"), &(40, 2));
                assert_eq!(sum.result().await?, 42);
                WRONG.run_in_actor(&n, code.spec("wrong"), &(40, 2)).result().await
            });
            let error = failed(end.await);
            let text = format!("{:016x}", ADD.schema().hash());
            for error in error.members() {
                assert_eq!(error.kind(), ErrorKind::PayloadMismatch, "{error}");
                assert!(error.message().contains(&text), "{error}");
            }
        }
        Ok(())
    });
}

#[test]
fn guest_and_native_agree_on_every_hash() {
    story(async |host| {
        let [native, guest] = callees(host)?;
        for name in ["add", "search", "last"] {
            let schema = |code: &Code| {
                let mut endpoints = code.description().endpoints.iter();
                let endpoint = endpoints.find(|endpoint| endpoint.name == name);
                endpoint.expect("both have it").schema.clone()
            };
            assert_eq!(schema(&native), schema(&guest), "{name}");
            assert_ne!(schema(&guest).hash(), 0, "{name}");
        }
        with_actor(host, SCHEMA, async |guest| {
            assert_eq!(guest.call::<[u64; 3], _>("hashes", &()).await?, typed::hashes());
            Ok(())
        })
        .await
    });
}

#[test]
fn a_type_without_a_schema_is_checked_value_by_value_only() {
    static TAKES_NUMBER: Signature<u8, String> = Signature::new("opaque");
    story(async |host| {
        let [_, code] = callees(host)?;
        let opaque = code.description().endpoints.iter().find(|e| e.name == "opaque");
        let schema = &opaque.expect("it is in the source").schema;
        assert_eq!((schema.hash(), schema.to_string().as_str()), (0, "? -> text"));
        with_actor(host, SCHEMA, async |guest| {
            let error = failed(TAKES_NUMBER.call(guest, &7).await);
            assert_eq!(error.kind(), ErrorKind::PayloadMismatch);
            assert!(error.message().starts_with("arguments:"), "{error}");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_guest_has_the_signatures_of_its_own_endpoints() {
    story(async |host| {
        with_actor(host, SCHEMA, async |guest| {
            let (sum, echo, opaque): (i64, String, String) = guest.call("ask_child", &(40, 2)).await?;
            assert_eq!((sum, echo.as_str()), (42, "anything"));
            assert_eq!(opaque, "opaque: ? -> text");
            Ok(())
        })
        .await
    });
}
