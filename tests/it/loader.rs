//! What cannot be loaded is refused in one line that names it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use steading::{Host, LoadError};
use steading_tests::artifacts::VALUES;
use steading_tests::story;

/// The one line in which these bytes are refused.
fn refused(host: &Host, bytes: &[u8]) -> String {
    match host.load_bytes("thing", bytes) {
        Ok(code) => panic!("was to be refused, and is {code:?}"),
        Err(error) => one_line(&error),
    }
}

fn one_line(error: &LoadError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    text
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text of the test is valid")
}

#[test]
fn a_missing_file_is_named() {
    story(async |host| {
        let text = one_line(&host.load("/no/such/thing.wasm").expect_err("it is not there"));
        assert_eq!(text, "/no/such/thing.wasm: no such file");
        Ok(())
    });
}

#[test]
fn a_folder_is_not_a_component() {
    story(async |host| {
        let folder = tempfile::tempdir()?;
        let text = one_line(&host.load(folder.path()).expect_err("it is a folder"));
        assert!(text.contains(&folder.path().display().to_string()), "{text}");
        Ok(())
    });
}

#[test]
fn what_is_not_wasm_says_how_it_begins() {
    story(async |host| {
        for bytes in [&b"#!/bin/sh\n"[..], b"\x7fELF\x02\x01", b"", b"\0as"] {
            let text = refused(host, bytes);
            assert!(text.starts_with("thing: is not a WebAssembly file"), "{text}");
        }
        Ok(())
    });
}

#[test]
fn garbage_behind_the_right_beginning_is_not_valid() {
    story(async |host| {
        let mut garbage = wat("(component)");
        garbage.extend((0..200_u8).map(|n| n.wrapping_mul(37)));
        assert!(refused(host, &garbage).starts_with("thing: is not valid"));
        let whole = fs::read(VALUES)?;
        assert!(refused(host, &whole[..whole.len() / 2]).starts_with("thing: "));
        Ok(())
    });
}

#[test]
fn a_core_module_is_told_how_to_become_a_component() {
    story(async |host| {
        let text = refused(host, &wat("(module (func (export \"main\")))"));
        assert!(
            text.contains("core module") && text.contains("steading build"),
            "{text}"
        );
        Ok(())
    });
}

#[test]
fn unknown_imports_are_named() {
    story(async |host| {
        let component = r#"(component
            (import "wasi:sockets/tcp@0.2.0" (instance))
            (import "acme:rockets/launch@1.0.0" (instance (export "fire" (func)))))"#;
        let text = refused(host, &wat(component));
        assert!(text.contains("acme:rockets/launch@1.0.0"), "{text}");
        Ok(())
    });
}

#[test]
fn a_component_that_is_no_actor_says_what_is_missing() {
    story(async |host| {
        let text = refused(host, &wat("(component)"));
        assert!(text.contains("not a steading actor") && text.contains("`"), "{text}");
        Ok(())
    });
}

#[test]
fn what_was_loaded_once_comes_from_the_cache() {
    story(async |host| {
        host.load(VALUES)?;
        let again = host.load(VALUES)?;
        assert!(again.is_cached());
        assert_eq!(again.size() as u64, fs::metadata(VALUES)?.len());
        assert!(host.cache_report().is_some_and(|cache| cache.entries > 0));
        Ok(())
    });
}

#[test]
fn a_component_says_what_it_offers_without_being_started() {
    story(async |host| {
        let code = host.load(VALUES)?;
        let description = code.description();
        assert_eq!(description.docs, "Takes values and gives values.");
        let older = description
            .endpoints
            .iter()
            .find(|e| e.name == "older")
            .expect("it is in the source");
        assert_eq!(older.docs, "The same person, some years later.");
        let parameters: Vec<_> = older
            .parameters
            .iter()
            .map(|p| (p.name.as_str(), p.type_name.as_str()))
            .collect();
        assert_eq!(parameters, [("person", "Person"), ("years", "u8")]);
        assert_eq!(older.returns, "Person");
        assert!(
            code.imports()
                .iter()
                .any(|import| import.starts_with("steading:actor/")),
            "{:?}",
            code.imports()
        );
        host.assert_quiescent();
        Ok(())
    });
}

#[test]
fn what_is_no_actor_is_not_compiled_again_to_hear_it() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let no_exports = wat("(component (core module (func)))");
    let no_such_import = wat(r#"(component (import "a:b/c" (instance)))"#);
    // The numbers of its files: one that is written again has another.
    let compiled = || -> Vec<u64> {
        let files = fs::read_dir(folder.path()).expect("it is there").flatten();
        let files = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "compiled"));
        let mut files: Vec<_> = files
            .map(|file| file.metadata().map(|data| data.ino()).unwrap_or(0))
            .collect();
        files.sort_unstable();
        files
    };
    steading_tests::story_once(
        |builder| builder.cache_dir(folder.path()),
        async |host| {
            let first = [refused(host, &no_exports), refused(host, &no_such_import)];
            assert!(first[0].contains("not a steading actor"), "{}", first[0]);
            assert!(
                first[1].contains("imports what this host does not offer"),
                "{}",
                first[1]
            );
            let kept = compiled();
            assert_eq!(kept.len(), 2);
            assert_eq!([refused(host, &no_exports), refused(host, &no_such_import)], first);
            assert_eq!(compiled(), kept);
            Ok(())
        },
    );
}
