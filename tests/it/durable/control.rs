//! Kept runs that go back and on.

use super::command::{kill, start, status_of};
use super::wait_until;
use jackfield::{Value, json};
use jackfield_tests::Bench;

/// The records of a run.
pub(super) fn records(bench: &Bench, run_id: &str) -> Vec<Value> {
    let history = bench.cli(&["runs", "history", run_id, "--json"]).exits(0);
    history.stdout.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect()
}

/// How often `event` happened to `step`; to the run if that is empty.
pub(super) fn count(records: &[Value], step: &str, event: &str) -> usize {
    let is_it =
        |record: &&Value| record["step"].as_str().unwrap_or_default() == step && record["event"] == event;
    records.iter().filter(is_it).count()
}

/// A step that completes, one that reads a file, one behind it.
fn reading(bench: &Bench) {
    let read = json!({ "id": "read", "plugin": "json", "method": "load", "parameters": { "path": "in.json" }, "retry": { "max_attempts": 2, "delay": 1, "errors": ["json.not_found"] } });
    let document = json!({ "id": "reading", "steps": [
        { "id": "first", "plugin": "echo", "method": "echo", "parameters": { "n": "${input.n}" } },
        read,
        { "id": "last", "plugin": "echo", "method": "echo", "parameters": { "n": "${steps.first.output.n}", "read": "${steps.read.output}" } },
    ]});
    bench.write("reading.json", document.to_string());
}

fn begin(bench: &Bench, run_id: &str) -> i32 {
    bench.cli(&["run", "reading.json", "--durable", "--run-id", run_id, "--input", "{\"n\": 4}"]).code
}

#[test]
fn a_failed_run_goes_on_from_what_failed_and_keeps_what_had_completed() {
    let bench = Bench::new(&["echo", "json"]);
    reading(&bench);
    assert_eq!(begin(&bench, "r"), 1, "there is no file");
    let failed = records(&bench, "r");
    assert_eq!((count(&failed, "read", "attempt_failed"), count(&failed, "read", "step_failed")), (1, 1));
    // it fails once more, with all of its attempts
    let retried = bench.cli(&["runs", "retry", "r"]).exits(0);
    assert!(retried.stderr.contains("run r was retried and is"), "{}", retried.stderr);
    assert_eq!(bench.cli(&["runs", "wait", "r"]).code, 1);
    assert_eq!(status_of(&bench, "r")["steps"]["read"]["attempts"], 4);
    bench.write("in.json", "[1, 2]");
    bench.cli(&["runs", "retry", "r"]).exits(0).stdout.clear();
    let ended = bench.cli(&["runs", "wait", "r", "--json"]).exits(0).json();
    assert_eq!(ended["output"], json!({ "n": 4, "read": [1, 2] }));
    assert_eq!(
        (&ended["steps"]["first"]["attempts"], &ended["steps"]["read"]["attempts"]),
        (&json!(1), &json!(5))
    );
    assert_eq!(
        (&ended["completed_steps"], &ended["steps"]["last"]["status"]),
        (&json!(3), &json!("completed"))
    );
    // what has been stays as it was told, and that it was retried is told
    let all = records(&bench, "r");
    assert_eq!(all[..failed.len()], failed[..]);
    assert_eq!(
        (count(&all, "", "run_failed"), count(&all, "", "run_retried"), count(&all, "", "run_completed")),
        (2, 2, 1)
    );
    assert_eq!((count(&all, "first", "step_completed"), count(&all, "last", "step_completed")), (1, 1));
    let told = all.iter().find(|record| record["event"] == "run_retried").expect("it was counted");
    assert_eq!((&told["value"]["was"], &told["value"]["error"]["step"]), (&json!("failed"), &json!("read")));
    let again = bench.cli(&["runs", "retry", "r"]).exits(2);
    assert!(again.stderr.contains("run `r` has completed"), "{}", again.stderr);
}

#[test]
fn a_run_goes_back_to_a_step_that_is_named_and_does_it_and_all_that_follows_again() {
    let bench = Bench::new(&["echo", "json"]);
    reading(&bench);
    assert_eq!(begin(&bench, "r"), 1, "there is no file");
    let none = bench.cli(&["runs", "retry", "r", "--from", "last"]).exits(2);
    assert!(none.stderr.contains("run `r` never began a step `last`"), "{}", none.stderr);
    bench.write("in.json", "0");
    bench.cli(&["runs", "retry", "r", "--from", "first"]).exits(0).stdout.clear();
    let ended = bench.cli(&["runs", "wait", "r", "--json"]).exits(0).json();
    assert_eq!(ended["output"], json!({ "n": 4, "read": 0 }));
    assert_eq!(ended["steps"]["read"]["attempts"], 1, "what it failed with does not count any more");
    let all = records(&bench, "r");
    assert_eq!((count(&all, "first", "step_completed"), count(&all, "read", "step_completed")), (2, 1));
}

#[test]
fn a_retried_run_goes_on_after_a_crash_and_is_not_retried_twice() {
    let bench = Bench::new(&["echo", "json"]);
    let document = json!({ "id": "slow", "steps": [
        { "id": "first", "plugin": "echo", "method": "echo", "parameters": { "n": 1 } },
        { "id": "read", "plugin": "json", "method": "load", "parameters": { "path": "in.json" } },
        { "id": "ask", "type": "wait_for_event", "event": "go" },
        { "id": "last", "plugin": "echo", "method": "echo", "parameters": "${steps.read.output}" },
    ]});
    bench.write("slow.json", document.to_string());
    assert_eq!(bench.cli(&["run", "slow.json", "--durable", "--run-id", "r"]).code, 1);
    bench.write("in.json", "{\"x\": 1}");
    let served = start(&bench, &["serve"]);
    wait_until(|| std::os::unix::net::UnixStream::connect(bench.data_dir().join("jackfield.sock")).is_ok());
    bench.cli(&["runs", "retry", "r"]).exits(0).stdout.clear();
    let open = bench.cli(&["runs", "retry", "r"]).exits(2);
    assert!(open.stderr.contains("run `r` has not ended"), "{}", open.stderr);
    wait_until(|| status_of(&bench, "r")["steps"]["ask"]["status"] == "waiting");
    kill(served);
    let before = records(&bench, "r");
    bench.cli(&["runs", "signal", "r", "go"]).exits(0).stdout.clear();
    let ended = bench.cli(&["runs", "wait", "r", "--json"]).exits(0).json();
    assert_eq!((&ended["output"], &ended["steps"]["first"]["attempts"]), (&json!({ "x": 1 }), &json!(1)));
    let all = records(&bench, "r");
    assert_eq!(all[..before.len()], before[..]);
    let done = ["first", "read", "last"].map(|step| count(&all, step, "step_completed"));
    assert_eq!((done, count(&all, "", "run_retried")), ([1, 1, 1], 1));
}

#[test]
fn a_cancelled_run_goes_on_where_it_stood() {
    let bench = Bench::new(&["echo"]);
    super::command::approval(&bench);
    let first =
        start(&bench, &["run", "approval.json", "--durable", "--run-id", "r", "--input", "{\"n\": 4}"]);
    wait_until(|| status_of(&bench, "r")["status"] == "waiting");
    kill(first);
    bench.cli(&["runs", "cancel", "r"]).exits(0).stdout.clear();
    bench.cli(&["runs", "retry", "r"]).exits(0).stdout.clear();
    assert_eq!(status_of(&bench, "r")["status"], "waiting");
    bench.cli(&["runs", "signal", "r", "approved", "--data", "{\"by\": 1}"]).exits(0).stdout.clear();
    let ended = bench.cli(&["runs", "wait", "r", "--json"]).exits(0).json();
    assert_eq!(ended["output"], json!({ "by": 1, "n": 5 }));
    assert_eq!(count(&records(&bench, "r"), "before", "step_completed"), 1);
}

#[test]
fn a_run_does_not_go_on_from_what_has_been_undone() {
    let bench = Bench::new(&["echo", "json"]);
    let undo = json!({ "plugin": "echo", "method": "echo", "parameters": { "undone": true } });
    let document = json!({ "id": "saga", "rollback": "on_failure", "steps": [
        { "id": "look", "plugin": "echo", "method": "echo", "parameters": { "n": 1 } },
        { "id": "reserve", "plugin": "echo", "method": "echo", "parameters": { "n": 2 }, "compensate": undo },
        { "id": "read", "plugin": "json", "method": "load", "parameters": { "path": "in.json" } },
    ]});
    bench.write("saga.json", document.to_string());
    assert_eq!(bench.cli(&["run", "saga.json", "--durable", "--run-id", "r"]).code, 1);
    assert_eq!(status_of(&bench, "r")["steps"]["reserve"]["status"], "compensated");
    let refused = bench.cli(&["runs", "retry", "r"]).exits(2);
    assert!(refused.stderr.contains("step `reserve` of run `r` has been undone since"), "{}", refused.stderr);
    bench.write("in.json", "7");
    bench.cli(&["runs", "retry", "r", "--from", "reserve"]).exits(0).stdout.clear();
    let ended = bench.cli(&["runs", "wait", "r", "--json"]).exits(0).json();
    assert_eq!((&ended["output"], &ended["steps"]["reserve"]["status"]), (&json!(7), &json!("completed")));
    let all = records(&bench, "r");
    assert_eq!((count(&all, "look", "step_completed"), count(&all, "reserve", "step_completed")), (1, 2));
}

#[test]
fn a_fork_goes_on_from_a_step_with_another_input_and_leaves_the_first_run_alone() {
    let bench = Bench::new(&["echo", "json"]);
    let document = json!({ "id": "forked", "steps": [
        { "id": "first", "plugin": "echo", "method": "echo", "parameters": { "n": "${input.n}" } },
        { "id": "dice", "plugin": "echo", "method": "echo", "parameters": { "is": "${uuid()}" } },
        { "id": "last", "plugin": "echo", "method": "echo", "parameters": { "first": "${steps.first.output.n}", "input": "${input.n}", "dice": "${steps.dice.output.is}" } },
    ]});
    bench.write("forked.json", document.to_string());
    let begin = ["run", "forked.json", "--durable", "--run-id", "r", "--input", "{\"n\": 4}"];
    bench.cli(&begin).exits(0).stdout.clear();
    let (report, history) = (status_of(&bench, "r"), records(&bench, "r"));
    let fork = |at: &str, id: &str| {
        let arguments = ["runs", "fork", "r", "--at", at, "--input", "{\"n\": 5}", "--run-id", id];
        let forked = bench.cli(&arguments).exits(0);
        assert_eq!(forked.stdout, format!("{id}\n"));
        bench.cli(&["runs", "wait", id, "--json"]).exits(0).json()
    };
    let (late, early) = (fork("last", "late"), fork("dice", "early"));
    let dice = &report["output"]["dice"];
    assert_eq!(late["output"], json!({ "first": 4, "input": 5, "dice": dice }));
    assert_eq!((&early["output"]["first"], &early["output"]["input"]), (&json!(4), &json!(5)));
    assert_ne!(early["output"]["dice"], *dice, "what looks random is another run's own");
    assert_eq!(fork("first", "all")["output"]["first"], 5);
    let all = records(&bench, "late");
    let done = ["first", "dice", "last"].map(|step| count(&all, step, "step_completed"));
    assert_eq!((done, count(&all, "", "run_forked")), ([1, 1, 1], 1));
    let told = all.iter().find(|record| record["event"] == "run_forked").expect("it was counted");
    assert_eq!(told["value"], json!({ "run_id": "r", "at": "last" }));
    assert_eq!((status_of(&bench, "r"), records(&bench, "r")), (report, history));
    let taken = bench.cli(&["runs", "fork", "r", "--at", "last", "--run-id", "late"]).exits(2);
    assert!(taken.stderr.contains("run `late` exists already"), "{}", taken.stderr);
    let none = bench.cli(&["runs", "fork", "r", "--at", "lost"]).exits(2);
    assert!(none.stderr.contains("run `r` never began a step `lost`"), "{}", none.stderr);
}

#[test]
fn a_fork_of_a_run_that_goes_on_outlives_a_crash_and_both_go_their_ways() {
    let bench = Bench::new(&["echo"]);
    super::command::approval(&bench);
    let first =
        start(&bench, &["run", "approval.json", "--durable", "--run-id", "r", "--input", "{\"n\": 4}"]);
    wait_until(|| status_of(&bench, "r")["status"] == "waiting");
    let forked = bench.cli(&["runs", "fork", "r", "--at", "ask"]).exits(0);
    let id = forked.stdout.trim_end().to_owned();
    wait_until(|| status_of(&bench, &id)["status"] == "waiting");
    kill(first);
    // what the first run had done was not done again: it took just as long
    let took = |id: &str| {
        let all = records(&bench, id);
        let done = all.iter().find(|it| it["step"] == "before" && it["event"] == "step_completed");
        done.expect("it has completed")["duration_ms"].clone()
    };
    assert_eq!(took(&id), took("r"));
    for (id, by) in [(&*id, "ann"), ("r", "bob")] {
        let data = json!({ "by": by }).to_string();
        bench.cli(&["runs", "signal", id, "approved", "--data", &data]).exits(0).stdout.clear();
        let ended = bench.cli(&["runs", "wait", id, "--json"]).exits(0).json();
        assert_eq!(ended["output"], json!({ "by": by, "n": 5 }));
        assert_eq!(count(&records(&bench, id), "before", "step_completed"), 1);
    }
}
