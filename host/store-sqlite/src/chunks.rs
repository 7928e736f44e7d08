//! Table `chunks`, and runs put together from all that is kept of them.

use crate::fault::{Fault, Result};
use crate::{former, log, runs};
use jackfield_core::journal::{Batches, RunNo, STRETCH_LEN, Standing, StoredRow, StoredRun, Stretch};
use jackfield_core::payload::Payload;
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// A run has fewer chunks than this.
const POSITION_BITS: u32 = 24;

/// How far the facts of a run stand in chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunked {
    /// How many batches.
    pub(crate) end: u64,
    /// In how many chunks.
    pub(crate) count: u64,
}

/// The lowest id of a chunk of `run`, and the highest.
fn ids(run: RunNo) -> (i64, i64) {
    let low = (run.0 as i64) << POSITION_BITS;
    (low, low | ((1 << POSITION_BITS) - 1))
}

pub(crate) fn chunked(conn: &Connection, run: RunNo) -> Result<Chunked> {
    let (low, high) = ids(run);
    let last = conn
        .prepare_cached("SELECT id, end FROM chunks WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1")?
        .query_row([low, high], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    Ok(last.map_or(Chunked::default(), |(id, end)| Chunked { end: end as u64, count: (id - low) as u64 + 1 }))
}

/// Appends the chunk that follows `so_far`.
pub(crate) fn insert(conn: &Connection, run: RunNo, so_far: Chunked, end: u64, batches: &[u8]) -> Result<()> {
    let (low, high) = ids(run);
    let id = low + so_far.count as i64;
    if id > high {
        return Err(Fault::Wrong(format!("run number {} has too many chunks", run.0)));
    }
    conn.prepare_cached("INSERT INTO chunks(id, first, end, batches) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![id, so_far.end as i64, end as i64, batches])?;
    Ok(())
}

pub(crate) fn delete(conn: &Connection, run: RunNo) -> Result<()> {
    let (low, high) = ids(run);
    conn.prepare_cached("DELETE FROM chunks WHERE id BETWEEN ?1 AND ?2")?.execute([low, high])?;
    Ok(())
}

/// Batches of facts that stand in no chunk, with the number of the first one.
pub(crate) type Loose = BTreeMap<u64, Box<[u8]>>;

/// The run of this id with all its facts.
pub(crate) fn load(conn: &Connection, run_id: &str) -> Result<Option<StoredRun>> {
    let Some(line) = runs::find(conn, run_id)? else { return Ok(None) };
    let mut loose = BTreeMap::new();
    log::collect(conn, Some(line.no), &mut loose)?;
    assemble(conn, line.no, loose.remove(&line.no).unwrap_or_default())
}

/// All runs that have not ended and of which facts stand in no chunk, or that are said to run.
pub(crate) fn unfinished(conn: &Connection) -> Result<Vec<StoredRun>> {
    let mut loose = BTreeMap::new();
    log::collect(conn, None, &mut loose)?;
    let mut numbers = runs::active(conn)?;
    numbers.extend(loose.keys());
    numbers.sort_unstable();
    numbers.dedup();
    let mut found = Vec::with_capacity(numbers.len());
    for run in numbers {
        // most of what stands in the log may be of runs that have ended
        let Some(status) = runs::status_of(conn, run)?.filter(|status| !status.is_terminal()) else {
            continue;
        };
        let loose = loose.remove(&run).unwrap_or_default();
        let Some(run) = assemble(conn, run, loose)? else { continue };
        let is_due_later = run.standing.due_at.is_some();
        let is_awake = matches!(status, RunStatus::Queued | RunStatus::Running) && !is_due_later;
        let is_held_up = status == RunStatus::Waiting && run.standing.reason.is_some();
        if is_awake || is_held_up || run.batches > run.chunked {
            found.push(run);
        }
    }
    Ok(found)
}

/// The chunks of a run and then what is not in them; nothing if there is no such run.
pub(crate) fn assemble(conn: &Connection, no: RunNo, loose: Loose) -> Result<Option<StoredRun>> {
    let row = runs::row(conn, no)?;
    row.map(|row| assemble_as(conn, row, loose)).transpose()
}

/// A former generation: all that there is of it stands in chunks.
pub(crate) fn former(conn: &Connection, run_id: &str, generation: u32) -> Result<Option<StoredRun>> {
    let Some(no) = former::find(conn, run_id, generation)? else { return Ok(None) };
    assemble_former(conn, no)
}

/// The same by its number.
pub(crate) fn assemble_former(conn: &Connection, no: RunNo) -> Result<Option<StoredRun>> {
    let row = runs::former_row(conn, no)?;
    row.map(|row| assemble_as(conn, row, Loose::new())).transpose()
}

fn assemble_as(conn: &Connection, (row, standing): (StoredRow, Standing), loose: Loose) -> Result<StoredRun> {
    let (no, Chunked { end: chunked, .. }) = (row.no, chunked(conn, row.no)?);
    let (mut pieces, end) = read_chunks(conn, no, 0)?;
    let (tail, batches) = join(no, chunked, &loose)?;
    if end == chunked && !tail.is_empty() {
        pieces.push(tail.into_boxed_slice());
    }
    Ok(StoredRun { row, standing, pieces, batches, chunked })
}

/// The chunk with batch `from` and those behind it, up to about [`STRETCH_LEN`] bytes, and the number behind their last batch.
fn read_chunks(conn: &Connection, run: RunNo, from: u64) -> Result<(Vec<Box<[u8]>>, u64)> {
    let (low, high) = ids(run);
    let mut statement = conn.prepare_cached(
        "SELECT first, end, batches FROM chunks WHERE id BETWEEN ?1 AND ?2 AND end > ?3 ORDER BY id",
    )?;
    let mut rows = statement.query([low, high, i64::try_from(from).unwrap_or(i64::MAX)])?;
    let (mut pieces, mut behind, mut len) = (Vec::new(), None, 0);
    while let Some(row) = rows.next()? {
        let (first, end) = (row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64);
        let follows = behind.map_or(first <= from, |behind| first == behind);
        if !follows || end < first {
            return Err(gap(run, behind.unwrap_or(from), first));
        }
        let bytes = row.get::<_, Vec<u8>>(2)?.into_boxed_slice();
        len += bytes.len();
        pieces.push(bytes);
        behind = Some(end);
        if len >= STRETCH_LEN {
            break;
        }
    }
    Ok((pieces, behind.unwrap_or(from)))
}

/// What follows the first `chunked` batches of a run, all together, and how many batches there are then.
fn join(run: RunNo, chunked: u64, loose: &Loose) -> Result<(Vec<u8>, u64)> {
    let mut batches = chunked;
    let mut tail = Vec::new();
    for (first, bytes) in loose.range(chunked..) {
        if *first != batches {
            return Err(gap(run, batches, *first));
        }
        batches += count(bytes, run)?;
        tail.extend_from_slice(bytes);
    }
    Ok((tail, batches))
}

/// Batches of a run from number `from` on.
pub(crate) fn stretch(conn: &Connection, run: RunNo, from: u64) -> Result<Stretch> {
    let Chunked { end: chunked, .. } = chunked(conn, run)?;
    if from < chunked {
        let (low, high) = ids(run);
        let first = conn
            .prepare_cached(
                "SELECT first FROM chunks WHERE id BETWEEN ?1 AND ?2 AND end > ?3 ORDER BY id LIMIT 1",
            )?
            .query_row([low, high, from as i64], |row| row.get::<_, i64>(0))?;
        return Ok(Stretch { first: first as u64, pieces: read_chunks(conn, run, from)?.0 });
    }
    let mut loose = BTreeMap::new();
    log::collect(conn, Some(run), &mut loose)?;
    let (tail, _) = join(run, chunked, &loose.remove(&run).unwrap_or_default())?;
    let pieces = if tail.is_empty() { Vec::new() } else { vec![tail.into_boxed_slice()] };
    Ok(Stretch { first: chunked, pieces })
}

fn gap(run: RunNo, wanted: u64, found: u64) -> Fault {
    Fault::Damaged(format!("batch {wanted} of run number {} is missing, the next one is {found}", run.0))
}

/// How many batches these are.
pub(crate) fn count(bytes: &[u8], run: RunNo) -> Result<u64> {
    let any = |_| Some(Payload::null());
    let mut count = 0;
    for batch in Batches::new(bytes, Timestamp(0), &any) {
        batch.map_err(|damage| Fault::Damaged(format!("facts of run number {}: {damage}", run.0)))?;
        count += 1;
    }
    Ok(count)
}
