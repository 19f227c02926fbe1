//! `--dir …,quota=…`: how far an actor may fill a directory, on the command line and in a manifest.

use std::fs;

use steading_test_artifacts::QUOTAS;

use crate::steading::steading;

#[test]
fn a_directory_has_the_quota_it_is_granted_with() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let host = folder.path().display().to_string();
    let dir = format!("--dir={host}:/data:rw,quota=20KiB,open=8");
    let full = steading(&["call", &dir, QUOTAS, "append", "\"/data/a\"", "1000", "100"]).exits(0);
    assert!(full.out.starts_with("[19000,\"I/O error (os error 29)"), "{full:#?}");
    assert!(
        full.err.contains("/data") && full.err.contains("quota="),
        "it is logged: {full:#?}"
    );
    let open = steading(&["call", &dir, QUOTAS, "open", "\"/data/a\"", "100"]).exits(0);
    assert!(open.out.starts_with("[8,"), "{open:#?}");
    fs::remove_file(folder.path().join("a")).expect("it is there");
    steading(&["call", &dir, QUOTAS, "fill_and_die", "\"/data/a\"", "30000"])
        .exits(5)
        .complains(&["code: 29", "hint: ", "quota=BYTES", "dirs = ["]);
    steading(&[
        "call",
        &format!("--dir={host}:/data"),
        QUOTAS,
        "pour",
        "\"/data/a\"",
        "1",
        "1",
    ])
    .exits(1)
    .complains(&["hint: this actor may only read", ":rw"]);
}

#[test]
fn a_manifest_has_it_in_the_same_words() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    fs::create_dir(folder.path().join("filled")).expect("there is room");
    let text = format!(
        "[[actor]]\nname = \"a\"\ncomponent = \"quotas\"\nendpoint = \"many\"\nargs = ['\"/data\"', \"100\", \"0\"]\n\
         dirs = [\"filled:/data:rw,quota=10KiB\"]\n[components]\nquotas = {QUOTAS:?}\n"
    );
    let path = folder.path().join("steading.toml");
    fs::write(&path, text).expect("the folder can be written");
    let run = steading(&["run", "--json", &path.display().to_string()]).exits(0);
    assert_eq!(run.json()["results"]["a"][0], 10, "{run:#?}");
    assert_eq!(
        fs::read_dir(folder.path().join("filled")).expect("it is there").count(),
        10
    );
}
