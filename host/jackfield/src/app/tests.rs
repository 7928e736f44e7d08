//! Methods of the application: what reaches them and what they answer.

use super::*;
use jackfield_core::payload::Payload;
use serde::Deserialize;
use serde_json::json;
use std::sync::mpsc;

#[derive(Deserialize, schemars::JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

struct NoFiles;

impl Methods for NoFiles {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::new(Catalog::new(vec![]))
    }

    fn bind(
        &self,
        plugin: &str,
        _: &Version,
        _: &str,
        _: Option<Isolation>,
    ) -> Result<Arc<dyn Method>, Failure> {
        Err(Failure::new(kind::PLUGIN_UNAVAILABLE, format!("no file has plugin `{plugin}`")))
    }
}

fn call(parameters: &serde_json::Value) -> Call {
    Call::new(Payload::encode(parameters), jackfield_core::ports::StepAddress::new("r", "s"))
}

fn bound(method: AppMethod) -> Arc<dyn Method> {
    let name = method.name().to_owned();
    let mut app = AppPlugins::default();
    app.add("app", "1.0.0", method).unwrap();
    let runtime = if app.has_async() { Some(AppRuntime::new().unwrap()) } else { None };
    AllMethods::new(app, Arc::new(NoFiles), runtime).bind("app", &Version::new(1, 0, 0), &name, None).unwrap()
}

#[test]
fn a_closure_is_called_with_its_own_type_and_answers_in_json() {
    let method = bound(AppMethod::inline("add", |_, p: Add| Ok::<_, MethodError>(p.a + p.b)));
    assert_eq!(method.call(&call(&json!({ "a": 2, "b": 3 }))).unwrap().as_str(), "5");
}

#[test]
fn parameters_of_the_wrong_type_fail_as_validation_and_are_not_worth_a_retry() {
    let method = bound(AppMethod::inline("add", |_, p: Add| Ok::<_, MethodError>(p.a + p.b)));
    let failure = method.call(&call(&json!({ "a": 2 }))).unwrap_err();
    assert_eq!(&*failure.kind, "validation");
    assert!(failure.message.contains("missing field `b`"), "{}", failure.message);
    assert!(!failure.retryable);
}

#[test]
fn an_error_keeps_its_type_and_a_standard_error_its_whole_message() {
    let typed = bound(AppMethod::blocking("a", |_, _: serde_json::Value| {
        Err::<(), _>(MethodError::new("order.rejected", "no").permanent().details(json!({ "id": 1 })))
    }));
    let failure = typed.call(&call(&json!({}))).unwrap_err();
    assert_eq!((&*failure.kind, &*failure.message, failure.retryable), ("order.rejected", "no", false));
    assert_eq!(failure.details.as_str(), r#"{"id":1}"#);

    let plain = bound(AppMethod::blocking("b", |_, _: serde_json::Value| {
        "x".parse::<u8>().map_err(MethodError::from)
    }));
    let failure = plain.call(&call(&json!({}))).unwrap_err();
    assert_eq!((&*failure.kind, &*failure.message), ("plugin.error", "invalid digit found in string"));
}

#[test]
fn a_panic_of_a_closure_is_a_failure_of_the_call() {
    let method = bound(AppMethod::blocking("boom", |_, _: serde_json::Value| -> Result<(), MethodError> {
        panic!("boom")
    }));
    assert_eq!(&*method.call(&call(&json!({}))).unwrap_err().kind, "plugin.panic");
}

#[tokio::test]
async fn an_asynchronous_closure_completes_exactly_once_even_if_it_panics() {
    for (panics, expected) in [(false, Ok("\"done\"")), (true, Err("plugin.panic"))] {
        let method = bound(AppMethod::asynchronous("later", move |_, _: serde_json::Value| async move {
            assert!(!panics, "boom");
            Ok::<_, MethodError>("done")
        }));
        let (tx, rx) = mpsc::channel();
        method.start(Arc::new(call(&json!({}))), Box::new(move |outcome| tx.send(outcome).unwrap()));
        let outcome = tokio::task::spawn_blocking(move || rx.iter().collect::<Vec<_>>()).await.unwrap();
        assert_eq!(outcome.len(), 1);
        let outcome = outcome[0].as_ref().map(Payload::as_str).map_err(|failure| &*failure.kind);
        assert_eq!(outcome, expected);
    }
}

#[test]
fn the_catalog_shows_schemas_and_is_merged_once_per_change() {
    let mut app = AppPlugins::default();
    let add = AppMethod::inline("add", |_, p: Add| Ok::<_, MethodError>(p.a + p.b));
    app.add("app", "1.0.0", add.parameters_schema::<Add>().output_schema::<i64>().pure()).unwrap();
    let catalog = AllMethods::new(app, Arc::new(NoFiles), None).catalog();
    let method = catalog.versions("app")[0].method("add").unwrap();
    assert!(method.pure);
    assert_eq!(method.parameters.value()["required"], json!(["a", "b"]));
    assert_eq!(method.output.value()["type"], "integer");
}

#[test]
fn a_bad_version_and_a_second_method_of_the_same_name_are_refused() {
    let method = || AppMethod::inline("m", |_, _: serde_json::Value| Ok::<_, MethodError>(()));
    let mut app = AppPlugins::default();
    let error = app.add("app", "one", method()).unwrap_err().to_string();
    assert!(error.starts_with("version `one` of the application's plugin `app`"), "{error}");
    app.add("app", "1.0.0", method()).unwrap();
    let error = app.add("app", "1.0.0", method()).unwrap_err().to_string();
    assert_eq!(error, "method `app.m` 1.0.0 is registered twice");
}
