//! A full disk is told as such, changes nothing, and is no obstacle once there is room.

use crate::sample::{begin, document, facts, open, stand, standing};
use jackfield_core::journal::{BlobId, Change, RunNo, Store, StoreError};
use jackfield_core::payload::Payload;
use jackfield_core::run::RunStatus;
use jackfield_store_sqlite::{Options, SqliteStore};

fn blob(run: u64) -> Change {
    let value = Payload::string(&run.to_string().repeat(10_000));
    Change::Blob { run: RunNo(run), id: BlobId::of(value.as_bytes()), value }
}

fn changes(run: u64) -> [Change; 4] {
    [begin(run), facts(run, 0, 2), blob(run), stand(run, standing(RunStatus::Completed))]
}

/// Fills it up; the first run that found no room.
fn fill(store: &SqliteStore) -> u64 {
    for run in 1..10_000 {
        match store.write(&changes(run)) {
            Ok(()) => {}
            Err(error @ StoreError::Full(_)) if run > 3 => {
                assert!(error.is_passing());
                return run;
            }
            Err(error) => panic!("run {run}: {error}"),
        }
    }
    panic!("there is no end of room")
}

fn fails_and_goes_on(store: &SqliteStore, make_room: impl FnOnce()) {
    store.write(&[document()]).unwrap();
    let refused = fill(store);
    let id = format!("run-{refused}");
    for _ in 0..3 {
        assert!(matches!(store.write(&changes(refused)), Err(StoreError::Full(_))));
        assert!(store.load(&id).unwrap().is_none());
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    make_room();
    store.write(&changes(refused)).unwrap();
    assert_eq!(store.load(&id).unwrap().unwrap().batches, 2);
    assert_eq!(store.load("run-1").unwrap().unwrap().batches, 2);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_journal_that_may_not_grow_goes_on_when_runs_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.size_max = Some(1 << 20);
    let store = SqliteStore::open(&folder.path().join("journal.db"), options).unwrap();
    fails_and_goes_on(&store, || store.write(&[Change::Delete(RunNo(2)), Change::Delete(RunNo(3))]).unwrap());
}

/// `mount -t tmpfs -o size=8m none FOLDER`, then `JACKFIELD_SMALL_DISK=FOLDER cargo test ... -- --ignored full_disk`.
#[test]
#[ignore = "needs a small file system of its own"]
fn a_full_disk_is_no_obstacle_once_there_is_room() {
    let disk = std::path::PathBuf::from(std::env::var_os("JACKFIELD_SMALL_DISK").unwrap());
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 4 << 20]).unwrap();
    let folder = tempfile::tempdir_in(&disk).unwrap();
    let path = folder.path().join("journal.db");
    let store = open(&path);
    fails_and_goes_on(&store, || std::fs::remove_file(&ballast).unwrap());
    let runs = store.stats().unwrap().runs;
    store.close().unwrap();
    assert_eq!(open(&path).stats().unwrap().runs, runs);
}
