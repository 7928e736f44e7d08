//! Tables `schedules` and `queued_starts`.

use crate::fault::{Fault, Result};
use jackfield_core::journal::{QueuedStart, StoredSchedule};
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) fn put(conn: &Connection, schedule: &StoredSchedule) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO schedules(id, state) VALUES(?1, ?2)")?
        .execute(params![schedule.id, write(schedule)?])?;
    Ok(())
}

pub(crate) fn remove(conn: &Connection, id: &str) -> Result<()> {
    conn.prepare_cached("DELETE FROM schedules WHERE id = ?1")?.execute([id])?;
    conn.prepare_cached("DELETE FROM queued_starts WHERE schedule = ?1")?.execute([id])?;
    Ok(())
}

pub(crate) fn queue(conn: &Connection, schedule: &str, start: &QueuedStart) -> Result<()> {
    conn.prepare_cached("INSERT INTO queued_starts(schedule, no, start) VALUES(?1, ?2, ?3)")?
        .execute(params![schedule, start.no as i64, write(start)?])?;
    Ok(())
}

pub(crate) fn unqueue(conn: &Connection, schedule: &str, no: u64) -> Result<()> {
    conn.prepare_cached("DELETE FROM queued_starts WHERE schedule = ?1 AND no = ?2")?
        .execute(params![schedule, no as i64])?;
    Ok(())
}

pub(crate) fn all(conn: &Connection) -> Result<Vec<(StoredSchedule, Vec<QueuedStart>)>> {
    let mut statement = conn.prepare_cached("SELECT state FROM schedules ORDER BY id")?;
    let mut queue = conn.prepare_cached("SELECT start FROM queued_starts WHERE schedule = ?1 ORDER BY no")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let schedule: StoredSchedule = read(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        let mut starts = Vec::new();
        let mut queued = queue.query([&schedule.id])?;
        while let Some(row) = queued.next()? {
            starts.push(read(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
        }
        found.push((schedule, starts));
    }
    Ok(found)
}

fn write(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Fault::Wrong(format!("a schedule: {error}")))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Fault::Damaged(format!("a schedule cannot be read: {error}")))
}
