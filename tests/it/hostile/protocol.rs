//! Attacks on contexts, streams, errors and children.

use steading::{ErrorKind, Rung};
use steading_tests::artifacts::HOSTILE_PROTOCOL;

use super::{Args, assault, assault_with, attack};

#[test]
fn what_an_actor_can_open_is_counted() {
    assault(
        HOSTILE_PROTOCOL,
        vec![
            attack("contexts").returns("and then limit(contexts)"),
            attack("open_and_cancel").returns("refused at times"),
            attack("large_arguments").room(192).returns("64 and then limit(turn)"),
            attack("hoard")
                .number(900)
                .room(48)
                .returns("with limit inbox reached in peer@"),
            attack("flood").returns("64 taken"),
            attack("spawn_bomb").returns("64 and then limit children reached"),
        ],
    );
}

#[test]
fn what_is_too_large_is_refused_where_it_is_said() {
    assault(
        HOSTILE_PROTOCOL,
        vec![
            attack("oversized").number((1 << 20) + 1).returns("limit(payload)"),
            attack("oversized").number(4 << 20).limit("hostcall", ""),
            attack("hostile_names").returns("no-such-endpoint"),
            attack("hostile_actor_names").returns("4 refused"),
            attack("large_result").fails(ErrorKind::Limit("payload".into()), "bytes"),
            attack("large_spec").limit("hostcall", ""),
        ],
    );
}

#[test]
fn a_tree_of_children_has_an_end() {
    let few = |builder: steading::HostBuilder| builder.max_actors(48);
    assault_with(
        HOSTILE_PROTOCOL,
        vec![
            attack("fork_tree").fails(ErrorKind::Limit("depth".into()), "16 deep"),
            attack("crash_loop").fails(ErrorKind::Limit("restarts".into()), "after 3 restarts within 5000 ms"),
            attack("spawn_bomb").returns("and then limit actors reached"),
        ],
        few,
        |spec| spec,
    );
}

#[test]
fn what_does_not_fit_the_state_of_a_context_is_refused() {
    assault(
        HOSTILE_PROTOCOL,
        vec![
            attack("batches").returns("stream-not-open"),
            attack("batches").returns("malformed-batch"),
            attack("batches").returns("no-credit"),
            attack("finish_all").returns("no"),
            attack("start_all").limit("calls", ""),
            attack("after_the_end").returns("wrong-side"),
            attack("undecodable").fails(ErrorKind::PayloadMismatch, ""),
            attack("long_reason").says_it_was_cancelled("why why"),
        ],
    );
}

#[test]
fn nobody_speaks_in_the_name_of_others() {
    let forged = |kind| attack("forged").number(kind).fails(ErrorKind::EndpointError, "forged");
    assault(
        HOSTILE_PROTOCOL,
        (0..=5)
            .map(forged)
            .chain([
                attack("error_tree")
                    .with(Args::Flag(true))
                    .fails(ErrorKind::EndpointError, "a tree"),
                attack("error_tree")
                    .with(Args::Flag(false))
                    .fails(ErrorKind::EndpointError, "a tree"),
                attack("long_error").fails(ErrorKind::EndpointError, "long long"),
            ])
            .collect(),
    );
}

#[test]
fn what_is_in_the_middle_of_something_is_ended_when_it_is_asked_to() {
    assault(
        HOSTILE_PROTOCOL,
        vec![
            attack("crash").dies(ErrorKind::Panic, "at once"),
            attack("open_and_cancel").ends(Rung::Acked),
            attack("blocked_sender").ends(Rung::Acked),
        ],
    );
}
