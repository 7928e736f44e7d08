//! Calls that need a place in a pool of the host: on a host that has it, and on one that does not.

use super::{PATIENCE, wait_until};
use jackfield::{Config, Engine, Host, RunOptions, RunStatus, Value, json};
use jackfield_tests::Bench;
use std::time::{Duration, Instant};

fn document(steps: Value) -> Value {
    json!({ "id": "w", "steps": steps })
}

fn call() -> Value {
    json!({ "id": "a", "plugin": "echo", "method": "echo", "parameters": { "v": 1 }, "pool": "gpu" })
}

/// What `text` says, with plugins in the process of the test.
fn configuration(text: &str) -> Config {
    let text = format!("{text}\n[isolation]\ndefault = \"in_process\"");
    Config::parse(&text).expect("the test writes a configuration")
}

/// A host on the journal of the bench, with what the configuration says.
fn host(bench: &Bench, config: &str) -> Host {
    let begin = Instant::now();
    loop {
        let config = configuration(config);
        let builder = Host::builder().config(config).data_dir(bench.data_dir()).engine(Engine::durable());
        match builder.plugin_path(bench.plugin_dir()).build() {
            Ok(host) => return host,
            // the one before may take a moment to let the journal go
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_call_waits_for_a_pool_that_the_host_does_not_have_until_one_has_it() {
    let bench = Bench::new(&["echo"]);
    let without = host(&bench, "");
    let workflow = without.parse(&document(json!([call()])).to_string()).expect("a warning is no fault");
    let warned: Vec<_> = workflow.warnings().iter().map(|it| (it.code.to_string(), &*it.pointer)).collect();
    assert_eq!(warned, [("JF0104".to_owned(), "/steps/0/pool")]);
    let run = without.start_with(&workflow, json!({}), RunOptions::id("r")).expect("it starts");
    let waits = |host: &Host| {
        let report = host.get("r").expect("it is there").report(10);
        let step = &report.steps["a"];
        let why =
            step.reason.as_deref() == Some("waits for a place in pool `gpu`, which this host does not have");
        why && step.status.to_string() == "waiting" && report.status == RunStatus::Waiting
    };
    wait_until(|| waits(&without));
    drop(run);
    without.shutdown();
    drop(without);
    let other = host(&bench, "[pools.cpu]\nlimit = 1");
    wait_until(|| waits(&other));
    other.shutdown();
    drop(other);
    let with = host(&bench, "[pools.gpu]\nlimit = 1");
    let checked = with.parse(&document(json!([call()])).to_string()).expect("it is right");
    assert!(checked.warnings().is_empty(), "{:?}", checked.warnings());
    let run = with.get("r").expect("it goes on");
    run.wait(Some(PATIENCE)).expect("it ends");
    let report = run.report(10);
    assert_eq!((report.status, report.steps["a"].attempts), (RunStatus::Completed, 1));
    with.shutdown();
}

#[test]
fn a_wait_beside_a_call_whose_pool_is_not_there_wins() {
    for engine in [Engine::memory(), Engine::durable()] {
        let bench = Bench::new(&["echo"]);
        let builder = Host::builder().config(configuration("")).data_dir(bench.data_dir());
        let builder = builder.plugin_path(bench.plugin_dir());
        let host = builder.engine(engine).build().expect("a host");
        let wait = json!({ "id": "t", "type": "wait", "duration": "50ms" });
        let race = json!({ "id": "r", "type": "race", "steps": [call(), wait] });
        let workflow = host.parse(&document(json!([race])).to_string()).expect("it is right");
        let run = host.start(&workflow, json!({})).expect("it starts");
        run.wait(Some(PATIENCE)).expect("it ends");
        let report = run.report(10);
        assert_eq!(report.status, RunStatus::Completed);
        assert_eq!(report.output.value()["winner"], "t");
        host.shutdown();
    }
}

#[test]
fn a_pool_without_a_place_or_a_name_is_refused() {
    let bench = Bench::new(&[]);
    for (name, limit, expected) in
        [("gpu", 0, "the limit of pool `gpu` is 0"), ("", 1, "a pool has an empty name")]
    {
        let built = Host::builder().data_dir(bench.data_dir()).pool(name, limit).build();
        let error = built.err().expect("it is refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
