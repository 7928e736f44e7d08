//! Runs that steps start: their results, failures, ids, versions, and what becomes of them when something ends first.

use super::{on_each_engine, on_each_engine_with, output, wait_for_waiting, wait_until};
use jackfield::{
    CancelMode, Config, HostBuilder, Run, RunFilter, RunOptions, RunStatus, StepStatus, Value, json,
};
use jackfield_tests::{Bench, Started};

/// Registers a workflow.
fn register(bench: &Bench, document: Value) {
    let workflow = bench.check(document);
    bench.host().register(&workflow).expect("it is the first of its id and version");
}

fn echo(id: &str) -> Value {
    json!({ "id": id, "steps": [{ "id": "e", "plugin": "echo", "method": "echo", "parameters": { "got": "${input}", "version": "${workflow.version}" } }] })
}

fn waiting(id: &str) -> Value {
    json!({ "id": id, "steps": [{ "id": "e", "type": "wait_for_event", "event": "go" }] })
}

fn child(fields: Value) -> Value {
    let mut step = json!({ "id": "c", "type": "workflow" });
    step.as_object_mut()
        .expect("it is an object")
        .extend(fields.as_object().expect("they are fields").clone());
    step
}

fn parent(step: Value) -> Value {
    json!({ "id": "parent", "steps": [step] })
}

/// The run of this workflow, once there is one.
fn run_of(bench: &Bench, workflow: &str) -> Run {
    let filter = RunFilter { workflow: Some(workflow.into()), ..RunFilter::default() };
    wait_until(|| !bench.host().list(&filter).is_empty());
    let run_id = bench.host().list(&filter)[0].run_id.to_string();
    bench.host().get(&run_id).expect("it is listed")
}

fn ends_as(run: &Run, status: RunStatus) {
    let outcome = run.wait(Some(super::PATIENCE)).expect("it ends");
    assert_eq!(outcome.status, status);
}

#[test]
fn the_output_of_a_child_is_the_output_of_its_step() {
    on_each_engine(|bench| {
        register(bench, echo("other"));
        let step = child(json!({ "workflow": "other", "input": { "n": "${input.n}" } }));
        let finished = bench.run(parent(step), json!({ "n": 7 })).completed();
        assert_eq!(finished.output(), &json!({ "got": { "n": 7 }, "version": "0.0.0" }));
        let about = finished.events_of("c")[0].value.clone().expect("it says which run");
        let run_id = about.value()["run_id"].as_str().expect("it has an id").to_owned();
        assert_eq!(about.value()["workflow"], "other");
        assert_eq!(bench.host().get(&run_id).expect("it is kept").status(), RunStatus::Completed);
    });
}

#[test]
fn ten_children_at_a_time_and_a_chain_of_three() {
    on_each_engine(|bench| {
        register(bench, echo("leaf"));
        register(
            bench,
            json!({ "id": "middle", "steps": [child(json!({ "workflow": "leaf", "input": "${input}" }))] }),
        );
        let each = json!({ "id": "each", "type": "foreach", "items": "lists.range(10)", "max_concurrency": 0,
            "steps": [child(json!({ "workflow": "middle", "input": "${item}" }))], "output": "${steps.c.output.got}" });
        let finished = bench.run(parent(each), json!({})).completed();
        assert_eq!(finished.output(), &json!((0..10).collect::<Vec<_>>()));
        assert_eq!(bench.host().list(&RunFilter::default()).len(), 21);
    });
}

#[test]
fn the_failure_of_a_child_is_that_of_its_step_and_can_be_caught() {
    on_each_engine(|bench| {
        register(
            bench,
            json!({ "id": "bad", "steps": [{ "id": "f", "type": "fail", "error": { "type": "order.rejected", "message": "no", "details": [1] } }] }),
        );
        let failed = bench.run(parent(child(json!({ "workflow": "bad" }))), json!({}));
        let error = failed.error();
        assert_eq!((&*error.kind, &*error.message, &*error.step), ("order.rejected", "no", "c"));
        assert_eq!(
            (&error.details.value()["step"], &error.details.value()["details"]),
            (&json!("f"), &json!([1]))
        );
        let catch = json!([{ "errors": ["order.*"], "output": "caught" }]);
        let caught = bench.run(parent(child(json!({ "workflow": "bad", "catch": catch }))), json!({}));
        assert_eq!(caught.completed().output(), "caught");
        // each attempt is a run of its own
        let retried = child(json!({ "workflow": "bad", "retry": { "max_attempts": 3, "backoff": "none" } }));
        assert_eq!(bench.run(parent(retried), json!({})).step("c").attempts, 3);
    });
}

#[test]
fn an_input_that_the_child_does_not_take_fails_the_step() {
    on_each_engine(|bench| {
        let mut strict = echo("strict");
        strict["input_schema"] = json!({ "type": "object" });
        register(bench, strict);
        let failed = bench.run(parent(child(json!({ "workflow": "strict", "input": 5 }))), json!({}));
        assert_eq!((&*failed.error().kind, &*failed.error().step), ("validation", "c"));
    });
}

#[test]
fn an_unknown_workflow_or_version_is_an_error_at_the_start() {
    on_each_engine(|bench| {
        register(bench, echo("other"));
        let told = |step: Value| {
            let workflow = bench.check(parent(step));
            bench.host().start(&workflow, json!({})).err().expect("it is refused").to_string()
        };
        let inside = json!({ "id": "g", "type": "group", "steps": [child(json!({ "workflow": "nowhere", "when": "false" }))] });
        assert_eq!(told(inside), "no workflow `nowhere` is registered");
        let newer = child(json!({ "workflow": "other", "version": "^3" }));
        assert_eq!(told(newer), "no version of workflow `other` that satisfies `^3` is registered");
        assert!(bench.host().list(&RunFilter::default()).is_empty());
    });
}

#[test]
fn a_child_is_the_newest_version_unless_a_range_says_otherwise() {
    on_each_engine(|bench| {
        for version in ["1.0.0", "1.5.0", "2.0.0"] {
            let mut document = echo("other");
            document["version"] = json!(version);
            register(bench, document);
        }
        let version = |fields: Value| {
            let finished = bench.run(parent(child(fields)), json!({})).completed();
            finished.output()["version"].clone()
        };
        assert_eq!(version(json!({ "workflow": "other" })), "2.0.0");
        assert_eq!(version(json!({ "workflow": "other", "version": "^1" })), "1.5.0");
        assert_eq!(version(json!({ "workflow": "other", "version": "=1.0.0" })), "1.0.0");
    });
}

#[test]
fn an_id_that_is_taken_fails_the_step_at_once() {
    on_each_engine(|bench| {
        register(bench, waiting("other"));
        let open = bench.start_with(waiting("first"), json!({}), RunOptions::id("taken"));
        wait_for_waiting(&open, "e");
        let step = || child(json!({ "workflow": "other", "run_id": "${input}" }));
        let told = bench.run(parent(step()), json!("taken"));
        assert_eq!(
            (&*told.error().kind, &*told.error().message),
            ("run.exists", "run `taken` exists already and is waiting")
        );
        open.run.signal("go", json!(null)).expect("it is open");
        assert_eq!(output(open), Value::Null);
        let told = bench.run(parent(step()), json!("taken"));
        assert_eq!(
            (&*told.error().kind, &*told.error().message),
            ("run.exists", "run `taken` exists already and is completed")
        );
        // the other run was not touched by the end of the one that wanted its id
        let fine = bench.start(parent(step()), json!("free"));
        run_of(bench, "other").signal("go", json!(1)).expect("it is open");
        assert_eq!(output(fine), json!(1));
        let odd = bench.run(parent(step()), json!({ "no": "text" }));
        assert_eq!(&*odd.error().kind, "expression");
    });
}

#[test]
fn cancelling_a_run_cancels_its_children_and_theirs() {
    on_each_engine(|bench| {
        let mut leaf = waiting("leaf");
        leaf["finally"] = json!([{ "id": "tidy", "plugin": "echo", "method": "noop" }]);
        register(bench, leaf);
        register(bench, json!({ "id": "middle", "steps": [child(json!({ "workflow": "leaf" }))] }));
        for mode in [CancelMode::Graceful, CancelMode::Kill] {
            let run = bench.start(parent(child(json!({ "workflow": "middle" }))), json!({}));
            let leaf = run_of(bench, "leaf");
            wait_for_waiting(&Started { run: leaf.clone() }, "e");
            run.run.cancel(mode, "enough");
            ends_as(&leaf, RunStatus::Cancelled);
            let tidied = leaf.report(10).steps.get("tidy").map(|step| step.status);
            assert_eq!(tidied == Some(StepStatus::Completed), mode == CancelMode::Graceful);
            assert!(leaf.report(0).error.expect("it says why").message.contains("which started it"));
            assert_eq!(run.finish().status(), RunStatus::Cancelled);
            wait_until(|| bench.host().wait_all(std::time::Duration::ZERO));
            for run in bench.host().list(&RunFilter::default()) {
                bench.host().forget(&run.run_id).expect("it has ended");
            }
        }
    });
}

#[test]
fn a_run_that_is_stopped_undoes_its_own_steps_after_its_child_has_ended() {
    on_each_engine(|bench| {
        register(
            bench,
            json!({ "id": "other", "steps": [
            { "id": "a", "plugin": "echo", "method": "noop", "compensate": { "plugin": "echo", "method": "sleep", "parameters": { "ms": 50 } } },
            { "id": "e", "type": "wait_for_event", "event": "go" }
        ] }),
        );
        let undo = json!({ "plugin": "echo", "method": "noop" });
        let own = json!({ "id": "own", "plugin": "echo", "method": "noop", "compensate": undo });
        let run = bench.start(
            json!({ "id": "parent", "steps": [own, child(json!({ "workflow": "other" }))] }),
            json!({}),
        );
        let other = run_of(bench, "other");
        wait_for_waiting(&Started { run: other.clone() }, "e");
        run.run.cancel(CancelMode::Graceful, "enough");
        let finished = run.finish();
        assert_eq!(finished.step_status("own"), StepStatus::Compensated);
        // the child was done with its clean-up before that of its parent began
        assert_eq!(other.status(), RunStatus::Cancelled);
        assert_eq!(other.report(10).steps["a"].status, StepStatus::Compensated);
    });
}

#[test]
fn a_child_that_loses_a_race_or_takes_too_long_is_cancelled() {
    on_each_engine(|bench| {
        register(bench, waiting("other"));
        for (id, fields) in [
            ("own", json!({ "workflow": "other", "run_id": "mine" })),
            ("fresh", json!({ "workflow": "other" })),
        ] {
            let race = json!({ "id": "r", "type": "race", "steps": [child(fields), { "id": "clock", "type": "wait", "duration": "50ms" }] });
            let finished = bench.run(parent(race), json!({})).completed();
            assert_eq!(finished.output()["winner"], "clock", "{id}");
            ends_as(&run_of(bench, "other"), RunStatus::Cancelled);
            bench.host().forget(run_of(bench, "other").id()).expect("it has ended");
        }
        let slow = child(json!({ "workflow": "other", "timeout": "50ms", "on_parent_close": "abandon" }));
        let finished = bench.run(parent(slow), json!({}));
        assert_eq!(&*finished.error().kind, "timeout");
        ends_as(&run_of(bench, "other"), RunStatus::Cancelled);
    });
}

#[test]
fn a_detached_child_is_not_waited_for_and_outlives_its_parent() {
    on_each_engine(|bench| {
        register(bench, waiting("other"));
        let finished = bench.run(
            parent(child(json!({ "workflow": "other", "detached": true, "run_id": "d-${workflow.id}" }))),
            json!({}),
        );
        assert_eq!(finished.completed().output(), &json!({ "run_id": "d-parent" }));
        let other = bench.host().get("d-parent").expect("it goes on");
        other.signal("go", json!(1)).expect("it is open");
        ends_as(&other, RunStatus::Completed);
    });
}

#[test]
fn what_becomes_of_a_child_when_its_parent_ends_first_is_for_the_document_to_say() {
    on_each_engine(|bench| {
        register(bench, waiting("other"));
        // detached, yet it ends with its parent
        let step = child(json!({ "workflow": "other", "detached": true, "on_parent_close": "cancel" }));
        drop(bench.run(parent(step), json!({})).completed());
        ends_as(&run_of(bench, "other"), RunStatus::Cancelled);
        bench.host().forget(run_of(bench, "other").id()).expect("it has ended");
        // waited for, yet it goes on
        for mode in [CancelMode::Graceful, CancelMode::Kill] {
            let run = bench.start(
                parent(child(json!({ "workflow": "other", "on_parent_close": "abandon" }))),
                json!({}),
            );
            let other = run_of(bench, "other");
            wait_for_waiting(&Started { run: other.clone() }, "e");
            run.run.cancel(mode, "enough");
            assert_eq!(run.finish().status(), RunStatus::Cancelled);
            other.signal("go", json!(1)).expect("it goes on");
            ends_as(&other, RunStatus::Completed);
            bench.host().forget(other.id()).expect("it has ended");
        }
    });
}

#[test]
fn a_workflow_that_runs_itself_ends_at_the_limit() {
    fn shallow(builder: HostBuilder) -> HostBuilder {
        let mut config = Config::default();
        config.engine.nesting_max = Some(5);
        builder.config(config)
    }
    on_each_engine_with(shallow, |bench| {
        let itself = parent(child(json!({ "workflow": "parent" })));
        register(
            bench,
            json!({ "id": "parent", "steps": [{ "id": "s", "type": "set", "variables": { "x": 1 } }] }),
        );
        let failed =
            bench.run(json!({ "id": "top", "steps": [child(json!({ "workflow": "parent" }))] }), json!({}));
        drop(failed.completed());
        bench.host().unregister("parent", None).expect("it is there");
        register(bench, itself);
        let failed =
            bench.run(json!({ "id": "top", "steps": [child(json!({ "workflow": "parent" }))] }), json!({}));
        assert_eq!(&*failed.error().kind, "workflow.too_deep");
        assert!(failed.error().message.contains("5 deep"), "{}", failed.error().message);
        let runs = RunFilter { workflow: Some("parent".into()), ..RunFilter::default() };
        assert_eq!(bench.host().list(&runs).iter().filter(|run| run.status == RunStatus::Failed).count(), 5);
    });
}

#[test]
fn a_child_started_by_a_run_under_way_is_the_version_that_is_newest_then() {
    on_each_engine(|bench| {
        register(bench, echo("other"));
        let hold = json!({ "id": "hold", "type": "wait_for_event", "event": "go" });
        let run = bench.start(
            json!({ "id": "parent", "steps": [hold, child(json!({ "workflow": "other" }))] }),
            json!({}),
        );
        let mut newer = echo("other");
        newer["version"] = json!("1.0.0");
        register(bench, newer);
        run.run.signal("go", json!(null)).expect("it is open");
        assert_eq!(output(run)["version"], "1.0.0");
        // and one that is gone by then fails the step
        let run = bench.start(
            json!({ "id": "parent", "steps": [
            { "id": "hold", "type": "wait_for_event", "event": "go" }, child(json!({ "workflow": "other" }))
        ] }),
            json!({}),
        );
        bench.host().unregister("other", None).expect("it is there");
        run.run.signal("go", json!(null)).expect("it is open");
        assert_eq!(&*run.finish().error().kind, "workflow.not_found");
    });
}
