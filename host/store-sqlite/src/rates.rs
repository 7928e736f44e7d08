//! Table `rate_starts`: the attempts that rate limits count.

use crate::fault::Result;
use jackfield_core::journal::RateStart;
use jackfield_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

/// One has begun. Those that are of no interest any more go, of whatever key.
pub(crate) fn put(conn: &Connection, start: &RateStart) -> Result<()> {
    let (at, until) = (start.at.0 as i64, start.until.0 as i64);
    conn.prepare_cached("DELETE FROM rate_starts WHERE until <= ?1")?.execute([at])?;
    conn.prepare_cached("INSERT INTO rate_starts(key, at, until) VALUES(?1, ?2, ?3)")?
        .execute(params![start.key, at, until])?;
    Ok(())
}

/// All of them, by key and time.
pub(crate) fn all(conn: &Connection) -> Result<Vec<RateStart>> {
    let mut statement =
        conn.prepare_cached("SELECT key, at, until FROM rate_starts ORDER BY key, at, until")?;
    let read = |row: &Row<'_>| {
        let key: String = row.get(0)?;
        let (at, until): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(RateStart { key: key.into(), at: Timestamp(at as u64), until: Timestamp(until as u64) })
    };
    Ok(statement.query_map([], read)?.collect::<rusqlite::Result<_>>()?)
}
