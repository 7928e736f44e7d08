//! Where a server listens, and what it wants before it does.

use super::{Answer, Service, ask_at, one_step, refuses, wait_until};
use jackfield::json;
use jackfield_tests::{Bench, workspace};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

#[test]
fn a_real_client_reaches_what_the_socket_reaches() {
    let service = Service::new();
    assert!(service.url.starts_with("http://127.0.0.1:") && !service.url.ends_with(":0"), "{}", service.url);
    let register = json!({ "document": one_step("hello").to_string() });
    assert_eq!(service.ask("POST", "/api/v1/workflows", &[], &register.to_string()).status, 201);
    let listed = service.bench.cli(&["workflow", "list", "--json"]).exits(0).json();
    assert_eq!(listed["workflows"][0]["id"], "hello");
    let start = json!({ "input": { "n": 1 }, "run_id": "r" }).to_string();
    let started = service.ask("POST", "/api/v1/workflows/hello/runs?wait=30s", &[], &start);
    assert_eq!((started.status, &started.json()["output"]), (201, &json!({ "got": { "n": 1 } })));
    for path in ["/healthz", "/readyz"] {
        service.ask("GET", path, &[], "").ok();
    }
    let answer = service.ask("GET", "/api/v1/runs", &[], "").ok();
    for (name, value) in [
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(service.terminate(), Some(0));
    let shown = service.bench.cli(&["runs", "show", "r", "--json"]).exits(0).json();
    assert_eq!(shown["status"], "completed");
}

#[test]
fn addresses_come_from_the_configuration_or_the_command_and_several_are_served() {
    let bench = Bench::new(&["echo"]);
    bench.write("jackfield.toml", "[server]\nlisten = [\"localhost:0\", \"127.0.0.1:0\"]\n");
    let service = Service::on(bench, &["serve"]);
    let said = service.said();
    let urls: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("listening on ")).collect();
    assert_eq!(urls.len(), 2, "{said}");
    for url in &urls {
        ask_at(url, "GET", "/healthz", &[], "").ok();
    }
    // the same address again is taken, and the second process leaves nothing behind
    let other = Bench::new(&["echo"]);
    let address = service.address().to_string();
    refuses(&other, &["serve", "--listen", &address], &["cannot listen on", &address]);
    assert!(!other.data_dir().join("jackfield.sock").exists());
}

#[test]
fn others_than_this_machine_are_served_with_a_token_and_tls_or_on_purpose_only() {
    let bench = Bench::new(&["echo"]);
    let outside = ["serve", "--listen", "0.0.0.0:0"];
    refuses(
        &bench,
        &outside,
        &["others than this machine can reach", "token create", "tls_cert", "allow_plaintext"],
    );
    bench.write("jackfield.toml", "[server]\nallow_plaintext = true\n");
    let lacks = refuses(&bench, &outside, &["it has no valid token"]);
    assert!(!lacks.stderr.contains("tls_cert"), "{}", lacks.stderr);
    let token = bench.cli(&["token", "create", "ops", "--scope", "admin"]).exits(0).stdout.trim().to_owned();
    let mut service = Service::on(bench, &outside);
    service.url = service.url.replace("0.0.0.0", "127.0.0.1");
    service.is_well(&token);
    assert_eq!(service.ask("GET", "/api/v1/runs", &[], "").status, 401);
    // what was enough at the start is asked of each request, too
    service.bench.cli(&["token", "revoke", "ops"]).exits(0).stdout.clear();
    assert_eq!(service.get("/api/v1/runs", &token).status, 401);
    std::fs::remove_file(service.bench.data_dir().join("tokens.json")).expect("it is there");
    assert_eq!(service.ask("GET", "/api/v1/runs", &[], "").status, 401);
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_with_its_remedy() {
    let bench = Bench::new(&["echo"]);
    let here = ["serve", "--listen", "127.0.0.1:0"];
    for (config, wanted) in [
        ("[server]\nlissen = []", "lissen"),
        ("[server.limits]\nstreams_max = 0", "`streams_max` of [server.limits] is 0"),
        ("[server.limits]\nbody_timeout = \"soon\"", "such as \"2s\""),
        ("[server]\ntls_cert = \"a.pem\"", "belong together"),
        ("[server]\nallowed_origins = [\"*\"]", "no origin as browsers write it"),
        ("[server]\nallowed_origins = [\"https://a.example/x\"]", "no origin as browsers write it"),
    ] {
        bench.write("jackfield.toml", config);
        refuses(&bench, &here, &[wanted]);
    }
    bench.write("jackfield.toml", "");
    refuses(&bench, &["serve", "--listen", "here"], &["`here` is no address to listen on", "127.0.0.1:7070"]);
}

#[test]
fn the_configuration_in_the_guide_has_every_key_and_serves() {
    let guide = workspace::read("docs/server.md");
    let block =
        guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of TOML");
    let source = workspace::read("host/jackfield/src/config/server.rs");
    let keys = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "))
        .map(|(key, _)| key);
    for key in keys.filter(|key| *key != "limits") {
        assert!(block.contains(&format!("{key} = ")), "{key} is not in the guide");
    }
    Service::with(block).is_well("");
}

#[test]
fn a_shutdown_ends_streams_and_waits_and_puts_runs_away() {
    let service = Service::new();
    let nap = json!({ "id": "nap", "steps": [{ "id": "a", "type": "wait_for_event", "event": "e" }] });
    service.bench.write("nap.json", nap.to_string());
    service.bench.cli(&["workflow", "register", "nap.json"]).exits(0).stdout.clear();
    service.bench.cli(&["workflow", "start", "nap", "--run-id", "r"]).exits(0).stdout.clear();
    wait_until(|| service.ask("GET", "/api/v1/runs/r", &[], "").json()["status"] == "waiting");
    let mut stream = service.connect();
    let host = service.address();
    let request = format!("GET /api/v1/runs/r/stream HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.any(|line| line.expect("text").contains("step_")), "it hears of the step");
    let begun = std::time::Instant::now();
    assert_eq!(service.terminate(), Some(0));
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "it did not wait for the stream");
    // the stream ended, with an end of its chunks
    assert!(lines.map_while(Result::ok).all(|line| !line.contains("event: end")));
    assert!(UnixStream::connect(service.bench.data_dir().join("jackfield.sock")).is_err());
    assert_eq!(service.bench.cli(&["runs", "show", "r", "--json"]).exits(0).json()["status"], "waiting");
}

#[test]
fn pages_of_other_sites_may_ask_only_if_the_configuration_says_so() {
    let service = Service::with("[server]\nallowed_origins = [\"https://ops.example.com\"]\n");
    let allowed = [("origin", "https://ops.example.com"), ("sec-fetch-site", "cross-site")];
    let heard = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    let answer = service.ask("GET", "/api/v1/runs", &allowed, "").ok();
    assert_eq!(heard(&answer).as_deref(), Some("https://ops.example.com"));
    let asks = [allowed[0], ("access-control-request-method", "POST")];
    let preflight = service.ask("OPTIONS", "/api/v1/runs", &asks, "");
    assert_eq!((preflight.status, heard(&preflight).is_some()), (204, true), "{preflight:?}");
    assert!(preflight.header("access-control-allow-headers").is_some_and(|it| it.contains("authorization")));
    let other = [("origin", "https://evil.example.com"), ("access-control-request-method", "POST")];
    let refused = service.ask("OPTIONS", "/api/v1/runs", &other, "");
    assert_eq!((refused.status, heard(&refused)), (403, None), "{refused:?}");
}
