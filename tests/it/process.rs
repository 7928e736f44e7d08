//! The plugin `process` on a whole host, against real programs. Processes are looked at by their numbers.

mod ends;
mod patterns;
mod pool;
mod run;
mod stream;

use jackfield::{Failure, Payload, RunStatus, Value, json};
use jackfield_tests::Bench;
use std::fs;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn bench() -> Bench {
    Bench::new(&["process"])
}

/// Calls a method as a run of its own.
fn call(bench: &Bench, method: &str, parameters: Value) -> Result<Value, Failure> {
    let run =
        bench.host().start_call("process", method, Payload::from(parameters)).expect("the parameters fit");
    let outcome = run.wait(Some(PATIENCE * 2)).expect("it ends");
    match outcome.error {
        None => {
            assert_eq!(outcome.status, RunStatus::Completed);
            Ok(outcome.output.value().clone())
        }
        Some(error) => Err(error),
    }
}

/// What keeps a failure apart from others.
fn kind(failed: &Result<Value, Failure>) -> &str {
    failed.as_ref().map_or_else(|failure| &*failure.kind, |output| panic!("it did not fail: {output}"))
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process runs: one that waits to be reaped does not.
fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}

/// The number that a program has written to a file, once it has.
fn pid_in(bench: &Bench, file: &str) -> u32 {
    let path = bench.dir().join(file);
    let read = || fs::read_to_string(&path).ok()?.strip_suffix('\n')?.parse::<u32>().ok();
    wait_until(file, || read().is_some());
    read().expect("it was there")
}

/// A script that writes its own number and that of a grandchild into files, and waits.
fn with_grandchild(before: &str) -> String {
    format!("{before} sh -c 'sleep 600 & echo $! > grandchild; wait' & echo $$ > child; wait")
}

/// A workflow of one step.
fn one_step(method: &str, parameters: Value) -> Value {
    json!({ "id": "one", "steps": [
        { "id": "it", "plugin": "process", "method": method, "parameters": parameters },
    ]})
}
