//! What an attacker tries. After each the server answers a good request as if nothing had been.

use super::{Answer, Service, one_step, refuses, rest, wait_until};
use jackfield::json;
use std::io::{Read, Write};

/// Limits that a test reaches soon.
const NARROW: &str = "[server.limits]
header_timeout = \"300ms\"
body_timeout = \"300ms\"
streams_per_client_max = 3
streams_max = 4
connections_per_address_max = 20
";

/// A request as bytes, closed behind its answer.
fn head(line: &str, more: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{more}\r\n")
}

#[test]
fn nothing_that_is_no_valid_token_lets_anybody_in() {
    let service = Service::with("[server.limits]\nrefusals_per_minute_max = 1000\n");
    let token = service.token("ops", "admin", &[]);
    let almost = format!("{}A", &token[..token.len() - 1]);
    let almost = if almost == token { format!("{}B", &token[..token.len() - 1]) } else { almost };
    let bad = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {almost}"),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {token}x"),
        format!("Bearer {}", &token[3..]),
        format!("Basic {token}"),
        token.clone(),
        format!("Bearer {}", "jf_".repeat(2_000)),
    ];
    for shown in &bad {
        for path in ["/api/v1/runs", "/api/v1/stats", "/api/v1/none", "/metrics", "/none"] {
            let answer = service.raw(&head(&format!("GET {path}"), &format!("Authorization: {shown}\r\n")));
            answer.problem(401, "unauthorized");
        }
    }
    let twice = format!("Authorization: Bearer {token}\r\nAuthorization: Bearer x\r\n");
    service.raw(&head("GET /api/v1/runs", &twice)).problem(400, "bad_request");
    let by_query = service.ask("GET", &format!("/api/v1/runs?token={token}"), &[], "");
    by_query.problem(401, "unauthorized");
    service.is_well(&token);
}

#[test]
fn guessing_is_slowed_down_and_fills_no_log() {
    let service = Service::with("[server.limits]\nrefusals_per_minute_max = 20\n");
    let token = service.token("ops", "admin", &[]);
    let guess = |ix: usize| service.get("/api/v1/runs", &format!("jf_{ix}"));
    let slow = (0..200).map(guess).filter(|answer| answer.status == 429).collect::<Vec<Answer>>();
    assert!(slow.len() > 150, "{}", slow.len());
    slow[0].problem(429, "too_many");
    let after: u64 = slow[0].header("retry-after").and_then(|it| it.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&after), "{after}");
    let signed = service.ask("POST", "/api/v1/session", &[], &json!({ "token": "jf_x" }).to_string());
    assert_eq!(signed.status, 429);
    assert!(service.audit().len() < 100, "{}", service.audit().len());
    service.is_well(&token);
}

#[test]
fn names_lead_nowhere_but_to_what_is_called_so() {
    let service = Service::new();
    let token = service.token("ops", "admin", &[]);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for path in [
        "/api/v1/runs/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/runs/%2e%2e",
        "/api/v1/runs/../../../tokens.json",
        "/api/v1/runs/./export",
        "/api/v1/workflows/..%5c..%5ctokens.json",
        "/api/v1/schedules/..%00",
        "/page/../tokens.json",
        "/page/..%2f..%2ftokens.json",
        "//etc/passwd",
        "/api/v1/../../tokens.json",
    ] {
        let answer = service.raw(&head(&format!("GET {path}"), &bearer));
        answer.problem(404, "not_found");
        assert!(!answer.body.contains("sha256") && !answer.body.contains("root:"), "{answer:?}");
    }
    service.register("w");
    for id in [".", ".."] {
        let start = json!({ "run_id": id });
        let refused = service.post("/api/v1/workflows/w/runs", &token, &start).problem(400, "bad_request");
        assert!(refused.contains("neither `.` nor `..`"), "{refused}");
        refuses(&service.bench, &["workflow", "start", "w", "--run-id", id], &["neither `.` nor `..`"]);
        let schedule = json!({ "workflow": "w", "id": id, "schedule": { "every": "1h" } });
        let refused = service.post("/api/v1/schedules", &token, &schedule).problem(400, "bad_request");
        assert!(refused.contains("neither `.` nor `..`"), "{refused}");
    }
    // what only looks like it is reached like everything else
    for id in ["...", "a/../b", "%2e%2e", "..\\x"] {
        service.post("/api/v1/workflows/w/runs?wait=30s", &token, &json!({ "run_id": id })).ok();
        let shown = service.bench.cli(&["runs", "show", id, "--json"]).exits(0).json();
        assert_eq!(shown["run_id"], id);
    }
    service.is_well(&token);
}

#[test]
fn huge_bodies_are_refused_before_they_are_read_and_slow_ones_are_given_up() {
    let service = Service::with(NARROW);
    let token = service.token("ops", "admin", &[]);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    // said to be huge: it is not waited for
    let huge = service.raw(&head("POST /api/v1/runs", &format!("{bearer}Content-Length: 10000000000\r\n")));
    assert!(huge.problem(413, "too_large").contains("bytes"), "{huge:?}");
    let huge = service.raw(&head("POST /api/v1/session", "Content-Length: 100000\r\n"));
    huge.problem(413, "too_large");
    // nobody reads the body of somebody who may not send one
    let refused = service.raw(&head("POST /api/v1/runs", "Content-Length: 10000000000\r\n"));
    refused.problem(401, "unauthorized");
    // without an end
    let mut stream = service.connect();
    let request = head("POST /api/v1/runs", &format!("{bearer}Transfer-Encoding: chunked\r\n"));
    stream.write_all(request.as_bytes()).expect("it is taken");
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    // it closes while it is written to
    let sent = (0..1_000).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count();
    assert!(sent < 1_000, "all was taken");
    // drop by drop, and never
    for body in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut stream = service.connect();
        stream
            .write_all(head("POST /api/v1/runs", &format!("{bearer}{body}")).as_bytes())
            .expect("it is taken");
        Answer::parse(&rest(&mut stream)).problem(408, "timeout");
    }
    service.is_well(&token);
}

#[test]
fn whoever_sends_headers_slowly_or_nothing_at_all_is_left() {
    let service = Service::with(NARROW);
    let mut slow: Vec<_> = (0..10).map(|_| service.connect()).collect();
    for (ix, stream) in slow.iter_mut().enumerate() {
        let sent = &"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nX-A: "[..ix * 5];
        stream.write_all(sent.as_bytes()).expect("it is taken");
    }
    for stream in &mut slow {
        assert_eq!(rest(stream), "", "it is closed without an answer");
    }
    service.is_well("");
}

#[test]
fn floods_of_headers_are_refused() {
    let service = Service::new();
    let flood = |count: usize| (0..count).map(|ix| format!("X-{ix}: 1\r\n")).collect::<String>();
    let answer = service.raw(&head("GET /api/v1/runs", &flood(150)));
    assert!(answer.problem(431, "headers_too_large").contains("at most 100"), "{answer:?}");
    let answer = service.raw(&head("GET /api/v1/runs", &format!("X: {}\r\n", "x".repeat(40_000))));
    assert!(answer.problem(431, "headers_too_large").contains("at most 32768"), "{answer:?}");
    let answer = service.raw(&head(&format!("GET /{}", "x".repeat(40_000)), ""));
    answer.problem(431, "headers_too_large");
    // far too much is not even read
    for request in [head("GET /", &flood(1_000)), head("GET /", &format!("X: {}\r\n", "x".repeat(100_000)))] {
        assert_eq!(service.raw(&request).status, 431);
    }
    let mut stream = service.connect();
    stream.write_all(b"GET / HTTP/1.1\r\n").expect("it is taken");
    let line = format!("X: {}\r\n", "x".repeat(8_000));
    let sent = (0..10_000).take_while(|_| stream.write_all(line.as_bytes()).is_ok()).count();
    assert!(sent < 10_000, "all was taken");
    service.is_well("");
}

#[test]
fn deep_json_is_refused_and_breaks_nothing() {
    let service = Service::new();
    service.register("w");
    for depth in [200, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let input = format!("{{\"input\": {deep}}}");
        let answer = service.ask("POST", "/api/v1/workflows/w/runs", &[], &input);
        assert!(matches!(answer.status, 400 | 422), "{answer:?}");
        let letter = format!("{{\"name\": \"e\", \"data\": {deep}}}");
        let answer = service.ask("POST", "/api/v1/runs/r/signal", &[], &letter);
        assert!(matches!(answer.status, 400 | 404), "{answer:?}");
        let answer = service.ask("POST", "/api/v1/runs", &[], &deep);
        answer.problem(400, "bad_request");
        let document = json!({ "document": { "document": deep } }).to_string();
        let answer = service.ask("POST", "/api/v1/runs", &[], &document);
        answer.problem(422, "invalid_document");
    }
    service.is_well("");
}

#[test]
fn nobody_takes_all_event_streams_or_connections() {
    let service = Service::with(NARROW);
    let wait = json!({ "id": "wait", "steps": [{ "id": "a", "type": "wait_for_event", "event": "e" }] });
    service.bench.write("wait.json", wait.to_string());
    service.bench.cli(&["workflow", "register", "wait.json"]).exits(0).stdout.clear();
    service.bench.cli(&["workflow", "start", "wait", "--run-id", "r"]).exits(0).stdout.clear();
    let tokens = ["one", "two"].map(|name| service.token(name, "admin", &[]));
    let open = |token: &str| {
        let mut stream = service.connect();
        let bearer = format!("Authorization: Bearer {token}\r\n");
        stream.write_all(head("GET /api/v1/runs/r/stream", &bearer).as_bytes()).expect("it is taken");
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).expect("an answer");
        (stream, String::from_utf8_lossy(&begin).into_owned())
    };
    let mut taken: Vec<_> = (0..3).map(|_| open(&tokens[0])).collect();
    assert!(taken.iter().all(|(_, begin)| begin == "HTTP/1.1 200"), "{taken:?}");
    let full = service.get("/api/v1/runs/r/stream", &tokens[0]);
    assert!(full.problem(429, "too_many").contains("3 event streams"), "{full:?}");
    assert_eq!(full.header("retry-after"), Some("5"));
    taken.push(open(&tokens[1]));
    assert_eq!(taken[3].1, "HTTP/1.1 200");
    service.get("/api/v1/runs/r/stream", &tokens[1]).problem(503, "unavailable");
    service.is_well(&tokens[0]);
    // a place is free again when somebody leaves
    taken.remove(0);
    wait_until(|| open(&tokens[0]).1 == "HTTP/1.1 200");
    // a stream ends with its token
    service.bench.cli(&["token", "revoke", "two"]).exits(0).stdout.clear();
    let (mut ended, _) = taken.pop().expect("it is the last");
    assert!(rest(&mut ended).contains("step_"), "the rest of what it was sent, then its end");

    let idle: Vec<_> = (0..30).map(|_| service.connect()).collect();
    let refused = service.raw(&head("GET /healthz", ""));
    refused.problem(503, "unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop((idle, taken));
    wait_until(|| service.connect_and_ask(&tokens[0]));
    service.is_well(&tokens[0]);
}

#[test]
fn whoever_takes_nothing_of_an_answer_is_left() {
    let service =
        Service::with("[server.limits]\nwrite_timeout = \"200ms\"\nconnections_per_address_max = 1\n");
    service.register("w");
    // more than the system holds for somebody who does not read
    let input = json!({ "text": "x".repeat(32 << 20) }).to_string();
    service.bench.write("input.json", &input);
    let start = ["workflow", "start", "w", "--run-id", "big", "--input", "@input.json"];
    service.bench.cli(&start).exits(0).stdout.clear();
    wait_until(|| {
        service.bench.cli(&["runs", "list", "--status", "completed", "-Q", "big"]).stdout.contains("big")
    });
    let mut slow = service.connect();
    slow.write_all(head("GET /api/v1/runs/big", "").as_bytes()).expect("it is taken");
    // it has the only place until it is left
    wait_until(|| service.ask("GET", "/healthz", &[], "").status == 200);
    assert!(rest(&mut slow).len() < input.len(), "it was sent everything");
}

#[test]
fn requests_that_come_too_fast_are_put_off() {
    let service = Service::with("[server.limits]\nrequests_per_second_max = 5\n");
    let answers: Vec<Answer> = (0..40).map(|_| service.ask("GET", "/api/v1/stats", &[], "")).collect();
    let late = answers.iter().find(|answer| answer.status == 429).expect("one is put off");
    assert!(late.problem(429, "too_many").contains("ask again later"));
    assert_eq!(late.header("retry-after"), Some("1"));
    wait_until(|| service.ask("GET", "/api/v1/stats", &[], "").status == 200);
}

#[test]
fn pages_of_other_sites_can_do_nothing_here() {
    let service = Service::new();
    service.register("w");
    let host = service.address().to_string();
    let own = format!("http://{host}");
    let start = json!({ "run_id": "crossed" }).to_string();
    let path = "/api/v1/workflows/w/runs";
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "https://evil.example"), ("content-type", "text/plain")],
        &[("origin", own.as_str()), ("sec-fetch-site", "cross-site")],
    ] {
        service.ask("POST", path, headers, &start).problem(403, "forbidden");
    }
    service.ask("GET", "/api/v1/runs", &[("sec-fetch-site", "cross-site")], "").problem(403, "forbidden");
    service.ask("GET", "/api/v1/runs/crossed", &[], "").problem(404, "not_found");
    // the page itself may
    service.ask("GET", "/api/v1/runs", &[("sec-fetch-site", "same-origin")], "").ok();
    service.ask("POST", &format!("{path}?wait=30s"), &[("origin", &own)], "{}").ok();
    service.is_well("");
}

#[test]
fn a_site_whose_name_is_turned_to_this_machine_stays_a_stranger() {
    let service = Service::with("[server]\nallowed_hosts = [\"jackfield.test\"]\n");
    let ask = |host: &str| {
        service.raw(&format!("GET /api/v1/runs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    for host in
        ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"]
    {
        assert!(ask(host).problem(403, "forbidden").contains("allowed_hosts"), "{host}");
    }
    for host in [
        "localhost",
        "LOCALHOST:7070",
        "127.0.0.1:1",
        "127.8.8.8",
        "[::1]:80",
        "jackfield.test",
        "a.localhost",
    ] {
        assert_eq!(ask(host).status, 200, "{host}");
    }
    for none in
        ["GET /api/v1/runs HTTP/1.1\r\nConnection: close\r\n\r\n", "GET /api/v1/runs HTTP/1.0\r\n\r\n"]
    {
        service.raw(none).problem(400, "bad_request");
    }
    service.raw(&head("GET /api/v1/runs", "Host: localhost\r\n")).problem(400, "bad_request");
    service.is_well("");
}

#[test]
fn a_cookie_works_for_the_page_and_for_no_other() {
    let service = Service::new();
    service.register("w");
    let token = service.token("ops", "admin", &[]);
    let wrong = service.ask("POST", "/api/v1/session", &[], &json!({ "token": "jf_x" }).to_string());
    wrong.problem(401, "unauthorized");
    let sign_in = json!({ "token": token }).to_string();
    service
        .ask("POST", "/api/v1/session", &[("sec-fetch-site", "cross-site")], &sign_in)
        .problem(403, "forbidden");
    let signed = service.ask("POST", "/api/v1/session", &[], &sign_in).ok();
    assert_eq!(signed.json(), json!({ "token": "ops", "scope": "admin", "namespace": "default" }));
    let set = signed.header("set-cookie").expect("a cookie").to_owned();
    assert!(set.contains("; HttpOnly; SameSite=Strict; ") && !set.contains(&token), "{set}");
    let cookie = set.split(';').next().expect("a pair").to_owned();
    let own = service.url.clone();
    let with = |more: (&'static str, &str), method: &str, path: &str| {
        let headers = [("cookie", cookie.as_str()), more];
        service.ask(method, path, &headers, "")
    };
    with(("x", "y"), "GET", "/api/v1/runs").ok();
    assert_eq!(with(("x", "y"), "GET", "/api/v1/session").ok().json()["token"], "ops");
    let path = "/api/v1/workflows/w/runs";
    with(("sec-fetch-site", "same-origin"), "POST", path).ok();
    with(("origin", &own), "POST", path).ok();
    with(("x", "y"), "POST", path).problem(403, "forbidden");
    with(("origin", "https://evil.example"), "POST", path).problem(403, "forbidden");
    with(("sec-fetch-site", "cross-site"), "GET", "/api/v1/runs").problem(403, "forbidden");
    with(("sec-fetch-site", "none"), "POST", path).problem(403, "forbidden");
    // it ends when it is ended, and with its token
    let other = service.ask("POST", "/api/v1/session", &[], &sign_in).ok();
    with(("sec-fetch-site", "same-origin"), "DELETE", "/api/v1/session").ok();
    with(("x", "y"), "GET", "/api/v1/runs").problem(401, "unauthorized");
    let other = other.header("set-cookie").and_then(|set| set.split(';').next()).expect("a pair").to_owned();
    let left = |service: &Service| service.ask("GET", "/api/v1/runs", &[("cookie", &other)], "").status;
    assert_eq!(left(&service), 200);
    service.bench.cli(&["token", "revoke", "ops"]).exits(0).stdout.clear();
    assert_eq!(left(&service), 401);
    let token = service.token("again", "admin", &[]);
    service.is_well(&token);
}

#[test]
fn methods_mean_what_they_say_only() {
    let service = Service::new();
    let token = service.token("reader", "read", &[]);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    service.register("w");
    let ask = |line: &str, more: &str| service.raw(&head(line, &format!("{bearer}{more}")));
    for line in [
        "DELETE /api/v1/workflows/w",
        "delete /api/v1/workflows/w",
        "PATCH /api/v1/runs",
        "TRACE /api/v1/runs",
    ] {
        ask(line, "").problem(403, "forbidden");
    }
    for over in
        ["X-HTTP-Method-Override: DELETE\r\n", "X-Method-Override: DELETE\r\n", "X-HTTP-Method: DELETE\r\n"]
    {
        assert_eq!(ask("GET /api/v1/workflows/w", over).status, 200, "{over}");
    }
    assert_eq!(ask("GET /api/v1/workflows/w?_method=DELETE", "").status, 400);
    assert_eq!(ask("HEAD /api/v1/runs/r/export", "").status, 403);
    // how long a request is, is said once
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    let twice = "Content-Length: 5\r\nContent-Length: 6\r\n";
    for more in [both, twice] {
        let mut stream = service.connect();
        let smuggled = format!(
            "{}0\r\n\r\nGET /api/v1/stats HTTP/1.1\r\nHost: x\r\n\r\n",
            head("POST /api/v1/runs", more)
        );
        stream.write_all(smuggled.as_bytes()).expect("it is taken");
        let answers = rest(&mut stream);
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    }
    let admin = service.token("ops", "admin", &[]);
    assert_eq!(service.get("/api/v1/workflows/w", &admin).status, 200, "it is still there");
    service
        .ask("PUT", "/api/v1/runs", &[("authorization", &format!("Bearer {admin}"))], "")
        .problem(405, "method_not_allowed");
    let document = json!({ "document": { "document": one_step("x").to_string() } });
    service.post("/api/v1/runs?wait=30s", &admin, &document).ok();
    service.is_well(&admin);
}
