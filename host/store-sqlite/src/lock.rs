//! One owner at a time: a lock on a file beside the journal, which the system gives back however the owner ends.

use crate::fault::beside;
use jackfield_core::journal::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The process that has the lock of the journal at `path`; `None` if nobody has it. To find out it is taken for a moment, shared:
/// whoever wants to own the journal in this moment is refused.
///
/// # Errors
/// [`StoreError::Other`] if the file cannot be used.
pub(crate) fn owner(path: &Path) -> Result<Option<u32>, StoreError> {
    let lock = beside(path, ".lock");
    let other = |error: std::io::Error| StoreError::Other {
        path: path.display().to_string(),
        why: format!("its lock file {}: {error}", lock.display()),
    };
    let mut file = match File::open(&lock) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(other(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // on a full disk it was not written
            let _ = file.read_to_string(&mut pid);
            Ok(Some(pid.trim().parse().unwrap_or(0)))
        }
        Err(TryLockError::Error(error)) => Err(other(error)),
    }
}

/// Held as long as this lives.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    _file: File,
}

impl OwnerLock {
    /// Takes the lock of the journal at `path`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if somebody has it, [`StoreError::Other`] if the file cannot be used.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let journal = path.display().to_string();
        let lock = beside(path, ".lock");
        let other = |error: std::io::Error| StoreError::Other {
            path: journal.clone(),
            why: format!("its lock file {}: {error}", lock.display()),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock)
            .map_err(other)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // only for the message
                let _ = file.read_to_string(&mut pid);
                return Err(StoreError::InUse { path: journal, pid: pid.trim().parse().unwrap_or(0) });
            }
            Err(TryLockError::Error(error)) => return Err(other(error)),
        }
        // on a full disk the pid stays unknown, which must not keep the journal shut
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
