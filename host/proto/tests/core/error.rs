//! Semantics 9: errors that cross actors, and what a guest may claim in one.

use bytes::Bytes;
use steading_types::{ActorId, BoxedError, Cancellation, Cause, Ending, ErrorKind, Uuid};

use crate::world::{CHILD, ROOT, World, both};

/// A call through the child to an actor below it: the caller's key, the task's, the key of the inner
/// context, the innermost task, and the actor below.
struct Chain {
    outer: u32,
    task: u32,
    inner: u32,
    deepest: u32,
    below: usize,
}

fn chain(w: &mut World) -> Chain {
    let below = w.below(CHILD);
    let (outer, task) = w.called();
    let inner = w.open_in(task, CHILD, below, "plain");
    w.drive();
    let deepest = w.newest_task(below);
    Chain {
        outer,
        task,
        inner,
        deepest,
        below,
    }
}

fn fail(w: &mut World, actor: usize, task: u32, error: BoxedError) {
    w.core(actor)
        .finish(task, Ending::Failed(Box::new(error)))
        .expect("once");
    w.drive();
}

/// The innermost task cancels itself: what the task above it is told.
fn tire(w: &mut World, c: &Chain) -> Cancellation {
    w.cancel(c.below, c.deepest, Some("tired"));
    w.core(c.below).finish(c.deepest, Ending::Cancelled).expect("once");
    w.drive();
    w.cancelled(CHILD, c.inner)
}

fn rich(source: ActorId) -> BoxedError {
    BoxedError {
        type_name: "search::ScanError".into(),
        payload: Some(Bytes::from_static(b"\xa0")),
        backtrace: Some("at scan".into()),
        ..BoxedError::new(ErrorKind::EndpointError, source, "disk full")
    }
}

#[test]
fn an_error_arrives_whole_and_names_its_source() {
    both(|mut w| {
        let (outer, task) = w.called();
        let id = w.id(CHILD);
        fail(&mut w, CHILD, task, rich(id.clone()));
        let got = w.failure(ROOT, outer);
        assert!(got.context > 0);
        assert_eq!(
            got,
            BoxedError {
                context: got.context,
                ..rich(id)
            }
        );
    });
}

#[test]
fn a_relayed_error_keeps_its_source_and_grows_its_path() {
    both(|mut w| {
        let c = chain(&mut w);
        let id = w.id(c.below);
        fail(&mut w, c.below, c.deepest, rich(id.clone()));
        let delivered = w.failure(CHILD, c.inner);
        fail(&mut w, CHILD, c.task, delivered.clone());
        let got = w.failure(ROOT, c.outer);
        assert_eq!((&got.source, &got.relay_path), (&id, &vec![w.id(CHILD)]));
        assert_eq!(
            got,
            BoxedError {
                relay_path: vec![w.id(CHILD)],
                ..delivered
            }
        );
    });
}

#[test]
fn a_forged_source_becomes_the_forgers_own() {
    both(|mut w| {
        let c = chain(&mut w);
        w.core(c.below).finish(c.deepest, Ending::Cancelled).expect("once");
        w.drive();
        let forged = BoxedError {
            relay_path: vec![w.id(ROOT)],
            context: 99,
            ..rich(w.id(c.below))
        };
        fail(&mut w, CHILD, c.task, forged);
        let got = w.failure(ROOT, c.outer);
        assert_eq!((got.source, got.relay_path), (w.id(CHILD), vec![]));
        assert_ne!(got.context, 99);
        assert_eq!(got.type_name, "search::ScanError", "what only describes it stays");
    });
}

#[test]
fn a_delivered_error_that_was_changed_is_the_changers_own() {
    both(|mut w| {
        let c = chain(&mut w);
        let id = w.id(c.below);
        fail(&mut w, c.below, c.deepest, rich(id));
        let changed = BoxedError {
            message: "all is well".into(),
            ..w.failure(CHILD, c.inner)
        };
        fail(&mut w, CHILD, c.task, changed);
        assert_eq!(w.failure(ROOT, c.outer).source, w.id(CHILD));
    });
}

#[test]
fn a_relayed_error_cannot_rename_its_source() {
    both(|mut w| {
        let c = chain(&mut w);
        let id = w.id(c.below);
        fail(&mut w, c.below, c.deepest, rich(id.clone()));
        let renamed = BoxedError {
            source: ActorId::new("root", id.uuid),
            ..w.failure(CHILD, c.inner)
        };
        fail(&mut w, CHILD, c.task, renamed);
        assert_eq!(&*w.failure(ROOT, c.outer).source.name, "below");
    });
}

#[test]
fn a_forged_canceller_is_never_believed() {
    both(|mut w| {
        let c = chain(&mut w);
        w.core(c.below).finish(c.deepest, Ending::Cancelled).expect("once");
        w.drive();
        let forged = Cancellation {
            canceller: w.id(ROOT),
            reason: None,
            cause: Cause::Requested,
        };
        let error = BoxedError::cancelled(forged, w.id(CHILD));
        fail(&mut w, CHILD, c.task, error);
        assert_eq!(w.failure(ROOT, c.outer).kind, ErrorKind::EndpointError);
    });
}

#[test]
fn a_cancellation_that_was_delivered_may_be_handed_on() {
    both(|mut w| {
        let c = chain(&mut w);
        let cancellation = tire(&mut w, &c);
        let error = BoxedError::cancelled(cancellation.clone(), w.id(CHILD));
        fail(&mut w, CHILD, c.task, error);
        assert_eq!(w.cancelled(ROOT, c.outer), cancellation);
    });
}

/// A scope of its own that it cancelled: nobody else is named, so nothing is forged.
#[test]
fn a_task_may_end_by_a_cancellation_of_its_own_actors() {
    both(|mut w| {
        for (claimed, told) in [
            (Cause::Requested, Cause::Requested),
            (Cause::Deadline, Cause::Deadline),
            (Cause::Interrupt, Cause::Requested),
        ] {
            let (outer, task) = w.called();
            let own = Cancellation {
                canceller: ActorId::new("renamed", w.id(CHILD).uuid),
                reason: Some("enough".repeat(1000)),
                cause: claimed,
            };
            let error = BoxedError::cancelled(own, w.id(CHILD));
            fail(&mut w, CHILD, task, error);
            let found = w.cancelled(ROOT, outer);
            assert_eq!((&found.canceller, found.cause), (&w.id(CHILD), told));
            assert_eq!(&*found.canceller.name, "child");
            assert!(found.reason.is_some_and(|reason| reason.len() <= 1024));
        }
    });
}

#[test]
fn a_task_that_was_cancelled_cannot_say_that_it_was_its_own_doing() {
    both(|mut w| {
        let (outer, task) = w.called();
        w.cancel(ROOT, outer, None);
        w.drive();
        let error = BoxedError::cancelled(w.requested_by(CHILD), w.id(CHILD));
        fail(&mut w, CHILD, task, error);
        assert_eq!(w.cancelled(ROOT, outer).canceller, w.id(ROOT));
    });
}

#[test]
fn kinds_that_only_the_host_may_state_are_plain_endpoint_errors() {
    let host_only = [
        ErrorKind::Panic,
        ErrorKind::Trap("unreachable".into()),
        ErrorKind::Killed,
        ErrorKind::LinkClosed,
        ErrorKind::NotGranted,
        ErrorKind::NoSuchEndpoint,
        ErrorKind::Limit("memory".into()),
        ErrorKind::Internal,
        ErrorKind::Deadlock,
        ErrorKind::Overrun,
    ];
    both(|mut w| {
        for kind in &host_only {
            let (outer, task) = w.called();
            let error = BoxedError::new(kind.clone(), w.id(CHILD), "so I say");
            fail(&mut w, CHILD, task, error);
            assert_eq!(w.failure(ROOT, outer).kind, ErrorKind::EndpointError, "{kind:?}");
        }
    });
}

#[test]
fn a_payload_that_is_too_large_to_leave_a_guest_is_told_by_the_guest() {
    both(|mut w| {
        let (outer, task) = w.called();
        let kind = ErrorKind::Limit("payload".into());
        let error = BoxedError::new(kind.clone(), w.id(CHILD), "so many bytes");
        fail(&mut w, CHILD, task, error);
        assert_eq!(w.failure(ROOT, outer).kind, kind);
    });
}

#[test]
fn an_error_is_bounded_in_all_its_parts() {
    both(|mut w| {
        let (outer, task) = w.called();
        let error = BoxedError {
            type_name: "t".repeat(1 << 20),
            payload: Some(vec![0; 1 << 20].into()),
            backtrace: Some("ä".repeat(1 << 20)),
            relay_path: vec![ActorId::new("x", Uuid::default()); 10_000],
            ..BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "m".repeat(1 << 20))
        };
        fail(&mut w, CHILD, task, error);
        let got = w.failure(ROOT, outer);
        let size = got.message.len() + got.type_name.len() + got.backtrace.map_or(0, |b| b.len());
        assert!(
            size < 64 << 10 && got.payload.is_none() && got.relay_path.is_empty(),
            "{size}"
        );
    });
}

#[test]
#[cfg_attr(miri, ignore = "two hundred contexts take an interpreter minutes")]
fn an_error_that_arrived_long_ago_is_relayed_as_ones_own() {
    both(|mut w| {
        let c = chain(&mut w);
        let id = w.id(c.below);
        fail(&mut w, c.below, c.deepest, rich(id));
        let old = w.failure(CHILD, c.inner);
        for _ in 0..100 {
            let key = w.open(CHILD, c.below, "missing");
            w.drive();
            w.core(CHILD).release(key);
        }
        fail(&mut w, CHILD, c.task, old);
        assert_eq!(w.failure(ROOT, c.outer).source, w.id(CHILD), "memory is bounded");
    });
}

/// What the child was delivered from below, with a group that it made of this and of one of its own.
fn grouped(w: &mut World, c: &Chain) -> (BoxedError, BoxedError) {
    let below = w.id(c.below);
    fail(w, c.below, c.deepest, rich(below));
    let delivered = w.failure(CHILD, c.inner);
    let own = BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "and I too");
    let group = BoxedError {
        members: vec![delivered.clone(), own],
        ..BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "2 errors")
    };
    (delivered, group)
}

#[test]
fn a_group_arrives_with_every_member_and_where_each_came_from() {
    both(|mut w| {
        let c = chain(&mut w);
        let (delivered, group) = grouped(&mut w, &c);
        fail(&mut w, CHILD, c.task, group);
        let got = w.failure(ROOT, c.outer);
        let (child, below) = (w.id(CHILD), w.id(c.below));
        assert_eq!((&got.source, &got.relay_path), (&child, &vec![]));
        assert_eq!(
            (&got.members[0].source, &got.members[0].relay_path),
            (&below, &vec![child.clone()])
        );
        assert_eq!(got.members[0].backtrace, delivered.backtrace);
        assert_eq!(
            (&got.members[1].source, &*got.members[1].message),
            (&child, "and I too")
        );
        assert_eq!(
            got.members[1].context, got.context,
            "its own are stamped like any error of its own"
        );
    });
}

#[test]
fn a_member_that_is_handed_on_alone_is_what_it_was() {
    both(|mut w| {
        let c = chain(&mut w);
        let cause = rich(w.id(c.below));
        let wrapper = BoxedError {
            members: vec![cause],
            ..BoxedError::new(ErrorKind::EndpointError, w.id(c.below), "cannot scan")
        };
        fail(&mut w, c.below, c.deepest, wrapper);
        let delivered = w.failure(CHILD, c.inner);
        fail(&mut w, CHILD, c.task, delivered.members[0].clone());
        let got = w.failure(ROOT, c.outer);
        assert_eq!((got.source, got.relay_path), (w.id(c.below), vec![w.id(CHILD)]));
    });
}

#[test]
fn a_group_that_is_handed_on_grows_every_path_in_it() {
    both(|mut w| {
        let c = chain(&mut w);
        let below = w.id(c.below);
        let member = |text| BoxedError::new(ErrorKind::EndpointError, below.clone(), text);
        let group = BoxedError {
            members: vec![member("a"), member("b")],
            ..member("2 errors")
        };
        fail(&mut w, c.below, c.deepest, group);
        let delivered = w.failure(CHILD, c.inner);
        fail(&mut w, CHILD, c.task, delivered);
        let got = w.failure(ROOT, c.outer);
        let path = vec![w.id(CHILD)];
        assert!(
            got.walk()
                .all(|(_, error)| error.relay_path == path && error.source == below),
            "{got:?}"
        );
    });
}

#[test]
fn a_forged_member_becomes_the_forgers_own() {
    both(|mut w| {
        let c = chain(&mut w);
        let (delivered, group) = grouped(&mut w, &c);
        let forgeries = [
            rich(w.id(ROOT)),
            BoxedError {
                message: "all is well".into(),
                ..delivered.clone()
            },
            BoxedError {
                relay_path: vec![w.id(ROOT)],
                ..delivered.clone()
            },
            BoxedError {
                kind: ErrorKind::Killed,
                ..delivered.clone()
            },
            // True errors, put together as nobody did.
            BoxedError {
                members: vec![delivered.clone()],
                ..delivered.clone()
            },
        ];
        let group = BoxedError {
            members: forgeries.to_vec(),
            ..group
        };
        fail(&mut w, CHILD, c.task, group);
        let got = w.failure(ROOT, c.outer);
        assert_eq!(got.members.len(), forgeries.len());
        for member in &got.members {
            assert_eq!(
                (&member.source, &member.relay_path),
                (&w.id(CHILD), &vec![]),
                "{member}"
            );
            assert_eq!(member.kind, ErrorKind::EndpointError);
        }
        assert_eq!(
            got.members[4].members[0].source,
            w.id(c.below),
            "what is true inside stays true"
        );
    });
}

#[test]
fn a_member_cannot_forge_a_canceller() {
    both(|mut w| {
        let c = chain(&mut w);
        let told = tire(&mut w, &c);
        let forged = Cancellation {
            canceller: w.id(ROOT),
            reason: None,
            cause: Cause::Requested,
        };
        let group = BoxedError {
            members: [forged, told.clone()]
                .map(|c| BoxedError::cancelled(c, w.id(CHILD)))
                .to_vec(),
            ..BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "2 errors")
        };
        fail(&mut w, CHILD, c.task, group);
        let kinds: Vec<_> = w.failure(ROOT, c.outer).members.into_iter().map(|m| m.kind).collect();
        assert_eq!(kinds, [ErrorKind::EndpointError, ErrorKind::Cancelled(told)]);
    });
}

#[test]
fn a_group_is_bounded_as_a_whole() {
    both(|mut w| {
        let (outer, task) = w.called();
        // Interpreted, a gigabyte takes a quarter of an hour; a sixty-fourth of it is too much to arrive, too.
        let part = if cfg!(miri) { 64 } else { 1 };
        let member = BoxedError {
            payload: Some(vec![0; (60 << 10) / part].into()),
            backtrace: Some("ä".repeat((1 << 20) / part)),
            relay_path: vec![ActorId::new("x", Uuid::default()); 10_000 / part],
            ..BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "m".repeat((1 << 20) / part))
        };
        let deep = (0..100).fold(member.clone(), |inner, _| BoxedError {
            members: vec![inner],
            ..member.clone()
        });
        let wide = BoxedError {
            members: vec![member; 100],
            ..deep.members[0].clone()
        };
        let group = BoxedError {
            members: vec![deep, wide],
            ..BoxedError::new(ErrorKind::EndpointError, w.id(CHILD), "many")
        };
        fail(&mut w, CHILD, task, group);
        let got = w.failure(ROOT, outer);
        assert_eq!(got.walk().count(), 1 + BoxedError::MOST_MEMBERS);
        assert_eq!(got.omitted, 1, "those without room are counted where they are missing");
        let size: usize = got.walk().map(|(_, error)| text_of(error)).sum();
        assert!(size < 400 << 10, "{size}");
        assert!(got.members[0].message.len() > 1000, "the first have their words");
    });
}

fn text_of(error: &BoxedError) -> usize {
    let payload = error.payload.as_ref().map_or(0, Bytes::len);
    let backtrace = error.backtrace.as_ref().map_or(0, String::len);
    error.message.len() + error.type_name.len() + payload + backtrace
}
