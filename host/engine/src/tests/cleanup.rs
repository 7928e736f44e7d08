//! Compensation, `on_failure`, `finally`.

use super::lab::{Ended, Lab, in_time, run};
use jackfield_core::run::{CancelMode, EventKind, RunStatus, StepStatus};
use serde_json::json;
use std::time::{Duration, Instant};

/// A step whose undo says its name.
fn armed(id: &str) -> String {
    format!(
        r#"{{"id":"{id}",@value,"parameters":{{"value":"{id}"}},
            "compensate":{{"plugin":"t","method":"value","parameters":{{"value":"${{steps.{id}.output}}"}}}}}}"#
    )
}

fn undone(ended: &Ended) -> Vec<String> {
    ended.steps_of(EventKind::StepCompensated)
}

#[test]
fn completed_steps_are_undone_newest_first_after_a_failure() {
    let (a, b, c) = (armed("a"), armed("b"), armed("c"));
    let ended = run(&format!(
        r#"{{"id":"w","steps":[{a},{{"id":"g","type":"group","steps":[{b}]}},{c},{{"id":"plain",@value}},
            {{"id":"bad",@fail,"compensate":{{"plugin":"t","method":"value"}}}}]}}"#
    ))
    .failed();
    assert_eq!(undone(&ended), ["c", "b", "a"]);
    assert_eq!(ended.is("a"), StepStatus::Compensated);
    assert_eq!(ended.output_of("a"), json!("a"));
    assert_eq!(ended.is("plain"), StepStatus::Completed);
    assert_eq!(ended.kit.attempts("c.compensate")[0].parameters, json!({"value": "c"}));
    let result = &ended.events[ended.place(EventKind::StepCompensated, "b")];
    assert_eq!(result.value.as_ref().unwrap().value(), &json!("b"));
}

#[test]
fn a_graceful_cancel_undoes_and_a_kill_does_not() {
    for (mode, expected) in [(CancelMode::Graceful, vec!["a"]), (CancelMode::Kill, vec![])] {
        let lab = Lab::new();
        let run = lab.start(
            &format!(
                r#"{{"id":"w","steps":[{},{{"id":"slow",@sleep,"parameters":{{"ms":5000}}}}],
                    "on_failure":[{{"id":"o",@value}}],"finally":[{{"id":"f",@value}}]}}"#,
                armed("a")
            ),
            "null",
        );
        while lab.kit.order().last().is_none_or(|step| step != "slow") {
            std::thread::yield_now();
        }
        run.cancel(mode, "enough");
        let ended = lab.end(&run, Instant::now());
        assert_eq!(ended.status, RunStatus::Cancelled);
        assert_eq!(undone(&ended), expected);
        assert!(!ended.steps.contains_key("o"), "on_failure is for failures");
        assert_eq!(ended.steps.contains_key("f"), mode == CancelMode::Graceful);
        assert_eq!(&*ended.error.as_ref().unwrap().message, "enough");
    }
}

#[test]
fn rollback_never_undoes_nothing() {
    let ended =
        run(&format!(r#"{{"id":"w","rollback":"never","steps":[{},{{"id":"bad",@fail}}]}}"#, armed("a")))
            .failed();
    assert_eq!(undone(&ended), [""; 0]);
    assert_eq!(ended.is("a"), StepStatus::Completed);
}

#[test]
fn an_undo_is_retried_and_one_that_fails_stops_no_other() {
    let ended = run(&format!(
        r#"{{"id":"w","steps":[{},
            {{"id":"b",@value,"compensate":{{"plugin":"t","method":"fail","parameters":{{"good":3}},
                "retry":{{"max_attempts":3,"backoff":"fixed","delay":10}}}}}},
            {{"id":"c",@value,"compensate":{{"plugin":"t","method":"fail","parameters":{{"type":"x.y"}}}}}},
            {{"id":"d",@value,"compensate":{{"plugin":"t","method":"deaf","timeout":30,"parameters":{{"ms":300}}}}}},
            {{"id":"bad",@fail}}]}}"#,
        armed("a")
    ))
    .failed();
    assert_eq!(undone(&ended), ["b", "a"]);
    assert_eq!(ended.steps_of(EventKind::CompensationFailed), ["d", "c"]);
    assert_eq!(ended.kit.attempts("b.compensate").len(), 3);
    assert_eq!((ended.error_type("c"), ended.error_type("d")), ("x.y", "timeout"));
    assert_eq!(ended.is("c"), StepStatus::Completed);
    assert_eq!(ended.run_error(), "plugin.error");
}

#[test]
fn instances_of_a_body_are_undone_each() {
    let ended = run(r#"{"id":"w","steps":[{"id":"f","type":"foreach","items":"[1,2]","steps":[
            {"id":"a",@value,"compensate":{"plugin":"t","method":"value","parameters":{"value":"${item}"}}}]},
            {"id":"bad",@fail}]}"#)
    .failed();
    assert_eq!(undone(&ended), ["f[1].a", "f[0].a"]);
    assert_eq!(ended.kit.attempts("f[1].a.compensate")[0].parameters, json!({"value": 2}));
}

#[test]
fn a_failed_attempt_of_a_body_is_undone_before_the_next() {
    let ended = run(&format!(
        r#"{{"id":"w","steps":[{},{{"id":"g","type":"group","retry":{{"max_attempts":2,"backoff":"none"}},"steps":[
            {},{{"id":"bad",@fail}}]}}]}}"#,
        armed("before"),
        armed("a")
    ))
    .failed();
    let order = ended.kit.order();
    assert_eq!(
        order,
        ["before", "a", "bad", "a.compensate", "a", "bad", "a.compensate", "before.compensate"]
    );
}

#[test]
fn what_was_in_flight_is_not_undone() {
    let ended = run(r#"{"id":"w","mode":"parallel","steps":[
            {"id":"slow",@sleep,"parameters":{"ms":5000},"compensate":{"plugin":"t","method":"value"}},
            {"id":"late",@deaf,"parameters":{"ms":60},"compensate":{"plugin":"t","method":"value"}},
            {"id":"bad",@later,"parameters":{"ms":20,"fails":true}}]}"#)
    .failed();
    assert_eq!(undone(&ended), [""; 0]);
}

#[test]
fn the_end_of_a_failed_run_has_an_order() {
    let ended = run(&format!(
        r#"{{"id":"w","mode":"parallel","steps":[{},
            {{"id":"slow",@sleep,"parameters":{{"ms":5000}}}},
            {{"id":"bad",@fail,"dependencies":["a"],"parameters":{{"type":"x.y"}}}}],
            "on_failure":[{{"id":"o",@value,"parameters":{{"value":"${{error.type}}"}}}}],
            "finally":[{{"id":"f",@value,"parameters":{{"value":"${{steps.a.status}}"}}}}]}}"#,
        armed("a")
    ))
    .failed();
    let order = ended.kit.order();
    assert_eq!(&order[order.len() - 3..], ["a.compensate", "o", "f"]);
    assert_eq!(ended.output_of("o"), json!("x.y"));
    let stopping = ended.place(EventKind::Stopping, "");
    assert!(stopping < ended.place(EventKind::StepCancelled, "slow"));
    assert!(ended.place(EventKind::StepCancelled, "slow") < ended.place(EventKind::StepCompensated, "a"));
}

#[test]
fn failures_in_clean_up_change_no_status() {
    let ended = run(r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}}],
            "finally":[{"id":"f",@fail},{"id":"g",@value}]}"#)
    .completed();
    assert_eq!(ended.statuses(), "a completed, f failed, g cancelled");
    assert_eq!(ended.output_json(), json!(1));
    let ended = run(r#"{"id":"w","steps":[{"id":"a",@fail,"parameters":{"type":"first"}}],
            "on_failure":[{"id":"o",@fail,"parameters":{"type":"second"}}],"finally":[{"id":"f",@value}]}"#)
    .failed();
    assert_eq!(ended.statuses(), "a failed, o failed, f completed");
    assert_eq!(ended.run_error(), "first");
}

#[test]
fn clean_up_that_takes_too_long_is_given_up() {
    in_time(|| {
        for clean in [
            r#""finally":[{"id":"f",@sleep,"parameters":{"ms":5000}}]"#,
            r#""on_failure":[{"id":"f","type":"wait","duration":"1h"}]"#,
        ] {
            let ended =
                run(&format!(r#"{{"id":"w","cleanup_timeout":60,"steps":[{{"id":"bad",@fail}}],{clean}}}"#))
                    .failed();
            assert!(ended.took < Duration::from_millis(500), "{:?}", ended.took);
            assert_eq!(ended.is("f"), StepStatus::Cancelled);
            assert_eq!(ended.steps_of(EventKind::CleanupAbandoned), [""]);
            assert_eq!(ended.run_error(), "plugin.error");
        }
        let ended = run(r#"{"id":"w","cleanup_timeout":60,"steps":[
            {"id":"a",@value,"compensate":{"plugin":"t","method":"value"}},
            {"id":"b",@value,"compensate":{"plugin":"t","method":"sleep","parameters":{"ms":5000}}},
            {"id":"bad",@fail}],"finally":[{"id":"f",@value}]}"#)
        .failed();
        assert_eq!(ended.steps_of(EventKind::CompensationFailed), ["b", "a"]);
        assert!(!ended.steps.contains_key("f"));
    });
}

#[test]
fn status_stays_running_until_clean_up_has_ended_and_says_why() {
    let lab = Lab::new();
    let run = lab.start(r#"{"id":"w","steps":[{"id":"bad",@fail}],"finally":[{"id":"f",@gate}]}"#, "null");
    while run.report(9).current_steps != ["f"] {
        std::thread::yield_now();
    }
    let report = run.report(9);
    assert_eq!(report.status, RunStatus::Running);
    assert_eq!(report.stopping, Some(jackfield_core::run::Stopping::Failing));
    run.cancel(CancelMode::Graceful, "too late");
    assert_eq!(run.report(9).stopping, Some(jackfield_core::run::Stopping::Failing));
    lab.kit.open_gate();
    lab.end(&run, Instant::now()).failed();
}

#[test]
fn a_kill_ends_clean_up_at_once() {
    in_time(|| {
        let lab = Lab::new();
        let run = lab.start(
        r#"{"id":"w","steps":[{"id":"bad",@fail}],"finally":[{"id":"f",@sleep,"parameters":{"ms":5000}}]}"#,
        "null",
    );
        while run.report(9).current_steps != ["f"] {
            std::thread::yield_now();
        }
        run.cancel(CancelMode::Kill, "now");
        let ended = lab.end(&run, Instant::now()).failed();
        assert!(ended.took < Duration::from_millis(300));
        assert_eq!(ended.run_error(), "plugin.error");
    });
}
