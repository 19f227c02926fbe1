//! The analogs of the rows TRI, and CLU-1, of the conformance list, in every pairing of native and guest code.

use steading_tests::scenarios::{Case, Cleanup, Gathering};

use crate::pairings::{check, check_interrupted};

const BOTH: [bool; 2] = [false, true];

#[test]
fn tri_1_stashed_child_nursery() {
    check(BOTH.map(|started| Case::Gathering(Gathering::StashedTasks { started })));
}

/// The row's three ways to clean up, each with the error where the row has it, and in the body too.
#[test]
fn tri_2_acm_embedded_nursery_propagates_enter_err() {
    let cleanups = [Cleanup::Nothing, Cleanup::Cancels, Cleanup::CancelsAndWaits];
    check(
        cleanups
            .into_iter()
            .flat_map(|cleanup| BOTH.map(|entering| Case::Gathering(Gathering::Masking { cleanup, entering }))),
    );
}

#[test]
fn tri_3_gatherctxs_interrupted_raises_the_interrupt_only() {
    check_interrupted(&Case::Gathering(Gathering::Interrupted));
}

#[test]
fn tri_4_waiting_while_leaving_hides_no_error() {
    let cases = BOTH.into_iter().flat_map(|shielded| {
        BOTH.map(|task_fails| Case::Gathering(Gathering::WaitsWhileLeaving { shielded, task_fails }))
    });
    check(cases);
}

#[test]
fn tri_5_cancelled_wait_in_a_context_stays_a_cancellation() {
    check(BOTH.map(|by_handle| Case::Gathering(Gathering::CancelledWait { by_handle })));
}

#[test]
fn clu_1_empty_mngrs_input_raises() {
    check([Case::Gathering(Gathering::EmptyInCluster)]);
}

#[test]
fn a_cluster_has_names_in_order_and_does_not_outlive_its_block() {
    check([Case::Gathering(Gathering::Cluster)]);
}

#[test]
fn gathered_values_and_results_are_in_order() {
    check([Case::Gathering(Gathering::InOrder)]);
}
