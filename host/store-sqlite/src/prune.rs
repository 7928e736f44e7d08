//! Deleting runs that ended long ago.

use crate::fault::Result;
use crate::runs::{nanos, status_code};
use jackfield_core::journal::{Change, RunNo, StoreError};
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use rusqlite::{Connection, params};

/// Runs that are deleted in one commit, so that none takes long.
const BATCH: usize = 128;

/// Which runs go: those that ended and to which everything said here applies. Runs that have not ended stay.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Only those that ended before this time.
    pub ended_before: Option<Timestamp>,
    /// Only what is older than so many of the newest that the rest applies to.
    pub keep_newest: usize,
    /// Only those that stand in one of these; any that is an end if empty.
    pub statuses: Vec<RunStatus>,
    /// Only those of this workflow.
    pub workflow: Option<String>,
}

impl crate::SqliteStore {
    /// Deletes the runs that `retention` lets go, a few in a commit; others write in between. How many there were.
    ///
    /// # Errors
    /// If that could not be written; some may have been deleted.
    pub fn prune(&self, retention: &Retention) -> std::result::Result<u64, StoreError> {
        let runs = self.read(|conn| old(conn, retention))?;
        let mut count = 0;
        for batch in runs.chunks(BATCH) {
            count += self.with_writer(|writer| {
                let mut deleted = Vec::with_capacity(batch.len());
                for run in batch {
                    // somebody may have set it going again
                    if has_ended(writer.connection(), *run)? {
                        deleted.push(Change::Delete(*run));
                    }
                }
                writer.write(&deleted)?;
                Ok(deleted.len() as u64)
            })?;
        }
        Ok(count)
    }
}

fn has_ended(conn: &Connection, run: RunNo) -> Result<bool> {
    Ok(crate::runs::status_of(conn, run)?.is_some_and(RunStatus::is_terminal))
}

fn old(conn: &Connection, retention: &Retention) -> Result<Vec<RunNo>> {
    let all = RunStatus::ALL.into_iter().filter(|status| status.is_terminal());
    let wanted = all.filter(|status| retention.statuses.is_empty() || retention.statuses.contains(status));
    let codes: Vec<String> = wanted.map(|status| status_code(status).to_string()).collect();
    // the newest that are kept are counted before time comes into it
    let mut statement = conn.prepare(&format!(
        "SELECT no FROM (
            SELECT no, coalesce(ended_at, started_at) AS ended FROM runs
            WHERE status IN ({}) AND (?1 IS NULL OR workflow = ?1) ORDER BY no DESC LIMIT -1 OFFSET ?2)
         WHERE ended < ?3 ORDER BY no",
        codes.join(", ")
    ))?;
    let before = retention.ended_before.map_or(i64::MAX, nanos);
    let keep = i64::try_from(retention.keep_newest).unwrap_or(i64::MAX);
    let runs = statement.query_map(params![retention.workflow, keep, before], |row| {
        Ok(RunNo(row.get::<_, i64>(0)? as u64))
    })?;
    Ok(runs.collect::<rusqlite::Result<_>>()?)
}
