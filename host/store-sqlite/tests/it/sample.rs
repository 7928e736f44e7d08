//! Things to be written.

use jackfield_core::journal::{
    BlobId, Blobs, Cause, Change, QueuedStart, RunNo, Standing, StoredRow, StoredSchedule, encode_batch,
};
use jackfield_core::payload::Payload;
use jackfield_core::plan::StepIx;
use jackfield_core::run::{CallKey, Fact, InstanceIx, RunStatus};
use jackfield_core::time::{Nanos, Timestamp};
use jackfield_store_sqlite::{Durability, Options, SqliteStore};
use std::path::Path;

pub(crate) fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Options::default()).unwrap()
}

/// A log so short that it is tidied all the time.
pub(crate) fn short_log() -> Options {
    let mut options = Options::default();
    options.log_len_max = 2_000;
    options.durability = Durability::Fast;
    options
}

pub(crate) fn row(no: u64) -> StoredRow {
    StoredRow {
        no: RunNo(no),
        run_id: format!("run-{no}").into(),
        workflow: "orders".into(),
        version: "1.2.0".into(),
        document: BlobId::of(b"document"),
        started_at: Timestamp(1_000 * no),
        start: format!("{{\"no\":{no}}}"),
    }
}

/// A schedule that has started so many runs.
pub(crate) fn schedule(id: &str, started: u64) -> StoredSchedule {
    StoredSchedule {
        id: id.into(),
        workflow: "orders".into(),
        version: Some("^1".into()),
        spec: r#"{"every": "1h"}"#.into(),
        is_own: started.is_multiple_of(2),
        since: Timestamp(7),
        last: Timestamp(started),
        paused: started.is_multiple_of(3).then(|| "not now".into()),
        active: vec![format!("{id}-{started}").into()],
        last_run: None,
        started,
        skipped: 1,
        error: None,
    }
}

pub(crate) fn start(id: &str, no: u64) -> QueuedStart {
    QueuedStart {
        no,
        run_id: format!("{id}-{no}").into(),
        cause: if no.is_multiple_of(2) { Cause::Time } else { Cause::Event },
        at: Timestamp(no),
        data: "{\"a\": 1}".into(),
    }
}

/// What [`row`] refers to.
pub(crate) fn document() -> Change {
    Change::Document { id: BlobId::of(b"document"), text: "document".into() }
}

pub(crate) fn begin(no: u64) -> Change {
    Change::Begin(Box::new(row(no)))
}

pub(crate) fn standing(status: RunStatus) -> Standing {
    Standing { status, ended_at: None, due_at: None, reason: None, custom_status: None }
}

pub(crate) fn stand(run: u64, standing: Standing) -> Change {
    Change::Standing { run: RunNo(run), standing: Box::new(standing) }
}

/// One batch that tells itself from others by its number.
pub(crate) fn batch(number: u64) -> Vec<u8> {
    let key = CallKey { instance: InstanceIx(0), step: StepIx(number as u32), attempt: 1, is_undo: false };
    let fact = Fact::Outcome { key, duration: Nanos(number), outcome: Ok(Payload::null()) };
    let mut bytes = Vec::new();
    encode_batch(Timestamp(0), Timestamp(number), &[fact], &mut bytes, &mut Blobs::new());
    bytes
}

pub(crate) fn batches(first: u64, end: u64) -> Box<[u8]> {
    (first..end).flat_map(batch).collect()
}

pub(crate) fn facts(run: u64, first: u64, end: u64) -> Change {
    Change::Facts { run: RunNo(run), first, bytes: batches(first, end) }
}

pub(crate) fn chunk(run: u64, first: u64, end: u64) -> Change {
    Change::Chunk { run: RunNo(run), first, end, bytes: batches(first, end) }
}
