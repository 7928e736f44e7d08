//! Table `former`: generations of runs that went on as new. What they were started with, their facts and their values stand
//! where those of all runs do.

use crate::fault::{Fault, Result};
use crate::runs::{nanos, no_run};
use jackfield_core::journal::{Continued, RunNo};
use rusqlite::{Connection, OptionalExtension, params};

/// What [`crate::runs::listing`] reads, in its order.
pub(crate) const LINE: &str = "no, 7, started_at, ended_at, NULL, run_id, workflow, version, NULL, NULL";

/// The generation that has ended makes room in the list of runs.
pub(crate) fn insert(conn: &Connection, next: &Continued) -> Result<()> {
    let former = next.former.0 as i64;
    let moved = conn
        .prepare_cached(
            "INSERT INTO former(no, run_id, generation, workflow, version, started_at, ended_at)
             SELECT no, run_id, ?2, workflow, version, started_at, ?3 FROM runs WHERE no = ?1 AND run_id = ?4",
        )?
        .execute(params![former, next.generation, nanos(next.ended_at), &*next.row.run_id])?;
    if moved == 0 {
        return Err(no_run(next.former));
    }
    conn.prepare_cached("DELETE FROM runs WHERE no = ?1")?.execute([former])?;
    Ok(())
}

/// Which number a generation had.
pub(crate) fn find(conn: &Connection, run_id: &str, generation: u32) -> Result<Option<RunNo>> {
    let found = conn
        .prepare_cached("SELECT no FROM former WHERE run_id = ?1 AND generation = ?2")?
        .query_row(params![run_id, generation], |row| Ok(RunNo(row.get::<_, i64>(0)? as u64)))
        .optional()?;
    Ok(found)
}

/// Numbers of the former generations of a run up to this one.
pub(crate) fn up_to(conn: &Connection, run_id: &str, generation: u32) -> Result<Vec<RunNo>> {
    let mut statement =
        conn.prepare_cached("SELECT no FROM former WHERE run_id = ?1 AND generation <= ?2")?;
    let numbers =
        statement.query_map(params![run_id, generation], |row| Ok(RunNo(row.get::<_, i64>(0)? as u64)))?;
    Ok(numbers.collect::<rusqlite::Result<_>>()?)
}

/// Numbers of all former generations of all runs.
pub(crate) fn all(conn: &Connection) -> Result<Vec<RunNo>> {
    let mut statement = conn.prepare_cached("SELECT no FROM former ORDER BY no")?;
    let numbers = statement.query_map([], |row| Ok(RunNo(row.get::<_, i64>(0)? as u64)))?;
    Ok(numbers.collect::<rusqlite::Result<_>>()?)
}

/// Removes one with everything that belongs to it.
pub(crate) fn delete(conn: &Connection, former: RunNo) -> Result<()> {
    let no = former.0 as i64;
    conn.prepare_cached("DELETE FROM former WHERE no = ?1")?.execute([no])?;
    conn.prepare_cached("DELETE FROM starts WHERE run = ?1")?.execute([no])?;
    crate::chunks::delete(conn, former)?;
    crate::blobs::release(conn, former)
}

/// The id of the run with this number.
pub(crate) fn id_of(conn: &Connection, run: RunNo) -> Result<Option<String>> {
    let id = conn
        .prepare_cached("SELECT run_id FROM runs WHERE no = ?1")?
        .query_row([run.0 as i64], |row| row.get(0))
        .optional()
        .map_err(Fault::from)?;
    Ok(id)
}
