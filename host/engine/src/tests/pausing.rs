//! Pausing runs: nothing starts, what runs ends as it would, and all goes on where it stood.

use super::lab::{Lab, PATIENCE};
use super::stopping::wait_until;
use crate::{Config, EngineError, RunHandle};
use jackfield_core::run::{CancelMode, EventKind, RunStatus, StepStatus};
use std::time::Instant;

fn status_of(run: &RunHandle, step: &str) -> StepStatus {
    run.report(100).steps[step].status
}

fn has_event(run: &RunHandle, kind: EventKind, step: &str) -> bool {
    run.events(0).iter().any(|event| event.event == kind && event.step.as_deref() == Some(step))
}

#[test]
fn a_paused_run_ends_what_runs_and_starts_nothing_until_it_is_resumed() {
    for (limit, timeout) in [("", ""), (r#""max_concurrency":1,"mode":"parallel","#, r#","timeout":"1h""#)] {
        let lab = Lab::new();
        let run = lab.start(
            &format!(
                r#"{{"id":"w",{limit}"steps":[{{"id":"a",@gate,"status":"on"{timeout}}},
                {{"id":"b",@value,"parameters":{{"value":1}}}},{{"id":"c",@value,"parameters":{{"value":2}}}}]}}"#
            ),
            "null",
        );
        wait_until(|| lab.kit.running() == 1);
        run.pause("let me look").unwrap();
        run.pause("again").unwrap();
        assert_eq!(run.status(), RunStatus::Paused);
        lab.kit.open_gate();
        wait_until(|| has_event(&run, EventKind::StepCompleted, "a"));
        assert_eq!((status_of(&run, "b"), status_of(&run, "c")), (StepStatus::Pending, StepStatus::Pending));
        assert_eq!(run.status(), RunStatus::Paused);
        run.resume().unwrap();
        let ended = lab.end(&run, Instant::now()).completed();
        assert_eq!(lab.kit.order(), ["a", "b", "c"]);
        let paused: Vec<_> =
            ended.events.iter().filter(|event| event.event == EventKind::RunPaused).collect();
        assert_eq!(paused.len(), 1);
        assert_eq!(paused[0].message.as_deref(), Some("let me look"));
        assert_eq!(ended.steps_of(EventKind::RunResumed).len(), 1);
    }
}

#[test]
fn calls_that_no_thread_has_begun_wait_for_the_run_to_go_on() {
    let lab =
        Lab::with(Config { threads: 1, blocking_threads_max: 1, async_calls_max: 1, ..Config::default() });
    for method in ["inline_sleep", "sleep"] {
        let steps: Vec<_> =
            (0..300).map(|n| format!(r#"{{"id":"s{n}",@{method},"parameters":{{"ms":1}}}}"#)).collect();
        let document = format!(r#"{{"id":"w","mode":"parallel","steps":[{}]}}"#, steps.join(","));
        let begun = |run: &RunHandle| {
            lab.kit.all_attempts().into_iter().filter(|(id, ..)| **id == **run.id()).collect::<Vec<_>>()
        };
        // a run that shares the only thread comes to its end only after that has left the other one
        let probe = || {
            let step = format!(r#"{{"id":"w","steps":[{{"id":"p",@{method},"parameters":{{"ms":1}}}}]}}"#);
            let run = lab.start(&step, "null");
            lab.end(&run, Instant::now()).completed();
        };
        let run = lab.start(&document, "null");
        wait_until(|| begun(&run).len() > 3);
        run.pause("hold on").unwrap();
        probe();
        let count = begun(&run).len();
        (0..10).for_each(|_| probe());
        assert!(count < 300, "{method}");
        assert_eq!(begun(&run).len(), count, "{method}");
        run.resume().unwrap();
        lab.end(&run, Instant::now()).completed();
        let order: Vec<_> = begun(&run).into_iter().map(|(_, step, _)| step).collect();
        let expected: Vec<_> = (0..300).map(|n| format!("s{n}")).collect();
        assert_eq!(order, expected, "{method}");
    }
}

#[test]
fn timers_that_come_due_meanwhile_fire_when_the_run_goes_on() {
    let lab = Lab::new();
    let wait = r#"{"id":"w","steps":[{"id":"a","type":"wait","duration":"30ms"},{"id":"b",@value}]}"#;
    let run = lab.start(wait, "null");
    run.pause("hold on").unwrap();
    // one thread keeps all timers: when that of a later run has fired, this one's has, too
    let later = lab.start(wait, "null");
    lab.end(&later, Instant::now()).completed();
    assert_eq!((run.status(), status_of(&run, "a")), (RunStatus::Paused, StepStatus::Waiting));
    run.resume().unwrap();
    lab.end(&run, Instant::now()).completed();
}

#[test]
fn the_limits_of_attempts_and_of_the_run_count_on() {
    let lab = Lab::new();
    let run = lab.start(
        r#"{"id":"w","steps":[{"id":"a",@later,"parameters":{"ms":400},"timeout":"20ms",
            "retry":{"max_attempts":2,"backoff":"none"}}]}"#,
        "null",
    );
    wait_until(|| lab.kit.order().len() == 1);
    run.pause("hold on").unwrap();
    wait_until(|| has_event(&run, EventKind::AttemptFailed, "a"));
    assert_eq!((run.status(), lab.kit.order().len()), (RunStatus::Paused, 1));
    run.resume().unwrap();
    assert_eq!(lab.end(&run, Instant::now()).failed().step("a").attempts, 2);

    let run = lab.start(
        r#"{"id":"w","timeout":"40ms","steps":[{"id":"a","type":"wait","duration":"1h"}],
            "finally":[{"id":"f",@value}]}"#,
        "null",
    );
    run.pause("hold on").unwrap();
    let ended = lab.end(&run, Instant::now()).failed();
    assert_eq!((ended.run_error(), ended.is("f")), ("timeout", StepStatus::Completed));
}

#[test]
fn the_next_iteration_waits_for_the_run_to_go_on() {
    let lab = Lab::new();
    let run = lab.start(
        r#"{"id":"w","steps":[{"id":"r","type":"repeat","until":"iteration == 3","steps":[{"id":"a",@gate}]}]}"#,
        "null",
    );
    wait_until(|| lab.kit.running() == 1);
    run.pause("hold on").unwrap();
    lab.kit.open_gate();
    wait_until(|| has_event(&run, EventKind::StepCompleted, "r[1].a"));
    assert_eq!((run.status(), lab.kit.order().len()), (RunStatus::Paused, 1));
    run.resume().unwrap();
    lab.end(&run, Instant::now()).completed();
    assert_eq!(lab.kit.order(), ["r[1].a", "r[2].a", "r[3].a"]);
}

#[test]
fn a_paused_run_can_be_cancelled_and_cleans_up() {
    for mode in [CancelMode::Graceful, CancelMode::Kill] {
        let lab = Lab::new();
        let run = lab.start(
            r#"{"id":"w","steps":[{"id":"a",@value,"compensate":{@value}},{"id":"b",@gate},{"id":"c",@value}],
                "finally":[{"id":"f",@value}]}"#,
            "null",
        );
        wait_until(|| lab.kit.running() == 1);
        run.pause("hold on").unwrap();
        lab.kit.open_gate();
        wait_until(|| has_event(&run, EventKind::StepCompleted, "b"));
        run.cancel(mode, "enough");
        let ended = lab.end(&run, Instant::now());
        assert_eq!(ended.status, RunStatus::Cancelled);
        let cleaned = mode == CancelMode::Graceful;
        assert_eq!(ended.is("a") == StepStatus::Compensated, cleaned);
        assert_eq!(lab.kit.order().contains(&"f".to_owned()), cleaned);
        assert_eq!(ended.is("c"), StepStatus::Cancelled);
    }
}

#[test]
fn pausing_says_why_it_cannot() {
    let lab = Lab::with(Config { cancel_grace: PATIENCE, ..Config::default() });
    let run = lab.start(
        r#"{"id":"w","steps":[{"id":"a","type":"wait","duration":"1h"}],"finally":[{"id":"f",@gate}]}"#,
        "null",
    );
    run.cancel(CancelMode::Graceful, "enough");
    let error = run.pause("now").unwrap_err();
    assert!(matches!(error, EngineError::RunStopping(_)), "{error}");
    lab.kit.open_gate();
    lab.end(&run, Instant::now());
    for error in [run.pause("late").unwrap_err(), run.resume().unwrap_err()] {
        assert_eq!(error.to_string(), format!("run `{}` has ended and is cancelled", run.id()));
    }
    let error = lab.engine.pause("nobody", "x").unwrap_err();
    assert_eq!(error.to_string(), "no run `nobody`");
    assert!(matches!(lab.engine.resume("nobody"), Err(EngineError::RunNotFound(_))));
}
