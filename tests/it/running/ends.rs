//! How runs end: limits, clean-up, cancelling, and many at once.

use jackfield::{CancelMode, EventKind, RunStatus, StepStatus, Value, json};
use jackfield_tests::Bench;
use std::time::{Duration, Instant};

fn bench() -> Bench {
    Bench::new(&["echo", "fault"])
}

fn sleep(id: &str, ms: u32) -> Value {
    json!({ "id": id, "plugin": "echo", "method": "sleep", "parameters": { "ms": ms } })
}

/// A step with an undo that echoes the step's id.
fn armed(id: &str) -> Value {
    let undo = json!({ "plugin": "echo", "method": "echo", "parameters": { "undo": id } });
    json!({ "id": id, "plugin": "echo", "method": "noop", "compensate": undo })
}

#[test]
fn a_run_that_takes_too_long_ends_as_failed_with_type_timeout() {
    let bench = bench();
    let steps = ["a", "b", "c", "d"].map(|id| sleep(id, 500));
    let started = bench.start(json!({ "id": "w", "timeout": "50ms", "steps": steps }), json!({}));
    let finished = started.finish();
    assert_eq!((finished.status(), &*finished.error().kind), (RunStatus::Failed, "timeout"));
    assert!(finished.report.duration_ms < 100.0, "{}", finished.report.duration_ms);
}

#[test]
fn completed_steps_are_undone_newest_first_and_one_that_cannot_be_stops_no_other() {
    let bench = bench();
    let stubborn = json!({ "id": "b", "plugin": "echo", "method": "noop",
        "compensate": { "plugin": "fault", "method": "error", "parameters": { "type": "undo.no" } } });
    let bad = json!({ "id": "bad", "plugin": "fault", "method": "error" });
    let document = json!({ "id": "w", "steps": [armed("a"), stubborn, armed("c"), bad] });
    let finished = bench.run(document, json!({}));
    assert_eq!(finished.status(), RunStatus::Failed);
    assert_eq!(finished.order_of(EventKind::StepCompensated), ["c", "a"]);
    assert_eq!(finished.order_of(EventKind::CompensationFailed), ["b"]);
    assert_eq!(finished.step_status("a"), StepStatus::Compensated);
    assert_eq!(&*finished.step_error("b").kind, "undo.no");
    let undone = finished.events.iter().find(|event| event.event == EventKind::StepCompensated);
    assert_eq!(
        undone.and_then(|event| event.value.as_ref()).expect("a result").value(),
        &json!({ "undo": "c" })
    );
}

#[test]
fn a_graceful_cancel_answers_at_once_undoes_and_never_ends_as_completed() {
    let bench = bench();
    let document = json!({ "id": "w", "steps": [armed("a"), sleep("b", 5_000), sleep("c", 1)] });
    let started = bench.start(document, json!({}));
    started.wait_for(|event| event.event == EventKind::StepCompleted);
    let begin = Instant::now();
    started.run.cancel(CancelMode::Graceful, "enough");
    started.run.cancel(CancelMode::Graceful, "again");
    assert!(begin.elapsed() < Duration::from_millis(50));
    let finished = started.finish();
    assert_eq!(finished.status(), RunStatus::Cancelled);
    assert_eq!(finished.step_status("c"), StepStatus::Cancelled);
    assert_eq!(finished.order_of(EventKind::StepCompensated), ["a"]);
    assert_eq!(finished.order_of(EventKind::CancelRequested).len(), 1);
}

#[test]
fn a_run_shows_where_it_stands_and_stays_readable() {
    let bench = bench();
    let steps =
        json!([{ "id": "a", "plugin": "echo", "method": "echo", "parameters": { "x": 1 } }, sleep("b", 300)]);
    let started = bench.start(json!({ "id": "w", "steps": steps }), json!({}));
    started.wait_for(|event| event.event == EventKind::StepCompleted);
    let report = started.run.report(10);
    assert_eq!((report.status, report.progress), (RunStatus::Running, 0.5));
    assert_eq!(report.current_steps, ["b"]);
    assert_eq!((report.completed_steps, report.total_steps), (1, 2));
    let finished = started.finish().completed();
    assert_eq!((finished.report.progress, finished.report.completed_steps), (1.0, 2));
    assert_eq!(finished.step_output("a"), json!({ "x": 1 }));
}

#[test]
fn a_thousand_runs_started_at_once_all_end_with_their_own_output() {
    let bench = bench();
    let document = json!({ "id": "w", "steps": [
        { "id": "a", "plugin": "echo", "method": "echo_async", "parameters": { "n": "${input.n}" } }] });
    let workflow = bench.check(&document);
    let runs: Vec<_> = (0..1000)
        .map(|n| bench.host().start(&workflow, json!({ "n": n })).expect("the engine takes runs"))
        .collect();
    for (n, run) in runs.iter().enumerate() {
        assert!(run.wait(Some(Duration::from_secs(60))).is_some());
        assert_eq!(run.report(1).status, RunStatus::Completed);
        assert_eq!(run.report(1).output.value(), &json!({ "n": n }));
    }
}
