//! What a commit costs, by the number of runs that take part in it, and how long lists take at a million runs.
//! Set `TMPDIR` to a folder on the disk in question; `bytes` in a name is what the process wrote to it.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jackfield_core::journal::{
    BlobId, Blobs, Change, RunNo, RunQuery, Standing, Store, StoredRow, encode_batch,
};
use jackfield_core::payload::Payload;
use jackfield_core::plan::StepIx;
use jackfield_core::run::{CallKey, Fact, InstanceIx, RunStatus};
use jackfield_core::time::{Nanos, Timestamp};
use jackfield_store_sqlite::{Options, SqliteStore};
use std::time::{Duration, Instant};

/// Facts of a run after which they are written once more, together.
const CHUNK: u64 = 1_000;
/// Runs in the lists.
const RUNS: u64 = 1_000_000;

fn begin(no: u64) -> Change {
    Change::Begin(Box::new(StoredRow {
        no: RunNo(no),
        run_id: format!("018f3a7c-{:04x}-7{:03x}-8000-{:012x}", no >> 12, no & 0xfff, no * 7919).into(),
        workflow: format!("workflow-{}", no % 10),
        version: "1.0.0".into(),
        document: BlobId::of(b"document"),
        started_at: Timestamp(1_700_000_000_000_000_000 + no * 1_000_000),
        start: format!(
            r#"{{"rules":1,"at":{no},"input":{{}},"seed":{no},"host_concurrency":8,"plugins":{{}}}}"#
        ),
    }))
}

fn batch(number: u64) -> Vec<u8> {
    let key = CallKey { instance: InstanceIx(0), step: StepIx(number as u32), attempt: 1, is_undo: false };
    let fact = Fact::Outcome { key, duration: Nanos(1_500), outcome: Ok(Payload::null()) };
    let mut bytes = Vec::new();
    encode_batch(Timestamp(0), Timestamp(number * 100_000), &[fact], &mut bytes, &mut Blobs::new());
    bytes
}

/// Runs side by side, a step of each in every commit.
struct Load {
    store: SqliteStore,
    runs: u64,
    step: u64,
}

impl Load {
    fn new(folder: &std::path::Path, runs: u64) -> Self {
        let store = SqliteStore::open(&folder.join("journal.db"), Options::default()).expect("it opens");
        store.write(&(1..=runs).map(begin).collect::<Vec<_>>()).expect("runs begin");
        Self { store, runs, step: 0 }
    }

    fn commit(&mut self) {
        let bytes = batch(self.step);
        let facts = |run| Change::Facts { run: RunNo(run), first: self.step, bytes: bytes.as_slice().into() };
        let mut changes: Vec<Change> = (1..=self.runs).map(facts).collect();
        self.step += 1;
        if self.step.is_multiple_of(CHUNK) {
            let first = self.step - CHUNK;
            let bytes: Vec<u8> = (first..self.step).flat_map(batch).collect();
            changes.extend((1..=self.runs).map(|run| Change::Chunk {
                run: RunNo(run),
                first,
                end: self.step,
                bytes: bytes.as_slice().into(),
            }));
        }
        self.store.write(&changes).expect("it is written");
    }
}

/// Bytes that this process has sent to a disk.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What SQLite itself needs for a commit of one row, with the same promise.
fn floor(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let conn = rusqlite::Connection::open(folder.path().join("floor.db")).expect("it opens");
    conn.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = full; CREATE TABLE t(seq INTEGER PRIMARY KEY, b)",
    )
    .expect("a table");
    let row = batch(7);
    let mut group = c.benchmark_group("floor");
    group.sample_size(10).measurement_time(Duration::from_secs(4)).throughput(Throughput::Elements(1));
    group.bench_function("one row a commit", |b| {
        b.iter(|| {
            conn.prepare_cached("INSERT INTO t(b) VALUES(?1)")
                .and_then(|mut insert| insert.execute([&row]))
                .expect("a row")
        });
    });
}

fn commits(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    for rows in [1, 100, 256, 1_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut load = Load::new(folder.path(), rows);
        let (before, steps) = (written(), 2 * CHUNK);
        let mut slowest = Duration::ZERO;
        for _ in 0..steps {
            let start = Instant::now();
            load.commit();
            slowest = slowest.max(start.elapsed());
        }
        let bytes = (written() - before) / (steps * rows);
        group.throughput(Throughput::Elements(rows));
        let name = format!("{bytes} bytes a row, slowest of {steps} {} us, rows", slowest.as_micros());
        group.bench_function(BenchmarkId::new(name, rows), |b| b.iter(|| load.commit()));
    }
}

/// Runs that begin and end, one step each, in commits of so many.
fn whole_runs(c: &mut Criterion) {
    let mut group = c.benchmark_group("begin and end");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    for runs in [1, 100] {
        let folder = tempfile::tempdir().expect("a folder");
        let store =
            SqliteStore::open(&folder.path().join("journal.db"), Options::default()).expect("it opens");
        let mut next = 1;
        group.throughput(Throughput::Elements(runs));
        group.bench_function(BenchmarkId::new("runs a commit", runs), |b| {
            b.iter(|| {
                let mut changes = Vec::new();
                for no in next..next + runs {
                    changes.extend([begin(no), chunk(no), stand(no, RunStatus::Completed, None)]);
                }
                next += runs;
                store.write(&changes).expect("it is written");
            });
        });
    }
}

fn chunk(no: u64) -> Change {
    Change::Chunk { run: RunNo(no), first: 0, end: 1, bytes: batch(0).into() }
}

fn stand(no: u64, status: RunStatus, reason: Option<String>) -> Change {
    let ended_at = status.is_terminal().then_some(Timestamp(1_800_000_000_000_000_000));
    let standing = Standing { status, ended_at, due_at: None, reason, custom_status: None };
    Change::Standing { run: RunNo(no), standing: Box::new(standing) }
}

fn lists(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("journal.db"), Options::default()).expect("it opens");
    for first in (1..=RUNS).step_by(10_000) {
        let mut changes = Vec::new();
        for no in first..first + 10_000 {
            let (status, reason) = match no % 100_000 {
                17 => (RunStatus::Failed, Some(format!("http.503: no luck with order {no}"))),
                _ => (RunStatus::Completed, None),
            };
            changes.extend([begin(no), chunk(no), stand(no, status, reason)]);
        }
        store.write(&changes).expect("it is written");
    }
    let query = || RunQuery { limit: 50, ..RunQuery::default() };
    let text = |text: &str| RunQuery { text: Some(text.into()), ..query() };
    let since = Timestamp(1_700_000_000_000_000_000 + (RUNS - 20) * 1_000_000);
    let cases = [
        ("all", query()),
        ("failed", RunQuery { statuses: vec![RunStatus::Failed], ..query() }),
        (
            "failed or completed",
            RunQuery { statuses: vec![RunStatus::Failed, RunStatus::Completed], ..query() },
        ),
        ("workflow", RunQuery { workflow: Some("workflow-3".into()), ..query() }),
        ("unknown workflow", RunQuery { workflow: Some("none".into()), ..query() }),
        (
            "failed of a workflow",
            RunQuery { statuses: vec![RunStatus::Failed], workflow: Some("workflow-7".into()), ..query() },
        ),
        ("since", RunQuery { since: Some(since), ..query() }),
        ("text, found soon", text("-8000-")),
        ("text, one page without a find", text("nowhere")),
        ("text among failed", RunQuery { statuses: vec![RunStatus::Failed], ..text("order 17") }),
        ("text of a workflow, one page", RunQuery { workflow: Some("workflow-3".into()), ..text("nowhere") }),
        ("from the middle", RunQuery { before: Some(RunNo(RUNS / 2)), ..query() }),
    ];
    let mut group = c.benchmark_group("list, a million runs");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(500));
    for (name, query) in &cases {
        group.bench_function(*name, |b| b.iter(|| store.list(query).expect("a page")));
    }
    group.bench_function("text, to the end", |b| {
        b.iter(|| {
            let mut query = text("nowhere");
            while let Some(next) = store.list(&query).expect("a page").next {
                query.before = Some(next);
            }
        });
    });
    group.bench_function("due", |b| b.iter(|| store.due(Timestamp(1), 100).expect("due")));
    group.bench_function("last run", |b| b.iter(|| store.last_run().expect("a number")));
}

fn restart(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("journal.db"), Options::default()).expect("it opens");
    let runs = 10_000;
    for first in (1..=runs).step_by(1_000) {
        let facts = |run| Change::Facts { run: RunNo(run), first: 0, bytes: batch(0).into() };
        let begins = (first..first + 1_000).flat_map(|no| [begin(no), facts(no)]);
        store.write(&begins.collect::<Vec<_>>()).expect("it is written");
    }
    c.benchmark_group("restart").sample_size(10).bench_function("10,000 open runs", |b| {
        b.iter(|| assert_eq!(store.unfinished().expect("runs").len(), 10_000));
    });
}

criterion_group!(benches, floor, commits, whole_runs, restart, lists);
criterion_main!(benches);
