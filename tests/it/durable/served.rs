//! A process that serves: other commands find it by its socket, and say what they say without it.

use super::command::{approval, kill, start, status_of};
use super::wait_until;
use jackfield::{Value, json};
use jackfield_tests::Bench;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Child;

/// A process that serves the data directory of `bench`, with two versions of a workflow registered.
pub(super) fn serving(bench: &Bench) -> Child {
    serving_with(bench, &["serve"])
}

/// The same by a command of the test's own.
pub(super) fn serving_with(bench: &Bench, command: &[&str]) -> Child {
    let served = start(bench, command);
    wait_until(|| UnixStream::connect(bench.data_dir().join("jackfield.sock")).is_ok());
    served
}

fn greeting(version: &str, text: &str) -> String {
    let step = json!({ "id": "say", "plugin": "echo", "method": "echo", "parameters": { "text": text } });
    json!({ "id": "greeting", "version": version, "steps": [step] }).to_string()
}

/// One request as it goes over the wire; status line and headers, and the body.
pub(super) fn ask(bench: &Bench, request: &str) -> (String, String) {
    let mut stream = UnixStream::connect(bench.data_dir().join("jackfield.sock")).expect("somebody serves");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head.to_owned(), body.to_owned())
}

pub(super) fn get(bench: &Bench, path: &str) -> (String, String) {
    ask(bench, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

pub(super) fn post(bench: &Bench, path: &str, body: &str) -> (String, String) {
    let length = body.len();
    ask(
        bench,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    )
}

#[test]
fn commands_reach_the_process_that_serves_and_read_as_without_it() {
    let bench = Bench::new(&["echo"]);
    approval(&bench);
    let served = serving(&bench);
    let again = bench.cli(&["serve"]).exits(2);
    assert!(again.stderr.contains("another process owns the journal"), "{}", again.stderr);

    let registered = bench.cli(&["workflow", "register", "approval.json"]).exits(0);
    assert_eq!(registered.stdout, "registered approval 0.0.0\n");
    let started = bench.cli(&["workflow", "start", "approval", "--run-id", "r 1/ä", "--set", "n=4"]).exits(0);
    assert_eq!((started.stdout.as_str(), started.stderr.as_str()), ("r 1/ä\n", ""));
    wait_until(|| status_of(&bench, "r 1/ä")["status"] == "waiting");
    let none = bench.cli(&["runs", "signal", "r2", "approved"]).exits(2);
    assert!(none.stderr.contains("error: no run `r2`"), "{}", none.stderr);
    bench.cli(&["runs", "signal", "r 1/ä", "approved", "--data", "{\"by\": null}"]).exits(0).stdout.clear();
    let ended = bench.cli(&["runs", "wait", "r 1/ä", "--json"]).exits(0);
    assert_eq!(ended.json()["output"], json!({ "by": null, "n": 5 }));
    let listed = bench.cli(&["runs", "list", "--status", "completed", "-Q", "1/ä", "--json"]).exits(0).json();
    assert_eq!(listed["runs"][0]["run_id"], "r 1/ä");

    // the same from the journal, once nobody serves
    let shown = |what: &str| bench.cli(&["runs", what, "r 1/ä", "--json"]).exits(0).stdout;
    let (report, history) = (shown("show"), shown("history"));
    kill(served);
    assert_eq!((shown("show"), shown("history")), (report, history));
    bench.cli(&["runs", "delete", "r 1/ä"]).exits(0).stdout.clear();
}

#[test]
fn a_file_is_run_by_the_process_that_serves_and_its_faults_are_shown_here() {
    let bench = Bench::new(&["echo"]);
    let served = serving(&bench);
    bench.write("fine.json", greeting("1.0.0", "hello"));
    let run = bench.cli(&["run", "fine.json", "--durable", "--run-id", "r"]).exits(0);
    assert_eq!(run.json(), json!({ "text": "hello" }));
    assert!(run.stderr.contains("say: completed"), "{}", run.stderr);
    assert!(bench.cli(&["runs", "list"]).exits(0).stdout.starts_with("r  completed"));
    bench.write(
        "wrong.json",
        r#"{"id": "wrong", "steps": [{"id": "a", "plugin": "echo", "methud": "echo"}]}"#,
    );
    let wrong = bench.cli(&["run", "wrong.json", "--durable"]);
    let alone = bench.cli(&["validate", "wrong.json"]);
    assert_eq!(wrong.code, 1, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("wrong.json:1:") && wrong.stderr.contains("method"), "{}", wrong.stderr);
    assert!(alone.stderr.contains("wrong.json:1:") || alone.stdout.contains("wrong.json:1:"));
    bench.write(
        "failing.json",
        r#"{"id": "f", "steps": [{"id": "a", "type": "fail", "error": {"type": "own", "message": "no"}}]}"#,
    );
    assert_eq!(bench.cli(&["run", "failing.json", "--durable"]).code, 1);
    kill(served);
}

#[test]
fn workflows_are_kept_by_version_and_what_a_new_one_changes_is_said_before() {
    let bench = Bench::new(&["echo"]);
    bench.write("one.json", greeting("1.0.0", "hello"));
    bench.write("two.json", greeting("1.1.0", "good day"));
    bench.write("three.json", greeting("1.1.0", "good evening"));
    let dry = bench.cli(&["workflow", "register", "one.json", "--dry-run"]).exits(0);
    assert_eq!(dry.stdout, "would register greeting 1.0.0\n");
    assert!(bench.cli(&["workflow", "list"]).exits(2).stderr.contains("there is no journal"));
    bench.cli(&["workflow", "register", "one.json"]).exits(0).stdout.clear();
    let dry = bench.cli(&["workflow", "register", "two.json", "--dry-run"]).exits(0);
    let change = "  ~ steps.say.parameters.text: \"hello\" -> \"good day\"\n";
    assert_eq!(dry.stdout, format!("would register greeting 1.1.0; one change from 1.0.0\n{change}"));
    assert_eq!(
        bench.cli(&["workflow", "list", "--json"]).json()["workflows"].as_array().map(Vec::len),
        Some(1)
    );
    bench.cli(&["workflow", "register", "two.json"]).exits(0).stdout.clear();
    let same = bench.cli(&["workflow", "register", "two.json"]).exits(0);
    assert_eq!(same.stdout, "greeting 1.1.0 is registered already\n");
    for arguments in
        [&["workflow", "register", "three.json"][..], &["workflow", "register", "three.json", "--dry-run"]]
    {
        let other = bench.cli(arguments).exits(2);
        assert!(
            other.stderr.contains("version 1.1.0 is registered with another document"),
            "{}",
            other.stderr
        );
    }
    // runs take the newest, or what they are told
    let text = |arguments: &[&str]| {
        let id = bench.cli(arguments).exits(0).stdout.trim().to_owned();
        bench.cli(&["runs", "wait", &id]).exits(0).json()["text"].clone()
    };
    assert_eq!(text(&["workflow", "start", "greeting"]), "good day");
    assert_eq!(text(&["workflow", "start", "greeting", "--version", "=1.0.0"]), "hello");
    let shown = bench.cli(&["workflow", "show", "greeting", "--version", "<1.1"]).exits(0);
    assert_eq!(shown.json()["version"], "1.0.0");
    bench.cli(&["workflow", "remove", "greeting", "--version", "1.1.0"]).exits(0).stdout.clear();
    assert_eq!(text(&["workflow", "start", "greeting"]), "hello");
    let gone = bench.cli(&["workflow", "start", "greeting", "--version", "^2"]).exits(2);
    assert!(gone.stderr.contains("no version of workflow `greeting` that satisfies `^2`"), "{}", gone.stderr);
    bench.cli(&["workflow", "remove", "greeting", "--all"]).exits(0).stdout.clear();
    let gone = bench.cli(&["workflow", "start", "greeting"]).exits(2);
    assert!(gone.stderr.contains("no workflow `greeting` is registered"), "{}", gone.stderr);
}

#[test]
fn a_served_run_goes_on_by_itself_after_a_restart() {
    let bench = Bench::new(&["echo"]);
    bench.write(
        "nap.json",
        json!({ "id": "nap", "steps": [{ "id": "a", "type": "wait", "duration": "1s" }, { "id": "b", "plugin": "echo", "method": "echo", "parameters": { "x": 1 } }] }).to_string(),
    );
    let served = serving(&bench);
    bench.cli(&["workflow", "register", "nap.json"]).exits(0).stdout.clear();
    bench.cli(&["workflow", "start", "nap", "--run-id", "r"]).exits(0).stdout.clear();
    kill(served);
    let mut served = serving(&bench);
    wait_until(|| status_of(&bench, "r")["status"] == "completed");
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &served.id().to_string()])
        .status()
        .expect("kill is there");
    assert!(sent.success());
    assert_eq!(served.wait().expect("it ends").code(), Some(0));
    assert!(!bench.data_dir().join("jackfield.sock").exists(), "the socket was left behind");
}

#[test]
fn the_api_answers_with_problems_that_programs_can_read() {
    let bench = Bench::new(&["echo"]);
    let served = serving(&bench);
    let problem = |(head, body): (String, String)| -> Value {
        assert!(head.contains("application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        assert!(head.starts_with(&format!("HTTP/1.1 {}", problem["status"])), "{head} {problem}");
        problem
    };
    let missing = problem(get(&bench, "/api/v1/runs/none"));
    assert_eq!((&missing["code"], &missing["detail"]), (&json!("not_found"), &json!("no run `none`")));
    assert_eq!(problem(get(&bench, "/api/v1/nothing"))["code"], "not_found");
    assert_eq!(problem(post(&bench, "/api/v1/stats", ""))["code"], "method_not_allowed");
    let filter = problem(get(&bench, "/api/v1/runs?status=running,slow"));
    assert!(filter["detail"].as_str().expect("text").contains("slow"), "{filter}");
    assert_eq!(problem(get(&bench, "/api/v1/runs?colour=red"))["code"], "bad_request");
    assert_eq!(problem(get(&bench, "/api/v1/runs/x?wait=soon"))["code"], "bad_request");
    let typo = problem(post(&bench, "/api/v1/workflows/w/runs", r#"{"inputs": 1}"#));
    assert!(typo["detail"].as_str().expect("text").contains("inputs"), "{typo}");
    assert_eq!(problem(post(&bench, "/api/v1/workflows/w/runs", "{"))["code"], "bad_request");
    assert_eq!(problem(post(&bench, "/api/v1/workflows/w/runs", "{}"))["code"], "not_found");
    let document = json!({ "document": { "document": "{\"id\": 1}" } }).to_string();
    let invalid = problem(post(&bench, "/api/v1/runs", &document));
    assert_eq!((&invalid["status"], &invalid["code"]), (&json!(422), &json!("invalid_document")));
    let faults = invalid["diagnostics"].as_array().expect("a list");
    assert!(faults.iter().any(|fault| fault["pointer"] == "/id"), "{invalid}");
    assert!(get(&bench, "/healthz").0.starts_with("HTTP/1.1 200"));
    kill(served);
}

#[test]
fn records_come_as_they_are_made_and_go_on_where_a_client_left() {
    let bench = Bench::new(&["echo"]);
    approval(&bench);
    let served = serving(&bench);
    bench.cli(&["workflow", "register", "approval.json"]).exits(0).stdout.clear();
    bench.cli(&["workflow", "start", "approval", "--run-id", "r", "--set", "n=1"]).exits(0).stdout.clear();
    let listen = |last: &str| {
        let mut stream =
            UnixStream::connect(bench.data_dir().join("jackfield.sock")).expect("somebody serves");
        let request =
            format!("GET /api/v1/runs/r/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).expect("it is taken");
        BufReader::new(stream).lines().map(|line| line.expect("text"))
    };
    let mut lines = listen("");
    let until = |lines: &mut dyn Iterator<Item = String>, wanted: &str| -> Vec<String> {
        let mut seen = Vec::new();
        for line in lines {
            let is_last = line.contains(wanted);
            seen.extend(line.strip_prefix("id: ").map(str::to_owned));
            if is_last {
                return seen;
            }
        }
        panic!("it ended without {wanted}");
    };
    // it hears of the first step while the run waits
    let before = until(&mut lines, "step_completed").len();
    bench.cli(&["runs", "signal", "r", "approved", "--data", "{}"]).exits(0).stdout.clear();
    let after = until(&mut lines, "event: end");
    assert!(before > 0 && !after.is_empty());
    let rest = until(&mut listen("Last-Event-ID: 2\r\n"), "event: end");
    assert_eq!(rest[0], "3", "{rest:?}");
    kill(served);
}
