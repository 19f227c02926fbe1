//! What a context grants its callee has until the context ends, and not a moment longer (semantics 11, I22).

use std::fs;
use std::path::Path;

use steading::{Context, Directory, Error, ErrorKind, Grant, Host, NativeActor, Portal, Result, Spec, granted};
use steading_tests::artifacts::{FOREIGN, GRANTING};
use steading_tests::{failed, story};

/// What the guest holds until its caller says that it is enough.
type Hold = Context<(), (), String>;

/// An actor that is granted nothing, and a folder with a note in it and in a folder below.
async fn with<T>(
    host: &Host,
    spec: impl FnOnce(Spec, &str) -> Spec,
    body: impl AsyncFnOnce(&Portal, &Path) -> Result<T>,
) -> Result<T> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("note.txt"), "a note")?;
    fs::create_dir(folder.path().join("inner"))?;
    fs::write(folder.path().join("inner/note.txt"), "another note")?;
    let spec = spec(host.load(GRANTING)?.spec("guest"), path_of(folder.path()));
    host.root(async |nursery| {
        let guest = nursery.start_actor(spec).await?;
        let value = body(&guest, folder.path()).await?;
        nursery.cancel("");
        Ok(value)
    })
    .await
}

fn path_of(path: &Path) -> &str {
    path.to_str().expect("the temporary directory has a name in UTF-8")
}

fn read_only(folder: &Path, name: &str) -> Directory {
    Directory::new(path_of(folder), name)
}

async fn peek(guest: &Portal, directory: Directory, name: &str) -> Result<String> {
    guest.context("peek").args(name).grant(directory).call().await
}

#[test]
fn a_callee_has_what_its_context_was_granted_and_no_other_context_has() {
    story(async |host| {
        with(
            host,
            |spec, _| spec,
            async |guest, folder| {
                assert_eq!(peek(guest, read_only(folder, "in"), "in").await?, "a note");
                let error = failed(peek(guest, read_only(folder, "in"), "out").await);
                assert_eq!(error.kind(), ErrorKind::NotGranted);
                assert!(error.to_string().contains("no directory `out`") && error.to_string().contains("it has: `in`"));
                let error = failed(guest.call::<String, _>("peek", "in").await);
                assert_eq!(error.kind(), ErrorKind::NotGranted);
                assert!(error.to_string().contains("it has: none"), "{error}");
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn contexts_at_the_same_time_have_what_each_of_them_was_granted() {
    story(async |host| {
        with(
            host,
            |spec, _| spec,
            async |guest, folder| {
                let outer = guest.context("hold").args("in").grant(read_only(folder, "in"));
                let said = async |ctx: Hold, first: String| {
                    let inner = peek(guest, read_only(&folder.join("inner"), "in"), "in").await?;
                    ctx.stream(async |_| Ok((first, inner))).await
                };
                assert_eq!(outer.open(said).await?, ("a note".into(), "another note".into()));
                Ok(())
            },
        )
        .await
    });
}

/// Everything that was kept is of no use.
async fn nothing_is_left(guest: &Portal, how: &str) -> Result<()> {
    let tried: Vec<(String, String)> = guest.call("later", &()).await?;
    assert!(tried.len() >= 9, "{how}: {tried:?}");
    for (what, came) in tried {
        // What a stream says of its failure does not reach a guest's C library.
        let by_stream = what.ends_with(" on") || what == "read from the start";
        let says_no = came == "permission denied" || came == "entity not found" || by_stream;
        assert!(says_no && came != "it worked", "{how}: {what}: {came}");
    }
    Ok(())
}

#[test]
fn what_was_kept_is_of_no_use_when_the_context_is_over() {
    story(async |host| {
        with(
            host,
            |spec, _| spec,
            async |guest, folder| {
                let hold = || {
                    let directory = read_only(folder, "in").writable();
                    guest.context("hold").args("in").grant(directory)
                };
                let works = async |guest: &Portal| {
                    let tried: Vec<(String, String)> = guest.call("later", &()).await?;
                    let worked = tried.iter().filter(|(_, came)| came == "it worked").count();
                    assert!(worked >= 9, "as long as it lasts: {tried:?}");
                    Ok::<_, Error>(fs::write(folder.join("note.txt"), "a note")?)
                };
                hold()
                    .open(async |ctx: Hold, _| {
                        works(guest).await?;
                        ctx.stream(async |_| Ok(())).await
                    })
                    .await?;
                nothing_is_left(guest, "returned").await?;
                let cancelled = hold().open(async |ctx: Hold, _| {
                    ctx.cancel("enough").await;
                    ctx.wait_result::<()>().await
                });
                assert!(cancelled.await.is_err());
                nothing_is_left(guest, "cancelled").await?;
                let late = hold().deadline(std::time::Duration::from_millis(50));
                failed(late.open(async |ctx: Hold, _| ctx.wait_result::<()>().await).await);
                nothing_is_left(guest, "late").await?;
                assert_eq!(
                    fs::read_to_string(folder.join("note.txt"))?,
                    "a note",
                    "nothing was written"
                );
                assert_eq!(fs::read_dir(folder)?.count(), 3, "and nothing else was made or removed");
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn what_may_be_read_cannot_be_written_and_a_quota_holds() {
    story(async |host| {
        with(
            host,
            |spec, _| spec,
            async |guest, folder| {
                let write = async |directory: Directory, bytes: usize| {
                    let call = guest.context("write").args(&("in", "x".repeat(bytes)));
                    call.grant(directory).call::<()>().await
                };
                let error = failed(write(read_only(folder, "in"), 1).await);
                assert_eq!(error.kind(), ErrorKind::EndpointError);
                assert_eq!(fs::read_to_string(folder.join("note.txt"))?, "a note");
                write(read_only(folder, "in").writable(), 3).await?;
                assert_eq!(fs::read_to_string(folder.join("note.txt"))?, "xxx");
                failed(write(read_only(folder, "in").writable().quota(1000), 10_000).await);
                assert!(fs::metadata(folder.join("note.txt"))?.len() <= 1000);
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn no_path_leads_out_of_what_was_granted() {
    story(async |host| {
        with(
            host,
            |spec, _| spec,
            async |guest, folder| {
                let below = async |path: &str| {
                    let call = guest.context("below").args(&("in", path));
                    call.grant(read_only(&folder.join("inner"), "in"))
                        .call::<Vec<String>>()
                        .await
                };
                std::os::unix::fs::symlink("..", folder.join("inner/up"))?;
                for path in ["", ".", "./"] {
                    assert_eq!(below(path).await?, ["note.txt", "up"], "{path}");
                }
                for path in [
                    "..",
                    "../..",
                    "../in/..",
                    "up",
                    "up/inner",
                    "/etc",
                    "../../../etc",
                    "note.txt/..",
                ] {
                    failed(below(path).await);
                }
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn nobody_grants_what_it_does_not_have() {
    story(async |host| {
        with(
            host,
            |spec, path| spec.dir(path, "/mine"),
            async |guest, folder| {
                let pass_on =
                    async |path: &str, writable: bool| guest.call::<String, _>("pass_on", &(path, writable)).await;
                assert_eq!(pass_on("/mine", false).await?, "a note");
                assert_eq!(pass_on("/mine/inner", false).await?, "another note");
                for (path, writable, why) in [
                    ("/mine", true, "may only read it"),
                    ("/etc", false, "does not have it"),
                    ("/mine/../etc", false, "does not have it"),
                    ("/mine/none", false, "No such file"),
                    ("/granted", false, "does not have it"),
                    ("/granted/1/in", false, "does not have it"),
                ] {
                    let error = failed(pass_on(path, writable).await);
                    assert_eq!(error.kind(), ErrorKind::NotGranted, "{path}: {error}");
                    assert!(error.to_string().contains(why), "{path}: {error}");
                    assert!(error.to_string().contains("cannot open `peek`"), "{path}: {error}");
                }
                let error = failed(peek(guest, read_only(&folder.join("none"), "in"), "in").await);
                assert!(error.to_string().contains("/none"), "{error}");
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn names_are_one_step_of_a_path_and_each_is_there_once() {
    story(async |host| {
        with(
            host,
            |spec, _| spec,
            async |guest, folder| {
                for name in ["", ".", "..", "a/b", "a\nb"] {
                    let error = failed(peek(guest, read_only(folder, name), name).await);
                    assert_eq!(error.kind(), ErrorKind::NotGranted, "{name:?}: {error}");
                }
                let twice = guest.context("peek").args("in");
                let twice = twice.grant(read_only(folder, "in")).grant(read_only(folder, "in"));
                assert!(
                    failed(twice.call::<String>().await)
                        .to_string()
                        .contains("two directories")
                );
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn who_was_granted_something_hands_it_on_for_as_long_as_it_has_it() {
    story(async |host| {
        with(
            host,
            |spec, _| spec,
            async |guest, folder| {
                let ask = async |endpoint: &str| {
                    let call = match endpoint {
                        "pass_on" => guest.context(endpoint).args(&("in", false)),
                        _ => guest.context(endpoint).args("in"),
                    };
                    call.grant(read_only(folder, "in")).call::<String>().await
                };
                assert_eq!(ask("pass_on").await?, "a note", "to a child's context");
                assert_eq!(ask("hand_on").await?, "a note", "to a child");
                let writable = guest
                    .context("pass_on")
                    .args(&("in", true))
                    .grant(read_only(folder, "in"));
                assert!(
                    failed(writable.call::<String>().await)
                        .to_string()
                        .contains("may only read it")
                );
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn children_of_a_context_run_the_components_it_was_granted() {
    story(async |host| {
        host.load_as("other", FOREIGN)?;
        with(
            host,
            |spec, _| spec.components(Vec::<String>::new()),
            async |guest, _| {
                let start = async |grant: Option<Grant>| {
                    let call = guest.context("start").args("other");
                    grant
                        .into_iter()
                        .fold(call, |call, grant| call.grant(grant))
                        .call::<String>()
                        .await
                };
                let error = failed(start(None).await);
                assert_eq!(error.kind(), ErrorKind::SpawnFailed);
                assert_eq!(start(Some(Grant::component("other"))).await?, "child runs");
                failed(start(None).await);
                let error = failed(start(Some(Grant::component("missing"))).await);
                assert!(error.to_string().contains("component `missing`"), "{error}");
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn so_much_is_granted_at_a_time_and_no_more() {
    story(async |host| {
        with(
            host,
            |spec, path| spec.dir(path, "/mine"),
            async |guest, _| {
                let (contexts, why): (usize, String) = guest.call("flood", &("/mine/inner", 10)).await?;
                assert_eq!(contexts, 6, "{why}");
                assert!(why.contains("70 things at a time, and 64"), "{why}");
                assert_eq!(guest.call::<u32, _>("churn", &("/mine/inner", 200)).await?, 200);
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn a_foreign_component_finds_it_by_its_name() {
    story(async |host| {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("note.txt"), "a note")?;
        let spec = host.load(FOREIGN)?.spec("foreign");
        host.root(async |nursery| {
            let foreign = nursery.start_actor(spec).await?;
            let read = || foreign.context("read").args("/granted/in/note.txt");
            let granting = read().grant(read_only(folder.path(), "in"));
            assert_eq!(granting.call::<String>().await?, "a note");
            failed(read().call::<String>().await);
            let granting = read().grant(read_only(folder.path(), "other"));
            failed(granting.call::<String>().await);
            nursery.cancel("");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_native_callee_is_told_the_path_of_the_machine() {
    story(async |host| {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("note.txt"), "a note")?;
        let code = host.register_native(
            NativeActor::new("reader").endpoint(steading::Endpoint::plain("peek", async |name: String| {
                Ok(fs::read_to_string(granted(&name)?.join("note.txt"))?)
            })),
        );
        host.root(async |nursery| {
            let reader = nursery.start_actor(code.spec("reader")).await?;
            let error = failed(granted("in").map(drop));
            assert_eq!(
                error.kind(),
                ErrorKind::NotGranted,
                "the root was granted nothing: {error}"
            );
            assert_eq!(peek(&reader, read_only(folder.path(), "in"), "in").await?, "a note");
            failed(reader.call::<String, _>("peek", "in").await);
            nursery.cancel("");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_child_has_nothing_else_where_its_callers_grants_are() {
    story(async |host| {
        let folder = tempfile::tempdir()?;
        let code = host.load(GRANTING)?;
        host.root(async |nursery| {
            for path in ["/granted", "/granted/1", "/granted//x"] {
                let spec = code.spec("guest").dir(path_of(folder.path()), path);
                let error = failed(nursery.start_actor(spec).await);
                assert!(error.to_string().contains("what its callers grant it"), "{error}");
            }
            Ok(())
        })
        .await
    });
}
