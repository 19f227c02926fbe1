//! The example does what its README shows.

use std::path::Path;
use std::process::Command;

/// The lines that the README promises; what follows a `…` is another one in each run.
fn promised() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(readme).expect("it is there");
    let block = text
        .split("```console\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let lines = block.expect("it shows a command").lines().skip(1);
    lines.map(str::to_owned).collect()
}

#[test]
fn it_stays_up_whatever_its_plugins_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_plugin-host")).output();
    let output = output.expect("the binary of this package can be started");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    let (got, promised): (Vec<&str>, _) = (out.lines().collect(), promised());
    assert_eq!(got.len(), promised.len(), "{out}{err}");
    for (got, promised) in got.iter().zip(&promised) {
        let same = match promised.split_once('…') {
            Some((before, _)) => got.starts_with(before),
            None => got.starts_with(promised.as_str()),
        };
        assert!(same, "{got}\nwhere the README says\n{promised}");
    }
}

#[test]
fn what_is_no_plugin_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_plugin-host"))
        .arg("no/such.wasm")
        .output();
    let output = output.expect("the binary of this package can be started");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.starts_with("such: not loaded: "), "{out}");
    assert!(out.ends_with("the program goes on\n"), "{out}");
}
