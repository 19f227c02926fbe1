//! What root and workers say to each other.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use steading_guest::Schema;

/// Files to search, from the root to a worker. Several in one message: most files are small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Batch {
    /// Counts up by one from 0, in the order of the paths.
    pub number: u64,
    /// In order.
    pub paths: Vec<String>,
}

/// What a worker found, so far, in one batch. A batch has one report, or several if there is much to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Report {
    /// Which batch this is about.
    pub batch: u64,
    /// Lines as they are printed, in order, cut anywhere: a line may be longer than any message.
    #[schema(bytes)]
    pub lines: ByteBuf,
    /// Files that were not searched (to their end).
    pub skipped: Vec<Skipped>,
    /// What is new since the report before.
    pub tally: Tally,
    /// Nothing more will come of this batch.
    pub done: bool,
}

/// A file that was not searched, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Skipped {
    /// Its path.
    pub path: String,
    /// The reason.
    pub why: Why,
}

/// Why a file was not searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Why {
    /// It is not text.
    Binary,
    /// What the system said.
    Unreadable(String),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Tally {
    /// Files that were opened.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Matching lines.
    pub hits: u64,
    /// Files with at least one of them.
    pub matching_files: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.bytes += more.bytes;
        self.hits += more.hits;
        self.matching_files += more.matching_files;
    }
}
