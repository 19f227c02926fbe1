//! What a guest says that was written by chance: each word is a call of an import, and few of them make sense.

use std::time::Duration;

use steading_guest::bindings::steading::actor::context::{self, Ending};
use steading_guest::bindings::steading::actor::types::{Cause, Policy, Window};
use steading_guest::bindings::steading::actor::{log, nursery, runtime, stream};
use steading_guest::{Result, sleep};

use super::{forged, nothing, options, rules, spec};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn number(&mut self) -> u32 {
        let odd = [0, 1, 2, 63, 64, 65, 1 << 16, u32::MAX - 1, u32::MAX];
        if self.below(2) == 0 {
            self.pick(&odd)
        } else {
            self.next() as u32
        }
    }

    /// Values, batches, and what is neither.
    fn bytes(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 => Vec::new(),
            1 => nothing(),
            2 => vec![1, 0, 0, 0, 0xf6],
            3 => vec![0x81; 300],
            4 => vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            5 => vec![0; 70_000],
            6 => (0..self.below(6))
                .flat_map(|n| [n as u8, 0, 0, 0].into_iter().chain((0..n).map(|_| 0xf6)))
                .collect(),
            _ => (0..self.below(64)).map(|_| self.next() as u8).collect(),
        }
    }

    fn text(&mut self) -> String {
        let odd = ["", "idle", "babble", "\u{1b}[2J", "\0", "ä", "..", "root"];
        match self.below(10) {
            0 => "x".repeat(self.below(5_000) as usize),
            _ => self.pick(&odd).to_owned(),
        }
    }
}

/// Keys that were given out, and some that were not.
#[derive(Default)]
struct Known {
    contexts: Vec<u32>,
    nurseries: Vec<u32>,
    portals: Vec<u32>,
}

fn key(random: &mut Random, known: &[u32]) -> u32 {
    match known {
        [] => random.number(),
        _ if random.below(4) == 0 => random.number(),
        known => random.pick(known),
    }
}

/// Says so much; what was answered does not matter.
pub(crate) async fn run(seed: u64) -> Result<String> {
    let mut random = Random(seed);
    let mut known = Known::default();
    known.nurseries.extend(nursery::open(None, rules()).ok());
    let words = 20 + random.below(300);
    for word in 0..words {
        say(&mut random, &mut known);
        if word % 16 == 15 {
            // So that it goes out, and answers come.
            sleep(Duration::from_millis(random.below(3))).await?;
        }
    }
    Ok(format!("{words} words"))
}

fn say(random: &mut Random, known: &mut Known) {
    let c = key(random, &known.contexts);
    let n = key(random, &known.nurseries);
    let p = key(random, &known.portals);
    // Whatever is answered: the host has to have an answer.
    match random.below(44) {
        0..4 => known.portals.extend(nursery::spawn(n, &spec(&random.text())).ok()),
        4..12 => open(random, known, p),
        12..15 => drop(context::started(c, &random.bytes())),
        15..18 => drop(context::finish(c, &ending(random))),
        18..20 => drop(context::cancel(c, Some(&random.text()), &Cause::Requested)),
        20 => drop(context::reject(c, &random.text())),
        21 => context::release(c),
        22..25 => drop(stream::open(c, Some(flow(random)))),
        25..31 => drop(stream::send_batch(c, &random.bytes())),
        31..33 => drop(stream::credit(c, random.number(), random.number())),
        33 => drop(stream::stop(c)),
        34 => known.nurseries.extend(nursery::open(Some(c), rules()).ok()),
        35 => nursery::cancel(n, Some(&random.text()), &Cause::Interrupt),
        36 => nursery::close(n),
        37 => drop(nursery::child_done(p, Some(&forged()))),
        38 => drop(nursery::cancel_actor(p, Some(&random.text()))),
        39 => drop(nursery::kill_actor(p)),
        40 => log::write(
            log::Level::Info,
            &random.text(),
            &random.text(),
            &[(random.text(), random.text())],
        ),
        41 => runtime::wake_at(random.next()),
        42 => drop(runtime::on_exit()),
        _ => rarely(random),
    }
}

/// What would be the end of it, if it came often.
fn rarely(random: &mut Random) {
    match random.below(40) {
        0 => runtime::cancel_self(Some(&random.text())),
        1 => runtime::exited(Some(&forged())),
        2 => runtime::panicked(&random.text(), &random.text()),
        _ => {}
    }
}

fn open(random: &mut Random, known: &mut Known, target: u32) {
    let mut options = options(target, &random.text());
    options.schema = random.pick(&[0, 0, 0, 1, u64::MAX]);
    options.deadline = random.pick(&[None, None, Some(0), Some(1_000_000), Some(u64::MAX)]);
    options.start_timeout = random.pick(&[None, None, Some(0), Some(u64::MAX)]);
    options.parent = random.pick(&[None, None, Some(1), Some(u32::MAX)]);
    options.window = window(random);
    known.contexts.extend(context::open(&options, &random.bytes()).ok());
}

fn window(random: &mut Random) -> Window {
    Window {
        messages: random.number(),
        bytes: random.number(),
    }
}

fn flow(random: &mut Random) -> stream::Flow {
    let policies = [
        Policy::Block,
        Policy::OverrunError,
        Policy::DropOldest,
        Policy::Buffer(random.number()),
    ];
    stream::Flow {
        policy: random.pick(&policies),
        window: window(random),
    }
}

fn ending(random: &mut Random) -> Ending {
    match random.below(3) {
        0 => Ending::Cancelled,
        1 => Ending::Failed(forged()),
        _ => Ending::Returned(random.bytes()),
    }
}
