//! Attacks by way of files; where they lead to is in `paths.rs`.

use std::fs::{self, OpenOptions};
use std::process::Command;

use steading::Rung;
use steading_tests::artifacts::{HOSTILE_FILES, HOSTILE_PROTOCOL};

use super::{assault_with, attack};

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
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("the machine can make pipes");
    assert!(made.success());
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
