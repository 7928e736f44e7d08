//! Each misbehaviour, seen from outside.

use super::*;
use jackfield_plugin_api::testing::TestCall;
use serde_json::json;

#[test]
fn error_has_the_given_fields() {
    let parameters = json!({ "type": "a.b", "message": "m", "retryable": true });
    let error = TestCall::new().call(exported_plugin(), "error", &parameters).unwrap_err();
    assert_eq!((error.kind(), error.message(), error.is_retryable()), ("a.b", "m", true));
}

#[test]
fn a_panic_ends_at_the_border() {
    let error = TestCall::new().call(exported_plugin(), "panic", &json!({ "message": "boom" })).unwrap_err();
    assert_eq!((error.kind(), error.message()), ("plugin.panic", "boom"));
}

#[test]
fn hang_and_busy_loop_do_not_heed_cancellation() {
    for method in [hang, busy_loop] {
        let (call, started) = (TestCall::new(), Instant::now());
        call.cancel();
        call.run(|ctx| method(ctx, Bound { ms: Some(30) })).unwrap();
        assert!(started.elapsed() >= Duration::from_millis(30));
    }
}

#[test]
fn invalid_json_is_none() {
    let error = TestCall::new().call(exported_plugin(), "invalid_json", &json!({})).unwrap_err();
    assert_eq!(error.kind(), "validation");
}

#[test]
fn wrong_schema_returns_no_number() {
    let result = TestCall::new().call(exported_plugin(), "wrong_schema", &json!({})).unwrap();
    assert!(result.is_string());
}

#[test]
fn oversize_returns_exactly_as_many_bytes() {
    for bytes in [2, 3, 100_000] {
        let result = TestCall::new().run(|ctx| oversize(ctx, Oversize { bytes })).unwrap();
        assert_eq!(result.as_bytes().len(), bytes);
        assert!(result.parse::<String>().is_ok());
    }
}

#[test]
fn what_it_reaches_it_tells_and_what_not_too() {
    let call = |method: &str, parameters| TestCall::new().call(exported_plugin(), method, &parameters);
    assert!(
        call("read_file", json!({ "path": file!().replace("plugins/fault/", "") })).unwrap()["bytes"]
            .as_u64()
            > Some(500)
    );
    let error = call("read_file", json!({ "path": "/nowhere" })).unwrap_err();
    assert_eq!(error.kind(), "fault.read_file");
    assert!(error.message().starts_with("cannot read `/nowhere`: "), "{}", error.message());

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    assert_eq!(call("connect", json!({ "addr": addr })).unwrap(), json!({ "peer": addr }));
    drop(listener);
    assert_eq!(call("connect", json!({ "addr": addr })).unwrap_err().kind(), "fault.connect");

    assert_eq!(call("allocate", json!({ "bytes": 1000 })).unwrap(), json!(1000));
}

#[cfg(unix)]
#[test]
fn programs_are_run_and_what_they_print_is_returned() {
    let call = |argv: &[&str]| TestCall::new().call(exported_plugin(), "spawn", &json!({ "argv": argv }));
    assert_eq!(call(&["sh", "-c", "echo hello; exit 3"]).unwrap(), json!({ "code": 3, "stdout": "hello\n" }));
    assert!(
        call(&["/nowhere/program"]).unwrap_err().message().starts_with("cannot run `/nowhere/program`: ")
    );
}

#[test]
fn floods_and_leaks_are_as_large_as_was_asked_for() {
    let call = TestCall::new();
    let flooded = call.call(exported_plugin(), "flood_log", &json!({ "lines": 70, "chars": 3 })).unwrap();
    assert_eq!((flooded, call.logs().len()), (json!({ "lines": 70 }), 70));
    assert_eq!(call.logs()[69].message, "69 xxx");
    let leaked = TestCall::new().call(exported_plugin(), "leak_thread", &json!({ "count": 2 })).unwrap();
    assert_eq!(leaked, json!({ "count": 2 }));
}
