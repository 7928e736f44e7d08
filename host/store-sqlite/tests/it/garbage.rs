//! Facts that stand in chunks leave the log; what is needed stays, however old it is.

use crate::sample::{batches, begin, chunk, document, facts, short_log};
use jackfield_core::journal::{Change, RunNo, Store};
use jackfield_store_sqlite::SqliteStore;

#[test]
fn the_log_stays_short_while_runs_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("journal.db"), short_log()).unwrap();
    for run in 1..=300 {
        store.write(&[begin(run), facts(run, 0, 3)]).unwrap();
        store.write(&[facts(run, 3, 5)]).unwrap();
        store.write(&[chunk(run, 0, 5)]).unwrap();
    }
    let stats = store.stats().unwrap();
    assert!(stats.log_len < 400, "{stats:?}");
    assert_eq!((stats.tails, stats.chunks), (0, 300));
    for run in 1..=300 {
        assert_eq!(store.load(&format!("run-{run}")).unwrap().unwrap().pieces.concat(), *batches(0, 5));
    }
}

#[test]
fn a_run_that_never_ends_does_not_keep_the_log_from_being_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut store = SqliteStore::open(&path, short_log()).unwrap();
    store.write(&[document(), begin(1), begin(2), facts(1, 0, 2)]).unwrap();
    for number in 0..400 {
        store.write(&[facts(2, number, number + 1)]).unwrap();
        if number % 100 == 50 {
            store.write(&[facts(1, number / 100 + 2, number / 100 + 3)]).unwrap();
        }
        if number == 200 {
            store.close().unwrap();
            store = SqliteStore::open(&path, short_log()).unwrap();
        }
    }
    let stats = store.stats().unwrap();
    assert!(stats.log_len < 2_200 && stats.tails > 0, "{stats:?}");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    let seen = |store: &SqliteStore, id: &str| {
        let run = store.load(id).unwrap().unwrap();
        (run.pieces.concat(), run.batches, run.chunked)
    };
    // moving them is no business of the engine: they stand in no chunk
    assert_eq!(seen(&store, "run-1"), (batches(0, 6).into_vec(), 6, 0));
    assert_eq!(seen(&store, "run-2"), (batches(0, 400).into_vec(), 400, 0));
    assert_eq!(store.unfinished().unwrap().len(), 2);

    // a chunk of a part leaves the rest
    store.write(&[chunk(2, 0, 150), chunk(1, 0, 6)]).unwrap();
    assert_eq!(seen(&store, "run-2"), (batches(0, 400).into_vec(), 400, 150));
    store.write(&[chunk(2, 150, 400)]).unwrap();
    assert_eq!(seen(&store, "run-2"), (batches(0, 400).into_vec(), 400, 400));
    assert_eq!(store.stats().unwrap().tails, 0);
    store.write(&[Change::Delete(RunNo(1))]).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn facts_that_get_into_a_chunk_in_the_same_commit_are_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("journal.db"), short_log()).unwrap();
    store.write(&[begin(1), facts(1, 0, 2), chunk(1, 0, 2), facts(1, 2, 3)]).unwrap();
    let run = store.load("run-1").unwrap().unwrap();
    assert_eq!((run.pieces, run.chunked), (vec![batches(0, 2), batches(2, 3)], 2));
    assert!(store.stats().unwrap().log_len < 2 * batches(2, 3).len() as u64);
}
