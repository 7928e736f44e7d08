//! Methods as a host calls them, with real programs. tests/it/process.rs holds what needs a whole host.

use crate::exported_plugin;
use jackfield_plugin_api::testing::TestCall;
use jackfield_plugin_api::{Error, Stream};
use serde_json::{Value, json};
use std::time::Duration;

fn call(method: &str, parameters: Value) -> Result<Value, Error> {
    TestCall::new().call(exported_plugin(), method, &parameters)
}

#[test]
fn run_returns_what_a_program_printed() {
    let ended = call("run", json!({ "argv": ["printf", "a\nb"], "stdout": "lines" })).unwrap();
    assert_eq!(
        (&ended["stdout"], &ended["code"], &ended["outcome"]),
        (&json!(["a", "b"]), &json!(0), &json!("ok"))
    );
}

#[test]
fn an_exit_code_with_two_meanings_is_refused() {
    let codes = json!({ "ok": [0], "skip": [3], "retry": [3] });
    let error = call("run", json!({ "argv": ["true"], "exit_codes": codes })).unwrap_err();
    assert!(error.kind() == "validation" && error.message().contains("`retry` and in `skip`"), "{error}");
}

#[test]
fn a_mask_covers_secrets_that_are_parts_of_others() {
    let secrets = ["abc".to_owned(), "abcdef".to_owned(), String::new()];
    let mask = crate::masked::Mask::new(secrets.iter());
    assert_eq!(mask.over("x abcdef abc y".into()), "x *** *** y");
}

#[test]
fn lines_that_report_progress_are_no_output() {
    let script = "echo a; echo '{\"progress\": 0.4, \"message\": \"two of five\"}'; echo '{\"progress\": 2}'; \
        echo '{\"progress\": 0.5, \"more\": 1}'; echo b >&2; echo '{\"progress\": 1}' >&2";
    let test = TestCall::new();
    let parameters = json!({ "argv": [script], "shell": true });
    test.call(exported_plugin(), "stream", &parameters).unwrap();
    assert_eq!(test.progress(), [(0.4, "two of five".to_owned()), (1.0, String::new())]);
    let lines = |wanted: Stream| -> Vec<String> {
        test.output().into_iter().filter(|(from, _)| *from == wanted).map(|(_, line)| line).collect()
    };
    assert_eq!(lines(Stream::Stdout), ["a", "{\"progress\": 0.5, \"more\": 1}"]);
    assert_eq!(lines(Stream::Stderr), ["b", "{\"progress\": 1}"]);
    assert_eq!(test.heartbeats(), 4);
    let plain = TestCall::new();
    let parameters = json!({ "argv": ["echo", "{\"progress\": 1}"], "progress": false });
    plain.call(exported_plugin(), "stream", &parameters).unwrap();
    assert_eq!((plain.progress().len(), plain.output().len()), (0, 1));
}

#[test]
fn lengths_of_time_that_no_clock_can_count_are_long() {
    let far = u64::MAX;
    assert_eq!(crate::program::length(far), Duration::from_secs(315_360_000));
    let ended = call("run", json!({ "argv": ["true"], "timeout_ms": far, "grace_ms": far })).unwrap();
    assert_eq!(ended["code"], 0);
    let health = json!({ "every_ms": far, "timeout_ms": far, "start_ms": far });
    let asked = json!({ "argv": ["false"], "health": health, "timeout_ms": far, "request": 1 });
    assert_eq!(call("pool", asked).unwrap_err().kind(), "process.worker_died");
}

#[test]
fn a_log_is_a_file_and_nothing_else() {
    let error = call("stream", json!({ "argv": ["true"], "log": { "path": "/dev/null" } })).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), ("process.log", false));
}
