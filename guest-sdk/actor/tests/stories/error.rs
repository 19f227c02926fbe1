//! Errors as one chain: groups, causes, and how they are written (semantics 7 and 9).

use std::error::Error as StdError;
use std::fmt;

use steading_actor::{ActorId, BoxedError, Error, ErrorKind};

use crate::harness::*;

fn boxed(message: &str, members: Vec<BoxedError>) -> BoxedError {
    BoxedError {
        members,
        ..*failure(message)
    }
}

fn received(message: &str) -> Error {
    boxed(message, Vec::new()).into()
}

fn messages(error: &Error) -> Vec<String> {
    error.members().iter().map(Error::message).collect()
}

#[test]
fn a_group_of_one_is_that_one_however_deep() {
    let alone = Error::group(vec![Error::group(vec![Error::group(vec![received("a")])])]);
    assert!(alone.is_same(&received("a")) && !alone.is_group());
    assert_eq!(messages(&alone), ["a"], "its only member is itself");
}

#[test]
fn groups_in_groups_are_one_group_wherever_they_come_from() {
    let foreign = Error::from(boxed("2 errors", vec![*failure("c"), *failure("d")]));
    let alone = Error::group(vec![foreign.clone()]);
    assert!(alone.boxed().is_some(), "still that of its source");
    let group = Error::group(vec![Error::group(vec![Error::msg("a"), Error::msg("b")]), foreign]);
    assert_eq!(messages(&group), ["a", "b", "c", "d"]);
}

#[test]
fn a_failure_that_is_told_as_a_cause_is_not_told_again() {
    let told = received("a").wrap("while scanning");
    let group = Error::group(vec![told, received("a"), received("b")]);
    assert_eq!(messages(&group), ["while scanning", "b"]);
    let alone = Error::group(vec![received("a").wrap("while scanning"), received("a")]);
    assert_eq!(alone.message(), "while scanning");
}

#[test]
fn what_was_received_goes_on_as_it_was() {
    let inner = boxed("cannot scan", vec![*failure("no disk")]);
    let group = boxed("2 errors", vec![inner.clone(), *failure("b")]);
    let error = Error::from(group.clone());
    assert_eq!(error.to_boxed(&me()), group);
    assert_eq!(error.members()[0].to_boxed(&me()), inner);
    assert_eq!(
        error.members()[0].cause().map(Error::message).as_deref(),
        Some("no disk")
    );
    let own = Error::group(vec![error.members()[0].clone(), Error::msg("mine")]).to_boxed(&me());
    assert_eq!(own.members[0], inner, "the host compares it with what it delivered");
    assert_eq!((own.source, &*own.members[1].message), (me(), "mine"));
}

#[test]
fn a_group_that_is_too_large_says_how_many_are_missing() {
    let group = Error::group((0..100).map(Error::msg).collect()).to_boxed(&me());
    assert_eq!((group.members.len(), group.omitted), (64, 36));
    let there = Error::from(group);
    assert_eq!((there.members().len(), there.omitted()), (64, 36));
    assert!(there.report().to_string().ends_with("\n  and 36 more"));
    let more = Error::group(vec![there, Error::msg("one more")]);
    assert_eq!((more.members().len(), more.omitted()), (65, 36));
}

#[test]
fn a_cancellation_is_never_wrapped() {
    let error = Error::cancelled(cancelled_by(peer())).wrap("while scanning");
    assert_eq!(error.canceller(), Some(&peer()));
}

#[test]
fn a_chain_without_end_is_cut_and_harmless() {
    let chain = (0..5000).fold(Error::msg("first"), |error, n| error.wrap(n));
    let boxed = chain.to_boxed(&me());
    assert_eq!(boxed.walk().count(), 1 + BoxedError::MOST_MEMBERS);
}

#[derive(Debug)]
struct Layer(&'static str, Option<Box<dyn StdError + Send + Sync>>);

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Layer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref().map(|inner| inner as _)
    }
}

#[test]
fn the_sources_of_an_error_value_travel_as_its_causes() {
    let foreign = *failure("no disk");
    let error = Layer(
        "cannot search",
        Some(Box::new(Layer("cannot scan", Some(Box::new(foreign.clone()))))),
    );
    let error = Error::from(error);
    let here = format!("cannot search: cannot scan: {foreign}");
    assert_eq!((error.to_string(), error.message()), (here, "cannot search".to_owned()));
    let boxed = error.to_boxed(&me());
    assert_eq!(
        (&*boxed.message, &*boxed.chain()),
        ("cannot search", "cannot search: cannot scan: no disk")
    );
    let cause = boxed.cause().expect("a cause");
    assert_eq!((&*cause.message, &cause.source), ("cannot scan", &me()));
    assert_eq!(
        cause.cause(),
        Some(&foreign),
        "what came from elsewhere is still from there"
    );
}

fn traced(name: &str, message: &str) -> BoxedError {
    BoxedError {
        backtrace: Some("0: inner\n1: outer\n".into()),
        relay_path: vec![ActorId::new("mid", me().uuid)],
        ..BoxedError::new(ErrorKind::Panic, ActorId::new(name, peer().uuid), message)
    }
}

fn tree() -> Error {
    let twice = Error::group(vec![traced("w", "boom").into(), traced("w", "bang").into()]);
    let local = Error::from(Layer("cannot search", Some(Box::new(Layer("no disk", None)))));
    Error::group(vec![twice.wrap("both halves failed"), local])
}

#[test]
fn an_error_is_written_as_one_chain_with_each_backtrace_once() {
    let id = format!("{:08x}", peer().uuid.high >> 32);
    let mid = format!("{:08x}", me().uuid.high >> 32);
    let expected = format!(
        "2 errors
  1. both halves failed
      caused by: 2 errors
        1. panic in w@{id} via mid@{mid}: boom
              0: inner
              1: outer
        2. panic in w@{id} via mid@{mid}: bang
  2. cannot search
      caused by: no disk"
    );
    assert_eq!(tree().report().to_string(), expected);
    assert_eq!(format!("{:#}", tree()), expected);
}

#[test]
fn colours_are_the_only_difference_and_no_guest_has_its_own() {
    let error = Error::group(vec![tree(), received("a\x1b[2Jb\nc")]);
    let colored = error.report().colored(true).to_string();
    let plain = error.report().to_string();
    assert!(colored.contains("\x1b[31mpanic\x1b[0m"), "{colored}");
    let stripped = ["\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"]
        .iter()
        .fold(colored, |text, code| text.replace(code, ""));
    assert_eq!(stripped, plain);
    assert!(plain.contains("a\\u{1b}[2Jb\n") && !plain.contains('\x1b'), "{plain}");
}
