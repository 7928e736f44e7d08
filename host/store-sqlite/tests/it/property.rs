//! Random changes, written to the store and to the model, look the same from outside.

use crate::model::Model;
use crate::sample::{batches, row, schedule, short_log, standing, start};
use jackfield_core::journal::{BlobId, Change, Continued, RateStart, RunNo, RunQuery, Store, StoredWorkflow};
use jackfield_core::payload::Payload;
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use jackfield_store_sqlite::SqliteStore;
use std::sync::Arc;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| value(self))
    }

    fn status(&mut self) -> RunStatus {
        RunStatus::ALL[self.below(8) as usize]
    }
}

/// How many batches of facts a run of the model has.
fn end(model: &Model, run: RunNo) -> u64 {
    let run = &model.runs[&run];
    let last = run.loose.last_key_value();
    last.map_or(run.chunked, |(first, bytes)| first + count(*first, bytes))
}

fn count(first: u64, bytes: &[u8]) -> u64 {
    (1..).find(|count| *batches(first, first + count) == *bytes).unwrap()
}

fn workflow(random: &mut Random) -> StoredWorkflow {
    StoredWorkflow {
        id: format!("w{}", random.below(3)),
        version: format!("1.{}.0", random.below(3)),
        document: BlobId::of(&[random.below(3) as u8]),
        registered_at: Timestamp(random.below(1_000)),
    }
}

fn change(random: &mut Random, model: &Model) -> Change {
    let runs: Vec<RunNo> = model.runs.keys().copied().collect();
    let kind = if runs.is_empty() { 0 } else { random.below(31) };
    let run = if runs.is_empty() { RunNo(0) } else { runs[random.below(runs.len() as u64) as usize] };
    match kind {
        0..=2 => {
            let mut row = row(model.last.0 + 1 + random.below(2));
            row.workflow = format!("w{}", random.below(3));
            // the clock is set back now and then
            row.started_at = Timestamp(1_000 * row.no.0 - random.below(3_000).min(1_000 * row.no.0));
            Change::Begin(Box::new(row))
        }
        3..=12 => {
            let first = end(model, run);
            let count = 1 + random.below(3);
            Change::Facts { run, first, bytes: batches(first, first + count) }
        }
        13 | 14 => {
            let known = &model.runs[&run];
            let (first, ends) = (known.chunked, known.loose.keys().skip(1).copied());
            let end = end(model, run);
            let ends: Vec<u64> = ends.chain([end.max(first + 1)]).collect();
            let end = ends[random.below(ends.len() as u64) as usize];
            Change::Chunk { run, first, end, bytes: batches(first, end) }
        }
        15..=17 => {
            let mut standing = standing(random.status());
            standing.due_at = random.maybe(|random| Timestamp(random.below(100)));
            standing.ended_at = random.maybe(|random| Timestamp(random.below(100)));
            standing.reason = random.maybe(|random| format!("waits for {}", random.below(20)));
            standing.custom_status = random.maybe(|random| format!("{{\"at\":\"ü{}\"}}", random.below(20)));
            Change::Standing { run, standing: Box::new(standing) }
        }
        18 | 19 => {
            let value = Payload::string(&format!("value {}", random.below(8)));
            Change::Blob { run, id: BlobId::of(value.as_bytes()), value }
        }
        20 => Change::Delete(run),
        26.. if model.runs[&run].loose.is_empty() && model.runs[&run].chunked > 0 => {
            let mut row = row(model.last.0 + 1);
            row.run_id = model.runs[&run].row.run_id.clone();
            let ended_at = Timestamp(random.below(1_000));
            let (generation, keep) = (model.generation(run), 3);
            Change::Continue(Box::new(Continued { former: run, generation, ended_at, keep, row }))
        }
        21 => {
            let text = format!("document {}", random.below(5));
            Change::Document { id: BlobId::of(text.as_bytes()), text: text.into() }
        }
        22 => Change::Workflow(Box::new(workflow(random))),
        23..=25 => schedule_change(random, model),
        _ => {
            let StoredWorkflow { id, version, .. } = workflow(random);
            Change::Unregister { id, version: random.maybe(|_| version) }
        }
    }
}

fn schedule_change(random: &mut Random, model: &Model) -> Change {
    if random.below(4) == 0 {
        let at = random.below(100);
        let until = Timestamp(at + random.below(50));
        let key = format!("k{}", random.below(3)).into();
        return Change::RateStart(RateStart { key, at: Timestamp(at), until });
    }
    let id: Arc<str> = format!("s{}", random.below(3)).into();
    let Some((known, queue)) = model.schedules.get(&id) else {
        let number = random.below(9);
        return Change::Schedule(Box::new(schedule(&id, number)));
    };
    let next = queue.last_key_value().map_or(0, |(no, _)| no + 1);
    match random.below(6) {
        0 => Change::RemoveSchedule(id),
        1 | 2 => Change::Schedule(Box::new(schedule(&id, known.started + 1))),
        3 => Change::UnqueueStart { schedule: id, no: random.below(next + 1) },
        _ => Change::QueueStart { start: Box::new(start(&id, next)), schedule: id },
    }
}

fn query(random: &mut Random, model: &Model) -> RunQuery {
    let statuses = (0..random.below(4)).map(|_| random.status()).collect();
    RunQuery {
        statuses,
        workflow: random.maybe(|_| "w1".into()),
        since: random.maybe(|random| Timestamp(random.below(1_000 * model.last.0 + 2_000))),
        text: match random.below(6) {
            0 => Some(format!("for {}", random.below(20))),
            1 => Some(format!("ü{}", random.below(20))),
            2 => Some(format!("run-{}", random.below(20))),
            _ => None,
        },
        before: random.maybe(|random| RunNo(random.below(model.last.0 + 2))),
        limit: 1 + random.below(12) as usize,
    }
}

#[track_caller]
fn assert_same(store: &SqliteStore, model: &Model, random: &mut Random) {
    assert_eq!(store.last_run().unwrap(), model.last);
    for run in model.runs.values() {
        let found = store.load(&run.row.run_id).unwrap().expect("a run is missing");
        assert_eq!(format!("{:?}", found.row), format!("{:?}", run.row));
        assert_eq!(found.standing, run.standing);
        assert_eq!(found.pieces.concat(), run.bytes());
        assert_eq!((found.batches, found.chunked), (end(model, run.row.no), run.chunked));
    }
    for ((id, generation), run) in &model.former {
        let found = store.former(id, *generation).unwrap().expect("a generation is missing");
        assert_eq!(format!("{:?}", found.row), format!("{:?}", run.row));
        assert_eq!(found.standing, run.standing);
        assert_eq!(found.pieces.concat(), run.bytes());
        assert_eq!(store.former(id, 0).unwrap().map(|run| run.batches), None);
    }
    let unfinished: Vec<RunNo> = store.unfinished().unwrap().iter().map(|run| run.row.no).collect();
    assert_eq!(unfinished, model.unfinished());
    for _ in 0..8 {
        let query = query(random, model);
        let page = store.list(&query).unwrap();
        let listed: Vec<RunNo> = page.runs.iter().map(|line| line.no).collect();
        assert_eq!(listed, model.list(&query), "{query:?}");
        let mut rest = query.clone();
        rest.before = page.next.or(Some(RunNo(0)));
        let all = RunQuery { limit: usize::MAX, ..query };
        assert_eq!(
            listed.len() + model.list(&RunQuery { limit: usize::MAX, ..rest }).len(),
            model.list(&all).len()
        );
    }
    let (until, limit) = (Timestamp(random.below(100)), random.below(6) as usize);
    assert_eq!(store.due(until, limit).unwrap(), model.due(until, limit));
    for number in 0..8 {
        let id = BlobId::of(Payload::string(&format!("value {number}")).as_bytes());
        let found = store.blob(id).unwrap().map(|value| value.as_str().to_owned());
        assert_eq!(found, model.values.get(&id).map(|value| value.as_str().to_owned()));
        let id = BlobId::of(format!("document {number}").as_bytes());
        let found = store.document(id).unwrap();
        assert_eq!(found.as_deref(), model.documents.get(&id).map(String::as_str));
    }
    let workflows: Vec<StoredWorkflow> = model.workflows.values().cloned().collect();
    assert_eq!(store.workflows().unwrap(), workflows);
    let schedules = model.schedules.values().cloned();
    let schedules: Vec<_> = schedules.map(|(it, queue)| (it, Vec::from_iter(queue.into_values()))).collect();
    assert_eq!(store.schedules().unwrap(), schedules);
    assert_eq!(store.rate_starts().unwrap(), model.rate_starts);
}

fn run(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut random = Random(seed);
    let mut model = Model::default();
    let mut store = SqliteStore::open(&path, short_log()).unwrap();
    for _ in 0..120 {
        let mut changes = Vec::new();
        for _ in 0..random.below(12) {
            let change = change(&mut random, &model);
            model.write(std::slice::from_ref(&change));
            changes.push(change);
        }
        store.write(&changes).unwrap();
        match random.below(10) {
            0 => {
                drop(store);
                store = SqliteStore::open(&path, short_log()).unwrap();
            }
            1 => {
                // everything before the mistake is taken back
                let wrong = [change(&mut random, &model), Change::Begin(Box::new(row(model.last.0)))];
                store.write(&wrong).unwrap_err();
            }
            _ => {}
        }
        if random.below(4) == 0 {
            assert_same(&store, &model, &mut random);
        }
    }
    assert_same(&store, &model, &mut random);
}

fn run_all(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| run(seed));
        assert!(ran.is_ok(), "seed {seed}");
    }
}

#[test]
fn random_changes_are_kept_as_by_the_model() {
    run_all(0..4);
}

#[test]
#[ignore = "slow: half a minute of the same with other seeds"]
fn more_random_changes_are_kept_as_by_the_model() {
    run_all(4..64);
}
