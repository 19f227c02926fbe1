//! Valid components of a few kilobytes that take a compiler many seconds, or a gigabyte: one of each known shape,
//! all within what is looked at before anything is compiled.

use std::fmt::Write as _;

/// Locals of each function; 2 000 are allowed.
const LOCALS: usize = 1_990;

/// What is to be expensive.
pub(crate) struct Bomb {
    pub(crate) shape: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Those that take time: each more than five seconds of a fast processor.
pub(crate) fn slow() -> [Bomb; 4] {
    [
        bomb(
            "a table of 60 000 branches to 1 000 places",
            1_000,
            &branches(1_000, 60_000),
        ),
        bomb("four nests of 64 loops, each with all locals", LOCALS, &nests(4)),
        bomb("a loop that is begun again in 4 000 places", LOCALS, &beginnings(4_000)),
        bomb(
            "20 000 basic blocks that all change a local",
            600,
            &choices(20_000, 600),
        ),
    ]
}

/// One that takes more than a gigabyte.
pub(crate) fn large() -> Bomb {
    bomb("10 000 basic blocks with all locals", LOCALS, &choices(5_000, LOCALS))
}

fn bomb(shape: &'static str, locals: usize, body: &str) -> Bomb {
    let declared = "i32 ".repeat(locals);
    let text = format!("(component (core module (func (param i32) (local {declared}) {body})))");
    let bytes = wat::parse_str(text).expect("the text is made of well-formed pieces");
    Bomb { shape, bytes }
}

fn put(text: &mut String, piece: std::fmt::Arguments<'_>) {
    text.write_fmt(piece).expect("writing to a string does not fail");
}

fn branches(places: usize, branches: usize) -> String {
    let mut text = "block ".repeat(places);
    text.push_str("local.get 0 br_table ");
    (0..branches).for_each(|n| put(&mut text, format_args!("{} ", n % places)));
    text.push_str("0 ");
    (0..places).for_each(|n| {
        let (a, b, c) = (n % 1_000 + 1, n * 13 % 1_000 + 1, n * 7 % 1_000 + 1);
        put(
            &mut text,
            format_args!("end local.get {a} local.get {b} i32.add local.set {c} "),
        );
    });
    text
}

fn nests(count: usize) -> String {
    let mut nest = "loop ".repeat(64);
    (1..=LOCALS).for_each(|n| {
        let other = n * 7 % LOCALS + 1;
        put(
            &mut nest,
            format_args!("local.get {n} local.get {other} i32.add local.set {n} "),
        );
    });
    nest.push_str(&"local.get 0 br_if 0 end ".repeat(64));
    nest.repeat(count)
}

fn beginnings(count: usize) -> String {
    let mut text = "loop ".to_owned();
    (0..count).for_each(|n| {
        let (a, b) = (n % LOCALS + 1, n * 7 % LOCALS + 1);
        put(
            &mut text,
            format_args!("local.get {a} local.get {b} i32.add local.set {b} local.get {a} br_if 0 "),
        );
    });
    text + "end"
}

fn choices(count: usize, locals: usize) -> String {
    let mut text = String::new();
    (0..count).for_each(|n| {
        let (a, b, c) = (n % locals + 1, n * 7 % locals + 1, n * 13 % locals + 1);
        let yes = format!("local.get {b} local.get {c} i32.add local.set {a}");
        put(
            &mut text,
            format_args!("local.get {a} if {yes} else local.get {c} local.set {b} end "),
        );
    });
    text
}
