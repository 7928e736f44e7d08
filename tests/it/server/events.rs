//! Events that are published over HTTP.

use super::{Service, wait_until};
use jackfield::{Value, json};

fn waiter(id: &str) -> Value {
    json!({ "id": id, "version": "1.0.0",
        "steps": [{ "id": "wait", "type": "wait_for_event", "event": "order" }],
        "output": "${steps.wait.output}" })
}

#[track_caller]
fn start(service: &Service, token: &str, document: &Value, run_id: &str) {
    let body = json!({ "document": { "document": document.to_string() }, "run_id": run_id });
    assert_eq!(service.post("/api/v1/runs", token, &body).status, 201);
}

#[track_caller]
fn output(service: &Service, token: &str, run_id: &str) -> Value {
    service.get(&format!("/api/v1/runs/{run_id}?wait=30s"), token).ok().json()["output"].clone()
}

fn publish(service: &Service, token: &str, body: &Value) -> super::Answer {
    service.post("/api/v1/events", token, body)
}

#[test]
fn an_event_reaches_every_run_and_schedule_that_waits_for_it_once_for_each_key() {
    let service = Service::new();
    let started = json!({ "id": "on_order", "version": "1.0.0", "schedule": { "on_event": "order" },
        "steps": [{ "id": "say", "type": "set", "variables": { "got": "${input}" } }],
        "variables": { "got": null }, "output": "${vars.got}" });
    let register = json!({ "document": started.to_string() });
    let registered = service.post("/api/v1/workflows", "", &register);
    assert_eq!(registered.status, 201, "{registered:?}");
    start(&service, "", &waiter("w"), "one");
    start(&service, "", &waiter("w"), "two");
    let event = json!({ "name": "order", "data": { "n": 7 }, "key": "o-7" });
    let told = publish(&service, "", &event).ok().json();
    assert_eq!(told["run_id"], "event-o-7");
    for run in ["one", "two"] {
        assert_eq!(output(&service, "", run), json!({ "n": 7 }), "{run}");
    }
    let of_schedule = || {
        let listed = service.get("/api/v1/runs?workflow=on_order", "").ok().json();
        listed["runs"].as_array().unwrap().clone()
    };
    wait_until(|| of_schedule().len() == 1);
    // the same once more, also after a restart, wakes nobody
    start(&service, "", &waiter("w"), "three");
    publish(&service, "", &event).ok();
    let bench = service.bench.clone();
    drop(service);
    let service = Service::on(bench, &["serve", "--listen", "127.0.0.1:0"]);
    publish(&service, "", &event).ok();
    let third = service.get("/api/v1/runs/three", "").ok().json();
    assert_eq!(third["status"], "waiting", "{third}");
    let other = json!({ "name": "order", "data": { "n": 8 }, "key": "o-7" });
    let refused = publish(&service, "", &other).problem(409, "conflict");
    assert!(refused.contains("event-o-7"), "{refused}");
    // without a key each is one of its own
    publish(&service, "", &json!({ "name": "order", "data": 9 })).ok();
    assert_eq!(output(&service, "", "three"), json!(9));
    let listed = service.get("/api/v1/runs?workflow=on_order", "").ok().json();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 2, "{listed}");
}

#[test]
fn publishing_needs_the_scope_run_and_stays_in_its_namespace() {
    let service = Service::new();
    let (mine, reader) = (service.token("mine", "run", &[]), service.token("reader", "read", &[]));
    let other = service.token("other", "run", &["--namespace", "team-b"]);
    start(&service, &mine, &waiter("w"), "here");
    start(&service, &other, &waiter("w"), "there");
    let event = json!({ "name": "order", "data": 1, "key": "k" });
    publish(&service, "", &event).problem(401, "unauthorized");
    publish(&service, &reader, &event).problem(403, "forbidden");
    publish(&service, &other, &event).ok();
    assert_eq!(output(&service, &other, "there"), json!(1));
    let here = service.get("/api/v1/runs/here", &mine).ok().json();
    assert_eq!(here["status"], "waiting", "{here}");
    publish(&service, &mine, &event).ok();
    assert_eq!(output(&service, &mine, "here"), json!(1));
    for bad in [json!({ "name": "" }), json!({ "name": "x", "key": "" }), json!({ "name": "x", "more": 1 })] {
        publish(&service, &mine, &bad).problem(400, "bad_request");
    }
    let name = "n".repeat(257);
    publish(&service, &mine, &json!({ "name": name })).problem(400, "bad_request");
}
