//! Runs that begin later than they are started, by the facade, by the command and over HTTP.

use super::{PATIENCE, on_each_engine, wait_until};
use jackfield::{CancelMode, RunOptions, RunStatus, Value, json};
use jackfield_tests::Bench;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3_600);

fn greeting() -> Value {
    let step = json!({ "id": "say", "plugin": "echo", "method": "echo", "parameters": { "text": "hello" } });
    json!({ "id": "greeting", "steps": [step] })
}

#[test]
fn a_delayed_run_begins_at_its_time_and_one_that_is_cancelled_before_never_does() {
    on_each_engine(|bench| {
        let delayed = |id: &str, delay| RunOptions::id(id).delay(delay);
        let unwanted = bench.start_with(greeting(), json!({}), delayed("unwanted", HOUR));
        let report = unwanted.run.report(9);
        assert_eq!((report.status, report.delayed_until.is_some()), (RunStatus::Queued, true));
        unwanted.run.cancel(CancelMode::Graceful, "not wanted");
        let ended = unwanted.finish();
        assert_eq!((ended.status(), &*ended.error().message), (RunStatus::Cancelled, "not wanted"));
        assert!(ended.report.steps.is_empty(), "{:?}", ended.report.steps);

        let (begin, delay) = (Instant::now(), Duration::from_millis(100));
        let run = bench.start_with(greeting(), json!({}), delayed("wanted", delay)).run;
        let outcome = run.wait(Some(PATIENCE)).expect("it ends");
        assert_eq!(
            (outcome.status, outcome.output.value()),
            (RunStatus::Completed, &json!({ "text": "hello" }))
        );
        assert!(begin.elapsed() >= delay, "not before its time");
    });
}

#[test]
fn a_delayed_run_of_a_file_is_shown_listed_and_begun_by_whoever_works_on_it() {
    let bench = Bench::new(&["echo"]);
    bench.write("greeting.json", greeting().to_string());
    let refused = |arguments: &[&str]| bench.cli(arguments).exits(2).stderr;
    assert!(refused(&["run", "greeting.json", "--delay", "10s"]).contains("--durable"));
    let wrong = refused(&["run", "greeting.json", "--durable", "--delay", "soon"]);
    assert!(wrong.contains("--delay: `soon` is no length of time"), "{wrong}");
    assert!(
        refused(&["run", "greeting.json", "--durable", "--delay", "1s", "--dry-run"]).contains("--dry-run")
    );

    let run = bench.cli(&["run", "greeting.json", "--durable", "--delay", "50ms", "--run-id", "r"]).exits(0);
    assert_eq!(run.json(), json!({ "text": "hello" }));
    assert!(run.stderr.contains("queued: its start at 20"), "{}", run.stderr);

    bench.cli(&["workflow", "register", "greeting.json"]).exits(0).stdout.clear();
    let start = ["workflow", "start", "greeting", "--delay", "1h", "--run-id", "later"];
    assert_eq!(bench.cli(&start).exits(0).stdout, "later\n");
    let listed = bench.cli(&["runs", "list", "--status", "queued"]).exits(0).stdout;
    assert!(listed.starts_with("later  queued") && listed.contains("waits for its start at 20"), "{listed}");
    let lines = bench.cli(&["runs", "list", "--status", "queued", "--json"]).exits(0).json();
    let shown = bench.cli(&["runs", "show", "later", "--json"]).exits(0).json();
    assert_eq!(shown["delayed_until"], lines["runs"][0]["due_at"], "{shown}");
    assert!(shown["delayed_until"].is_string(), "{shown}");
    let text = bench.cli(&["runs", "show", "later"]).exits(0).stdout;
    assert!(text.contains("waits for its start at 20"), "{text}");
    bench.cli(&["runs", "pause", "later"]).exits(0).stdout.clear();
    assert_eq!(bench.cli(&["runs", "show", "later", "--json"]).json()["status"], "paused");
    bench.cli(&["runs", "resume", "later"]).exits(0).stdout.clear();
    let saved = bench.data_dir().join("later.json").display().to_string();
    bench.cli(&["runs", "export", "later", &saved]).exits(0).stdout.clear();
    bench.cli(&["runs", "cancel", "later"]).exits(0).stdout.clear();
    let history = bench.cli(&["runs", "history", "later"]).exits(0).stdout;
    assert!(!history.contains("say"), "{history}");
    bench.cli(&["runs", "delete", "later"]).exits(0).stdout.clear();
    // what was saved of it keeps its time
    bench.cli(&["runs", "import", &saved]).exits(0).stdout.clear();
    let again = bench.cli(&["runs", "show", "later", "--json"]).exits(0).json();
    assert_eq!((&again["delayed_until"], &again["status"]), (&shown["delayed_until"], &json!("queued")));
}

#[cfg(unix)]
#[test]
fn a_process_that_serves_begins_delayed_runs_by_itself() {
    use super::command::{kill, status_of};
    use super::served::{post, serving};
    let bench = Bench::new(&["echo"]);
    bench.write("greeting.json", greeting().to_string());
    bench.cli(&["workflow", "register", "greeting.json"]).exits(0).stdout.clear();
    // started while nobody serves
    let start = |id: &str, delay: &str| {
        bench
            .cli(&["workflow", "start", "greeting", "--delay", delay, "--run-id", id])
            .exits(0)
            .stdout
            .clear();
    };
    start("before", "1ms");
    let served = serving(&bench);
    start("by command", "1ms");
    let (head, body) =
        post(&bench, "/api/v1/workflows/greeting/runs", r#"{"run_id":"by http","delay":"1ms"}"#);
    assert!(head.starts_with("HTTP/1.1 201"), "{head} {body}");
    let later = r#"{"run_id":"later","delay":3600000}"#;
    let (_, body) = post(&bench, "/api/v1/workflows/greeting/runs", later);
    let report: Value = serde_json::from_str(&body).expect("it is JSON");
    assert_eq!((&report["status"], report["delayed_until"].is_string()), (&json!("queued"), true));
    let (head, body) = post(&bench, "/api/v1/workflows/greeting/runs", r#"{"delay":"soon"}"#);
    assert!(head.starts_with("HTTP/1.1 400") && body.contains("`delay` is"), "{head} {body}");
    for id in ["before", "by command", "by http"] {
        wait_until(|| status_of(&bench, id)["status"] == "completed");
    }
    assert_eq!(status_of(&bench, "later")["status"], "queued");
    kill(served);
}
