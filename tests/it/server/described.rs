//! What a server says of itself: the description of its API, and its counters.

use super::{Service, one_step};
use jackfield::{Value, json};
use std::collections::BTreeSet;

#[test]
fn the_description_has_every_route_with_its_types_and_needs_no_token() {
    let service = Service::new();
    let token = service.bench.cli(&["token", "create", "somebody", "--scope", "read"]).exits(0).stdout;
    assert!(!token.is_empty());
    service.ask("GET", "/metrics", &[], "").problem(401, "unauthorized");
    let described = service.ask("GET", "/openapi.json", &[], "").ok().json();
    assert_eq!(described["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{method} {path} is called {id}, as another is");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("default") && answers.len() > 1, "{id}: {answers:?}");
        }
    }
    assert!(ids.len() >= 38 && ids.contains("startWorkflow"), "{ids:?}");
    let report = &described["components"]["schemas"]["RunReport"]["properties"];
    assert_eq!(report["status"]["$ref"], "#/components/schemas/RunStatus", "{report}");
    let scope = &described["paths"]["/api/v1/runs/{id}/export"]["get"]["description"];
    assert!(scope.as_str().unwrap().contains("`admin`"), "{scope}");
    // everything that is referred to is there
    let mut wanted = Vec::new();
    references(&described, &mut wanted);
    for reference in wanted {
        let there = described.pointer(reference.trim_start_matches('#'));
        assert!(there.is_some(), "{reference} leads nowhere");
    }
}

fn references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, into));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, into)),
        _ => {}
    }
}

#[test]
fn the_counters_count_what_was_done() {
    let service = Service::new();
    let start =
        json!({ "document": { "document": one_step("hello").to_string() }, "input": { "n": 1 } }).to_string();
    for _ in 0..2 {
        assert_eq!(service.ask("POST", "/api/v1/runs?wait=30s", &[], &start).status, 201);
    }
    service.ask("GET", "/api/v1/runs/nobody", &[], "");
    let answer = service.ask("GET", "/metrics", &[], "").ok();
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{answer:?}");
    let text = answer.body;
    for line in [
        "jackfield_runs_started_total 2",
        "jackfield_runs_ended_total{status=\"completed\"} 2",
        "jackfield_runs_ended_total{status=\"failed\"} 0",
        "jackfield_steps_completed_total 2",
        "jackfield_threads_lost_total 0",
        "jackfield_queue_depth{queue=\"journal\"} 0",
        "jackfield_plugin_workers{plugin=\"echo\",version=",
        "jackfield_http_requests_total{method=\"POST\",route=\"/api/v1/runs\",status=\"201\"} 2",
        "jackfield_http_requests_total{method=\"GET\",route=\"/api/v1/runs/{id}\",status=\"404\"} 1",
        "jackfield_run_duration_seconds_count{status=\"completed\"} 2",
        "jackfield_run_duration_seconds_bucket{le=\"+Inf\",status=\"completed\"} 2",
        "jackfield_run_duration_seconds_count{status=\"failed\"} 0",
        "jackfield_attempt_duration_seconds_count{method=\"echo.echo\"} 2",
        "jackfield_journal_commit_duration_seconds_count ",
        "jackfield_http_request_duration_seconds_count{method=\"POST\",route=\"/api/v1/runs\"} 2",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    let times = service.ask("GET", "/api/v1/stats", &[], "").ok().json()["latencies"].clone();
    assert_eq!(
        (&times["runs"]["completed"]["count"], &times["attempts"]["echo.echo"]["count"]),
        (&json!(2), &json!(2))
    );
    let of_runs = |key: &str| times["runs"]["completed"][key].as_u64().expect("a number");
    assert!(of_runs("p50_us") <= of_runs("p99_us") && of_runs("p99_us") > 0, "{times}");
    assert!(times["journal"]["count"].as_u64() > Some(0), "{times}");
    // every name is documented
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/server.md")).unwrap();
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(guide.contains(&format!("`{name}")), "docs/server.md does not tell of {name}");
    }
}
