//! The command with runs that are kept: what a user does after a crash.

use super::wait_until;
use jackfield::{Value, json};
use jackfield_tests::Bench;
use std::process::{Child, Stdio};

/// A step, a wait for an approval, another step.
pub(super) fn approval(bench: &Bench) {
    let document = json!({ "id": "approval", "steps": [
        { "id": "before", "plugin": "echo", "method": "echo", "parameters": { "n": "${input.n}" } },
        { "id": "ask", "type": "wait_for_event", "event": "approved" },
        { "id": "after", "plugin": "echo", "method": "echo", "parameters": { "by": "${steps.ask.output.by}", "n": "${steps.before.output.n + 1}" } },
    ]});
    bench.write("approval.json", document.to_string());
}

/// Starts the command and leaves it running.
pub(super) fn start(bench: &Bench, arguments: &[&str]) -> Child {
    let mut command = bench.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the command starts")
}

pub(super) fn kill(mut child: Child) {
    child.kill().expect("it is there");
    child.wait().expect("it was killed");
}

pub(super) fn status_of(bench: &Bench, run_id: &str) -> Value {
    let shown = bench.cli(&["runs", "show", run_id, "--json"]);
    if shown.code == 0 { shown.json() } else { Value::Null }
}

#[test]
fn a_run_outlives_its_process_and_goes_on_where_it_stood() {
    let bench = Bench::new(&["echo"]);
    approval(&bench);
    let begin = ["run", "approval.json", "--durable", "--run-id", "r1", "--input", "{\"n\": 4}"];
    let first = start(&bench, &begin);
    // other processes can look while it runs
    wait_until(|| status_of(&bench, "r1")["steps"]["ask"]["status"] == "waiting");
    // what needs the journal for itself has to wait; what concerns runs is passed on to the process that has it
    let taken = bench.cli(&["db", "compact"]).exits(2);
    assert!(taken.stderr.contains(&format!("in use by process {}", first.id())), "{}", taken.stderr);
    let paused = bench.cli(&["runs", "pause", "r1"]).exits(0);
    assert!(paused.stderr.contains("run r1 was paused and is paused"), "{}", paused.stderr);
    bench.cli(&["runs", "resume", "r1"]).exits(0).stdout.clear();
    wait_until(|| status_of(&bench, "r1")["status"] == "waiting");
    kill(first);

    let listed = bench.cli(&["runs", "list", "--workflow", "approval", "--json"]).exits(0).json();
    assert_eq!(listed["runs"][0]["run_id"], "r1");
    // the file changes meanwhile: the run keeps what it began with
    bench.write("approval.json", json!({ "id": "approval", "version": "2.0.0", "steps": [{ "id": "x", "type": "log", "message": "" }] }).to_string());
    let sent = ["runs", "signal", "r1", "approved", "--data", "{\"by\": \"ann\"}"];
    let sent = bench.cli(&sent).exits(0);
    assert!(sent.stderr.contains("run r1 was signalled"), "{}", sent.stderr);
    let ended = bench.cli(&["runs", "wait", "r1", "--json"]).exits(0).json();
    assert_eq!(ended["output"], json!({ "by": "ann", "n": 5 }));
    assert_eq!((&ended["version"], &ended["steps"]["before"]["attempts"]), (&json!("0.0.0"), &json!(1)));
    let history = bench.cli(&["runs", "history", "r1", "--json"]).exits(0);
    let events: Vec<Value> =
        history.stdout.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect();
    let of = |step: &str| {
        events.iter().filter(|event| event["step"] == step && event["event"] == "step_completed").count()
    };
    assert_eq!((of("before"), of("ask"), of("after")), (1, 1, 1), "{events:#?}");
    assert!(bench.cli(&["db", "check"]).exits(0).stdout.contains("sound, 1 runs"));
}

#[test]
fn the_same_command_again_means_the_same_run_and_another_input_is_refused() {
    let bench = Bench::new(&["echo"]);
    bench.write(
        "one.json",
        json!({ "id": "one", "steps": [{ "id": "a", "plugin": "echo", "method": "echo", "parameters": { "got": "${input}" } }] }).to_string(),
    );
    let run = |input: &str| bench.cli(&["run", "one.json", "--durable", "--run-id", "r", "--input", input]);
    assert_eq!(run("{\"a\": 1}").exits(0).json(), json!({ "got": { "a": 1 } }));
    assert_eq!(run("{\"a\":1}").exits(0).json(), json!({ "got": { "a": 1 } }));
    let other = run("{\"a\": 2}").exits(2);
    assert!(other.stderr.contains("run `r` exists already and is completed"), "{}", other.stderr);
    assert_eq!(bench.cli(&["runs", "list", "--json"]).json()["runs"].as_array().map(Vec::len), Some(1));
}

#[test]
fn kept_runs_are_cancelled_deleted_and_pruned_and_missing_ones_are_said_to_be() {
    let bench = Bench::new(&["echo"]);
    let none = bench.cli(&["runs", "list"]).exits(2);
    assert!(none.stderr.contains("nothing was run with --durable there"), "{}", none.stderr);
    approval(&bench);
    let first =
        start(&bench, &["run", "approval.json", "--durable", "--run-id", "r1", "--input", "{\"n\": 4}"]);
    wait_until(|| status_of(&bench, "r1")["status"] == "waiting");
    kill(first);
    let open = bench.cli(&["runs", "delete", "r1"]).exits(2);
    assert!(open.stderr.contains("run `r1` has not ended"), "{}", open.stderr);
    let cancelled = bench.cli(&["runs", "cancel", "r1", "--reason", "not wanted"]).exits(0);
    assert!(cancelled.stderr.contains("run r1 is cancelled"), "{}", cancelled.stderr);
    assert_eq!(status_of(&bench, "r1")["error"]["message"], "not wanted");
    assert_eq!(bench.cli(&["runs", "wait", "r1"]).code, 1, "as `run` exits");
    let again = bench.cli(&["runs", "cancel", "r1"]).exits(2);
    assert!(again.stderr.contains("has ended already and is cancelled"), "{}", again.stderr);
    assert!(bench.cli(&["runs", "signal", "r1", "approved"]).exits(2).stderr.contains("cancelled"));
    let copy = bench.dir().join("copy.db");
    bench.cli(&["db", "backup", copy.to_str().expect("it is UTF-8")]).exits(0).stdout.clear();
    assert!(copy.is_file());
    bench.cli(&["runs", "prune", "--older-than", "1h"]).exits(0).stdout.clear();
    assert_eq!(status_of(&bench, "r1")["status"], "cancelled", "it ended just now");
    bench.cli(&["runs", "delete", "r1"]).exits(0).stdout.clear();
    let gone = bench.cli(&["runs", "show", "r1"]).exits(2);
    assert!(gone.stderr.contains("no run `r1`"), "{}", gone.stderr);
    bench.cli(&["db", "compact"]).exits(0).stdout.clear();
}

#[cfg(unix)]
#[test]
fn an_interrupt_puts_the_run_away_and_waiting_goes_on_with_it() {
    let bench = Bench::new(&["echo"]);
    bench.write(
        "nap.json",
        json!({ "id": "nap", "steps": [{ "id": "a", "type": "wait", "duration": "2s" }, { "id": "b", "plugin": "echo", "method": "echo", "parameters": { "x": 1 } }] }).to_string(),
    );
    let mut first = start(&bench, &["run", "nap.json", "--durable", "--run-id", "r"]);
    wait_until(|| status_of(&bench, "r")["status"] == "waiting");
    let pid = first.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill is there");
    assert!(sent.success());
    assert_eq!(first.wait().expect("it ends").code(), Some(130));
    assert_eq!(status_of(&bench, "r")["status"], "waiting", "it was not cancelled");
    assert_eq!(bench.cli(&["runs", "wait", "r"]).exits(0).json(), json!({ "x": 1 }));
}
