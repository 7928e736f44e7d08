//! The examples of `docs/durable.md`, as they stand there, with processes that are killed in the middle.

use super::command::{kill, status_of};
use super::served::serving_with;
use super::wait_until;
use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput, workspace};
use std::fs;

/// A bench with the examples in its directory.
fn bench(plugins: &[&str]) -> Bench {
    let bench = Bench::new(plugins);
    for dir in ["examples/durable", "examples/workflows"] {
        fs::create_dir_all(bench.dir().join(dir)).expect("the bench can be written");
        for item in fs::read_dir(workspace::root().join(dir)).expect("the examples are there") {
            let path = item.expect("the directory can be read").path();
            let to = bench.dir().join(dir).join(path.file_name().expect("it is a file"));
            fs::copy(&path, to).expect("the bench can be written");
        }
    }
    // methods run where they are looked for without a program for workers
    bench.write(
        "jackfield.toml",
        "[isolation]\ndefault = 'in_process'\n[plugins.http]\nconfig = { allow_private = true }\n",
    );
    bench
}

fn does(bench: &Bench, arguments: &[&str]) -> CliOutput {
    bench.cli(arguments).exits(0)
}

fn register(bench: &Bench, names: &[&str]) {
    for name in names {
        let file = format!("examples/durable/{name}.json");
        assert!(does(bench, &["workflow", "register", &file]).stdout.starts_with("registered "));
    }
}

fn signal(bench: &Bench, run: &str, data: &Value) {
    let sent = does(bench, &["runs", "signal", run, "approval", "--data", &data.to_string()]);
    assert!(sent.stderr.contains("was signalled"), "{}", sent.stderr);
}

fn lines(bench: &Bench, file: &str) -> Vec<String> {
    let text = fs::read_to_string(bench.dir().join(file)).expect("somebody wrote it");
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn an_approval_waits_for_days_over_crashes_and_escalates() {
    let bench = bench(&["csv"]);
    let first = serving_with(&bench, &["serve"]);
    register(&bench, &["purchase-approval"]);
    let start = [
        "workflow",
        "start",
        "purchase_approval",
        "--run-id",
        "order-4711",
        "--set",
        "order=4711",
        "--set",
        "amount=950",
    ];
    assert_eq!(does(&bench, &start).stdout, "order-4711\n");
    wait_until(|| status_of(&bench, "order-4711")["steps"]["silence"]["status"] == "waiting");
    kill(first);
    assert_eq!(status_of(&bench, "order-4711")["custom_status"], json!({ "phase": "asking the manager" }));
    let second = serving_with(&bench, &["serve"]);
    signal(&bench, "order-4711", &json!({ "order": 1, "approved": true, "by": "eve" }));
    signal(&bench, "order-4711", &json!({ "order": 4711, "approved": true, "by": "ann" }));
    let ended = does(&bench, &["runs", "wait", "order-4711", "--json"]).json();
    assert_eq!(ended["output"], json!({ "approved": true, "by": "ann" }));
    assert_eq!(lines(&bench, "approvals.csv"), ["4711,manager,Approve 950 EUR?", "4711,supplier,Order"]);

    let start = [
        "workflow",
        "start",
        "purchase_approval",
        "--run-id",
        "order-2",
        "--set",
        "order=2",
        "--set",
        "amount=5",
        "--set",
        "patience=1s",
    ];
    does(&bench, &start).stdout.clear();
    wait_until(|| status_of(&bench, "order-2")["steps"]["silence"]["status"] == "waiting");
    kill(second);
    // time passes while nobody is there
    let third = serving_with(&bench, &["serve"]);
    wait_until(|| status_of(&bench, "order-2")["custom_status"]["phase"] == "asking the director");
    signal(&bench, "order-2", &json!({ "order": 2, "approved": false, "by": "bob" }));
    let ended = does(&bench, &["runs", "wait", "order-2", "--json"]).json();
    assert_eq!(ended["output"], json!({ "approved": false, "by": "bob" }));
    let of_two = ["2,manager,Approve 5 EUR?", "2,director,Approval overdue", "2,requester,Rejected"];
    assert_eq!(lines(&bench, "approvals.csv")[2..], of_two);
    kill(third);
}

#[test]
fn a_conversation_goes_on_after_a_crash_and_ends_when_somebody_says_so() {
    let bench = bench(&["echo"]);
    let first = serving_with(&bench, &["serve"]);
    register(&bench, &["chat-bot"]);
    does(&bench, &["workflow", "start", "chat_bot", "--run-id", "chat-1"]).stdout.clear();
    let say = |seq: u32, text: &str| {
        let message = json!({ "text": text, "seq": seq }).to_string();
        does(&bench, &["runs", "send", "chat-1", "inbox", "--data", &message]).stdout.clear();
    };
    say(1, "hello");
    say(2, "how are you?");
    let answered = |seq| status_of(&bench, "chat-1")["custom_status"]["seq"] == seq;
    wait_until(|| answered(2));
    kill(first);
    let second = serving_with(&bench, &["serve"]);
    say(3, "bye then");
    let ended = does(&bench, &["runs", "wait", "chat-1", "--json"]).json();
    assert_eq!((&ended["output"], &ended["generation"]), (&json!("Done after 3 msgs"), &json!(3)));
    assert_eq!(ended["custom_status"]["response"], "You said: bye then");
    kill(second);
}

#[test]
fn a_monitor_probes_by_runs_of_their_own_and_starts_one_that_heals() {
    let bench = bench(&["csv", "http"]);
    let served = serving_with(&bench, &["--config", "jackfield.toml", "serve"]);
    register(&bench, &["probe-host", "heal-hosts", "fleet-monitor"]);
    let triggered = does(&bench, &["schedule", "trigger", "fleet_monitor"]);
    let run = triggered.stdout.trim().to_owned();
    let ended = does(&bench, &["runs", "wait", &run, "--json"]).json();
    assert_eq!(ended["output"]["bad"], json!(["a", "b"]), "{ended:#}");
    let healing = ended["output"]["healed_by"].as_str().expect("it was started").to_owned();
    does(&bench, &["runs", "wait", &healing]).stdout.clear();
    assert_eq!(lines(&bench, "healed.csv"), ["a", "b"]);
    let next = does(&bench, &["schedule", "next", "fleet_monitor"]);
    assert!(
        next.stdout
            .lines()
            .all(|at| [":00:00", ":15:00", ":30:00", ":45:00"].iter().any(|it| at.contains(it)))
    );
    kill(served);
}

#[test]
fn a_saga_is_undone_newest_first() {
    let bench = bench(&["echo", "fault", "fs"]);
    let run =
        ["run", "examples/workflows/book-trip.json", "--durable", "--run-id", "trip", "--set", "trip=Vienna"];
    assert_eq!(bench.cli(&run).code, 1);
    let history = does(&bench, &["runs", "history", "trip", "--json"]);
    let records =
        history.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record a line"));
    let undone: Vec<_> =
        records.filter(|it| it["event"] == "step_compensated").map(|it| it["step"].clone()).collect();
    assert_eq!(undone, ["hotel", "flight"]);
    assert!(!bench.dir().join("target/examples/trip/flight.txt").exists());
}
