//! Files that are damaged, of others or of later versions are told as such.

use crate::sample::{begin, chunk, facts, open};
use jackfield_core::journal::{BlobId, Change, RunNo, Store, StoreError};
use jackfield_core::payload::Payload;
use jackfield_store_sqlite::{Options, SqliteStore};
use rusqlite::Connection;
use std::path::Path;

fn refused(path: &Path) -> StoreError {
    SqliteStore::open(path, Options::default()).unwrap_err()
}

fn filled(path: &Path) {
    let store = open(path);
    let value = Payload::string("long");
    let blob = Change::Blob { run: RunNo(1), id: BlobId::of(value.as_bytes()), value };
    store.write(&[Change::Document { id: BlobId::of(b"document"), text: "document".into() }]).unwrap();
    store.write(&[begin(1), begin(2), chunk(1, 0, 200), facts(2, 0, 3), blob]).unwrap();
    let more: Vec<Change> = (3..300).flat_map(|run| [begin(run), chunk(run, 0, 50)]).collect();
    store.write(&more).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    store.close().unwrap();
}

#[test]
fn a_file_that_was_not_closed_in_order_is_checked_and_its_damage_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    filled(&path);
    let conn = Connection::open(&path).unwrap();
    conn.execute("UPDATE meta SET value = 0 WHERE key = 'clean'", []).unwrap();
    let root: u64 = conn
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'chunks'", [], |row| row.get::<_, i64>(0))
        .unwrap() as u64;
    drop(conn);
    let mut bytes = std::fs::read(&path).unwrap();
    let page = (root as usize - 1) * 2048;
    bytes[page..page + 64].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let error = refused(&path);
    assert!(matches!(&error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("jackfield db check"), "{error}");
    // looking at it is not refused
    let findings = SqliteStore::open_reader(&path).unwrap().check().unwrap();
    assert!(!findings.is_empty());
}

#[test]
fn what_is_no_journal_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    std::fs::write(&path, "no database at all, but long enough to be taken for one by a fool".repeat(20))
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(refused(&path), StoreError::Damaged { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = folder.path().join("foreign.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let error = refused(&path).to_string();
    assert!(error.contains("no journal of Jackfield"), "{error}");
    let mode: String =
        Connection::open(&path).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete", "it was changed");
}

#[test]
fn a_journal_of_a_later_version_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    filled(&path);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 77).unwrap();
    assert!(matches!(refused(&path), StoreError::TooNew { found: 77, known: 4, .. }));
    let error = SqliteStore::open_reader(&path).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 77, .. }));
}

#[test]
fn a_check_finds_whatever_does_not_fit_together() {
    for (harm, finding) in [
        ("DELETE FROM chunks WHERE id = 1 << 24", "nothing"),
        ("UPDATE chunks SET first = 1 WHERE id = 1 << 24", "batch 0 of run number 1 is missing"),
        ("UPDATE chunks SET end = 199 WHERE id = 1 << 24", "has 200 batches of facts instead of 199"),
        ("UPDATE chunks SET batches = x'ff' WHERE id = 1 << 24", "run number 1: what is stored from byte 0"),
        ("UPDATE log SET entries = x'02'", "a row of the log is cut short"),
        ("UPDATE log SET entries = x'02050100'", "batch 0 of run number 2 is missing"),
        ("DELETE FROM blobs", "a value is missing that is needed by run number 1"),
        ("DELETE FROM blob_uses", "nobody needs the value number 1"),
        ("DELETE FROM starts WHERE run = 2", "what run number 2 was started with"),
        ("DELETE FROM documents", "the workflow document of run number 1 is missing"),
        ("DELETE FROM runs WHERE no = 2", "a start is kept of the missing run number 2"),
        ("DELETE FROM runs WHERE no = 1", "facts are kept of the missing run number 1"),
        ("UPDATE runs SET latest = 0 WHERE no = 2", "lists by time may miss run number 2"),
        ("UPDATE runs SET status = 9 WHERE no = 2", "unknown status 9"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        filled(&path);
        Connection::open(&path).unwrap().execute_batch(harm).unwrap();
        let findings = SqliteStore::open_reader(&path).unwrap().check().unwrap();
        if finding == "nothing" {
            // facts that are missing as a whole cannot be told from those that never were
            assert_eq!(findings, Vec::<String>::new());
        } else {
            assert!(findings.iter().any(|found| found.contains(finding)), "{harm}: {findings:?}");
        }
    }
}
