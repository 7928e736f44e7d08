//! Other processes: killed ones, second ones, ones that only read.

use crate::sample::{begin, chunk, document, facts, open, short_log};
use jackfield_core::journal::{Store, StoreError};
use jackfield_store_sqlite::{Options, SqliteStore};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

const JOURNAL: &str = "JACKFIELD_TEST_JOURNAL";
const ROLE: &str = "JACKFIELD_TEST_ROLE";

/// This test binary once more, as another process.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Other {
    fn start(role: &str, path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["process::other", "--exact", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .env(JOURNAL, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next number that it tells.
    fn told(&mut self) -> Option<u64> {
        self.lines.by_ref().find_map(|line| line.unwrap().strip_prefix('@')?.parse().ok())
    }

    /// Ends it without a word, and returns the last number that it told.
    fn kill(mut self) -> Option<u64> {
        self.child.kill().unwrap();
        let mut last = None;
        while let Some(number) = self.told() {
            last = Some(number);
        }
        self.child.wait().unwrap();
        last
    }
}

fn tell(number: u64) {
    std::io::stderr().write_all(format!("@{number}\n").as_bytes()).unwrap();
}

/// Whether the file is said to need no check.
fn is_clean(path: &Path) -> bool {
    let conn = rusqlite::Connection::open(path).unwrap();
    let clean: i64 =
        conn.query_row("SELECT value FROM meta WHERE key = 'clean'", [], |row| row.get(0)).unwrap();
    clean == 1
}

/// What the other process does.
#[test]
#[ignore = "started by the tests below"]
fn other() {
    let path = PathBuf::from(std::env::var_os(JOURNAL).unwrap());
    match std::env::var(ROLE).unwrap().as_str() {
        "write" => write_on(&path),
        "hold" => {
            let _store = open(&path);
            tell(0);
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        "read" => loop {
            let store = SqliteStore::open_reader(&path).unwrap();
            tell(store.load("run-1").unwrap().unwrap().batches);
        },
        role => panic!("{role}"),
    }
}

/// Goes on where the journal ends, and tells each batch of run 1 that was acknowledged.
fn write_on(path: &Path) {
    let store = SqliteStore::open(path, short_log()).unwrap();
    let mut next = match store.load("run-1").unwrap() {
        Some(run) => run.batches,
        None => {
            store.write(&[document(), begin(1)]).unwrap();
            0
        }
    };
    loop {
        let mut changes = vec![facts(1, next, next + 1)];
        next += 1;
        if next % 7 == 0 {
            let no = store.last_run().unwrap().0 + 1;
            changes.extend([begin(no), facts(no, 0, 2), chunk(no, 0, 2)]);
        }
        if next % 50 == 0 {
            let chunked = store.load("run-1").unwrap().unwrap().chunked;
            changes.push(chunk(1, chunked, next));
        }
        store.write(&changes).unwrap();
        tell(next);
    }
}

#[test]
fn what_was_acknowledged_is_there_after_the_process_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut known = 0;
    for round in 0..12 {
        let mut other = Other::start("write", &path);
        for _ in 0..round * 7 {
            known = other.told().expect("the other process has ended");
        }
        known = other.kill().unwrap_or(known);
        if round == 0 && !path.exists() {
            continue;
        }
        let store = open(&path);
        let batches = store.load("run-1").unwrap().map_or(0, |run| run.batches);
        // one more may have been written and not told
        assert!(batches == known || batches == known + 1, "{batches} batches, {known} were told");
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        known = batches;
    }
    assert!(known > 300);
}

#[test]
fn a_second_process_is_refused_until_the_first_one_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut other = Other::start("hold", &path);
    other.told().unwrap();
    let error = SqliteStore::open(&path, Options::default()).unwrap_err();
    let StoreError::InUse { path: named, pid } = &error else { panic!("{error}") };
    assert_eq!((named.as_str(), *pid), (path.to_str().unwrap(), other.child.id()));
    other.kill();
    let store = open(&path);
    // nor is there a second one in the same process
    assert!(matches!(SqliteStore::open(&path, Options::default()), Err(StoreError::InUse { .. })));
    store.close().unwrap();
    open(&path);
}

#[test]
fn another_process_reads_while_this_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store = SqliteStore::open(&path, short_log()).unwrap();
    store.write(&[begin(1)]).unwrap();
    let mut other = Other::start("read", &path);
    let mut seen = other.told().unwrap();
    for next in 0..300 {
        store.write(&[facts(1, next, next + 1)]).unwrap();
    }
    while seen < 300 {
        let now = other.told().expect("the other process has ended");
        assert!(now >= seen, "it went back");
        seen = now;
    }
    other.kill();
}

#[test]
fn reading_needs_no_owner_and_does_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    assert!(matches!(SqliteStore::open_reader(&path), Err(StoreError::Other { .. })));
    let mut other = Other::start("write", &path);
    while other.told().unwrap() < 20 {}
    let known = other.kill().unwrap_or(20);
    // the owner has left its write-ahead log behind
    assert!(!is_clean(&path));
    let reader = SqliteStore::open_reader(&path).unwrap();
    let batches = reader.load("run-1").unwrap().unwrap().batches;
    assert!(batches >= known);
    let error = reader.write(&[begin(1_000)]).unwrap_err().to_string();
    assert!(error.contains("opened for reading only"), "{error}");
    drop(reader);
    open(&path).close().unwrap();
    assert!(is_clean(&path));
    let reader = SqliteStore::open_reader(&path).unwrap();
    assert_eq!(reader.load("run-1").unwrap().unwrap().batches, batches);
}
