//! Attacks on the machine itself, by code that no compiler would write.

use steading::ErrorKind;
use steading_tests::artifacts::HOSTILE_COMPUTE;

use super::core_code::CoreGuest;
use super::{Attack, assault, attack};

const TURN: &str = "computed for 1000 ms without an await that waits";

fn go(component: Vec<u8>) -> Attack {
    attack("go").component(component)
}

fn turn(text: &'static str) -> Attack {
    go(CoreGuest::turn(text))
}

#[test]
fn code_that_spins_where_the_host_calls_it_is_ended() {
    let realloc = CoreGuest {
        realloc: "(call $spin) (i32.const 0)",
        ..CoreGuest::default()
    };
    let describe = CoreGuest {
        describe: "(call $spin) (i32.const 0)",
        ..CoreGuest::default()
    };
    // Only in an actor: one that is asked for its description is told that it is 0 o'clock.
    let start = "(func $go (if (i64.ne (call $now) (i64.const 0)) (then (call $spin)))) (start $go)";
    assault(
        HOSTILE_COMPUTE,
        vec![
            go(CoreGuest::turn_with("(i32.const 0)", start)).limit("cpu", TURN),
            go(realloc.build()).limit("cpu", TURN),
            go(CoreGuest::turn_with(
                "(i32.const 0)",
                r#"(func (export "cabi_post_turn") (param i32) (call $spin))"#,
            ))
            .limit("cpu", TURN),
            go(CoreGuest::turn_with("(i32.const 0)", "(start $spin)"))
                .unloadable("could not be asked what it offers: limit"),
            go(describe.build()).unloadable("could not be asked what it offers: limit"),
        ],
    );
}

#[test]
fn every_trap_of_the_machine_has_its_name() {
    assault(
        HOSTILE_COMPUTE,
        vec![
            turn("unreachable").trap("unreachable"),
            turn("(i32.div_s (i32.const 1) (i32.const 0))").trap("integer-division-by-zero"),
            turn("(i32.div_s (i32.const 0x80000000) (i32.const -1))").trap("integer-overflow"),
            turn("(i32.trunc_f32_s (f32.const nan))").trap("bad-conversion-to-integer"),
            turn("(i32.load (i32.const -8))").trap("memory-out-of-bounds"),
            turn("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1)) (i32.const 0)").trap("memory-out-of-bounds"),
            turn("(table.get (i32.const 99)) drop (i32.const 0)").trap("table-out-of-bounds"),
            turn("(call_indirect (i32.const 99)) (i32.const 0)").trap("table-out-of-bounds"),
            turn("(call_indirect (i32.const 1)) (i32.const 0)").trap("indirect-call-to-null"),
            turn("(call_indirect (type $other) (f64.const 0) (i32.const 0)) drop (i32.const 0)").trap("bad-signature"),
            turn("(call $turn (local.get $time) (local.get $events) (local.get $count))")
                .limit("stack", "the call stack is exhausted"),
        ],
    );
}

#[test]
fn memory_of_every_kind_is_bounded() {
    let four = "(memory $b 1) (memory $c 1) (memory $d 1)";
    let by_turns = "(loop $more
        (drop (memory.grow $b (i32.const 16))) (drop (memory.grow $c (i32.const 16)))
        (br_if $more (i32.ne (memory.grow $d (i32.const 16)) (i32.const -1)))) unreachable";
    let tables = "(loop $more (br_if $more (i32.ne
        (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    assault(
        HOSTILE_COMPUTE,
        vec![
            turn("(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable")
                .limit("memory", "and may have 67108864 (`Spec::memory`"),
            turn("(drop (memory.grow (i32.const 65535))) unreachable").limit("memory", "asked for more memory"),
            go(CoreGuest::turn_with(by_turns, four)).unloadable("memories count of 4 exceeds the per-instance limit"),
            turn(tables).limit("table", "and may have 20000, and nothing raises that"),
            turn("(loop $more (drop (memory.grow (i32.const 65535))) (br $more)) (i32.const 0)").limit("cpu", TURN),
        ],
    );
}

/// They are not looked at before they are over; what bounds them is how much there is. The first one over all memory
/// has the kernel provide it, which takes a machine that does other things some time.
#[test]
fn bulk_operations_are_as_long_as_memory_is_large() {
    let fill = "(drop (memory.grow (i32.const 1000)))
        (loop $more (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536000)) (br $more)) (i32.const 0)";
    let copy = "(drop (memory.grow (i32.const 1000)))
        (loop $more (memory.copy (i32.const 1) (i32.const 0) (i32.const 65536000)) (br $more)) (i32.const 0)";
    let table = "(drop (table.grow $table (ref.null func) (i32.const 19000)))
        (loop $more (table.fill $table (i32.const 0) (ref.func $spin) (i32.const 19000)) (br $more)) (i32.const 0)";
    assault(
        HOSTILE_COMPUTE,
        vec![
            turn(fill).longer().limit("cpu", TURN),
            turn(copy).longer().limit("cpu", TURN),
            turn(table).longer().limit("cpu", TURN),
        ],
    );
}

#[test]
fn what_a_guest_hands_to_its_host_is_not_believed() {
    let wide = "(drop (memory.grow (i32.const 1000))) (call $log (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 65536) (i32.const 1000000)) (i32.const 0)";
    let large = "(drop (memory.grow (i32.const 1000))) (call $started (i32.const 1)
        (i32.const 0) (i32.const 65536000) (i32.const 16)) (i32.const 0)";
    let wild = CoreGuest {
        realloc: "(i32.const -16)",
        ..CoreGuest::default()
    };
    let crooked = CoreGuest {
        realloc: "(i32.const 65537)",
        ..CoreGuest::default()
    };
    let beyond = CoreGuest {
        describe: "(i32.const -24)",
        ..CoreGuest::default()
    };
    let endless = CoreGuest {
        describe: "(i32.store (i32.const 2068) (i32.const 0x7fffffff)) (i32.const 2048)",
        ..CoreGuest::default()
    };
    let escaping = CoreGuest {
        describe: "(i32.store8 (i32.const 2240) (i32.const 27)) (i32.const 2048)",
        ..CoreGuest::default()
    };
    let garbage = CoreGuest {
        describe: "(i32.store (i32.const 2084) (i32.const 100000)) (i32.const 2048)",
        ..CoreGuest::default()
    };
    assault(
        HOSTILE_COMPUTE,
        vec![
            turn(wide).limit("hostcall", ""),
            turn(large).limit("hostcall", ""),
            turn("(call $started (i32.const 1) (i32.const -256) (i32.const 512) (i32.const 16)) (i32.const 0)")
                .dies(ErrorKind::Internal, "out of bounds"),
            turn(
                "(call $log (i32.const 77) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 0)) (i32.const 0)",
            )
            .dies(ErrorKind::Internal, ""),
            turn(
                "(i32.store8 (i32.const 0) (i32.const 255)) (call $log (i32.const 0) (i32.const 0) (i32.const 1)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0)",
            )
            .dies(ErrorKind::Internal, "utf-8"),
            go(wild.build()).dies(ErrorKind::Internal, "realloc return"),
            go(crooked.build()).dies(ErrorKind::Internal, "realloc return"),
            go(beyond.build()).unloadable("could not be asked what it offers"),
            go(endless.build()).unloadable("could not be asked what it offers"),
            go(garbage.build()).unloadable("an endpoint's name"),
            go(escaping.build()).unloadable("an endpoint's name"),
        ],
    );
}

#[test]
fn what_the_host_does_not_have_is_missing_before_anything_runs() {
    let wat = |text: &str| wat::parse_str(text).expect("the text of the attack is valid");
    let sockets = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#;
    let http = r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#;
    assault(
        HOSTILE_COMPUTE,
        vec![
            go(wat(sockets)).unloadable("wasi:sockets/tcp@0.2.0"),
            go(wat(http)).unloadable("wasi:http/outgoing-handler@0.2.0"),
        ],
    );
}
