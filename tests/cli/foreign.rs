//! A component that asks for what this host does not offer can be looked at, and not be run.

use std::path::Path;

use steading_test_artifacts::WORKSPACE;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::steading::steading;

const FOREIGN: &str = "acme:rockets/launch@1.0.0";

/// An actor without endpoints that could launch a rocket.
fn component() -> Vec<u8> {
    let module = r#"(module
        (import "acme:rockets/launch@1.0.0" "fire" (func $fire))
        (memory (export "memory") 2)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
        (func (export "describe") (result i32) (i32.const 0))
        (func (export "turn") (param i64 i32 i32) (result i32) (call $fire) (i32.const 0))
        (func (export "turn-on-data") (param i64 i32 i32 i32) (result i32) (i32.const 0)))"#;
    let world = "package acme:rockets@1.0.0;
        interface launch { fire: func(); }
        world guest { include steading:actor/actor@0.1.0; import launch; }";
    let mut resolve = wit_parser::Resolve::default();
    resolve
        .push_path(Path::new(WORKSPACE).join("wit"))
        .expect("it is valid");
    let package = resolve.push_str("rockets.wit", world).expect("it is valid");
    let world = resolve.select_world(&[package], Some("guest")).expect("it is there");
    let mut module = wat::parse_str(module).expect("it is valid");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("they fit");
    let encoder = ComponentEncoder::default().module(&module).expect("it is one");
    encoder
        .validate(true)
        .encode()
        .expect("it has all that its world asks for")
}

#[test]
fn unknown_imports_are_shown_by_inspect_and_refused_by_run() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("rockets.wasm");
    std::fs::write(&path, component()).expect("there is room");
    let path = path.to_string_lossy().into_owned();
    let shown = steading(&["inspect", &path]).exits(0).out;
    let line = shown.lines().find(|line| line.contains(FOREIGN));
    assert!(line.is_some_and(|line| line.contains("not offered here")), "{shown}");
    let json = steading(&["inspect", "--json", &path]).exits(0).json();
    assert_eq!(json["unknown_imports"], serde_json::json!([FOREIGN]));
    for args in [["run", &path, "--endpoint", "x"], ["call", &path, "x", "1"]] {
        steading(&args).exits(3).complains(&[FOREIGN, "does not offer"]);
    }
}
