//! A store that ends its process at a certain write, or keeps copies of its files after each.

use super::file;
use super::script::{Kill, Moment, die};
use jackfield_core::journal::{
    BlobId, Change, Listing, Page, QueuedStart, RateStart, RunNo, RunQuery, Store, StoreError, StoredRun,
    StoredSchedule, StoredWorkflow, Stretch,
};
use jackfield_core::payload::Payload;
use jackfield_core::time::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Another store, until it is time to die.
pub(crate) struct Mortal<S> {
    store: S,
    kill: Option<Kill>,
    /// Directory of the files to keep copies of, if any.
    kept: Option<PathBuf>,
    writes: AtomicU64,
}

impl<S> Mortal<S> {
    pub(crate) fn new(store: S, kill: Option<Kill>, kept: Option<PathBuf>) -> Self {
        Self { store, kill, kept, writes: AtomicU64::new(0) }
    }

    /// Keeps what is there after a write: nobody else writes to the journal meanwhile.
    fn keep(&self, dir: &Path, write: u64) {
        let to = dir.join(format!("{}/{write}", file::KEPT));
        std::fs::create_dir_all(&to).expect("there is room");
        for name in [file::JOURNAL, file::WAL, file::EFFECTS] {
            if dir.join(name).exists() {
                std::fs::copy(dir.join(name), to.join(name)).expect("there is room");
            }
        }
        copy_tree(&dir.join("target"), &to.join("target"));
    }
}

impl<S: Store> Store for Mortal<S> {
    fn was_left_unclean(&self) -> bool {
        self.store.was_left_unclean()
    }

    fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        let write = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let is_time = |moment| self.kill == Some(Kill { write, moment });
        if is_time(Moment::Before) {
            die();
        }
        let written = self.store.write(changes);
        self.kept.iter().for_each(|dir| self.keep(dir, write));
        if is_time(Moment::After) {
            die();
        }
        written
    }

    fn last_run(&self) -> Result<RunNo, StoreError> {
        self.store.last_run()
    }

    fn unfinished(&self) -> Result<Vec<StoredRun>, StoreError> {
        self.store.unfinished()
    }

    fn load(&self, run_id: &str) -> Result<Option<StoredRun>, StoreError> {
        self.store.load(run_id)
    }

    fn former(&self, run_id: &str, generation: u32) -> Result<Option<StoredRun>, StoreError> {
        self.store.former(run_id, generation)
    }

    fn stretch(&self, run: RunNo, from: u64) -> Result<Stretch, StoreError> {
        self.store.stretch(run, from)
    }

    fn find(&self, run_id: &str) -> Result<Option<Listing>, StoreError> {
        self.store.find(run_id)
    }

    fn list(&self, query: &RunQuery) -> Result<Page, StoreError> {
        self.store.list(query)
    }

    fn due(&self, until: Timestamp, limit: usize) -> Result<(Vec<String>, Option<Timestamp>), StoreError> {
        self.store.due(until, limit)
    }

    fn document(&self, id: BlobId) -> Result<Option<Arc<str>>, StoreError> {
        self.store.document(id)
    }

    fn blob(&self, id: BlobId) -> Result<Option<Payload>, StoreError> {
        self.store.blob(id)
    }

    fn workflows(&self) -> Result<Vec<StoredWorkflow>, StoreError> {
        self.store.workflows()
    }

    fn rate_starts(&self) -> Result<Vec<RateStart>, StoreError> {
        self.store.rate_starts()
    }

    fn schedules(&self) -> Result<Vec<(StoredSchedule, Vec<QueuedStart>)>, StoreError> {
        self.store.schedules()
    }
}

/// Copies a directory with everything in it; nothing if it is not there.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    let Ok(entries) = std::fs::read_dir(from) else { return };
    std::fs::create_dir_all(to).expect("there is room");
    for entry in entries {
        let path = entry.expect("the directory can be read").path();
        let target = to.join(path.file_name().expect("entries have names"));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("there is room");
        }
    }
}
