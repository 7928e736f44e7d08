//! The page as a process serves it, and what the API tells it about plugins and about what runs follow. The page itself is
//! driven in a browser by `tests/page`.

use super::command::kill;
use super::served::{ask, get, post, serving};
use jackfield::{Value, json};
use jackfield_tests::Bench;

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn parsed((head, body): (String, String)) -> Value {
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {head}\n{body}"))
}

#[test]
fn the_page_and_all_that_it_loads_come_from_the_binary_and_are_kept_by_browsers() {
    let bench = Bench::new(&[]);
    let served = serving(&bench);
    let (head, index) = get(&bench, "/");
    assert!(head.starts_with("HTTP/1.1 200") && index.starts_with("<!doctype html>"), "{head}");
    assert_eq!(header(&head, "cache-control"), Some("no-cache"));
    assert_eq!(
        get(&bench, "/ui/runs/r%2F1?tab=steps").1,
        index,
        "what a path names is for the page to find out"
    );
    // nothing inline, nothing from elsewhere
    assert!(!index.contains("<style") && !index.contains("style=") && !index.contains("//"), "{index}");
    assert!(!index.contains("<script>") && !index.contains(" on"), "{index}");

    let mut waiting: Vec<String> =
        index.split('"').filter(|it| it.starts_with("/page/")).map(str::to_owned).collect();
    let (mut seen, mut plain, mut packed) = (Vec::new(), 0, 0);
    while let Some(path) = waiting.pop() {
        if seen.contains(&path) {
            continue;
        }
        let (head, body) = get(&bench, &path);
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        let kind = header(&head, "content-type").unwrap_or_default();
        let expected = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(kind, expected, "{path}");
        assert_eq!(header(&head, "cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
        let tag = header(&head, "etag").expect("a tag");
        let again =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-None-Match: {tag}\r\n\r\n");
        assert!(ask(&bench, &again).0.starts_with("HTTP/1.1 304"), "{path}");
        plain += body.len();
        packed += packed_len(&bench, &path);
        let folder = path.rsplit_once('/').expect("a path").0.to_owned();
        for quoted in ["'./", "\"./"] {
            let named = body.split(quoted).skip(1).filter_map(|rest| rest.split(['\'', '"']).next());
            waiting.extend(named.filter(|it| it.ends_with(".js")).map(|it| format!("{folder}/{it}")));
        }
        seen.push(path);
    }
    assert!(
        seen.iter().any(|it| it.ends_with("/vendor/dagre.js")),
        "what is loaded later is found, too: {seen:?}"
    );
    // docs/page.md gives the size; a page that grows beyond this wants a reason
    assert!(packed < 105_000 && packed < plain / 2, "{packed} of {plain} bytes");

    let missing = get(&bench, "/page/0000000000000000/app.js");
    assert!(
        missing.0.starts_with("HTTP/1.1 404") && missing.1.contains("load the page again"),
        "{missing:?}"
    );
    assert!(get(&bench, "/page/x/..%2f..%2fCargo.toml").0.starts_with("HTTP/1.1 404"));
    kill(served);
}

/// Bytes of the body that whoever takes gzip is sent.
fn packed_len(bench: &Bench, path: &str) -> usize {
    let request = format!(
        "HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: br, gzip;q=0.8\r\n\r\n"
    );
    let (head, _) = ask(bench, &request);
    assert_eq!(header(&head, "content-encoding"), Some("gzip"), "{path}");
    header(&head, "content-length").and_then(|it| it.parse().ok()).expect("a length")
}

#[test]
fn plugins_are_told_with_schemas_workers_and_why_one_is_quarantined() {
    let bench = Bench::new(&["echo", "fault"]);
    let served = serving(&bench);
    let plugins = parsed(get(&bench, "/api/v1/plugins"));
    assert_eq!(plugins["plugins"][0]["name"], "echo");
    assert_eq!(plugins["problems"], json!([]));
    let echo = parsed(get(&bench, "/api/v1/plugins/echo"));
    assert_eq!(echo["versions"][0]["details"][1]["name"], "echo");
    let sleep =
        echo["versions"][0]["details"].as_array().and_then(|all| all.iter().find(|it| it["name"] == "sleep"));
    assert_eq!(sleep.expect("a method")["parameters"]["type"], "object");

    let step = |plugin: &str, method: &str| {
        let step = json!({ "id": "a", "plugin": plugin, "method": method, "isolation": "worker" });
        let document = json!({ "id": method, "steps": [step] }).to_string();
        let body = json!({ "document": { "document": document } }).to_string();
        parsed(post(&bench, "/api/v1/runs?wait=30s", &body))
    };
    assert_eq!(step("echo", "noop")["status"], "completed");
    let echo = parsed(get(&bench, "/api/v1/plugins/echo"));
    let workers = &echo["versions"][0]["workers"];
    assert_eq!((&workers["calls"], &workers["crashes"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&workers["workers"][0]["calls"], &workers["workers"][0]["phase"]),
        (&json!(1), &json!("ready"))
    );
    let pid = workers["workers"][0]["pid"].as_u64().expect("a process");
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists() || !cfg!(target_os = "linux"));
    assert_eq!(
        workers["workers"][0]["memory_bytes"].as_u64().is_some_and(|it| it > 100_000),
        cfg!(target_os = "linux")
    );

    let budget = workers["crash_budget"].as_u64().expect("a number");
    for _ in 0..=budget {
        assert_eq!(step("fault", "segfault")["error"]["type"], "plugin.crash");
    }
    let problem = &parsed(get(&bench, "/api/v1/plugins"))["problems"][0];
    assert_eq!((&problem["plugin"], &problem["code"]), (&json!("fault"), &json!("plugin.quarantined")));
    assert!(problem["message"].as_str().is_some_and(|it| it.contains("signal 11")), "{problem}");
    let fault = parsed(get(&bench, "/api/v1/plugins/fault"));
    assert_eq!(fault["problems"][0]["code"], "plugin.quarantined");

    let released = parsed(post(&bench, "/api/v1/plugins/fault/release", ""));
    assert_eq!(released, json!({ "released": ["fault 0.1.0"] }));
    assert_eq!(parsed(get(&bench, "/api/v1/plugins"))["problems"], json!([]));
    let again = post(&bench, "/api/v1/plugins/fault/release", "");
    assert!(again.0.starts_with("HTTP/1.1 409") && again.1.contains("not quarantined"), "{again:?}");
    assert!(get(&bench, "/api/v1/plugins/nothing").0.starts_with("HTTP/1.1 404"));
    kill(served);
}

#[test]
fn a_run_tells_what_it_follows_also_if_that_is_not_registered_and_the_process_was_killed() {
    let bench = Bench::new(&["echo"]);
    let served = serving(&bench);
    let document = |version: &str| {
        let inner = json!([{ "id": "b", "plugin": "echo", "method": "echo", "parameters": { "a": "${steps.a.output}" } }]);
        json!({ "id": "drawn", "version": version, "mode": "parallel", "steps": [
            { "id": "a", "plugin": "echo", "method": "noop" },
            { "id": "each", "type": "foreach", "items": [1], "dependencies": ["a"], "steps": inner },
        ] })
        .to_string()
    };
    let text = document("1.0.0");
    let start = json!({ "document": { "document": text }, "run_id": "r" }).to_string();
    post(&bench, "/api/v1/runs?wait=30s", &start);
    kill(served);
    let served = serving(&bench);
    let shown = parsed(get(&bench, "/api/v1/runs/r/document"));
    assert_eq!((&shown["workflow"], &shown["version"]), (&json!("drawn"), &json!("1.0.0")));
    assert_eq!(shown["document"], json!(text));
    let block = &shown["graph"]["blocks"][0];
    assert_eq!(block["nodes"][1]["blocks"][0]["nodes"][0]["what"], "echo.echo");
    assert_eq!(block["edges"], json!([{ "from": 0, "to": 1, "kind": "dependency" }]));
    assert!(get(&bench, "/api/v1/runs/none/document").0.starts_with("HTTP/1.1 404"));

    post(&bench, "/api/v1/workflows", &json!({ "document": text }).to_string());
    let graph = parsed(get(&bench, "/api/v1/workflows/drawn/graph?version=%3D1.0.0"));
    assert_eq!(graph, shown["graph"]);
    let faulty = text.replace("noop", "nothing");
    let drawn = parsed(post(&bench, "/api/v1/workflows/graph", &json!({ "document": faulty }).to_string()));
    assert_eq!(drawn["blocks"][0]["nodes"][0]["what"], "echo.nothing");

    // an input that does not fit says where
    let strict = json!({ "id": "strict", "input_schema": { "type": "object", "properties": { "n": { "maximum": 3 } } },
        "steps": [{ "id": "a", "type": "log", "message": "x" }] });
    post(&bench, "/api/v1/workflows", &json!({ "document": strict.to_string() }).to_string());
    let refused = parsed(post(&bench, "/api/v1/workflows/strict/runs", r#"{"input": {"n": 4}}"#));
    assert_eq!((&refused["code"], &refused["faults"][0]["pointer"]), (&json!("invalid_input"), &json!("/n")));
    kill(served);
}
