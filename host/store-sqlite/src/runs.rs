//! Tables `runs` and `starts`: a line for lists, and what loading needs besides facts.

use crate::fault::{Fault, Result};
use jackfield_core::journal::{BlobId, Listing, RunNo, Standing, StoredRow};
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Run numbers share 63 bits with the position of a chunk.
pub(crate) const RUN_MAX: u64 = (1 << 39) - 1;

/// What [`listing`] reads, in its order.
pub(crate) const LINE: &str =
    "no, status, started_at, ended_at, due_at, run_id, workflow, version, reason, custom_status";

/// What stands in the file for a status. The order of [`RunStatus::ALL`] is not part of the format, this is.
pub(crate) const fn status_code(status: RunStatus) -> i64 {
    match status {
        RunStatus::Queued => 0,
        RunStatus::Running => 1,
        RunStatus::Waiting => 2,
        RunStatus::Paused => 3,
        RunStatus::Completed => 4,
        RunStatus::Failed => 5,
        RunStatus::Cancelled => 6,
        RunStatus::Continued => 7,
    }
}

fn status(code: i64) -> Result<RunStatus> {
    let found = RunStatus::ALL.into_iter().find(|status| status_code(*status) == code);
    found.ok_or_else(|| Fault::Damaged(format!("a run has the unknown status {code}")))
}

/// Nanoseconds in 63 bits; later than the year 2262 is as good as never.
pub(crate) fn nanos(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

pub(crate) fn timestamp(nanos: i64) -> Timestamp {
    Timestamp(u64::try_from(nanos).unwrap_or(0))
}

/// A run that begins and stands as `standing` says; until it is said, a run that began runs.
pub(crate) fn insert(
    conn: &Connection,
    row: &StoredRow,
    standing: Option<&Standing>,
    latest: Timestamp,
) -> Result<()> {
    if row.no.0 == 0 || row.no.0 > RUN_MAX {
        return Err(Fault::Wrong(format!("a run cannot have the number {}", row.no.0)));
    }
    let status = standing.map_or(RunStatus::Running, |standing| standing.status);
    conn.prepare_cached(
        "INSERT INTO runs(no, status, started_at, ended_at, due_at, latest, run_id, workflow, version, reason,
            custom_status) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        row.no.0 as i64,
        status_code(status),
        nanos(row.started_at),
        standing.and_then(|standing| standing.ended_at).map(nanos),
        standing.and_then(|standing| standing.due_at).map(nanos),
        nanos(latest),
        &*row.run_id,
        row.workflow,
        row.version,
        standing.and_then(|standing| standing.reason.as_deref()),
        standing.and_then(|standing| standing.custom_status.as_deref()),
    ])?;
    conn.prepare_cached("INSERT INTO starts(run, document, start) VALUES(?1, ?2, ?3)")?.execute(params![
        row.no.0 as i64,
        row.document.0,
        row.start
    ])?;
    Ok(())
}

pub(crate) fn stand(conn: &Connection, run: RunNo, standing: &Standing) -> Result<()> {
    let changed = conn
        .prepare_cached(
            "UPDATE runs SET status = ?2, ended_at = ?3, due_at = ?4, reason = ?5, custom_status = ?6 WHERE no = ?1",
        )?
        .execute(params![
            run.0 as i64,
            status_code(standing.status),
            standing.ended_at.map(nanos),
            standing.due_at.map(nanos),
            standing.reason,
            standing.custom_status,
        ])?;
    if changed == 0 { Err(no_run(run)) } else { Ok(()) }
}

pub(crate) fn no_run(run: RunNo) -> Fault {
    Fault::Wrong(format!("it has no run number {}", run.0))
}

pub(crate) fn exists(conn: &Connection, run: RunNo) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM runs WHERE no = ?1")?.exists([run.0 as i64])?)
}

/// Removes a run from both tables.
pub(crate) fn delete(conn: &Connection, run: RunNo) -> Result<()> {
    conn.prepare_cached("DELETE FROM runs WHERE no = ?1")?.execute([run.0 as i64])?;
    conn.prepare_cached("DELETE FROM starts WHERE run = ?1")?.execute([run.0 as i64])?;
    Ok(())
}

/// The highest number in the table, and the latest start of a run up to there.
pub(crate) fn newest(conn: &Connection) -> Result<(RunNo, Timestamp)> {
    let newest = conn
        .prepare_cached("SELECT no, latest FROM runs ORDER BY no DESC LIMIT 1")?
        .query_row([], |row| Ok((RunNo(row.get::<_, i64>(0)? as u64), timestamp(row.get(1)?))))
        .optional()?;
    Ok(newest.unwrap_or_default())
}

pub(crate) fn listing(row: &Row<'_>) -> Result<Listing> {
    Ok(Listing {
        no: RunNo(row.get::<_, i64>(0)? as u64),
        run_id: row.get(5)?,
        workflow: row.get(6)?,
        version: row.get(7)?,
        started_at: timestamp(row.get(2)?),
        standing: Standing {
            status: status(row.get(1)?)?,
            ended_at: row.get::<_, Option<i64>>(3)?.map(timestamp),
            due_at: row.get::<_, Option<i64>>(4)?.map(timestamp),
            reason: row.get(8)?,
            custom_status: row.get(9)?,
        },
    })
}

pub(crate) fn find(conn: &Connection, run_id: &str) -> Result<Option<Listing>> {
    let sql = format!("SELECT {LINE} FROM runs WHERE run_id = ?1");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([run_id])?;
    rows.next()?.map(listing).transpose()
}

/// The run of this number, as it began and as it stands.
pub(crate) fn row(conn: &Connection, run: RunNo) -> Result<Option<(StoredRow, Standing)>> {
    row_in(conn, ("runs", LINE), run)
}

/// The same of a former generation.
pub(crate) fn former_row(conn: &Connection, run: RunNo) -> Result<Option<(StoredRow, Standing)>> {
    row_in(conn, ("former", crate::former::LINE), run)
}

fn row_in(
    conn: &Connection,
    (table, line): (&str, &str),
    run: RunNo,
) -> Result<Option<(StoredRow, Standing)>> {
    let sql = format!("SELECT {line}, document, start FROM {table} JOIN starts ON run = no WHERE no = ?1");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([run.0 as i64])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let line = listing(row)?;
    let began = StoredRow {
        no: line.no,
        run_id: line.run_id.into(),
        workflow: line.workflow,
        version: line.version,
        document: BlobId(row.get(10)?),
        started_at: line.started_at,
        start: row.get(11)?,
    };
    Ok(Some((began, line.standing)))
}

pub(crate) fn status_of(conn: &Connection, run: RunNo) -> Result<Option<RunStatus>> {
    let code = conn
        .prepare_cached("SELECT status FROM runs WHERE no = ?1")?
        .query_row([run.0 as i64], |row| row.get(0))
        .optional()?;
    code.map(status).transpose()
}

/// Numbers of the runs that are said to run or to be about to, or why they cannot.
pub(crate) fn active(conn: &Connection) -> Result<Vec<RunNo>> {
    let codes = [RunStatus::Queued, RunStatus::Running, RunStatus::Waiting].map(status_code);
    let mut statement = conn.prepare_cached(
        "SELECT no FROM runs INDEXED BY runs_status WHERE status IN (?1, ?2) AND due_at IS NULL
         UNION ALL SELECT no FROM runs INDEXED BY runs_status WHERE status = ?3 AND reason IS NOT NULL",
    )?;
    let numbers = statement.query_map(codes, |row| Ok(RunNo(row.get::<_, i64>(0)? as u64)))?;
    Ok(numbers.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn due(
    conn: &Connection,
    until: Timestamp,
    limit: usize,
) -> Result<(Vec<String>, Option<Timestamp>)> {
    let mut statement = conn.prepare_cached(
        "SELECT run_id, due_at FROM runs INDEXED BY runs_due WHERE due_at IS NOT NULL ORDER BY due_at, no",
    )?;
    let mut rows = statement.query([])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        let due_at = timestamp(row.get(1)?);
        if due_at > until || ids.len() == limit {
            return Ok((ids, Some(due_at)));
        }
        ids.push(row.get(0)?);
    }
    Ok((ids, None))
}
