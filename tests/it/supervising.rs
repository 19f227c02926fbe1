//! Children that start again, in every pairing of native and guest code (semantics 10).

use steading_tests::scenarios::{Case, Supervising};

use crate::pairings::check;

fn told(rows: impl IntoIterator<Item = Supervising>) {
    check(rows.into_iter().map(Case::Supervising));
}

#[test]
fn whom_a_restart_concerns_is_the_strategy_s() {
    use Supervising::{OneCancelsAll, OneForAll, OneForOne, RestForOne};
    told([OneCancelsAll, OneForOne, OneForAll, RestForOne]);
}

#[test]
fn one_restart_too_many_fails_the_nursery() {
    told([Supervising::TooOften, Supervising::TooOftenTogether]);
}

#[test]
fn whether_a_child_starts_again_depends_on_its_end() {
    let ends_well = [true, false].map(|permanent| Supervising::EndsWell { permanent });
    told(ends_well.into_iter().chain([Supervising::AnotherKind]));
}

#[test]
fn a_failure_that_nothing_repairs_is_raised_at_the_end() {
    told([Supervising::Unrepaired]);
}

#[test]
fn a_call_that_a_child_was_started_for_is_made_again() {
    told([Supervising::CalledAgain]);
}

#[test]
fn a_child_that_is_cancelled_between_two_lives_has_no_other() {
    told([Supervising::CancelledBetween]);
}

#[test]
fn a_supervisor_that_gives_up_is_a_failure_of_the_one_above() {
    told([Supervising::Escalates]);
}

#[test]
fn the_failure_of_a_linked_actor_is_one_s_own() {
    told([Supervising::Linked]);
}
