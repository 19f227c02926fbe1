//! Attacks by way of files; where they lead to is in `paths.rs`.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use steading::{Directory, Error, Rung, sleep};
use steading_tests::artifacts::{HOSTILE_FILES, HOSTILE_PROTOCOL};
use steading_tests::{capture, story_once};

use super::{BEFORE_CANCEL, assault_with, attack};

#[test]
fn files_and_directories_are_counted() {
    let folder = tempfile::tempdir().expect("there is room");
    fs::write(folder.path().join("note.txt"), "a note").expect("it can be written");
    fs::create_dir(folder.path().join("inner")).expect("it can be made");
    let path = folder.path().to_str().expect("it has a name in UTF-8").to_owned();
    let grant = |spec: steading::Spec| spec.dir(&path, "/data");
    assault_with(
        HOSTILE_FILES,
        vec![attack("descriptors").limit("resources", "")],
        |builder| builder,
        grant,
    );
    assault_with(
        HOSTILE_PROTOCOL,
        vec![
            attack("many_directories").number(16).returns("it was started"),
            attack("many_directories")
                .number(17)
                .returns("limit directories reached"),
            attack("many_directories")
                .number(5_000)
                .returns("limit directories reached"),
        ],
        |builder| builder,
        grant,
    );
}

#[test]
fn a_file_that_never_answers_holds_up_nobody_else() {
    let folder = tempfile::tempdir().expect("there is room");
    let pipe = make_pipe(folder.path());
    let path = folder.path().to_str().expect("it has a name in UTF-8").to_owned();
    assault_with(
        HOSTILE_FILES,
        // The thread that waits for the pipe is the kernel's until somebody writes to it.
        vec![
            attack("pipe")
                .ends(Rung::Killed)
                .after(move || drop(OpenOptions::new().write(true).open(&pipe))),
        ],
        |builder| builder,
        |spec| spec.dir(&path, "/data"),
    );
}

fn make_pipe(folder: &Path) -> PathBuf {
    let pipe = folder.join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("the machine can make pipes").success());
    pipe
}

#[test]
fn reading_a_large_directory_takes_little_of_the_host_and_is_counted() {
    let folder = tempfile::tempdir().expect("there is room");
    for n in 0..10_000 {
        let name = format!("{n:0>255}");
        fs::write(folder.path().join(name), "").expect("there is room");
    }
    let path = folder.path().to_str().expect("it has a name in UTF-8").to_owned();
    let bounds = [(None, "64, then quota"), (Some(10), "10, then quota")];
    for (open, told) in bounds {
        let directory = Directory::new(path.clone(), "/data");
        let directory = open.into_iter().fold(directory, Directory::open);
        assault_with(
            HOSTILE_FILES,
            vec![attack("listings").returns(told)],
            |builder| builder,
            |spec| spec.directory(directory.clone()),
        );
    }
}

/// A pipe whoever waits at which may go on in the end.
struct Pipe(PathBuf);

impl Drop for Pipe {
    fn drop(&mut self) {
        // Who opens both ends waits for nobody. If it cannot be, threads are left, and the story says so.
        OpenOptions::new().read(true).write(true).open(&self.0).ok();
    }
}

/// Each life of the stuck one leaves a thread behind. Of those it has as many as it may, however often it is started
/// again, and its neighbour always finds one.
#[test]
fn what_never_ends_takes_the_place_of_nobody_else() {
    const LIVES: usize = 24;
    story_once(
        |builder| builder.cancel_grace(Duration::from_millis(10)),
        async |host| {
            let (folder, lines) = (tempfile::tempdir()?, capture());
            fs::write(folder.path().join("note.txt"), "a note")?;
            let _pipe = Pipe(make_pipe(folder.path()));
            let path = folder.path().display().to_string();
            let code = host.load(HOSTILE_FILES)?;
            let spec = |name: &str| code.spec(name).dir(&path, "/data");
            let root = host.root(async |n| {
                let neighbour = n.start_actor(spec("neighbour")).await?;
                let is_well = async || {
                    let note: String = neighbour.call("read", &"/data/note.txt").await?;
                    assert_eq!(note, "a note");
                    Ok::<_, Error>(())
                };
                for _ in 0..LIVES {
                    let stuck = n.start_actor(spec("stuck")).await?;
                    let waits = stuck.call::<String, _>("wait_at_pipe", &());
                    let ends = async {
                        sleep(BEFORE_CANCEL).await?;
                        stuck.cancel_actor_within("", Duration::ZERO).await
                    };
                    let (told, rung) = tokio::join!(waits, ends);
                    assert!(told.is_err() && rung? == Rung::Killed, "{told:?}");
                    is_well().await?;
                }
                let stuck = n.start_actor(spec("stuck")).await?;
                let told: String = stuck.call("wait_at_pipe", &()).await?;
                assert!(told.to_lowercase().contains("busy"), "{told}");
                is_well().await?;
                n.cancel("");
                Ok(())
            });
            let end = root.await;
            let line = lines.find("16 file operations of stuck");
            assert!(line.level == "WARN" && line.message.contains("do not end"), "{line:?}");
            end
        },
    );
}
