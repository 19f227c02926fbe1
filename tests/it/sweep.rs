//! Every point of a scenario at which something can go wrong, with everything that can go wrong there.
//!
//! A root starts `a`, `b` and `c`, holds a dialogue with each, one inside the other; `c` answers by means of a
//! `grandchild`. `b` is cancelled, `c` and `a` return, everybody goes home. A point is a frame that a victim is
//! about to handle; the undisturbed scenario says how many there are, and what stood at each. Then each point is
//! played with each fault, and what came of it is compared with what `model.rs` says.
//!
//! A point that fails prints the `SWEEP=…` with which it alone is played.

mod model;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steading::{
    AbsorbedExt as _, ActorId, Cause, Code, Context, Error, Fault, FaultPlan, Host, Portal, Result, Stream,
};
use steading_tests::artifacts::SWEEP;
use steading_tests::{Lines, capture, episode, sweep};

use model::{Scene, expected};

type Ctx = Context<u64, u64>;

const HOUR: Duration = Duration::from_secs(3600);
/// Messages each way in each dialogue.
const ROUNDS: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Kill,
    Trap,
    Cancel,
    Panic,
    Deadline,
}

const KINDS: [Kind; 5] = [Kind::Kill, Kind::Trap, Kind::Cancel, Kind::Panic, Kind::Deadline];
const VICTIMS: [&str; 4] = ["a", "b", "c", "grandchild"];
/// Points there are at least, or the scenario has lost something.
const POINTS: usize = 150;

/// What comes of it undisturbed.
const CALM: [&str; 9] = [
    "a returned",
    "a's serve: ok",
    "b self-cancelled cc ca: cancelled by root",
    "b's serve: cancelled by root",
    "c returned",
    "c's below: returned",
    "c's relay: ok",
    "grandchild's serve: ok",
    "root ok",
];

/// One fault at one point.
#[derive(Clone, Debug)]
struct Point {
    victim: &'static str,
    frame: usize,
    kind: Kind,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{:?}", self.victim, self.frame, self.kind)
    }
}

/// What there is to be seen, from the root and from the driver of the victim.
#[derive(Debug, Default)]
struct Plan(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    point: Option<Point>,
    /// Of each victim: the kinds of the frames it was about to handle, with what stood there.
    frames: BTreeMap<String, Vec<String>>,
    contexts: BTreeMap<&'static str, Ctx>,
}

impl Plan {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultPlan for Plan {
    fn before(&self, actor: &ActorId, frame: &'static str) -> Option<Fault> {
        let mut seen = self.lock();
        let stood = seen.stand();
        let frames = seen.frames.entry(actor.name.to_string()).or_default();
        frames.push(format!("{frame} {stood}"));
        let number = frames.len() - 1;
        let point = seen.point.as_ref()?;
        let is_here = point.victim == &*actor.name && point.frame == number;
        is_here.then(|| fault(point.kind))
    }
}

fn fault(kind: Kind) -> Fault {
    match kind {
        Kind::Kill => Fault::Kill,
        Kind::Trap => Fault::Call("trap".to_owned()),
        Kind::Panic => Fault::Call("panic".to_owned()),
        Kind::Cancel => Fault::Cancel("operator".to_owned()),
        Kind::Deadline => Fault::Expire,
    }
}

impl Seen {
    /// How the root's contexts stand.
    fn stand(&self) -> String {
        let stand = |(name, ctx): (&&str, &Ctx)| format!("{name}:{}", ctx.state());
        self.contexts.iter().map(stand).collect::<Vec<_>>().join(" ")
    }
}

async fn play(host: &Host, code: &Code, plan: &Plan) -> Result<()> {
    host.root(async |nursery| {
        let a = nursery.start_actor(code.spec("a")).await?;
        let b = nursery.start_actor(code.spec("b")).await?;
        let c = nursery.start_actor(code.spec("c")).await?;
        talk(plan, &a, "serve", async |_, to_a| {
            dialogue_with_b(plan, &b, &c, &to_a).await
        })
        .await?;
        nursery.cancel("over");
        Ok(())
    })
    .await
}

/// The second, inside the first: it ends by a cancel of its caller's.
async fn dialogue_with_b(plan: &Plan, b: &Portal, c: &Portal, to_a: &Stream<u64, u64>) -> Result<()> {
    let body = async |of_b: Ctx, to_b| {
        talk(plan, c, "relay", async |_, to_c| rounds([to_a, &to_b, &to_c]).await).await?;
        of_b.cancel("enough").await;
        to_b.next().await.map(drop)
    };
    talk(plan, b, "serve", body).await.absorbed().map(drop)
}

async fn rounds(all: [&Stream<u64, u64>; 3]) -> Result<()> {
    for round in 0..ROUNDS {
        for to in all {
            to.send(round).await?;
            let answer = to.next().await?;
            assert_eq!(answer, Some(round + 1), "answers are those to the questions");
        }
    }
    Ok(())
}

/// One dialogue: a stream, then the result.
async fn talk(
    plan: &Plan,
    portal: &Portal,
    endpoint: &str,
    body: impl AsyncFnOnce(Ctx, Stream<u64, u64>) -> Result<()>,
) -> Result<()> {
    let name = VICTIMS.into_iter().find(|name| *name == &*portal.id().name);
    let name = name.expect("only victims are talked to");
    // Longer than the deadline, which is to be what passes when all time does.
    let context = portal.context(endpoint).deadline(HOUR).start_timeout(HOUR * 2);
    let block = context.open(async |ctx: Ctx, ()| {
        plan.lock().contexts.insert(name, ctx.clone());
        ctx.stream(async |stream| body(ctx.clone(), stream).await).await?;
        ctx.wait_result::<u64>().await.map(drop)
    });
    // Boxed, as futures three deep in one another are more than the compiler will look through.
    let block: Pin<Box<dyn Future<Output = Result<()>> + '_>> = Box::pin(block);
    block.await
}

/// What came of a playing: how the root ended, how its contexts stand, and how each callee saw its end.
fn told(end: &Result<()>, seen: &Seen, lines: &Lines) -> Vec<String> {
    let mut told = vec![format!("root {}", cause(end.as_ref().err()))];
    told.extend(
        seen.contexts
            .iter()
            .map(|(name, ctx)| format!("{name} {}", standing(ctx))),
    );
    for line in lines.all() {
        let actor = line.fields.get("actor").map_or("", String::as_str);
        if line.target == "steading::guest" && !line.message.contains("panicked") {
            told.push(format!("{actor}'s {}", line.message));
        }
    }
    told.sort();
    told
}

fn standing(ctx: &Ctx) -> String {
    let flags = [
        (" cc", ctx.cancel_called()),
        (" ca", ctx.cancel_acked()),
        (" caught", ctx.cancelled_caught()),
    ];
    let flags: String = flags.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
    let remote = ctx.remote_error();
    let remote = remote.map(|error| format!(": {}", cause(Some(&error))));
    format!("{}{flags}{}", ctx.state(), remote.unwrap_or_default())
}

/// An error in few words: what, and whose doing.
fn cause(error: Option<&Error>) -> String {
    let Some(error) = error else { return "ok".to_owned() };
    if error.is_group() {
        let members: Vec<_> = error.members().iter().map(|error| cause(Some(error))).collect();
        return format!("[{}]", members.join(", "));
    }
    match error.cancellation() {
        Some(c) if c.cause == Cause::Deadline => format!("{}'s deadline", c.canceller.name),
        Some(c) => format!("cancelled by {}", c.canceller.name),
        None => {
            let source = error.source_actor().map_or("-", |source| &*source.name);
            format!("{} of {source}", error.kind())
        }
    }
}

/// Of an undisturbed playing: what came of it, and the frames of everybody.
type Calm = (Vec<String>, BTreeMap<String, Vec<String>>);

#[test]
fn every_point_with_every_fault() {
    let plan = Arc::new(Plan::default());
    let handed = plan.clone();
    let only = std::env::var("SWEEP").ok();
    sweep(
        move |builder| builder.faults(handed.clone()),
        async |host, link| {
            let code = host.load(SWEEP).expect("it was built by these tests");
            let calm = once(host, &code, &plan, None).await;
            assert_eq!(calm.0, CALM, "nobody disturbs it");
            let mut played = 0;
            for point in points(&calm) {
                if only.as_ref().is_none_or(|only| *only == point.to_string()) {
                    check(host, &code, &plan, &point, &calm, link).await;
                    played += 1;
                }
            }
            let least = if only.is_some() { 1 } else { POINTS };
            assert!(played >= least, "{played} points are not the scenario");
        },
    );
}

/// Every one there is: a playing with a fault at the frame after a victim's last would meet none.
fn points((_, frames): &Calm) -> Vec<Point> {
    let mut points = Vec::new();
    for victim in VICTIMS {
        for frame in 0..frames[victim].len() {
            points.extend(KINDS.map(|kind| Point { victim, frame, kind }));
        }
    }
    points
}

async fn check(host: &Host, code: &Code, plan: &Plan, point: &Point, calm: &Calm, link: &str) {
    let (end, frames) = once(host, code, plan, Some(point)).await;
    let handled = &frames[point.victim];
    let before = &calm.1[point.victim];
    assert_eq!(
        handled[..=point.frame],
        before[..=point.frame],
        "SWEEP={point}: another way to the point, over the {link} link"
    );
    let scene = Scene {
        frames: before,
        calm: &calm.0,
    };
    let expected = expected(point, &scene);
    assert_eq!(
        end, expected,
        "over the {link} link, before {}; again with SWEEP={point} cargo test -p steading-tests --test it sweep",
        before[point.frame]
    );
}

/// Plays the scenario once, to its end and until nothing is left.
async fn once(host: &Host, code: &Code, plan: &Plan, point: Option<&Point>) -> Calm {
    *plan.lock() = Seen {
        point: point.cloned(),
        ..Seen::default()
    };
    let lines = capture();
    let what = point.map_or("the undisturbed scenario".to_owned(), |point| format!("SWEEP={point}"));
    let end = episode(host, &what, play(host, code, plan)).await;
    let mut seen = plan.lock();
    let told = told(&end, &seen, &lines);
    seen.contexts.clear();
    (told, std::mem::take(&mut seen.frames))
}
