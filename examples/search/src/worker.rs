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
    stream: &'a Stream<Report, Batch>,
    text: Text,
    report: Report,
    resumed: Instant,
}

impl<'a> Worker<'a> {
    fn new(matcher: &'a Matcher, stream: &'a Stream<Report, Batch>) -> Self {
        Self {
            matcher,
            stream,
            text: Text::default(),
            report: Report::default(),
            resumed: Instant::now(),
        }
    }

    async fn search(&mut self, batch: Batch) -> Result<()> {
        self.report.batch = batch.number;
        for path in batch.paths {
            self.file(path).await?;
        }
        self.report.done = true;
        self.send().await
    }

    async fn file(&mut self, path: String) -> Result<()> {
        let why = match File::open(&path) {
            Ok(file) => self.lines(&path, file).await?,
            Err(error) => Some(Why::Unreadable(error.to_string())),
        };
        self.report.skipped.extend(why.map(|why| Skipped { path, why }));
        Ok(())
    }

    /// Searches an open file; why it was left before its end.
    async fn lines(&mut self, path: &str, mut file: File) -> Result<Option<Why>> {
        self.text.begin();
        let mut position = Position::default();
        let why = loop {
            match self.text.next(&mut file) {
                Ok(Piece::Lines(lines)) => position.search(self.matcher, path, lines, &mut self.report),
                Ok(Piece::Binary) => break Some(Why::Binary),
                Ok(Piece::End) => break None,
                Err(error) => break Some(Why::Unreadable(error.to_string())),
            }
            self.breathe().await?;
        };
        let tally = &mut self.report.tally;
        tally.files += 1;
        tally.bytes += self.text.bytes;
        tally.matching_files += u64::from(position.hits > 0);
        Ok(why)
    }

    /// Sends what there is much of, and ends the turn if it has taken long.
    async fn breathe(&mut self) -> Result<()> {
        if self.report.lines.len() >= REPORT {
            self.send().await?;
        }
        if self.resumed.elapsed() >= SLICE {
            sleep(Duration::ZERO).await?;
            self.resumed = Instant::now();
        }
        Ok(())
    }

    /// Sends the report, in several messages if there is more than one message should carry.
    async fn send(&mut self) -> Result<()> {
        let report = std::mem::take(&mut self.report);
        let batch = report.batch;
        self.report.batch = batch;
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

/// Where in a file the search is.
#[derive(Default)]
struct Position {
    /// Lines before.
    lines: u64,
    hits: u64,
}

impl Position {
    /// Adds the matching lines of the next piece to the report, as they are printed.
    fn search(&mut self, matcher: &Matcher, path: &str, piece: &[u8], report: &mut Report) {
        let hits = self.hits;
        for line in matcher.lines(piece) {
            let number = self.lines + line.number + 1;
            // Writing to memory cannot fail.
            write!(report.lines, "{path}:{number}:").ok();
            report.lines.extend_from_slice(line.text);
            report.lines.push(b'\n');
            self.hits += 1;
        }
        report.tally.hits += self.hits - hits;
        self.lines += matcher::newlines(piece);
    }
}
