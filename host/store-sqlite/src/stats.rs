//! How large everything is.

use crate::fault::{Result, beside};
use jackfield_core::journal::StoreError;
use rusqlite::Connection;
use std::path::Path;

/// How large a journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes of the file.
    pub file_len: u64,
    /// Bytes of its write-ahead log; some of them may be used up.
    pub wal_len: u64,
    /// Bytes in the file that are free, which compacting gives back.
    pub free_len: u64,
    /// Runs.
    pub runs: u64,
    /// Rows of recent facts, of all runs mixed.
    pub log_rows: u64,
    /// Their bytes.
    pub log_len: u64,
    /// Rows of recent facts that the log was too short for.
    pub tails: u64,
    /// Rows of facts that are kept by run.
    pub chunks: u64,
    /// Long values.
    pub blobs: u64,
    /// Documents.
    pub documents: u64,
    /// Registered workflows.
    pub workflows: u64,
}

impl crate::SqliteStore {
    /// How large everything is. Rows are counted: some milliseconds for a hundred thousand.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn stats(&self) -> std::result::Result<Stats, StoreError> {
        self.read(|conn| stats(conn, self.path()))
    }
}

fn stats(conn: &Connection, path: &Path) -> Result<Stats> {
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|found| found as u64);
    let len = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
    Ok(Stats {
        file_len: len(path),
        wal_len: len(&beside(path, "-wal")),
        free_len: number("PRAGMA freelist_count")? * number("PRAGMA page_size")?,
        runs: number("SELECT count(*) FROM runs")?,
        log_rows: number("SELECT count(*) FROM log")?,
        log_len: number("SELECT coalesce(sum(length(entries)), 0) FROM log")?,
        tails: number("SELECT count(*) FROM tails")?,
        chunks: number("SELECT count(*) FROM chunks")?,
        blobs: number("SELECT count(*) FROM blobs")?,
        documents: number("SELECT count(*) FROM documents")?,
        workflows: number("SELECT count(*) FROM workflows")?,
    })
}
