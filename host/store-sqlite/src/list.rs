//! Lists of runs, newest first. A page looks at a bounded number of rows: a search through all of them takes several
//! pages, each of them soon there.

use crate::fault::Result;
use crate::runs::{LINE, listing, nanos, status_code, timestamp};
use jackfield_core::journal::{Page, RunNo, RunQuery};
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use memchr::memmem::Finder;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::fmt::Write;

/// Rows that one page looks at where they stand side by side, and where an index leads from one to the next: some
/// 25 ms each.
const EXAMINED_MAX: usize = 20_000;
const EXAMINED_BY_INDEX_MAX: usize = 5_000;

pub(crate) fn list(conn: &Connection, query: &RunQuery) -> Result<Page> {
    let lowest = query.since.map_or(Ok(0), |since| lowest_since(conn, since))?;
    let before = query.before.map_or(i64::MAX, |before| before.0 as i64);
    let since = query.since.map_or(i64::MIN, nanos);
    let text = query.text.as_deref().map(Finder::new);

    let sql = select(query);
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = match &query.workflow {
        Some(workflow) => statement.query(params![before, lowest as i64, workflow])?,
        None => statement.query(params![before, lowest as i64])?,
    };
    let mut page = Page::default();
    let is_side_by_side = query.statuses.is_empty() && query.workflow.is_none();
    let examined_max = if is_side_by_side { EXAMINED_MAX } else { EXAMINED_BY_INDEX_MAX };
    let (mut examined, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        if page.runs.len() >= query.limit || examined == examined_max {
            page.next = last;
            break;
        }
        examined += 1;
        last = Some(RunNo(row.get::<_, i64>(0)? as u64));
        let is_wanted = row.get::<_, i64>(2)? >= since && contains(row, text.as_ref())?;
        if is_wanted {
            page.runs.push(listing(row)?);
        }
    }
    Ok(page)
}

fn contains(row: &Row<'_>, text: Option<&Finder<'_>>) -> Result<bool> {
    let Some(text) = text else { return Ok(true) };
    // run_id, workflow, reason, custom_status
    for column in [5, 6, 8, 9] {
        if let Ok(Some(value)) = row.get_ref(column)?.as_bytes_or_null()
            && text.find(value).is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One ordered scan of an index for each status, merged; SQLite does not sort where every part is in order.
fn select(query: &RunQuery) -> String {
    let mut statuses: Vec<i64> = query.statuses.iter().map(|status| status_code(*status)).collect();
    if statuses.is_empty() && query.workflow.is_some() {
        statuses = RunStatus::ALL.into_iter().map(status_code).collect();
    }
    statuses.sort_unstable();
    statuses.dedup();
    let (index, workflow) = match query.workflow {
        Some(_) => ("runs_workflow", "workflow = ?3 AND "),
        None => ("runs_status", ""),
    };
    let mut sql = String::new();
    for status in &statuses {
        let join = if sql.is_empty() { "" } else { " UNION ALL " };
        // writing into a string cannot fail
        let _ = write!(
            sql,
            "{join}SELECT {LINE} FROM runs INDEXED BY {index} WHERE {workflow}status = {status} AND no < ?1 AND no >= ?2"
        );
    }
    if sql.is_empty() {
        sql = format!("SELECT {LINE} FROM runs WHERE no < ?1 AND no >= ?2");
    }
    sql + " ORDER BY no DESC"
}

/// No run with a lower number began at `since` or later. Found by halving: `latest` never falls from row to row.
fn lowest_since(conn: &Connection, since: Timestamp) -> Result<u64> {
    let mut behind = conn.prepare_cached("SELECT no, latest FROM runs WHERE no >= ?1 ORDER BY no LIMIT 1")?;
    let (mut low, mut high) = (0, crate::runs::newest(conn)?.0.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = behind
            .query_row([middle as i64], |row| Ok((row.get::<_, i64>(0)? as u64, timestamp(row.get(1)?))))
            .optional()?;
        match row {
            Some((no, latest)) if latest < since => low = no + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
