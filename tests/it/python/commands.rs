//! `jackfield python`, and the workflows in `examples/python`.

use super::{Lab, TOOLS, index, is_alive, lab, wait_until};
use jackfield::{CancelMode, RunStatus, Value, json};
use jackfield_tests::{Bench, CliOutput, workspace};
use std::io::Write;
use std::process::{Child, Stdio};

/// A bench whose configuration has the plugin; why not, if the machine lacks what it needs.
fn bench() -> Result<Bench, String> {
    let tools = TOOLS.as_ref().map_err(Clone::clone)?;
    let bench = Bench::new(&["python"]);
    let config = format!(
        "[isolation]\ndefault = \"in_process\"\n[plugins.python.config]\ndir = {:?}\nuv = {:?}\npython = {:?}\n",
        bench.dir().join("python"),
        tools.uv,
        tools.python
    );
    bench.write("jackfield.toml", config);
    Ok(bench)
}

/// A process that does not outlive its test.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // it may have ended
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the command with something on its standard input.
fn typed(bench: &Bench, arguments: &[&str], input: &str) -> CliOutput {
    let mut command = bench.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command was built");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it runs");
    CliOutput {
        code: output.status.code().unwrap_or(128),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn the_command_makes_environments_and_executes_code() {
    let bench = match bench() {
        Ok(bench) => bench,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let cli = |arguments: &[&str]| bench.cli(&[&["python"], arguments].concat());
    let made = cli(&["create", "work"]).exits(0);
    assert!(made.stdout.contains("work") && made.stdout.contains("made"), "{made:?}");
    assert!(cli(&["create", "work"]).exits(0).stdout.contains("was there"));
    assert!(cli(&["envs"]).exits(0).stdout.starts_with("work"));
    assert_eq!(cli(&["envs", "--json"]).exits(0).json()["environments"][0]["name"], "work");
    let done = cli(&["exec", "print('out')\n[1, 2]", "--env", "work"]).exits(0);
    assert_eq!(done.stdout, "out\n[1,2]\n");
    let failed = cli(&["exec", "1 / 0"]).exits(1);
    assert!(failed.stderr.contains("ZeroDivisionError: division by zero"), "{failed:?}");
    assert_eq!(cli(&["exec", "1 / 0", "--json"]).exits(1).json()["error"]["line"], 1);
    let slow = cli(&["exec", "while True: pass", "--timeout", "100ms"]).exits(1);
    assert!(slow.stderr.contains("interrupted"), "{slow:?}");
    let unknown = cli(&["exec", "1", "--env", "wrok"]).exits(1);
    assert!(
        unknown.stderr.contains("there is no environment `wrok`") && unknown.stderr.contains("work"),
        "{unknown:?}"
    );
    assert!(cli(&["sessions"]).exits(0).stderr.contains("no open sessions"));
    assert!(cli(&["packages", "work"]).exits(0).stdout.is_empty());
    assert!(cli(&["delete", "work"]).exits(0).stdout.contains("removed work"));
    assert_eq!(cli(&["delete", "work"]).code, 1);
    assert_eq!(cli(&["exec"]).code, 2);
}

#[test]
fn standard_input_is_one_code_or_one_statement_after_the_other() {
    let bench = match bench() {
        Ok(bench) => bench,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let whole = typed(&bench, &["python", "exec", "-"], "def f():\n\n    return 6\n\nf() * 7\n").exits(0);
    assert_eq!(whole.stdout, "42\n");
    let text = "x = 20\n\ndef f(n):\n    return n + 1\n\nf(x)\n1 / 0\nprint('still there')\nx";
    let typed = typed(&bench, &["python", "exec", "-", "--interactive"], text).exits(0);
    assert_eq!(typed.stdout, "21\nstill there\n20\n", "{typed:?}");
    assert!(typed.stderr.contains("ZeroDivisionError"), "{typed:?}");
}

#[test]
fn sessions_of_the_process_that_owns_the_journal_are_those_that_the_command_sees() {
    let bench = match bench() {
        Ok(bench) => bench,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let serve = bench.command(&["serve"]).stderr(Stdio::null()).spawn().expect("the command was built");
    let mut serve = Killed(serve);
    let open = || bench.cli(&["python", "exec", "x = 41", "--json"]);
    wait_until("it serves", || bench.cli(&["runs", "list", "--json"]).code == 0);
    assert_eq!(open().exits(0).json()["success"], true);
    let next = bench.cli(&["python", "exec", "x + 1"]).exits(0);
    assert_eq!(next.stdout, "42\n", "the session stayed between two commands");
    let listed = bench.cli(&["python", "sessions", "--json"]).exits(0).json();
    let pid = listed["sessions"][0]["pid"].as_u64().expect("it has an interpreter");
    assert!(is_alive(pid));
    assert_eq!(
        bench.cli(&["runs", "list", "--json"]).exits(0).json()["runs"],
        json!([]),
        "calls leave no runs behind"
    );
    serve.0.kill().expect("it runs");
    serve.0.wait().expect("it ran");
    wait_until("the session ended with it", || !is_alive(pid));
}

fn example(name: &str) -> String {
    let path = workspace::root().join("examples/python").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs an example with the data of the workspace.
fn run_example(lab: &Lab, name: &str, input: Value) -> Value {
    let text = example(name);
    let metadata: Value = serde_json::from_str(&text).expect("it is JSON");
    let finished =
        lab.bench.start(text, input).finish_within(std::time::Duration::from_secs(900)).completed();
    let expected = &metadata["metadata"]["output"];
    if !expected.is_null() {
        assert_eq!(finished.output(), expected, "{name}");
    }
    finished.output().clone()
}

#[test]
fn the_example_for_several_users_keeps_them_apart() {
    let lab = lab!("");
    run_example(&lab, "users.json", json!({}));
}

#[test]
fn the_example_of_query_workers_answers_from_three_sessions() {
    let lab = lab!("");
    let data = workspace::root().join("examples/data/seattle-weather.csv");
    run_example(&lab, "queries.json", json!({ "data": data }));
    assert_eq!(lab.ok("session_list", json!({}))["sessions"], json!([]), "they are closed at the end");
}

#[test]
fn the_example_of_a_long_job_tells_how_far_it_is_and_can_be_cancelled() {
    let lab = lab!("");
    run_example(&lab, "training.json", json!({}));
    let told = lab.heard.progress.lock().expect("nobody panics with it").clone();
    assert!(
        told.len() >= 20 && told.last().is_some_and(|(done, what)| *done == 1.0 && what == "epoch 20"),
        "{told:?}"
    );
    lab.heard.progress.lock().expect("nobody panics with it").clear();
    let started = lab.bench.start(example("training.json"), json!({ "epochs": 100_000, "pause_s": 0.05 }));
    wait_until("it has begun", || !lab.heard.progress.lock().expect("nobody panics with it").is_empty());
    started.run.cancel(CancelMode::Graceful, "the test does");
    assert_eq!(started.finish().status(), RunStatus::Cancelled);
    wait_until("the session has nothing to do", || {
        lab.ok("session_list", json!({}))["sessions"][0]["state"] == "idle"
    });
    assert_eq!(lab.exec("epochs")["result"], 100_000, "the session lives");
}

#[test]
#[ignore = "slow: installs the packages of the profile data-science"]
fn the_example_of_data_science_computes_draws_and_hands_rows_on() {
    if let Err(reason) = index() {
        eprintln!("skipped: there is no package index: {reason}");
        return;
    }
    let lab = match Lab::with(&["python", "csv", "table"], "") {
        Ok(lab) => lab,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let data = workspace::root().join("examples/data/seattle-weather.csv");
    let output =
        run_example(&lab, "weather.json", json!({ "data": data, "out_dir": lab.bench.dir().join("out") }));
    assert_eq!(output["months"].as_array().map(Vec::len), Some(12), "{output}");
    let warm: Vec<_> =
        output["warm"].as_array().expect("a list").iter().map(|it| it["month"].clone()).collect();
    assert_eq!(warm, ["06", "07", "08", "09"].map(Value::from), "{output}");
    let png = std::fs::read(output["figure"].as_str().expect("a path")).expect("it was drawn");
    assert!(png.starts_with(b"\x89PNG"));
    let saved = std::fs::read_to_string(lab.bench.dir().join("out/warm-months.csv")).expect("it was saved");
    assert_eq!(saved.lines().count(), 5, "{saved}");
}
