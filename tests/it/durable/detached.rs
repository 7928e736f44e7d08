//! Calls that are runs of their own.

use super::{on_each_engine, output};
use jackfield::{RunStatus, Value, json};
use jackfield_tests::Bench;

fn call(method: &str, parameters: Value) -> Value {
    let plugin = if method == "error" { "fault" } else { "echo" };
    json!({ "id": "a", "plugin": plugin, "method": method, "parameters": parameters, "detached": true })
}

fn with(mut step: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().expect("it is an object") {
        step[name] = value.clone();
    }
    step
}

/// The run that the step started, once it has ended.
fn started(bench: &Bench, document: Value, input: Value) -> jackfield::Outcome {
    let output = output(bench.start(document, input));
    let run_id = output["run_id"].as_str().expect("it is the output of the step").to_owned();
    let run = bench.host().get(&run_id).expect("it has been started");
    run.wait(Some(super::PATIENCE)).expect("it ends")
}

#[test]
fn a_detached_call_is_a_run_of_its_own_with_the_parameters_as_they_were() {
    on_each_engine(|bench| {
        let parameters = json!({ "v": "${input.v}", "all": ["${input}", "x${input.v}"] });
        let document = json!({ "id": "w", "version": "1.2.3", "steps": [call("echo", parameters)] });
        let ended = started(bench, document, json!({ "v": 7 }));
        assert_eq!(ended.status, RunStatus::Completed);
        assert_eq!(ended.output.value(), &json!({ "v": 7, "all": [{ "v": 7 }, "x7"] }));
    });
}

#[test]
fn nobody_waits_for_it_and_its_failure_is_its_own_after_its_own_attempts() {
    on_each_engine(|bench| {
        let retry = json!({ "retry": "twice", "timeout": "5s" });
        let step = with(call("error", json!({ "type": "x.y", "retryable": true })), retry);
        let policies = json!({ "twice": { "max_attempts": 2, "delay": 0 } });
        let document = json!({ "id": "w", "retry_policies": policies, "steps": [step] });
        let ended = started(bench, document, json!({}));
        let error = ended.error.expect("it failed");
        assert_eq!((ended.status, &*error.kind, error.attempts), (RunStatus::Failed, "x.y", 2));
    });
}

#[test]
fn secrets_are_no_parameters_of_detached_calls_because_they_would_be_kept() {
    on_each_engine(|bench| {
        let document = json!({ "id": "w", "steps": [call("echo", json!({ "v": "${secret('s')}" }))] });
        let found = bench.faults(&document).to_string();
        assert!(found.contains("secret `s` cannot be read here"), "{found}");
    });
}
