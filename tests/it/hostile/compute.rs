//! Attacks on the processor, and ends that nobody expects.

use steading::{ErrorKind, Rung};
use steading_tests::artifacts::HOSTILE_COMPUTE;

use super::{assault, attack};

const TURN: &str = "computed for 1000 ms without an await that waits";

#[test]
fn what_computes_without_end_is_ended() {
    assault(
        HOSTILE_COMPUTE,
        vec![
            attack("body").limit("cpu", TURN),
            attack("body").ends(Rung::Trapped),
            attack("destructor").ends(Rung::Trapped),
            attack("cleanup").ends(Rung::Trapped),
            attack("hook").ends(Rung::Trapped),
            attack("dodge").limit("cpu", TURN),
            attack("dodge").ends(Rung::Trapped),
            attack("empty_waits").limit("cpu", TURN),
            attack("short_turns").ends(Rung::Acked),
            attack("clocks").returns("looked often"),
            attack("recursion").limit("stack", "the call stack is exhausted"),
        ],
    );
}

#[test]
fn what_does_not_hear_a_cancel_is_ended() {
    assault(
        HOSTILE_COMPUTE,
        vec![
            attack("deaf").ends(Rung::Trapped),
            attack("stubborn").ends(Rung::Trapped),
            attack("waiting_hook").ends(Rung::Trapped),
            attack("panicking_hook")
                .cancelled()
                .dies(ErrorKind::Panic, "at the very end"),
        ],
    );
}

#[test]
fn every_way_out_of_a_guest_is_named() {
    let exit = || ErrorKind::Trap("exit".into());
    assault(
        HOSTILE_COMPUTE,
        vec![
            attack("exit").number(0).dies(exit(), "exit with success"),
            attack("exit").number(1).dies(exit(), "exit with failure"),
            attack("exit").number(255).dies(exit(), "exit with failure"),
            attack("exit").number(-1).dies(exit(), "exit with failure"),
            attack("abort_in_drop").trap("unreachable"),
            attack("panic_in_panic").trap("unreachable"),
            attack("panic_in_drop").dies(ErrorKind::Panic, "while it was dropped"),
            attack("long_panic").dies(ErrorKind::Panic, "no, no, no"),
            attack("panic_with_escapes").dies(ErrorKind::Panic, "forged"),
        ],
    );
}
