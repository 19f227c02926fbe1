//! The conformance rows about payloads and errors, MSG and ERR, as far as they have an analog.
//!
//! MSG-2 has none: what a context carries is its type, not a setting that could be made elsewhere or left
//! out. ERR-1 to ERR-6 are about a registry of error types, which is not needed: names travel.

use steading_tests::scenarios::callee::Failure;
use steading_tests::scenarios::{Case, Expects};

use crate::pairings::check;

#[test]
fn msg_1_custom_extension_types() {
    check([Case::CustomTypes]);
}

/// The row's other parameter, types without hooks, does not compile.
#[test]
fn msg_3_ext_types_over_ipc() {
    check([Expects::Anything, Expects::It, Expects::MaybeIt, Expects::Another].map(Case::Expecting));
}

/// Semantics 3 wins over the row: what a caller cannot decode is its own error, not the callee's.
#[test]
fn msg_4_basic_payload_spec_at_the_receiver() {
    let both = [true, false];
    check(both.into_iter().flat_map(|first_is_good| {
        both.map(|last_is_good| Case::Received {
            first_is_good,
            last_is_good,
        })
    }));
}

/// A first value is tried both ways before it is sent, a result only in being encoded.
#[test]
fn msg_4_basic_payload_spec_at_the_sender() {
    let faults = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)];
    check(faults.map(|(first, last)| Case::Sent { first, last }));
}

#[test]
fn a_message_of_another_type_is_raised_at_its_receiver_and_told_to_its_sender() {
    check([true, false].map(|by_caller| Case::BadMessage { by_caller }));
}

#[test]
fn err_7_registered_custom_err_relayed() {
    check([Case::Relayed(Failure::Refused)]);
}

#[test]
fn err_8_registered_another_err_relayed() {
    check([Case::Relayed(Failure::Unknown)]);
}

#[test]
fn err_9_unregistered_err_still_relayed() {
    check([Case::Relayed(Failure::Foreign)]);
}
