//! Calls that may begin only so often.

use super::durable::impatient;
use super::lab::{Lab, PATIENCE};
use super::memory_store::MemoryStore;
use super::stopping::wait_until;
use crate::Config;
use jackfield_core::run::{CancelMode, RunStatus, StepStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// With a journal and without.
fn each(test: impl Fn(&Lab)) {
    for lab in [Lab::new(), Lab::durable(Config::default(), &Arc::default())] {
        test(&lab);
        assert!(lab.engine.wait_all(PATIENCE));
        assert!(lab.engine.inner.doors.lock().is_at_rest());
    }
}

fn limit(key: &str, per: &str, count: u32) -> String {
    format!(r#""rate_limit":{{"key":"{key}","per":"{per}","count":{count}}}"#)
}

#[test]
fn attempts_of_all_runs_that_share_a_key_begin_only_so_often() {
    for method in ["value", "value_blocking", "later"] {
        each(|lab| {
            let limit = limit("${input}", "100ms", 2);
            let document = format!(
                r#"{{"id":"w","steps":[{{"id":"f","type":"foreach","items":"[1,2]","max_concurrency":0,"steps":[
                {{"id":"a",@{method},{limit}}}]}}]}}"#
            );
            let begin = Instant::now();
            let runs: Vec<_> = (0..3).map(|_| lab.start(&document, r#""k""#)).collect();
            let other = lab.start(&document, r#""other""#);
            assert_eq!(other.wait(Some(PATIENCE)), Some(RunStatus::Completed));
            for run in &runs {
                assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
            }
            // six attempts, two in each window
            assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
            assert_eq!(lab.kit.order().len(), 8);
        });
    }
}

#[test]
fn retries_count_and_who_waits_says_so_and_can_be_cancelled() {
    each(|lab| {
        let limit = limit("k", "1h", 2);
        let retry = r#""retry":{"max_attempts":5,"backoff":"none"}"#;
        let document = format!(
            r#"{{"id":"w","mode":"parallel","steps":[{{"id":"a",@fail_blocking,{limit},{retry}}},{{"id":"b",@value}}]}}"#
        );
        let run = lab.start(&document, "null");
        wait_until(|| {
            run.report(10).steps["a"].status == StepStatus::Waiting && run.status() == RunStatus::Waiting
        });
        let report = run.report(10);
        assert_eq!(
            report.steps["a"].reason.as_deref(),
            Some("waits for its turn: of `k` at most 2 begin within 1h")
        );
        assert_eq!((report.steps["b"].status, report.steps["a"].attempts), (StepStatus::Completed, 3));
        assert_eq!(lab.kit.attempts("a").len(), 2);
        run.cancel(CancelMode::Graceful, "enough");
        assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Cancelled));
    });
}

#[test]
fn a_key_that_is_none_fails_the_step() {
    let limit = limit("${input}", "1h", 1);
    let document = format!(r#"{{"id":"w","steps":[{{"id":"a",@value,{limit}}}]}}"#);
    each(|lab| {
        let ended = lab.run_with(&document, "[1]").failed();
        assert_eq!(ended.error_type("a"), "expression");
        let message = &ended.error.as_ref().unwrap().message;
        assert!(message.contains("`rate_limit.key` is"), "{message}");
    });
}

#[test]
fn what_began_before_a_restart_counts_also_of_runs_that_have_ended() {
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(impatient(), &store);
    let document = format!(r#"{{"id":"w","steps":[{{"id":"a",@value,{}}}]}}"#, limit("k", "1h", 2));
    let ended = lab_end(&first, &document);
    assert_eq!(ended, RunStatus::Completed);
    let kit = first.kit.clone();
    drop(first);
    let second = Lab::durable_with(impatient(), &store, kit);
    assert_eq!(lab_end(&second, &document), RunStatus::Completed);
    let run = second.start(&document, "null");
    wait_until(|| run.status() == RunStatus::Waiting);
    run.cancel(CancelMode::Kill, "enough");
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Cancelled));
    assert_eq!(second.kit.order().len(), 2);
}

fn lab_end(lab: &Lab, document: &str) -> RunStatus {
    lab.start(document, "null").wait(Some(PATIENCE)).unwrap()
}
