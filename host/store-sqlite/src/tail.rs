//! What the writer remembers of the log: which runs have facts there that stand nowhere else, and from which row on.

use crate::chunks::{self, Chunked};
use crate::fault::Result;
use crate::frame::Frames;
use crate::{log, runs};
use jackfield_core::journal::RunNo;
use rusqlite::Connection;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// A run with facts in the log that stand in no chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// No row before this one is needed for it.
    oldest: u64,
    /// The last row with facts of it.
    newest: u64,
    /// Number of the first batch of its last facts.
    pub(crate) last: u64,
    pub(crate) chunked: Chunked,
}

#[derive(Debug, Default)]
pub(crate) struct Tails {
    runs: HashMap<RunNo, Tail>,
    by_age: BTreeSet<(u64, RunNo)>,
    /// For each row where it begins, in bytes since the log was opened.
    rows: VecDeque<u64>,
    /// Where the last row ends.
    end: u64,
    /// Number of the first row.
    front: u64,
}

/// A number of rows at the front of the log, and their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    pub(crate) len: u64,
}

impl Tails {
    /// What there is to remember of the log as it is.
    pub(crate) fn read(conn: &Connection) -> Result<Self> {
        let mut tails = Self { front: 1, ..Self::default() };
        let mut known: HashMap<RunNo, Option<Chunked>> = HashMap::new();
        log::scan(conn, None, |seq, entries| {
            if tails.rows.is_empty() {
                tails.front = seq;
            }
            tails.appended(entries.len());
            for frame in Frames::new(entries) {
                let frame = frame?;
                let run = RunNo(frame.run);
                let chunked = match known.get(&run) {
                    Some(chunked) => *chunked,
                    None => {
                        let is_there = runs::exists(conn, run)?;
                        let chunked = is_there.then(|| chunks::chunked(conn, run)).transpose()?;
                        *known.entry(run).or_insert(chunked)
                    }
                };
                if let Some(chunked) = chunked.filter(|chunked| frame.first >= chunked.end) {
                    tails.put(run, seq, frame.first, chunked);
                }
            }
            Ok(())
        })?;
        Ok(tails)
    }

    pub(crate) fn get(&self, run: RunNo) -> Option<&Tail> {
        self.runs.get(&run)
    }

    /// The row that is written next.
    pub(crate) fn next_row(&self) -> u64 {
        self.front + self.rows.len() as u64
    }

    /// The row `next_row` was written and is so long.
    pub(crate) fn appended(&mut self, len: usize) {
        self.rows.push_back(self.end);
        self.end += len as u64;
    }

    /// Facts of `run` go to row `row`.
    pub(crate) fn put(&mut self, run: RunNo, row: u64, first: u64, chunked: Chunked) {
        let tail = self.runs.entry(run).or_insert_with(|| {
            self.by_age.insert((row, run));
            Tail { oldest: row, newest: row, last: first, chunked }
        });
        tail.newest = row;
        tail.last = first;
    }

    /// Facts of `run` stand in chunks up to here.
    pub(crate) fn chunk(&mut self, run: RunNo, chunked: Chunked) {
        let Some(tail) = self.runs.get_mut(&run) else { return };
        if tail.last < chunked.end {
            self.forget(run);
        } else {
            tail.chunked = chunked;
        }
    }

    pub(crate) fn forget(&mut self, run: RunNo) {
        if let Some(tail) = self.runs.remove(&run) {
            self.by_age.remove(&(tail.oldest, run));
        }
    }

    /// All rows.
    pub(crate) fn all(&self) -> Extent {
        self.extent(self.rows.len())
    }

    /// The rows at the front that nobody needs.
    pub(crate) fn garbage(&self) -> Extent {
        let needed = self.by_age.first().map_or(self.next_row(), |(row, _)| *row);
        self.extent(usize::try_from(needed - self.front).unwrap_or(usize::MAX))
    }

    /// As many rows at the front as are within these bounds, at least one if there is one.
    pub(crate) fn front(&self, within: Extent) -> Extent {
        let start = self.rows.front().copied().unwrap_or(self.end);
        let fitting = self.rows.partition_point(|begin| begin - start < within.len);
        self.extent(fitting.min(within.rows))
    }

    fn extent(&self, rows: usize) -> Extent {
        let begin = |row: usize| self.rows.get(row).copied().unwrap_or(self.end);
        Extent { rows: rows.min(self.rows.len()), len: begin(rows) - begin(0) }
    }

    /// The row behind so many at the front.
    pub(crate) fn row_behind(&self, extent: Extent) -> u64 {
        self.front + extent.rows as u64
    }

    /// So many rows at the front are gone; what was needed of them stands elsewhere.
    pub(crate) fn dropped(&mut self, extent: Extent) {
        self.front = self.row_behind(extent);
        self.rows.drain(..extent.rows);
        while let Some(&(row, run)) = self.by_age.first()
            && row < self.front
        {
            self.by_age.pop_first();
            match self.runs.get_mut(&run) {
                Some(tail) if tail.newest >= self.front => {
                    tail.oldest = self.front;
                    self.by_age.insert((self.front, run));
                }
                _ => {
                    self.runs.remove(&run);
                }
            }
        }
    }
}
