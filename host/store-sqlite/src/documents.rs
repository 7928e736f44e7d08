//! Tables `documents` and `workflows`.

use crate::fault::Result;
use crate::runs::{nanos, timestamp};
use jackfield_core::journal::{BlobId, StoredWorkflow};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

pub(crate) fn insert(conn: &Connection, id: BlobId, text: &str) -> Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO documents(hash, text) VALUES(?1, ?2)")?
        .execute(params![id.0, text])?;
    Ok(())
}

pub(crate) fn get(conn: &Connection, id: BlobId) -> Result<Option<Arc<str>>> {
    let text = conn
        .prepare_cached("SELECT text FROM documents WHERE hash = ?1")?
        .query_row([id.0], |row| row.get::<_, Arc<str>>(0))
        .optional()?;
    Ok(text)
}

pub(crate) fn register(conn: &Connection, workflow: &StoredWorkflow) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO workflows(id, version, document, registered_at) VALUES(?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        workflow.id,
        workflow.version,
        workflow.document.0,
        nanos(workflow.registered_at)
    ])?;
    Ok(())
}

pub(crate) fn unregister(conn: &Connection, id: &str, version: Option<&str>) -> Result<()> {
    conn.prepare_cached("DELETE FROM workflows WHERE id = ?1 AND (?2 IS NULL OR version = ?2)")?
        .execute(params![id, version])?;
    Ok(())
}

pub(crate) fn workflows(conn: &Connection) -> Result<Vec<StoredWorkflow>> {
    let mut statement = conn
        .prepare_cached("SELECT id, version, document, registered_at FROM workflows ORDER BY id, version")?;
    let workflows = statement.query_map([], |row| {
        Ok(StoredWorkflow {
            id: row.get(0)?,
            version: row.get(1)?,
            document: BlobId(row.get(2)?),
            registered_at: timestamp(row.get(3)?),
        })
    })?;
    Ok(workflows.collect::<rusqlite::Result<_>>()?)
}
