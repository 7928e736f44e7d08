//! What was written is read back.

use crate::sample::{batches, begin, chunk, document, facts, open, row, short_log, stand, standing};
use jackfield_core::journal::{
    BlobId, Change, Continued, RunNo, RunQuery, Standing, Store, StoredRow, StoredWorkflow,
};
use jackfield_core::payload::Payload;
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use jackfield_store_sqlite::SqliteStore;

#[test]
fn a_run_comes_back_after_reopening_with_everything_that_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let long = Payload::string(&"x".repeat(100_000));
    let blob = BlobId::of(long.as_bytes());
    let full = Standing {
        status: RunStatus::Waiting,
        ended_at: Some(Timestamp(5)),
        due_at: Some(Timestamp(6)),
        reason: Some("a reason".into()),
        custom_status: Some("{\"a\":1}".into()),
    };
    let workflow = StoredWorkflow {
        id: "orders".into(),
        version: "1.2.0".into(),
        document: BlobId::of(b"document"),
        registered_at: Timestamp(3),
    };
    let store = open(&path);
    store
        .write(&[
            Change::Document { id: BlobId::of(b"document"), text: "document".into() },
            Change::Workflow(Box::new(workflow.clone())),
            begin(1),
            begin(2),
            facts(1, 0, 2),
            Change::Blob { run: RunNo(1), id: blob, value: long.clone() },
        ])
        .unwrap();
    store.write(&[facts(2, 0, 1), facts(1, 2, 3)]).unwrap();
    store.write(&[chunk(1, 0, 3)]).unwrap();
    store.write(&[facts(1, 3, 4), stand(1, full.clone())]).unwrap();
    store.close().unwrap();

    let store = open(&path);
    let run = store.load("run-1").unwrap().unwrap();
    assert_eq!(format!("{:?}", run.row), format!("{:?}", row(1)));
    assert_eq!(run.standing, full);
    assert_eq!(run.pieces, [batches(0, 3), batches(3, 4)]);
    assert_eq!((run.batches, run.chunked), (4, 3));
    let line = store.find("run-1").unwrap().unwrap();
    assert_eq!((line.standing, line.started_at), (full, Timestamp(1_000)));
    assert_eq!(store.document(BlobId::of(b"document")).unwrap().as_deref(), Some("document"));
    assert_eq!(store.blob(blob).unwrap().unwrap().as_str(), long.as_str());
    assert_eq!(store.workflows().unwrap(), [workflow]);
    assert!(store.load("run-3").unwrap().is_none());
    assert!(store.find("run-3").unwrap().is_none());
    assert!(store.document(blob).unwrap().is_none());
}

#[test]
fn the_next_generation_takes_the_id_and_so_many_former_ones_are_kept_until_the_run_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("journal.db"));
    let long = Payload::string(&"x".repeat(100_000));
    let blob = BlobId::of(long.as_bytes());
    let next = |no: u64, generation: u32| {
        let row = StoredRow { run_id: "run-1".into(), ..row(no) };
        let former = RunNo(no - 1);
        let next = Continued { former, generation, ended_at: Timestamp(no), keep: 2, row };
        Change::Continue(Box::new(next))
    };
    let value = Change::Blob { run: RunNo(1), id: blob, value: long };
    store.write(&[document(), begin(1), value, facts(1, 0, 2)]).unwrap();
    // facts of what has ended that are in no chunk would be lost: all is refused
    store.write(&[next(2, 1)]).unwrap_err();
    store.write(&[chunk(1, 0, 2), next(2, 1), facts(2, 0, 1)]).unwrap();
    assert_eq!(store.load("run-1").unwrap().unwrap().row.no, RunNo(2));
    assert_eq!(store.list(&RunQuery { limit: 9, ..RunQuery::default() }).unwrap().runs.len(), 1);
    let former = store.former("run-1", 1).unwrap().unwrap();
    assert_eq!((former.row.no, former.standing.status, former.batches), (RunNo(1), RunStatus::Continued, 2));
    assert!(store.blob(blob).unwrap().is_some());
    store.write(&[chunk(2, 0, 1), next(3, 2), chunk(3, 0, 1), next(4, 3)]).unwrap();
    let kept = |generation| store.former("run-1", generation).unwrap().is_some();
    assert_eq!([kept(1), kept(2), kept(3)], [false, true, true]);
    assert!(store.blob(blob).unwrap().is_none());
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    store.write(&[Change::Delete(RunNo(4))]).unwrap();
    assert_eq!([kept(2), kept(3)], [false, false]);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_page_looks_at_so_many_rows_and_the_next_one_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("journal.db"), short_log()).unwrap();
    for first in (1..=25_000).step_by(5_000) {
        let some: Vec<Change> = (first..first + 5_000).map(begin).collect();
        store.write(&some).unwrap();
    }
    store
        .write(&[stand(7, Standing { reason: Some("wanted".into()), ..standing(RunStatus::Failed) })])
        .unwrap();
    for workflow in [None, Some("orders".to_owned())] {
        let mut query = RunQuery { text: Some("wanted".into()), workflow, limit: 5, ..RunQuery::default() };
        let mut pages = Vec::new();
        loop {
            let page = store.list(&query).unwrap();
            pages.push(page.runs.iter().map(|line| line.no.0).collect::<Vec<u64>>());
            query.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert!(pages.len() > 1 && pages[0].is_empty(), "{pages:?}");
        assert_eq!(pages.concat(), [7]);
    }
}

#[test]
fn a_failed_write_leaves_everything_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("journal.db"));
    store.write(&[begin(1), facts(1, 0, 1)]).unwrap();
    for (wrong, what) in [
        (begin(1), "the number 1 was given to a run before"),
        (facts(7, 0, 1), "it has no run number 7"),
        (facts(1, 0, 1), "batch 0 of run number 1 was written before"),
        (chunk(1, 1, 2), "do not follow batch 0"),
        (stand(7, standing(RunStatus::Failed)), "it has no run number 7"),
        (
            Change::Begin(Box::new(jackfield_core::journal::StoredRow { no: RunNo(3), ..row(1) })),
            "UNIQUE constraint failed: runs.run_id",
        ),
    ] {
        let changes = [begin(2), facts(2, 0, 1), facts(1, 1, 2), wrong];
        let error = store.write(&changes).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(store.find("run-2").unwrap().is_none());
        assert_eq!(store.load("run-1").unwrap().unwrap().batches, 1);
        assert_eq!(store.last_run().unwrap(), RunNo(1));
    }
    store.write(&[begin(2), facts(2, 0, 1), facts(1, 1, 2)]).unwrap();
    assert_eq!(store.load("run-1").unwrap().unwrap().batches, 2);
}

#[test]
fn deleting_a_run_removes_everything_of_it_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store = open(&path);
    let value = |text: &str| Payload::string(text);
    let blob = |run: u64, text: &str| Change::Blob {
        run: RunNo(run),
        id: BlobId::of(value(text).as_bytes()),
        value: value(text),
    };
    store.write(&[begin(1), begin(2), blob(1, "own"), blob(1, "shared"), blob(2, "shared")]).unwrap();
    store.write(&[chunk(2, 0, 2), chunk(1, 0, 3), facts(1, 3, 4), facts(2, 2, 3)]).unwrap();
    store.write(&[Change::Delete(RunNo(2)), Change::Delete(RunNo(99))]).unwrap();
    assert!(store.load("run-2").unwrap().is_none());
    assert_eq!(store.last_run().unwrap(), RunNo(2), "the number would be given again");
    store.write(&[Change::Delete(RunNo(1))]).unwrap();
    assert!(store.blob(BlobId::of(value("own").as_bytes())).unwrap().is_none());
    assert!(store.blob(BlobId::of(value("shared").as_bytes())).unwrap().is_none());
    assert!(store.unfinished().unwrap().is_empty());
    assert!(store.list(&RunQuery { limit: 9, ..RunQuery::default() }).unwrap().runs.is_empty());
    store.close().unwrap();

    let store = open(&path);
    assert_eq!(store.last_run().unwrap(), RunNo(2), "the number would be given again");
    // the id is free again
    let again = jackfield_core::journal::StoredRow { no: RunNo(3), ..row(1) };
    store.write(&[Change::Begin(Box::new(again))]).unwrap();
    let run = store.load("run-1").unwrap().unwrap();
    assert_eq!((run.batches, run.pieces.len()), (0, 0));
}

#[test]
fn a_file_of_the_first_format_is_brought_up_to_date_with_all_that_is_in_it() {
    // made by the command of the version that had format 1: one run that has ended, one that waits
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    std::fs::write(&path, include_bytes!("format-1.db")).unwrap();
    let refused = SqliteStore::open_reader(&path).unwrap_err().to_string();
    assert!(refused.contains("older format 1"), "{refused}");
    let store = open(&path);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    let ended = store.load("done-1").unwrap().unwrap();
    assert_eq!((ended.standing.status, &*ended.row.workflow), (RunStatus::Completed, "sum"));
    let open_one = store.load("open-1").unwrap().unwrap();
    assert!(!open_one.standing.status.is_terminal() && open_one.batches > 0);
    assert!(store.document(open_one.row.document).unwrap().unwrap().contains("greeting"));
    // what the format is new for
    assert!(store.schedules().unwrap().is_empty());
    let (one, first) = (crate::sample::schedule("s", 1), crate::sample::start("s", 0));
    store
        .write(&[
            Change::Schedule(Box::new(one.clone())),
            Change::QueueStart { schedule: "s".into(), start: Box::new(first.clone()) },
        ])
        .unwrap();
    store.close().unwrap();
    let reader = SqliteStore::open_reader(&path).unwrap();
    assert_eq!(reader.schedules().unwrap(), [(one, vec![first])]);
}
