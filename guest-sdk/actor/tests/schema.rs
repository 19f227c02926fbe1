//! The text of a schema is for ever: a table of types and what they look like, and the laws over it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steading_actor::schema::{Schema as Described, Shape};
use steading_actor::{Context, Schema, Signature};

#[track_caller]
fn check<T: Described + ?Sized>(text: &str) {
    assert_eq!(
        Shape::of::<T>().as_deref(),
        Some(text),
        "{}",
        std::any::type_name::<T>()
    );
}

#[test]
fn std_types_look_like_this() {
    check::<()>("unit");
    check::<bool>("bool");
    check::<u8>("int");
    check::<usize>("int");
    check::<f32>("float");
    check::<char>("text");
    check::<&str>("text");
    check::<PathBuf>("text");
    check::<Option<Option<i64>>>("int??");
    check::<Vec<u8>>("[int]");
    check::<HashSet<String>>("[text]");
    check::<[f64; 3]>("[float;3]");
    check::<(i64, String)>("(int,text)");
    check::<HashMap<String, Vec<bool>>>("map(text,[bool])");
    check::<BTreeMap<u8, ()>>("map(int,unit)");
    check::<Result<u8, String>>("<Err(text)|Ok(int)>");
    check::<Box<Arc<[u16]>>>("[int]");
    check::<Duration>("{nanos:int,secs:int}");
    check::<Range<u32>>("{end:int,start:int}");
    check::<IpAddr>("<V4([int;4])|V6([int;16])>");
}

#[derive(Serialize, Deserialize, Schema)]
struct Unit;

#[derive(Serialize, Deserialize, Schema)]
struct Metres(f64);

#[derive(Serialize, Deserialize, Schema)]
struct Pair(u8, String);

#[derive(Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
struct Person {
    full_name: String,
    #[serde(default)]
    age: u8,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    r#loop: Vec<Metres>,
    #[serde(skip)]
    _cache: Vec<u8>,
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE", rename_all_fields = "PascalCase")]
enum Kind {
    VeryTall,
    Other(String),
    Both(u8, u8),
    Sized { in_metres: Metres },
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    A,
    B(u8),
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(tag = "kind")]
enum Internal {
    B {
        x: u8,
    },
    #[serde(rename = "a thing")]
    A,
    #[serde(skip)]
    _Never,
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(untagged)]
enum Untagged {
    Text(String),
    Number(i64),
    Both { text: String, number: i64 },
}

#[derive(Serialize, Deserialize, Schema)]
struct Page<T> {
    items: Vec<T>,
    #[serde(flatten)]
    rest: HashMap<String, String>,
}

#[derive(Serialize, Deserialize, Schema)]
struct Node {
    value: u8,
    children: Vec<Node>,
    other: Option<Box<Tree>>,
}

#[derive(Serialize, Deserialize, Schema)]
enum Tree {
    Leaf,
    Same(Box<Tree>),
    Node(Box<Node>),
}

#[derive(Clone, Serialize, Deserialize, Schema)]
#[serde(into = "String", from = "String")]
struct Name(String);

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self(name)
    }
}

/// What nobody can derive for.
#[derive(Serialize, Deserialize)]
struct Foreign(u8);

#[derive(Serialize, Deserialize, Schema)]
struct Holder {
    #[schema(any)]
    foreign: Foreign,
    #[schema(like = "u8")]
    alike: Foreign,
    #[schema(bytes)]
    raw: Foreign,
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(transparent)]
struct Wrapped {
    inner: Metres,
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(default, rename_all = "kebab-case")]
#[derive(Default)]
struct Settings {
    dry_run: bool,
}

#[test]
fn derived_types_look_like_what_serde_makes_of_them() {
    check::<Unit>("unit");
    check::<Metres>("float");
    check::<Pair>("(int,text)");
    check::<Person>(
        "{age?:int,fullName:text,loop?:[float],\
         type:<BOTH(int,int)|OTHER(text)|SIZED{InMetres:float}|VERY-TALL>?}",
    );
    check::<Adjacent>("kind+of<A|B(int)>");
    check::<Internal>("kind<B{x:int}|\"a thing\">");
    check::<Untagged>("*<text|int|{number:int,text:text}>");
    check::<Page<Pair>>("{items:[(int,text)],..map(text,text)}");
    check::<Name>("text");
    check::<Holder>("{alike:int,foreign:any,raw:bytes}");
    check::<Wrapped>("float");
    check::<Settings>("{dry-run?:bool}");
}

#[test]
fn a_type_inside_of_itself_is_a_reference() {
    check::<Node>("{children:[@1],other:<Leaf|Node(@2)|Same(@1)>?,value:int}");
    check::<(Node, u8)>("({children:[@1],other:<Leaf|Node(@2)|Same(@1)>?,value:int},int)");
}

mod elsewhere {
    use super::{Deserialize, Schema, Serialize};

    /// `Holder`'s sibling: other name, other order, other widths.
    #[derive(Serialize, Deserialize, Schema)]
    pub(crate) struct Position {
        pub(crate) y: i64,
        pub(crate) x: u32,
    }

    #[derive(Serialize, Deserialize, Schema)]
    pub(crate) struct Misspelt {
        pub(crate) x: u32,
        #[serde(rename = "Y")]
        pub(crate) y: u32,
    }
}

#[derive(Serialize, Deserialize, Schema)]
struct Point {
    x: i8,
    y: i8,
}

fn hash<A: Described, R: Described>() -> u64 {
    Signature::<A, R>::new("e").schema().hash()
}

#[test]
fn names_of_types_order_of_fields_and_widths_make_no_difference() {
    assert_eq!(hash::<Point, u8>(), hash::<elsewhere::Position, i64>());
    assert_eq!(hash::<Vec<Box<Point>>, ()>(), hash::<&[Point], Unit>());
}

#[test]
fn whatever_else_is_changed_changes_the_hash() {
    let hashes = [
        hash::<Point, ()>(),
        hash::<(), Point>(),
        hash::<elsewhere::Misspelt, ()>(),
        hash::<(i64, i64), ()>(),
        hash::<Vec<Point>, ()>(),
        hash::<Option<Point>, ()>(),
        hash::<Kind, ()>(),
        hash::<Tree, ()>(),
        hash::<Result<(), ()>, ()>(),
        Signature::<Point, (), Context<(), ()>>::new("e").schema().hash(),
        Signature::<Point, (), Context<u8, ()>>::new("e").schema().hash(),
        Signature::<Point, (), Context<(), u8>>::new("e").schema().hash(),
        Signature::<Point, (), Context<(), (), u8>>::new("e").schema().hash(),
    ];
    let distinct: HashSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
    assert!(!hashes.contains(&0), "0 is for what is unchecked");
}

/// Another build, another target, another year: the same hash.
#[test]
fn a_hash_is_for_ever() {
    static SCAN: Signature<String, u64, Context<Pair, ()>> = Signature::new("scan");
    let text = "scan: text -> int; started unit; sends (int,text); receives unit";
    assert_eq!(SCAN.to_string(), text);
    assert_eq!(SCAN.schema().hash(), 0x278f_164b_54e8_a3f8);
}

#[derive(Serialize, Deserialize, Schema)]
struct Twice<T>(T, T);

type Many<T> = Twice<Twice<Twice<Twice<T>>>>;

#[test]
fn a_text_that_would_never_end_is_none() {
    type Few = Many<Many<u8>>;
    assert!(Shape::of::<Few>().is_some_and(|text| text.len() > 1000));
    assert_eq!(Shape::of::<Many<Many<Many<Many<Many<Few>>>>>>(), None);
    assert_eq!(hash::<Many<Many<Many<Few>>>, ()>(), 0);
}
