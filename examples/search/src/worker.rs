//! A worker: searches the files of each batch it is sent.
//!
//! A file that cannot be read is reported and the search goes on. The guest's turn is ended every few
//! milliseconds, so that reports leave and a cancel gets in while a large file is searched.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use steading_guest::{Context, Result, Stream, sleep};

use crate::matcher::{self, Matcher};
use crate::text::{Piece, Text};
use crate::wire::{Batch, Report, Skipped, Why};

/// How long a worker computes before it lets the host have its say.
const SLICE: Duration = Duration::from_millis(10);

/// Bytes of hits after which a report leaves, though its batch is not done.
const REPORT: usize = 64 << 10;

/// The endpoint.
pub(crate) async fn run(context: Context<Report, Batch>, pattern: &str) -> Result<()> {
    let matcher = Matcher::new(pattern)?;
    context.started(()).await?;
    context
        .stream(async |stream| {
            let mut worker = Worker::new(&matcher, &stream);
            while let Some(batch) = stream.next().await? {
                worker.search(batch).await?;
            }
            Ok(())
        })
        .await
}

struct Worker<'a> {
    matcher: &'a Matcher,
    text: Text,
    reporter: Reporter<'a>,
}

impl<'a> Worker<'a> {
    fn new(matcher: &'a Matcher, stream: &'a Stream<Report, Batch>) -> Self {
        let reporter = Reporter {
            stream,
            report: Report::default(),
            resumed: Instant::now(),
        };
        Self {
            matcher,
            text: Text::default(),
            reporter,
        }
    }

    async fn search(&mut self, batch: Batch) -> Result<()> {
        self.reporter.report.batch = batch.number;
        for path in batch.paths {
            let why = match File::open(&path) {
                Ok(file) => self.file(&path, file).await?,
                Err(error) => Some(Why::Unreadable(error.to_string())),
            };
            self.reporter
                .report
                .skipped
                .extend(why.map(|why| Skipped { path, why }));
        }
        self.reporter.report.done = true;
        self.reporter.send().await
    }

    /// Searches an open file; why it was left before its end.
    async fn file(&mut self, path: &str, mut file: File) -> Result<Option<Why>> {
        self.text.begin();
        let (mut lines_before, mut hits) = (0, 0_u64);
        let why = loop {
            let lines = match self.text.next(&mut file) {
                Ok(Piece::Lines(lines)) => lines,
                Ok(Piece::Binary) => break Some(Why::Binary),
                Ok(Piece::End) => break None,
                Err(error) => break Some(Why::Unreadable(error.to_string())),
            };
            for line in self.matcher.lines(lines) {
                hits += 1;
                self.reporter
                    .hit(path, lines_before + line.number + 1, line.text)
                    .await?;
            }
            lines_before += matcher::newlines(lines);
            self.reporter.breathe().await?;
        };
        let tally = &mut self.reporter.report.tally;
        tally.files += 1;
        tally.bytes += self.text.bytes;
        tally.matching_files += u64::from(hits > 0);
        Ok(why)
    }
}

/// Says what was found.
struct Reporter<'a> {
    stream: &'a Stream<Report, Batch>,
    /// What was not yet said of the batch.
    report: Report,
    /// When this worker last let the host have its say.
    resumed: Instant,
}

impl Reporter<'_> {
    /// Adds a line as it is printed.
    async fn hit(&mut self, path: &str, number: u64, line: &[u8]) -> Result<()> {
        self.report.tally.hits += 1;
        let lines = &mut self.report.lines;
        // Writing to memory cannot fail.
        write!(lines, "{path}:{number}:").ok();
        lines.extend_from_slice(line);
        lines.push(b'\n');
        if lines.len() >= REPORT {
            self.send().await
        } else {
            Ok(())
        }
    }

    /// Ends the turn if it has taken long.
    async fn breathe(&mut self) -> Result<()> {
        if self.resumed.elapsed() >= SLICE {
            sleep(Duration::ZERO).await?;
            self.resumed = Instant::now();
        }
        Ok(())
    }

    /// Sends the report, in several messages if there is more than one message should carry.
    async fn send(&mut self) -> Result<()> {
        let batch = self.report.batch;
        let next = Report {
            batch,
            ..Report::default()
        };
        let report = std::mem::replace(&mut self.report, next);
        let mut pieces = report.lines.chunks(REPORT);
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.stream.send(part(batch, piece)).await?;
        }
        let lines = part(batch, last).lines;
        self.stream.send(Report { lines, ..report }).await
    }
}

fn part(batch: u64, lines: &[u8]) -> Report {
    Report {
        batch,
        lines: lines.to_vec().into(),
        ..Report::default()
    }
}
