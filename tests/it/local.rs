//! The conformance rows about many tasks of one actor, BRD and TSK, in guests and in native actors.

use steading_tests::scenarios::{Broadcast, Case, Starter, Starting};

use crate::pairings::check;

/// A row with each kind of starter.
fn check_tasks(rows: impl IntoIterator<Item = Starting>) {
    let both = |row: Starting| [Starter::Body, Starter::Task].map(|starter| Case::Tasks(row.clone(), starter));
    check(rows.into_iter().flat_map(both));
}

#[test]
fn brd_1_stream_fan_out_to_local_subscriptions() {
    check([Case::Broadcast(Broadcast::FanOut)]);
}

#[test]
fn brd_2_consumer_and_parent_maybe_lag() {
    check([Broadcast::SlowParent, Broadcast::SlowSubscription].map(Case::Broadcast));
}

#[test]
fn brd_4_subscribe_errors_after_close() {
    check([Case::Broadcast(Broadcast::Closed)]);
}

#[test]
fn brd_6_first_recver_is_cancelled() {
    check([Case::Broadcast(Broadcast::FirstReceiverCancelled)]);
}

#[test]
fn brd_7_no_raise_on_lag() {
    check([Case::Broadcast(Broadcast::NoRaiseOnLag)]);
}

#[test]
fn tsk_1_sibling_err_not_masked_by_startup_rte() {
    check_tasks([Starting::SiblingFails]);
}

#[test]
fn tsk_2_pure_oob_cancel_not_morphed_to_rte() {
    check_tasks([Starting::PlainCancel]);
}

#[test]
fn tsk_3_genuine_startup_rte_still_raised() {
    check_tasks([Starting::Silent]);
}

#[test]
fn tsk_4_childs_own_rte_never_demoted_to_cancel() {
    let messages = ["the task ended without saying that it has started", "", "boom"];
    check_tasks(messages.map(|message| Starting::OwnError(message.to_owned())));
}

#[test]
fn tsk_5_started_value_and_args_passthru() {
    check_tasks([Starting::PassThrough]);
}
