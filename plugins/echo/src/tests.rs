//! Each method, called as a host calls it.

use super::*;
use jackfield_plugin_api::testing::TestCall;
use serde_json::json;

#[test]
fn noop_answers_null_and_refuses_parameters() {
    let call = TestCall::new();
    assert_eq!(call.call(exported_plugin(), "noop", &json!({})), Ok(json!(null)));
    let error = call.call(exported_plugin(), "noop", &json!({ "x": 1 })).unwrap_err();
    assert_eq!(error.kind(), "validation");
    assert!(!error.is_retryable());
}

#[test]
fn echo_returns_its_parameters_in_both_forms() {
    let parameters = json!({ "a": [1, 2.5, "x"], "b": null });
    for method in ["echo", "echo_async"] {
        assert_eq!(TestCall::new().call(exported_plugin(), method, &parameters), Ok(parameters.clone()));
    }
}

#[test]
fn sleep_waits_for_fractions_of_a_millisecond() {
    let started = Instant::now();
    TestCall::new().run(|ctx| sleep(ctx, Sleep { ms: 1.5 })).unwrap();
    assert!(started.elapsed() >= Duration::from_micros(1_500));
}

#[test]
fn sleep_ends_when_it_is_cancelled() {
    let call = TestCall::new();
    call.cancel();
    let error = call.run(|ctx| sleep(ctx, Sleep { ms: 1e9 })).unwrap_err();
    assert_eq!(error.kind(), "cancelled");
}

#[test]
fn sleep_refuses_durations_that_are_none() {
    for ms in [-1.0, 1e300] {
        let error = TestCall::new().run(|ctx| sleep(ctx, Sleep { ms })).unwrap_err();
        assert_eq!(error.kind(), "validation");
    }
}

#[test]
fn spin_computes_at_least_that_long() {
    let started = Instant::now();
    TestCall::new().run(|ctx| spin(ctx, Spin { us: 300.5 })).unwrap();
    assert!(started.elapsed() >= Duration::from_nanos(300_500));
}

#[test]
fn spin_refuses_durations_that_are_none() {
    for us in [-1.0, 1e300] {
        let error = TestCall::new().run(|ctx| spin(ctx, Spin { us })).unwrap_err();
        assert_eq!(error.kind(), "validation");
    }
}

#[test]
fn computing_stops_when_it_is_cancelled() {
    let call = TestCall::new();
    call.cancel();
    let error = call.run(|ctx| spin(ctx, Spin { us: 1e12 })).unwrap_err();
    assert_eq!(error.kind(), "cancelled");
}

#[test]
fn produce_counts_on_and_returns_exactly_so_many_bytes() {
    let produce = |parameters| TestCall::new().call(exported_plugin(), "produce", &parameters);
    for (bytes, count) in [(22, 0), (200, 8), (65_536, 99)] {
        let result = produce(json!({ "bytes": bytes, "count": count })).unwrap();
        assert_eq!(result["count"], count + 1);
        assert_eq!(result.to_string().len(), bytes);
    }
    assert_eq!(produce(json!({ "bytes": 22 })).unwrap(), json!({ "count": 1, "text": "x" }));
}

#[test]
fn produce_computes_before_it_answers() {
    let started = Instant::now();
    TestCall::new().call(exported_plugin(), "produce", &json!({ "bytes": 30, "us": 300 })).unwrap();
    assert!(started.elapsed() >= Duration::from_micros(300));
}

#[test]
fn produce_refuses_sizes_that_its_result_cannot_have() {
    for bytes in [0_u64, 20, 1 << 40] {
        let parameters = json!({ "bytes": bytes, "count": 1 });
        let error = TestCall::new().call(exported_plugin(), "produce", &parameters).unwrap_err();
        assert_eq!(error.kind(), "validation");
        assert!(error.message().contains(&format!("`bytes` is {bytes}, it can be 21 to")), "{error}");
    }
}

#[test]
fn fail_times_fails_so_often_and_then_succeeds() {
    let fail =
        |attempt| TestCall::new().attempt(attempt).call(exported_plugin(), "fail_times", &json!({ "n": 2 }));
    for attempt in 1..=2 {
        let error = fail(attempt).unwrap_err();
        assert_eq!(error.kind(), "echo.told_to_fail");
        assert!(error.is_retryable());
    }
    assert_eq!(fail(3), Ok(json!({ "attempts": 3 })));
}

#[test]
fn a_wrong_parameter_is_named_by_its_path() {
    let error = TestCall::new().call(exported_plugin(), "sleep", &json!({ "ms": "soon" })).unwrap_err();
    assert!(error.message().contains("`ms`"), "{error}");
}
