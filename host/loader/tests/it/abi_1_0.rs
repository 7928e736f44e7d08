//! The plugin that was written when ABI 1 came out, built on the plugin API of that day, is called in all its ways.

use crate::support::{Home, Listener, bind, build_locked, call, call_with, failure, start};
use jackfield_core::catalog::MethodKind;
use jackfield_core::ports::{Call, Methods, Outcome, Silent};
use jackfield_loader::Registry;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/abi-1.0/plugin");
    build_locked(&fixture, "abi-1-0")
});

fn registry() -> (Home, Registry) {
    let home = Home::new();
    home.put(&LIBRARY, "abi-1-0");
    let mut config = home.config();
    config.plugins.insert("abi-1-0".into(), json!({ "prefix": "> " }));
    let registry = Registry::open(config).expect("the data directory can be written");
    (home, registry)
}

/// Calls a method in the way of its kind.
fn perform(registry: &Registry, method: &str, call: Call) -> Outcome {
    let method = bind(registry, "abi-1-0", method);
    match method.kind() {
        MethodKind::Async => start(&method, call),
        _ => method.call(&call),
    }
}

#[test]
fn its_methods_are_known_with_kinds_flags_and_schemas() {
    let (_home, registry) = registry();
    registry.load(&["abi-1-0"]).unwrap();
    let plugin = registry.catalog().versions("abi-1-0")[0].clone();
    let methods: Vec<_> = plugin.methods.iter().map(|method| (&*method.name, method.kind)).collect();
    let (inline, blocking, later) = (MethodKind::Inline, MethodKind::Blocking, MethodKind::Async);
    let expected = [
        ("add", inline),
        ("nothing", inline),
        ("repeat", blocking),
        ("context", blocking),
        ("one_at_a_time", blocking),
        ("later", later),
        ("fail", blocking),
        ("fail_later", later),
        ("panic", inline),
        ("panic_later", later),
    ];
    assert_eq!(methods, expected);
    let add = plugin.method("add").unwrap();
    assert_eq!((&*add.description, add.pure), ("adds two numbers", true));
    assert_eq!(add.parameters.value()["required"], json!(["a", "b"]));
    assert_eq!(add.output.value()["properties"]["sum"]["type"], "integer");
    let context = plugin.method("context").unwrap();
    assert_eq!((context.idempotent, context.default_timeout), (true, Some(Duration::from_secs(90))));
    assert!(plugin.method("one_at_a_time").unwrap().serial);
}

#[test]
fn its_results_arrive() {
    let (_home, registry) = registry();
    let result =
        |method, parameters| perform(&registry, method, call(parameters)).unwrap().as_str().to_owned();
    assert_eq!(result("add", r#"{"a":40,"b":2}"#), r#"{"sum":42}"#);
    assert_eq!(result("nothing", "{}"), "null");
    assert_eq!(result("repeat", r#"{"text":"ab","times":2}"#), r#""> abab""#);
    let long = result("repeat", r#"{"text":"0123456789","times":10000}"#);
    assert_eq!(long.len(), 100_004);
    assert_eq!(result("one_at_a_time", "{}"), "1");
    assert_eq!(result("later", r#"{"any":[1]}"#), r#"{"any":[1]}"#);
}

#[test]
fn its_context_tells_and_is_heard() {
    let (_home, registry) = registry();
    let listener = Arc::new(Listener::default());
    let mut call = call_with("{}", "a[1].b", listener.clone());
    call.attempt = 3;
    call.session = "s".into();
    call.timeout = Some(Duration::from_secs(60));
    call.deadline = Some(Instant::now() + Duration::from_secs(60));
    call.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    let seen = perform(&registry, "context", call).unwrap().value().clone();
    let left = seen["timeout_ms"].as_u64().expect("there is a limit");
    assert!((1..=60_000).contains(&left), "{left}");
    let expected = json!({
        "run_id": "run", "step": "a[1].b", "key": "run/a[1].b", "attempt": 3, "session": "s",
        "timeout_ms": left, "has_time_left": true, "is_cancelled": true,
    });
    assert_eq!(seen, expected);
    let said = listener.0.lock().unwrap().clone();
    assert_eq!(said, ["Info seen {\"sum\":1}", "0.25 a quarter", "stderr=false a line"]);
}

#[test]
fn its_failures_keep_type_message_and_details() {
    let (_home, registry) = registry();
    for retryable in [true, false] {
        let parameters = format!("{{\"retryable\":{retryable}}}");
        let error = failure(perform(&registry, "fail", call(&parameters)));
        assert_eq!((&*error.kind, &*error.message, error.retryable), ("abi.failed", "it failed", retryable));
        assert_eq!(*error.details.value(), json!([1, 2]));
        let error = failure(perform(&registry, "fail_later", call(&parameters)));
        assert_eq!((&*error.kind, error.retryable), ("abi.failed_later", retryable));
    }
    let error = failure(perform(&registry, "add", call(r#"{"a":1}"#)));
    assert_eq!(&*error.kind, "validation");
    assert!(error.message.contains("missing field `b`"), "{}", error.message);
}

#[test]
fn its_panics_cost_one_call_each() {
    let (_home, registry) = registry();
    for method in ["panic", "panic_later"] {
        let error = failure(perform(&registry, method, call("{}")));
        assert_eq!(&*error.kind, "plugin.panic");
        assert!(error.message.contains("on purpose"), "{}", error.message);
    }
    let call = call_with("{}", "afterwards", Arc::new(Silent));
    assert!(perform(&registry, "nothing", call).is_ok());
}
