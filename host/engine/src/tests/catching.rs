//! `catch`.

use super::lab::{run, run_steps};
use jackfield_core::run::{EventKind, StepStatus};
use serde_json::json;

#[test]
fn the_first_catch_that_fits_takes_over() {
    let ended = run_steps(
        r#"{"id":"a",@fail,"parameters":{"type":"http.503"},"catch":[
            {"errors":["disk.*"],"output":"disk"},
            {"errors":["http.*"],"when":"error.type == 'http.404'","output":"gone"},
            {"errors":["http.*"],"output":"http"},
            {"output":"any"}]},
           {"id":"b",@value,"parameters":{"value":["${steps.a.output}","${steps.a.status}","${steps.a.error}"]}}"#,
    )
    .completed();
    assert_eq!(ended.output_of("b"), json!(["http", "completed", null]));
    assert_eq!(ended.step("a").error, None);
    assert_eq!(ended.steps_of(EventKind::StepCaught), ["a"]);
}

#[test]
fn a_catch_comes_after_the_retries() {
    let ended = run_steps(
        r#"{"id":"a",@fail,"retry":{"max_attempts":3,"backoff":"none"},"catch":[{"output":"${error.attempts}"}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("a"), json!(3));
    assert_eq!(ended.kit.order().len(), 3);
}

#[test]
fn a_catch_runs_steps_that_see_the_error_by_its_name() {
    let ended = run_steps(
        r#"{"id":"a",@fail,"parameters":{"type":"x.y","message":"oh"},"catch":[{"as":"problem","steps":[
                {"id":"fix",@value,"parameters":{"value":"${problem.type}: ${problem.message}"}},
                {"id":"more",@value,"parameters":{"value":"${steps.fix.output}!"}}]}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("a"), json!("x.y: oh!"));
    assert_eq!(ended.statuses(), "a completed, fix completed, more completed");
}

#[test]
fn steps_and_output_go_together() {
    let ended = run_steps(
        r#"{"id":"a",@fail,"catch":[{"steps":[{"id":"fix",@value,"parameters":{"value":1}}],
            "output":{"fixed":"${steps.fix.output}","because":"${error.type}"}}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("a"), json!({"fixed": 1, "because": "plugin.error"}));
}

#[test]
fn without_a_catch_that_fits_the_step_fails() {
    let ended = run_steps(r#"{"id":"a",@fail,"catch":[{"errors":["other"],"output":1}]}"#).failed();
    assert_eq!(ended.is("a"), StepStatus::Failed);
}

#[test]
fn a_catch_that_fails_fails_the_step_and_is_caught_by_none() {
    let ended = run_steps(
        r#"{"id":"a",@fail,"retry":{"max_attempts":2,"backoff":"none"},"catch":[
            {"errors":["plugin.error"],"steps":[{"id":"fix",@fail,"parameters":{"type":"x.y"}}]},
            {"output":"never"}]}"#,
    )
    .failed();
    assert_eq!(ended.run_error(), "x.y");
    assert_eq!(&*ended.error.as_ref().unwrap().step, "fix");
    assert_eq!(ended.kit.order(), ["a", "a", "fix"]);
}

#[test]
fn a_catch_whose_condition_cannot_be_evaluated_fails_the_step() {
    let ended =
        run_steps(r#"{"id":"a",@fail,"catch":[{"when":"error.details.x == 1","output":1},{"output":2}]}"#)
            .failed();
    assert_eq!(ended.run_error(), "expression");
}

#[test]
fn timeouts_and_failures_of_bodies_can_be_caught() {
    let ended = run_steps(
        r#"{"id":"a",@deaf,"timeout":30,"parameters":{"ms":300},"catch":[{"errors":["timeout"],"output":"slow"}]},
           {"id":"g","type":"group","steps":[{"id":"x",@fail}],"catch":[{"output":"group"}]},
           {"id":"f","type":"foreach","items":"[1]","steps":[{"id":"y",@fail}],
            "catch":[{"errors":["foreach.*"],"output":"each"}]},
           {"id":"w","type":"fail","error":{"type":"q"},"catch":[{"output":"fail"}]},
           {"id":"e",@value,"when":"steps.a.output.x","catch":[{"errors":["expression"],"output":"when"}]}"#,
    )
    .completed();
    let outputs: Vec<_> = ["a", "g", "f", "w", "e"].map(|step| ended.output_of(step)).into();
    assert_eq!(outputs, ["slow", "group", "each", "fail", "when"]);
}

#[test]
fn what_a_caught_body_had_completed_stays_armed() {
    let ended = run(r#"{"id":"w","steps":[
            {"id":"g","type":"group","catch":[{"output":1}],"steps":[
                {"id":"x",@value,"compensate":{"plugin":"t","method":"value"}},{"id":"y",@fail}]},
            {"id":"z",@fail}]}"#)
    .failed();
    assert_eq!(ended.is("x"), StepStatus::Compensated);
}

#[test]
fn a_catch_can_be_cancelled_with_its_step() {
    let ended = run(r#"{"id":"w","timeout":60,"steps":[{"id":"a",@fail,"catch":[{"steps":[
            {"id":"fix",@sleep,"parameters":{"ms":5000}}]}]}]}"#)
    .failed();
    assert_eq!(ended.statuses(), "a cancelled, fix cancelled");
}
