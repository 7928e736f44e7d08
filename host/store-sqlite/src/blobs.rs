//! Tables `blobs` and `blob_uses`: long values, each once, and which runs need them.

use crate::fault::Result;
use jackfield_core::journal::{BlobId, RunNo};
use jackfield_core::payload::Payload;
use rusqlite::{Connection, OptionalExtension, params};

pub(crate) fn insert(conn: &Connection, run: RunNo, id: BlobId, value: &Payload) -> Result<()> {
    let find = |conn: &Connection| {
        conn.prepare_cached("SELECT id FROM blobs WHERE hash = ?1")?
            .query_row([id.0], |row| row.get::<_, i64>(0))
            .optional()
    };
    let blob = match find(conn)? {
        Some(blob) => blob,
        None => conn
            .prepare_cached("INSERT INTO blobs(hash, value) VALUES(?1, ?2)")?
            .insert(params![id.0, value.as_str()])?,
    };
    conn.prepare_cached("INSERT OR IGNORE INTO blob_uses(run, blob) VALUES(?1, ?2)")?
        .execute(params![run.0 as i64, blob])?;
    Ok(())
}

pub(crate) fn get(conn: &Connection, id: BlobId) -> Result<Option<Payload>> {
    let value = conn
        .prepare_cached("SELECT value FROM blobs WHERE hash = ?1")?
        .query_row([id.0], |row| row.get::<_, String>(0))
        .optional()?;
    Ok(value.map(Payload::trusted))
}

pub(crate) fn exists(conn: &Connection, id: BlobId) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM blobs WHERE hash = ?1")?.exists([id.0])?)
}

/// Forgets what `run` used, and removes what nobody uses any more.
pub(crate) fn release(conn: &Connection, run: RunNo) -> Result<()> {
    let mut statement = conn.prepare_cached("DELETE FROM blob_uses WHERE run = ?1 RETURNING blob")?;
    let used: Vec<i64> =
        statement.query_map([run.0 as i64], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for blob in used {
        conn.prepare_cached(
            "DELETE FROM blobs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob = ?1)",
        )?
        .execute([blob])?;
    }
    Ok(())
}
