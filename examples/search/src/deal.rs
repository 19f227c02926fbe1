//! The root's work: walk, deal out batches of paths, take in reports, and say how it went.
//!
//! ```text
//!          ┌── batches: at most AHEAD per worker ──► worker 0
//!  walk ──►│ one feeder per worker                   …
//!          └── reports: as credit and HELD allow ◄── worker N-1
//!                 └─► ledger (into order) ─► screen
//! ```
//! Nothing grows without bound. The walk is only asked for paths when a worker can take them. A report
//! that has to wait for its turn is taken off the stream only while little waits already; beyond that
//! the stream's credit runs out and its worker pauses. The worker whose batch is next in line is never
//! kept waiting, so the others get on in the end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::task::{Poll, Waker};
use std::time::Instant;

use steading_guest::{Context, Error, Nursery, Result, Spec, Stream, nursery, try_join_all};

use crate::Search;
use crate::ledger::Ledger;
use crate::matcher::Matcher;
use crate::options::Options;
use crate::screen::Screen;
use crate::walk::Walk;
use crate::wire::{Batch, Report, Skipped, Why};

/// Paths of a batch: enough that messages cost nothing next to opening files, few enough that workers
/// end at about the same time.
const BATCH: usize = 32;

/// Batches a worker may have at a time, so that it never waits for the next one. Far less than the
/// stream's window: what one worker has, no other can help with.
const AHEAD: usize = 4;

/// Bytes of hits that may wait for their turn.
const HELD: usize = 8 << 20;

/// The endpoint.
pub(crate) async fn run(options: Options) -> Result<()> {
    let pattern_error = |error| Error::msg(format_args!("pattern `{}`: {error}", options.pattern));
    Matcher::new(&options.pattern).map_err(pattern_error)?;
    let dir_error = |error| Error::msg(format_args!("directory `{}`: {error} (is it granted?)", options.dir));
    let walk = Walk::new(&options.dir).map_err(dir_error)?;
    let root = Root::new(options, walk);
    let end = nursery(async |nursery| root.search(&nursery).await).await;
    root.results.borrow_mut().conclude(end)
}

struct Root {
    options: Options,
    dealer: RefCell<Dealer>,
    results: RefCell<Results>,
    /// Feeders that wait for their turn.
    waiting: RefCell<Vec<Waker>>,
}

impl Root {
    fn new(options: Options, walk: Walk) -> Self {
        let dealer = RefCell::new(Dealer { walk, next: 0 });
        let results = RefCell::new(Results::new(&options));
        Self {
            options,
            dealer,
            results,
            waiting: RefCell::default(),
        }
    }

    async fn search(&self, nursery: &Nursery) -> Result<()> {
        let workers = 1..=self.options.workers;
        try_join_all(workers.map(|number| self.employ(nursery, number))).await?;
        nursery.cancel("the search is over");
        Ok(())
    }

    /// Starts a worker and keeps it busy until there is nothing left to do.
    async fn employ(&self, nursery: &Nursery, number: usize) -> Result<()> {
        let Options { dir, pattern, .. } = &self.options;
        let spec = Spec::this_component(format!("worker-{number}"))
            .dir(dir, dir)
            .endpoints(["scan"]);
        let worker = nursery.start_actor(spec).await?;
        let body = async |context: Context<Batch, Report>, ()| context.stream(async |s| self.feed(&s).await).await;
        Search::SCAN.open_context(&worker, pattern, body).await
    }

    async fn feed(&self, stream: &Stream<Batch, Report>) -> Result<()> {
        let mut dealt = VecDeque::with_capacity(AHEAD);
        loop {
            while dealt.len() < AHEAD
                && let Some(batch) = self.deal()?
            {
                dealt.push_back(batch.number);
                stream.send(batch).await?;
            }
            let Some(&first) = dealt.front() else { return Ok(()) };
            self.wait_turn(first).await;
            let Some(report) = stream.next().await? else {
                return Err(Error::msg("a worker ended before its work was done"));
            };
            if report.done {
                dealt.pop_front();
            }
            self.record(report)?;
        }
    }

    /// The next batch, unless the walk is over.
    fn deal(&self) -> Result<Option<Batch>> {
        let mut skipped = Vec::new();
        let batch = self.dealer.borrow_mut().next(&mut skipped);
        self.results.borrow_mut().skip(skipped)?;
        Ok(batch)
    }

    fn record(&self, report: Report) -> Result<()> {
        let recorded = self.results.borrow_mut().record(report);
        self.waiting.take().into_iter().for_each(Waker::wake);
        Ok(recorded?)
    }

    /// Waits until a report on this batch may be taken in.
    async fn wait_turn(&self, batch: u64) {
        poll_fn(|cx| {
            let results = self.results.borrow();
            let ledger = &results.ledger;
            if ledger.head() == batch || ledger.held() < HELD {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Makes batches of the walk.
struct Dealer {
    walk: Walk,
    next: u64,
}

impl Dealer {
    fn next(&mut self, skipped: &mut Vec<Skipped>) -> Option<Batch> {
        let mut paths = Vec::with_capacity(BATCH);
        while paths.len() < BATCH
            && let Some(found) = self.walk.next()
        {
            match found {
                Ok(path) => paths.push(path),
                Err(unreadable) => skipped.push(unreadable),
            }
        }
        if paths.is_empty() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        Some(Batch { number, paths })
    }
}

/// What is known so far, and the screen that shows it.
struct Results {
    ledger: Ledger,
    screen: Screen,
    list_binary: bool,
    binary: u64,
    unreadable: u64,
    workers: usize,
    begun: Instant,
}

impl Results {
    fn new(options: &Options) -> Self {
        Self {
            ledger: Ledger::default(),
            screen: Screen::new(options.progress),
            list_binary: options.list_binary,
            binary: 0,
            unreadable: 0,
            workers: options.workers,
            begun: Instant::now(),
        }
    }

    fn record(&mut self, mut report: Report) -> io::Result<()> {
        let skipped = std::mem::take(&mut report.skipped);
        self.ledger.record(&report, &mut self.screen)?;
        self.skip(skipped)?;
        let tally = self.ledger.tally;
        self.screen
            .update(|| format!("{} files searched, {} hits", tally.files, tally.hits))
    }

    /// Counts files that were not searched, and says which, unless they are merely binary.
    fn skip(&mut self, skipped: Vec<Skipped>) -> io::Result<()> {
        for Skipped { path, why } in skipped {
            match why {
                Why::Unreadable(why) => {
                    self.unreadable += 1;
                    self.screen.note(&format!("search: {path}: {why}"))?;
                }
                Why::Binary => {
                    self.binary += 1;
                    if self.list_binary {
                        self.screen.note(&format!("search: {path}: binary"))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Prints what is left and the summary, however the search ended.
    fn conclude(&mut self, end: Result<()>) -> Result<()> {
        if end.as_ref().is_err_and(is_broken_pipe) {
            // Nobody reads the hits any more (`| head`): what remains is not worth a word.
            return Ok(());
        }
        self.ledger.print_rest(&mut self.screen)?;
        self.screen.flush()?;
        let summary = self.summary();
        match end {
            Ok(()) => self.screen.note(&summary)?,
            // It did not even begin: the error says it all.
            Err(_) if self.ledger.tally.files == 0 => {}
            Err(_) => self.screen.note(&format!("unfinished; so far: {summary}"))?,
        }
        end
    }

    fn summary(&self) -> String {
        let tally = self.ledger.tally;
        let mut summary = format!(
            "{} in {}; searched {} ({:.1} MiB) in {:.2} s with {}",
            count(tally.hits, "hit"),
            count(tally.matching_files, "file"),
            count(tally.files, "file"),
            tally.bytes as f64 / f64::from(1 << 20),
            self.begun.elapsed().as_secs_f64(),
            count(self.workers as u64, "worker"),
        );
        for (number, what) in [(self.binary, "binary"), (self.unreadable, "unreadable")] {
            if number > 0 {
                summary.push_str(&format!("; {number} {what}"));
            }
        }
        summary
    }
}

fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn is_broken_pipe(error: &Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
