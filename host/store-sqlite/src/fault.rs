//! What can go wrong inside, before it is known which file it was.

use jackfield_core::journal::StoreError;
use rusqlite::ErrorCode;
use std::io;
use std::path::Path;

pub(crate) type Result<T> = std::result::Result<T, Fault>;

#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Io(io::Error),
    /// What is stored makes no sense.
    Damaged(String),
    /// What was asked makes no sense.
    Wrong(String),
    /// The format of a later version.
    TooNew(u32),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    /// The same as an error about the journal at `path`.
    pub(crate) fn at(self, path: &Path) -> StoreError {
        let file = path.display().to_string();
        match self {
            Self::TooNew(found) => StoreError::TooNew { path: file, found, known: crate::schema::NEWEST },
            Self::Damaged(why) => StoreError::Damaged { path: file, why },
            Self::Wrong(why) => StoreError::Other { path: file, why },
            Self::Io(error) if is_no_room(&error) => StoreError::Full(file),
            Self::Io(error) => StoreError::Other { path: file, why: error.to_string() },
            Self::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => StoreError::Full(file),
                Some(ErrorCode::SystemIoFailure) if !has_room(path) => StoreError::Full(file),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    StoreError::Damaged { path: file, why: error.to_string() }
                }
                _ => StoreError::Other { path: file, why: error.to_string() },
            },
        }
    }
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether something can be written beside the journal. SQLite calls a used-up quota and a shared index that cannot
/// grow plain input/output errors, as it does a broken disk.
fn has_room(path: &Path) -> bool {
    let probe = beside(path, ".room");
    let written = std::fs::write(&probe, [1; 32 * 1024]);
    // it held nothing; if it cannot be removed, the next one overwrites it
    let _ = std::fs::remove_file(&probe);
    !written.is_err_and(|error| is_no_room(&error))
}

/// The file of this name plus `suffix`.
pub(crate) fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
