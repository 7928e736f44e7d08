//! Tokens: who may do what, where, and until when.

use super::{Service, one_step, refuses, wait_until};
use jackfield::{Journal, json};
use std::os::unix::fs::PermissionsExt;

#[test]
fn from_the_first_token_on_everybody_needs_one_and_revoking_counts_at_once() {
    let service = Service::new();
    service.ask("GET", "/api/v1/runs", &[], "").ok();
    let token = service.token("ops", "admin", &[]);
    assert!(token.starts_with("jf_") && token.len() >= 46, "{token}");
    let refused = service.ask("GET", "/api/v1/runs", &[], "");
    assert!(refused.problem(401, "unauthorized").contains("jackfield token create"));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"jackfield\""));
    for path in ["/healthz", "/readyz"] {
        service.ask("GET", path, &[], "").ok();
    }
    service.is_well(&token);
    // only the hash is kept, for the owner only
    let file = service.bench.data_dir().join("tokens.json");
    let kept = std::fs::read_to_string(&file).expect("it is there");
    assert!(!kept.contains(&token) && !kept.contains(&token[3..20]), "{kept}");
    assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    let listed = service.bench.cli(&["token", "list", "--json"]).exits(0);
    assert!(!listed.stdout.contains(&token));
    assert_eq!(listed.json()["tokens"][0]["name"], "ops");

    let second = service.token("second", "read", &["--json"]);
    assert!(second.contains("\"scope\": \"read\"") && second.contains("\"token\": \"jf_"), "{second}");
    refuses(
        &service.bench,
        &["token", "create", "ops", "--scope", "read"],
        &["there is a token `ops` already"],
    );
    refuses(&service.bench, &["token", "create", "a b", "--scope", "read"], &["no name for a token"]);
    refuses(&service.bench, &["token", "create", "x", "--scope", "all"], &["read, run and admin"]);
    refuses(
        &service.bench,
        &["token", "create", "x", "--scope", "run", "--namespace", "../x"],
        &["no name of a namespace"],
    );
    refuses(&service.bench, &["token", "revoke", "none"], &["there is no token `none`"]);
    service.bench.cli(&["token", "revoke", "ops"]).exits(0).stdout.clear();
    assert!(service.get("/api/v1/runs", &token).problem(401, "unauthorized").contains("revoked"));
    let last = service.bench.cli(&["token", "revoke", "second"]).exits(0);
    assert!(last.stderr.contains("there is no token left"), "{}", last.stderr);
    assert_eq!(service.ask("GET", "/api/v1/runs", &[], "").status, 401, "the door does not open again");
    // the socket is its owner's as before
    service.bench.cli(&["runs", "list"]).exits(0).stdout.clear();
}

#[test]
fn a_token_does_what_its_scope_says_and_nothing_more() {
    let service = Service::new();
    service.register("w");
    let tokens = ["read", "run", "admin"].map(|scope| service.token(scope, scope, &[]));
    let document = json!({ "document": one_step("other").to_string() });
    let tries = [
        ("GET", "/api/v1/runs", json!({}), 0),
        ("GET", "/api/v1/stats", json!({}), 0),
        ("POST", "/api/v1/workflows/validate", document.clone(), 0),
        ("POST", "/api/v1/workflows/w/runs?wait=30s", json!({}), 1),
        ("POST", "/api/v1/runs?wait=30s", json!({ "document": document }), 1),
        ("POST", "/api/v1/runs/none/cancel", json!({}), 1),
        ("POST", "/api/v1/runs/none/signal", json!({ "name": "e" }), 1),
        ("POST", "/api/v1/schedules/none/trigger", json!({}), 1),
        ("GET", "/api/v1/runs/none/export", json!({}), 2),
        ("POST", "/api/v1/workflows", document.clone(), 2),
        ("POST", "/api/v1/runs/prune", json!({ "ended_before": "2020-01-01T00:00:00Z" }), 2),
        ("DELETE", "/api/v1/runs/none", json!({}), 2),
        ("DELETE", "/api/v1/workflows/none", json!({}), 2),
    ];
    for (method, path, body, needed) in tries {
        for (has, token) in tokens.iter().enumerate() {
            let bearer = format!("Bearer {token}");
            let answer = service.ask(method, path, &[("authorization", &bearer)], &body.to_string());
            if has < needed {
                let detail = answer.problem(403, "forbidden");
                assert!(detail.contains(["read", "run", "admin"][needed]), "{method} {path}: {detail}");
            } else {
                assert!(answer.status < 300 || answer.status == 404, "{method} {path} by {has}: {answer:?}");
            }
        }
    }
    let audit = service.audit();
    let has = |event: &str, token: &str, path: &str, status: u16| {
        audit.iter().any(|line| {
            line["event"] == event
                && line["token"] == token
                && line["path"] == path
                && line["status"] == status
        })
    };
    assert!(has("request", "admin", "/api/v1/workflows", 201), "{audit:#?}");
    assert!(has("refusal", "run", "/api/v1/workflows", 403), "{audit:#?}");
    assert!(audit.iter().any(|line| line["event"] == "token_created" && line["token"] == "run"));
    let text = serde_json::to_string(&audit).expect("JSON");
    assert!(tokens.iter().all(|token| !text.contains(token)), "a token is in the audit log");
}

#[test]
fn a_token_ends_when_it_was_said_to() {
    let service = Service::new();
    let token = service.token("short", "admin", &["--expires", "1s"]);
    wait_until(|| service.get("/api/v1/runs", &token).status == 401);
    assert!(
        service
            .get("/api/v1/runs", &token)
            .problem(401, "unauthorized")
            .contains("token `short` has expired")
    );
    let listed = service.bench.cli(&["token", "list"]).exits(0);
    assert!(listed.stdout.starts_with("short  admin  default  expired "), "{}", listed.stdout);
}

#[test]
fn namespaces_see_nothing_of_each_other_and_their_runs_go_on_after_a_restart() {
    let service = Service::new();
    let of = |name: &str| service.token(name, "admin", &["--namespace", name]);
    let (blue, red, default) = (of("blue"), of("red"), of("default"));
    let nap = json!({ "id": "nap", "steps": [{ "id": "a", "type": "wait_for_event", "event": "e" }] });
    service.post("/api/v1/workflows", &blue, &json!({ "document": nap.to_string() })).ok();
    service.post("/api/v1/workflows/nap/runs", &blue, &json!({ "run_id": "r" })).ok();
    for other in [&red, &default] {
        assert_eq!(service.get("/api/v1/workflows", other).ok().json()["workflows"], json!([]));
        assert_eq!(service.get("/api/v1/runs", other).ok().json()["runs"], json!([]));
        for path in
            ["/api/v1/runs/r", "/api/v1/runs/r/history", "/api/v1/runs/r/stream", "/api/v1/runs/r/export"]
        {
            service.get(path, other).problem(404, "not_found");
        }
        service.post("/api/v1/runs/r/cancel", other, &json!({})).problem(404, "not_found");
        service.post("/api/v1/workflows/nap/runs", other, &json!({})).problem(404, "not_found");
        service.delete("/api/v1/runs/r", other).problem(404, "not_found");
    }
    // the same names elsewhere are other things
    service.post("/api/v1/workflows", &red, &json!({ "document": one_step("nap").to_string() })).ok();
    service.post("/api/v1/workflows/nap/runs?wait=30s", &red, &json!({ "run_id": "r" })).ok();
    assert_eq!(service.get("/api/v1/runs/r", &red).ok().json()["status"], "completed");
    wait_until(|| service.get("/api/v1/runs/r", &blue).ok().json()["status"] == "waiting");
    assert!(service.bench.data_dir().join("namespaces/blue/journal.db").is_file());

    assert_eq!(service.terminate(), Some(0));
    let again = Service::on(service.bench.clone(), &["serve", "--listen", "127.0.0.1:0"]);
    // it is open from the start on, without any request
    let taken = Journal::open(&again.bench.data_dir().join("namespaces/blue/journal.db"));
    assert!(taken.is_err_and(|error| error.to_string().contains("in use")));
    again.post("/api/v1/runs/r/signal", &blue, &json!({ "name": "e" })).ok();
    wait_until(|| again.get("/api/v1/runs/r", &blue).ok().json()["status"] == "completed");
}
