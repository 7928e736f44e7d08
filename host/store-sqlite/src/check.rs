//! Whether a journal is sound: the file, and whether what stands in its tables fits together.

use crate::chunks::{self, Loose};
use crate::fault::{Fault, Result};
use crate::{blobs, documents, former, log};
use jackfield_core::journal::{Batches, BlobId, RunNo, StoreError, StoredRun};
use jackfield_core::payload::Payload;
use jackfield_core::time::Timestamp;
use rusqlite::{Connection, ErrorCode};
use std::collections::BTreeMap;

/// Findings of SQLite itself that are told.
const FILE_FINDINGS_MAX: usize = 100;
/// Findings about runs that are told; one defect may touch all of them.
const FINDINGS_MAX: usize = 1000;

/// What must be empty, and what it means if it is not.
const STRAYS: &[(&str, &str)] = &[
    (
        "SELECT run FROM starts WHERE run NOT IN (SELECT no FROM runs UNION SELECT no FROM former)",
        "a start is kept of the missing run number",
    ),
    (
        "SELECT DISTINCT id >> 24 FROM chunks WHERE id >> 24 NOT IN (SELECT no FROM runs UNION SELECT no FROM former)",
        "facts are kept of the missing run number",
    ),
    (
        "SELECT DISTINCT run FROM tails WHERE run NOT IN (SELECT no FROM runs UNION SELECT no FROM former)",
        "recent facts are kept of the missing run number",
    ),
    (
        "SELECT DISTINCT run FROM blob_uses WHERE run NOT IN (SELECT no FROM runs UNION SELECT no FROM former)",
        "values are kept for the missing run number",
    ),
    (
        "SELECT DISTINCT run FROM blob_uses WHERE blob NOT IN (SELECT id FROM blobs)",
        "a value is missing that is needed by run number",
    ),
    ("SELECT id FROM blobs WHERE id NOT IN (SELECT blob FROM blob_uses)", "nobody needs the value number"),
    (
        "SELECT no FROM (SELECT no, latest, started_at, lag(latest) OVER (ORDER BY no) AS before FROM runs)
      WHERE latest < started_at OR latest < before",
        "lists by time may miss run number",
    ),
];

/// All findings; none if everything is in order.
pub(crate) fn check(conn: &Connection) -> Result<Vec<String>> {
    let mut findings = file(conn)?;
    if !findings.is_empty() {
        // what stands in a damaged file says nothing
        return Ok(findings);
    }
    for (sql, meaning) in STRAYS {
        let mut statement = conn.prepare(sql)?;
        for number in statement.query_map([], |row| row.get::<_, i64>(0))?.take(FINDINGS_MAX) {
            findings.push(format!("{meaning} {}", number?));
        }
    }
    let mut loose = BTreeMap::new();
    if let Err(fault) = log::collect(conn, None, &mut loose) {
        findings.push(told(fault)?);
    }
    let mut statement = conn.prepare("SELECT no FROM runs ORDER BY no")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if findings.len() >= FINDINGS_MAX {
            break;
        }
        let run = RunNo(row.get::<_, i64>(0)? as u64);
        if let Err(fault) = check_run(conn, run, loose.remove(&run).unwrap_or_default()) {
            findings.push(told(fault)?);
        }
    }
    drop(rows);
    for no in former::all(conn)? {
        if let Err(fault) = check_facts(conn, no, chunks::assemble_former(conn, no)?) {
            findings.push(told(fault)?);
        }
    }
    Ok(findings)
}

/// A fault that is a finding; others are errors of the check itself.
fn told(fault: Fault) -> Result<String> {
    match fault {
        Fault::Damaged(why) => Ok(why),
        Fault::Sql(error) if is_damage(&error) => Ok(error.to_string()),
        other => Err(other),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn file(conn: &Connection) -> Result<Vec<String>> {
    by_pragma(conn, "integrity_check")
}

fn by_pragma(conn: &Connection, pragma: &str) -> Result<Vec<String>> {
    let mut statement = conn.prepare(&format!("PRAGMA {pragma}({FILE_FINDINGS_MAX})"))?;
    let mut said = Vec::new();
    for line in statement.query_map([], |row| row.get::<_, String>(0))? {
        match line {
            Ok(line) if line == "ok" => {}
            Ok(line) => said.push(line),
            // some damage ends the check itself
            Err(error) if is_damage(&error) => said.push(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(said)
}

/// Batches without a gap, readable, with everything they refer to.
fn check_run(conn: &Connection, no: RunNo, loose: Loose) -> Result<()> {
    check_facts(conn, no, chunks::assemble(conn, no, loose)?)
}

fn check_facts(conn: &Connection, no: RunNo, run: Option<StoredRun>) -> Result<()> {
    let Some(run) = run else {
        return Err(Fault::Damaged(format!("it is not known what run number {} was started with", no.0)));
    };
    if documents::get(conn, run.row.document)?.is_none() {
        return Err(Fault::Damaged(format!("the workflow document of run number {} is missing", no.0)));
    }
    let has = |id: BlobId| blobs::exists(conn, id).ok()?.then(Payload::null);
    let mut batches = 0;
    let mut pieces = run.pieces;
    while !pieces.is_empty() {
        let before = batches;
        for piece in std::mem::take(&mut pieces) {
            for batch in Batches::new(&piece, Timestamp(0), &has) {
                batch.map_err(|damage| Fault::Damaged(format!("run number {}: {damage}", no.0)))?;
                batches += 1;
            }
        }
        if before < batches && batches < run.batches {
            let stretch = chunks::stretch(conn, no, batches)?;
            // else a chunk has others than it says
            if stretch.first == batches {
                pieces = stretch.pieces;
            }
        }
    }
    if batches != run.batches {
        let (no, wanted) = (no.0, run.batches);
        return Err(Fault::Damaged(format!(
            "run number {no} has {batches} batches of facts instead of {wanted}"
        )));
    }
    Ok(())
}

impl crate::SqliteStore {
    /// Reads everything and says what is wrong with it, one line each; nothing if all is in order. Works on a store
    /// opened for reading, also where opening for writing is refused because of damage.
    ///
    /// # Errors
    /// If the file cannot be read at all.
    pub fn check(&self) -> std::result::Result<Vec<String>, StoreError> {
        self.read(|conn| match check(conn) {
            Err(fault) => Ok(vec![told(fault)?]),
            findings => findings,
        })
    }

    /// What is wrong with the file itself, without comparing its indexes; nothing if that is sound. Reads all of it.
    ///
    /// # Errors
    /// If it cannot be read at all.
    pub fn check_quickly(&self) -> std::result::Result<Vec<String>, StoreError> {
        self.read(|conn| by_pragma(conn, "quick_check"))
    }
}
