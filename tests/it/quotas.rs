//! What a guest may add to a directory: never more than its quota, whatever it does.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use steading::{Directory, ErrorKind, Host, Portal, Restart, Result};
use steading_tests::artifacts::QUOTAS;
use steading_tests::{capture, failed, story, story_once};

/// How far the guest came, and why no further.
type Came = (u64, Option<String>);

/// Far more than it takes to write some files.
const PATIENCE: Duration = Duration::from_secs(4);
const KIB: u64 = 1024;
/// What the guest may add, in all these stories.
const QUOTA: u64 = 100 * KIB;

/// A folder that a guest may fill up to its quota.
async fn with<T>(
    host: &Host,
    change: impl FnOnce(Directory) -> Directory,
    body: impl AsyncFnOnce(&Portal, &Path) -> Result<T>,
) -> Result<T> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().display().to_string();
    let directory = change(Directory::new(path, "/data").writable().quota(QUOTA));
    let spec = host.load(QUOTAS)?.spec("guest").directory(directory);
    host.root(async |nursery| {
        let guest = nursery.start_actor(spec).await?;
        let value = body(&guest, folder.path()).await?;
        nursery.cancel("");
        Ok(value)
    })
    .await
}

/// Bytes of all files by their lengths, once for each, and a kilobyte for each name.
fn weight(folder: &Path) -> u64 {
    let mut files = std::collections::BTreeMap::new();
    let names = look(folder, &mut files);
    files.into_values().sum::<u64>() + names * KIB
}

fn look(folder: &Path, files: &mut std::collections::BTreeMap<u64, u64>) -> u64 {
    let mut names = 0;
    for entry in fs::read_dir(folder).expect("it is there") {
        let entry = entry.expect("it can be read");
        let found = entry.metadata().expect("it is there");
        names += 1;
        match found.is_dir() {
            true => names += look(&entry.path(), files),
            false => drop(files.insert(found.ino(), found.len())),
        }
    }
    names
}

/// What is refused as it is asked for says so; of what a stream could not write, the guest's C library only knows
/// that it failed (29), as with any disk that is full.
fn is_full(why: &Option<String>) -> bool {
    let says = |words| why.as_ref().is_some_and(|why| why.contains(words));
    says("No space left") || says("(os error 29)")
}

/// Calls an endpoint that goes on until there is no room, and looks at what it left.
async fn fills<A: serde::Serialize>(guest: &Portal, folder: &Path, endpoint: &str, args: &A) -> Result<u64> {
    let (came, why) = guest.call::<Came, _>(endpoint, args).await?;
    assert!(is_full(&why), "{endpoint}: {came} and {why:?}");
    let weight = weight(folder);
    assert!(weight <= QUOTA, "{endpoint} left {weight}");
    assert!(
        weight > QUOTA - 20 * KIB,
        "{endpoint}: the quota is there to be used, and {weight} is all"
    );
    Ok(came)
}

/// Calls an endpoint that changes the same room again and again, and comes to its end.
async fn goes_on<A: serde::Serialize>(guest: &Portal, endpoint: &str, args: &A, rounds: u64) -> Result<()> {
    let came = guest.call::<Came, _>(endpoint, args).await?;
    assert_eq!(came, (rounds, None), "{endpoint}");
    Ok(())
}

#[test]
fn whatever_a_guest_writes_ends_at_its_quota() {
    story(async |host| {
        with(
            host,
            |dir| dir,
            async |guest, folder| fills(guest, folder, "append", &("/data/a", 1000, 1000)).await,
        )
        .await?;
        with(
            host,
            |dir| dir,
            async |guest, folder| fills(guest, folder, "pour", &("/data/a", 1000, 1000)).await,
        )
        .await?;
        with(
            host,
            |dir| dir,
            async |guest, folder| fills(guest, folder, "many", &("/data", 1000, 100)).await,
        )
        .await?;
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                let files = fills(guest, folder, "many", &("/data", 1000, 0)).await?;
                assert_eq!(files, 100, "an empty file is a kilobyte");
                Ok(())
            },
        )
        .await?;
        with(
            host,
            |dir| dir,
            async |guest, folder| fills(guest, folder, "names", &("/data", "folder", 1000)).await,
        )
        .await?;
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                fs::write(folder.join("file"), "")?;
                let (links, why) = guest.call::<Came, _>("names", &("/data", "name", 1000)).await?;
                assert!(links == 100 && is_full(&why), "{links} {why:?}");
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn length_counts_where_nothing_was_written() {
    story(async |host| {
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                for (endpoint, far) in [
                    ("sparse", 1_u64 << 40),
                    ("set_size", 1 << 40),
                    ("set_size", 1 << 62),
                    ("sparse", QUOTA),
                ] {
                    let why: Option<String> = guest.call(endpoint, &("/data/far", far)).await?;
                    assert!(is_full(&why), "{endpoint} {far}: {why:?}");
                    assert_eq!(fs::metadata(folder.join("far"))?.len(), 0, "{endpoint} {far}");
                }
                assert_eq!(
                    guest
                        .call::<Option<String>, _>("sparse", &("/data/far", 50 * KIB))
                        .await?,
                    None
                );
                assert_eq!(
                    guest
                        .call::<Option<String>, _>("set_size", &("/data/far", 90 * KIB))
                        .await?,
                    None
                );
                let why: Option<String> = guest.call("write", &("/data/more", 20 * KIB)).await?;
                assert!(is_full(&why), "{why:?}");
                assert_eq!(
                    guest.call::<Option<String>, _>("set_size", &("/data/far", 0)).await?,
                    None
                );
                assert_eq!(
                    guest
                        .call::<Option<String>, _>("write", &("/data/more", 20 * KIB))
                        .await?,
                    None
                );
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn what_is_made_shorter_or_removed_is_given_back_and_no_more_than_that() {
    story(async |host| {
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                goes_on(guest, "rewrite", &("/data/a", 60 * KIB, 50), 50).await?;
                fs::remove_file(folder.join("a"))?;
                // What others remove, the host has not seen.
                let why: Option<String> = guest.call("write", &("/data/b", 60 * KIB)).await?;
                assert!(is_full(&why), "{why:?}");
                Ok(())
            },
        )
        .await?;
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                goes_on(guest, "remove", &("/data", 60 * KIB, 50, false), 50).await?;
                goes_on(guest, "replace", &("/data", 40 * KIB, 50), 50).await?;
                fills(guest, folder, "append", &("/data/rest", 1000, 1000)).await
            },
        )
        .await?;
        // What was there before is nobody's to have back.
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                fs::write(folder.join("old"), vec![0; 10 * QUOTA as usize])?;
                let emptied: Option<String> = guest.call("set_size", &("/data/old", 0)).await?;
                assert_eq!(emptied, None);
                fs::remove_file(folder.join("old"))?;
                fills(guest, folder, "append", &("/data/a", 1000, 1000)).await
            },
        )
        .await
        .map(drop)
    });
}

#[test]
fn a_file_without_a_name_takes_room_for_as_long_as_it_is_open() {
    story(async |host| {
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                let (rounds, why) = guest
                    .call::<Came, _>("remove", &("/data", 30 * KIB, 50_u64, true))
                    .await?;
                assert!(rounds == 3 && is_full(&why), "{rounds} {why:?}");
                // They were closed when the call returned.
                fs::remove_file(folder.join("3")).ok();
                goes_on(guest, "remove", &("/data", 30 * KIB, 50, false), 50).await
            },
        )
        .await
    });
}

/// Every way to change a directory, in any order, streams that nobody waits for and files without names among them.
async fn runs_wild<A: serde::Serialize>(
    guest: &Portal,
    folder: &Path,
    endpoint: &str,
    args: impl Fn(u64) -> A,
) -> Result<()> {
    let mut successes = 0;
    for seed in 0..20 {
        successes += guest.call::<u64, _>(endpoint, &args(seed)).await?;
        let weight = weight(folder);
        assert!(weight <= QUOTA, "seed {seed}: {weight}");
    }
    assert!(successes > 1000, "it was tried: {successes}");
    Ok(())
}

#[test]
fn whatever_a_guest_does_to_a_directory_is_within_its_quota() {
    story_once(
        |builder| builder,
        async |host| {
            let nothing = |dir| dir;
            with(host, nothing, async |guest, folder| {
                runs_wild(guest, folder, "wild", |seed| (seed, 400)).await?;
                // Whoever counts too little or too much has something left.
                guest.call::<(), _>("clear", "/data").await?;
                fills(guest, folder, "append", &("/data/rest", 1000, 1000))
                    .await
                    .map(drop)
            })
            .await?;
            with(host, nothing, async |guest, folder| {
                let args = |seed: u64| ("/data", 1000 * seed, 200);
                runs_wild(guest, folder, "wild_together", args).await?;
                guest.call::<(), _>("clear", "/data").await?;
                fills(guest, folder, "append", &("/data/rest", 1000, 1000))
                    .await
                    .map(drop)
            })
            .await
        },
    );
}

#[test]
fn a_stream_says_that_there_is_no_room_to_who_asks() {
    story(async |host| {
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                let word: String = guest.call("last_word", &()).await?;
                assert!(word.contains("insufficient-space"), "{word}");
                assert!(weight(folder) <= QUOTA);
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn children_share_the_quota_of_who_hands_the_directory_on() {
    story(async |host| {
        for of_each in [None, Some(10 * QUOTA)] {
            with(
                host,
                |dir| dir,
                async |guest, folder| {
                    let args = ("/data", 2, QUOTA, of_each);
                    let written: u64 = guest.call("share", &args).await?;
                    let weight = weight(folder);
                    assert!(
                        weight <= QUOTA && weight > QUOTA - 20 * KIB,
                        "{of_each:?}: {weight}, {written}"
                    );
                    let rest: Option<String> = guest.call("write", &("/data/rest", 20 * KIB)).await?;
                    assert!(is_full(&rest), "their parent has no more than they left: {rest:?}");
                    Ok(())
                },
            )
            .await?;
        }
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                let args = ("/data", 3, QUOTA, Some(20 * KIB));
                let written: u64 = guest.call("share", &args).await?;
                assert!(
                    (3 * 18 * KIB..=3 * 19 * KIB).contains(&written),
                    "each has its own: {written}"
                );
                assert!(weight(folder) <= 60 * KIB);
                Ok(())
            },
        )
        .await
    });
}

/// What one of them has to wait for is not what the others wait for.
#[test]
fn who_has_to_rest_holds_up_nobody_who_shares_its_quota() {
    story_once(
        |builder| builder,
        async |host| {
            with(
                host,
                |dir| dir,
                async |guest, _| {
                    let begun = Instant::now();
                    goes_on(guest, "beside_one_that_rests", &("/data", 200), 200).await?;
                    // Each rest is one of seconds.
                    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
                    Ok(())
                },
            )
            .await
        },
    );
}

#[test]
fn directories_with_different_quotas_are_different_disks() {
    story(async |host| {
        let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        fs::write(one.path().join("big"), vec![0; 2 * QUOTA as usize])?;
        let path = |folder: &tempfile::TempDir| folder.path().display().to_string();
        let spec = host.load(QUOTAS)?.spec("guest");
        let spec = spec.dir_writable(path(&one), "/free");
        let spec = spec.directory(Directory::new(path(&other), "/bounded").writable().quota(QUOTA));
        host.root(async |nursery| {
            let guest = nursery.start_actor(spec).await?;
            for link in [false, true] {
                let why: Option<String> = guest.call("carry", &("/free/big", "/bounded/big", link)).await?;
                assert!(why.as_ref().is_some_and(|why| why.contains("link")), "{why:?}");
            }
            assert_eq!(fs::read_dir(other.path())?.count(), 0);
            let within: Option<String> = guest.call("carry", &("/free/big", "/free/bigger", false)).await?;
            assert_eq!(within, None);
            nursery.cancel("");
            Ok(())
        })
        .await
    });
}

#[test]
fn so_many_files_are_open_and_no_more() {
    story(async |host| {
        with(
            host,
            |dir| dir.open(10),
            async |guest, folder| {
                fs::write(folder.join("file"), "x")?;
                for round in 0..3 {
                    let (open, why) = guest.call::<Came, _>("open", &("/data/file", 100)).await?;
                    assert!(open == 10 && why.is_some(), "round {round}: {open} {why:?}");
                }
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn an_actor_that_is_started_again_goes_on_with_what_was_left() {
    story(async |host| {
        let folder = tempfile::tempdir()?;
        let directory = Directory::new(folder.path().display().to_string(), "/data").writable();
        let spec = host.load(QUOTAS)?.spec("guest").directory(directory.quota(QUOTA));
        let spec = spec.restart(Restart::permanent().intensity(3, Duration::from_secs(60)));
        let root = host.root(async |nursery| {
            let mut guest = nursery.start_actor(spec).await?;
            for file in ["/data/a", "/data/b"] {
                let died = failed(guest.call::<(), _>("fill_and_die", &(file, 60 * KIB)).await);
                assert_eq!(died.kind(), ErrorKind::Panic, "{died}");
                guest = guest.successor().await?;
            }
            assert!(weight(folder.path()) <= QUOTA);
            nursery.cancel("");
            Ok(())
        });
        root.await
    });
}

#[test]
fn that_a_directory_is_full_is_logged_once_with_the_way_to_raise_it() {
    story(async |host| {
        let lines = capture();
        with(
            host,
            |dir| dir,
            async |guest, folder| {
                for _ in 0..3 {
                    fills(guest, folder, "append", &("/data/a", 1000, 1000)).await?;
                }
                Ok(())
            },
        )
        .await?;
        let said = lines
            .all()
            .into_iter()
            .filter(|line| line.message.contains("at its bound"));
        let said: Vec<_> = said.collect();
        assert_eq!(said.len(), 1, "{said:?}");
        let text = format!("{:?}", said[0]);
        for part in ["guest", "/data", "--dir …,quota="] {
            assert!(text.contains(part), "`{part}` is not in {text}");
        }
        Ok(())
    });
}

/// One that has no quota is as it was.
#[test]
fn without_a_quota_nothing_is_counted() {
    story(async |host| {
        let plain = |mut dir: Directory| {
            dir.quota = None;
            dir
        };
        with(host, plain, async |guest, folder| {
            let came = guest.call::<Came, _>("append", &("/data/a", 10 * KIB, 30)).await?;
            assert_eq!(came, (300 * KIB, None));
            assert_eq!(fs::metadata(folder.join("a"))?.len(), 300 * KIB);
            Ok(())
        })
        .await
    });
}
