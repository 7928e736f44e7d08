//! Workflows in code: what document they become.

use super::*;
use crate::Workflow;
use crate::model::{Backoff, LogLevel, Tolerance};
use serde_json::json;

fn document(builder: &WorkflowBuilder) -> Value {
    serde_json::from_str(&builder.to_json()).unwrap()
}

fn step(step: Step) -> Value {
    step.into()
}

#[test]
fn the_fields_of_a_workflow_appear_under_their_names_in_the_format() {
    let built = Workflow::new("w")
        .version("1.2.0")
        .name("W")
        .description("d")
        .metadata(json!({ "team": 7 }))
        .mode(Mode::Parallel)
        .max_concurrency(4)
        .requires("csv", "^2")
        .input_schema(json!({ "type": "object" }))
        .variable("bad", json!([]))
        .default_timeout(Duration::from_secs(2))
        .default_retry(Retry::attempts(2))
        .default_critical(false)
        .retry_policy("net", Retry::attempts(4).delay(Duration::from_millis(500)))
        .step(Step::call("a", "csv", "load"))
        .output("${steps.a.output}")
        .timeout(Duration::from_secs(60))
        .rollback(Rollback::Never)
        .on_failure(Step::call("alert", "mail", "send"))
        .finally(Step::call("release", "locks", "release"))
        .cleanup_timeout(Duration::from_millis(1));
    let expected = json!({
        "id": "w", "version": "1.2.0", "name": "W", "description": "d", "metadata": { "team": 7 },
        "mode": "parallel", "max_concurrency": 4, "requires": { "csv": "^2" },
        "input_schema": { "type": "object" }, "variables": { "bad": [] },
        "defaults": { "timeout": 2000, "retry": { "max_attempts": 2 }, "critical": false },
        "retry_policies": { "net": { "max_attempts": 4, "delay": 500 } },
        "steps": [{ "id": "a", "plugin": "csv", "method": "load" }],
        "output": "${steps.a.output}", "timeout": 60000, "rollback": "never",
        "on_failure": [{ "id": "alert", "plugin": "mail", "method": "send" }],
        "finally": [{ "id": "release", "plugin": "locks", "method": "release" }],
        "cleanup_timeout": 1
    });
    assert_eq!(document(&built), expected);
}

#[test]
fn the_common_fields_of_a_step_appear_under_their_names_in_the_format() {
    let built = Step::call("b", "csv", "load")
        .name("B")
        .plugin_version("^1")
        .param("path", "x.csv")
        .param("header", true)
        .depends_on(["a", "z"])
        .trigger_rule(TriggerRule::Completed(2))
        .when("input.go")
        .timeout(Duration::from_millis(1500))
        .critical(false)
        .retry(
            Retry::attempts(5)
                .backoff(Backoff::Linear)
                .jitter(0.5)
                .multiplier(3.0)
                .max_delay(Duration::from_secs(9))
                .total_timeout(Duration::from_secs(60))
                .errors(["http.5*"])
                .when("error.attempts < 3"),
        )
        .catch(Catch::errors(["csv.*"]).bind("why").when("why.attempts > 1").output(json!({ "rows": [] })))
        .compensate(Compensate::call("csv", "drop").param("path", "x.csv").max_retries(1))
        .output("${result.rows}")
        .status("loading");
    let expected = json!({
        "id": "b", "plugin": "csv", "method": "load", "name": "B", "plugin_version": "^1",
        "parameters": { "path": "x.csv", "header": true }, "dependencies": ["a", "z"],
        "trigger_rule": { "completed": 2 }, "when": "input.go", "timeout": 1500, "critical": false,
        "retry": { "max_attempts": 5, "backoff": "linear", "jitter": 0.5, "multiplier": 3.0, "max_delay": 9000,
                   "total_timeout": 60000, "errors": ["http.5*"], "when": "error.attempts < 3" },
        "catch": [{ "errors": ["csv.*"], "as": "why", "when": "why.attempts > 1", "output": { "rows": [] } }],
        "compensate": { "plugin": "csv", "method": "drop", "parameters": { "path": "x.csv" }, "max_retries": 1 },
        "output": "${result.rows}", "status": "loading"
    });
    assert_eq!(step(built), expected);
}

#[test]
fn structured_steps_hold_their_bodies() {
    let inner = || Step::log("say", "hello");
    let foreach = Step::foreach("each", "input.files", Body::new().mode(Mode::Parallel).step(inner()))
        .bind("file", "n")
        .max_concurrency(0)
        .batch_size(2)
        .tolerated_failures(Tolerance::Percent(5.0))
        .while_true("n < 3");
    let expected = json!({
        "id": "each", "type": "foreach", "items": "input.files", "mode": "parallel",
        "steps": [{ "id": "say", "type": "log", "message": "hello" }],
        "as": "file", "index_as": "n", "max_concurrency": 0, "batch_size": 2, "tolerated_failures": "5%",
        "while": "n < 3"
    });
    assert_eq!(step(foreach), expected);

    let switch = Step::switch("pick").case("one", "input.n == 1", inner()).default_case(inner()).match_all();
    assert_eq!(step(switch)["cases"][0]["steps"][0]["id"], "say");

    let repeat = Step::repeat("again", inner()).until("iteration > 2").max_iterations(5);
    assert_eq!(step(repeat.delay(Duration::from_secs(1)))["delay"], 1000);

    let race = Step::race("first", [inner(), Step::wait("late", Duration::from_secs(3))]).winners(1);
    assert_eq!(step(race)["steps"][1], json!({ "id": "late", "type": "wait", "duration": 3000 }));
}

#[test]
fn small_step_types_have_their_fields() {
    assert_eq!(
        step(Step::set("s").variable("x", 1).variable("y", "${vars.x}")),
        json!({ "id": "s", "type": "set", "variables": { "x": 1, "y": "${vars.x}" } })
    );
    assert_eq!(
        step(Step::log("l", "m").level(LogLevel::Warn).data(json!({ "a": 1 }))),
        json!({ "id": "l", "type": "log", "message": "m", "level": "warn", "data": { "a": 1 } })
    );
    assert_eq!(
        step(Step::fail("f", "order.rejected", "no").details(json!([1]))),
        json!({ "id": "f", "type": "fail", "error": { "type": "order.rejected", "message": "no", "details": [1] } })
    );
    assert_eq!(
        step(Step::return_value("r", "${input}")),
        json!({ "id": "r", "type": "return", "value": "${input}" })
    );
    assert_eq!(
        step(Step::wait_until("w", "2026-01-01T00:00:00Z")),
        json!({ "id": "w", "type": "wait", "until": "2026-01-01T00:00:00Z" })
    );
}

#[test]
fn steps_that_reach_other_runs_have_their_fields() {
    assert_eq!(
        step(Step::wait_for_event("w", "paid").filter("event.data.ok")),
        json!({ "id": "w", "type": "wait_for_event", "event": "paid", "filter": "event.data.ok" })
    );
    assert_eq!(
        step(Step::receive("r", "inbox").max_messages(5)),
        json!({ "id": "r", "type": "receive", "queue": "inbox", "max_messages": 5 })
    );
    assert_eq!(
        step(Step::emit_event("e", "paid").to("${input.run}").data(json!({ "ok": true }))),
        json!({ "id": "e", "type": "emit", "event": "paid", "to": "${input.run}", "data": { "ok": true } })
    );
    let child = || Step::workflow("c", "other").workflow_version("^2").run_id("r").input(json!({ "a": 1 }));
    let fields = json!({ "id": "c", "type": "workflow", "workflow": "other", "version": "^2", "run_id": "r", "input": { "a": 1 },
        "detached": true, "on_parent_close": "abandon" });
    assert_eq!(step(child().detached().abandon_on_close()), fields);
    assert_eq!(step(child().cancel_on_close())["on_parent_close"], "cancel");
    assert_eq!(
        step(Step::continue_as_new("n", "${input}").workflow_version("^2")),
        json!({ "id": "n", "type": "continue_as_new", "input": "${input}", "version": "^2" })
    );
    assert_eq!(
        step(Step::emit_message("m", "inbox")),
        json!({ "id": "m", "type": "emit", "queue": "inbox" })
    );
}

#[test]
fn a_duration_is_written_exactly() {
    let timeout = |limit| step(Step::call("a", "p", "m").timeout(limit))["timeout"].clone();
    assert_eq!(timeout(Duration::from_secs(2)), 2000);
    assert_eq!(timeout(Duration::from_micros(1)), "1us");
    assert_eq!(timeout(Duration::from_micros(2_500)), "2ms500us");
    assert_eq!(step(Step::call("a", "p", "m").no_timeout())["timeout"], 0);
}
