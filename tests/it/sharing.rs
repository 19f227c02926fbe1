//! The rows MOC of the conformance list, in every pairing of native and guest code.

use steading_tests::scenarios::{Case, Sharing};

use crate::pairings::check;

fn told(row: Sharing) {
    check([Case::Sharing(row)]);
}

#[test]
fn moc_1_resource_only_entered_once() {
    check([true, false].map(|named| Case::Sharing(Sharing::OnlyOnce { named })));
}

#[test]
fn moc_2_last_moc_user_waits_for_resource_exit() {
    told(Sharing::LastWaits);
}

#[test]
fn moc_3_moc_delivers_resource_exit_error() {
    told(Sharing::CloseError);
}

#[test]
fn moc_4_moc_final_user_cancellation_waits_for_exit() {
    told(Sharing::CancelledWaits);
}

#[test]
fn moc_5_moc_exit_error_masks_final_user_cancellation() {
    told(Sharing::CloseErrorMasks);
}

#[test]
fn moc_6_moc_service_nursery_cancellation_completes_exit() {
    told(Sharing::AllCancelled);
}

#[test]
fn moc_7_open_local_sub_to_stream() {
    told(Sharing::LocalSubscriptions);
}

/// The row's delays, a fiftieth of each: what counts is that the cancel comes while it opens.
#[test]
fn moc_8_lock_not_corrupted_on_fast_cancel() {
    let cases = [1, 10, 20]
        .into_iter()
        .flat_map(|delay| [true, false].map(|by_scope| Case::Sharing(Sharing::FastCancel { delay, by_scope })));
    check(cases);
}

#[test]
fn moc_9_per_ctx_key_resource_lifecycle() {
    told(Sharing::PerKey);
}

#[test]
fn moc_10_moc_reentry_during_teardown() {
    told(Sharing::Reentry);
}
