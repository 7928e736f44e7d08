//! Plugin directories that are watched while the host runs.
#![cfg(target_os = "linux")]

use jackfield::{PluginChanges, PluginVersion, json};
use jackfield_tests::{Bench, Counter};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const WAIT_MAX: Duration = Duration::from_secs(60);

/// A bench whose host watches, and what it is told.
fn watching(plugins: &[&str]) -> (Bench, Receiver<PluginChanges>) {
    let (tx, rx) = channel();
    let bench = Bench::with(plugins, move |builder| {
        builder.on_plugin_changes(move |changes| drop(tx.send(changes.clone())))
    });
    let _ = bench.host();
    (bench, rx)
}

fn names(list: &[PluginVersion]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// What is told until `enough`.
#[track_caller]
fn wait(told: &Receiver<PluginChanges>, enough: impl Fn(&PluginChanges) -> bool) -> PluginChanges {
    let end = Instant::now() + WAIT_MAX;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let changes = told.recv_timeout(left).expect("it is told");
        if enough(&changes) {
            return changes;
        }
    }
}

fn compiled(bench: &Bench, version: &str) -> Vec<u8> {
    let to = bench.dir().join("compiled.so");
    Counter::new("counter", version).compile(&to);
    fs::read(to).expect("it is as the test has made it")
}

fn document(range: &str) -> jackfield::Value {
    json!({ "id": "w", "steps": [
        { "id": "s", "plugin": "counter", "method": "next", "plugin_version": range }] })
}

/// Moves a whole file into place, as installers do.
fn put(bytes: &[u8], to: &Path) {
    let fresh = to.with_extension("part");
    fs::write(&fresh, bytes).expect("it is as the test has made it");
    fs::rename(fresh, to).expect("it is as the test has made it");
}

#[test]
fn a_new_file_is_picked_up_within_a_second_and_told() {
    let (bench, told) = watching(&[]);
    let bytes = compiled(&bench, "1.0.0");
    let begin = Instant::now();
    put(&bytes, &bench.plugin_file("counter"));
    let changes = wait(&told, |changes| !changes.added.is_empty());
    let took = begin.elapsed();
    assert_eq!(names(&changes.added), ["counter 1.0.0"]);
    // a deadline is timed at three times its bound
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(bench.run(document("*"), json!({})).completed().step_output("s"), "1.0.0:1");
    fs::remove_file(bench.plugin_file("counter")).unwrap();
    let changes = wait(&told, |changes| !changes.removed.is_empty());
    assert_eq!(names(&changes.removed), ["counter 1.0.0"]);
}

#[test]
fn a_file_that_is_being_written_is_left_alone_until_it_is_whole() {
    let (bench, told) = watching(&[]);
    let bytes = compiled(&bench, "1.0.0");
    let file = bench.plugin_file("counter");
    let mut writer = fs::File::create(&file).unwrap();
    for part in bytes.chunks(bytes.len() / 8 + 1) {
        writer.write_all(part).unwrap();
        writer.flush().unwrap();
        // longer than what counts as quiet: only its contents tell that the file is not whole
        std::thread::sleep(Duration::from_millis(300));
    }
    drop(writer);
    let changes = told.recv_timeout(WAIT_MAX).expect("it is told");
    assert_eq!(
        (names(&changes.added), changes.problems.len()),
        (vec!["counter 1.0.0".into()], 0),
        "{changes:?}"
    );

    // the same over a plugin that is there: it stays until the new one is whole
    let newer = compiled(&bench, "1.1.0");
    let mut writer = fs::File::create(&file).unwrap();
    for part in newer.chunks(newer.len() / 8 + 1) {
        writer.write_all(part).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let _ = bench.check(document("*"));
    }
    drop(writer);
    let changes = told.recv_timeout(WAIT_MAX).expect("it is told");
    let said = (names(&changes.added), names(&changes.removed), changes.problems.len());
    assert_eq!(said, (vec!["counter 1.1.0".into()], vec!["counter 1.0.0".into()], 0), "{changes:?}");
}

#[test]
fn a_file_that_nobody_finishes_becomes_a_problem() {
    let (bench, told) = watching(&[]);
    let bytes = compiled(&bench, "1.0.0");
    fs::write(bench.plugin_file("half"), &bytes[..bytes.len() / 2]).unwrap();
    put(&bytes, &bench.plugin_file("whole"));
    let changes = told.recv_timeout(WAIT_MAX).expect("it is told");
    assert_eq!(
        (names(&changes.added), changes.problems.len()),
        (vec!["counter 1.0.0".into()], 0),
        "{changes:?}"
    );
    let changes = wait(&told, |changes| !changes.problems.is_empty());
    assert_eq!(changes.problems[0].code, "plugin.truncated");
    fs::remove_file(bench.plugin_file("half")).unwrap();
    assert!(wait(&told, |changes| changes.problems.is_empty()).added.is_empty());
}

#[test]
fn after_an_upgrade_new_runs_have_the_new_code_and_running_ones_the_old_which_drains() {
    let (bench, told) = watching(&["echo"]);
    put(&compiled(&bench, "1.0.0"), &bench.plugin_file("counter"));
    wait(&told, |changes| !changes.added.is_empty());
    let loops = json!({ "id": "w", "steps": [
        { "id": "before", "plugin": "counter", "method": "next" },
        { "id": "wait", "plugin": "echo", "method": "sleep", "parameters": { "ms": 600_000 }, "timeout": "1h",
          "critical": false },
        { "id": "after", "plugin": "counter", "method": "next" } ],
        "finally": [{ "id": "last", "plugin": "counter", "method": "next" }] });
    let run = bench.start(&loops, json!({}));
    run.wait_for(|event| event.event == jackfield::EventKind::StepCompleted);
    put(&compiled(&bench, "1.1.0"), &bench.plugin_file("counter"));
    let changes = wait(&told, |changes| !changes.added.is_empty());
    assert_eq!(names(&changes.removed), ["counter 1.0.0"]);
    assert_eq!(names(&changes.draining), ["counter 1.0.0"]);
    assert_eq!(bench.run(document("*"), json!({})).completed().step_output("s"), "1.1.0:1");
    assert_eq!(names(&bench.host().draining_plugins()), ["counter 1.0.0"]);
    run.run.cancel(jackfield::CancelMode::Graceful, "go on to the end");
    let finished = run.finish();
    assert_eq!(finished.step_output("before"), "1.0.0:1");
    assert_eq!(finished.step_output("last"), "1.0.0:2", "the run keeps the code it began with");
    let changes = wait(&told, |changes| !changes.drained.is_empty());
    assert_eq!(names(&changes.drained), ["counter 1.0.0"]);
    assert!(bench.host().draining_plugins().is_empty());
}

#[test]
fn directories_that_come_later_and_what_others_install_are_noticed() {
    let (bench, told) = watching(&[]);
    let bytes = compiled(&bench, "1.0.0");
    fs::remove_dir(bench.plugin_dir()).unwrap();
    wait(&told, |changes| changes.problems.iter().any(|problem| problem.code == "plugin.not_found"));
    fs::create_dir(bench.plugin_dir()).unwrap();
    wait(&told, |changes| changes.problems.is_empty());
    put(&bytes, &bench.plugin_file("counter"));
    wait(&told, |changes| names(&changes.added) == ["counter 1.0.0"]);

    let file = bench.dir().join("newer.so");
    Counter::new("counter", "2.0.0").compile(&file);
    let _ = bench.cli(&["plugin", "add", file.to_str().unwrap()]).exits(0);
    wait(&told, |changes| names(&changes.added) == ["counter 2.0.0"]);
}

#[test]
fn a_configuration_can_ask_for_it() {
    let dir = Bench::new(&[]);
    let file = dir
        .write("jackfield.toml", "plugin_paths = ['plugins']\ndata_dir = 'other'\n[loader]\nwatch = true\n");
    let host = jackfield::Host::builder().config_file(file).threads(1).build().unwrap();
    put(&compiled(&dir, "1.0.0"), &dir.plugin_file("counter"));
    let begin = Instant::now();
    while host.plugins().is_empty() {
        assert!(begin.elapsed() < WAIT_MAX, "it is not picked up");
        std::thread::yield_now();
    }
    host.shutdown();
    host.shutdown();
}
