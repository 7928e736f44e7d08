//! A copy of the journal while it is in use, and the same file with less room in it.

use crate::fault::{Fault, Result, beside};
use jackfield_core::journal::StoreError;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::path::Path;

/// Pages that are copied between two reports.
const STEP_PAGES: i32 = 1024;

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pages that were copied.
    pub pages_done: u64,
    /// Pages that there are.
    pub pages_total: u64,
}

/// What compacting brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the file and its write-ahead log before.
    pub before: u64,
    /// And afterwards.
    pub after: u64,
}

impl crate::SqliteStore {
    /// Copies the journal as it is now to the new file `to`, while others read and write it. The copy appears under its
    /// name when it is complete and on the disk.
    ///
    /// # Errors
    /// [`StoreError::Full`], or [`StoreError::Other`] if `to` exists or cannot be written.
    pub fn backup(
        &self,
        to: &Path,
        mut progress: impl FnMut(Progress),
    ) -> std::result::Result<(), StoreError> {
        let copied = self.with_reader(|conn| copy(conn, to, &mut progress));
        copied.map_err(|fault| fault.at(to))
    }

    /// Removes documents that nothing refers to and gives back the room that deleted runs left. Nothing else is written
    /// meanwhile; takes as much room again as the journal needs.
    ///
    /// # Errors
    /// [`StoreError::Full`] if there is no room for it; the journal is as before.
    pub fn compact(&self) -> std::result::Result<Compacted, StoreError> {
        self.with_writer(|writer| {
            let conn = writer.connection();
            let before = len(self.path());
            conn.execute(
                "DELETE FROM documents WHERE hash NOT IN (SELECT document FROM starts)
                    AND hash NOT IN (SELECT document FROM workflows)
                    AND lower(hex(hash)) NOT IN (SELECT ifnull(start ->> '$.methods', '') FROM starts)",
                [],
            )?;
            conn.execute_batch("VACUUM")?;
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(Compacted { before, after: len(self.path()) })
        })
    }
}

/// Bytes of the file and its write-ahead log.
fn len(path: &Path) -> u64 {
    let len = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
    len(path) + len(&beside(path, "-wal"))
}

fn copy(from: &Connection, to: &Path, progress: &mut impl FnMut(Progress)) -> Result<()> {
    if to.exists() {
        return Err(Fault::Wrong("it exists; a backup replaces nothing".into()));
    }
    let partial = beside(to, ".partial");
    remove(&partial)?;
    let copied = copy_to(from, &partial, progress).and_then(|()| {
        std::fs::File::open(&partial)?.sync_all()?;
        std::fs::rename(&partial, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?)
    });
    if copied.is_err() {
        // the first error says more
        let _ = remove(&partial);
    }
    copied
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn copy_to(from: &Connection, to: &Path, progress: &mut impl FnMut(Progress)) -> Result<()> {
    // the first look decides which state is copied; without it every step would begin anew what others have changed
    crate::schema::format(from)?;
    crate::store::create(to)?;
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(from, &mut target)?;
        loop {
            let step = backup.step(STEP_PAGES)?;
            let now = backup.progress();
            let (left, total) = (now.remaining.unsigned_abs(), now.pagecount.unsigned_abs());
            progress(Progress { pages_done: u64::from(total - left), pages_total: u64::from(total) });
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // only the target can be locked, and only by somebody who found it while it was being made
                _ => return Err(Fault::Wrong("somebody else has it open".into())),
            }
        }
    }
    // one file, nothing beside it
    target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    target.close().map_err(|(_, error)| Fault::Sql(error))
}
