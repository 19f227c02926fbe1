//! A guest sees what it was granted, and nothing else of the machine.

use std::fs;

use steading::{Host, Portal, Result, Spec};
use steading_tests::artifacts::FILES;
use steading_tests::{failed, story};

type Answer<T = String> = std::result::Result<T, String>;

/// An actor that was granted what `grant` adds, in a folder with one file and one folder.
async fn with_files<T>(
    host: &Host,
    grant: impl FnOnce(Spec, &str) -> Spec,
    body: impl AsyncFnOnce(&Portal, &std::path::Path) -> Result<T>,
) -> Result<T> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("note.txt"), "a note")?;
    fs::create_dir(folder.path().join("inner"))?;
    fs::write(folder.path().join("inner/deep.txt"), "deep")?;
    let code = host.load(FILES)?;
    let path = folder
        .path()
        .to_str()
        .expect("the temporary directory has a name in UTF-8");
    let spec = grant(code.spec("guest"), path);
    host.root(async |nursery| {
        let guest = nursery.start_actor(spec).await?;
        let value = body(&guest, folder.path()).await?;
        nursery.cancel("");
        Ok(value)
    })
    .await
}

async fn read(guest: &Portal, path: &str) -> Result<Answer> {
    guest.call("read", path).await
}

#[test]
fn nothing_is_granted_by_default() {
    story(async |host| {
        with_files(
            host,
            |spec, _| spec,
            async |guest, folder| {
                for path in ["/", ".", "/etc/passwd", "note.txt", folder.to_str().unwrap_or("/tmp")] {
                    assert!(read(guest, path).await?.is_err(), "{path}");
                    assert!(
                        guest.call::<Answer<Vec<String>>, _>("list", path).await?.is_err(),
                        "{path}"
                    );
                }
                let (args, env): (Vec<String>, Vec<(String, String)>) = guest.call("surroundings", &()).await?;
                assert_eq!((args, env), (vec![], vec![]));
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn a_directory_can_be_read_and_not_written() {
    story(async |host| {
        with_files(
            host,
            |spec, path| spec.dir(path, "/data"),
            async |guest, folder| {
                assert_eq!(read(guest, "/data/note.txt").await?, Ok("a note".to_owned()));
                assert_eq!(read(guest, "/data/inner/deep.txt").await?, Ok("deep".to_owned()));
                let names: Answer<Vec<String>> = guest.call("list", "/data").await?;
                assert_eq!(names, Ok(vec!["inner".to_owned(), "note.txt".to_owned()]));
                for path in ["/data/note.txt", "/data/new.txt", "/data/inner/new.txt"] {
                    assert!(
                        guest.call::<Answer<()>, _>("write", &(path, "x")).await?.is_err(),
                        "{path}"
                    );
                }
                assert!(guest.call::<Answer<()>, _>("remove", "/data/note.txt").await?.is_err());
                assert_eq!(fs::read_to_string(folder.join("note.txt"))?, "a note");
                assert_eq!(fs::read_dir(folder)?.count(), 2);
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn all_names_of_a_large_directory_are_found_once() {
    story(async |host| {
        with_files(
            host,
            |spec, path| spec.dir_writable(format!("{path}/inner"), "/data"),
            async |guest, folder| {
                let inner = folder.join("inner");
                (0..1000).try_for_each(|n| fs::write(inner.join(format!("{n:0>200}")), ""))?;
                let mut expected: Vec<_> = (0..1000).map(|n| format!("{n:0>200}")).collect();
                expected.push("deep.txt".to_owned());
                let names: Answer<Vec<String>> = guest.call("list", "/data").await?;
                assert_eq!(names, Ok(expected));
                // It is removed while it is read.
                let removed: Answer<()> = guest.call("remove_all", "/data").await?;
                assert_eq!((removed, fs::read_dir(&inner)?.count()), (Ok(()), 0));
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn a_directory_has_no_way_out() {
    story(async |host| {
        with_files(
            host,
            |spec, path| spec.dir(format!("{path}/inner"), "/data"),
            async |guest, folder| {
                std::os::unix::fs::symlink(folder.join("note.txt"), folder.join("inner/absolute"))?;
                std::os::unix::fs::symlink("../note.txt", folder.join("inner/relative"))?;
                for path in ["/data/../note.txt", "/data/absolute", "/data/relative"] {
                    assert!(read(guest, path).await?.is_err(), "{path}");
                }
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn a_writable_directory_can_be_written() {
    story(async |host| {
        with_files(
            host,
            |spec, path| spec.dir_writable(path, "/data"),
            async |guest, folder| {
                guest
                    .call::<Answer<()>, _>("write", &("/data/new.txt", "new"))
                    .await?
                    .map_err(steading::Error::msg)?;
                assert_eq!(fs::read_to_string(folder.join("new.txt"))?, "new");
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn arguments_and_environment_are_those_of_the_spec() {
    story(async |host| {
        with_files(
            host,
            |spec, _| spec.arg("one").arg("two words").env("COLOUR", "green"),
            async |guest, _| {
                let (args, env): (Vec<String>, Vec<(String, String)>) = guest.call("surroundings", &()).await?;
                assert_eq!(args, ["one", "two words"]);
                assert_eq!(env, [("COLOUR".to_owned(), "green".to_owned())]);
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn a_child_gets_part_of_what_its_parent_has_and_never_more() {
    story(async |host| {
        with_files(
            host,
            |spec, path| spec.dir(path, "/data"),
            async |guest, _| {
                let handed_on = ("/data/inner", "/mine", false, "/mine/deep.txt");
                assert_eq!(
                    guest.call::<Answer, _>("child_reads", &handed_on).await?,
                    Ok("deep".to_owned())
                );
                let not_seen = ("/data/inner", "/mine", false, "/data/note.txt");
                assert!(guest.call::<Answer, _>("child_reads", &not_seen).await?.is_err());
                let wider = failed(
                    guest
                        .call::<Answer, _>("child_reads", &("/data", "/mine", true, "/mine/note.txt"))
                        .await,
                );
                assert!(wider.message().contains("may only read"), "{wider}");
                let foreign = failed(
                    guest
                        .call::<Answer, _>("child_reads", &("/etc", "/etc", false, "/etc/hosts"))
                        .await,
                );
                assert!(foreign.message().contains("the parent does not have it"), "{foreign}");
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    story(async |host| {
        let code = host.load(FILES)?;
        let start = host.root(async |nursery| {
            nursery
                .start_actor(code.spec("guest").dir("/no/such/folder", "/data"))
                .await?;
            Ok(())
        });
        let error = failed(start.await);
        assert!(error.message().contains("/no/such/folder"), "{error}");
        Ok(())
    });
}
