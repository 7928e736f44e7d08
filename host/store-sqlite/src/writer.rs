//! One commit: all changes, or none.

use crate::chunks::{self, Chunked};
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::log::{self, Moved};
use crate::tail::{Extent, Tails};
use crate::{blobs, documents, former, rates, runs, schedules};
use jackfield_core::journal::{Change, Continued, RunNo, Standing, StoredRow};
use jackfield_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A row of the log is cut off when it is longer than this.
const ROW_LEN_MAX: usize = 1 << 20;
/// The log has at most about so many rows, however short they are.
const LOG_ROWS_MAX: usize = 32 * 1024;
/// Rows that nobody needs are removed when there are so many of them, or when they take a part of the log's longest
/// length of one in [`GARBAGE_PART`].
const GARBAGE_ROWS: usize = 1024;
const GARBAGE_PART: u64 = 16;
/// One commit removes, or moves to `tails`, at most so much, so that none takes long.
const STEP: Extent = Extent { rows: 4096, len: 1 << 20 };

#[derive(Debug)]
pub(crate) struct Writer {
    conn: Connection,
    log_len_max: u64,
    memory: Memory,
    /// After a failed commit what is remembered is read again.
    is_stale: bool,
}

/// What the writer remembers of the file.
#[derive(Debug)]
struct Memory {
    tails: Tails,
    /// The highest number that a run ever had.
    last: RunNo,
    /// The latest start of a run.
    latest: Timestamp,
}

impl Memory {
    fn read(conn: &Connection) -> Result<Self> {
        let (_, latest) = runs::newest(conn)?;
        Ok(Self { tails: Tails::read(conn)?, last: last_run(conn)?, latest })
    }
}

/// The highest number that a run ever had.
pub(crate) fn last_run(conn: &Connection) -> Result<RunNo> {
    let deleted = conn
        .prepare_cached("SELECT value FROM meta WHERE key = 'last_run'")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(runs::newest(conn)?.0.max(RunNo(deleted.unwrap_or(0) as u64)))
}

/// What of a commit is known before its first change is made.
#[derive(Default)]
struct Ahead<'a> {
    /// The last word on where a run stands, and which change says it.
    standing: HashMap<RunNo, (usize, &'a Standing)>,
    /// Facts before this batch get into a chunk at once.
    chunked: HashMap<RunNo, u64>,
}

impl<'a> Ahead<'a> {
    fn of(changes: &'a [Change]) -> Self {
        let mut ahead = Self::default();
        for (index, change) in changes.iter().enumerate() {
            match change {
                Change::Standing { run, standing } => {
                    ahead.standing.insert(*run, (index, standing));
                }
                Change::Chunk { run, end, .. } => {
                    ahead.chunked.insert(*run, *end);
                }
                _ => {}
            }
        }
        ahead
    }
}

impl Writer {
    pub(crate) fn new(conn: Connection, log_len_max: u64) -> Result<Self> {
        let memory = Memory::read(&conn)?;
        Ok(Self { conn, log_len_max, memory, is_stale: false })
    }

    /// The connection, for what is done while nothing is written.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.conn
    }

    pub(crate) fn write(&mut self, changes: &[Change]) -> Result<()> {
        if self.is_stale {
            self.memory = Memory::read(&self.conn)?;
        }
        // whatever goes wrong on the way, what is remembered may be ahead of the file
        self.is_stale = true;
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut commit = Commit {
            conn: &transaction,
            memory: &mut self.memory,
            ahead: Ahead::of(changes),
            begun: HashSet::new(),
            entries: Vec::new(),
        };
        for (index, change) in changes.iter().enumerate() {
            commit.apply(index, change)?;
        }
        commit.flush()?;
        tidy(&transaction, &mut self.memory.tails, self.log_len_max)?;
        transaction.commit()?;
        self.is_stale = false;
        Ok(())
    }
}

struct Commit<'a> {
    conn: &'a Transaction<'a>,
    memory: &'a mut Memory,
    ahead: Ahead<'a>,
    /// Runs that began in this commit: where they stand was written at once.
    begun: HashSet<RunNo>,
    /// The row of the log that this commit writes.
    entries: Vec<u8>,
}

impl Commit<'_> {
    fn apply(&mut self, index: usize, change: &Change) -> Result<()> {
        match change {
            Change::Begin(row) => self.begin(row),
            Change::Continue(next) => self.go_on(next),
            Change::Document { id, text } => documents::insert(self.conn, *id, text),
            Change::Blob { run, id, value } => blobs::insert(self.conn, *run, *id, value),
            Change::Facts { run, first, bytes } => self.facts(*run, *first, bytes),
            Change::Chunk { run, first, end, bytes } => self.chunk(*run, *first, *end, bytes),
            Change::Standing { run, standing } => self.stand(index, *run, standing),
            Change::Delete(run) => self.delete(*run),
            Change::Workflow(workflow) => documents::register(self.conn, workflow),
            Change::Unregister { id, version } => documents::unregister(self.conn, id, version.as_deref()),
            Change::Schedule(schedule) => schedules::put(self.conn, schedule),
            Change::RemoveSchedule(id) => schedules::remove(self.conn, id),
            Change::QueueStart { schedule, start } => schedules::queue(self.conn, schedule, start),
            Change::RateStart(start) => rates::put(self.conn, start),
            Change::UnqueueStart { schedule, no } => schedules::unqueue(self.conn, schedule, *no),
        }
    }

    fn begin(&mut self, row: &StoredRow) -> Result<()> {
        if row.no <= self.memory.last {
            return Err(Fault::Wrong(format!("the number {} was given to a run before", row.no.0)));
        }
        self.memory.last = row.no;
        self.memory.latest = self.memory.latest.max(row.started_at);
        let standing = self.ahead.standing.get(&row.no).map(|(_, standing)| *standing);
        runs::insert(self.conn, row, standing, self.memory.latest)?;
        self.begun.insert(row.no);
        Ok(())
    }

    fn go_on(&mut self, next: &Continued) -> Result<()> {
        if self.memory.tails.get(next.former).is_some_and(|tail| tail.last >= tail.chunked.end) {
            let why = format!("not all facts of run number {} are in chunks", next.former.0);
            return Err(Fault::Wrong(why));
        }
        former::insert(self.conn, next)?;
        self.begin(&next.row)?;
        let too_old = next.generation.saturating_sub(next.keep);
        let former = former::up_to(self.conn, &next.row.run_id, too_old)?;
        former.into_iter().try_for_each(|former| former::delete(self.conn, former))
    }

    fn stand(&self, index: usize, run: RunNo, standing: &Standing) -> Result<()> {
        let is_last_word = self.ahead.standing.get(&run).is_some_and(|(last, _)| *last == index);
        if !is_last_word || self.begun.contains(&run) {
            return Ok(());
        }
        runs::stand(self.conn, run, standing)
    }

    /// How far the facts of a run stand in chunks.
    fn chunked(&self, run: RunNo) -> Result<Chunked> {
        if let Some(tail) = self.memory.tails.get(run) {
            return Ok(tail.chunked);
        }
        if self.begun.contains(&run) || runs::exists(self.conn, run)? {
            return chunks::chunked(self.conn, run);
        }
        Err(runs::no_run(run))
    }

    fn facts(&mut self, run: RunNo, first: u64, batches: &[u8]) -> Result<()> {
        if batches.is_empty() || self.ahead.chunked.get(&run).is_some_and(|end| first < *end) {
            return Ok(());
        }
        let chunked = self.chunked(run)?;
        let known = self.memory.tails.get(run).map_or(chunked.end, |tail| tail.last + 1);
        if first < known {
            let no = run.0;
            return Err(Fault::Wrong(format!("batch {first} of run number {no} was written before")));
        }
        Frame { run: run.0, first, batches }.write(&mut self.entries);
        let row = self.memory.tails.next_row();
        self.memory.tails.put(run, row, first, chunked);
        if self.entries.len() > ROW_LEN_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what was gathered for the log as a row of it.
    fn flush(&mut self) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        log::append(self.conn, self.memory.tails.next_row(), &self.entries)?;
        self.memory.tails.appended(self.entries.len());
        self.entries.clear();
        Ok(())
    }

    fn chunk(&mut self, run: RunNo, first: u64, end: u64, batches: &[u8]) -> Result<()> {
        let chunked = self.chunked(run)?;
        if first != chunked.end || end <= first {
            let (no, known) = (run.0, chunked.end);
            let why = format!("batches {first} to {end} of run number {no} do not follow batch {known}");
            return Err(Fault::Wrong(why));
        }
        chunks::insert(self.conn, run, chunked, end, batches)?;
        log::drop_tail(self.conn, run, end)?;
        self.memory.tails.chunk(run, Chunked { end, count: chunked.count + 1 });
        Ok(())
    }

    fn delete(&mut self, run: RunNo) -> Result<()> {
        if run == self.memory.last {
            // its number must not be given again
            self.conn
                .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'last_run'")?
                .execute([run.0 as i64])?;
        }
        if let Some(run_id) = former::id_of(self.conn, run)? {
            let former = former::up_to(self.conn, &run_id, u32::MAX)?;
            former.into_iter().try_for_each(|former| former::delete(self.conn, former))?;
        }
        self.memory.tails.forget(run);
        self.begun.remove(&run);
        runs::delete(self.conn, run)?;
        chunks::delete(self.conn, run)?;
        log::drop_tail(self.conn, run, u64::MAX)?;
        blobs::release(self.conn, run)
    }
}

/// Removes rows of the log that nobody needs, and if the log is too long, also those that somebody does.
fn tidy(conn: &Connection, tails: &mut Tails, log_len_max: u64) -> Result<()> {
    let garbage = tails.garbage();
    let (done, all) = (tails.front(STEP), tails.all());
    let done = if garbage.rows >= GARBAGE_ROWS || garbage.len >= log_len_max / GARBAGE_PART {
        if garbage.rows < done.rows { garbage } else { done }
    } else if all.len > log_len_max || all.rows > LOG_ROWS_MAX {
        move_front(conn, tails, done)?;
        done
    } else {
        return Ok(());
    };
    if done.rows > 0 {
        log::drop_front(conn, tails.row_behind(done))?;
        tails.dropped(done);
    }
    Ok(())
}

/// Keeps elsewhere what is still needed of the first rows.
fn move_front(conn: &Connection, tails: &Tails, extent: Extent) -> Result<()> {
    let mut moved: BTreeMap<RunNo, Moved> = BTreeMap::new();
    log::scan(conn, Some(tails.row_behind(extent)), |_, entries| {
        for frame in crate::frame::Frames::new(entries) {
            let frame = frame?;
            let run = RunNo(frame.run);
            if tails.get(run).is_some_and(|tail| frame.first >= tail.chunked.end) {
                let (first, last) = (frame.first, frame.first);
                let moved = moved.entry(run).or_insert(Moved { first, last, entries: Vec::new() });
                moved.last = last;
                frame.write(&mut moved.entries);
            }
        }
        Ok(())
    })?;
    moved.iter().try_for_each(|(run, moved)| log::keep_tail(conn, *run, moved))
}
