//! Trigger rules and conditions.

use super::lab::{run_parallel, run_steps};
use jackfield_core::run::StepStatus;
use serde_json::json;

/// Three dependencies that end like this, and what becomes of a step with `rule` behind them.
fn after(ends: [&str; 3], rule: &str) -> StepStatus {
    let step = |(id, end): (&str, &str)| match end {
        "completed" => format!(r#"{{"id":"{id}",@value}}"#),
        "failed" => format!(r#"{{"id":"{id}",@fail,"critical":false}}"#),
        "skipped" => format!(r#"{{"id":"{id}",@value,"when":"false"}}"#),
        other => panic!("{other}"),
    };
    let steps: Vec<_> = ["a", "b", "c"].into_iter().zip(ends).map(step).collect();
    let ended = run_parallel(&format!(
        r#"{},{{"id":"x",@value,"dependencies":["a","b","c"],"trigger_rule":{rule}}}"#,
        steps.join(",")
    ))
    .completed();
    ended.is("x")
}

#[test]
fn every_rule_decides_as_the_format_says() {
    const C: &str = "completed";
    const F: &str = "failed";
    const S: &str = "skipped";
    let table: &[(&str, [&str; 3], bool)] = &[
        (r#""none_failed""#, [C, C, C], true),
        (r#""none_failed""#, [C, F, S], true),
        (r#""none_failed""#, [F, S, S], true),
        (r#""none_failed""#, [S, S, S], false),
        (r#""all_completed""#, [C, C, C], true),
        (r#""all_completed""#, [C, C, F], false),
        (r#""all_completed""#, [C, C, S], false),
        (r#""all_settled""#, [S, S, S], true),
        (r#""all_settled""#, [F, S, C], true),
        (r#""any_failed""#, [C, C, F], true),
        (r#""any_failed""#, [C, C, S], false),
        (r#""any_completed""#, [F, S, C], true),
        (r#""any_completed""#, [F, S, F], false),
        (r#"{"completed":2}"#, [C, F, C], true),
        (r#"{"completed":2}"#, [C, F, S], false),
        (r#"{"completed":3}"#, [C, C, C], true),
    ];
    for (rule, ends, runs) in table {
        let expected = if *runs { StepStatus::Completed } else { StepStatus::Skipped };
        assert_eq!(after(*ends, rule), expected, "{rule} after {ends:?}");
    }
}

#[test]
fn any_completed_fires_before_the_others_have_settled() {
    let ended = run_parallel(
        r#"{"id":"slow",@sleep,"parameters":{"ms":150}},{"id":"quick",@value},
           {"id":"x",@value,"dependencies":["slow","quick"],"trigger_rule":"any_completed",
            "parameters":{"value":1}}"#,
    )
    .completed();
    use jackfield_core::run::RecordKind::StepCompleted;
    assert!(ended.place(StepCompleted, "x") < ended.place(StepCompleted, "slow"));
}

#[test]
fn completed_n_fires_with_the_nth_and_is_skipped_once_out_of_reach() {
    let ended = run_parallel(
        r#"{"id":"slow",@sleep,"parameters":{"ms":150}},{"id":"q1",@value},{"id":"q2",@value},
           {"id":"f1",@fail,"critical":false},{"id":"f2",@fail,"critical":false},
           {"id":"two",@value,"dependencies":["slow","q1","q2"],"trigger_rule":{"completed":2}},
           {"id":"never",@value,"dependencies":["slow","f1","f2"],"trigger_rule":{"completed":2}}"#,
    )
    .completed();
    use jackfield_core::run::RecordKind::{StepCompleted, StepSkipped};
    assert!(ended.place(StepCompleted, "two") < ended.place(StepCompleted, "slow"));
    assert!(ended.place(StepSkipped, "never") < ended.place(StepCompleted, "slow"));
    let reason = ended.step("never").reason.clone().unwrap();
    assert_eq!(reason, "trigger rule `completed: 2` can no longer be met");
}

#[test]
fn a_reference_is_awaited_even_by_a_rule_that_fires_early_and_is_not_counted() {
    let ended = run_parallel(
        r#"{"id":"slow",@sleep,"parameters":{"ms":50,"value":5}},{"id":"quick",@value},
           {"id":"x",@value,"dependencies":["quick"],"trigger_rule":"any_completed",
            "parameters":{"value":"${steps.slow.output}"}},
           {"id":"bad",@fail,"critical":false},
           {"id":"y",@value,"dependencies":["bad"],"trigger_rule":"any_completed",
            "parameters":{"value":"${steps.slow.output}"}}"#,
    )
    .completed();
    assert_eq!(ended.output_of("x"), json!(5));
    assert_eq!(ended.is("y"), StepStatus::Skipped);
}

#[test]
fn a_fallback_runs_exactly_when_its_step_failed() {
    let document = |method: &str| {
        format!(
            r#"{{"id":"a",@{method},"critical":false}},
               {{"id":"b",@value,"dependencies":["a"],"trigger_rule":"any_failed"}}"#
        )
    };
    assert_eq!(run_parallel(&document("fail")).completed().is("b"), StepStatus::Completed);
    let ended = run_parallel(&document("value")).completed();
    assert_eq!(ended.is("b"), StepStatus::Skipped);
    assert!(ended.step("b").reason.as_ref().unwrap().contains("any_failed"));
}

#[test]
fn a_condition_is_evaluated_once_before_the_parameters() {
    let ended = run_steps(
        r#"{"id":"a",@value,"parameters":{"value":{"go":false}}},
           {"id":"b",@value,"when":"steps.a.output.go","parameters":{"value":"${steps.a.output.nothing}"}}"#,
    )
    .completed();
    assert_eq!(ended.statuses(), "a completed, b skipped");
    assert_eq!(ended.step("b").reason.as_deref(), Some("when is false: steps.a.output.go"));
}

#[test]
fn a_condition_that_cannot_be_evaluated_fails_its_step() {
    let ended = run_steps(
        r#"{"id":"a",@value,"parameters":{"value":{}}},
        {"id":"b",@value,"when":"steps.a.output.nothing","max_retries":3}"#,
    )
    .failed();
    assert_eq!(ended.run_error(), "expression");
    let error = ended.error.as_ref().unwrap();
    assert_eq!(&*error.step, "b");
    assert!(error.message.starts_with("`when`"), "{}", error.message);
    assert_eq!(error.attempts, 0);
}

#[test]
fn backward_dependencies_in_a_sequence_feed_the_rule() {
    let ended = run_steps(
        r#"{"id":"a",@fail,"critical":false},{"id":"b",@value,"critical":false},
           {"id":"c",@value,"dependencies":["a"],"trigger_rule":"any_failed"},
           {"id":"d",@value,"dependencies":["b"],"trigger_rule":"any_failed"},
           {"id":"e",@value}"#,
    )
    .completed();
    assert_eq!(ended.statuses(), "a failed, b completed, c completed, d skipped, e completed");
}
