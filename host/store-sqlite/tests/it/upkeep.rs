//! Backup, compacting, retention, numbers.

use crate::sample::{begin, chunk, facts, open, stand, standing};
use jackfield_core::journal::{BlobId, Change, RunQuery, Standing, Store};
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use jackfield_store_sqlite::{Retention, SqliteStore};

fn document(text: &str) -> Change {
    Change::Document { id: BlobId::of(text.as_bytes()), text: text.into() }
}

fn ended(run: u64, status: RunStatus, at: u64) -> Change {
    stand(run, Standing { ended_at: Some(Timestamp(at)), ..standing(status) })
}

fn ids(store: &SqliteStore) -> Vec<u64> {
    let all = RunQuery { limit: 10_000, ..RunQuery::default() };
    store.list(&all).unwrap().runs.iter().rev().map(|line| line.no.0).collect()
}

#[test]
fn a_backup_is_whole_although_writing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("journal.db"));
    let copy = folder.path().join("copy.db");
    store.write(&[document("document")]).unwrap();
    for run in (1..1_000).step_by(2) {
        store.write(&[begin(run), facts(run, 0, 50), begin(run + 1), chunk(run + 1, 0, 1_500)]).unwrap();
    }
    let (mut reports, mut run) = (Vec::new(), 1_000);
    let copied = store.backup(&copy, |progress| {
        run += 1;
        store.write(&[begin(run), facts(run, 0, 5)]).unwrap();
        reports.push(progress);
        assert!(reports.len() < 100, "it begins again and again: {reports:?}");
    });
    copied.unwrap();
    assert!(reports.is_sorted_by_key(|report| report.pages_done) && reports.len() > 3, "{reports:?}");
    let last = reports.last().unwrap();
    assert_eq!(last.pages_done, last.pages_total);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("copy.db.")), "{names:?}");

    let error = store.backup(&copy, |_| {}).unwrap_err().to_string();
    assert!(error.contains("it exists"), "{error}");
    let copied = open(&copy);
    assert_eq!(copied.check().unwrap(), Vec::<String>::new());
    assert_eq!(ids(&copied), (1..=1_000).collect::<Vec<u64>>(), "the runs from before the backup began");
    assert_eq!(copied.load("run-1").unwrap().unwrap().batches, 50);
}

#[test]
fn compacting_gives_back_what_deleted_runs_left_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("journal.db"));
    store.write(&[document("document"), document("nobody's")]).unwrap();
    for run in 1..=200 {
        store.write(&[begin(run), chunk(run, 0, 400), facts(run, 400, 401)]).unwrap();
    }
    let deleted: Vec<Change> =
        (2..=200).map(|run| Change::Delete(jackfield_core::journal::RunNo(run))).collect();
    store.write(&deleted).unwrap();
    assert!(store.stats().unwrap().free_len > 500_000);
    let compacted = store.compact().unwrap();
    assert!(compacted.after * 3 < compacted.before, "{compacted:?}");
    let stats = store.stats().unwrap();
    assert_eq!((stats.free_len, stats.runs, stats.documents), (0, 1, 1));
    assert_eq!(store.load("run-1").unwrap().unwrap().batches, 401);
    store.write(&[facts(1, 401, 402)]).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn pruning_takes_old_ended_runs_and_no_others() {
    use RunStatus::{Cancelled, Completed, Failed, Waiting};
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("journal.db"));
    for run in 1..=400 {
        let end = match run % 4 {
            0 => stand(run, standing(Waiting)),
            1 => ended(run, Completed, run),
            2 => ended(run, Failed, run),
            _ => ended(run, Cancelled, run),
        };
        store.write(&[begin(run), chunk(run, 0, 1), end]).unwrap();
    }
    let prune = |retention: Retention| store.prune(&retention).unwrap();
    let before = |run| Some(Timestamp(run));
    let failed =
        Retention { ended_before: before(100), statuses: vec![Failed, Waiting], ..Retention::default() };
    assert_eq!(prune(failed), 25);
    assert!(ids(&store).iter().all(|run| run % 4 != 2 || *run > 100));
    let other = Retention { workflow: Some("other".into()), ..Retention::default() };
    assert_eq!(prune(other), 0);
    let completed = Retention { keep_newest: 10, statuses: vec![Completed], ..Retention::default() };
    assert_eq!(prune(completed), 90);
    assert!(ids(&store).iter().all(|run| run % 4 != 1 || *run > 360));
    assert_eq!(prune(Retention::default()), 10 + 75 + 100);
    assert_eq!(ids(&store), (4..=400).step_by(4).collect::<Vec<u64>>());
}
