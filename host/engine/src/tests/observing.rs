//! Events, reports and handles tell the same story.

use super::lab::{Ended, Lab, PATIENCE, run_steps};
use crate::Config;
use jackfield_core::run::{Event, EventKind, History, RunStatus, StepStatus};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the events of a run that has ended say about its steps is what its report says. Checked for every run of
/// every test.
pub(crate) fn check(ended: &Ended) {
    assert!(ended.status.is_terminal());
    for (seq, event) in ended.events.iter().enumerate() {
        assert_eq!(event.seq, seq as u64);
    }
    let waited = usize::from(ended.events[0].event == EventKind::RunQueued);
    assert_eq!(ended.events[waited].event, EventKind::RunStarted);
    let last = ended.events.last().unwrap();
    let end = match last.event {
        EventKind::RunCompleted => RunStatus::Completed,
        EventKind::RunFailed => RunStatus::Failed,
        EventKind::RunCancelled => RunStatus::Cancelled,
        other => panic!("the last event is {other:?}"),
    };
    assert_eq!(end, ended.status);
    assert_eq!(last.error.is_some(), ended.status == RunStatus::Failed);
    assert_eq!(ended.stopping, None);
    assert_eq!(ended.progress, 1.0);
    assert!(ended.current_steps.is_empty());
    // A body that is run again has the same paths: its steps are shown once, as they came out last.
    let is_repeated = |event: &Event| event.event == EventKind::StepStarted && event.attempt > 1;
    if !ended.events.iter().any(is_repeated) {
        assert_eq!(ended.total_steps, ended.steps.len() as u64, "{:?}", ended.steps.keys());
    }
    let folded = fold(&ended.events);
    let shown: BTreeMap<_, _> = ended.steps.iter().map(|(path, step)| (path.clone(), step.status)).collect();
    for (path, status) in &shown {
        let told = folded.get(path).copied().unwrap_or(StepStatus::Cancelled);
        assert_eq!(told, *status, "{path}: {:#?}", ended.events);
    }
    assert!(folded.keys().all(|path| shown.contains_key(path)), "{folded:?} {shown:?}");
    let count = ended.events.iter().filter(|event| event.event == EventKind::StepCompleted).count();
    assert_eq!(ended.completed_steps, count as u64);
}

fn fold(events: &[Event]) -> BTreeMap<String, StepStatus> {
    use EventKind as Kind;
    let mut steps = BTreeMap::new();
    for event in events {
        let Some(step) = &event.step else { continue };
        let status = match event.event {
            Kind::StepStarted | Kind::CallAnswered | Kind::AttemptFailed | Kind::StepCaught => {
                // A failed attempt of an undo changes nothing about the step.
                if steps.get(&**step) == Some(&StepStatus::Completed) {
                    continue;
                }
                StepStatus::Running
            }
            Kind::StepCompleted | Kind::CompensationFailed => StepStatus::Completed,
            Kind::StepFailed => StepStatus::Failed,
            Kind::StepSkipped => StepStatus::Skipped,
            Kind::StepCancelled => StepStatus::Cancelled,
            Kind::StepCompensated => StepStatus::Compensated,
            _ => continue,
        };
        steps.insert(step.to_string(), status);
    }
    steps
}

#[test]
fn a_running_run_shows_what_it_does() {
    let lab = Lab::new();
    let run = lab.start(
        r#"{"id":"w","version":"1.2.3","steps":[
            {"id":"a",@value,"status":"half"},
            {"id":"b",@gate},
            {"id":"c",@value},
            {"id":"d",@value}]}"#,
        "null",
    );
    while run.report(1).completed_steps == 0 || lab.kit.running() == 0 {
        std::thread::yield_now();
    }
    let report = run.report(100);
    assert_eq!(report.status, RunStatus::Running);
    assert_eq!(report.current_steps, ["b"]);
    assert_eq!((report.completed_steps, report.total_steps), (1, 4));
    assert_eq!(report.progress, 0.25);
    assert_eq!(report.version, "1.2.3");
    assert_eq!(report.custom_status.as_ref().unwrap().value(), &json!("half"));
    assert_eq!(report.steps["b"].status, StepStatus::Running);
    assert!(report.steps["b"].started_at.is_some());
    assert_eq!(report.steps["c"].status, StepStatus::Pending);
    assert_eq!(run.output(), None);
    lab.kit.open_gate();
    let ended = lab.end(&run, Instant::now());
    assert_eq!(ended.completed_steps, 4);
    assert_eq!(run.step_output("a").unwrap().value(), &json!(null));
    assert_eq!(run.step_output("nothing"), None);
}

#[test]
fn a_report_leaves_out_what_is_too_much_and_says_how_much() {
    let lab = Lab::new();
    let run = lab.start(
        r#"{"id":"w","steps":[{"id":"f","type":"foreach","items":"[1,2,3,4,5]","steps":[
            {"id":"a",@value}]}]}"#,
        "null",
    );
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    let report = run.report(2);
    assert_eq!(report.steps.keys().collect::<Vec<_>>(), ["f", "f[0].a"]);
    assert_eq!(report.steps_omitted, 4);
}

#[test]
fn without_history_a_run_keeps_its_own_records_and_counts() {
    let lab = Lab::with(Config { history: History::None, ..Config::default() });
    let steps = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}},
        {"id":"f","type":"foreach","items":"[1,2]","steps":[{"id":"b",@fail,"critical":false}]},
        {"id":"l","type":"log","message":"here"},{"id":"c",@value,"when":"false"},{"id":"g",@gate}],
        "output":"${steps.a.output}"}"#;
    let run = lab.start(steps, "null");
    while run.report(9).current_steps != ["g"] {
        std::thread::yield_now();
    }
    assert_eq!(run.report(9).steps["a"].status, StepStatus::Completed, "a living body is known");
    lab.kit.open_gate();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(run.output().unwrap().as_str(), "1");
    let report = run.report(9);
    assert_eq!((report.completed_steps, report.total_steps, report.steps_omitted), (4, 7, 7));
    assert!(report.steps.is_empty(), "{:?}", report.steps);
    let events: Vec<_> = run.events(0).into_iter().map(|event| event.event).collect();
    assert_eq!(events, [EventKind::RunStarted, EventKind::Log, EventKind::RunCompleted]);
    assert_eq!(run.step_output("a"), None);
}

#[test]
fn waiting_for_events_wakes_up_and_ends_with_the_run() {
    let lab = Lab::new();
    let run = lab.start(r#"{"id":"w","steps":[{"id":"b",@gate}]}"#, "null");
    let waiting = {
        let run = run.clone();
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            loop {
                let more = run.wait_events(seen.len() as u64, PATIENCE);
                if more.is_empty() {
                    return seen;
                }
                seen.extend(more.into_iter().map(|event| event.event));
            }
        })
    };
    lab.kit.open_gate();
    let seen = waiting.join().unwrap();
    assert_eq!(seen, [EventKind::RunStarted, EventKind::StepCompleted, EventKind::RunCompleted]);
}

#[test]
fn waiting_gives_up_when_its_time_is_over_and_takes_any_time() {
    let lab = Lab::new();
    let run = lab.start(r#"{"id":"w","steps":[{"id":"b",@gate}]}"#, "null");
    assert_eq!(run.wait(Some(Duration::from_millis(5))), None);
    assert!(run.wait_events(1, Duration::from_millis(5)).is_empty());
    assert!(!lab.engine.wait_all(Duration::from_millis(5)));
    lab.kit.open_gate();
    assert_eq!(run.wait(Some(Duration::MAX)), Some(RunStatus::Completed));
    assert!(lab.engine.wait_all(Duration::MAX));
    assert!(run.wait_events(3, Duration::MAX).is_empty());
}

#[test]
fn async_waiting_ends_with_the_run() {
    let lab = Lab::new();
    let run = lab.start(r#"{"id":"w","steps":[{"id":"b",@later,"parameters":{"ms":20}}]}"#, "null");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut seen = 0;
        loop {
            let more = run.next_events(seen).await;
            if more.is_empty() {
                break;
            }
            seen += more.len() as u64;
        }
        assert_eq!(seen, 3);
        assert_eq!(run.ended().await, RunStatus::Completed);
    });
}

#[test]
fn events_carry_times_attempts_and_errors() {
    let ended = run_steps(
        r#"{"id":"a",@fail,"parameters":{"good":2,"type":"x.y","message":"no"},
            "retry":{"max_attempts":2,"backoff":"none"}}"#,
    )
    .completed();
    let failed = &ended.events[ended.place(EventKind::AttemptFailed, "a")];
    let error = failed.error.as_ref().unwrap();
    assert_eq!((&*error.kind, &*error.message, &*error.step, error.attempts), ("x.y", "no", "a", 1));
    let completed = &ended.events[ended.place(EventKind::StepCompleted, "a")];
    assert_eq!(completed.attempt, 2);
    assert!(completed.duration_ms.is_some());
    assert_eq!(ended.step("a").attempts, 2);
}
