//! Guests written in text, for what no compiler would write.
//!
//! A core module with the world's type inside becomes an actor with one endpoint, `go`, when it is loaded. Each
//! piece of it can be exchanged: what `turn` does, what `describe` does, what happens when the host asks for room.

use wit_component::StringEncoding;

/// A module to be.
pub(super) struct CoreGuest {
    /// Of `turn`, between its parameters and its end.
    pub(super) turn: &'static str,
    /// Of `describe`.
    pub(super) describe: &'static str,
    /// Of `cabi_realloc`.
    pub(super) realloc: &'static str,
    /// Memories, tables, functions, start sections, exports.
    pub(super) fields: &'static str,
}

impl Default for CoreGuest {
    fn default() -> Self {
        Self {
            turn: "(i32.const 0)",
            describe: "(i32.const 2048)",
            realloc: "(call $bump (local.get 3))",
            fields: "",
        }
    }
}

impl CoreGuest {
    /// A guest whose first turn does this.
    pub(super) fn turn(turn: &'static str) -> Vec<u8> {
        Self {
            turn,
            ..Self::default()
        }
        .build()
    }

    /// A guest whose first turn does this, with such fields besides.
    pub(super) fn turn_with(turn: &'static str, fields: &'static str) -> Vec<u8> {
        Self {
            turn,
            fields,
            ..Self::default()
        }
        .build()
    }

    /// The module, with the type of the world inside.
    ///
    /// # Panics
    /// When the text is not valid.
    pub(super) fn build(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).expect("the text of the attack is valid");
        let mut resolve = wit_parser::Resolve::default();
        let wit = format!("{}/wit", steading_tests::artifacts::WORKSPACE);
        let (package, _) = resolve.push_path(wit).expect("the interfaces are valid");
        let world = resolve
            .select_world(&[package], Some("actor"))
            .expect("it is one of them");
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .expect("a module takes a section more");
        module
    }

    /// The description is at 2048: two empty texts and one endpoint at 2080, of which all is zero but its name.
    fn text(&self) -> String {
        let Self {
            turn,
            describe,
            realloc,
            fields,
        } = self;
        format!(
            r#"(module
            (import "steading:actor/runtime@0.1.0" "now" (func $now (result i64)))
            (import "steading:actor/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32 i32 i32)))
            (import "steading:actor/context@0.1.0" "started" (func $started (param i32 i32 i32 i32)))
            (memory $main (export "memory") 2)
            (table $table 8 funcref)
            (type $other (func (param f64) (result f64)))
            (elem (i32.const 0) $spin)
            (data (i32.const 2048) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\20\08\00\00\01\00\00\00")
            (data (i32.const 2080) "\c0\08\00\00\02\00\00\00")
            (data (i32.const 2240) "go")
            (global $heap (mut i32) (i32.const 65536))
            (func $bump (param i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
                (global.set $heap (i32.add (local.get $at) (local.get 0)))
                (local.get $at))
            (func $spin (loop $again (br $again)))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
            (func (export "describe") (result i32) {describe})
            (func $turn (export "turn") (param $time i64) (param $events i32) (param $count i32) (result i32) {turn})
            (func (export "turn-on-data") (param i64 i32 i32 i32) (result i32) (i32.const 0))
            {fields})"#
        )
    }
}
