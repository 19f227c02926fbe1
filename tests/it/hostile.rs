//! Hostile guests: each attack is a row in a table, and each runs beside a neighbour on the same host.
//!
//! Of every attack three things are asked. It ends as its row says, with the kind and the words by which an
//! operator would know it. The neighbour has an answer within [`PATIENCE`] all the while: two seconds, for the
//! machine that runs the tests has two cores and other things to do, and 0.7 s were seen on one that was busy.
//! What it is on an idle one is a matter for the bench. And nothing is left: no actor, no store, no thread, no descriptor, and of memory, while it runs,
//! no more than the guest may have and what the host may spend on it.

pub(crate) mod calls;
pub(crate) mod compute;
mod core_code;
mod engine;
pub(crate) mod files;
mod foreign;
pub(crate) mod output;
pub(crate) mod protocol;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::Serialize;
use steading::{Code, Error, ErrorKind, Host, HostBuilder, Portal, Result, Rung, Spec, nursery, sleep};
use steading_tests::artifacts::VALUES;
use steading_tests::{Line, capture_guests, story_once};

/// The neighbour has its answer by then.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an attack runs before it is cancelled, if it is one that is.
const BEFORE_CANCEL: Duration = Duration::from_millis(30);
/// How long a task has after a cancel.
const GRACE: Duration = Duration::from_millis(60);
/// Mebibytes that a process may grow by while one guest attacks: what the guest may have, and half as much.
const ROOM: u64 = 96;
/// Attacks in one story.
const A_FEW: usize = 8;
/// Mebibytes that may stay when these are over: the allocator's, for the next ones.
const REMAINS: u64 = 128;

/// One attack, and how it has to end.
pub(crate) struct Attack {
    endpoint: &'static str,
    args: Args,
    /// The component, where it is not that of the whole table.
    component: Option<Vec<u8>>,
    cancelled: bool,
    end: End,
    room: u64,
    patience: Duration,
    after: Option<Box<dyn Fn()>>,
    heard: fn(&[Line]),
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Args {
    None(()),
    Number(i64),
    Flag(bool),
    Text(String),
}

/// How an attack ends.
enum End {
    /// The guest is back, and says this.
    Returns(String),
    /// The call fails, and nothing else does.
    Fails(ErrorKind, &'static str),
    /// The actor dies of it, and its parent hears the same.
    Dies(ErrorKind, &'static str),
    /// The actor dies of too many calls in a turn, or of its time: which comes first is a matter of the machine.
    IsStopped,
    /// The actor was cancelled, with these words.
    IsCancelled(&'static str),
    /// Asked to end, it ended on this rung.
    Ends(Rung),
    /// It is not even loaded.
    Unloadable(&'static str),
}

/// An attack on an endpoint without parameters, to be followed by how it ends.
pub(crate) fn attack(endpoint: &'static str) -> Attack {
    Attack {
        endpoint,
        args: Args::None(()),
        component: None,
        cancelled: false,
        end: End::Returns(String::new()),
        room: ROOM,
        patience: PATIENCE,
        after: None,
        heard: |_| {},
    }
}

impl Attack {
    fn with(mut self, args: Args) -> Self {
        self.args = args;
        self
    }

    fn number(self, number: i64) -> Self {
        self.with(Args::Number(number))
    }

    fn component(mut self, bytes: Vec<u8>) -> Self {
        self.component = Some(bytes);
        self
    }

    fn room(mut self, mebibytes: u64) -> Self {
        self.room = mebibytes;
        self
    }

    /// The neighbour may have to wait for twice as long.
    fn longer(mut self) -> Self {
        self.patience *= 2;
        self
    }

    fn returns(mut self, text: impl Into<String>) -> Self {
        self.end = End::Returns(text.into());
        self
    }

    fn fails(mut self, kind: ErrorKind, text: &'static str) -> Self {
        self.end = End::Fails(kind, text);
        self
    }

    fn dies(mut self, kind: ErrorKind, text: &'static str) -> Self {
        self.end = End::Dies(kind, text);
        self
    }

    fn limit(self, what: &str, text: &'static str) -> Self {
        self.dies(ErrorKind::Limit(what.into()), text)
    }

    fn says_it_was_cancelled(mut self, text: &'static str) -> Self {
        self.end = End::IsCancelled(text);
        self
    }

    fn stopped(mut self) -> Self {
        self.end = End::IsStopped;
        self
    }

    fn trap(self, code: &str) -> Self {
        self.dies(ErrorKind::Trap(code.into()), "")
    }

    /// It is asked to end after a while.
    fn cancelled(mut self) -> Self {
        self.cancelled = true;
        self
    }

    /// It is asked to end after a while, and ends on this rung.
    fn ends(mut self, rung: Rung) -> Self {
        self.end = End::Ends(rung);
        self.cancelled()
    }

    /// Something to be put in order when it is over.
    fn after(mut self, after: impl Fn() + 'static) -> Self {
        self.after = Some(Box::new(after));
        self
    }

    /// What was logged meanwhile passes this.
    fn heard(mut self, heard: fn(&[Line])) -> Self {
        self.heard = heard;
        self
    }

    fn unloadable(mut self, text: &'static str) -> Self {
        self.end = End::Unloadable(text);
        self
    }
}

/// What became of an attack.
#[derive(Debug)]
enum Seen {
    Returned(String),
    Failed { call: Error, died: bool },
    Ended(Rung),
    Unloadable(String),
}

/// Runs a table of attacks with this guest.
pub(crate) fn assault(guest: &str, table: Vec<Attack>) {
    assault_with(guest, table, |builder| builder, |spec| spec);
}

/// As [`assault`], on hosts and with attackers that are made differently.
pub(crate) fn assault_with(
    guest: &str,
    table: Vec<Attack>,
    change: impl Fn(HostBuilder) -> HostBuilder,
    grant: impl Fn(Spec) -> Spec,
) {
    // A few at a time: what watches over a story does not know how long a table is.
    for attacks in table.chunks(A_FEW) {
        story_once(
            |builder| change(builder.cancel_grace(GRACE)),
            async |host| one_after_another(host, guest, attacks, &grant).await,
        );
    }
}

async fn one_after_another(host: &Host, guest: &str, attacks: &[Attack], grant: &impl Fn(Spec) -> Spec) -> Result<()> {
    let code = host.load(guest)?;
    host.load_as("neighbour", VALUES)?;
    let (before, begun) = (resident(), Instant::now());
    for attack in attacks {
        run(host, &code, attack, grant).await?;
    }
    drop(capture_guests());
    let left = resident().saturating_sub(before) >> 20;
    println!("{} attacks in {:?}, {left} MiB left", attacks.len(), begun.elapsed());
    assert!(left <= REMAINS, "{} attacks have left {left} MiB behind", attacks.len());
    Ok(())
}

async fn run(host: &Host, code: &Code, attack: &Attack, grant: &impl Fn(Spec) -> Spec) -> Result<()> {
    let (before, lines) = (resident(), capture_guests());
    let (seen, witness) = beside_a_neighbour(host, async || match own_code(host, code, attack) {
        Ok(code) => strike(grant(code.spec("attacker")), attack).await,
        Err(refused) => Ok(Seen::Unloadable(refused)),
    })
    .await?;
    let name = format!("{}({:?})", attack.endpoint, attack.args);
    let grown = witness.peak.saturating_sub(before) >> 20;
    println!(
        "{name}: neighbour waited {:?} at most, {grown} MiB more",
        witness.longest
    );
    attack.after.iter().for_each(|after| after());
    check(&name, &seen, &attack.end);
    assert!(
        witness.longest <= attack.patience,
        "{name}: the neighbour waited {:?}",
        witness.longest
    );
    assert!(grown <= attack.room, "{name}: the process grew by {grown} MiB");
    (attack.heard)(&lines.all());
    host.assert_quiescent();
    assert_eq!(host.lent().unwrap_or_default(), 0, "{name}: stores are left");
    Ok(())
}

/// The code that attacks; why it cannot be loaded, if it cannot.
fn own_code(host: &Host, code: &Code, attack: &Attack) -> std::result::Result<Code, String> {
    match &attack.component {
        None => Ok(code.clone()),
        Some(bytes) => host
            .load_bytes(attack.endpoint, bytes)
            .map_err(|error| error.to_string()),
    }
}

/// Does something in a root with a neighbour, who is asked all the time.
async fn beside_a_neighbour<T>(host: &Host, attack: impl AsyncFnOnce() -> Result<T>) -> Result<(T, Witness)> {
    host.root(async |n| {
        let neighbour = n.start_actor(Spec::component("neighbour", "neighbour")).await?;
        let over = AtomicBool::new(false);
        let attack = async {
            let end = attack().await;
            over.store(true, Relaxed);
            end
        };
        let (end, witness) = futures_util::join!(attack, watch(&neighbour, &over));
        n.cancel("it is over");
        Ok((end?, witness?))
    })
    .await
}

/// What the neighbour noticed.
#[derive(Default)]
struct Witness {
    longest: Duration,
    peak: u64,
}

async fn watch(neighbour: &Portal, over: &AtomicBool) -> Result<Witness> {
    let mut witness = Witness::default();
    loop {
        let last = over.load(Relaxed);
        let asked = Instant::now();
        assert_eq!(neighbour.call::<i64, _>("add", &(40, 2)).await?, 42);
        witness.longest = witness.longest.max(asked.elapsed());
        witness.peak = witness.peak.max(resident());
        if last {
            return Ok(witness);
        }
        sleep(Duration::from_millis(1)).await?;
    }
}

/// Starts the attacker and has it attack, in a nursery of its own.
async fn strike(spec: Spec, attack: &Attack) -> Result<Seen> {
    let mut seen = None;
    let end = nursery(async |n| {
        let attacker = n.start_actor(spec).await?;
        let call = attacker.call::<String, _>(attack.endpoint, &attack.args);
        seen = Some(match attack.cancelled {
            false => call.await.map_err(Some),
            true => {
                let cancel = async {
                    sleep(BEFORE_CANCEL).await?;
                    attacker.cancel_actor("enough of that").await
                };
                let (call, rung) = futures_util::join!(call, cancel);
                assert!(call.is_err(), "{}: {call:?}", attack.endpoint);
                return rung.map(Some);
            }
        });
        n.cancel("it is over");
        Ok(None)
    })
    .await;
    Ok(match (seen, end) {
        (Some(Ok(text)), end) => {
            end?;
            Seen::Returned(text)
        }
        (Some(Err(call)), end) => Seen::Failed {
            call: call.expect("it has failed"),
            died: end.is_err(),
        },
        (None, Ok(rung)) => Seen::Ended(rung.expect("a cancel has an answer")),
        (None, Err(error)) => Seen::Failed {
            call: error,
            died: true,
        },
    })
}

fn check(name: &str, seen: &Seen, end: &End) {
    let fits = match (seen, end) {
        (Seen::Returned(text), End::Returns(wanted)) => text.contains(wanted.as_str()),
        (Seen::Failed { call, died: false }, End::Fails(kind, text))
        | (Seen::Failed { call, died: true }, End::Dies(kind, text)) => {
            call.kind() == *kind && call.to_string().contains(text) && fits_a_screen(call)
        }
        (Seen::Failed { call, died: true }, End::IsStopped) => ["calls", "cpu"]
            .map(|what| ErrorKind::Limit(what.into()))
            .contains(&call.kind()),
        (Seen::Failed { call, .. }, End::IsCancelled(text)) => {
            call.is_cancelled() && call.to_string().contains(text) && call.to_string().len() < 2048
        }
        (Seen::Ended(rung), End::Ends(wanted)) => rung == wanted,
        (Seen::Unloadable(said), End::Unloadable(wanted)) => said.contains(wanted) && !said.contains('\u{1b}'),
        _ => false,
    };
    assert!(fits, "{name} ended otherwise: {seen:.2000?}");
}

/// Whatever a guest had a hand in, an error is not longer than an operator can bear.
fn fits_a_screen(error: &Error) -> bool {
    format!("{error:#}").len() <= 128 << 10
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * 4096
}
