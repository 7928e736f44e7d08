//! `set`, `log`, `wait`, `fail`, `return`, output and status templates, input and what expressions see.

use super::lab::{Lab, in_time, run, run_steps};
use crate::{EngineError, StartRequest};
use jackfield_core::payload::Payload;
use jackfield_core::run::{EventKind, RunStatus, StepStatus};
use serde_json::json;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn set_writes_variables_that_later_steps_read() {
    let ended = run(r#"{"id":"w","variables":{"n":1,"text":"a"},"steps":[
            {"id":"s","type":"set","variables":{"n":"${vars.n + 1}","m":"${vars.n}"}},
            {"id":"t","type":"set","variables":{"n":"${vars.n * 10}"}}],
            "output":["${vars.n}","${vars.m}","${vars.text}"]}"#)
    .completed();
    assert_eq!(ended.output_json(), json!([20, 1, "a"]));
    assert_eq!(ended.output_of("s"), json!({"n": 2, "m": 1}));
}

#[test]
fn an_inner_sequence_writes_outer_variables() {
    let ended = run(r#"{"id":"w","variables":{"n":0},"steps":[
            {"id":"r","type":"repeat","until":"vars.n >= 3","steps":[
                {"id":"s","type":"set","variables":{"n":"${vars.n + 1}"}}]}],
            "output":"${vars.n}"}"#)
    .completed();
    assert_eq!(ended.output_json(), json!(3));
}

#[test]
fn initial_variables_that_cannot_be_made_fail_the_run() {
    let ended = Lab::new()
        .run_with(
            r#"{"id":"w","variables":{"n":"${input.nothing}"},"steps":[{"id":"a",@value}],
                "finally":[{"id":"f",@value}]}"#,
            "{}",
        )
        .failed();
    assert_eq!(ended.run_error(), "expression");
    assert_eq!(ended.statuses(), "a cancelled, f completed");
}

#[test]
fn a_log_step_writes_one_line_per_execution() {
    let ended = run_steps(
        r#"{"id":"f","type":"foreach","items":"[1,2]","steps":[
            {"id":"l","type":"log","message":"item ${item}","level":"warn","data":{"x":"${index}"}}]}"#,
    )
    .completed();
    let lines: Vec<_> = ended.events.iter().filter(|event| event.event == EventKind::Log).collect();
    let texts: Vec<_> = lines.iter().map(|line| line.message.as_deref().unwrap()).collect();
    assert_eq!(texts, ["item 1", "item 2"]);
    assert_eq!(lines[1].level, Some(jackfield_core::ports::LogLevel::Warn));
    assert_eq!(lines[1].value.as_ref().unwrap().value(), &json!({"x": 1}));
    assert_eq!(ended.output_of("f[0].l"), json!(null));
}

#[test]
fn a_wait_takes_as_long_as_it_says() {
    in_time(|| {
        let ended = run_steps(
            r#"{"id":"a","type":"wait","duration":"60ms"},
           {"id":"b","type":"wait","until":"2001-01-01T00:00:00Z"},
           {"id":"c","type":"wait","duration":"${30 + 20}"}"#,
        )
        .completed();
        assert!(ended.took >= 110 * MS && ended.took < 400 * MS, "{:?}", ended.took);
        assert_eq!(ended.output_of("a"), json!(null));
        assert!(ended.step("a").duration_ms.unwrap() >= 60.0);
    });
}

#[test]
fn a_run_that_only_waits_is_waiting() {
    let lab = Lab::new();
    let run = lab.start(r#"{"id":"w","steps":[{"id":"a","type":"wait","duration":"80ms"}]}"#, "null");
    assert_eq!(run.status(), RunStatus::Waiting);
    assert_eq!(run.report(9).steps["a"].status, StepStatus::Waiting);
    assert_eq!(run.report(9).current_steps, ["a"]);
    lab.end(&run, std::time::Instant::now()).completed();
}

#[test]
fn a_wait_whose_time_makes_no_sense_fails() {
    let ended = Lab::new()
        .run_with(
            r#"{"id":"w","steps":[
                {"id":"a","type":"wait","duration":"${input.x}","critical":false},
                {"id":"b","type":"wait","until":"${input.x}","critical":false}]}"#,
            r#"{"x":"soon"}"#,
        )
        .completed();
    assert_eq!((ended.error_type("a"), ended.error_type("b")), ("expression", "expression"));
}

#[test]
fn fail_fails_with_what_it_says() {
    let ended = Lab::new()
        .run_with(
            r#"{"id":"w","steps":[{"id":"a","type":"fail","error":
                {"type":"order.${input.what}","message":"no ${input.what}","details":{"n":"${1 + 1}"}}}]}"#,
            r#"{"what":"stock"}"#,
        )
        .failed();
    let error = ended.error.as_ref().unwrap();
    assert_eq!((&*error.kind, &*error.message), ("order.stock", "no stock"));
    assert_eq!(error.details.value(), &json!({"n": 2}));
    assert_eq!(&*error.step, "a");
}

#[test]
fn return_ends_the_run_as_completed_and_runs_finally_but_no_undo() {
    in_time(|| {
        let ended = run(r#"{"id":"w","mode":"parallel","steps":[
            {"id":"done",@value,"compensate":{"plugin":"t","method":"value"}},
            {"id":"slow",@sleep,"parameters":{"ms":5000}},
            {"id":"g","type":"group","dependencies":["done"],"steps":[
                {"id":"r","type":"return","value":{"early":true}},{"id":"never",@value}]}],
            "on_failure":[{"id":"o",@value}],"finally":[{"id":"f",@value}],"output":"other"}"#)
        .completed();
        assert_eq!(ended.output_json(), json!({"early": true}));
        assert_eq!(
            ended.statuses(),
            "done completed, slow cancelled, g cancelled, r completed, never cancelled, f completed"
        );
        assert_eq!(ended.kit.order().iter().filter(|step| step.ends_with("compensate")).count(), 0);
        assert!(ended.took < 1000 * MS);
    });
}

#[test]
fn an_output_template_shapes_what_a_step_puts_out() {
    let ended = run_steps(
        r#"{"id":"a",@value,"parameters":{"value":{"x":{"y":3}}},"output":{"z":"${result.x.y + 1}"}},
           {"id":"b",@value,"parameters":{"value":"${steps.a.output.z}"}}"#,
    )
    .completed();
    assert_eq!(ended.output_of("a"), json!({"z": 4}));
    assert_eq!(ended.output_of("b"), json!(4));
    let raw = &ended.events[ended.place(EventKind::CallAnswered, "a")];
    assert_eq!(raw.value.as_ref().unwrap().value(), &json!({"x": {"y": 3}}));
}

#[test]
fn an_output_template_that_cannot_be_evaluated_fails_the_step() {
    let ended = run_steps(r#"{"id":"a",@value,"output":"${result.x}"}"#).failed();
    assert_eq!(ended.run_error(), "expression");
    assert!(ended.error.as_ref().unwrap().message.starts_with("`output`"));
    let ended = run(r#"{"id":"w","steps":[{"id":"a",@value}],"output":"${steps.a.output.x}"}"#).failed();
    assert_eq!(ended.run_error(), "expression");
}

#[test]
fn a_status_is_set_when_its_step_starts_and_null_clears_it() {
    let lab = Lab::new();
    let document = |end: &str| {
        format!(
            r#"{{"id":"w","steps":[
                {{"id":"a",@value,"status":{{"phase":"${{1 + 1}}"}}}},
                {{"id":"g","type":"group","status":"grouped","steps":[{{"id":"b",@value}}]}}{end}]}}"#
        )
    };
    let ended = lab.run_with(&document(""), "null").completed();
    assert_eq!(ended.custom_status.as_ref().unwrap().value(), &json!("grouped"));
    assert!(ended.place(EventKind::StatusSet, "a") < ended.place(EventKind::StepCompleted, "a"));
    let ended = lab.run_with(&document(r#",{"id":"c",@value,"status":null}"#), "null").completed();
    assert_eq!(ended.custom_status, None);
}

#[test]
fn many_steps_whose_status_cannot_be_made_fail_one_after_the_other() {
    let ended = Lab::new()
        .run_with(
            r#"{"id":"w","max_concurrency":1,"steps":[{"id":"f","type":"foreach","items":"input","max_concurrency":20000,
                "mode":"parallel","steps":[{"id":"a",@value,"critical":false,"status":"${item.x}"}]}]}"#,
            &json!((0..20_000).collect::<Vec<_>>()).to_string(),
        )
        .completed();
    assert_eq!(ended.steps.values().filter(|step| step.status == StepStatus::Failed).count(), 20_000);
}

#[test]
fn input_is_checked_and_defaults_are_filled_in() {
    let document = r#"{"id":"w","input_schema":{"type":"object","required":["n"],
        "properties":{"n":{"type":"integer"},"unit":{"type":"string","default":"kg"}}},
        "steps":[{"id":"a",@value,"parameters":{"value":"${input.n} ${input.unit}"}}]}"#;
    let lab = Lab::new();
    assert_eq!(lab.run_with(document, r#"{"n":3}"#).completed().output_json(), json!("3 kg"));
    let request = StartRequest::new(super::lab::plan(document), Payload::parse(r#"{"n":"x"}"#).unwrap());
    match lab.engine.start(request) {
        Err(EngineError::Input(faults)) => assert_eq!(faults[0].pointer, "/n"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn expressions_see_the_run_its_configuration_and_secrets() {
    let lab = Lab::new();
    let document = r#"{"id":"w","version":"2.0.0","steps":[{"id":"a",@value,"parameters":{"value":[
        "${workflow.id}","${workflow.version}","${workflow.run_id}","${config.place}",
        "${secret('key')}","${workflow.started_at.startsWith('20')}"]}}]}"#;
    let mut request = StartRequest::new(super::lab::plan(document), Payload::null());
    request.run_id = Some("r-1".into());
    request.config = std::sync::Arc::new([("place".into(), Payload::string("here"))].into());
    let run = lab.engine.start(request).unwrap();
    let ended = lab.end(&run, std::time::Instant::now()).completed();
    assert_eq!(ended.output_json(), json!(["w", "2.0.0", "r-1", "here", "open sesame", true]));
}

#[test]
fn a_secret_that_is_missing_fails_its_step() {
    for method in ["value", "value_blocking", "later"] {
        let ended = run_steps(&format!(
            r#"{{"id":"a",@{method},"parameters":{{"value":"${{secret('nothing')}}"}}}}"#
        ))
        .failed();
        assert_eq!(ended.run_error(), "expression");
        assert!(ended.error.as_ref().unwrap().message.contains("no secret `nothing`"));
    }
}

#[test]
fn a_run_can_be_told_to_stop_after_a_step() {
    let lab = Lab::new();
    let document = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}},
        {"id":"g","type":"group","steps":[{"id":"b",@value,"parameters":{"value":2}},{"id":"c",@value}]},
        {"id":"d",@value}],"finally":[{"id":"f",@value}]}"#;
    let until = |step: &str| {
        let mut request = StartRequest::new(super::lab::plan(document), Payload::null());
        request.until = Some(step.into());
        lab.engine.start(request)
    };
    let ended = lab.end(&until("b").unwrap(), std::time::Instant::now()).completed();
    assert_eq!(ended.output_json(), json!(2));
    assert_eq!(
        ended.statuses(),
        "a completed, g cancelled, d cancelled, b completed, c cancelled, f completed"
    );
    assert!(matches!(until("x"), Err(EngineError::UnknownStep(id)) if id == "x"));
}
