//! Connections for reading. Each sees what was committed when it began and waits for nobody.

use crate::fault::Result;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So many connections are kept while nobody uses them; each holds at most [`CACHE_KIB`] of pages.
const IDLE_MAX: usize = 4;
const CACHE_KIB: i64 = 2048;
/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 64;
/// Readers wait only for a file that is being recovered or checkpointed away.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.into(), idle: Mutex::new(Vec::new()) }
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
        conn.pragma_update(None, "trusted_schema", false)?;
        Ok(conn)
    }

    /// Lets `read` look at one state of the file.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let kept = self.idle.lock().pop();
        let conn = kept.map_or_else(|| self.connect(), Ok)?;
        // nothing is written: ending it is all there is to do
        let found = {
            let transaction = conn.unchecked_transaction()?;
            read(&transaction)?
        };
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(conn);
        }
        Ok(found)
    }

    /// Closes what nobody uses.
    pub(crate) fn close_idle(&self) {
        self.idle.lock().clear();
    }
}
