//! Tables `log` and `tails`: facts as they arrived, of all runs mixed, until a chunk has them.

use crate::chunks::Loose;
use crate::fault::Result;
use crate::frame::{Frame, Frames};
use jackfield_core::journal::RunNo;
use rusqlite::{Connection, Statement, params};
use std::collections::BTreeMap;

/// Adds what stands in both tables: of one run, or of all. Some of it may stand in chunks as well.
pub(crate) fn collect(
    conn: &Connection,
    only: Option<RunNo>,
    into: &mut BTreeMap<RunNo, Loose>,
) -> Result<()> {
    let mut keep = |frame: Frame<'_>| {
        let run = RunNo(frame.run);
        if only.is_none_or(|only| only == run) {
            into.entry(run).or_default().insert(frame.first, frame.batches.into());
        }
    };
    let mut scan = |mut statement: Statement<'_>, parameters: &[&dyn rusqlite::ToSql]| -> Result<()> {
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            for frame in Frames::new(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?) {
                keep(frame?);
            }
        }
        Ok(())
    };
    match only {
        Some(run) => {
            scan(conn.prepare("SELECT entries FROM tails WHERE run = ?1")?, &[&(run.0 as i64)])?;
        }
        None => scan(conn.prepare("SELECT entries FROM tails")?, &[])?,
    }
    scan(conn.prepare("SELECT entries FROM log ORDER BY seq")?, &[])
}

/// Rows from the front of the log up to before `end` (all if absent): the number, its frames.
pub(crate) fn scan(
    conn: &Connection,
    end: Option<u64>,
    mut row: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut statement = conn.prepare_cached("SELECT seq, entries FROM log WHERE seq < ?1 ORDER BY seq")?;
    let mut rows = statement.query([end.map_or(i64::MAX, |end| end as i64)])?;
    while let Some(found) = rows.next()? {
        let entries = found.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        row(found.get::<_, i64>(0)? as u64, entries)?;
    }
    Ok(())
}

pub(crate) fn append(conn: &Connection, seq: u64, entries: &[u8]) -> Result<()> {
    conn.prepare_cached("INSERT INTO log(seq, entries) VALUES(?1, ?2)")?
        .execute(params![seq as i64, entries])?;
    Ok(())
}

/// Removes the rows before `end`.
pub(crate) fn drop_front(conn: &Connection, end: u64) -> Result<()> {
    conn.prepare_cached("DELETE FROM log WHERE seq < ?1")?.execute([end as i64])?;
    Ok(())
}

/// Frames of one run in a row of `tails`.
pub(crate) struct Moved {
    pub(crate) first: u64,
    /// Number of the first batch of the last frame.
    pub(crate) last: u64,
    pub(crate) entries: Vec<u8>,
}

pub(crate) fn keep_tail(conn: &Connection, run: RunNo, moved: &Moved) -> Result<()> {
    conn.prepare_cached("INSERT INTO tails(run, first, last, entries) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![run.0 as i64, moved.first as i64, moved.last as i64, moved.entries])?;
    Ok(())
}

/// Removes what of `run` in `tails` begins before batch `end` altogether.
pub(crate) fn drop_tail(conn: &Connection, run: RunNo, end: u64) -> Result<()> {
    let end = i64::try_from(end).unwrap_or(i64::MAX);
    conn.prepare_cached("DELETE FROM tails WHERE run = ?1 AND last < ?2")?
        .execute(params![run.0 as i64, end])?;
    Ok(())
}
