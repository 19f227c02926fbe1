//! Compiles the test guests and the examples to components, and writes down where they are.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use steading_build::{Artifact, Build};

/// Whatever a component is made of.
const SOURCES: [&str; 12] = [
    "wit",
    "guest-sdk",
    "tests/guests",
    "tests/scenarios",
    "examples/greeter",
    "examples/hello",
    "examples/pingpong",
    "examples/search",
    "examples/siblings",
    "examples/supervisor",
    "Cargo.toml",
    "Cargo.lock",
];
const EXAMPLES: [&str; 6] = ["greeter", "hello", "pingpong", "search", "siblings", "supervisor"];

fn main() {
    let root = workspace();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let target = target_dir();
    let guests = build(
        Build::new(root.join("tests/guests"))
            .bins()
            .lto(false)
            .target_dir(target.join("guests")),
    );
    let examples = EXAMPLES.map(|name| {
        // As `steading run` builds it, so that the tests of the command line find it built.
        build(Build::new(root.join("examples").join(name)))
    });
    let text = constants(&root, &target, &guests, &examples.concat());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it for build scripts"));
    fs::write(out.join("artifacts.rs"), text).expect("OUT_DIR can be written");
}

fn workspace() -> PathBuf {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts"));
    here.ancestors()
        .nth(2)
        .expect("this crate is at tests/artifacts")
        .to_path_buf()
}

/// `target`, found from `target/debug/build/steading-test-artifacts-…/out`.
fn target_dir() -> PathBuf {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it for build scripts"));
    let build = out
        .ancestors()
        .find(|dir| dir.file_name().is_some_and(|name| name == "build"));
    build
        .and_then(Path::parent)
        .and_then(Path::parent)
        .expect("OUT_DIR is below target/PROFILE/build")
        .to_path_buf()
}

fn build(build: Build) -> Vec<Artifact> {
    match build.run(|_| {}) {
        Ok(artifacts) => artifacts,
        Err(error) => panic!("{error}\n{}", error.detail()),
    }
}

fn constants(root: &Path, target: &Path, guests: &[Artifact], examples: &[Artifact]) -> String {
    let mut text = String::new();
    let mut put = |name: &str, docs: &str, path: &Path| {
        // Writing to a string does not fail.
        _ = writeln!(text, "/// {docs}\npub const {}: &str = {path:?};", name.to_uppercase());
    };
    put("WORKSPACE", "The root of the repository.", root);
    put("TARGET_DIR", "Where everything is built.", target);
    for guest in guests {
        put(
            &guest.name,
            &format!("The component of the guest `{}`.", guest.name),
            &guest.path,
        );
    }
    for example in examples {
        put(
            &format!("example_{}", example.name),
            &format!("The component of the example `{}`.", example.name),
            &example.path,
        );
    }
    let calls: String = guests
        .iter()
        .map(|guest| format!("        $for_each!({});\n", guest.name))
        .collect();
    text + &format!(
        "/// Hands the name of each guest to a macro.\n#[macro_export]\nmacro_rules! foreach_guest {{\n    ($for_each:ident) => {{\n{calls}    }};\n}}\n"
    )
}
