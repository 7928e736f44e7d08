//! The journal of a host as a file: what can be done with it while no host owns it, and what can be read at any time.

use crate::Error;
use jackfield_core::journal::{Page, RunQuery, Store};
use jackfield_core::time::Timestamp;
use jackfield_engine::EngineError;
use jackfield_store_sqlite::{Compacted, Options, Retention, SqliteStore, Stats};
use std::path::Path;

/// A journal file.
#[derive(Debug)]
pub struct Journal {
    store: SqliteStore,
}

impl Journal {
    /// Opens the journal at `path` for writing.
    ///
    /// # Errors
    /// If a process owns it, naming that; if it cannot be used.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let store = SqliteStore::open(path, Options::default()).map_err(EngineError::from)?;
        Ok(Self { store })
    }

    /// Opens the journal at `path` for reading, whether or not a process owns it.
    ///
    /// # Errors
    /// If there is none; if it cannot be read.
    pub fn open_reader(path: &Path) -> Result<Self, Error> {
        Ok(Self { store: SqliteStore::open_reader(path).map_err(EngineError::from)? })
    }

    /// A page of the runs that `query` asks for, newest first. Where a run stands is what was written last: one that a host
    /// works on is `running`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn query(&self, query: &RunQuery) -> Result<Page, Error> {
        Ok(self.store.list(query).map_err(EngineError::from)?)
    }

    /// Everything that is wrong with it; nothing if it is sound. Reads all of it.
    ///
    /// # Errors
    /// If it cannot be read at all.
    pub fn check(&self) -> Result<Vec<String>, Error> {
        Ok(self.store.check().map_err(EngineError::from)?)
    }

    /// What is wrong with its file, without comparing what stands in it; nothing if that is sound. Reads all of it, in a fraction of
    /// the time that [`Journal::check`] takes.
    ///
    /// # Errors
    /// If it cannot be read at all.
    pub fn check_quickly(&self) -> Result<Vec<String>, Error> {
        Ok(self.store.check_quickly().map_err(EngineError::from)?)
    }

    /// The process that owns the journal at `path`, 0 if its number is not known; `None` if none does.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn owner(path: &Path) -> Result<Option<u32>, Error> {
        Ok(SqliteStore::owner(path).map_err(EngineError::from)?)
    }

    /// Copies it to `to`, also while a host writes to it.
    ///
    /// # Errors
    /// If the copy cannot be written, or exists.
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        Ok(self.store.backup(to, |_| {}).map_err(EngineError::from)?)
    }

    /// Gives back to the system what is free in it. Answers how large it was and is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn compact(&self) -> Result<Compacted, Error> {
        Ok(self.store.compact().map_err(EngineError::from)?)
    }

    /// Deletes runs that ended before `before`; how many.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn prune(&self, before: Timestamp) -> Result<u64, Error> {
        let retention = Retention { ended_before: Some(before), ..Retention::default() };
        Ok(self.store.prune(&retention).map_err(EngineError::from)?)
    }

    /// How large it is.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn stats(&self) -> Result<Stats, Error> {
        Ok(self.store.stats().map_err(EngineError::from)?)
    }
}
