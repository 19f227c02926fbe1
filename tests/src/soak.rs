//! The endurance run: lives, trees, restarts and children by the thousand, and whether anything is left of them.
//!
//! What is left is told by slopes, not by differences: by how much the process has grown with each thousand lives,
//! as the median over all pairs of samples (Theil and Sen). A leak shows in every pair; what grows once, when a
//! pool or an arena is first used to its full, shows in a few, and the median does not see it. Samples are taken
//! in the second half of the run: by then each slot of the engine's pool has been used by the largest that it will
//! hold. Two measures: the bytes that the allocator has given out, which are exact, and the process's anonymous
//! pages, which also see what does not come from the allocator.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use steading::{AbsorbedExt as _, Code, Context, Error, Host, Portal, Restart, Result, Stream, Supervisor};

/// Samples of one stage.
const SAMPLES: u64 = 60;
/// Of these, the first that do not count.
const WARM_UP: u64 = SAMPLES / 2;
/// How long a task that is over may take to go.
const GONE: Duration = Duration::from_millis(100);
/// Children of a root, and of each of these: with the one above them, fifty.
const TREE: [u32; 2] = [7, 6];
const ACTORS_IN_TREE: u64 = 50;
const LIVES_IN_ROOT: u64 = 10;

/// How much of each.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Actors that are started, called and cancelled, ten in a root.
    pub lives: u64,
    /// Trees of fifty actors.
    pub trees: u64,
    /// Restarts of one child in one nursery.
    pub restarts: u64,
    /// Children of one guest, in one nursery.
    pub children: u64,
}

/// What may be left of a thousand lives, at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes that the allocator has given out.
    pub heap: f64,
    /// Bytes of anonymous pages.
    pub resident: f64,
    /// Mappings, over the whole stage: allocators split and join them as they like.
    pub maps: usize,
}

/// What the process held when nothing ran.
#[derive(Clone, Copy, Debug)]
struct Held {
    lives: u64,
    heap: usize,
    resident: usize,
    maps: usize,
    descriptors: usize,
    threads: usize,
    tasks: usize,
    actors: usize,
    /// Instances and memories out of the engine's pool.
    lent: u64,
}

type Count = fn(&Held) -> usize;

const MAPS: &str = "maps";

/// What may not grow, and what it is called; mappings have some room.
const COUNTS: [(&str, Count); 6] = [
    (MAPS, |held| held.maps),
    ("descriptors", |held| held.descriptors),
    ("threads", |held| held.threads),
    ("tasks", |held| held.tasks),
    ("actors", |held| held.actors),
    ("stores", |held| held.lent as usize),
];

/// What one stage has shown.
#[derive(Clone, Debug)]
pub struct Stage {
    name: &'static str,
    took: Duration,
    samples: Vec<Held>,
    /// Bytes of the guest's own memory, where that is looked at.
    memory: Vec<u64>,
}

/// Takes the samples of a stage.
struct Meter<'a> {
    host: &'a Host,
    heap: fn() -> usize,
    stage: Stage,
    begun: Instant,
    lives: u64,
    /// Tasks there were when the fewest were alive.
    fewest: usize,
}

impl<'a> Meter<'a> {
    fn new(host: &'a Host, heap: fn() -> usize, name: &'static str) -> Self {
        let stage = Stage {
            name,
            took: Duration::ZERO,
            samples: Vec::with_capacity(SAMPLES as usize),
            memory: Vec::with_capacity(SAMPLES as usize),
        };
        Self {
            host,
            heap,
            stage,
            begun: Instant::now(),
            lives: 0,
            fewest: usize::MAX,
        }
    }

    /// A task that is over may take a moment to go, also when its parent has heard of its end.
    async fn settle(&mut self) {
        let until = Instant::now() + GONE;
        let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        while alive() > self.fewest && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        self.fewest = self.fewest.min(alive());
    }

    async fn sample(&mut self, lives: u64) {
        self.settle().await;
        self.lives += lives;
        let held = Held {
            lives: self.lives,
            heap: (self.heap)(),
            resident: resident(),
            maps: lines("/proc/self/maps"),
            descriptors: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            actors: self.host.snapshot().actors.len(),
            lent: self.host.lent().unwrap_or(0),
        };
        self.stage.samples.push(held);
    }

    fn end(mut self) -> Stage {
        self.stage.took = self.begun.elapsed();
        self.stage
    }
}

const PROCFS: &str = "procfs is there on every Linux that runs the tests";

/// Anonymous pages of this process, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect(PROCFS);
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kibibytes.expect("a line says how many there are") * 1024
}

fn lines(file: &str) -> usize {
    fs::read_to_string(file).expect(PROCFS).lines().count()
}

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).expect(PROCFS).count()
}

/// Runs all stages on this host, one after the other; `heap` says what the allocator has given out.
///
/// # Errors
/// Those of the actors, none of which is to have any.
pub async fn run(host: &Host, plan: Plan, heap: fn() -> usize) -> Result<Vec<Stage>> {
    let code = host.load(crate::artifacts::SOAK)?;
    Ok(vec![
        lives(Meter::new(host, heap, "lives"), &code, plan.lives).await?,
        trees(Meter::new(host, heap, "lives in trees of 50"), &code, plan.trees).await?,
        restarts(Meter::new(host, heap, "restarts of one child"), &code, plan.restarts).await?,
        children(Meter::new(host, heap, "children of one guest"), &code, plan.children).await?,
    ])
}

/// How many of them come between two samples.
fn share(all: u64) -> u64 {
    all.div_ceil(SAMPLES).max(1)
}

async fn lives(mut meter: Meter<'_>, code: &Code, count: u64) -> Result<Stage> {
    let roots = share(count.div_ceil(LIVES_IN_ROOT));
    for _ in 0..SAMPLES {
        for _ in 0..roots {
            root_of_lives(meter.host, code).await?;
        }
        meter.host.wait_quiescent().await;
        meter.sample(roots * LIVES_IN_ROOT).await;
    }
    Ok(meter.end())
}

async fn root_of_lives(host: &Host, code: &Code) -> Result<()> {
    host.root(async |nursery| {
        for question in 0..LIVES_IN_ROOT {
            let actor = nursery.start_actor(code.spec("actor")).await?;
            let answer: u64 = actor.call("answer", &question).await?;
            assert_eq!(answer, question + 1, "it lives");
            actor.cancel_actor("answered").await?;
        }
        Ok(())
    })
    .await
}

async fn trees(mut meter: Meter<'_>, code: &Code, count: u64) -> Result<Stage> {
    let trees = share(count);
    for _ in 0..SAMPLES {
        for _ in 0..trees {
            tree(meter.host, code).await?;
        }
        meter.host.wait_quiescent().await;
        meter.sample(trees * ACTORS_IN_TREE).await;
    }
    Ok(meter.end())
}

async fn tree(host: &Host, code: &Code) -> Result<()> {
    host.root(async |nursery| {
        let top = nursery.start_actor(code.spec("top")).await?;
        let body = async |ctx: Context<(), (), u64>, actors: u64| {
            assert_eq!(actors, ACTORS_IN_TREE, "all are up");
            ctx.cancel("felled").await;
            ctx.wait_result::<()>().await
        };
        top.open_context("tree", &TREE.to_vec(), body).await.absorbed()?;
        nursery.cancel("felled");
        Ok(())
    })
    .await
}

async fn restarts(mut meter: Meter<'_>, code: &Code, count: u64) -> Result<Stage> {
    let often = Restart::permanent().intensity(1000, Duration::from_millis(1));
    let spec = code
        .spec("phoenix")
        .restart(often.backoff(Duration::ZERO, Duration::ZERO));
    let host = meter.host;
    host.root(async |_| {
        let supervised = Supervisor::one_for_one().run(async |nursery| {
            let mut phoenix = nursery.start_actor(spec).await?;
            for _ in 0..SAMPLES {
                for _ in 0..share(count) {
                    phoenix = next_life(&phoenix).await?;
                }
                meter.sample(share(count)).await;
            }
            nursery.cancel("enough");
            Ok(())
        });
        supervised.await
    })
    .await?;
    Ok(meter.end())
}

async fn next_life(phoenix: &Portal) -> Result<Portal> {
    match phoenix.call::<(), _>("die", &()).await {
        Ok(()) => Err(Error::msg("it was to die")),
        Err(_) => phoenix.successor().await,
    }
}

async fn children(mut meter: Meter<'_>, code: &Code, count: u64) -> Result<Stage> {
    let host = meter.host;
    host.root(async |nursery| {
        let parent = nursery.start_actor(code.spec("parent")).await?;
        let body = async |ctx: Context<u64, u64>, ()| {
            ctx.stream(async |stream| each_share(&stream, &mut meter, share(count)).await)
                .await?;
            ctx.wait_result::<()>().await
        };
        parent.open_context("children", &(), body).await?;
        nursery.cancel("enough");
        Ok(())
    })
    .await?;
    Ok(meter.end())
}

async fn each_share(stream: &Stream<u64, u64>, meter: &mut Meter<'_>, share: u64) -> Result<()> {
    for _ in 0..SAMPLES {
        stream.send(share).await?;
        let memory = stream.next().await?.unwrap_or_default();
        meter.stage.memory.push(memory);
        meter.sample(share).await;
    }
    Ok(())
}

impl Stage {
    fn counted(&self) -> &[Held] {
        self.samples.get(WARM_UP as usize..).unwrap_or_default()
    }

    /// By how much something grows with each thousand lives: the median over all pairs of samples.
    fn slope(&self, of: impl Fn(&Held) -> usize) -> f64 {
        let samples = self.counted();
        let mut slopes = Vec::new();
        for (number, early) in samples.iter().enumerate() {
            for late in &samples[number + 1..] {
                let lives = (late.lives - early.lives) as f64 / 1000.0;
                slopes.push((of(late) as f64 - of(early) as f64) / lives);
            }
        }
        slopes.sort_by(f64::total_cmp);
        slopes.get(slopes.len() / 2).copied().unwrap_or(0.0)
    }

    /// The least that something was in the first quarter after the warm-up, and in the last.
    fn ends(&self, of: impl Fn(&Held) -> usize) -> (usize, usize) {
        let samples = self.counted();
        let quarter = samples.len() / 4;
        let least = |samples: &[Held]| samples.iter().map(&of).min().unwrap_or(0);
        (least(&samples[..quarter]), least(&samples[samples.len() - quarter..]))
    }

    /// What is wrong with it.
    pub fn faults(&self, bounds: &Bounds) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |what: &str, is: f64, most: f64| {
            if is > most {
                faults.push(format!("{}: {what}: {is:.0}, and {most:.0} at most", self.name));
            }
        };
        check(
            "bytes of heap a thousand lives",
            self.slope(|held| held.heap),
            bounds.heap,
        );
        check(
            "bytes of pages a thousand lives",
            self.slope(|held| held.resident),
            bounds.resident,
        );
        for (what, of) in COUNTS {
            let (early, late) = self.ends(of);
            let room = if what == MAPS { bounds.maps } else { 0 };
            check(what, late as f64, (early + room) as f64);
        }
        let (early, late) = (self.memory.get(WARM_UP as usize), self.memory.last());
        check("bytes of the guest's memory", bytes(late), bytes(early));
        faults
    }
}

fn bytes(memory: Option<&u64>) -> f64 {
    memory.copied().unwrap_or(0) as f64
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lives = self.samples.last().map_or(0, |held| held.lives);
        let seconds = self.took.as_secs_f64();
        write!(f, "{lives:>7} {:<22} {seconds:>7.1} s", self.name)?;
        write!(f, " | a thousand: heap {:>+6.0} B", self.slope(|held| held.heap))?;
        write!(f, ", pages {:>+6.0} B", self.slope(|held| held.resident))?;
        f.write_str(" |")?;
        for (what, of) in COUNTS {
            let (early, late) = self.ends(of);
            write!(f, " {what} {early} → {late}")?;
        }
        if let (Some(early), Some(late)) = (self.memory.get(WARM_UP as usize), self.memory.last()) {
            write!(f, " guest memory {early} → {late}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(heap: impl Fn(u64) -> usize) -> Stage {
        let held = |number: u64| Held {
            lives: number * 1000,
            heap: heap(number),
            resident: 0,
            maps: 0,
            descriptors: 0,
            threads: 0,
            tasks: 0,
            actors: 0,
            lent: 0,
        };
        Stage {
            name: "stage",
            took: Duration::ZERO,
            samples: (0..SAMPLES).map(held).collect(),
            memory: Vec::new(),
        }
    }

    const BOUNDS: Bounds = Bounds {
        heap: 10.0,
        resident: 10.0,
        maps: 0,
    };

    #[test]
    fn a_leak_is_seen_through_noise() {
        let leaks = stage(|number| 50_000 + number as usize * 30 + (number as usize * 7919) % 100);
        assert_eq!(leaks.faults(&BOUNDS).len(), 1, "{leaks}");
    }

    #[test]
    fn what_grows_once_is_no_leak() {
        let grows = stage(|number| if number < 50 { 1000 } else { 900_000 });
        assert_eq!(grows.faults(&BOUNDS), Vec::<String>::new(), "{grows}");
    }
}
