//! Cancelling runs and shutting the engine down.

use super::lab::{Lab, PATIENCE, in_time};
use crate::{Config, EngineError, StartRequest};
use jackfield_core::payload::Payload;
use jackfield_core::run::{CancelMode, EventKind, RunStatus, StepStatus};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

pub(crate) fn wait_until(mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "it never came true");
        std::thread::sleep(MS);
    }
}

#[test]
fn a_cancel_answers_at_once_and_the_run_ends_as_cancelled() {
    in_time(|| {
        for method in ["sleep", "later", "inline_sleep"] {
            for mode in [CancelMode::Graceful, CancelMode::Kill] {
                let lab = Lab::new();
                let run = lab.start(
                    &format!(
                        r#"{{"id":"w","steps":[{{"id":"a",@value}},
                        {{"id":"b",@{method},"parameters":{{"ms":3000}}}},{{"id":"c",@value}}]}}"#
                    ),
                    "null",
                );
                wait_until(|| lab.kit.order().len() == 2);
                let begin = Instant::now();
                lab.engine.cancel(run.id(), mode, "enough").unwrap();
                assert!(begin.elapsed() < 50 * MS, "{method} {mode:?}");
                let ended = lab.end(&run, begin);
                assert_eq!(ended.status, RunStatus::Cancelled, "{method} {mode:?}");
                assert!(ended.took < 150 * MS, "{method} {mode:?}: {:?}", ended.took);
                assert_eq!(ended.statuses(), "a completed, b cancelled, c cancelled");
                assert_eq!(&*ended.error.as_ref().unwrap().message, "enough");
                assert_eq!(run.output(), None);
                wait_until(|| lab.kit.stopped() == 1);
            }
        }
    });
}

#[test]
fn a_call_that_does_not_listen_cannot_hold_up_a_run_without_clean_up() {
    in_time(|| {
        for method in ["deaf", "spin", "deaf_later"] {
            let lab = Lab::new();
            let run = lab.start(
                &format!(r#"{{"id":"w","steps":[{{"id":"b",@{method},"parameters":{{"ms":500}}}}]}}"#),
                "null",
            );
            wait_until(|| lab.kit.running() == 1);
            let begin = Instant::now();
            run.cancel(CancelMode::Graceful, "enough");
            assert!(lab.end(&run, begin).took < 100 * MS, "{method}");
        }
    });
}

#[test]
fn clean_up_waits_for_the_grace_of_a_call_that_does_not_listen_and_no_longer() {
    in_time(|| {
        for method in ["deaf", "spin", "deaf_later"] {
            let lab = Lab::with(Config { cancel_grace: 100 * MS, ..Config::default() });
            let run = lab.start(
                &format!(
                    r#"{{"id":"w","steps":[{{"id":"b",@{method},"parameters":{{"ms":1200}}}}],
                    "finally":[{{"id":"f",@value}}]}}"#
                ),
                "null",
            );
            wait_until(|| lab.kit.running() == 1);
            let begin = Instant::now();
            run.cancel(CancelMode::Graceful, "enough");
            assert_eq!(run.status(), RunStatus::Running);
            assert_eq!(run.report(9).stopping, Some(jackfield_core::run::Stopping::Cancelling));
            let ended = lab.end(&run, begin);
            assert!(ended.took >= 100 * MS && ended.took < 600 * MS, "{method}: {:?}", ended.took);
            assert_eq!(ended.is("f"), StepStatus::Completed);
            assert_eq!(lab.kit.abandoned(), 1, "{method}");
        }
    });
}

#[test]
fn cancelling_twice_is_cancelling_once_and_the_end_is_the_end() {
    let lab = Lab::new();
    let run = lab.start(
        r#"{"id":"w","steps":[{"id":"a","type":"wait","duration":"1h"}],
        "finally":[{"id":"f",@gate}]}"#,
        "null",
    );
    run.cancel(CancelMode::Graceful, "one");
    run.cancel(CancelMode::Graceful, "two");
    lab.kit.open_gate();
    let ended = lab.end(&run, Instant::now());
    assert_eq!(ended.steps_of(EventKind::CancelRequested).len(), 1);
    assert_eq!(&*ended.error.as_ref().unwrap().message, "one");
    run.cancel(CancelMode::Kill, "three");
    assert_eq!(run.events(0).len(), ended.events.len());
    assert_eq!(run.status(), RunStatus::Cancelled);
}

#[test]
fn a_completed_run_cannot_be_cancelled_any_more() {
    let lab = Lab::new();
    let run = lab.start(r#"{"id":"w","steps":[{"id":"a",@value}]}"#, "null");
    lab.end(&run, Instant::now()).completed();
    lab.engine.cancel(run.id(), CancelMode::Graceful, "late").unwrap();
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn cancelling_an_unknown_run_names_it() {
    let lab = Lab::new();
    let error = lab.engine.cancel("nobody", CancelMode::Graceful, "x").unwrap_err();
    assert!(matches!(error, EngineError::RunNotFound(_)));
    assert_eq!(error.to_string(), "no run `nobody`");
}

#[test]
fn calls_that_nobody_has_begun_never_begin_after_a_cancel() {
    let lab =
        Lab::with(Config { threads: 1, blocking_threads_max: 1, async_calls_max: 1, ..Config::default() });
    for method in ["inline_sleep", "sleep", "later"] {
        let before = lab.kit.order().len();
        let steps: Vec<_> =
            (0..500).map(|n| format!(r#"{{"id":"s{n}",@{method},"parameters":{{"ms":5}}}}"#)).collect();
        let document = format!(
            r#"{{"id":"w","mode":"parallel","steps":[{}],"finally":[{{"id":"f",@value}}]}}"#,
            steps.join(",")
        );
        let run = lab.start(&document, "null");
        wait_until(|| lab.kit.order().len() > before + 3);
        run.cancel(CancelMode::Graceful, "enough");
        let ended = lab.end(&run, Instant::now());
        assert_eq!(ended.status, RunStatus::Cancelled);
        assert_eq!(lab.kit.order().last().unwrap(), "f", "{method}");
        assert!(lab.kit.order().len() < before + 100, "{method}");
    }
}

#[test]
fn shutting_down_lets_short_runs_end_and_takes_no_more() {
    let lab = Lab::new();
    let document = r#"{"id":"w","steps":[{"id":"a",@sleep,"parameters":{"ms":80}}]}"#;
    let run = lab.start(document, "null");
    lab.engine.shutdown();
    assert_eq!(run.status(), RunStatus::Completed);
    let request = StartRequest::new(super::lab::plan(document), Payload::null());
    assert!(matches!(lab.engine.start(request), Err(EngineError::ShuttingDown)));
    lab.engine.shutdown();
}

#[test]
fn shutting_down_cancels_what_does_not_end_and_leaves_stuck_calls_behind() {
    in_time(|| {
        for method in ["deaf", "spin", "deaf_later", "gate"] {
            let lab =
                Lab::with(Config { shutdown_grace: 50 * MS, cancel_grace: 50 * MS, ..Config::default() });
            let run = lab.start(
                &format!(
                    r#"{{"id":"w","steps":[{{"id":"a",@{method},"timeout":0,"parameters":{{"ms":3000}}}}],
                    "finally":[{{"id":"f",@value}}]}}"#
                ),
                "null",
            );
            let waiting =
                lab.start(r#"{"id":"w","steps":[{"id":"a","type":"wait","duration":"1h"}]}"#, "null");
            wait_until(|| lab.kit.running() == 1);
            let begin = Instant::now();
            lab.engine.shutdown();
            assert!(begin.elapsed() < 1500 * MS, "{method}: {:?}", begin.elapsed());
            assert_eq!(run.status(), RunStatus::Cancelled, "{method}");
            assert_eq!(waiting.status(), RunStatus::Cancelled);
        }
    });
}

#[test]
fn cancel_all_counts_open_runs() {
    in_time(|| {
        let lab = Lab::new();
        let document = r#"{"id":"w","steps":[{"id":"a","type":"wait","duration":"1h"}]}"#;
        let runs: Vec<_> = (0..5).map(|_| lab.start(document, "null")).collect();
        assert_eq!(lab.engine.cancel_all("enough"), 5);
        assert!(runs.iter().all(|run| run.status() == RunStatus::Cancelled));
        assert_eq!(lab.engine.cancel_all("enough"), 0);
    });
}
