//! Kept runs that are taken to other places, and followed from outside.

use super::command::{approval, kill, start, status_of};
use super::control::{count, records};
use super::wait_until;
use jackfield::json;
use jackfield_tests::Bench;

/// Leaves run `r` of the approval workflow waiting, with nobody working on it.
fn left_waiting(bench: &Bench) {
    approval(bench);
    let first =
        start(bench, &["run", "approval.json", "--durable", "--run-id", "r", "--input", "{\"n\": 4}"]);
    wait_until(|| status_of(bench, "r")["status"] == "waiting");
    kill(first);
}

fn import(bench: &Bench, file: &std::path::Path, more: &[&str]) -> jackfield_tests::CliOutput {
    let file = file.to_str().expect("it is UTF-8");
    bench.cli(&[&["runs", "import", file][..], more].concat())
}

#[test]
fn a_run_that_was_saved_goes_on_in_another_place_and_nothing_is_done_again() {
    let (here, there) = (Bench::new(&["echo"]), Bench::new(&["echo"]));
    left_waiting(&here);
    let saved = here.cli(&["runs", "export", "r", "r.jsonl"]).exits(0);
    assert!(saved.stderr.contains("run r, which is waiting, was written to r.jsonl"), "{}", saved.stderr);
    assert!(here.cli(&["runs", "export", "r", "r.jsonl"]).exits(2).stderr.contains("cannot write r.jsonl"));
    let file = here.dir().join("r.jsonl");
    let imported = import(&there, &file, &["--run-id", "copy"]).exits(0);
    assert!(imported.stderr.contains("run copy was imported and is waiting"), "{}", imported.stderr);
    // somebody works on it and is killed; then it goes on once more
    let served = start(&there, &["serve"]);
    wait_until(|| std::os::unix::net::UnixStream::connect(there.data_dir().join("jackfield.sock")).is_ok());
    let again = import(&there, &file, &["--run-id", "copy"]).exits(2);
    assert!(again.stderr.contains("run `copy` exists already and is waiting"), "{}", again.stderr);
    import(&there, &file, &[]).exits(0).stdout.clear();
    kill(served);
    for id in ["r", "copy"] {
        there.cli(&["runs", "signal", id, "approved", "--data", "{\"by\": \"ann\"}"]).exits(0).stdout.clear();
        let ended = there.cli(&["runs", "wait", id, "--json"]).exits(0).json();
        assert_eq!((&ended["output"], &ended["run_id"]), (&json!({ "by": "ann", "n": 5 }), &json!(id)));
    }
    let (old, new) = (records(&here, "r"), records(&there, "copy"));
    assert_eq!(new[..old.len()], old[..], "the history goes with it");
    assert_eq!(count(&new, "before", "step_completed"), 1);
    assert_eq!(status_of(&here, "r")["status"], "waiting");
}

#[test]
fn a_finished_run_is_imported_as_finished_with_its_long_values() {
    let (here, there) = (Bench::new(&["echo"]), Bench::new(&[]));
    let long = "x".repeat(100_000);
    here.write("one.json", json!({ "id": "one", "steps": [{ "id": "a", "plugin": "echo", "method": "echo", "parameters": { "long": long } }] }).to_string());
    here.cli(&["run", "one.json", "--durable", "--run-id", "r"]).exits(0).stdout.clear();
    here.cli(&["runs", "export", "r", "r.jsonl"]).exits(0).stdout.clear();
    // a run that has ended needs no plugins
    import(&there, &here.dir().join("r.jsonl"), &[]).exits(0).stdout.clear();
    assert_eq!(records(&there, "r"), records(&here, "r"));
    assert_eq!(status_of(&there, "r"), status_of(&here, "r"));
    let listed = |bench: &Bench| bench.cli(&["runs", "list", "--json"]).exits(0).json()["runs"].clone();
    assert_eq!(listed(&there), listed(&here));
    assert_eq!(listed(&there)[0]["status"], "completed");
}

#[test]
fn a_file_that_cannot_be_gone_on_with_is_refused_and_nothing_is_kept_of_it() {
    let (here, there) = (Bench::new(&["echo"]), Bench::new(&[]));
    left_waiting(&here);
    here.cli(&["runs", "export", "r", "r.jsonl"]).exits(0).stdout.clear();
    let missing = import(&there, &here.dir().join("r.jsonl"), &[]).exits(2);
    assert!(missing.stderr.contains("method `echo.echo` of version"), "{}", missing.stderr);
    let text = std::fs::read_to_string(here.dir().join("r.jsonl")).expect("it was written");
    let refused = |text: String, why: &str| {
        let file = here.write("wrong.jsonl", text);
        let refused = import(&here, &file, &["--run-id", "other"]).exits(2);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    };
    refused(text.replacen("approved", "approveD", 1), "it is not as its checksum says");
    refused(text[..text.len() / 2].to_owned(), "its last line, which is its checksum, is missing");
    refused(text.replacen("\"version\":1", "\"version\":9", 1), "the saved run has format 9");
    refused("{\"id\": \"approval\"}".to_owned(), "this is no saved run");
    for bench in [&here, &there] {
        let listed = bench.cli(&["runs", "list", "--json"]).exits(0).json();
        let ids = listed["runs"].as_array().expect("a list").iter().map(|run| run["run_id"].clone());
        assert!(ids.eq(std::iter::once(json!("r")).filter(|_| std::ptr::eq(bench, &here))), "{listed}");
    }
}

#[test]
fn a_run_is_watched_from_a_record_number_until_it_ends() {
    let bench = Bench::new(&["echo"]);
    left_waiting(&bench);
    let left = bench.cli(&["runs", "watch", "r", "--from", "1", "--json"]).exits(0);
    assert!(left.stderr.contains("run r is waiting, and no process works on it"), "{}", left.stderr);
    assert_eq!(left.stdout.lines().count(), records(&bench, "r").len() - 1);
    let served = start(&bench, &["serve"]);
    wait_until(|| std::os::unix::net::UnixStream::connect(bench.data_dir().join("jackfield.sock")).is_ok());
    let from = records(&bench, "r").len().to_string();
    let mut command = bench.command(&["runs", "watch", "r", "--from", &from, "--json"]);
    let watching = command.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    bench.cli(&["runs", "signal", "r", "approved", "--data", "{\"by\": 1}"]).exits(0).stdout.clear();
    let watched = watching.wait_with_output().expect("it ends with the run");
    assert_eq!(watched.status.code(), Some(0));
    let history = bench.cli(&["runs", "history", "r", "--from", &from, "--json"]).exits(0).stdout;
    assert_eq!(String::from_utf8(watched.stdout).expect("it is text"), history);
    assert!(history.lines().last().is_some_and(|last| last.contains("run_completed")), "{history}");
    kill(served);
}
