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
