//! What runs, in which order, how often, and what it sees.

use jackfield::{AppMethod, EventKind, MethodError, RunFilter, RunStatus, StepStatus, Value, json};
use jackfield_tests::{Bench, Finished, in_time};
use std::time::Duration;

fn bench() -> Bench {
    Bench::new(&["echo", "fault"])
}

fn call(id: &str, method: &str, parameters: Value) -> Value {
    json!({ "id": id, "plugin": "echo", "method": method, "parameters": parameters })
}

fn failing(id: &str, parameters: Value) -> Value {
    json!({ "id": id, "plugin": "fault", "method": "error", "parameters": parameters })
}

/// `step` with more fields.
fn with(mut step: Value, fields: Value) -> Value {
    let fields = fields.as_object().expect("fields are an object").clone();
    step.as_object_mut().expect("a step is an object").extend(fields);
    step
}

fn run(mode: &str, steps: &[Value]) -> Finished {
    bench().run(json!({ "id": "w", "mode": mode, "steps": steps }), json!({}))
}

#[test]
fn a_critical_failure_stops_the_run_and_the_error_is_the_steps_own() {
    let finished = run(
        "parallel",
        &[
            call("slow", "sleep", json!({ "ms": 10_000 })),
            call("first", "sleep", json!({ "ms": 20 })),
            with(
                failing("bad", json!({ "type": "disk.full", "message": "no space" })),
                json!({ "dependencies": ["first"] }),
            ),
            with(call("later", "noop", json!({})), json!({ "dependencies": ["slow"] })),
        ],
    );
    assert_eq!(finished.status(), RunStatus::Failed);
    let error = finished.error();
    assert_eq!((&*error.step, &*error.kind, &*error.message), ("bad", "disk.full", "no space"));
    assert_eq!(finished.step_status("slow"), StepStatus::Cancelled);
    assert_eq!(finished.step_status("later"), StepStatus::Cancelled);
}

#[test]
fn a_failure_that_is_not_critical_is_recorded_and_dependents_see_it() {
    let finished = run(
        "parallel",
        &[
            with(failing("bad", json!({ "type": "x.y" })), json!({ "critical": false })),
            with(
                call(
                    "next",
                    "echo",
                    json!({ "status": "${steps.bad.status}", "type": "${steps.bad.error.type}" }),
                ),
                json!({ "dependencies": ["bad"] }),
            ),
        ],
    )
    .completed();
    assert_eq!(&*finished.step_error("bad").kind, "x.y");
    assert_eq!(finished.step_output("next"), json!({ "status": "failed", "type": "x.y" }));
}

#[test]
fn a_fallback_runs_exactly_when_its_step_failed() {
    let fallback = with(
        call("fallback", "noop", json!({})),
        json!({ "dependencies": ["main"], "trigger_rule": "any_failed" }),
    );
    let bad = with(failing("main", json!({})), json!({ "critical": false }));
    let good = with(call("main", "noop", json!({})), json!({ "critical": false }));
    let idle = with(good.clone(), json!({ "when": "input.go == 1" }));
    let failed = run("parallel", &[bad, fallback.clone()]).completed();
    assert_eq!(failed.step_status("fallback"), StepStatus::Completed);
    for main in [good, idle] {
        let document = json!({ "id": "w", "mode": "parallel", "steps": [main, fallback] });
        let fine = bench().run(document, json!({ "go": 2 })).completed();
        assert_eq!(fine.step_status("fallback"), StepStatus::Skipped);
        assert!(fine.step("fallback").reason.as_deref().is_some_and(|why| why.contains("any_failed")));
    }
}

#[test]
fn a_condition_skips_with_its_reason_and_a_join_runs_unless_the_mode_is_conditional() {
    let steps = [
        with(call("left", "noop", json!({})), json!({ "when": "input.go == 1" })),
        with(call("right", "noop", json!({})), json!({ "when": "input.go == 2" })),
        with(call("join", "noop", json!({})), json!({ "dependencies": ["left", "right"] })),
        with(call("behind", "noop", json!({})), json!({ "dependencies": ["right"] })),
    ];
    let statuses = |mode: &str| {
        let finished =
            bench().run(json!({ "id": "w", "mode": mode, "steps": steps }), json!({ "go": 1 })).completed();
        let reason = finished.step("right").reason.clone().expect("a skipped step says why");
        assert_eq!(reason, "when is false: input.go == 2");
        ["left", "right", "join", "behind"].map(|step| finished.step_status(step))
    };
    use StepStatus::{Completed, Skipped};
    assert_eq!(statuses("parallel"), [Completed, Skipped, Completed, Skipped]);
    assert_eq!(statuses("conditional"), [Completed, Skipped, Skipped, Skipped]);
}

#[test]
fn three_retries_are_four_calls_and_three_delays() {
    let retry = json!({ "retry": { "max_attempts": 4, "backoff": "fixed", "delay": "20ms" } });
    let finished = run("sequential", &[with(call("a", "fail_times", json!({ "n": 9 })), retry.clone())]);
    assert!(finished.report.duration_ms >= 60.0, "{}", finished.report.duration_ms);
    assert_eq!(finished.status(), RunStatus::Failed);
    assert_eq!(finished.step("a").attempts, 4);
    assert_eq!(finished.order_of(EventKind::AttemptFailed), ["a", "a", "a"]);
    let finished = run("sequential", &[with(call("a", "fail_times", json!({ "n": 2 })), retry)]).completed();
    assert_eq!(finished.step("a").attempts, 3);
}

#[test]
fn a_step_that_takes_too_long_ends_at_its_limit_and_is_retried() {
    in_time(|| {
        let slow = json!({ "timeout": "50ms", "retry": { "max_attempts": 2, "backoff": "none" } });
        // one blocks a thread and looks whether it is to stop, the other computes on a thread of the engine and does not
        for (method, parameters) in [("sleep", json!({ "ms": 500 })), ("spin", json!({ "us": 500_000 }))] {
            let finished = run("sequential", &[with(call("a", method, parameters), slow.clone())]);
            assert_eq!((&*finished.error().kind, finished.step("a").attempts), ("timeout", 2));
            let duration_ms = finished.step("a").duration_ms.expect("it ran");
            assert!((100.0..300.0).contains(&duration_ms), "{method}: {duration_ms}");
        }
    });
}

#[test]
fn twenty_short_steps_in_parallel_overlap_and_a_join_sees_all_their_outputs() {
    in_time(|| {
        let time = |n| if n == 0 { 200 } else { 40 };
        let sleep = |n| call(&format!("s{n}"), "sleep", json!({ "ms": time(n) }));
        let mut steps: Vec<_> = (0..20).map(sleep).collect();
        steps.push(call("one", "echo", json!({ "x": 1 })));
        steps.push(call("two", "echo", json!({ "x": 2 })));
        let all: Vec<_> = (0..20).map(|n| format!("s{n}")).chain(["one".into(), "two".into()]).collect();
        let seen = json!({ "sum": "${steps.one.output.x + steps.two.output.x}" });
        steps.push(with(call("join", "echo", seen), json!({ "dependencies": all })));
        let finished = run("parallel", &steps).completed();
        assert!(finished.report.duration_ms < 800.0, "{} ms, the sum is 960", finished.report.duration_ms);
        assert_eq!(finished.order_of(EventKind::StepCompleted).last(), Some(&"join"));
        assert_eq!(finished.step_output("join"), json!({ "sum": 3 }));
        let finished = run("sequential", &steps[..5]).completed();
        assert!(finished.report.duration_ms >= 360.0, "{}", finished.report.duration_ms);
    });
}

#[test]
fn the_output_of_a_stage_is_the_next_ones_prev() {
    let steps = [
        call("a", "echo", json!({ "n": "${prev.n + 1}" })),
        call("b", "echo", json!({ "n": "${prev.n * 10}" })),
    ];
    let document = json!({ "id": "w", "mode": "pipeline", "steps": steps });
    let finished = bench().run(document, json!({ "n": 1 })).completed();
    assert_eq!(finished.output(), &json!({ "n": 20 }));
}

#[test]
fn input_that_does_not_fit_its_schema_starts_nothing_and_is_named_with_its_place() {
    let bench = bench();
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let workflow =
        bench.check(json!({ "id": "w", "input_schema": schema, "steps": [call("a", "noop", json!({}))] }));
    let refused = bench.host().start(&workflow, json!({ "n": "two" })).err().expect("it does not fit");
    assert!(refused.to_string().contains("/n"), "{refused}");
    assert!(bench.host().list(&RunFilter::default()).is_empty());
    assert!(bench.host().start(&workflow, json!({ "n": 2 })).is_ok());
}

#[test]
fn branches_that_write_the_same_field_do_not_collide() {
    let steps = ["a", "b", "c"].map(|id| call(id, "echo", json!({ "value": id })));
    let finished = run("parallel", &steps).completed();
    let expected = json!({ "a": { "value": "a" }, "b": { "value": "b" }, "c": { "value": "c" } });
    assert_eq!(finished.output(), &expected);
}

#[test]
fn a_methods_own_timeout_holds_unless_the_document_or_the_step_sets_one() {
    // a host of its own each time: a call that was given up keeps its method back until it returns
    let error = |document: Value| {
        let nap = |_: &jackfield::Call, _: Value| {
            std::thread::sleep(Duration::from_millis(300));
            Ok::<_, MethodError>(())
        };
        let method = AppMethod::blocking("nap", nap).default_timeout(Duration::from_millis(50));
        let bench = Bench::with(&[], |builder| builder.app_method("app", "1.0.0", method));
        bench.run(document, Value::Null).report.error.map(|error| error.kind.to_string())
    };
    let nap = json!({ "id": "a", "plugin": "app", "method": "nap" });
    assert_eq!(error(json!({ "id": "w", "steps": [nap] })).as_deref(), Some("timeout"));
    let defaults = json!({ "timeout": "10s" });
    assert_eq!(error(json!({ "id": "w", "defaults": defaults, "steps": [nap] })), None);
    let patient = with(nap, json!({ "timeout": 0 }));
    assert_eq!(error(json!({ "id": "w", "steps": [patient] })), None);
}
