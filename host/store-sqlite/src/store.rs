//! Opening and closing, and the trait.

use crate::fault::{Fault, Result};
use crate::lock::OwnerLock;
use crate::readers::Readers;
use crate::writer::{self, Writer};
use crate::{blobs, chunks, documents, list, rates, runs, schedules, schema};
use jackfield_core::journal::{
    BlobId, Change, Listing, Page, QueuedStart, RateStart, RunNo, RunQuery, Store, StoreError, StoredRun,
    StoredSchedule, StoredWorkflow, Stretch,
};
use jackfield_core::payload::Payload;
use jackfield_core::time::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Pages that the writer keeps in memory.
const WRITER_CACHE_KIB: i64 = 8192;
/// Statements that the writer keeps prepared.
const STATEMENTS_MAX: usize = 64;
/// The writer waits only for somebody else's hands in the file, such as `sqlite3`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A commit of one short row writes one page and what stands before it in the write-ahead log, which with pages of
/// 4 KiB touches two blocks of the disk, with these mostly one: 6.3 kB instead of 8.3. Smaller ones slow down lists.
const PAGE_SIZE: i64 = 2048;

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power.
    #[default]
    Full,
    /// The end of the process in any way; a loss of power may cost the last moments, never the file.
    Fast,
}

/// How a journal is kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What a commit survives.
    pub durability: Durability,
    /// The file does not grow beyond so many bytes (rounded down to pages); writing then fails as on a full disk.
    pub size_max: Option<u64>,
    /// Facts that stand in no chunk take about so many bytes in the part of the file that is read from end to end to
    /// find those of one run; what is older is moved to where they stand by run.
    pub log_len_max: u64,
    /// Bytes in the write-ahead log after which the commit that reaches them copies them to the file. That is the longest
    /// a commit takes; more would save little, for most pages are written once and never again.
    pub checkpoint_len: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::Full, size_max: None, log_len_max: 16 << 20, checkpoint_len: 4 << 20 }
    }
}

/// A journal in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    // in the order in which they are dropped: whoever closes the file last copies the write-ahead log to it
    readers: Readers,
    owner: Option<Owner>,
}

/// What the one process has that may write.
#[derive(Debug)]
struct Owner {
    writer: Mutex<Writer>,
    was_clean: bool,
    _lock: OwnerLock,
}

impl SqliteStore {
    /// Opens the journal at `path` for reading and writing; makes a new one if there is none, and brings an older one
    /// up to date. A file that was not closed in order is checked, which reads all of it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another store has it open for writing, [`StoreError::TooNew`], [`StoreError::Damaged`],
    /// [`StoreError::Full`], [`StoreError::Other`] if it is no journal or cannot be read and written.
    pub fn open(path: &Path, options: Options) -> std::result::Result<Self, StoreError> {
        let lock = OwnerLock::take(path)?;
        let (writer, was_clean) = open_writer(path, options).map_err(|fault| fault.at(path))?;
        let owner = Owner { writer: Mutex::new(writer), was_clean, _lock: lock };
        Ok(Self { path: path.into(), readers: Readers::new(path), owner: Some(owner) })
    }

    /// Opens the journal at `path` for reading, whether or not another process writes to it; writing fails.
    ///
    /// # Errors
    /// [`StoreError::TooNew`], [`StoreError::Damaged`], [`StoreError::Other`] if it is not there, is no journal, cannot
    /// be read, or was written by an older version and has not been opened for writing since.
    pub fn open_reader(path: &Path) -> std::result::Result<Self, StoreError> {
        let readers = Readers::new(path);
        let checked = readers.read(|conn| match schema::format(conn)? {
            schema::NEWEST => Ok(()),
            0 => Err(Fault::Wrong("nothing was written to it yet".into())),
            older => Err(Fault::Wrong(format!(
                "it has the older format {older}; start the process that writes it once to bring it up to date"
            ))),
        });
        checked.map_err(|fault| fault.at(path))?;
        Ok(Self { path: path.into(), readers, owner: None })
    }

    /// The process that has the journal at `path` open for writing, 0 if its number is not known; `None` if none has.
    ///
    /// # Errors
    /// [`StoreError::Other`] if that cannot be found out.
    pub fn owner(path: &Path) -> std::result::Result<Option<u32>, StoreError> {
        crate::lock::owner(path)
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes it in order: everything is copied from the write-ahead log to the file, which needs no check when it is
    /// opened again. The same happens when it is dropped, but then nobody hears of errors.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Other`] if that could not be written; nothing is lost by it.
    pub fn close(mut self) -> std::result::Result<(), StoreError> {
        self.finish()
    }

    fn finish(&mut self) -> std::result::Result<(), StoreError> {
        self.readers.close_idle();
        let Some(owner) = self.owner.take() else { return Ok(()) };
        let writer = owner.writer.into_inner();
        set_clean(writer.connection(), true).map_err(|fault| fault.at(&self.path))
    }

    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        self.readers.read(read).map_err(|fault| fault.at(&self.path))
    }

    /// As `read`, for errors that are not about this file.
    pub(crate) fn with_reader<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.readers.read(read)
    }

    pub(crate) fn with_writer<T>(
        &self,
        act: impl FnOnce(&mut Writer) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        let done = match &self.owner {
            Some(owner) => act(&mut owner.writer.lock()),
            None => Err(Fault::Wrong("it was opened for reading only".into())),
        };
        done.map_err(|fault| fault.at(&self.path))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // nothing is lost: the file is checked when it is opened again
        let _ = self.finish();
    }
}

fn open_writer(path: &Path, options: Options) -> Result<(Writer, bool)> {
    create(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.pragma_update(None, "page_size", PAGE_SIZE)?;
    let format = schema::format(&conn)?;
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    let synchronous = match options.durability {
        Durability::Full => "full",
        Durability::Fast => "normal",
    };
    conn.pragma_update(None, "synchronous", synchronous)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", pages(options.checkpoint_len), |_| Ok(()))?;
    if let Some(size) = options.size_max {
        conn.pragma_update_and_check(None, "max_page_count", pages(size), |_| Ok(()))?;
    }
    let was_clean = format == 0 || is_clean(&conn)?;
    if !was_clean {
        quick_check(&conn)?;
    }
    schema::migrate(&mut conn, format)?;
    set_clean(&conn, false)?;
    Ok((Writer::new(conn, options.log_len_max)?, was_clean))
}

/// So many bytes in pages, at least one.
fn pages(len: u64) -> i64 {
    (i64::try_from(len).unwrap_or(i64::MAX) / PAGE_SIZE).max(1)
}

/// Inputs and results are nobody else's business.
pub(crate) fn create(path: &Path) -> Result<()> {
    let mut new = std::fs::OpenOptions::new();
    new.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    new.open(path)?;
    Ok(())
}

/// Whether the file was closed in order.
fn is_clean(conn: &Connection) -> Result<bool> {
    let clean: i64 = conn.query_row("SELECT value FROM meta WHERE key = 'clean'", [], |row| row.get(0))?;
    Ok(clean == 1)
}

fn set_clean(conn: &Connection, is_clean: bool) -> Result<()> {
    conn.execute("UPDATE meta SET value = ?1 WHERE key = 'clean'", [is_clean])?;
    Ok(())
}

fn quick_check(conn: &Connection) -> Result<()> {
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Fault::Damaged(found)) }
}

impl Store for SqliteStore {
    fn was_left_unclean(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| !owner.was_clean)
    }

    fn write(&self, changes: &[Change]) -> std::result::Result<(), StoreError> {
        self.with_writer(|writer| writer.write(changes))
    }

    fn last_run(&self) -> std::result::Result<RunNo, StoreError> {
        self.read(writer::last_run)
    }

    fn unfinished(&self) -> std::result::Result<Vec<StoredRun>, StoreError> {
        self.read(chunks::unfinished)
    }

    fn load(&self, run_id: &str) -> std::result::Result<Option<StoredRun>, StoreError> {
        self.read(|conn| chunks::load(conn, run_id))
    }

    fn former(&self, run_id: &str, generation: u32) -> std::result::Result<Option<StoredRun>, StoreError> {
        self.read(|conn| chunks::former(conn, run_id, generation))
    }

    fn stretch(&self, run: RunNo, from: u64) -> std::result::Result<Stretch, StoreError> {
        self.read(|conn| chunks::stretch(conn, run, from))
    }

    fn find(&self, run_id: &str) -> std::result::Result<Option<Listing>, StoreError> {
        self.read(|conn| runs::find(conn, run_id))
    }

    fn list(&self, query: &RunQuery) -> std::result::Result<Page, StoreError> {
        self.read(|conn| list::list(conn, query))
    }

    fn due(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> std::result::Result<(Vec<String>, Option<Timestamp>), StoreError> {
        self.read(|conn| runs::due(conn, until, limit))
    }

    fn document(&self, id: BlobId) -> std::result::Result<Option<Arc<str>>, StoreError> {
        self.read(|conn| documents::get(conn, id))
    }

    fn blob(&self, id: BlobId) -> std::result::Result<Option<Payload>, StoreError> {
        self.read(|conn| blobs::get(conn, id))
    }

    fn workflows(&self) -> std::result::Result<Vec<StoredWorkflow>, StoreError> {
        self.read(documents::workflows)
    }

    fn rate_starts(&self) -> std::result::Result<Vec<RateStart>, StoreError> {
        self.read(rates::all)
    }

    fn schedules(&self) -> std::result::Result<Vec<(StoredSchedule, Vec<QueuedStart>)>, StoreError> {
        self.read(schedules::all)
    }
}
